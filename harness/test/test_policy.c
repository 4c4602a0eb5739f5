/*
 * test_policy.c - what the rules decide, and above all whom they never let
 * through.  (How they are read: test_rules.c.)
 */
#include "test/ruled.h"

#include "test/rule_path.h"

#include "server/policy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_policy(void);

/* RUN stands for run_dir, where there is a directory "etc" that belongs to us
 * wherever we are.  In a user namespace, /etc belongs to nobody. */
#define RUN "$"

static const char *
expanded(const char *text, const char *dir)
{
    static char whole[2 * PATH_MAX];
    const char *place = strstr(text, RUN);

    if (place == NULL)
        return text;
    snprintf(whole, sizeof whole, "%.*s%s%s", (int)(place - text), text, dir,
             place + strlen(RUN));
    return whole;
}

static const char *
in_run_dir(const char *text)
{
    return expanded(text, run_dir);
}

static const char *
in_rules(const char *text)
{
    return expanded(text, rule_path(run_dir).text);
}

static struct policy *
rules(const char *text)
{
    char path[ENDPOINT_SIZE], etc[ENDPOINT_SIZE], why[POLICY_WHY];
    struct policy *p = NULL;

    snprintf(path, sizeof path, "%.80s/policy.conf", run_dir);
    snprintf(etc, sizeof etc, "%.80s/etc", run_dir);
    ck_assert_int_eq(mkdir(etc, 0755), 0);
    write_file(path, in_rules(text), 0644);
    ck_assert_msg(policy_read(path, geteuid(), &p, why) == 0, "%s", why);
    unlink(path);
    rmdir(etc);
    return p;
}

static const struct ipc_mechanism mechanism = {.name = "test/test"};
static const char *rule;
static char sentence[POLICY_SENTENCE];

static bool
may(const struct policy *p, uid_t uid, gid_t gid, enum ipc_evidence evidence,
    const char *method)
{
    const struct ipc_peer peer = {
        .pid = 1234, .uid = uid, .gid = gid, .evidence = evidence};

    rule = NULL;
    sentence[0] = '\0';
    return policy_decide(p, &mechanism, &peer, api_by_name(method), &rule,
                         sentence);
}

static void
expect_said(const char *in_rule, const char *in_sentence)
{
    ck_assert_msg(strstr(rule, in_rule) != NULL, "rule: %s", rule);
    ck_assert_msg(strstr(sentence, in_sentence) != NULL, "sentence: %s",
                  sentence);
}

START_TEST(what_is_open_stays_open_and_a_deny_takes_it_away)
{
    struct policy *p = rules("deny hello uid=10002\ndeny whoami any\n");

    ck_assert(may(NULL, ALICE, ALICE, IPC_PEER, "hello"));
    expect_said("default: open to everybody", "");
    ck_assert(may(NULL, ALICE, ALICE, IPC_OWNER, "counter_add"));
    ck_assert(may(NULL, (uid_t)-1, (gid_t)-1, IPC_CLAIMED, "hello"));
    ck_assert(may(p, ALICE, ALICE, IPC_PEER, "hello"));
    ck_assert(!may(p, BOB, ALICE, IPC_PEER, "hello"));
    expect_said("policy.conf:1 deny hello uid=10002",
                "by policy.conf:1 deny hello uid=10002");
    /* A suspicion is enough to deny. */
    ck_assert(!may(p, BOB, BOB, IPC_INFERRED, "hello"));
    ck_assert(!may(p, (uid_t)-1, (gid_t)-1, IPC_CLAIMED, "whoami"));
    policy_free(p);
}
END_TEST

START_TEST(what_is_privileged_needs_a_rule)
{
    struct policy *p = rules("allow bind_port uid=10001\n");

    ck_assert(!may(NULL, 0, 0, IPC_STAMPED, "bind_port")); /* not even root */
    expect_said("default: privileged", "no policy file");
    ck_assert(may(p, ALICE, ALICE, IPC_PEER, "bind_port"));
    expect_said("policy.conf:1 allow bind_port uid=10001", "");
    ck_assert(!may(p, BOB, BOB, IPC_PEER, "bind_port"));
    expect_said("default: privileged", "no rule allows it to uid 10002");
    ck_assert(!may(p, ALICE, ALICE, IPC_PEER, "set_priority"));
    ck_assert(!may(p, ALICE, ALICE, IPC_OWNER, "bind_port"));
    expect_said("default: least evidence",
                "bind_port needs evidence K3, test/test gives K2");
    policy_free(p);
}
END_TEST

START_TEST(a_deny_wins_wherever_it_stands)
{
    static const char *const texts[] = {
        "deny bind_port uid=10001\nallow bind_port uid=10001\n",
        "allow bind_port uid=10001\ndeny bind_port uid=10001\n",
        "allow bind_port uid=10001\ndeny * uid=10001\n",
        "allow bind_port any\ndeny bind_port gid=10001\n",
        "allow * any\ndeny bind_port any\n",
        "allow * any min=K2\nallow bind_port any\ndeny * any\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct policy *p = rules(texts[i]);

        ck_assert_msg(!may(p, ALICE, ALICE, IPC_STAMPED, "bind_port"), "%s",
                      texts[i]);
        ck_assert_ptr_nonnull(strstr(rule, " deny "));
        policy_free(p);
    }
}
END_TEST

START_TEST(a_rule_may_want_more_evidence)
{
    struct policy *p = rules("allow set_hostname uid=10001 min=K4\n");

    ck_assert(!may(p, ALICE, ALICE, IPC_PEER, "set_hostname"));
    expect_said("min=K4", "set_hostname needs evidence K4, test/test gives K3 "
                          "(by policy.conf:1 allow set_hostname uid=10001 "
                          "min=K4)");
    ck_assert(may(p, ALICE, ALICE, IPC_STAMPED, "set_hostname"));
    policy_free(p);
    p = rules("allow set_hostname uid=10001 min=K4\n"
              "allow set_hostname uid=10001 min=K2\n");
    ck_assert(may(p, ALICE, ALICE, IPC_OWNER, "set_hostname"));
    policy_free(p);
}
END_TEST

START_TEST(groups_are_the_primary_one_only)
{
    struct policy *p = rules("allow bind_port gid=10001\n");

    ck_assert(may(p, BOB, ALICE, IPC_PEER, "bind_port"));
    ck_assert(!may(p, ALICE, BOB, IPC_PEER, "bind_port"));
    ck_assert(!may(p, ALICE, (gid_t)-1, IPC_PEER, "bind_port"));
    policy_free(p);
}
END_TEST

START_TEST(shutdown_is_its_owners_unless_a_rule_allows_it)
{
    struct policy *p = rules("allow shutdown uid=10001\n");

    ck_assert(may(NULL, 0, 0, IPC_OWNER, "shutdown"));
    ck_assert(may(NULL, geteuid(), getegid(), IPC_OWNER, "shutdown"));
    ck_assert(!may(NULL, ALICE, ALICE, IPC_OWNER, "shutdown") ||
              geteuid() == ALICE);
    ck_assert(may(p, ALICE, ALICE, IPC_OWNER, "shutdown"));
    ck_assert(!may(p, BOB, BOB, IPC_OWNER, "shutdown") || geteuid() == BOB);
    policy_free(p);
}
END_TEST

/* Everything that an error, a failed lookup, a namespace or a liar can make of
 * an identity; with the evidence that comes with it. */
static const struct ipc_peer unknown[] = {
    {-1, (uid_t)-1, (gid_t)-1, IPC_CLAIMED, NULL},  /* IPC_PEER_UNKNOWN */
    {-1, (uid_t)-1, (gid_t)-1, IPC_INFERRED, NULL}, /* lookup failed */
    {-1, (uid_t)-1, (gid_t)-1, IPC_OWNER, NULL},    /* owner not to be had */
    {0, (uid_t)-1, (gid_t)-1, IPC_PEER, NULL},      /* SO_PEERCRED over TCP */
    {0, (uid_t)-1, (gid_t)-1, IPC_STAMPED, NULL},
    {1234, (uid_t)-1, 0, IPC_STAMPED, NULL}, /* half of it read */
    {0, 65534, 65534, IPC_STAMPED, NULL},    /* queued before PASSCRED */
    {1234, 65534, 65534, IPC_PEER, NULL},    /* not mapped here */
    {1234, 65534, 0, IPC_PEER, NULL},
    {-1, 65534, 65534, IPC_OWNER, NULL},
    {0, 0, 0, IPC_CLAIMED, NULL}, /* "I am root" */
    {1, 0, 0, IPC_CLAIMED, NULL},
    {0, 0, 0, IPC_INFERRED, NULL}, /* TIME_WAIT; SI_USER, queue full */
    {1234, ALICE, ALICE, IPC_CLAIMED, NULL},
    {1234, ALICE, ALICE, IPC_INFERRED, NULL},
};

#define ONE_BY_ONE \
    "allow * uid=0\nallow * gid=0\nallow * uid=10001\nallow * gid=10001\n" \
    "allow * uid=4294967294\nallow * uid=65535\nallow * uid=65533\n"

static const char *const generous[] = {
    "allow * any\n",
    "allow * any min=K2\n",
    ONE_BY_ONE,
    "allow * any\nallow read_file any path=" RUN "/etc\n",
};

START_TEST(nobody_unknown_is_ever_allowed_what_depends_on_who_he_is)
{
    const size_t callers = sizeof unknown / sizeof *unknown;
    const size_t policies = sizeof generous / sizeof *generous;
    unsigned tried = 0;

    for (size_t i = 0; i <= policies; i++) {
        struct policy *p = i < policies ? rules(generous[i]) : NULL;

        for (const struct api_method *m = api_methods; m->name != NULL; m++)
            for (size_t c = 0; c < callers; c++) {
                const char *rest;
                bool yes = policy_decide(p, &mechanism, &unknown[c], m, &rule,
                                         sentence);

                tried++;
                ck_assert_msg(yes == (m->evidence == IPC_CLAIMED),
                              "%s for caller %zu: %s", m->name, c, rule);
                ck_assert_msg(strncmp(rule, "default: ", 9) == 0,
                              "%s for caller %zu, by %s", m->name, c, rule);
                ck_assert_int_eq(policy_grant(p, &unknown[c], m,
                                              in_run_dir(RUN "/etc/passwd"),
                                              &rest, &rule),
                                 -ENOENT);
            }
        policy_free(p);
    }
    ck_assert_uint_eq(tried, 5 * api_method_count * callers);
}
END_TEST

/* The negative control: the same rules do let in whom the server knows. */
START_TEST(any_is_any_known_user)
{
    struct policy *p =
        rules("allow * any\nallow read_file any path=" RUN "/etc\n");
    const struct ipc_peer alice = {-1, ALICE, ALICE, IPC_OWNER, NULL};
    const char *rest;

    for (const struct api_method *m = api_methods; m->name != NULL; m++)
        ck_assert_msg(may(p, ALICE, ALICE, IPC_PEER, m->name), "%s: %s",
                      m->name, sentence);
    ck_assert_int_ge(policy_grant(p, &alice, api_by_name("read_file"),
                                  in_run_dir(RUN "/etc/passwd"), &rest, &rule),
                     0);
    ck_assert_str_eq(rest, "passwd");
    ck_assert_str_eq(
        rule, in_rules("policy.conf:2 allow read_file any path=" RUN "/etc"));
    policy_free(p);
}
END_TEST

START_TEST(a_blank_in_a_directory_is_written_as_in_fstab)
{
    const struct ipc_peer peer = {-1, ALICE, ALICE, IPC_PEER, NULL};
    const char *rest = NULL;
    char dir[ENDPOINT_SIZE];
    struct policy *p;

    snprintf(dir, sizeof dir, "%.80s/a b\\c", run_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    p = rules("allow read_file any path=" RUN "/a\\040b\\134c\\057\n");
    ck_assert_int_ge(policy_grant(p, &peer, api_by_name("read_file"),
                                  in_run_dir(RUN "/a b\\c/file"), &rest, &rule),
                     0);
    ck_assert_str_eq(rest, "file");
    policy_free(p);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_grant_ends_where_the_name_of_the_directory_does)
{
    struct policy *p =
        rules("allow read_file uid=10001 path=" RUN "/etc/// min=K3\n");
    const struct api_method *reads = api_by_name("read_file");
    struct ipc_peer peer = {-1, ALICE, ALICE, IPC_PEER, NULL};
    const char *rest = NULL;

    ck_assert_int_ge(policy_grant(p, &peer, reads, in_run_dir(RUN "/etc//x/y"),
                                  &rest, &rule),
                     0);
    ck_assert_str_eq(rest, "x/y");
    ck_assert_int_eq(policy_grant(p, &peer, reads, in_run_dir(RUN "/etcetera"),
                                  &rest, &rule),
                     -ENOENT);
    ck_assert_int_eq(
        policy_grant(p, &peer, reads, in_run_dir(RUN "/etc"), &rest, &rule),
        -ENOENT);
    ck_assert_int_eq(policy_grant(p, &peer, api_by_name("open_file"),
                                  in_run_dir(RUN "/etc/passwd"), &rest, &rule),
                     -ENOENT);
    peer.evidence = IPC_OWNER;
    ck_assert_int_eq(policy_grant(p, &peer, reads,
                                  in_run_dir(RUN "/etc/passwd"), &rest, &rule),
                     -ENOENT);
    peer = (struct ipc_peer){-1, BOB, ALICE, IPC_PEER, NULL};
    ck_assert_int_eq(policy_grant(p, &peer, reads,
                                  in_run_dir(RUN "/etc/passwd"), &rest, &rule),
                     -ENOENT);
    policy_free(p);
}
END_TEST

/* What is privileged asks for evidence that only a kernel gives; whoever adds a
 * method cannot forget it. */
START_TEST(the_table_protects_what_is_privileged)
{
    for (const struct api_method *m = api_methods; m->name != NULL; m++) {
        if (m->marks & (API_PRIVILEGED | API_OWNERS)) {
            ck_assert_msg(m->evidence >= IPC_OWNER, "%s", m->name);
            ck_assert_msg(m->marks & API_WRITES, "%s", m->name);
        }
        if (m->marks & API_WRITES)
            ck_assert_msg(m->evidence >= IPC_OWNER, "%s", m->name);
        if (m->marks & API_MEASURING)
            ck_assert_msg(m->marks == API_MEASURING, "%s", m->name);
    }
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_policy(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = test_case(s, "policy");

    tcase_add_test(tc, what_is_open_stays_open_and_a_deny_takes_it_away);
    tcase_add_test(tc, what_is_privileged_needs_a_rule);
    tcase_add_test(tc, a_deny_wins_wherever_it_stands);
    tcase_add_test(tc, a_rule_may_want_more_evidence);
    tcase_add_test(tc, groups_are_the_primary_one_only);
    tcase_add_test(tc, shutdown_is_its_owners_unless_a_rule_allows_it);
    tcase_add_test(tc,
                   nobody_unknown_is_ever_allowed_what_depends_on_who_he_is);
    tcase_add_test(tc, any_is_any_known_user);
    tcase_add_test(tc, a_blank_in_a_directory_is_written_as_in_fstab);
    tcase_add_test(tc, a_grant_ends_where_the_name_of_the_directory_does);
    tcase_add_test(tc, the_table_protects_what_is_privileged);
    return s;
}

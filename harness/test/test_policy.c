/*
 * test_policy.c - the rules: how they are read, what they decide, and above all
 * whom they never let through.
 */
#define _GNU_SOURCE /* mkfifo's mode, O_CLOEXEC */
#include "test/ruled.h"

#include "server/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_policy(void);

static char path[ENDPOINT_SIZE], why[POLICY_WHY];

static int
read_text(const char *text, struct policy **p)
{
    snprintf(path, sizeof path, "%.80s/policy.conf", run_dir);
    write_file(path, text, 0644);
    return policy_read(path, geteuid(), p, why);
}

static struct policy *
rules(const char *text)
{
    struct policy *p = NULL;

    ck_assert_msg(read_text(text, &p) == 0, "%s", why);
    unlink(path);
    return p;
}

static void
expect_refusal(const char *says)
{
    struct policy *p = NULL;

    ck_assert_int_eq(policy_read(path, geteuid(), &p, why), -EINVAL);
    ck_assert_msg(strstr(why, says) != NULL, "'%s' is not in: %s", says, why);
    ck_assert_msg(strncmp(why, path, strlen(path)) == 0, "no path: %s", why);
}

/* -- reading ------------------------------------------------------------------- */

START_TEST(rules_are_read)
{
    static const struct {
        const char *text;
        unsigned rules;
    } good[] = {
        {"", 0},
        {"\n\n# nothing\n   # nothing\n\t\n", 0},
        {"allow hello any", 1},
        {"allow hello any\n", 1},
        {"  allow\thello  uid=10001 # a comment\n", 1},
        {"allow set_hostname uid=0 min=K4\ndeny * any\n", 2},
        {"deny hello gid=4294967294\n", 1},
        {"allow * user=root\nallow * group=root min=K2\n", 2},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct policy *p = rules(good[i].text);

        ck_assert_uint_eq(policy_rules(p), good[i].rules);
        policy_free(p);
    }
}
END_TEST

/* Each error names the line and says what is wrong with it. */
START_TEST(what_is_wrong_is_said_and_where)
{
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"permit hello any", "'permit': a rule begins with allow or deny"},
        {"Allow hello any", "'Allow'"},
        {"allow", "METHOD is missing"},
        {"allow hello", "WHO is missing"},
        {"allow hello # any", "WHO is missing"},
        {"allow hallo any", "there is no method 'hallo'"},
        {"allow hel* any", "there is no method 'hel*'"},
        {"allow hello everybody", "'everybody': say who"},
        {"allow hello ANY", "'ANY': say who"},
        {"allow hello uid", "say who"},
        {"allow hello uid=", "an id is a decimal number"},
        {"allow hello uid=-1", "an id is a decimal number"},
        {"allow hello uid=+1", "an id is a decimal number"},
        {"allow hello uid=0x0", "an id is a decimal number"},
        {"allow hello uid=00", "an id is a decimal number"},
        {"allow hello uid=010", "an id is a decimal number"},
        {"allow hello uid=1000k", "an id is a decimal number"},
        {"allow hello uid=1,2", "an id is a decimal number"},
        {"allow hello uid=4294967295", "not known"},
        {"allow hello gid=4294967295", "not known"},
        {"deny hello uid=4294967295", "not known"},
        {"allow hello uid=4294967296", "ids end at"},
        {"allow hello uid=18446744073709551616", "an id is a decimal number"},
        {"allow hello uid=65534", "those who have none"},
        {"allow hello gid=65534", "those who have none"},
        {"deny hello uid=65534", "those who have none"},
        {"allow hello user=", "no such user"},
        {"allow hello user=no-such-user", "no such user"},
        {"allow hello user=10001", "no such user"},
        {"allow hello group=no-such-group", "no such group"},
        {"allow hello any min=K1", "min= is K2, K3 or K4"},
        {"allow hello any min=K0", "min= is K2, K3 or K4"},
        {"allow hello any min=K5", "min= is K2, K3 or K4"},
        {"allow hello any min=3", "min= is K2, K3 or K4"},
        {"allow hello any min=", "min= is K2, K3 or K4"},
        {"deny hello any min=K3", "min= goes with allow"},
        {"allow hello any min=K2 min=K3", "once each"},
        {"allow hello any any", "'any' is not understood"},
        {"allow hello any min=K2 path=/etc x y", "'y' is too much"},
        {"allow hello any path=/etc", "path= goes with read_file"},
        {"allow * any path=/etc", "path= goes with read_file"},
        {"deny read_file any path=/etc", "path= goes with allow"},
        {"allow read_file any path=etc", "absolute directory"},
        {"allow read_file any path=", "absolute directory"},
        {"allow read_file any path=/", "absolute directory"},
        {"allow read_file any path=//", "absolute directory"},
        {"allow read_file any path=/no/such", "No such file"},
        {"allow read_file any path=/etc/passwd", "Not a directory"},
        {"allow read_file any path=/proc/self", "Not a directory"}, /* link */
        {"allow read_file any path=/tmp", "nobody else may write there"},
        {"allow hello any\r", "byte 0x0d"},
        {"allow hello\x1b[2J any", "byte 0x1b"},
        {"\xef\xbb\xbf"
         "allow hello any",
         "byte 0xef"},
        {"allow hello \xc3\xa4", "byte 0xc3"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        struct policy *p = NULL;

        snprintf(text, sizeof text, "# one\nallow whoami any\n%s\ndeny * any\n",
                 bad[i].line);
        ck_assert_msg(read_text(text, &p) == -EINVAL, "read: %s", bad[i].line);
        ck_assert_msg(strstr(why, bad[i].says) != NULL, "'%s' is not in: %s",
                      bad[i].says, why);
        ck_assert_msg(strstr(why, "/policy.conf:3: ") != NULL, "where? %s",
                      why);
        for (const char *c = why; *c != '\0'; c++)
            ck_assert_msg(*c >= 0x20, "control characters: %s", why);
    }
    unlink(path);
}
END_TEST

START_TEST(nul_bytes_long_lines_and_too_many_rules_are_refused)
{
    static char text[(POLICY_RULES + 1) * 32];
    struct policy *p = NULL;
    int fd;

    read_text("", &p);
    policy_free(p);
    for (int newline = 0; newline <= 1; newline++) {
        fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        ck_assert_int_eq(
            write(fd, "allow hello any\0 min=K4\n", (size_t)(23 + newline)),
            23 + newline);
        close(fd);
        expect_refusal(":1: a NUL byte");
    }
    memset(text, ' ', POLICY_LINE + 1);
    text[POLICY_LINE + 1] = '\0';
    ck_assert_int_eq(read_text(text, &p), -EINVAL);
    expect_refusal("more than");
    *text = '\0';
    for (int i = 0; i <= POLICY_RULES; i++)
        strcat(text, "deny hello any\n");
    ck_assert_int_eq(read_text(text, &p), -EINVAL);
    expect_refusal(":257: more than 256 rules");
    unlink(path);
}
END_TEST

START_TEST(only_a_file_that_nobody_else_can_write_is_believed)
{
    static const mode_t bad_modes[] = {0666, 0622, 0620, 0602, 0777};
    char other[ENDPOINT_SIZE];
    struct policy *p = NULL;

    snprintf(other, sizeof other, "%.80s/other", run_dir);
    policy_free(rules("allow hello any\n"));
    for (size_t i = 0; i < sizeof bad_modes / sizeof *bad_modes; i++) {
        write_file(path, "allow hello any\n", bad_modes[i]);
        expect_refusal("others may write it");
    }
    chmod(path, 0444);
    ck_assert_int_eq(policy_read(path, geteuid(), &p, why), 0);
    policy_free(p);

    ck_assert_int_eq(rename(path, other), 0);
    ck_assert_int_eq(symlink(other, path), 0);
    expect_refusal("a symbolic link; name the file itself");
    unlink(path);
    unlink(other);
    expect_refusal("No such file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_refusal("not a regular file"); /* and does not hang */
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    expect_refusal("not a regular file");
    rmdir(path);
}
END_TEST

START_TEST(a_strangers_file_or_directory_is_not_believed)
{
    char text[ENDPOINT_SIZE + 64], dir[ENDPOINT_SIZE];
    struct policy *p = NULL;

    policy_free(rules(""));
    write_file(path, "allow * any\n", 0644);
    ck_assert_int_eq(chown(path, BOB, BOB), 0);
    expect_refusal("belongs to uid 10002");
    ck_assert_int_eq(policy_read(path, BOB, &p, why), 0); /* Bob's own server */
    policy_free(p);
    ck_assert_int_eq(chown(path, 0, 0), 0);
    ck_assert_int_eq(policy_read(path, BOB, &p, why),
                     0); /* root is above him */
    policy_free(p);

    snprintf(dir, sizeof dir, "%.80s/dir", run_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    snprintf(text, sizeof text, "allow read_file any path=%s\n", dir);
    policy_free(rules(text));
    ck_assert_int_eq(chown(dir, BOB, BOB), 0);
    ck_assert_int_eq(read_text(text, &p), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "must belong to root"));
    unlink(path);
    rmdir(dir);
}
END_TEST

/* Where "nobody" is 65534, the name is refused like the number. */
START_TEST(nobody_by_name_is_nobody)
{
    const struct passwd *nobody = getpwnam("nobody");
    struct policy *p = NULL;

    if (nobody != NULL && nobody->pw_uid == OVERFLOW_ID) {
        ck_assert_int_eq(read_text("allow hello user=nobody\n", &p), -EINVAL);
        ck_assert_ptr_nonnull(strstr(why, "user=nobody: id 65534"));
        unlink(path);
    }
    p = rules("deny hello user=root\n");
    ck_assert_uint_eq(policy_rules(p), 1);
    policy_free(p);
}
END_TEST

/* -- deciding ------------------------------------------------------------------ */

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
    "allow * any\nallow read_file any path=/etc\n",
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
                ck_assert_int_eq(policy_grant(p, &unknown[c], m, "/etc/passwd",
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
    struct policy *p = rules("allow * any\nallow read_file any path=/etc\n");
    const struct ipc_peer alice = {-1, ALICE, ALICE, IPC_OWNER, NULL};
    const char *rest;

    for (const struct api_method *m = api_methods; m->name != NULL; m++)
        ck_assert_msg(may(p, ALICE, ALICE, IPC_PEER, m->name), "%s: %s",
                      m->name, sentence);
    ck_assert_int_ge(policy_grant(p, &alice, api_by_name("read_file"),
                                  "/etc/passwd", &rest, &rule),
                     0);
    ck_assert_str_eq(rest, "passwd");
    ck_assert_str_eq(rule, "policy.conf:2 allow read_file any path=/etc");
    policy_free(p);
}
END_TEST

START_TEST(a_grant_ends_where_the_name_of_the_directory_does)
{
    struct policy *p = rules("allow read_file uid=10001 path=/etc/// min=K3\n");
    const struct api_method *reads = api_by_name("read_file");
    struct ipc_peer peer = {-1, ALICE, ALICE, IPC_PEER, NULL};
    const char *rest = NULL;

    ck_assert_int_ge(policy_grant(p, &peer, reads, "/etc//x/y", &rest, &rule),
                     0);
    ck_assert_str_eq(rest, "x/y");
    ck_assert_int_eq(policy_grant(p, &peer, reads, "/etcetera", &rest, &rule),
                     -ENOENT);
    ck_assert_int_eq(policy_grant(p, &peer, reads, "/etc", &rest, &rule),
                     -ENOENT);
    ck_assert_int_eq(policy_grant(p, &peer, api_by_name("open_file"),
                                  "/etc/passwd", &rest, &rule),
                     -ENOENT);
    peer.evidence = IPC_OWNER;
    ck_assert_int_eq(policy_grant(p, &peer, reads, "/etc/passwd", &rest, &rule),
                     -ENOENT);
    peer = (struct ipc_peer){-1, BOB, ALICE, IPC_PEER, NULL};
    ck_assert_int_eq(policy_grant(p, &peer, reads, "/etc/passwd", &rest, &rule),
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

/* -- the server ---------------------------------------------------------------- */

START_TEST(a_server_with_bad_rules_does_not_start)
{
    struct output *o = calloc(1, sizeof *o);
    char option[ENDPOINT_SIZE + 16];

    ck_assert_ptr_nonnull(o);
    policy_free(rules(""));
    snprintf(option, sizeof option, "--policy=%s", path);
    write_file(path, "# one\nallow hello everyone\n", 0644);
    run_program(o, "ipcd", "-m", "socket/stream", option, NULL);
    ck_assert_int_eq(o->status, 78);
    ck_assert_ptr_nonnull(strstr(o->err, "policy.conf:2: 'everyone': say who"));
    write_file(path, "allow hello any\n", 0666);
    run_program(o, "ipcd", "-m", "socket/stream", option, NULL);
    ck_assert_int_eq(o->status, 78);
    ck_assert_ptr_nonnull(strstr(o->err, "mode 0666: others may write it"));
    unlink(path);
    run_program(o, "ipcd", "-m", "socket/stream", option, NULL);
    ck_assert_int_eq(o->status, 78);
    free(o);
}
END_TEST

START_TEST(sighup_reads_the_rules_again_and_keeps_them_if_they_are_bad)
{
    const struct api_value name = string_value("World");
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;

    ruled_start(&r, ipc_find("socket/stream"), geteuid(), "deny hello any\n");
    client_start(&r.host, &c);
    expect_call(&c, "hello", &name, WIRE_DENIED, &reply);
    ck_assert(value_is(&reply.message, "by policy.conf:1 deny hello any"));
    ruled_again(&r, "# now open\n");
    ruled_until(&r, "event=policy-reloaded");
    expect_call(&c, "hello", &name, WIRE_OK, &reply); /* the same connection */
    ruled_again(&r, "deny hello any\nrubbish\n");
    ruled_until(&r, "event=policy-kept text=\"");
    ck_assert_ptr_nonnull(
        strstr(ruled_audit(&r), "policy.conf:2: 'rubbish': a rule begins"));
    expect_call(&c, "hello", &name, WIRE_OK, &reply);
    unlink(r.policy); /* gone is bad as well */
    ck_assert_int_eq(kill(r.host.pid, SIGHUP), 0);
    ruled_until(&r, "No such file");
    expect_call(&c, "hello", &name, WIRE_OK, &reply);
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

START_TEST(whoami_names_the_rule)
{
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;

    ruled_start(&r, ipc_find("fifo/perclient"), geteuid(),
                "\nallow   whoami any # them\n");
    client_start(&r.host, &c);
    expect_call(&c, "whoami", NULL, WIRE_OK, &reply);
    ck_assert(value_is(&reply.results[7], "policy.conf:2 allow whoami any"));
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

Suite *
test_policy(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = test_case(s, "policy-file");

    tcase_add_test(tc, rules_are_read);
    tcase_add_test(tc, what_is_wrong_is_said_and_where);
    tcase_add_test(tc, nul_bytes_long_lines_and_too_many_rules_are_refused);
    tcase_add_test(tc, only_a_file_that_nobody_else_can_write_is_believed);
    add_test_if(tc, need_root(), a_strangers_file_or_directory_is_not_believed);
    tcase_add_test(tc, nobody_by_name_is_nobody);

    tc = test_case(s, "policy");
    tcase_add_test(tc, what_is_open_stays_open_and_a_deny_takes_it_away);
    tcase_add_test(tc, what_is_privileged_needs_a_rule);
    tcase_add_test(tc, a_deny_wins_wherever_it_stands);
    tcase_add_test(tc, a_rule_may_want_more_evidence);
    tcase_add_test(tc, groups_are_the_primary_one_only);
    tcase_add_test(tc, shutdown_is_its_owners_unless_a_rule_allows_it);
    tcase_add_test(tc,
                   nobody_unknown_is_ever_allowed_what_depends_on_who_he_is);
    tcase_add_test(tc, any_is_any_known_user);
    tcase_add_test(tc, a_grant_ends_where_the_name_of_the_directory_does);
    tcase_add_test(tc, the_table_protects_what_is_privileged);

    tc = test_case(s, "policy-server");
    tcase_add_test(tc, a_server_with_bad_rules_does_not_start);
    tcase_add_test(tc,
                   sighup_reads_the_rules_again_and_keeps_them_if_they_are_bad);
    tcase_add_test(tc, whoami_names_the_rule);
    return s;
}

/*
 * test_rules.c - the file of rules: how it is read, what is wrong with it, who
 * may have written it; and when a server reads it.  (What rules decide:
 * test_policy.c.)
 */
#define _GNU_SOURCE /* kill, mkfifo, O_CLOEXEC */
#include "test/ruled.h"

#include "test/rule_path.h"

#include "server/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_rules(void);

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

/* -- reading --------------------------------------------------------------- */

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
        {"allow read_file any path=/no\\040such", "No such file"},
        {"allow read_file any path=/a\\40b", "as in fstab(5): \\040"},
        {"allow read_file any path=/a\\000b", "as in fstab(5): \\040"},
        {"allow read_file any path=/a\\777b", "as in fstab(5): \\040"},
        {"allow read_file any path=/a\\", "as in fstab(5): \\040"},
        {"allow read_file any path=\\057", "absolute directory"},
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
            ck_assert_msg((signed char)*c >= 0x20, "control characters: %s",
                          why);
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
    char text[PATH_MAX + 64], dir[ENDPOINT_SIZE];
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
    snprintf(text, sizeof text, "allow read_file any path=%s\n",
             rule_path(dir).text);
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

/* -- the server ------------------------------------------------------------ */

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

/* -- the suite ------------------------------------------------------------- */

Suite *
test_rules(void)
{
    Suite *s = suite_create("rules");
    TCase *tc = test_case(s, "policy-file");

    tcase_add_test(tc, rules_are_read);
    tcase_add_test(tc, what_is_wrong_is_said_and_where);
    tcase_add_test(tc, nul_bytes_long_lines_and_too_many_rules_are_refused);
    tcase_add_test(tc, only_a_file_that_nobody_else_can_write_is_believed);
    add_test_if(tc, need_root(), a_strangers_file_or_directory_is_not_believed);
    tcase_add_test(tc, nobody_by_name_is_nobody);

    tc = test_case(s, "policy-server");
    tcase_add_test(tc, a_server_with_bad_rules_does_not_start);
    tcase_add_test(tc,
                   sighup_reads_the_rules_again_and_keeps_them_if_they_are_bad);
    tcase_add_test(tc, whoami_names_the_rule);
    return s;
}

/*
 * test_grants.c - files that a rule grants ("allow read_file ... path=DIR"):
 * from the directory no name leads out, and what the caller may do without a
 * rule he still may.
 */
#define _GNU_SOURCE /* symlink, mkfifo, O_CLOEXEC */
#include "test/ruled.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_grants(void);

static struct ruled server;
static struct vault vault;

static void
start(const char *mechanism)
{
    ruled_start(&server, ipc_find(mechanism), ALICE,
                vault_rules(&vault, ALICE));
}

static void
expect_text(struct client *c, const char *path, const char *text)
{
    const struct api_value args[] = {
        string_value(path), {.u64 = 0}, {.u32 = 99}};
    struct reply r;

    expect_call(c, "read_file", args, WIRE_OK, &r);
    ck_assert(value_is(&r.results[0], text));
}

static void
in_dir(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", vault.dir, name);
}

/* -- no way out ------------------------------------------------------------ */

/* Names that lead out of the directory, or to what is no file of it. */
static const struct {
    const char *name;
    int os_error;
    bool naive; /* can be read by who only compares the beginning of the path */
} ways_out[] = {
    {"link", ELOOP, true},
    {"dirlink/outside", ELOOP, true},
    {"hard", EMLINK, true},
    {"../outside", EXDEV, true},
    {"sub/../../outside", EXDEV, true},
    {"sub", EISDIR, false},
    {"", ENOENT, false},
    {"fifo", ENXIO, false},
    {"sub/none", ENOENT, false},
};
#define WAYS_OUT (sizeof ways_out / sizeof *ways_out)

static void
make_ways_out(const char *outside)
{
    char path[2 * ENDPOINT_SIZE];

    write_file(outside, "outside", 0600);
    in_dir(path, sizeof path, "link");
    ck_assert_int_eq(symlink("../outside", path), 0);
    in_dir(path, sizeof path, "dirlink");
    ck_assert_int_eq(symlink("..", path), 0);
    in_dir(path, sizeof path, "hard");
    ck_assert_int_eq(link(outside, path), 0);
    in_dir(path, sizeof path, "sub");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    in_dir(path, sizeof path, "fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void
ask_ways_out(void *arg)
{
    static const char *const methods[] = {"read_file", "open_file"};
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server.host, &c);
    expect_text(&c, vault.secret, "secret"); /* the rule is there */
    for (size_t i = 0; i < 2 * WAYS_OUT; i++) {
        char path[2 * ENDPOINT_SIZE];
        struct api_value args[] = {{.at = ""}, {.u64 = 0}, {.u32 = 99}};

        in_dir(path, sizeof path, ways_out[i / 2].name);
        args[0] = string_value(path);
        expect_call(&c, methods[i % 2], args, WIRE_OS_ERROR, &r);
        ck_assert_msg(r.os_error == ways_out[i / 2].os_error, "%s: %s: %s",
                      methods[i % 2], path, strerror(r.os_error));
    }
    client_close(&c);
}

/* The naive form: the path begins as the rule says, so root opens it. */
static void
go_naive_ways_out(void)
{
    for (size_t i = 0; i < WAYS_OUT; i++) {
        char path[2 * ENDPOINT_SIZE], text[16] = "";
        int fd;

        in_dir(path, sizeof path, ways_out[i].name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ck_assert_int_eq(strncmp(path, vault.dir, strlen(vault.dir)), 0);
        if (ways_out[i].naive) {
            ck_assert_int_eq(read(fd, text, sizeof text), 7);
            ck_assert_str_eq(text, "outside");
        }
        if (fd != -1)
            close(fd);
    }
}

START_TEST(a_granted_directory_has_no_way_out)
{
    char outside[ENDPOINT_SIZE];

    snprintf(outside, sizeof outside, "%.80s/outside", run_dir);
    vault_make(&vault);
    make_ways_out(outside);
    go_naive_ways_out();
    start("socket/stream");
    as_user(ALICE, ask_ways_out, NULL);
    ruled_stop(&server);
    unlink(outside);
    vault_remove(&vault);
}
END_TEST

/* -- nothing taken away ---------------------------------------------------- */

static void
ask_own(void *path)
{
    struct client c;

    client_start(&server.host, &c);
    expect_text(&c, path, "open");
    client_close(&c);
}

/* A rule gives more, it takes nothing away: what the caller may read himself he
 * reads as himself, also by a link, and no rule is named. */
START_TEST(a_grant_takes_nothing_away)
{
    char path[2 * ENDPOINT_SIZE], to[2 * ENDPOINT_SIZE];

    vault_make(&vault);
    ck_assert_int_eq(chmod(vault.dir, 0755), 0);
    in_dir(to, sizeof to, "open");
    write_file(to, "open", 0644);
    in_dir(path, sizeof path, "link");
    ck_assert_int_eq(symlink("open", path), 0);
    start("fifo/perclient");
    as_user(ALICE, ask_own, path);
    ck_assert_uint_eq(times_in(ruled_audit(&server), " path="), 0);
    ruled_stop(&server);
    vault_remove(&vault);
}
END_TEST

/* -- what the kernel makes up --------------------------------------------- */

#define MADE_UP "/proc/sys/kernel/ostype"

static void
ask_the_kernel(void *refused)
{
    const struct api_value args[] = {
        string_value(MADE_UP), {.u64 = 0}, {.u32 = 99}};
    struct client c;
    struct reply r;

    client_start(&server.host, &c);
    if (*(bool *)refused) {
        expect_call(&c, "read_file", args, WIRE_OS_ERROR, &r);
        ck_assert_int_eq(r.os_error, EACCES);
    } else {
        expect_text(&c, MADE_UP, "Linux\n");
    }
    client_close(&c);
}

/* Anybody may read it himself; but what stands in /proc depends on who
 * reads. */
START_TEST(what_the_kernel_makes_up_is_for_rules)
{
    bool refused = true;
    char rules[128];

    snprintf(rules, sizeof rules,
             "allow read_file uid=%d path=/proc/sys/kernel\n", ALICE);
    ruled_start(&server, ipc_find("socket/stream"), ALICE, "");
    as_user(ALICE, ask_the_kernel, &refused);
    ruled_stop(&server);
    refused = false;
    ruled_start(&server, ipc_find("socket/stream"), ALICE, rules);
    as_user(ALICE, ask_the_kernel, &refused);
    ruled_stop(&server);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_grants(void)
{
    Suite *s = suite_create("grants");
    TCase *tc = test_case(s, "grants");

    const char *reason = need_root() != NULL ? need_root() : need_rules();

    add_test_if(tc, reason, a_granted_directory_has_no_way_out);
    add_test_if(tc, reason, a_grant_takes_nothing_away);
    add_test_if(tc, reason, what_the_kernel_makes_up_is_for_rules);
    return s;
}

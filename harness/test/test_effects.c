/*
 * test_effects.c - methods that change something outside of the server: the
 * host's name, another process's priority, the log.  What they must not be
 * talked into.  (Files: test_grants.c)
 */
#define _GNU_SOURCE /* unshare, symlink */
#include "test/ruled.h"

#include "server/methods.h"
#include "server/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_effects(void);

/* A call of a method, in this process. */
static uint32_t
call_here(method_function f, struct service *s, const struct ipc_peer *peer,
          struct api_value arg, struct call *c)
{
    *c = (struct call){.service = s, .peer = *peer, .args = {arg}, .fd = -1};
    return f(c);
}

/* -- the host name --------------------------------------------------------- */

#define NEW_NAME "renamed-by-a-test"

START_TEST(a_server_in_the_machines_uts_namespace_does_not_rename_it)
{
    const struct ipc_peer root = {getpid(), 0, 0, IPC_PEER, NULL};
    struct service s = {.m = ipc_find("socket/stream")};
    struct api_value name = string_value(NEW_NAME);
    char now[HOST_NAME_MAX + 1];
    struct call c;
    struct stat st;

    ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
    /* This one is now "the machine's". */
    ck_assert_int_eq(stat("/proc/self/ns/uts", &st), 0);
    settings.first_uts = st.st_ino;
    ck_assert_uint_eq(call_here(do_set_hostname, &s, &root, name, &c),
                      WIRE_DENIED);
    ck_assert_ptr_nonnull(strstr(s.message, "no UTS namespace of its own"));
    ck_assert_ptr_nonnull(strstr(s.message, "--allow-host-uts"));
    gethostname(now, sizeof now);
    ck_assert_str_ne(now, NEW_NAME);
    settings.host_uts = true; /* --allow-host-uts */
    ck_assert_uint_eq(call_here(do_set_hostname, &s, &root, name, &c), WIRE_OK);
    gethostname(now, sizeof now);
    ck_assert_str_eq(now, NEW_NAME);
    /* Or in a namespace that really is its own. */
    settings.host_uts = false;
    ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
    ck_assert_uint_eq(
        call_here(do_set_hostname, &s, &root, string_value("again"), &c),
        WIRE_OK);
}
END_TEST

START_TEST(a_host_name_is_letters_digits_hyphens_and_dots)
{
    static const char *const bad[] = {"",    "-x",       ".x",  "a b", "a\nb",
                                      "a/b", "\xc3\xa4", "a_b", "a;b"};
    const struct ipc_peer root = {getpid(), 0, 0, IPC_PEER, NULL};
    struct service s = {.m = ipc_find("socket/stream")};
    char longest[HOST_NAME_MAX + 1];
    struct call c;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_uint_eq(
            call_here(do_set_hostname, &s, &root, string_value(bad[i]), &c),
            WIRE_BAD_ARGS);
    memset(longest, 'a', sizeof longest);
    ck_assert_uint_eq(call_here(do_set_hostname, &s, &root,
                                bytes_value(longest, HOST_NAME_MAX), &c),
                      WIRE_BAD_ARGS);
}
END_TEST

/* -- the priority ---------------------------------------------------------- */

static void
wait_there(struct actor *self, void *arg)
{
    (void)arg;
    actor_step(self);
}

#define NICE 7

/* A connection of Alice's, whose pid is by now somebody else's. */
START_TEST(a_pid_is_not_an_identity)
{
    struct ipc_peer alice = {-1, ALICE, ALICE, IPC_PEER, NULL};
    struct service s = {.m = ipc_find("socket/stream")};
    const struct api_value nice = {.i32 = NICE};
    const int before = getpriority(PRIO_PROCESS, 0); /* perhaps `nice make` */
    struct actor bob, own;
    struct call c;

    actor_start(&bob, BOB, wait_there, NULL);
    actor_start(&own, ALICE, wait_there, NULL);
    actor_wait(&bob);
    actor_wait(&own);

    alice.pid = bob.pid;
    ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                      WIRE_OS_ERROR);
    ck_assert_int_eq(c.os_error, EPERM);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)bob.pid), before);
    /* The naive form believes the pid. */
    ck_assert_int_eq(setpriority(PRIO_PROCESS, (id_t)alice.pid, NICE), 0);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)bob.pid), NICE);

    alice.pid = own.pid;
    ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                      WIRE_OK);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)own.pid), NICE);
    ck_assert(actor_kill(&own));
    ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                      WIRE_OS_ERROR);
    ck_assert_int_eq(c.os_error, ESRCH);
    actor_go(&bob);
    actor_end(&bob);

    /* 0 would be the server itself: setpriority(2). */
    for (alice.pid = -1; alice.pid <= 0; alice.pid++)
        ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                          WIRE_DENIED);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), before);
}
END_TEST

/* -- the log --------------------------------------------------------------- */

START_TEST(the_log_says_who_wrote_what_and_where)
{
    static const char lie[] =
        "x\n2026-01-01T00:00:00.000000Z uid=0 text=\"hi\"";
    struct api_value text = string_value("one");
    static char big[2000];
    const char *log;
    char expected[96];
    struct ruled server = {.more = NULL};
    struct client c;
    struct reply r;
    uint64_t at;

    ruled_start(&server, ipc_find("fifo/perclient"), geteuid(), "");
    client_start(&server.host, &c);
    expect_call(&c, "append_log", &text, WIRE_OK, &r);
    ck_assert_uint_eq(r.results[0].u64, 0);
    text = string_value(lie);
    expect_call(&c, "append_log", &text, WIRE_OK, &r);
    at = r.results[0].u64;
    text = string_value("");
    expect_call(&c, "append_log", &text, WIRE_BAD_ARGS, &r);
    memset(big, 'x', sizeof big);
    text = bytes_value(big, sizeof big);
    expect_call(&c, "append_log", &text, WIRE_BAD_ARGS, &r);

    log = file_text(server.log);
    ck_assert_uint_gt(strlen(log), at);
    ck_assert_uint_eq(times_in(log, "\n"), 2);
    ck_assert_int_eq(log[at - 1], '\n'); /* there the second line begins */
    snprintf(expected, sizeof expected,
             "Z uid=%u gid=%" PRId64
             " evidence=K2 mechanism=fifo/perclient text=\"one\""
             "\n",
             (unsigned)geteuid(), known_gid());
    ck_assert_ptr_nonnull(strstr(log, expected));
    ck_assert_ptr_nonnull(strstr(log + at, "text=\"x\\x0a2026"));
    client_close(&c);
    ruled_stop(&server);
}
END_TEST

/* Somebody has put a link where the log will be. */
START_TEST(the_log_does_not_follow_a_link)
{
    struct api_value text = string_value("root::0:0::/:/bin/sh");
    char target[ENDPOINT_SIZE];
    /* Confined it would have opened its log before we come. */
    struct ruled server = {.more = geteuid() == 0 ? "--keep-root" : NULL};
    struct client c;
    struct reply r;
    struct stat st;
    FILE *naive;

    snprintf(target, sizeof target, "%.80s/passwd", run_dir);
    write_file(target, "", 0600);
    ruled_start(&server, ipc_find("socket/stream"), geteuid(), "");
    ck_assert_int_eq(symlink(target, server.log), 0);
    client_start(&server.host, &c);
    expect_call(&c, "append_log", &text, WIRE_OS_ERROR, &r);
    ck_assert_int_eq(r.os_error, ELOOP);
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    naive = fopen(server.log, "ae"); /* the naive form */
    ck_assert(naive != NULL && fputs("gone through", naive) >= 0);
    if (naive != NULL)
        fclose(naive);
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_int_eq(st.st_size, 12);
    unlink(server.log);
    expect_call(&c, "append_log", &text, WIRE_OK, &r); /* and now it can */
    client_close(&c);
    ruled_stop(&server);
    unlink(target);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_effects(void)
{
    Suite *s = suite_create("effects");
    TCase *tc = test_case(s, "effects");

    add_test_if(tc, need_right(CAP_SYS_ADMIN),
                a_server_in_the_machines_uts_namespace_does_not_rename_it);
    tcase_add_test(tc, a_host_name_is_letters_digits_hyphens_and_dots);
    add_test_if(tc, need_right(CAP_SYS_NICE), a_pid_is_not_an_identity);
    tcase_add_test(tc, the_log_says_who_wrote_what_and_where);
    tcase_add_test(tc, the_log_does_not_follow_a_link);
    return s;
}

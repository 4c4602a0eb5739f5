/*
 * test_messages.c - one cause, one message: what went wrong, and what to do
 * about it, for causes that one errno stands for.
 */
#define _GNU_SOURCE /* RLIMIT_SIGPENDING */
#include "test/files.h"
#include "test/test.h"

#include "core/args.h"
#include "core/clock.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_messages(void);

static struct output o;

#define IPCCTL(...) run_program(&o, "ipcctl", __VA_ARGS__, NULL)

#define EXPECT(wanted, text) \
    do { \
        ck_assert_msg(o.status == (wanted), "exit status %d: %s%s", o.status, \
                      o.out, o.err); \
        ck_assert_msg(strstr(o.err, (text)) != NULL, "'%s' is not in: %s", \
                      (text), o.err); \
    } while (0)

/* -- a server that does not speak the protocol ----------------------------- */

/* A program to be spawned, which takes a request of so many bytes and answers
 * with these; program: --server=... */
static void
fake_server(size_t request, const uint8_t *answer, size_t len,
            char program[ENDPOINT_SIZE + 16])
{
    char path[ENDPOINT_SIZE], script[3 * ENDPOINT_SIZE];
    FILE *f;

    snprintf(path, sizeof path, "%.80s/answer", run_dir);
    f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(answer, 1, len, f), len);
    fclose(f);
    snprintf(script, sizeof script,
             "#!/bin/sh\nhead -c %zu >/dev/null\ncat '%s'\n", request, path);
    snprintf(path, sizeof path, "%.80s/server", run_dir);
    write_file(path, script, 0755);
    snprintf(program, ENDPOINT_SIZE + 16, "--server=%s", path);
}

static void
remove_fake_server(void)
{
    char path[ENDPOINT_SIZE];

    snprintf(path, sizeof path, "%.80s/answer", run_dir);
    unlink(path);
    snprintf(path, sizeof path, "%.80s/server", run_dir);
    unlink(path);
}

/* A reply to hello("x"), and what is done to it. */
static const struct mistake {
    size_t at; /* this byte ... */
    uint8_t is;
    const char *says;
} mistakes[] = {
    {0, 'H', "no magic number"},
    {5, 0, "it is no reply"},
    {5, 9, "unknown kind"},
    {6, 200, "a method that is not known here"},
    {12, 1, "errno and message do not decode"},
    {4, 2, "unknown version"},
    {11, 0xff, "longer than a message can be"},
    {24, 1, "descriptor announced and missing"},
    {25, 1, "more than one descriptor"},
    {30, 1, "reserved bytes are not zero"},
    {WIRE_HEADER, 200, "its results are not those of its method"},
};

#define MISTAKES ((int)(sizeof mistakes / sizeof *mistakes))

static void
expect_reason(const char *mechanism, const struct mistake *m)
{
    const struct api_value greeting = string_value("Hello x");
    const struct api_method *hello = api_by_name("hello");
    struct wire_header h = {.kind = WIRE_REPLY, .method = hello->number};
    char program[ENDPOINT_SIZE + 16];
    uint8_t frame[64] = {0};

    h.length = (uint32_t)api_encode(hello->results, &greeting,
                                    frame + WIRE_HEADER, 32);
    wire_encode(&h, frame);
    frame[m->at] = m->is;
    fake_server(WIRE_HEADER + 3, frame, WIRE_HEADER + h.length, program);
    IPCCTL("-m", mechanism, "--trace", program, "hello", "x");
    EXPECT(2, "the server's answer is not of the protocol: ");
    EXPECT(2, m->says);
    EXPECT(2, "<- refused: ");
    remove_fake_server();
}

/* A stream and a socket find the end of a frame by its header. */
START_TEST(each_mistake_of_a_server_is_named)
{
    static const char *const streams[] = {"pipe/coprocess", "socket/pair"};

    expect_reason(streams[_i / MISTAKES], &mistakes[_i % MISTAKES]);
}
END_TEST

START_TEST(a_trace_shows_each_frame_both_ways)
{
    IPCCTL("-m", "pipe/coprocess", "--trace", "hello", "Wor\"ld");
    EXPECT(0, "-> request hello(name=\"Wor\"ld\"), id ");
    EXPECT(0, "<- reply hello(greeting=\"Hello Wor\"ld\"), ok, id ");
    IPCCTL("-m", "pipe/packet", "--trace", "sleep", "1001");
    EXPECT(1, "-> request sleep(ms=1001), id ");
    EXPECT(1, "<- reply sleep(errno=0, message=\"ms must be at most 1000\"), "
              "bad arguments, id ");
    IPCCTL("-m", "pipe/packet", "hello", "x");
    ck_assert_str_eq(o.err, ""); /* unless it is asked for */
}
END_TEST

/* -- not for this user ----------------------------------------------------- */

struct elsewhere {
    const struct ipc_mechanism *m;
    char dir[ENDPOINT_SIZE], where[ENDPOINT_SIZE];
};

/* A server of an ordinary user, which is for himself. */
static void
serve_oneself(struct actor *self, void *arg)
{
    struct elsewhere *e = arg;
    void *srv = calloc(1, e->m->server_size);

    ck_assert_ptr_nonnull(srv);
    ck_assert_int_eq(mkdir(e->dir, 0755), 0);
    ck_assert_int_eq(endpoint_name(e->m, e->dir, e->where), 0);
    ck_assert_int_eq(e->m->create(srv, e->where), 0);
    actor_step(self);
    e->m->destroy(srv);
    free(srv);
    rmdir(e->dir);
}

static void
try_anothers(void *arg)
{
    const struct elsewhere *e = arg;
    struct client c;
    int err = client_open(&c, e->m, e->where);

    ck_assert_msg(err == -EACCES, "%s: %s", e->m->name, strerror(-err));
}

START_TEST(a_server_of_another_user_is_not_for_this_one)
{
    struct elsewhere *e = shared(sizeof *e);
    struct actor alice;

    e->m = ipc_registry[_i];
    snprintf(e->dir, sizeof e->dir, "%.80s/hers", run_dir);
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    actor_start(&alice, ALICE, serve_oneself, e);
    actor_wait(&alice);
    as_user(BOB, try_anothers, e);
    actor_go(&alice);
    actor_end(&alice);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
}
END_TEST

/* -- limits ---------------------------------------------------------------- */

/* Too few descriptors, until there are enough: never "cannot be trusted", "has
 * all the clients" or "died".  In a child, which has its limit for itself. */
static void
open_with_few(void *arg)
{
    struct host *server = arg;
    struct rlimit limit;
    struct client c;
    int err = -EMFILE;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (limit.rlim_cur = 3; err != 0 && limit.rlim_cur < 64;
         limit.rlim_cur++) {
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        err = client_try(server, &c);
        ck_assert_msg(err == 0 || err == -EMFILE, "%s: with %d: %s",
                      server->m->name, (int)limit.rlim_cur, strerror(-err));
    }
    ck_assert_int_eq(err, 0);
    client_close(&c);
}

START_TEST(too_few_descriptors_are_called_so)
{
    struct host server;

    server_start(&server, ipc_registry[_i]);
    as_user(geteuid(), open_with_few, &server);
    server_stop(&server);
}
END_TEST

/* A timer takes a place among the pending signals. */
START_TEST(no_timer_is_not_a_server_that_is_full)
{
    struct rlimit before, none;
    struct host server;

    server_start(&server, ipc_registry[_i]);
    ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    IPCCTL("-m", ipc_registry[_i]->name, "hello", "x");
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &before), 0);
    if (o.status != 0)
        EXPECT(2, "RLIMIT_SIGPENDING, ulimit -i");
    server_stop(&server);
}
END_TEST

/* -- the command line ------------------------------------------------------ */

START_TEST(what_is_too_long_or_missing_is_named)
{
    static const struct {
        const char *argv[6], *says;
    } cases[] = {
        {{"-m", "socket/stream", "read_file", "0", "100"},
         "3 arguments are wanted, not 2"},
        {{"-m", "socket/stream", "read_file", "offset=0", "count=1"},
         "path is missing"},
        {{"-m", "socket/tcp", "--at=[::1]:7777", "hello", "x"}, "IPv4"},
        {{"-m", "socket/tcp", "--at=127.0.0.1:99999", "hello", "x"},
         "a port from 1 to 65535"},
        {{"-m", "socket/udp", "--at=127.0.0.1:0", "hello", "x"},
         "a port from 1 to 65535"},
        {{"-m", "socket/udp", "--at=127.0.0.1", "hello", "x"}, "HOST:PORT"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *a = cases[i].argv;

        run_program(&o, "ipcctl", a[0], a[1], a[2], a[3], a[4], NULL);
        EXPECT(64, cases[i].says);
    }
}
END_TEST

START_TEST(a_string_has_its_own_limit)
{
    char path[ENDPOINT_SIZE], arg[ENDPOINT_SIZE + 1];
    char *text = calloc(1, 70001);

    ck_assert_ptr_nonnull(text);
    memset(text, 'x', 70000);
    snprintf(path, sizeof path, "%.80s/long", run_dir);
    write_file(path, text, 0600);
    snprintf(arg, sizeof arg, "@%s", path);
    IPCCTL("-m", "pipe/coprocess", "hello", arg);
    EXPECT(64, "a string has at most 65535 bytes, not 70000");
    unlink(path);
    free(text);
}
END_TEST

START_TEST(ipcd_does_not_blame_another)
{
    run_program(&o, "ipcd", "-m", "socket/stream", "-m", "socket/stream", NULL);
    EXPECT(64, "-m socket/stream is given twice");
    run_program(&o, "ipcd", "-m", "socket/tcp", "--listen=127.0.0.1:99999",
                NULL);
    EXPECT(64, "a port up to 65535");
    run_program(&o, "ipcd", "-m", "socket/udp", "--listen=[::1]:7777", NULL);
    EXPECT(64, "IPv4");
}
END_TEST

START_TEST(addresses_are_read_by_one_function)
{
    ck_assert(args_address("127.0.0.1:65535", true));
    ck_assert(args_address("localhost:1", true));
    ck_assert(args_address("127.0.0.1", false));
    ck_assert(args_address("127.0.0.1:0", false));
    ck_assert(!args_address("127.0.0.1:0", true));
    ck_assert(!args_address("127.0.0.1:65536", false));
    ck_assert(!args_address("127.0.0.1:", false));
    ck_assert(!args_address("127.0.0.1:-1", false));
    ck_assert(!args_address("127.0.0.1:7x", false));
    ck_assert(!args_address(":7777", false));
    ck_assert(!args_address("", false));
    ck_assert(!args_address("::1", false));
}
END_TEST

/* As long as it was told to, not as long as it thinks right. */
START_TEST(the_time_that_it_says_is_the_time_that_it_waits)
{
    struct host server;
    int64_t began;

    server_start(&server, ipc_find("fifo/perclient"));
    server_pause(&server);
    began = now_ns();
    IPCCTL("-m", "fifo/perclient", "-t", "2.5", "hello", "x");
    ck_assert_int_ge(now_ns() - began, 2500 * NS_PER_MS);
    EXPECT(2, "no answer within the time (2.5 s)");
    server_resume(&server);
    server_stop(&server);
}
END_TEST

Suite *
test_messages(void)
{
    Suite *s = suite_create("messages");
    TCase *tc = test_case(s, "messages");

    tcase_add_loop_test(tc, each_mistake_of_a_server_is_named, 0, 2 * MISTAKES);
    tcase_add_test(tc, a_trace_shows_each_frame_both_ways);
    tcase_add_test(tc, what_is_too_long_or_missing_is_named);
    tcase_add_test(tc, a_string_has_its_own_limit);
    tcase_add_test(tc, ipcd_does_not_blame_another);
    tcase_add_test(tc, addresses_are_read_by_one_function);
    tcase_add_test(tc, the_time_that_it_says_is_the_time_that_it_waits);
    for (int i = 0; ipc_registry[i] != NULL; i++) {
        const struct ipc_mechanism *m = ipc_registry[i];
        const char *reason = need_mechanism(m);

        if (m->caps & (IPC_SPAWNED | IPC_INPROCESS | IPC_ONEWAY))
            continue;
        tc = test_case(s, m->name);
        add_loop_test_if(tc, reason, too_few_descriptors_are_called_so, i);
        add_loop_test_if(tc, reason, no_timer_is_not_a_server_that_is_full, i);
        /* A socket tells who comes, and so is open to everybody. */
        if (m->evidence <= IPC_OWNER && !(m->caps & IPC_REMOTE))
            add_loop_test_if(tc, reason != NULL ? reason : need_root(),
                             a_server_of_another_user_is_not_for_this_one, i);
    }
    return s;
}

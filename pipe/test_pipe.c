/*
 * test_pipe.c - what only a pipe does, and what a set-user-ID server does with
 * what it inherits.
 */
#define _GNU_SOURCE /* pipe2, O_DIRECT */
#include "test/subject.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_pipe(void);

/* -- facts ---------------------------------------------------------------- */

START_TEST(a_pipe_is_bytes_and_a_packet_pipe_is_messages)
{
    char bytes[PIPE_BUF];
    int p[2];

    ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
    ck_assert_int_eq(write(p[1], "one", 3), 3);
    ck_assert_int_eq(write(p[1], "two", 3), 3);
    ck_assert_int_eq(read(p[0], bytes, sizeof bytes), 6);
    close(p[0]);
    close(p[1]);
    ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_DIRECT), 0);
    ck_assert_int_eq(write(p[1], "one", 3), 3);
    ck_assert_int_eq(write(p[1], "two", 3), 3);
    ck_assert_int_eq(read(p[0], bytes, sizeof bytes), 3);
    /* And what does not fit the buffer is lost: one byte of three. */
    ck_assert_int_eq(read(p[0], bytes, 1), 1);
    ck_assert_int_eq(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(p[0], bytes, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(p[0]);
    close(p[1]);
}
END_TEST

START_TEST(there_is_no_end_of_file_while_anybody_holds_a_write_end)
{
    int p[2], forgotten;
    char byte;

    ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    forgotten = dup(p[1]); /* as a child does that closes too little */
    close(p[1]);
    ck_assert_int_eq(read(p[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN); /* it would wait for ever */
    close(forgotten);
    ck_assert_int_eq(read(p[0], &byte, 1), 0);
    close(p[0]);
}
END_TEST

START_TEST(writing_to_nobody_is_a_broken_pipe)
{
    int p[2];

    ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
    close(p[0]);
    ck_assert_int_eq(write(p[1], "", 1), -1); /* SIGPIPE is ignored here */
    ck_assert_int_eq(errno, EPIPE);
    close(p[1]);
}
END_TEST

/* Both sides first write, then read: with more than a pipe holds both wait for
 * ever.  Not ours: send() takes replies in while it waits for room. */
START_TEST(who_only_asks_and_never_listens_is_not_stuck)
{
    const struct api_method *source = api_by_name("source");
    struct api_value count = {.u32 = 1000};
    const int requests = 4000; /* 36 bytes each: two pipes full of them */
    struct reply r;
    uint64_t id;

    begin(_i);
    for (int i = 0; i < requests; i++)
        ck_assert_int_eq(
            client_send(&client, source, &count, &id, CALL_TIMEOUT), 0);
    for (int i = 0; i < requests; i++) {
        ck_assert_int_eq(client_recv(&client, &r, CALL_TIMEOUT), 0);
        ck_assert_uint_eq(r.results[0].len, 1000);
    }
    ck_assert_uint_eq(r.id, id);
    end();
}
END_TEST

/* A packet takes a page, however short, and a pipe has sixteen: pipe(7).  What
 * was not sent is not said to have been. */
START_TEST(who_finds_the_pipe_full_waits_with_a_limit)
{
    uint8_t frame[WIRE_HEADER];
    struct ipc_message msg = {.buf = frame, .len = sizeof frame, .fd = -1};
    int err = 0, sent = 0;

    begin(_i);
    raw_frame(frame, API_stats, 7, NULL, 0);
    signal_server(SIGSTOP);
    while (err == 0 && sent < 1000) {
        err = subject->send(client.state, &msg, NS_PER_MS);
        sent += err == 0;
    }
    ck_assert_int_eq(err, -ETIMEDOUT);
    ck_assert_int_ge(sent, 1);
    signal_server(SIGCONT);
    for (int i = 0; i < sent; i++) {
        struct ipc_message reply = {.buf = client.buf,
                                    .cap = client.limits.max_msg};

        ck_assert_int_eq(subject->recv(client.state, &reply, CALL_TIMEOUT), 0);
    }
    end();
}
END_TEST

/* -- how we wait ---------------------------------------------------------- */

/* What recv() says of a reply that takes its time, while signals come. */
static int
receive_under_fire(int64_t timeout_ns)
{
    struct ipc_message msg = {.buf = client.buf, .cap = client.limits.max_msg};
    struct reply r;
    int err;

    send_request(&client, "sleep", (struct api_value){.u32 = 10});
    err = subject->recv(client.state, &msg, timeout_ns);
    if (err == -EINTR) /* nothing is lost */
        ck_assert_int_eq(client_recv(&client, &r, CALL_TIMEOUT), 0);
    return err;
}

static void
restart_after_signals(bool restart)
{
    struct sigaction action;

    ck_assert_int_eq(sigaction(SIGALRM, NULL, &action), 0);
    action.sa_flags = restart ? SA_RESTART : 0;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
}

/* ppoll(2) is never started again after a signal, read(2) is if the handler
 * was installed so, signal(7): that tells which of them it was that waited. */
START_TEST(with_no_time_limit_read_itself_waits)
{
    begin(_i);
    begin_signals(NS_PER_MS, 0);
    while (receive_under_fire(-1) != -EINTR)
        continue;
    restart_after_signals(true);
    while (receive_under_fire(CALL_TIMEOUT) != -EINTR)
        continue;
    signals_seen = 0;
    while (signals_seen < 50)
        ck_assert_int_eq(receive_under_fire(-1), 0);
    restart_after_signals(false);
    end_signals();
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(who_waits_for_ever_hears_that_the_server_died)
{
    struct reply r;

    begin(_i);
    begin_signals(20 * NS_PER_MS, server_pid(&server));
    ck_assert_int_eq(client_recv(&client, &r, -1), -EPIPE);
    end_signals();
    end();
}
END_TEST

/* O_NONBLOCK belongs to the open file description, which a fork(2) shares. */
START_TEST(the_servers_ends_wait)
{
    unsigned flags;
    char path[64];
    FILE *f;

    begin(_i);
    for (int fd = 0; fd < 2; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%d",
                 (int)server_pid(&server), fd);
        f = fopen(path, "re");
        ck_assert_msg(f != NULL, "%s", path);
        ck_assert_int_eq(fscanf(f, "pos: %*d flags: %o", &flags), 1);
        fclose(f);
        ck_assert_uint_eq(flags & O_NONBLOCK, 0);
        ck_assert_uint_eq(flags & O_ACCMODE, fd == 0 ? O_RDONLY : O_WRONLY);
    }
    end();
}
END_TEST

/* -- the set-user-ID server ----------------------------------------------- */

struct inheritance {
    struct host *server;
    pid_t pid; /* of the server that Alice's client started */
};

/* Alice starts it and leaves it all that a hostile parent can leave. */
static void
alice(struct actor *self, void *arg)
{
    struct inheritance *i = arg;
    struct client c;
    struct reply r;
    int leak;

    umask(0777);
    leak = open("/dev/zero", O_RDONLY);
    ck_assert_int_ne(dup2(leak, 42), -1); /* without close-on-exec */
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    client_start(i->server, &c);
    i->pid = server_pid(i->server);
    expect_call(&c, "whoami", NULL, WIRE_OK, &r);
    ck_assert_int_eq(r.results[2].i64, ALICE);
    ck_assert_int_eq(r.results[3].i64, ALICE);
    ck_assert(value_is(&r.results[4], "K3"));
    actor_step(self);
    client_close(&c);
    close(leak);
    close(42);
}

static void
read_proc(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s", path);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
}

START_TEST(a_set_user_id_server_knows_its_client_and_keeps_nothing_of_it)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    struct inheritance *i = shared(sizeof *i);
    char text[8192], expect[64];
    struct actor a;

    server_start_for(&server, m, ALICE);
    i->server = &server;
    actor_start(&a, ALICE, alice, i);
    actor_wait(&a);
    /* Real uid: Alice.  Effective and saved: root. */
    read_proc(i->pid, "status", text, sizeof text);
    snprintf(expect, sizeof expect, "Uid:\t%d\t0\t0", ALICE);
    ck_assert_msg(strstr(text, expect) != NULL, "%s", text);
    ck_assert_msg(strstr(text, "Umask:\t0077") != NULL, "%s", text);
    snprintf(text, sizeof text, "/proc/%d/fd/42", (int)i->pid);
    ck_assert_int_eq(access(text, F_OK), -1);
    actor_go(&a);
    actor_end(&a);
    server_stop(&server);
}
END_TEST

Suite *
test_pipe(void)
{
    Suite *s = suite_create("pipe");
    TCase *tc = test_case(s, "pipe/coprocess");

    tcase_add_test(tc, a_pipe_is_bytes_and_a_packet_pipe_is_messages);
    tcase_add_test(tc, there_is_no_end_of_file_while_anybody_holds_a_write_end);
    tcase_add_test(tc, writing_to_nobody_is_a_broken_pipe);
    for (int i = 0; ipc_registry[i] != NULL; i++) {
        if (strncmp(ipc_registry[i]->name, "pipe/", 5) != 0)
            continue;
        tc = test_case(s, ipc_registry[i]->name);
        /* A packet takes a page, however short; few are under way at a time. */
        add(tc, i, who_only_asks_and_never_listens_is_not_stuck, 0,
            IPC_BOUNDARIES);
        add(tc, i, who_finds_the_pipe_full_waits_with_a_limit, IPC_BOUNDARIES,
            0);
        add(tc, i, with_no_time_limit_read_itself_waits, 0, 0);
        add(tc, i, who_waits_for_ever_hears_that_the_server_died, 0, 0);
        add(tc, i, the_servers_ends_wait, 0, 0);
        add_loop_test_if(
            tc, need_root(),
            a_set_user_id_server_knows_its_client_and_keeps_nothing_of_it, i);
    }
    return s;
}

/*
 * test_signals_variants.c - the conversation over signals: strangers who send
 * some, too; several clients in a process; a queue that is short, or there is
 * none.
 */
#define _GNU_SOURCE /* sigqueue, kill */
#include "by_hand.h"
#include "test/test.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_signals_variants(void);

/* -- every variant -------------------------------------------------------- */

static const struct ipc_mechanism *m;
static struct host server;
static struct client client;

static void
begin(int i)
{
    m = ipc_registry[i];
    server_start(&server, m);
    client_start(&server, &client);
}

static void
end(void)
{
    client_close(&client);
    server_stop(&server);
}

/* One of each that this variant listens to, in all the ways there are. */
static void
molest(pid_t pid, int real_time)
{
    static const int bits[] = {SIGUSR1, SIGUSR2, SIGURG, SIGIO};

    if (strcmp(m->name, "signals/bits") == 0) {
        for (size_t i = 0; i < 4; i++)
            kill(pid, bits[i]);
        return;
    }
    kill(pid, real_time);
    sigqueue(pid, real_time, value(1)); /* may be EAGAIN */
    queue_as(pid, real_time, SI_QUEUE, 1, value(1));
}

static void
molest_both(struct actor *self, void *arg)
{
    (void)self;
    for (int i = 0; i < 300; i++) {
        molest(*(pid_t *)arg, SIGRTMIN);
        molest(getppid(), SIGRTMIN + 1); /* the first that is free */
        sched_yield();
    }
}

START_TEST(what_strangers_send_disturbs_nobody)
{
    struct actor stranger;
    pid_t pid;

    begin(_i);
    pid = server_pid(&server);
    actor_start(&stranger, geteuid(), molest_both, &pid);
    for (int i = 0; i < 10; i++)
        expect_echo(&client, 100);
    actor_end(&stranger);
    expect_echo(&client, echo_room(&client));
    end();
}
END_TEST

static void
expect_text(struct client *c, const char *text)
{
    struct reply r;

    ck_assert_int_eq(client_recv(c, &r, CALL_TIMEOUT), 0);
    ck_assert_uint_eq(r.status, WIRE_OK);
    ck_assert(value_is(&r.results[0], text));
}

static void
ask_for(struct client *c, const char *text)
{
    struct api_value arg = string_value(text);

    ck_assert_int_eq(
        client_send(c, api_by_name("echo"), &arg, NULL, CALL_TIMEOUT), 0);
}

START_TEST(two_clients_in_one_process_get_each_its_own)
{
    struct client other;

    begin(_i);
    client_start(&server, &other);
    for (int i = 0; i < 10; i++) {
        ask_for(&client, "one");
        ask_for(&other, "another");
        expect_text(&other, "another");
        expect_text(&client, "one");
    }
    client_close(&other);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* Of all numbers that a variant may use, those which are blocked. */
static int
count_blocked(void)
{
    sigset_t now;
    int n = 0;

    ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    for (int i = 1; i <= SIGRTMAX; i++)
        n += sigismember(&now, i) == 1;
    return n;
}

START_TEST(the_last_client_to_leave_unblocks_what_the_first_blocked)
{
    struct client other;
    sigset_t pending;
    int one;

    block(SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 1); /* the program's own */
    ck_assert_int_eq(count_blocked(), 2);
    begin(_i);
    one = count_blocked();
    ck_assert_int_gt(one, 2);
    client_start(&server, &other);
    ck_assert_int_ge(count_blocked(), one);
    client_close(&client);
    ck_assert_int_eq(count_blocked(), one);
    expect_echo(&other, 100);
    molest(getpid(), SIGRTMIN + 3); /* was the second one's */
    client_close(&other);
    server_stop(&server);
    ck_assert_int_eq(count_blocked(), 2);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGUSR1), 0);
}
END_TEST

START_TEST(a_program_that_is_no_server_is_a_refused_connection)
{
    m = ipc_registry[_i];
    ck_assert_int_eq(client_open(&client, m, "/bin/true"), -ECONNREFUSED);
    ck_assert_int_eq(count_blocked(), 0);
}
END_TEST

/* -- signals/rt ----------------------------------------------------------- */

START_TEST(a_long_message_passes_through_a_short_queue)
{
    /* Others of this user may have signals waiting, too. */
    limit_queue(queued_now() + 40);
    begin(_i);
    for (int i = 0; i < 5; i++)
        expect_echo(&client, echo_room(&client));
    end();
}
END_TEST

START_TEST(who_cannot_finish_a_message_in_time_has_lost_the_connection)
{
    uint8_t frame[4096] = {0};
    struct ipc_message msg = {.buf = frame, .len = sizeof frame, .fd = -1};
    int64_t start;

    limit_queue(queued_now() + 40);
    begin(_i);
    server_pause(&server);
    start = now_ns();
    ck_assert_int_eq(m->send(client.state, &msg, 20 * NS_PER_MS), -ETIMEDOUT);
    ck_assert_int_ge(now_ns() - start, 20 * NS_PER_MS);
    ck_assert_int_eq(m->send(client.state, &msg, CALL_TIMEOUT), -EPIPE);
    server_resume(&server);
    end();
}
END_TEST

static void
lie_to_server(struct actor *self, void *arg)
{
    (void)self;
    ck_assert_int_eq(
        queue_as(*(pid_t *)arg, SIGRTMIN, SI_QUEUE, getppid(), value(77)), 0);
}

START_TEST(a_liar_of_the_same_uid_ends_the_conversation_as_kill_would)
{
    struct actor liar;
    pid_t pid;

    begin(_i);
    pid = server_pid(&server);
    actor_start(&liar, geteuid(), lie_to_server, &pid);
    actor_end(&liar);
    expect_cut_off(&client); /* chunk 77 begins no message */
    end();
}
END_TEST

START_TEST(without_a_queue_it_says_so)
{
    rlim_t before;

    ck_assert_ptr_eq(ipc_unavailable(ipc_registry[_i]), NULL);
    before = limit_queue(0);
    ck_assert(strstr(ipc_unavailable(ipc_registry[_i]), "ulimit -i") != NULL);
    limit_queue(before);
}
END_TEST

/* It stands for a server whose values have four bytes: says that it is ready,
 * by the first number that is free, and ends.  procps' kill(1) queues a
 * value. */
static const char of_another_word_size[] =
    "#!/bin/sh\nexec /bin/kill -q 67108864 -s %d $PPID\n";

static const char *
need_queueing_kill(void)
{
    return system("/bin/kill -q 1 -s 0 $$ 2> /dev/null") == 0
               ? NULL
               : "no kill(1) that queues a value (Debian: apt install procps)";
}

START_TEST(a_server_of_another_word_size_is_told_apart)
{
    char path[PATH_MAX], text[sizeof of_another_word_size + 16];
    const int n =
        snprintf(text, sizeof text, of_another_word_size, SIGRTMIN + 1);
    int fd;

    snprintf(path, sizeof path, "%s/server", run_dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, text, (size_t)n), n);
    close(fd);
    ck_assert_int_eq(client_open(&client, ipc_registry[_i], path),
                     -EPROTONOSUPPORT);
    unlink(path);
}
END_TEST

/* -- signals/bits, signals/doorbell --------------------------------------- */

START_TEST(where_no_value_travels_no_queue_is_needed)
{
    rlim_t before = limit_queue(0);

    begin(_i);
    for (int i = 0; i < 10; i++)
        expect_echo(&client, 100);
    end();
    limit_queue(before);
}
END_TEST

START_TEST(the_page_cannot_be_shrunk_under_the_server)
{
    char path[64];
    int fd;

    begin(_i);
    snprintf(path, sizeof path, "/proc/%d/fd/1", (int)server_pid(&server));
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    close(fd);
    expect_echo(&client, echo_room(&client));
    end();
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

static void
add_variant(Suite *s, int i)
{
    const char *variant = ipc_registry[i]->name;
    const char *why = need_mechanism(ipc_registry[i]);
    TCase *tc = test_case(s, variant);

    add_loop_test_if(tc, why, what_strangers_send_disturbs_nobody, i);
    add_loop_test_if(tc, why, two_clients_in_one_process_get_each_its_own, i);
    add_loop_test_if(
        tc, why, the_last_client_to_leave_unblocks_what_the_first_blocked, i);
    add_loop_test_if(tc, why,
                     a_program_that_is_no_server_is_a_refused_connection, i);
    if (strcmp(variant, "signals/bits") == 0 ||
        strcmp(variant, "signals/doorbell") == 0)
        add_loop_test_if(tc, why, where_no_value_travels_no_queue_is_needed, i);
    if (strcmp(variant, "signals/doorbell") == 0)
        add_loop_test_if(tc, why, the_page_cannot_be_shrunk_under_the_server,
                         i);
    if (strcmp(variant, "signals/rt") != 0)
        return;
    add_loop_test_if(tc, why, a_long_message_passes_through_a_short_queue, i);
    add_loop_test_if(
        tc, why, who_cannot_finish_a_message_in_time_has_lost_the_connection,
        i);
    add_loop_test_if(
        tc, why, a_liar_of_the_same_uid_ends_the_conversation_as_kill_would, i);
    add_loop_test_if(tc, why, without_a_queue_it_says_so, i);
    add_loop_test_if(tc, why != NULL ? why : need_queueing_kill(),
                     a_server_of_another_word_size_is_told_apart, i);
}

Suite *
test_signals_variants(void)
{
    Suite *s = suite_create("signals_variants");

    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (strncmp(ipc_registry[i]->name, "signals/", 8) == 0)
            add_variant(s, i);
    return s;
}

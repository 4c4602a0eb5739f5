/*
 * test_library.c - what a program has to bear that links the client: its
 * signals, its children and its forks are its own (core/client.h).
 */
#define _GNU_SOURCE /* SYS_clone3, F_DUPFD, sigandset */
#include "test/test.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_library(void);

static const struct ipc_mechanism *m;
static struct host server;
static struct client client;
static int without_client; /* descriptors that are open */

static void
begin(int i)
{
    m = ipc_registry[i];
    server_start(&server, m);
    without_client = open_descriptors(getpid());
    client_start(&server, &client);
}

static void
end(void)
{
    client_close(&client);
    server_stop(&server);
}

/* -- signals --------------------------------------------------------------- */

/* An answer that cannot come within the time.  (Not client_call(): a time that
 * is up while the request is half sent ends the connection.) */
static void
time_out(void)
{
    const struct api_value ms = {.u32 = 150};
    struct reply r;

    ck_assert_int_eq(
        client_send(&client, api_by_name("sleep"), &ms, NULL, CALL_TIMEOUT), 0);
    ck_assert_int_eq(client_recv(&client, &r, 20 * NS_PER_MS), -ETIMEDOUT);
}

START_TEST(a_program_that_blocks_all_signals_is_not_made_to_wait)
{
    sigset_t all, before, after;

    begin(_i);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    time_out();
    expect_echo(&client, 10);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int n = 1; n <= SIGRTMAX; n++)
        ck_assert_int_eq(sigismember(&after, n), sigismember(&before, n));
    end();
}
END_TEST

/* What is done next would return EINTR.  The call's time is up, and the next
 * look at the server would be due, in the middle of the wait. */
START_TEST(an_answered_call_leaves_no_timer_behind)
{
    const struct api_value arg = bytes_value("x", 1);
    struct reply r;

    begin(_i);
    expect_echo(&client, 10);
    ck_assert_int_eq(
        client_call(&client, api_by_name("echo"), &arg, &r, CALL_TIMEOUT), 0);
    ck_assert_int_eq(poll(NULL, 0, 60), 0);
    ck_assert_int_eq(client_call(&client, api_by_name("echo"), &arg, &r, -1),
                     0);
    ck_assert_int_eq(poll(NULL, 0, 60), 0);
    end();
}
END_TEST

START_TEST(a_call_with_little_time_leaves_no_timer_behind)
{
    const struct api_value arg = bytes_value("x", 1);
    struct reply r;
    int err;

    begin(_i);
    err = client_call(&client, api_by_name("echo"), &arg, &r, 40 * NS_PER_MS);
    ck_assert_int_eq(poll(NULL, 0, 60), 0);
    ck_assert(err == 0 || err == -ETIMEDOUT); /* a machine may be busy */
    end();
}
END_TEST

static void
mine(int number)
{
    (void)number;
}

/* All actions, of every signal. */
static void
expect_actions(const struct sigaction *before)
{
    struct sigaction now;

    for (int n = 1; n <= SIGRTMAX; n++) {
        if (sigaction(n, NULL, &now) == -1)
            continue;
        ck_assert_msg(now.sa_handler == before[n].sa_handler,
                      "%s: the action of signal %d has been changed", m->name,
                      n);
    }
}

START_TEST(the_programs_handlers_stay_and_come_back)
{
    struct sigaction before[NSIG + 1] = {0}, now;
    const struct sigaction own = {.sa_handler = mine};

    for (int n = SIGRTMAX - 1; n <= SIGRTMAX; n++)
        ck_assert_int_eq(sigaction(n, &own, NULL), 0);
    for (int n = 1; n <= SIGRTMAX; n++)
        sigaction(n, NULL, &before[n]);
    begin(_i);
    time_out();
    expect_echo(&client, 10);
    for (int n = SIGRTMAX - 1; n <= SIGRTMAX; n++) {
        ck_assert_int_eq(sigaction(n, NULL, &now), 0);
        ck_assert(now.sa_handler == mine);
    }
    client_close(&client);
    expect_actions(before);
    server_stop(&server);
}
END_TEST

/* -- fork(2) --------------------------------------------------------------- */

static void
expect_success(pid_t pid)
{
    int status;

    ck_assert_int_ne(pid, -1);
    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(status, 0);
}

/* Another process must not: then leaves what is not its own. */
static void
use_anothers_client(void)
{
    const struct api_method *echo = api_by_name("echo");
    const struct api_value arg = bytes_value("child", 5);
    struct reply r = {.fd = 0}; /* nothing that one may close came */

    ck_assert_int_eq(client_call(&client, echo, &arg, &r, CALL_TIMEOUT),
                     -ESTALE);
    ck_assert_int_eq(r.fd, -1);
    ck_assert_int_eq(client_send(&client, echo, &arg, NULL, 0), -ESTALE);
    ck_assert_int_eq(client_recv(&client, &r, 0), -ESTALE);
    client_close(&client);
}

START_TEST(a_child_is_refused_its_parents_client_and_does_it_no_harm)
{
    pid_t pid;

    begin(_i);
    expect_echo(&client, 100);
    pid = fork();
    if (pid == 0) {
        use_anothers_client();
        ck_assert_int_eq(open_descriptors(getpid()), without_client);
        _exit(EXIT_SUCCESS);
    }
    expect_success(pid);
    for (size_t size = 0; size < 3; size++)
        expect_echo(&client, size);
    end();
}
END_TEST

/* clone(2), of which pthread_atfork(3) hears nothing. */
START_TEST(it_does_not_matter_how_the_child_was_made)
{
    long pid;

    begin(_i);
    pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0) {
        use_anothers_client();
        _exit(EXIT_SUCCESS);
    }
    expect_success((pid_t)pid);
    expect_echo(&client, 10);
    end();
}
END_TEST

START_TEST(a_child_may_take_the_client_over)
{
    pid_t pid;

    begin(_i);
    pid = fork();
    if (pid == 0) {
        client_take_over(&client);
        expect_echo(&client, 10);
        _exit(EXIT_SUCCESS);
    }
    expect_success(pid);
    end();
}
END_TEST

static void
add_one(struct client *c, int64_t expected)
{
    const struct api_value args[] = {string_value("forked"), {.i64 = 1}};
    struct reply r;

    expect_call(c, "counter_add", args, WIRE_OK, &r);
    ck_assert_int_eq(r.results[0].i64, expected);
}

START_TEST(a_child_and_its_child_have_clients_of_their_own)
{
    const bool spawned = (ipc_registry[_i]->caps & IPC_SPAWNED) != 0;
    struct client own;
    pid_t pid;

    begin(_i);
    add_one(&client, 1);
    pid = fork();
    if (pid == 0) {
        client_close(&client);
        client_start(&server, &own);
        add_one(&own, spawned ? 1 : 2);
        pid = fork();
        if (pid == 0) {
            const struct api_value arg = bytes_value("x", 1);
            struct reply r;

            ck_assert_int_eq(
                client_call(&own, api_by_name("echo"), &arg, &r, CALL_TIMEOUT),
                -ESTALE);
            client_close(&own);
            _exit(EXIT_SUCCESS);
        }
        expect_success(pid);
        add_one(&own, spawned ? 2 : 3);
        client_close(&own);
        _exit(EXIT_SUCCESS);
    }
    expect_success(pid);
    add_one(&client, spawned ? 2 : 4);
    end();
}
END_TEST

/* -- children -------------------------------------------------------------- */

static volatile sig_atomic_t reaped;

static void
reap_all(int number)
{
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped = 1;
}

/* A child by that number, which waits to be killed; -1: the number is taken. */
static pid_t
stranger(pid_t number)
{
    struct clone_args args = {.exit_signal = SIGCHLD,
                              .set_tid = (uint64_t)(uintptr_t)&number,
                              .set_tid_size = 1};
    long pid = syscall(SYS_clone3, &args, sizeof args);

    if (pid == 0)
        for (;;)
            pause();
    return (pid_t)pid;
}

START_TEST(whoever_has_the_servers_number_now_is_left_alone)
{
    const struct sigaction reap = {.sa_handler = reap_all,
                                   .sa_flags = SA_RESTART};
    pid_t pid, other;

    begin(_i);
    pid = server_pid(&server);
    ck_assert_int_eq(sigaction(SIGCHLD, &reap, NULL), 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    while (!reaped)
        poll(NULL, 0, 10);
    other = stranger(pid);
    ck_assert_msg(other == pid, "no child by that number: %s", strerror(errno));
    client_close(&client);
    signal(SIGCHLD, SIG_DFL);
    ck_assert_int_eq(waitpid(other, NULL, WNOHANG), 0); /* it lives */
    kill(other, SIGKILL);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
    server_stop(&server);
}
END_TEST

START_TEST(a_program_may_ignore_its_children_or_reap_them_all)
{
    const struct sigaction reap = {.sa_handler = reap_all};

    signal(SIGCHLD, SIG_IGN);
    begin(_i);
    expect_echo(&client, 10);
    end();
    ck_assert_int_eq(sigaction(SIGCHLD, &reap, NULL), 0);
    begin(_i);
    expect_echo(&client, 10);
    end();
    signal(SIGCHLD, SIG_DFL);
}
END_TEST

/* Open in that process, above 2. */
static int
descriptors_above_2(pid_t pid)
{
    char path[32];
    struct dirent *e;
    int n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL)
        n += atoi(e->d_name) > STDERR_FILENO;
    closedir(dir);
    return n;
}

/* The program's own, which it did not mark close-on-exec. */
START_TEST(a_spawned_server_is_given_three_descriptors)
{
    int extra = fcntl(STDERR_FILENO, F_DUPFD, 100), opened;

    ck_assert_int_ne(extra, -1);
    begin(_i);
    expect_echo(&client, 10);
    opened = descriptors_above_2(server_pid(&server));
    ck_assert_msg(opened == 0, "%s: %d more are open", m->name, opened);
    end();
    close(extra);
}
END_TEST

Suite *
test_library(void)
{
    const TTest *const all[] = {
        a_program_that_blocks_all_signals_is_not_made_to_wait,
        an_answered_call_leaves_no_timer_behind,
        a_call_with_little_time_leaves_no_timer_behind,
        the_programs_handlers_stay_and_come_back,
        a_child_is_refused_its_parents_client_and_does_it_no_harm,
        it_does_not_matter_how_the_child_was_made,
    };
    const TTest *const spawned[] = {
        a_program_may_ignore_its_children_or_reap_them_all,
        a_spawned_server_is_given_three_descriptors,
    };
    Suite *s = suite_create("library");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        const struct ipc_mechanism *each = ipc_registry[i];
        const char *reason = need_mechanism(each);
        TCase *tc = test_case(s, each->name);

        if (each->caps & (IPC_INPROCESS | IPC_ONEWAY))
            continue;
        for (size_t t = 0; t < sizeof all / sizeof *all; t++)
            add_loop_test_if(tc, reason, all[t], i);
        if (each->evidence >= IPC_OWNER) /* or there are no counters */
            add_loop_test_if(
                tc, reason, a_child_and_its_child_have_clients_of_their_own, i);
        if (!(each->caps & IPC_SPAWNED))
            continue;
        if (!(each->uses & IPC_USES_SIGNALS)) /* they are for a process */
            add_loop_test_if(tc, reason, a_child_may_take_the_client_over, i);
        for (size_t t = 0; t < sizeof spawned / sizeof *spawned; t++)
            add_loop_test_if(tc, reason, spawned[t], i);
        add_loop_test_if(tc,
                         reason != NULL ? reason : need_right(CAP_SYS_ADMIN),
                         whoever_has_the_servers_number_now_is_left_alone, i);
    }
    return s;
}

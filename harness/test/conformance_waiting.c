/*
 * conformance_waiting.c - how both sides of a mechanism wait: as long as they
 * were told, through signals, asleep or spinning, and in poll(2).
 */
#define _GNU_SOURCE /* kill, readlink */
#include "test/conformance.h"

#include "test/asked.h"

#include "test/both/driven.h"
#include "test/files.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- time ------------------------------------------------------------------ */

START_TEST(a_timeout_is_not_early_and_the_late_reply_goes_unheard)
{
    const int64_t timeout = 20 * NS_PER_MS;
    struct reply r;
    int64_t start;

    begin(_i);
    send_request(&client, "sleep", (struct api_value){.u32 = 200});
    /* Stopped, it cannot answer in time however long we are kept waiting. */
    stop_server();
    start = now_ns();
    expect_result(client_recv(&client, &r, timeout), -ETIMEDOUT,
                  "recv() with 20 ms to wait, and no reply comes");
    doing("no sooner than the time is up", "recv() with 20 ms to wait");
    if (now_ns() - start < timeout)
        is_unexpected("-ETIMEDOUT after %lld us",
                      (long long)(now_ns() - start) / 1000);
    signal_server(SIGCONT);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* 0 is a look, and not "for ever", which is less than 0. */
START_TEST(who_only_looks_does_not_wait)
{
    struct ipc_message msg = {.fd = -1};
    struct reply r;

    begin(_i);
    msg.buf = client.buf;
    msg.cap = client.limits.max_msg;
    send_request(&client, "sleep", (struct api_value){.u32 = 200});
    stop_server(); /* who waited would wait for ever */
    expect_result(subject->recv(client.state, &msg, 0), -ETIMEDOUT,
                  "recv() with no time to wait, and no reply comes");
    signal_server(SIGCONT);
    expect_result(client_recv(&client, &r, CALL_TIMEOUT), 0,
                  "recv() of the reply that comes later");
    end();
}
END_TEST

START_TEST(signals_do_not_disturb_calls)
{
    const struct api_value ms = {.u32 = 5};
    struct reply r;

    begin(_i);
    begin_signals(NS_PER_MS, 0);
    while (signals_seen < 20) {
        expect_call(&client, "sleep", &ms, WIRE_OK, &r); /* long to wait */
        expect_echo(&client, echo_room(&client));        /* long to send */
    }
    end_signals();
    end();
}
END_TEST

START_TEST(a_client_that_wants_to_stop_is_woken_by_a_signal)
{
    struct reply r;

    begin(_i);
    client.stop = &signals_seen;
    /* Again and again, for one may come just before the wait begins. */
    begin_signals(5 * NS_PER_MS, 0);
    expect_result(client_recv(&client, &r, CALL_TIMEOUT), -EINTR,
                  "recv(), a signal came, and the program wants to stop");
    expect_result(client_recv(&client, &r, -1), -EINTR,
                  "recv() without a limit, a signal came, and the program "
                  "wants to stop");
    end_signals();
    client.stop = NULL; /* set, it would end a slow call too */
    expect_echo(&client, 100);
    end();
}
END_TEST

static void
ask_and_stop(uint64_t *id)
{
    *id = send_request(&client, "sleep", (struct api_value){.u32 = 100});
    stop_server();
}

static int
recv_among_signals(void)
{
    struct reply r;

    doing("-EINTR (Interrupted system call)", "recv(), and a signal comes");
    return client_recv(&client, &r, CALL_TIMEOUT);
}

/* And the reply that it waited for is not lost: another call gets it. */
START_TEST(a_client_that_is_woken_may_wait_again)
{
    uint64_t id;

    begin(_i);
    ask_and_stop(&id);
    client.stop = &signals_seen;
    begin_signals(5 * NS_PER_MS, 0);
    /* It may have answered before it was stopped, and then again. */
    while (recv_among_signals() == 0) {
        signal_server(SIGCONT);
        ask_and_stop(&id);
    }
    end_signals();
    client.stop = NULL;
    signal_server(SIGCONT);
    expect_reply(&client, id);
    end();
}
END_TEST

START_TEST(a_server_waits_no_less_than_it_was_told_and_hears_signals)
{
    const int64_t timeout = 20 * NS_PER_MS;
    struct local l;
    int64_t start;

    local_begin(&l, _i);
    expect_result(service_step(&l.service, 0), -ETIMEDOUT,
                  "next() that is not to wait, and no request is there");
    start = now_ns();
    expect_result(service_step(&l.service, timeout), -ETIMEDOUT,
                  "next() with 20 ms to wait, and no request comes");
    doing("no sooner than the time is up", "next() with 20 ms to wait");
    if (now_ns() - start < timeout)
        is_unexpected("-ETIMEDOUT after %lld us",
                      (long long)(now_ns() - start) / 1000);
    begin_signals(5 * NS_PER_MS, 0);
    expect_result(service_step(&l.service, -1), -EINTR,
                  "next() without a limit, and a signal comes");
    end_signals();
    local_end(&l);
}
END_TEST

/* It may wait otherwise for one that it has than for one that comes. */
START_TEST(a_server_with_a_silent_client_hears_signals)
{
    struct driven d;
    struct actor silent;

    subject = ipc_registry[_i];
    ck_assert_int_eq(drive_begin(&d, subject->name, run_dir), 0);
    actor_start(&silent, geteuid(), joins_and_is_silent, &d);
    while (!actor_is_there(&silent))
        drive(&d, NS_PER_MS);
    begin_signals(5 * NS_PER_MS, 0);
    expect_result(drive(&d, -1), -EINTR,
                  "next() without a limit, a client that asks for nothing, and "
                  "a signal comes");
    end_signals();
    actor_go(&silent);
    actor_end(&silent);
    drive_end(&d);
}
END_TEST

/* What it makes for itself has the mode that the server wants to see. */
START_TEST(a_client_is_let_in_whatever_its_umask)
{
    struct client other;
    mode_t before;

    begin(_i);
    before = umask(0777);
    ck_assert_int_eq(host_client(&server, &other), 0);
    umask(before);
    expect_echo(&other, 100);
    client_close(&other);
    end();
}
END_TEST

/* -- how the server waits -------------------------------------------------- */

/* Are all threads of the process asleep?  Adds up the ticks of CPU time they
 * have had: proc(5), stat, fields 3, 14 and 15. */
static bool
all_asleep(pid_t pid, unsigned long *ticks)
{
    char path[300], state;
    unsigned long user, system;
    bool asleep = true;
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    *ticks = 0;
    while ((e = readdir(dir)) != NULL) {
        FILE *in;

        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid,
                 e->d_name);
        in = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (in == NULL)
            continue;
        ck_assert_int_eq(fscanf(in,
                                "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u "
                                "%*u %*u %*u %lu %lu",
                                &state, &user, &system),
                         3);
        fclose(in);
        *ticks += user + system;
        asleep = asleep && state == 'S';
    }
    closedir(dir);
    return asleep;
}

static int
threads_of(pid_t pid)
{
    const char *line = strstr(proc_text(pid, "status"), "\nThreads:");

    ck_assert_ptr_nonnull(line);
    return (int)strtol(line + strlen("\nThreads:"), NULL, 10);
}

#define LOOKS 5000

START_TEST(an_idle_server_sleeps_unless_it_spins)
{
    unsigned long first, now;
    pid_t pid;

    begin(_i);
    expect_echo(&client, 100);
    doing(has(IPC_SPINS) ? "a server that never sleeps (IPC_SPINS)"
                         : "a server that sleeps",
          "next(), for a while, and no request comes");
    pid = server_pid(&server);
    all_asleep(pid, &first);
    if (has(IPC_SPINS)) {
        /* Ten ticks of work with nothing to do, and never a nap; beside others
         * who want the CPU it may give way, and get no ticks, but not sleep. */
        for (int looks = 0; looks < LOOKS; looks++) {
            ck_assert(!all_asleep(pid, &now));
            if (now - first >= 10)
                break;
        }
    } else {
        while (!all_asleep(pid, &now))
            sched_yield();
    }
    end();
}
END_TEST

START_TEST(a_client_more_is_a_thread_more_where_each_has_one)
{
    struct client second;
    int before;

    begin(_i);
    expect_echo(&client, 10);
    before = threads_of(server_pid(&server));
    client_start(&server, &second);
    expect_echo(&second, 10);
    ck_assert_int_eq(threads_of(server_pid(&server)) - before,
                     has(IPC_THREADS) ? 1 : 0);
    client_close(&second);
    end();
}
END_TEST

/* The server as an event loop would run it: next() is called only when poll(2)
 * says so, and may not wait; but then until there is nothing more, for it may
 * have read ahead (ipc.h, pollfd()).  Ends when stop becomes readable. */
static int
serve_polled(struct service *s, int stop)
{
    struct pollfd p[] = {
        {.fd = s->m->pollfd(s->srv), .events = POLLIN},
        {.fd = stop, .events = POLLIN},
    };
    int err;

    do {
        if (poll(p, 2, -1) == -1 && errno != EINTR)
            return -errno;
        if (p[1].revents != 0)
            return 0;
        do
            err = service_step(s, 0);
        while (err == 0);
    } while (err == -ETIMEDOUT || err == -EINTR);
    return err;
}

int
polled_stdio_server(const char *mechanism)
{
    atomic_int stop = 0;
    struct service s;
    void *srv;
    int err;

    subject = ipc_find(mechanism);
    srv = subject != NULL ? calloc(1, subject->server_size) : NULL;
    if (srv == NULL || subject->create(srv, NULL) != 0 ||
        service_init(&s, subject, srv, &stop) != 0)
        return EXIT_FAILURE;
    err = serve_polled(&s, -1);
    service_free(&s);
    subject->destroy(srv);
    free(srv);
    return err == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void
polled_daemon(struct actor *self, void *arg)
{
    struct pollfd p = {.events = POLLIN};
    struct local l;

    local_begin(&l, *(int *)arg);
    p.fd = subject->pollfd(l.srv);
    doing("not readable", "poll(2) of pollfd(), and no request is there");
    if (poll(&p, 1, 0) != 0)
        is_unexpected("readable");
    actor_step(self); /* clients may come */
    ck_assert_int_eq(serve_polled(&l.service, self->in), 0);
    local_end(&l);
}

/* Several at once: a server that reads ahead must not go to poll() over what it
 * has already read. */
static void
expect_several_served(pid_t pid)
{
    uint64_t id[5];

    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
    for (size_t i = 0; i < 5; i++)
        id[i] = send_request(&client, "hello", string_value("World"));
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    for (size_t i = 0; i < 5; i++)
        expect_reply(&client, id[i]);
}

START_TEST(a_server_can_wait_in_poll)
{
    char self[PATH_MAX] = "", name[ENDPOINT_SIZE];
    struct actor daemon;

    subject = server.m = ipc_registry[_i];
    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    if (!has(IPC_SPAWNED)) {
        actor_start(&daemon, geteuid(), polled_daemon, &_i);
        actor_wait(&daemon);
        actor_go(&daemon);
    }
    expect_result(client_open(&client, subject, has(IPC_SPAWNED) ? self : name),
                  0, "open(), of a server that waits in poll(2)");
    expect_echo(&client, echo_room(&client));
    if (has(IPC_PIPELINED))
        expect_several_served(has(IPC_SPAWNED) ? server_pid(&server)
                                               : daemon.pid);
    client_close(&client);
    if (!has(IPC_SPAWNED)) {
        actor_go(&daemon);
        actor_end(&daemon);
    }
}
END_TEST

/* -- which mechanisms ------------------------------------------------------ */

void
conformance_waiting(TCase *tc, int i)
{
    add(tc, i, a_timeout_is_not_early_and_the_late_reply_goes_unheard, 0,
        IPC_CALLED | IPC_ONEWAY);
    add(tc, i, who_only_looks_does_not_wait, 0,
        IPC_CALLED | IPC_ONEWAY | IPC_TEXTBOOK);
    add(tc, i, signals_do_not_disturb_calls, 0, IPC_ONEWAY);
    /* pthread_cond_wait(3) is not interrupted. */
    add(tc, i, a_client_that_wants_to_stop_is_woken_by_a_signal, 0, ALONE);
    add(tc, i, a_client_that_is_woken_may_wait_again, 0, ALONE);
    add(tc, i, a_server_waits_no_less_than_it_was_told_and_hears_signals, 0,
        IPC_INPROCESS | IPC_SPAWNED);
    add(tc, i, a_client_is_let_in_whatever_its_umask, 0, ALONE);
    add(tc, i, a_server_with_a_silent_client_hears_signals, 0,
        IPC_INPROCESS | IPC_SPAWNED | IPC_ONEWAY);
    add(tc, i, an_idle_server_sleeps_unless_it_spins, 0, ALONE);
    add(tc, i, a_client_more_is_a_thread_more_where_each_has_one, 0, PRIVATE);
    add(tc, i, a_server_can_wait_in_poll, IPC_POLLABLE, ALONE);
}

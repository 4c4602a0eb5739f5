/*
 * test_signals.c - what only signals do, and what strangers can do with them.
 */
#define _GNU_SOURCE /* rt_sigqueueinfo by syscall(2), memfd_create, F_SETSIG */
#include "test/test.h"

#include "core/clock.h"
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_signals(void);

static const struct timespec do_not_wait;
static sigset_t set;

/* Blocks these, and with take() takes them. */
static void
block(int a, int b, int c)
{
    sigemptyset(&set);
    sigaddset(&set, a);
    sigaddset(&set, b);
    sigaddset(&set, c);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

/* The next one's number; -1: nothing is pending. */
static int
take(siginfo_t *info)
{
    return sigtimedwait(&set, info, &do_not_wait);
}

static union sigval
value(int i)
{
    return (union sigval){.sival_int = i};
}

/* sigqueue(3), but we write ourselves what the receiver reads of us. */
static int
queue_as(pid_t to, int number, int code, pid_t pid, union sigval v)
{
    siginfo_t info = {.si_signo = number, .si_code = code};

    info.si_pid = pid;
    info.si_uid = 0;
    info.si_value = v;
    return (int)syscall(SYS_rt_sigqueueinfo, to, number, &info);
}

static int
pidfd_of(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    ck_assert_int_ne(fd, -1);
    return fd;
}

/* So many signals may wait for this user's processes, the ones that it has
 * got already included. */
static void
limit_queue(rlim_t n)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    limit.rlim_cur = n;
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
}

/* proc(5), status: "SigQ: 3/96365" */
static rlim_t
queued_now(void)
{
    char line[128];
    unsigned long n = 0;
    FILE *f = fopen("/proc/self/status", "re");

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "SigQ: %lu/", &n) == 1)
            break;
    fclose(f);
    return n;
}

/* -- facts ---------------------------------------------------------------- */

START_TEST(standard_signals_coalesce_and_real_time_ones_queue)
{
    int standard = 0, real_time = 0, number;
    siginfo_t info;

    block(SIGUSR1, SIGRTMIN, SIGRTMIN);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN, value(i)), 0);
    }
    while ((number = take(&info)) != -1) {
        if (number == SIGUSR1)
            standard++;
        else
            ck_assert_int_eq(info.si_value.sival_int, real_time++);
    }
    ck_assert_int_eq(standard, 1);
    ck_assert_int_eq(real_time, 100);
}
END_TEST

START_TEST(the_lowest_number_comes_first_whenever_it_was_sent)
{
    siginfo_t info;

    block(SIGUSR2, SIGRTMIN, SIGRTMIN + 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN + 1, value(i)), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN, value(i)), 0);
    ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);

    ck_assert_int_eq(take(&info), SIGUSR2);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(take(&info), SIGRTMIN + i / 5);
        ck_assert_int_eq(info.si_value.sival_int, i % 5);
    }
}
END_TEST

static void
ring_parent(struct child *self, void *arg)
{
    (void)self, (void)arg;
    ck_assert_int_eq(kill(getppid(), SIGUSR1), 0);
}

START_TEST(a_pending_signal_of_a_stranger_swallows_ours)
{
    struct child first, second;
    siginfo_t info;

    block(SIGUSR1, SIGUSR1, SIGUSR1);
    child_start(&first, geteuid(), ring_parent, NULL);
    child_end(&first);
    child_start(&second, geteuid(), ring_parent, NULL);
    child_end(&second);
    ck_assert_int_eq(take(&info), SIGUSR1);
    ck_assert_int_eq(info.si_pid, first.pid);
    ck_assert_int_eq(take(&info), -1); /* as if the second had not been */
}
END_TEST

static void
lie_to_parent(struct child *self, void *arg)
{
    (void)self, (void)arg;
    ck_assert_int_eq(queue_as(getppid(), SIGRTMIN, SI_QUEUE, 1, value(0)), 0);
    /* What the kernel says nobody else may say. */
    ck_assert_int_eq(queue_as(getppid(), SIGRTMIN, SI_USER, 1, value(0)), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(kill(getppid(), SIGUSR1), 0);
}

START_TEST(sigqueue_says_what_its_sender_likes_and_kill_the_truth)
{
    struct child liar;
    siginfo_t info;

    block(SIGUSR1, SIGRTMIN, SIGRTMIN);
    child_start(&liar, geteuid(), lie_to_parent, NULL);
    child_end(&liar);
    ck_assert_int_eq(take(&info), SIGUSR1);
    ck_assert_int_eq(info.si_code, SI_USER);
    ck_assert_int_eq(info.si_pid, liar.pid);
    ck_assert_uint_eq(info.si_uid, getuid());
    ck_assert_int_eq(take(&info), SIGRTMIN);
    ck_assert_int_eq(info.si_code, SI_QUEUE);
    ck_assert_int_eq(info.si_pid, 1); /* init, and root */
    ck_assert_uint_eq(info.si_uid, 0);
}
END_TEST

START_TEST(a_full_queue_forgets_who_sent_and_that_is_not_root)
{
    siginfo_t info;

    block(SIGUSR1, SIGUSR2, SIGRTMIN);
    limit_queue(0);
    ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN, value(1)), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(kill(getpid(), SIGRTMIN), 0);
    ck_assert_int_eq(sigqueue(getpid(), SIGUSR2, value(2)), 0);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);

    /* The kernel keeps a place for kill(2) with a standard signal. */
    ck_assert_int_eq(take(&info), SIGUSR1);
    ck_assert_int_eq(info.si_pid, getpid());
    for (int number = SIGUSR2;; number = SIGRTMIN) {
        ck_assert_int_eq(take(&info), number);
        ck_assert_int_eq(info.si_code, SI_USER);
        ck_assert_int_eq(info.si_pid, 0);
        ck_assert_uint_eq(info.si_uid, 0);
        if (number == SIGRTMIN)
            break;
    }
}
END_TEST

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
molest_both(struct child *self, void *arg)
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
    struct child stranger;
    pid_t pid;

    begin(_i);
    pid = server_pid(&server);
    child_start(&stranger, geteuid(), molest_both, &pid);
    for (int i = 0; i < 10; i++)
        expect_echo(&client, 100);
    child_end(&stranger);
    expect_echo(&client, echo_room(&client));
    end();
}
END_TEST

static void
expect_text(struct client *c, const char *text)
{
    struct reply r;

    ck_assert_int_eq(client_recv(c, &r, PATIENCE), 0);
    ck_assert_uint_eq(r.status, WIRE_OK);
    ck_assert(value_is(&r.results[0], text));
}

static void
ask_for(struct client *c, const char *text)
{
    struct api_value arg = string_value(text);

    ck_assert_int_eq(client_send(c, api_by_name("echo"), &arg, NULL, PATIENCE),
                     0);
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

/* -- who may be signalled ------------------------------------------------- */

/* A server of every variant is started with `in` as its client, and must end
 * without a word to anybody. */
static void
expect_refusal(const char *program, int in)
{
    int page = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING), status;
    pid_t pid;

    ck_assert_int_ne(page, -1);
    ck_assert_int_eq(ftruncate(page, 1 << 22), 0);
    ck_assert_int_eq(fcntl(page, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    ck_assert_int_eq(fcntl(in, F_SETSIG, SIGRTMIN + 3), 0);
    ck_assert_int_eq(spawn_server(program, m->name, in, page, &pid), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
    close(page);
}

START_TEST(a_server_whose_client_is_dead_signals_nobody)
{
    pid_t pid = fork();
    int dead;

    m = ipc_registry[_i];
    if (pid == 0)
        _exit(0);
    ck_assert_int_ne(pid, -1);
    dead = pidfd_of(pid);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    block(SIGUSR1, SIGRTMIN + 3, SIGRTMIN);
    server_start(&server, m);
    /* Its parent, to judge by getppid(2), is this test. */
    expect_refusal(server.program, dead);
    ck_assert_int_eq(take(NULL), -1);
    close(dead);
}
END_TEST

static void
aim_at_root(void *arg)
{
    int root = pidfd_of(getppid());

    (void)arg;
    expect_refusal(server.program, root);
    close(root);
}

/* The attack: a root server, and the pidfd of a process that Alice may not
 * signal, where her own should be. */
START_TEST(a_root_server_cannot_be_aimed_at_root)
{
    m = ipc_registry[_i];
    block(SIGUSR1, SIGRTMIN + 3, SIGRTMIN);
    server_start_for(&server, m, ALICE);
    run_as(ALICE, aim_at_root, NULL);
    ck_assert_int_eq(take(NULL), -1);
}
END_TEST

static void
alice(struct child *self, void *arg)
{
    pid_t *pid = arg;

    client_start(&server, &client);
    *pid = server_pid(&server);
    ck_assert_int_eq(kill(*pid, 0), 0); /* her real uid is its real uid */
    child_step(self);
    expect_echo(&client, 100);
    client_close(&client);
}

static void
bob(void *arg)
{
    ck_assert_int_eq(kill(*(pid_t *)arg, SIGRTMIN), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(kill(*(pid_t *)arg, SIGUSR1), -1);
    ck_assert_int_eq(errno, EPERM);
}

START_TEST(another_user_cannot_signal_the_server)
{
    pid_t *pid = shared(sizeof *pid);
    struct child a;

    m = ipc_registry[_i];
    server_start_for(&server, m, ALICE);
    child_start(&a, ALICE, alice, pid);
    child_wait(&a);
    run_as(BOB, bob, pid);
    child_go(&a);
    child_end(&a);
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
    ck_assert_int_eq(kill(server_pid(&server), SIGSTOP), 0);
    start = now_ns();
    ck_assert_int_eq(m->send(client.state, &msg, 20 * NS_PER_MS), -ETIMEDOUT);
    ck_assert_int_ge(now_ns() - start, 20 * NS_PER_MS);
    ck_assert_int_eq(m->send(client.state, &msg, PATIENCE), -EPIPE);
    ck_assert_int_eq(kill(server_pid(&server), SIGCONT), 0);
    end();
}
END_TEST

static void
lie_to_server(struct child *self, void *arg)
{
    (void)self;
    ck_assert_int_eq(
        queue_as(*(pid_t *)arg, SIGRTMIN, SI_QUEUE, getppid(), value(77)), 0);
}

START_TEST(a_liar_of_the_same_uid_ends_the_conversation_as_kill_would)
{
    struct child liar;
    pid_t pid;

    begin(_i);
    pid = server_pid(&server);
    child_start(&liar, geteuid(), lie_to_server, &pid);
    child_end(&liar);
    expect_cut_off(&client); /* chunk 77 begins no message */
    end();
}
END_TEST

START_TEST(without_a_queue_it_says_so)
{
    ck_assert_ptr_eq(ipc_unavailable(ipc_registry[_i]), NULL);
    limit_queue(0);
    ck_assert(strstr(ipc_unavailable(ipc_registry[_i]), "ulimit -i") != NULL);
}
END_TEST

/* -- signals/bits, signals/doorbell --------------------------------------- */

START_TEST(where_no_value_travels_no_queue_is_needed)
{
    limit_queue(0);
    begin(_i);
    for (int i = 0; i < 10; i++)
        expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(the_box_cannot_be_shrunk_under_the_server)
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

START_TEST(a_box_that_could_be_shrunk_is_refused)
{
    int page = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING), status;
    int me = pidfd_of(getpid());
    pid_t pid;

    m = ipc_registry[_i];
    server_start(&server, m);
    ck_assert_int_eq(ftruncate(page, 1 << 22), 0);
    ck_assert_int_eq(spawn_server(server.program, m->name, me, page, &pid), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
    close(page);
    close(me);
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
    add_loop_test_if(tc, why, a_server_whose_client_is_dead_signals_nobody, i);
    if (why == NULL)
        why = need_root();
    add_loop_test_if(tc, why, a_root_server_cannot_be_aimed_at_root, i);
    add_loop_test_if(tc, why, another_user_cannot_signal_the_server, i);

    why = need_mechanism(ipc_registry[i]);
    if (strcmp(variant, "signals/rt") == 0) {
        add_loop_test_if(tc, why, a_long_message_passes_through_a_short_queue,
                         i);
        add_loop_test_if(
            tc, why,
            who_cannot_finish_a_message_in_time_has_lost_the_connection, i);
        add_loop_test_if(
            tc, why, a_liar_of_the_same_uid_ends_the_conversation_as_kill_would,
            i);
        add_loop_test_if(tc, why, without_a_queue_it_says_so, i);
        return;
    }
    add_loop_test_if(tc, why, where_no_value_travels_no_queue_is_needed, i);
    if (strcmp(variant, "signals/doorbell") == 0) {
        add_loop_test_if(tc, why, the_box_cannot_be_shrunk_under_the_server, i);
        add_loop_test_if(tc, why, a_box_that_could_be_shrunk_is_refused, i);
    }
}

Suite *
test_signals(void)
{
    Suite *s = suite_create("signals");
    TCase *tc = test_case(s, "signals");

    tcase_add_test(tc, standard_signals_coalesce_and_real_time_ones_queue);
    tcase_add_test(tc, the_lowest_number_comes_first_whenever_it_was_sent);
    tcase_add_test(tc, a_pending_signal_of_a_stranger_swallows_ours);
    tcase_add_test(tc, sigqueue_says_what_its_sender_likes_and_kill_the_truth);
    tcase_add_test(tc, a_full_queue_forgets_who_sent_and_that_is_not_root);
    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (strncmp(ipc_registry[i]->name, "signals/", 8) == 0)
            add_variant(s, i);
    return s;
}

/*
 * test_signals_start.c - what a server believes of who starts it: neither is it
 * made to signal whom its client may not, nor to use memory that can be taken
 * away.
 */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS, F_SETSIG */
#include "by_hand.h"
#include "test/test.h"

#include "core/clock.h"
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_signals_start(void);

static const struct ipc_mechanism *m;
static struct host server;
static struct client client;

/* Starts a server as the client does whose pidfd `in` is, with a page that has
 * these seals. */
static void
start(const char *program, int in, int seals, struct spawned *child)
{
    int page = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_ne(page, -1);
    ck_assert_int_eq(ftruncate(page, 1 << 22), 0);
    ck_assert_int_eq(fcntl(page, F_ADD_SEALS, seals), 0);
    ck_assert_int_eq(fcntl(in, F_SETSIG, SIGRTMIN + 3), 0);
    ck_assert_int_eq(spawn_server(program, m->name, in, page, child), 0);
    close(page);
}

static void
expect_end(struct spawned *child, int wanted)
{
    int status;

    ck_assert_int_eq(spawn_wait(child, &status, deadline_in(CALL_TIMEOUT)), 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == wanted);
}

/* -- the page ------------------------------------------------------------- */

/* The seal makes the whole difference: with it the server says "ready". */
START_TEST(a_page_that_could_be_shrunk_is_refused)
{
    const struct timespec timeout = ns_to_timespec(CALL_TIMEOUT);
    int me = pidfd_of(getpid());
    struct spawned child;
    sigset_t doorbell;

    m = ipc_registry[_i];
    server_start(&server, m);
    block(SIGUSR1, SIGRTMIN + 3, SIGRTMIN);
    start(server.program, me, F_SEAL_GROW, &child);
    expect_end(&child, EXIT_FAILURE);
    ck_assert_int_eq(take(NULL), -1);
    start(server.program, me, F_SEAL_SHRINK, &child);
    sigemptyset(&doorbell);
    sigaddset(&doorbell, SIGRTMIN + 3);
    ck_assert_int_eq(sigtimedwait(&doorbell, NULL, &timeout), SIGRTMIN + 3);
    ck_assert_int_eq(spawn_signal(&child, SIGHUP), 0);
    expect_end(&child, EXIT_SUCCESS);
    close(me);
}
END_TEST

/* -- who may be signalled ------------------------------------------------- */

/* A server of every variant is started with `in` as its client, and must end
 * without a word to anybody. */
static void
expect_refusal(const char *program, int in)
{
    struct spawned child;

    start(program, in, F_SEAL_SHRINK, &child);
    expect_end(&child, EXIT_FAILURE);
}

/* The kernel still takes signals for a process that has ended and that nobody
 * has waited for; only its pidfd tells.  Afterwards it is ESRCH. */
START_TEST(a_server_whose_client_is_dead_signals_nobody)
{
    pid_t pid = fork();
    siginfo_t info;
    int dead;

    m = ipc_registry[_i];
    if (pid == 0)
        _exit(0);
    ck_assert_int_ne(pid, -1);
    dead = pidfd_of(pid);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    block(SIGUSR1, SIGRTMIN + 3, SIGRTMIN);
    server_start(&server, m);
    ck_assert_int_eq(kill(pid, 0), 0);
    /* Its parent, to judge by getppid(2), is this test. */
    expect_refusal(server.program, dead);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
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
    as_user(ALICE, aim_at_root, NULL);
    ck_assert_int_eq(take(NULL), -1);
}
END_TEST

static void
alice(struct actor *self, void *arg)
{
    pid_t *pid = arg;

    client_start(&server, &client);
    *pid = server_pid(&server);
    ck_assert_int_eq(kill(*pid, 0), 0); /* her real uid is its real uid */
    actor_step(self);
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
    struct actor a;

    m = ipc_registry[_i];
    server_start_for(&server, m, ALICE);
    actor_start(&a, ALICE, alice, pid);
    actor_wait(&a);
    as_user(BOB, bob, pid);
    actor_go(&a);
    actor_end(&a);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

static void
add_variant(Suite *s, int i)
{
    const char *why = need_mechanism(ipc_registry[i]);
    TCase *tc = test_case(s, ipc_registry[i]->name);

    if (strcmp(ipc_registry[i]->name, "signals/doorbell") == 0)
        add_loop_test_if(tc, why, a_page_that_could_be_shrunk_is_refused, i);
    add_loop_test_if(tc, why, a_server_whose_client_is_dead_signals_nobody, i);
    if (why == NULL)
        why = need_root();
    add_loop_test_if(tc, why, a_root_server_cannot_be_aimed_at_root, i);
    add_loop_test_if(tc, why, another_user_cannot_signal_the_server, i);
}

Suite *
test_signals_start(void)
{
    Suite *s = suite_create("signals_start");

    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (strncmp(ipc_registry[i]->name, "signals/", 8) == 0)
            add_variant(s, i);
    return s;
}

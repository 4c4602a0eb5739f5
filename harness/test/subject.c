/* subject.c - the mechanism that a conformance test is about. */
#define _GNU_SOURCE /* sigaction, setitimer, gettid */
#include "test/subject.h"

#include "test/asked.h"
#include "test/both/processes.h"

#include "core/rundir.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

const struct ipc_mechanism *subject;
struct host server;
struct client client;

void
begin_alone(int i)
{
    subject = ipc_registry[i];
    server_start(&server, subject);
}

/* To remove a dead client's System V object is for its owner and for root:
 * a server that has given root up leaves it (server/README.md). */
static void
begin_clearing(int i)
{
    const struct host_options options = {.keep_root = true, .cpu = -1};

    subject = ipc_registry[i];
    ck_assert_int_eq(host_start(&server, subject, run_dir, &options), 0);
}

void
begin_among_mortals(int i)
{
    if (ipc_registry[i]->uses & (IPC_USES_SYSV | IPC_USES_SETS))
        begin_clearing(i);
    else
        begin_alone(i);
    client_start(&server, &client);
}

void
begin(int i)
{
    begin_alone(i);
    client_start(&server, &client);
}

void
end(void)
{
    client_close(&client);
    server_stop(&server);
}

bool
has(unsigned caps)
{
    return (subject->caps & caps) == caps;
}

void
add_if(TCase *tc, int i, const char *reason, const TTest *test, unsigned all_of,
       unsigned none_of)
{
    const struct ipc_mechanism *m = ipc_registry[i];

    if (beyond_the_textbook())
        none_of &= ~(unsigned)IPC_TEXTBOOK;
    if ((m->caps & all_of) == all_of && (m->caps & none_of) == 0)
        add_loop_test_if(tc, reason != NULL ? reason : need_mechanism(m), test,
                         i);
}

void
add(TCase *tc, int i, const TTest *test, unsigned all_of, unsigned none_of)
{
    add_if(tc, i, NULL, test, all_of, none_of);
}

void
add_as_root(TCase *tc, int i, const TTest *test, unsigned none_of)
{
    add_if(tc, i, need_strangers(ipc_registry[i]), test, 0, none_of);
}

uint64_t
send_request(struct client *c, const char *method, struct api_value arg)
{
    uint64_t id;

    expect_result(client_send(c, api_by_name(method), &arg, &id, CALL_TIMEOUT),
                  0, "send() of a request, %s", method);
    return id;
}

void
expect_reply(struct client *c, uint64_t id)
{
    struct reply r;
    int err;

    doing("the reply to the request just sent", "recv()");
    /* Where requests are repeated, an earlier reply may come twice. */
    do
        err = client_recv(c, &r, CALL_TIMEOUT);
    while (err == 0 && (c->m->caps & IPC_LOSSY) && r.id < id);
    if (err != 0)
        is_unexpected("%s", result_name(err));
    if (r.id != id)
        is_unexpected("the reply to request %llu, not to %llu",
                      (unsigned long long)r.id, (unsigned long long)id);
    if (r.status != WIRE_OK)
        is_unexpected("the status %s", api_status_name(r.status));
}

void
signal_server(int number)
{
    if (has(IPC_INPROCESS))
        return;
    if (number == SIGSTOP)
        server_pause(&server);
    else
        ck_assert_int_eq(kill(server_pid(&server), number), 0);
}

/* Who stands still with a lock keeps it, and a form that trusts its peers waits
 * for it without a limit; who is asleep seldom has one.  One that never sleeps,
 * though it should, is left to run then: stopped and let go on and on it would
 * look like one that sleeps now and then. */
void
stop_server(void)
{
    signal_server(SIGSTOP);
    while (has(IPC_TRUSTING) && !has(IPC_INPROCESS) && !has(IPC_SPINS) &&
           !is_stopped_at_rest(server_pid(&server))) {
        signal_server(SIGCONT);
        doing("a server that sleeps",
              "next(), or a request that takes its time, and no other one "
              "comes");
        while (!all_threads_are(server_pid(&server), 'S'))
            sched_yield();
        signal_server(SIGSTOP);
    }
}

void
kill_server(void)
{
    if (has(IPC_SPAWNED))
        signal_server(SIGKILL);
    else
        server_kill(&server);
}

static int
lock_endpoint(char name[ENDPOINT_SIZE])
{
    int lock;

    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    lock = endpoint_lock(name, NULL);
    ck_assert_int_ge(lock, 0);
    return lock;
}

void
sweep_up(void)
{
    char name[ENDPOINT_SIZE];
    int lock = lock_endpoint(name);

    if (subject->sweep != NULL)
        subject->sweep(name);
    endpoint_unlock(name, lock);
}

volatile sig_atomic_t signals_seen;
static volatile pid_t to_kill;

/* In the baselines the server is a thread of this process, which a signal may
 * interrupt as well; it does not count there, for two would count at once. */
static void
on_alarm(int number)
{
    (void)number;
    if (gettid() == getpid())
        signals_seen++;
    if (to_kill > 0)
        kill(to_kill, SIGKILL);
}

void
begin_signals(int64_t interval, pid_t victim)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
    const struct timeval t = {.tv_usec = interval / 1000};

    to_kill = victim;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &(struct itimerval){t, t}, NULL),
                     0);
}

void
end_signals(void)
{
    ck_assert_int_eq(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
}

void
local_begin(struct local *l, int i)
{
    subject = ipc_registry[i];
    *l = (struct local){.srv = calloc(1, subject->server_size)};
    ck_assert_ptr_nonnull(l->srv);
    l->lock = lock_endpoint(l->name);
    ck_assert_int_eq(subject->create(l->srv, l->name), 0);
    ck_assert_int_eq(service_init(&l->service, subject, l->srv, &l->stop), 0);
}

void
local_end(struct local *l)
{
    service_free(&l->service);
    subject->destroy(l->srv);
    free(l->srv);
    endpoint_unlock(l->name, l->lock);
}

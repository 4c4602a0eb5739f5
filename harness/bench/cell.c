/*
 * cell.c - a cell runs in a process of its own, and somebody watches it.
 *
 *      ipcbench              the cell's process         server
 *      fork ---------------> a pair, warm up, time --> ...
 *      wait, at most so long
 *      <-------------------- row, histogram in a page that both share
 *
 * So the timed calls may wait for ever, and a mechanism that hangs or crashes
 * costs its own cell and nobody else's.
 */
#define _GNU_SOURCE /* pidfd_open, pipe2, sched_setaffinity */
#include "bench/measure.h"

#include "bench/trace.h"
#include "core/clock.h"
#include "core/parent.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than the timed part of a cell may take for all the rest of it, ns. */
#define WATCHDOG (20 * NS_PER_SEC)

/* How long one that was told to end may take, ns. */
#define GRACE (3 * NS_PER_SEC)

#define COUNTED 200 /* operations whose system calls are counted */
#define STEPPED 4   /* ... whose instructions are, unless they make */
#define MANY    50  /* ... more calls than this each: they take too long */

/* -- was it left alone? ---------------------------------------------------- */

/* By how much the way between two CPUs may differ before and after. */
#define MOVED 1.25

/* These rules look at CPU time, at switches and at the floor, and were fixed
 * before anybody looked at a latency.  Comparisons with NAN are false: what is
 * not known does not speak against a cell. */
static const char *
disturbed(const struct cell *c, const struct row *r)
{
    double allowed = 0.005 + 2 / (double)r->n; /* preemptions per operation */

    if (c->kind != ROW_RTT && c->kind != ROW_STREAM)
        return NULL;
    if (c->m != NULL && (c->m->caps & IPC_SPINS) &&
        (r->client_cpu < 0.95 || r->server_cpu < 0.95))
        return "a spinning side did not have its CPU to itself";
    if (fabs(log(r->line_before_ns / r->line_after_ns)) > log(MOVED))
        return "the way between the two CPUs changed meanwhile";
    if (c->placement->together && r->client_cpu + r->server_cpu < 0.93)
        return "the two sides did not have the CPU to themselves";
    if (!c->placement->together &&
        (r->client_involuntary > allowed || r->server_involuntary > allowed))
        return "preempted too often";
    return NULL;
}

void
cell_explain(int err, char *reason, size_t size)
{
    if (err == 0 || reason[0] != '\0')
        return;
    snprintf(reason, size, "%s",
             err == -EBADMSG ? "other bytes came back than were sent"
                             : strerror(-err));
}

/* -- its process ----------------------------------------------------------- */

int64_t
cell_time(const struct bench *b, const struct cell *c)
{
    return c->ns != 0 ? c->ns : c->weight * b->cell_ns;
}

/* Is the floor of this cell the way of a cache line, which moves? */
static bool
is_probed(const struct bench *b, const struct cell *c)
{
    const char *floor = c->m != NULL ? c->m->floor : c->name;

    if (b->counted != 0 || c->placement->together || c->placement->server == -1)
        return false;
    if (floor == NULL || (c->kind != ROW_RTT && c->kind != ROW_STREAM))
        return false;
    return strcmp(floor, FLOOR_PAGE) == 0 || strcmp(floor, FLOOR_RING) == 0 ||
           strcmp(floor, FLOOR_COPY) == 0;
}

static int
measure_probed(struct bench *b, struct cell *c, struct row *r)
{
    bool probed = is_probed(b, c);
    int err = 0;

    if (probed)
        err = probe_line(b, c->placement, &r->line_before_ns);
    if (err == 0)
        err = c->measure(b, c, r);
    if (err == 0 && probed)
        err = probe_line(b, c->placement, &r->line_after_ns);
    return err;
}

/* parent: if that one dies, however it dies, we are told to stop, and clean up
 * as if by ^C. */
static _Noreturn void
cell_process(struct bench *b, struct cell *c, pid_t parent, int go)
{
    struct bench mine = *b;
    struct row *r = &b->page->row;
    char byte;

    end_with_parent(parent, SIGTERM);
    if (go != -1 && read(go, &byte, 1) != 1)
        _exit(1);
    if (go != -1) /* nobody else looks at the clock */
        alarm((unsigned)(WATCHDOG / NS_PER_SEC));
    mine.cell_ns = cell_time(b, c);
    b->page->err = placement_enter(c->placement);
    if (b->page->err == 0)
        b->page->err = measure_probed(&mine, c, r);
    placement_leave();
    b->page->batch = c->batch;
    _exit(0);
}

/* Waits for a process to end, up to limit ns, or until *stop.  It is reaped
 * if it is our child. */
static int
wait_for_end(pid_t pid, int64_t limit, const volatile sig_atomic_t *stop,
             int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), err;
    int64_t deadline = deadline_in(limit);

    if (fd == -1 && errno != ESRCH)
        return -errno;
    do
        err = fd == -1 ? 0 : wait_for(fd, POLLIN, deadline);
    while (err == -EINTR && (stop == NULL || !*stop));
    if (fd != -1)
        close(fd);
    if (err == 0)
        waitpid(pid, status, 0);
    return err;
}

static void
end_process(pid_t pid)
{
    int status;

    kill(pid, SIGTERM);
    if (wait_for_end(pid, GRACE, NULL, &status) == 0)
        return;
    kill(pid, SIGKILL);
    wait_for_end(pid, GRACE, NULL, &status);
}

/* A server whose name can be locked is gone; what it left is removed. */
static void
sweep(const struct ipc_mechanism *m, const char *dir)
{
    char name[ENDPOINT_SIZE];
    int lock;

    if (m->sweep == NULL || (m->caps & (IPC_SPAWNED | IPC_INPROCESS)) ||
        endpoint_name(m, dir, name) != 0)
        return;
    lock = endpoint_lock(name, NULL);
    if (lock < 0)
        return;
    m->sweep(name);
    endpoint_unlock(name, lock);
}

void
cell_clean_up(struct cell_page *page, const char *dir)
{
    if (page->cell != 0)
        end_process(page->cell);
    if (page->server != 0)
        end_process(page->server);
    if (page->group != 0)
        kill(-page->group, SIGKILL);
    if (page->m != NULL)
        sweep(page->m, dir);
    if (page->queue != 0)
        msgctl(page->queue - 1, IPC_RMID, NULL);
    page->m = NULL;
    page->cell = page->server = page->group = page->queue = 0;
}

/* Forks the cell's process, which waits for a byte from go if that is not
 * -1. */
static pid_t
start(struct bench *b, struct cell *c, const struct row *r, int go)
{
    pid_t parent = getpid(), pid;

    b->page->m = c->m;
    b->page->row = *r;
    b->page->err = -ECHILD; /* unless it comes to its end */
    fflush(NULL);           /* or the child might write it, too */
    pid = fork();
    if (pid == 0)
        cell_process(b, c, parent, go);
    b->page->cell = pid > 0 ? pid : 0;
    return pid;
}

/* The cell's process has ended by itself: what it came to. */
static int
outcome(struct bench *b, int status)
{
    struct row *r = &b->page->row;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        b->page->cell = b->page->server = b->page->queue = 0;
        return b->page->err;
    }
    b->page->cell = 0;
    cell_clean_up(b->page, b->dir);
    snprintf(r->reason, sizeof r->reason, "its process ended: %s",
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "no reason");
    return -ECHILD;
}

static int
run_cell(struct bench *b, struct cell *c, const struct row *r)
{
    int64_t limit = cell_time(b, c) + WATCHDOG;
    pid_t pid = start(b, c, r, -1);
    int status = 0, err;

    if (pid == -1)
        return -errno;
    err = wait_for_end(pid, limit, b->stop, &status);
    if (err == 0)
        return outcome(b, status);
    cell_clean_up(b->page, b->dir);
    if (err == -ETIMEDOUT)
        snprintf(b->page->row.reason, sizeof b->page->row.reason,
                 "hung: killed after %lld s", (long long)(limit / NS_PER_SEC));
    return err;
}

/* -- measured -------------------------------------------------------------- */

static struct row
row_of(const struct cell *c, long round)
{
    struct row r = row_empty();

    r.round = round;
    r.size = (long)c->size;
    r.clients = c->clients;
    r.copy = c->copy;
    snprintf(r.mechanism, sizeof r.mechanism, "%s", c->name);
    r.placement = c->placement->where;
    r.kind = c->kind;
    r.mode = c->mode;
    return r;
}

/* What another run of this user has taken since we looked is not this cell's
 * failure.  Asked when its server is gone: what is there now would do. */
static const char *
lacking(const struct cell *c, int err)
{
    if (c->m != NULL)
        return ipc_unavailable(c->m);
    return err == -EMFILE || err == -ENFILE || err == -ENOSPC
               ? "this user's queues or descriptors are used up"
               : NULL;
}

int
measure_cell(struct bench *b, struct cell *c, long round, struct row *r)
{
    const char *why, *lacks;
    int err;

    *r = row_of(c, round);
    err = run_cell(b, c, r);
    *r = b->page->row;
    if (err == -EINTR || *b->stop)
        return -EINTR;
    c->batch = b->page->batch;
    why = err == 0 ? disturbed(c, r) : NULL;
    lacks = err != 0 ? lacking(c, err) : NULL;
    r->status = lacks      ? ROW_ABSENT
                : err != 0 ? ROW_FAILED
                : why      ? ROW_REJECTED
                           : ROW_OK;
    cell_explain(err, r->reason, sizeof r->reason);
    if (why != NULL || lacks != NULL)
        snprintf(r->reason, sizeof r->reason, "%s", why ? why : lacks);
    if (err == 0 && c->pool != NULL)
        histogram_merge(c->pool, &b->page->histogram);
    c->given_up = err != 0;
    return 0;
}

/* -- counted --------------------------------------------------------------- */

/* Each stop is two switches between us and the traced: on one CPU they take a
 * few us, and ten times that where another has to be woken for it. */
static int
run_traced(struct bench *b, struct cell *c, const struct row *r,
           struct tally *t)
{
    cpu_set_t before;
    int go[2], err;
    pid_t pid;

    if (pipe2(go, O_CLOEXEC) == -1)
        return -errno;
    sched_getaffinity(0, sizeof before, &before);
    b->counted = t->step ? STEPPED : COUNTED;
    pid = start(b, c, r, go[0]);
    b->counted = 0;
    pin_to(c->placement->client); /* or it takes longer */
    err = pid == -1 ? -errno : trace_run(pid, go[1], b->stop, t);
    sched_setaffinity(0, sizeof before, &before);
    close(go[0]);
    close(go[1]);
    if (err == 0)
        err = b->page->err;
    else
        cell_clean_up(b->page, b->dir);
    b->page->cell = 0;
    return err;
}

int
measure_calls(struct bench *b, const struct cell *of, struct row *r)
{
    static struct tally t;
    struct cell c = *of;
    int err;

    c.kind = ROW_CALLS;
    *r = row_of(&c, 1);
    err = run_traced(b, &c, r, &t);
    if (*b->stop)
        return -EINTR;
    r->status = err == 0 ? ROW_OK : ROW_FAILED;
    if (err != 0) {
        snprintf(r->reason, sizeof r->reason,
                 "its system calls could not be counted: %s",
                 err == -EPERM ? "ptrace(2) is not allowed here"
                               : strerror(-err));
        return err;
    }
    r->n = b->page->row.n;
    r->client_calls = trace_calls(&t, TRACE_CLIENT, r->n);
    r->server_calls = trace_calls(&t, TRACE_SERVER, r->n);
    trace_text(&t, r->n, r->calls, sizeof r->calls);
    return 0;
}

/* Who spins executes instructions until the other one is there, and under a
 * tracer that takes for ever. */
int
measure_instructions(struct bench *b, const struct cell *of, struct row *r)
{
    static struct tally t;
    struct cell c = *of;
    int err;

    if (c.m != NULL && (c.m->caps & IPC_SPINS) != 0)
        return -EOPNOTSUPP;
    if (c.m == NULL && !c.placement->together)
        return -EOPNOTSUPP; /* a floor that may spin */
    if (!(r->client_calls + r->server_calls <= MANY))
        return -EOPNOTSUPP;
    c.kind = ROW_CALLS;
    t.step = true;
    err = run_traced(b, &c, r, &t);
    if (*b->stop)
        return -EINTR;
    if (err != 0 || b->page->row.n < 2)
        return err != 0 ? err : -ENODATA;
    r->client_instructions =
        trace_instructions(&t, TRACE_CLIENT, b->page->row.n);
    r->server_instructions =
        trace_instructions(&t, TRACE_SERVER, b->page->row.n);
    return 0;
}

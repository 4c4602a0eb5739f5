/*
 * measure_load.c - requests that come by a schedule of their own, to a server
 * that stalls: what a closed loop does not see.
 *
 *      another process stops the server for 10 ms, every 200 ms (SIGSTOP)
 *
 *      closed  request, reply, request, reply ...      timed from each request
 *      sent    a request is due every 200 us           timed from each request
 *      due     the same                                timed from when it was
 *                                                      due
 *
 * While the server stands still, a closed loop sends one request, which is
 * late; the world outside would have sent fifty.  It has left out the other
 * forty-nine, in agreement with the server, so to speak: coordinated omission
 * (Gil Tene).  Timing from when a request was due counts them all: what
 * somebody would have waited who came by at that moment.
 */
#define _GNU_SOURCE /* clock_nanosleep, PR_SET_TIMERSLACK */
#include "bench/measure.h"

#include "core/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STALL  (10 * NS_PER_MS)
#define STALLS (200 * NS_PER_MS) /* from one to the next */
#define DUE    (NS_PER_MS / 5)   /* from one request to the next */

/* -- the one who makes the server stand still ----------------------------- */

static void
sleep_until(int64_t at)
{
    struct timespec t = ns_to_timespec(at);

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* To the server's process, and those that it has made: one of them serves.
 * proc(5), children. */
static void
signal_server(pid_t pid, int number)
{
    char path[64];
    FILE *in;
    int child;

    kill(pid, number);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    in = fopen(path, "re");
    while (in != NULL && fscanf(in, "%d", &child) == 1)
        kill(child, number);
    if (in != NULL)
        fclose(in);
}

static _Noreturn void
nuisance(struct bench *b, const struct host *h, int64_t start, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (int64_t at = start + STALLS / 4; !*b->stop && getppid() == parent;
         at += STALLS) {
        sleep_until(at);
        signal_server(h->pid, SIGSTOP);
        sleep_until(at + STALL);
        signal_server(h->pid, SIGCONT);
    }
    _exit(0);
}

/* -- the one who is timed -------------------------------------------------- */

static int
round_trip(struct client *client, struct bench *b, size_t size)
{
    struct api_value arg = {.at = (const char *)b->data, .len = size};
    struct reply r;
    int err = client_call(client, API_METHOD(echo), &arg, &r, -1);

    return err == 0 && r.status != WIRE_OK ? -EPROTO : err;
}

/* Until a request is due.  With a CPU of its own the client waits by looking at
 * the clock, which is exact; sharing one with the server it must sleep. */
static void
wait_until(int64_t due, bool together)
{
    if (together)
        sleep_until(due);
    while (now_ns() < due)
        continue;
}

static int
requests(struct bench *b, struct cell *c, struct client *client, int64_t start)
{
    struct histogram *h = &b->page->histogram;
    bool closed = c->mode == ROW_CLOSED;
    bool from_due = c->mode == ROW_DUE;
    int64_t due = start, sent = start;
    int err = 0;

    histogram_clear(h);
    while (err == 0 && sent - start < b->cell_ns) {
        if (!closed)
            wait_until(due, c->placement->together);
        sent = now_ns();
        err = *b->stop ? -EINTR : round_trip(client, b, c->size);
        histogram_add(h, (uint64_t)(now_ns() - (from_due ? due : sent)));
        due += DUE;
    }
    return err;
}

static int
load(struct bench *b, struct cell *c, struct row *r, struct pair *s)
{
    int err = pair_verify(s, b->data, c->size, 1);
    int64_t start = now_ns();
    pid_t parent = getpid(), pid;

    if (err != 0)
        return err;
    prctl(PR_SET_TIMERSLACK, 1); /* ns; 50 us are usual */
    pid = fork();
    if (pid == -1)
        return -errno;
    if (pid == 0)
        nuisance(b, &s->host, start, parent);
    err = requests(b, c, &s->client, start);
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    signal_server(s->host.pid, SIGCONT); /* it may have died in between */
    if (err == 0)
        err = pair_verify(s, b->data, c->size, 2);
    if (err != 0)
        return err;
    measure_times(r, &b->page->histogram, 1);
    r->seconds = (double)(b->cell_ns) / 1e9;
    r->per_second = (double)r->n / r->seconds;
    return 0;
}

int
measure_load(struct bench *b, struct cell *c, struct row *r)
{
    return with_pair(b, c, r, load);
}

/*
 * measure_clients.c - several clients of one server at once, each in a closed
 * loop.
 *
 *      this process: the server's parent, and client 1
 *      fork: client 2 .. N          all join, all say so, all start
 *
 * Each counts its own round trips until the time is up, which is the same
 * moment for all.  Their sum is the throughput; how evenly the server has
 * shared itself out is Jain's index of their counts.
 */
#define _GNU_SOURCE /* clock_gettime, MAP_ANONYMOUS */
#include "bench/measure.h"

#include "core/clock.h"
#include "core/parent.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct part {
    struct histogram histogram;
    struct cost from, to;
    pid_t pid; /* of client 2 and so on; 0: none */
    int err;
};

/* Shared by all clients. */
struct crowd {
    atomic_long ready; /* clients that have joined, or failed to */
    _Atomic int64_t start, until;
    struct part part[];
};

/* Waits without a word to anybody: what a client would do to wake the others
 * would be part of the measurement. */
static int
wait_for_start(struct bench *b, struct crowd *all)
{
    while (atomic_load(&all->start) == 0) {
        if (*b->stop)
            return -EINTR;
        clock_nanosleep(CLOCK_MONOTONIC, 0,
                        &(struct timespec){.tv_nsec = 100000}, NULL);
    }
    while (now_ns() < atomic_load(&all->start))
        sched_yield();
    return 0;
}

static int
round_trip(struct client *client, struct bench *b, size_t size)
{
    struct api_value arg = {.at = (const char *)b->data, .len = size};
    struct reply r;
    int err = client_call(client, API_METHOD(echo), &arg, &r, -1);

    if (err == 0 && (r.status != WIRE_OK || r.results[0].len != size))
        err = -EPROTO;
    return err;
}

static int
closed_loop(struct client *client, struct bench *b, size_t size,
            struct crowd *all, struct part *mine)
{
    int64_t until = atomic_load(&all->until), from, to;
    struct cost nobody;
    int err = 0;

    cost_read(-1, &mine->from, &nobody);
    from = to = now_ns();
    while (err == 0 && to < until) {
        err = *b->stop ? -EINTR : round_trip(client, b, size);
        to = now_ns();
        histogram_add(&mine->histogram, (uint64_t)(to - from));
        from = to;
    }
    cost_read(-1, &mine->to, &nobody);
    return err;
}

/* One client from beginning to end.  It is ready also if it has failed, or the
 * others would wait for it. */
static int
be_client(struct client *client, struct bench *b, size_t size,
          struct crowd *all, struct part *mine)
{
    int err = 0;

    histogram_clear(&mine->histogram);
    for (int i = 0; err == 0 && i < 10; i++)
        err = round_trip(client, b, size);
    atomic_fetch_add(&all->ready, 1);
    if (err == 0)
        err = wait_for_start(b, all);
    if (err == 0)
        err = closed_loop(client, b, size, all, mine);
    return err;
}

/* Client 2 and so on: a process, which joins the server of its parent. */
static _Noreturn void
child(struct host *h, struct bench *b, size_t size, struct crowd *all,
      struct part *mine, pid_t parent)
{
    struct client client;

    end_with_parent(parent, SIGTERM);
    mine->err = host_client(h, &client);
    if (mine->err != 0) {
        atomic_fetch_add(&all->ready, 1);
        _exit(0);
    }
    client.stop = b->stop;
    mine->err = be_client(&client, b, size, all, mine);
    client_close(&client);
    _exit(0);
}

/* -- adding up ------------------------------------------------------------- */

static int
add_up(struct bench *b, struct crowd *all, long clients, double seconds,
       struct row *r)
{
    struct histogram *h = &b->page->histogram;
    double *share = calloc((size_t)clients, sizeof *share);
    int err = share != NULL ? 0 : -ENOMEM;

    histogram_clear(h);
    r->client_cpu = r->client_voluntary = r->client_involuntary = 0;
    for (long i = 0; err == 0 && i < clients; i++) {
        const struct part *p = &all->part[i];

        err = p->err;
        histogram_merge(h, &p->histogram);
        share[i] = (double)p->histogram.count;
        r->client_cpu += (p->to.cpu_ns - p->from.cpu_ns) / seconds / 1e9;
        r->client_voluntary += p->to.voluntary - p->from.voluntary;
        r->client_involuntary += p->to.involuntary - p->from.involuntary;
    }
    if (err == 0) {
        measure_times(r, h, 1);
        r->seconds = seconds;
        r->per_second = (double)r->n / seconds;
        r->client_voluntary /= (double)r->n;
        r->client_involuntary /= (double)r->n;
        r->fairness = jain(share, (size_t)clients);
    }
    free(share);
    return err;
}

/* Everybody has joined: the start is in a millisecond, for all the same. */
static void
start(struct bench *b, struct crowd *all, long clients)
{
    int64_t at;

    while (atomic_load(&all->ready) < clients - 1 && !*b->stop)
        clock_nanosleep(CLOCK_MONOTONIC, 0,
                        &(struct timespec){.tv_nsec = 100000}, NULL);
    at = now_ns() + NS_PER_MS;
    atomic_store(&all->until, at + b->cell_ns);
    atomic_store(&all->start, at);
}

/* Client 2 and so on, in processes of their own. */
static int
fork_others(struct bench *b, struct cell *c, struct host *h, struct crowd *all)
{
    pid_t parent = getpid();

    for (long i = 1; i < c->clients; i++) {
        pid_t pid = fork();

        if (pid == -1)
            return -errno;
        if (pid == 0)
            child(h, b, c->size, all, &all->part[i], parent);
        all->part[i].pid = pid;
    }
    return 0;
}

static void
reap_others(struct crowd *all, long clients)
{
    for (long i = 1; i < clients; i++)
        while (all->part[i].pid != 0 &&
               waitpid(all->part[i].pid, NULL, 0) == -1 && errno == EINTR)
            continue;
}

static int
together(struct bench *b, struct cell *c, struct row *r, struct pair *s,
         struct crowd *all)
{
    struct cost client, from, to;
    double n;
    int err = fork_others(b, c, &s->host, all);

    if (err != 0) { /* those who have begun are not to wait for the others */
        atomic_store(&all->until, 1);
        atomic_store(&all->start, 1);
        reap_others(all, c->clients);
        return err;
    }
    start(b, all, c->clients);
    cost_read(s->server, &client, &from);
    all->part[0].err = be_client(&s->client, b, c->size, all, &all->part[0]);
    cost_read(s->server, &client, &to);
    reap_others(all, c->clients);
    err = add_up(b, all, c->clients, (double)b->cell_ns / 1e9, r);
    n = (double)r->n;
    r->server_cpu = (to.cpu_ns - from.cpu_ns) / r->seconds / 1e9;
    r->server_voluntary = (to.voluntary - from.voluntary) / n;
    r->server_involuntary = (to.involuntary - from.involuntary) / n;
    return err;
}

static int
crowd(struct bench *b, struct cell *c, struct row *r, struct pair *s)
{
    size_t size =
        sizeof(struct crowd) + (size_t)c->clients * sizeof(struct part);
    struct crowd *all = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int err;

    if (all == MAP_FAILED)
        return -errno;
    err = pair_verify(s, b->data, c->size, 1);
    if (err == 0)
        err = together(b, c, r, s, all);
    if (err == 0)
        err = pair_verify(s, b->data, c->size, 2);
    munmap(all, size);
    return err;
}

int
measure_clients(struct bench *b, struct cell *c, struct row *r)
{
    return with_pair(b, c, r, crowd);
}

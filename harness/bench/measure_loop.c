/* measure_loop.c - warm up, repeat, stamp: the timed part of a cell. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/measure.h"

#include "bench/trace.h"
#include "core/clock.h"

#include <errno.h>

/* The third round trip is already as fast as the rest (the first is the echo
 * that is verified); with pages to be touched, 50 are on the safe side.  Slow
 * ones get a quarter of the cell's time. */
#define WARM_UP       50
#define WARM_UP_LEAST 2

#define SHORT_NS 1000 /* below, a clock read is more than 2 % */
#define BATCH    64

int
measure_warm_up(const struct bench *b, int (*op)(void *), void *arg,
                int64_t *fastest)
{
    int64_t start = now_ns(), from = start, to;
    int err;

    *fastest = INT64_MAX;
    for (int i = 0; i < WARM_UP; i++) {
        if (i >= WARM_UP_LEAST && from - start > b->cell_ns / 4)
            break;
        err = op(arg);
        if (err != 0)
            return err;
        to = now_ns();
        if (to - from < *fastest)
            *fastest = to - from;
        from = to;
    }
    return 0;
}

static int
timed(struct bench *b, long batch, int (*op)(void *), void *arg)
{
    struct histogram *h = &b->page->histogram;
    int64_t from, to, until;
    int err;

    histogram_clear(h); /* and touched */
    from = to = now_ns();
    until = from + b->cell_ns;
    while (to < until) {
        if (*b->stop)
            return -EINTR;
        for (long i = 0; i < batch; i++) {
            err = op(arg);
            if (err != 0)
                return err;
        }
        to = now_ns();
        histogram_add(h, (uint64_t)(to - from));
        from = to;
    }
    return 0;
}

/* The same operations for whoever counts what the kernel is asked for: so many,
 * or what a second has room for, since traced calls are slow.  (The clock is no
 * system call.) */
static int
counted(struct bench *b, int (*op)(void *), void *arg)
{
    int64_t until = now_ns() + NS_PER_SEC;
    long n = 0;
    int err = 0;

    trace_mark();
    for (; err == 0 && n < b->counted && (n < 2 || now_ns() < until); n++)
        err = op(arg);
    trace_mark();
    b->page->row.n = n;
    return err;
}

void
measure_times(struct row *r, const struct histogram *h, long batch)
{
    double per = (double)batch;

    r->batch = batch;
    r->n = (long)h->count * batch;
    r->seconds = h->sum / 1e9;
    r->mean_ns = h->sum / (double)r->n;
    r->min_ns = (double)h->min / per;
    r->p50_ns = histogram_quantile(h, 0.50) / per;
    r->p99_ns = histogram_quantile(h, 0.99) / per;
    r->max_ns = (double)h->max / per;
    r->per_second = (double)r->n / r->seconds;
}

void
measure_cost(struct row *r, const struct cost from[2], const struct cost to[2])
{
    double n = (double)r->n, ns = r->seconds * 1e9;

    r->client_voluntary = (to[0].voluntary - from[0].voluntary) / n;
    r->client_involuntary = (to[0].involuntary - from[0].involuntary) / n;
    r->client_cpu = (to[0].cpu_ns - from[0].cpu_ns) / ns;
    r->server_voluntary = (to[1].voluntary - from[1].voluntary) / n;
    r->server_involuntary = (to[1].involuntary - from[1].involuntary) / n;
    r->server_cpu = (to[1].cpu_ns - from[1].cpu_ns) / ns;
    r->client_faults = (to[0].faults - from[0].faults) / n;
    r->client_user = (to[0].user_ns - from[0].user_ns) / ns;
    r->server_user = (to[1].user_ns - from[1].user_ns) / ns;
    r->server_faults = (to[1].faults - from[1].faults) / n;
}

int
measure_loop(struct bench *b, struct cell *c, struct row *r, pid_t server,
             int (*op)(void *), void *arg)
{
    struct cost from[2], to[2];
    int64_t fastest;
    int err = measure_warm_up(b, op, arg, &fastest);

    if (err != 0)
        return err;
    if (b->counted != 0)
        return counted(b, op, arg);
    /* Decided once, so that all rounds of a cell count the same thing. */
    if (c->batch == 0)
        c->batch = fastest < SHORT_NS ? BATCH : 1;
    cost_read(server, &from[0], &from[1]);
    err = timed(b, c->batch, op, arg);
    cost_read(server, &to[0], &to[1]);
    if (err != 0)
        return err;
    measure_times(r, &b->page->histogram, c->batch);
    measure_cost(r, from, to);
    return 0;
}

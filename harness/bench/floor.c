/*
 * floor.c - what the machine costs without us: copying by memcpy, reading the
 * clock, being interrupted; the exchange by the bare system calls, which is the
 * floor of the others, is in echo.c, and perf's opinion of it in here.
 * Measured in every round, because the floor itself moves (other virtual
 * machines, frequency, which cores the host gives us): a ratio to the floor of
 * the same round is worth more than any absolute time.
 */
#define _GNU_SOURCE /* clock_gettime, popen */
#include "bench/measure.h"

#include "core/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- floor/memcpy: the same bytes, once, to a buffer of our own ------------ */

struct copy {
    uint8_t *to;
    const uint8_t *from;
    size_t size;
};

static int
one_copy(void *arg)
{
    struct copy *c = arg;

    memcpy(c->to, c->from, c->size);
    /* Somebody might read it: so it has to be copied, each time. */
    __asm__ volatile("" : : "r"(c->to) : "memory");
    return 0;
}

int
floor_memcpy(struct bench *b, struct cell *c, struct row *r)
{
    struct copy copy = {.to = b->scratch, .from = b->data, .size = c->size};
    int err = measure_loop(b, c, r, 0, one_copy, &copy);

    r->bytes_per_second = r->per_second * (double)c->size;
    return err;
}

/* -- floor/clock: one stamp ------------------------------------------------ */

static int
one_stamp(void *arg)
{
    *(volatile int64_t *)arg = now_ns();
    return 0;
}

int
floor_clock(struct bench *b, struct cell *c, struct row *r)
{
    int64_t t;

    return measure_loop(b, c, r, 0, one_stamp, &t);
}

/* -- floor/gaps: a loop that does nothing but look at the clock ---------------
 *
 * Where two looks are more than 10 us apart, somebody else had the CPU: the
 * timer tick, an interrupt, the hypervisor.  An operation of 5 us that is hit
 * once in 500 times has the tick as its 99.8th percentile, whatever the
 * mechanism.
 */
#define GAP_NS 10000

int
floor_gaps(struct bench *b, struct cell *c, struct row *r)
{
    struct histogram *h = &b->page->histogram;
    int64_t start = now_ns(), from = start, to = from;

    (void)c;
    histogram_clear(h);
    for (; to - start < b->cell_ns; from = to) {
        to = now_ns();
        if (to - from > GAP_NS)
            histogram_add(h, (uint64_t)(to - from));
    }
    r->n = (long)h->count;
    r->seconds = (double)(to - start) / 1e9;
    r->per_second = (double)h->count / r->seconds;
    if (h->count > 0) {
        r->p50_ns = histogram_quantile(h, 0.5);
        r->max_ns = (double)h->max;
    }
    return 0;
}

/* -- floor/perf: what `perf bench sched pipe` says ----------------------------
 *
 * Two processes pass an int to and fro through two pipes, the same thing as
 * floor/pipe; perf(1) reports the time of all `loops`, each a round trip (a
 * write and a read on either side).  An independent program that comes to the
 * same number is the best calibration there is.
 */
#define PERF_LOOPS 20000 /* perf times the forks of both, too: 1 ms */

bool
floor_perf_is_there(void)
{
    return system("perf bench sched pipe -l 1 >/dev/null 2>&1") == 0;
}

int
floor_perf(struct bench *b, struct cell *c, struct row *r)
{
    char command[128], line[128];
    double us = NAN;
    FILE *f;

    (void)b;
    (void)c;
    snprintf(command, sizeof command,
             "exec perf bench sched pipe -l %d 2>/dev/null", PERF_LOOPS);
    f = popen(command, "re"); /* pinned as we are, both its processes */
    if (f == NULL)
        return -errno;
    while (fgets(line, sizeof line, f) != NULL)
        if (strstr(line, "usecs/op") != NULL)
            us = strtod(line, NULL);
    if (pclose(f) != 0 || !(us > 0))
        return -ENOENT;
    r->n = PERF_LOOPS;
    r->seconds = us * PERF_LOOPS / 1e6;
    r->mean_ns = us * 1e3; /* it tells nothing else */
    r->per_second = 1e6 / us;
    return 0;
}

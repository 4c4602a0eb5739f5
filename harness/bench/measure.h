/*
 * measure.h - one cell: a mechanism, a placement, a size; measured once, in a
 * fresh server process.
 *
 *      server, client   start, join, pin
 *      verify           one echo of random bytes, compared
 *      warm up          50 operations
 *      +-- timed ---------------------------------------------+
 *      | t0 op t1 op t2 op t3 ...    chained: one clock read  |
 *      |    \__/  \__/  \__/         per operation, the end   |
 *      |                             of one begins the next   |
 *      +------------------------------------------------------+
 *      verify           again
 *
 * The clock is CLOCK_MONOTONIC by the vDSO, about 20 ns.  Operations of less
 * than 1 us are stamped in batches of 64; their percentiles are those of the
 * batches' means, and the rows say so.
 *
 * This is a closed loop: the next request starts when the reply is there.  It
 * measures service time and capacity, not the latency of requests that arrive
 * by a schedule of their own.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "bench/placement.h"
#include "bench/record.h"
#include "bench/session.h"
#include "bench/stats.h"
#include "core/ipc.h"

#include <signal.h>

/* What all cells of a run share. */
struct bench {
    const char *dir;  /* run directory of the servers */
    int64_t cell_ns;  /* how long the timed part lasts */
    uint8_t *data;    /* IPC_MAX_MSG bytes to send */
    uint8_t *scratch; /* as many to copy to */
    const volatile sig_atomic_t *stop;
    struct histogram histogram;
};

struct cell {
    const char *name;              /* the mechanism's, or "floor/pipe" */
    const struct ipc_mechanism *m; /* NULL: a floor */
    const struct placement *placement;
    const char *kind; /* ROW_RTT, ROW_STREAM */
    int (*measure)(struct bench *, struct cell *, struct row *);
    size_t size;   /* of the payload, bytes */
    int copy;      /* 1: the second of the A/A pair */
    long batch;    /* operations per stamp; 0: the first round decides */
    bool given_up; /* failed once; not tried again */
};

/*
 * Measures a cell and fills in the row, whatever happens: a failure has its
 * status and reason.  -EINTR: told to stop, the row is worth nothing.
 */
int measure_cell(struct bench *b, struct cell *c, long round, struct row *r);

/* -- what a cell can be -------------------------------------------------------- */

int measure_rtt(struct bench *b, struct cell *c, struct row *r);
int measure_stream(struct bench *b, struct cell *c, struct row *r);

/* floor.c */
int floor_pipe(struct bench *b, struct cell *c, struct row *r);
int floor_memcpy(struct bench *b, struct cell *c, struct row *r);
int floor_clock(struct bench *b, struct cell *c, struct row *r);

/* -- for them --------------------------------------------------------------------
 *
 * Warms up, then repeats op(arg) for the cell's time and fills in the row's
 * numbers; server as in cost_read().  0, -EINTR when told to stop, or what
 * op() returned.
 */
int measure_loop(struct bench *b, struct cell *c, struct row *r, pid_t server,
                 int (*op)(void *), void *arg);

int measure_warm_up(const struct bench *b, int (*op)(void *), void *arg,
                    int64_t *fastest);

/* Fills in the switches and the CPU time between two readings of both sides'
 * cost (client, server), once r->n and r->seconds are known. */
void measure_cost(struct row *r, const struct cost from[2],
                  const struct cost to[2]);

/* A short exchange of everything the mechanism is going to be measured with.
 * *ns is what starting and stopping it took.  On failure reason says why. */
int measure_check(struct bench *b, const struct ipc_mechanism *m, int64_t *ns,
                  char *reason, size_t size);

#endif

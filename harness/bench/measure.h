/*
 * measure.h - one cell: a mechanism, a placement, a size; measured once, in a
 * process of its own with a fresh server.
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
 * The timed calls wait for ever (timeout -1).  A time limit costs a poll(2) or
 * a timer for each, which would be measured as if it were the mechanism's; if
 * something hangs, the process is killed from outside (cell.c).
 *
 * This is a closed loop: the next request starts when the reply is there.  It
 * measures service time and capacity, not the latency of requests that arrive
 * by a schedule of their own; measure_load.c has that one.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "bench/pair.h"
#include "bench/placement.h"
#include "bench/record.h"
#include "bench/stats.h"
#include "bench/summary.h"
#include "core/ipc.h"
#include "core/scratch.h"

#include <signal.h>

/* What a cell's process tells about itself while it runs and leaves when it
 * ends: a page that it shares with ipcbench and with the janitor. */
struct cell_page {
    char dir[SCRATCH_SIZE];        /* run directory of the servers */
    const struct ipc_mechanism *m; /* served at the moment, or NULL */
    pid_t cell, server;            /* to be stopped if they hang; 0: none */
    pid_t group;                   /* of a peer's processes; 0: none */
    int queue;                     /* a floor's System V queue + 1; 0: none */
    int err;                       /* what measure() returned */
    long batch;
    struct row row;
    struct histogram histogram;
};

/* What all cells of a run share. */
struct bench {
    const char *dir;  /* run directory of the servers */
    int64_t cell_ns;  /* how long the timed part lasts */
    uint8_t *data;    /* IPC_MAX_MSG bytes to send */
    uint8_t *scratch; /* as many to copy to */
    const volatile sig_atomic_t *stop;
    struct cell_page *page;
    long counted; /* not 0: no clock, but this many operations between two
                   * marks for the one who counts system calls (trace.h) */
};

struct cell {
    const char *name;              /* the mechanism's, or "floor/pipe" */
    const struct ipc_mechanism *m; /* NULL: a floor */
    const struct placement *placement;
    const char *command; /* of a peer (peer.h), or NULL */
    enum kind kind;
    enum mode mode; /* of a row of this kind */
    int (*measure)(struct bench *, struct cell *, struct row *);
    size_t size;     /* of the payload, bytes */
    long clients;    /* at once */
    int copy;        /* 1: the second of the A/A pair */
    long rounds;     /* measured in the first so many of a run */
    long weight;     /* of its time: so many times bench.cell_ns */
    int64_t ns;      /* or this long, whatever the budget; 0: by weight */
    int64_t startup; /* of its server, when it was checked, ns */
    int64_t beside;  /* what it took beside the timed part so far, ns */
    long runs;       /* how often it was measured */
    long batch;      /* operations per stamp; 0: the first round decides */
    struct histogram *pool; /* of all rounds, if it is to be kept */
    bool given_up;          /* failed once; not tried again */
    bool left_out;          /* of the rounds to come: no time for it */
};

/*
 * Measures a cell and fills in the row, whatever happens: a failure has its
 * status and reason.  -EINTR: told to stop, the row is worth nothing.
 */
int measure_cell(struct bench *b, struct cell *c, long round, struct row *r);

/* How long its timed part is, ns. */
int64_t cell_time(const struct bench *b, const struct cell *c);

/* Counts the system calls of 64-byte round trips: fills in a row of kind
 * ROW_CALLS.  0, -EINTR, or why it cannot be done here, with row's reason. */
int measure_calls(struct bench *b, const struct cell *of, struct row *r);

/* Counts the instructions of them, into that row, where that is possible.
 * 0, or -errno and the row is as it was. */
int measure_instructions(struct bench *b, const struct cell *of, struct row *r);

/* What went wrong, unless reason says it already. */
void cell_explain(int err, char *reason, size_t size);

/* Stops what a cell's process left running, which has ended itself or is made
 * to: the process, the server; and sweeps up behind them. */
void cell_clean_up(struct cell_page *page, const char *dir);

/* -- what a cell can be ---------------------------------------------------- */

int measure_rtt(struct bench *b, struct cell *c, struct row *r);
int measure_stream(struct bench *b, struct cell *c, struct row *r);
int measure_setup(struct bench *b, struct cell *c, struct row *r);
int measure_clients(struct bench *b, struct cell *c, struct row *r);
int measure_load(struct bench *b, struct cell *c, struct row *r);

/* With a server and a client of the cell's mechanism, at its placement. */
int with_pair(struct bench *b, struct cell *c, struct row *r,
              int (*inner)(struct bench *, struct cell *, struct row *,
                           struct pair *));

/* What a cache line takes to the CPU of the placement's server and back, ns:
 * for a few ms.  The caller is on the client's.  0 or -errno. */
int probe_line(const struct bench *b, const struct placement *p, double *ns);

/* ring.c: one way through shared memory, copied out, or looked at */
int floor_ring(struct bench *b, struct cell *c, struct row *r);
int floor_copy(struct bench *b, struct cell *c, struct row *r);

/* echo.c: the bare echo called c->name; floor.c: the others */
int floor_echo(struct bench *b, struct cell *c, struct row *r);
int floor_gaps(struct bench *b, struct cell *c, struct row *r);
int floor_perf(struct bench *b, struct cell *c, struct row *r);
bool floor_perf_is_there(void);
int floor_memcpy(struct bench *b, struct cell *c, struct row *r);
int floor_clock(struct bench *b, struct cell *c, struct row *r);

/* -- for them -----------------------------------------------------------------
 *
 * Warms up, then repeats op(arg) for the cell's time and fills in the row's
 * numbers; server as in cost_read().  0, -EINTR when told to stop, or what
 * op() returned.
 */
int measure_loop(struct bench *b, struct cell *c, struct row *r, pid_t server,
                 int (*op)(void *), void *arg);

/* Fills in the percentiles of a histogram of stamps. */
void measure_times(struct row *r, const struct histogram *h, long batch);

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

/*
 * plan.h - what a run is going to measure: every cell, and for what cannot be
 * measured here, the reason.
 */
#ifndef PLAN_H
#define PLAN_H

#include "bench/measure.h"
#include "core/clock.h"

#include <limits.h>
#include <stdbool.h>

/* Another program, to be measured with ours (peer.h). */
struct peer {
    char name[32]; /* "peer/zmq" */
    const char *command;
};

struct plan_options {
    const char *const *mechanisms; /* names, or directories; NULL-ended */
    const char *const *placements; /* NULL-ended; empty: the default */
    const struct peer *peers;      /* ended by one without a command */
    const size_t *sizes;           /* bytes, rising, 0-ended; NULL: default */
    const long *clients;           /* 0-ended; NULL: default */
    double budget;                 /* s; 0: by the number of mechanisms */
    double duration;               /* of a cell, s; 0: what the budget allows */
    long rounds;                   /* 0: default */
    bool full;                     /* everything, everywhere, longer */
};

/* The stalls of measure_load.c are rare: less than this time shows none. */
#define LOAD_NS     (600 * NS_PER_MS)
#define LOAD_BUDGET 20.0 /* s; a shorter run has not the time for it */

/* No run that nobody gave more takes longer than this, s. */
#define BUDGET_MOST 90.0

/* An interval can be had of so many rounds; no fewer unless asked for. */
#define PLAN_LEAST_ROUNDS 5

/* How many parts of a run can be left out. */
#define PLAN_PARTS 5

struct plan {
    const struct ipc_mechanism **mechanisms; /* that can run; NULL-ended */
    size_t mechanism_count;
    const struct placement *placements[PLACEMENTS];
    size_t placement_count;
    const struct cpus *cpus;
    struct cell *cells;
    size_t cell_count;
    struct row *absent;
    size_t absent_count;
    const size_t *sizes;
    const long *clients;
    double budget;  /* s; and what was promised, if that is more: */
    double promise; /* plan_promise() */
    double share;   /* of a CPU, which a process gets here: 1 if it is idle */
    double duration;
    long rounds;
    bool full;
    const char *const *wanted;   /* names given; NULL-ended */
    long left_after[PLAN_PARTS]; /* plan_left_out(); 0: is not left out */
};

/* Is the mechanism among these names ("pipe/packet", or "pipe" for all of the
 * directory)?  No names, {NULL}, are all. */
bool plan_chooses(const char *const *names, const struct ipc_mechanism *m);

/* Was the mechanism asked for by its own name, not with its directory or with
 * all? */
bool plan_names(const struct plan *p, const struct ipc_mechanism *m);

/* What a run has spent so far. */
struct spending {
    int64_t since_begin; /* ns, all in all */
    long rounds;         /* done */
    bool between;        /* two rounds, or in the midst of one */
};

/* 0 or -errno; -ENOENT: *who is no mechanism's name, nor a placement's;
 * -EOPNOTSUPP: that placement cannot be had here.  The plan points into *cpus.
 */
int plan_make(struct plan *p, const struct plan_options *o, struct cpus *cpus,
              const char **who);
void plan_free(struct plan *p);

/* Memory for the distributions that are kept.  0 or -ENOMEM. */
int plan_pools(struct plan *p);

/* A peer works: cells for it at every placement, each of which takes ns; kind
 * is that of its number.  It does not: only the reason.  0 or -ENOMEM. */
int plan_add_peer(struct plan *p, const struct peer *peer, enum kind kind,
                  int64_t ns);
int plan_drop_peer(struct plan *p, const struct peer *peer, const char *reason);

/* The mechanism does not work: its cells go, the reason stays. */
int plan_drop(struct plan *p, const struct ipc_mechanism *m,
              const char *reason);

/* Is this cell measured in this round (from 1)?  And how often after `done`
 * rounds? */
bool plan_has(const struct cell *c, long round);
double plan_times_left(const struct plan *p, const struct cell *c, long done);

/* What is put by for the report, s. */
double plan_report_time(const struct plan *p);

/* Are the system calls of cell i counted?  Once for each mechanism and each
 * bare echo: its first cell of 64-byte round trips. */
bool plan_is_counted(const struct plan *p, size_t i);

/* What starting and stopping the mechanism's server takes, ns. */
void plan_started(struct plan *p, const struct ipc_mechanism *m, int64_t ns);

/* How long all of it takes, s, if no cell has more time than it has to have and
 * no round is measured that an interval can do without.  Known from the cells
 * measured so far; before the first, from plan_started(). */
double plan_need(const struct plan *p, const struct spending *so_far);

/* Leaves out of the rounds to come what the budget has no room for, one part
 * after the other; the round trips of 64 bytes never. */
void plan_fit(struct plan *p, const struct spending *so_far);

/* The same before the first round; and if even what is left takes longer than
 * the budget, that is what the run may take, up to BUDGET_MOST: p->promise. */
void plan_promise(struct plan *p, const struct spending *so_far);

/* No time for more?  Asked before each cell, and between the rounds. */
bool plan_is_over(const struct plan *p, const struct spending *so_far);

/* Which part, of PLAN_PARTS, was left out, and when, into text; "" if it was
 * not. */
void plan_left_out(const struct plan *p, int part, char *text, size_t size);

/*
 * How long the timed part of a cell of weight 1 may be, ns, if the whole run is
 * to keep to its promise: what is left, less what the remaining cells cost
 * beside it.
 */
int64_t plan_cell_time(const struct plan *p, const struct spending *so_far);

void plan_print(const struct plan *p, const char *dir, uint64_t seed, FILE *f);

/* "64 B", "4 KiB", "4060 B", in SIZE_NAME bytes. */
#define SIZE_NAME 32
const char *size_name(size_t size, char buf[SIZE_NAME]);

/* -- plan_cells.c: its parts --------------------------------------------------
 *
 * The cells of one mechanism at one placement; what they are compared with;
 * the A/A pair; and a row for what is not measured, with the reason.  0 or
 * -ENOMEM. */
int plan_cells(struct plan *p, const struct ipc_mechanism *m,
               const struct placement *pl, int cpus_allowed);
int plan_add(struct plan *p, struct cell c);

/* How many rounds a cell is measured in: what tables and floors rest on in all,
 * the other sizes and the streams in FEWER, which are as many as compare.h
 * wants for a verdict, several clients at once, who get none, in FEW.  The
 * first of the run, because nobody knows how many it has room for. */
#define ALL_ROUNDS LONG_MAX
#define FEWER      5
#define FEW        3

/* 64 bytes, and 4 KiB or what a mechanism carries instead: measured in all. */
bool plan_is_main(size_t size);
int plan_floors(struct plan *p); /* plan_floors.c, as the next */
int plan_pair(struct plan *p);
int plan_absent(struct plan *p, const char *name, enum where placement,
                enum kind kind, const char *reason);

#endif

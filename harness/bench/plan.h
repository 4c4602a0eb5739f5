/*
 * plan.h - what a run is going to measure: every cell, and for what cannot be
 * measured here, the reason.
 */
#ifndef PLAN_H
#define PLAN_H

#include "bench/measure.h"

struct plan_options {
    const char *const *mechanisms; /* names, or directories; NULL-ended */
    const char *const *placements; /* NULL-ended; empty: the default */
    double budget;                 /* s; 0: by the number of mechanisms */
    long rounds;
};

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
    double budget; /* s */
    long rounds;
};

/* 0 or -errno; -ENOENT: *who is no mechanism's name, nor a placement's;
 * -EOPNOTSUPP: that placement cannot be had here.  The plan points into *cpus.
 */
int plan_make(struct plan *p, const struct plan_options *o, struct cpus *cpus,
              const char **who);
void plan_free(struct plan *p);

/* The mechanism does not work: its cells go, the reason stays. */
int plan_drop(struct plan *p, const struct ipc_mechanism *m,
              const char *reason);

/*
 * How long the timed part of each cell may be, ns, if the whole run is to keep
 * to its budget.  spent: what has gone already; startup: for each mechanism of
 * the plan, what starting and stopping its server takes; both ns.
 */
int64_t plan_cell_time(const struct plan *p, int64_t spent,
                       const int64_t *startup);

/* The same for the rounds left, once it is known what a round really takes. */
int64_t plan_next_cell_time(const struct plan *p, int64_t cell_ns,
                            int64_t spent, int64_t round_ns, long rounds_left);

void plan_print(const struct plan *p, const char *dir, uint64_t seed, FILE *f);

/* "64 B", "4 KiB", "4060 B", in SIZE_NAME bytes. */
#define SIZE_NAME 32
const char *size_name(size_t size, char buf[SIZE_NAME]);

/* -- cells.c: its parts ---------------------------------------------------------
 *
 * The cells of one mechanism at one placement; what they are compared with;
 * the A/A pair; and a row for what is not measured, with the reason.  0 or
 * -ENOMEM. */
int plan_cells(struct plan *p, const struct ipc_mechanism *m,
               const struct placement *pl, int cpus_allowed);
int plan_floors(struct plan *p);
int plan_pair(struct plan *p);
int plan_absent(struct plan *p, const struct ipc_mechanism *m,
                const char *placement, const char *kind, const char *reason);

#endif

/*
 * run.h - `ipcbench run`: plan, check, rounds, report.
 */
#ifndef RUN_H
#define RUN_H

#include "bench/janitor.h"
#include "bench/plan.h"

#include <jansson.h>
#include <stdbool.h>

struct run_options {
    struct plan_options plan;
    uint64_t seed;
    const char *out; /* where the run's directory goes; NULL: results */
};

/* Prints what it does and what went wrong.  An exit status (sysexits.h), or
 * 128 + the signal that stopped it. */
int run(const struct run_options *o);

/* -- inside ---------------------------------------------------------------- */

struct run {
    struct bench bench;
    struct plan plan;
    struct cpus cpus;
    struct record record;
    const struct peer *peers;
    uint64_t seed;
    int64_t began;
    struct spending spending;
    struct janitor janitor;
    int works;                       /* mechanisms that passed the check */
    long rounds;                     /* done */
    long measured, rejected, failed; /* cells, over all rounds */
    long uncounted;                  /* cells, for want of time */
    json_t *machine;                 /* as it was when the run began */
};

/* run_rounds.c: measures all cells, round by round.  0, -EINTR, or -errno. */
int run_rounds(struct run *r);

/* One line on a terminal, written over and over; nothing in a pipe.  what NULL:
 * wipes it. */
void run_progress(const struct run *r, const char *what, long i, long n);

/* What was left out to keep to the budget: says one thing of it after the
 * other, up to NULL. */
const char *run_left_out(const struct run *r, int i, char text[80]);

/* run.json: what was measured on, by what, how.  0 or -errno. */
int manifest_write(struct run *r);

#endif

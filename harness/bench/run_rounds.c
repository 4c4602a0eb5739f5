/*
 * run_rounds.c - every cell once a round, in random order.
 *
 *      round 1    c7 c2 floor c9 c1 ...
 *      round 2    c1 c9 c2 floor c7 ...      another order
 *
 * Randomised complete blocks: whatever slows the machine for a while slows a
 * bit of everything instead of all of something, and two cells are compared
 * within rounds, not across half a minute.  (What only curves are drawn
 * through is left out of some rounds, together with its floor.)
 */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/run.h"

#include "core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line on a terminal, written over and over; nothing in a pipe. */
void
run_progress(const struct run *r, const char *what, long i, long n)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (what == NULL)
        fprintf(stderr, "\r\033[K");
    else
        fprintf(stderr, "\r\033[K  %s %ld of %ld, %.0f s of about %.0f", what,
                i, n, (double)(now_ns() - r->began) / 1e9, r->plan.budget);
}

/* One cell, and what it has cost of the budget. */
static int
one_cell(struct run *r, struct cell *c)
{
    int64_t start = now_ns();
    struct row row;
    int err = measure_cell(&r->bench, c, r->rounds + 1, &row);

    if (err != 0)
        return err;
    r->measured++;
    r->rejected += row.status == ROW_REJECTED;
    r->failed += row.status == ROW_FAILED;
    c->runs++;
    c->beside += now_ns() - start - cell_time(&r->bench, c);
    return record_row(&r->record, &row);
}

static int
one_round(struct run *r, const size_t *order)
{
    int64_t start = now_ns();
    int err = 0;

    for (size_t i = 0; err == 0 && i < r->plan.cell_count; i++) {
        struct cell *c = &r->plan.cells[order[i]];

        if (c->given_up || !plan_has(c, r->rounds + 1))
            continue;
        if (i % 8 == 0)
            run_progress(r, "round", r->rounds + 1, r->plan.rounds);
        err = one_cell(r, c);
    }
    r->spending.in_rounds += now_ns() - start;
    return err != 0 ? err : record_flush(&r->record);
}

/* On a machine that is busy with something else the cells take what they take:
 * then there are fewer rounds instead of a longer run, but never fewer than an
 * interval can be had from. */
#define LEAST_ROUNDS 5

static bool
out_of_time(const struct run *r)
{
    double so_far = (double)r->spending.since_begin / (double)NS_PER_SEC;
    double round =
        (double)r->spending.in_rounds / (double)NS_PER_SEC / (double)r->rounds;

    return r->plan.duration <= 0 && r->rounds >= LEAST_ROUNDS &&
           so_far + round > r->plan.budget;
}

int
run_rounds(struct run *r)
{
    size_t n = r->plan.cell_count, *order = calloc(n + 1, sizeof *order);
    struct rng rng = {.state = r->seed};
    int err = 0;

    if (order == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    while (err == 0 && r->rounds < r->plan.rounds) {
        rng_shuffle(&rng, order, n);
        err = one_round(r, order);
        if (err != 0)
            break;
        r->spending.rounds = ++r->rounds;
        r->spending.since_begin = now_ns() - r->began;
        r->bench.cell_ns = plan_cell_time(&r->plan, &r->spending, NULL);
        if (r->rounds < r->plan.rounds && out_of_time(r)) {
            printf("Out of time after %ld of %ld rounds: this machine is busy "
                   "with something else.\n",
                   r->rounds, r->plan.rounds);
            break;
        }
    }
    run_progress(r, NULL, 0, 0);
    free(order);
    return err;
}

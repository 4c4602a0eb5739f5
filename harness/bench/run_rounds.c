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
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Can a line be written over?  Not in a pipe, and not where TERM says that this
 * terminal only ever goes on: Emacs's shell, a log. */
static bool
can_write_over(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term != NULL && term[0] != '\0' &&
           strcmp(term, "dumb") != 0;
}

/* One line on a terminal, written over and over; elsewhere nothing. */
void
run_progress(const struct run *r, const char *what, long i, long n)
{
    if (!can_write_over())
        return;
    if (what == NULL)
        fprintf(stderr, "\r\033[K");
    else
        fprintf(stderr, "\r\033[K  %s %ld of %ld, %.0f s of about %.0f", what,
                i, n, (double)(now_ns() - r->began) / 1e9,
                fmax(r->plan.budget, r->plan.promise));
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

/* Before a cell: is there time for it? */
static bool
is_time_for(struct run *r, const struct cell *c)
{
    r->spending.since_begin = now_ns() - r->began;
    plan_fit(&r->plan, &r->spending);
    return !c->given_up && plan_has(c, r->rounds + 1);
}

static int
one_round(struct run *r, const size_t *order)
{
    int err = 0;

    r->spending.between = false;
    for (size_t i = 0; err == 0 && i < r->plan.cell_count; i++) {
        struct cell *c = &r->plan.cells[order[i]];

        if (i % 8 == 0)
            run_progress(r, "round", r->rounds + 1, r->plan.rounds);
        if (!is_time_for(r, c))
            continue;
        if (plan_is_over(&r->plan, &r->spending))
            return -ETIME;
        err = one_cell(r, c);
    }
    return err != 0 ? err : record_flush(&r->record);
}

const char *
run_left_out(const struct run *r, int i, char text[80])
{
    text[0] = '\0';
    if (i < PLAN_PARTS)
        plan_left_out(&r->plan, i, text, 80);
    else if (i == PLAN_PARTS && r->uncounted > 0)
        snprintf(text, 80, "counting the system calls of %ld", r->uncounted);
    else if (i == PLAN_PARTS + 1 && r->rounds < r->plan.rounds)
        snprintf(text, 80,
                 r->spending.between ? "rounds %ld to %ld"
                                     : "most of round %ld up to %ld",
                 r->rounds + 1, r->plan.rounds);
    return i <= PLAN_PARTS + 1 ? text : NULL;
}

static void
say_what_was_left_out(const struct run *r)
{
    const char *before = "Left out, to be done in time: ", *what;
    char text[80];

    for (int i = 0; (what = run_left_out(r, i, text)) != NULL; i++) {
        if (what[0] == '\0')
            continue;
        printf("%s%s", before, what);
        before = ";\n  ";
    }
    if (before[0] == ';')
        printf(".\n");
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
        r->spending.between = true;
        r->spending.since_begin = now_ns() - r->began;
        r->bench.cell_ns = plan_cell_time(&r->plan, &r->spending);
        if (plan_is_over(&r->plan, &r->spending))
            break;
    }
    run_progress(r, NULL, 0, 0);
    free(order);
    if (err != 0 && err != -ETIME)
        return err;
    if (r->works > 0)
        say_what_was_left_out(r);
    return record_flush(&r->record);
}

/*
 * plan_time.c - how often each cell is measured, for how long, and what is left
 * out where the budget has no room for it.
 *
 * Nothing in here reads a clock: what has been spent is told (struct spending,
 * the cells' .runs and .beside), so that a test can tell what it likes.
 */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/plan.h"

#include <math.h>
#include <string.h>

/* A cell of less than this, ns, says nothing; and one is rather left out than
 * that many get less than that. */
#define CELL_LEAST (2 * NS_PER_MS)
#define CELL_GOOD  (4 * NS_PER_MS)

/* One that takes more than this beside its timed part, ns, takes the others'
 * time: it is measured in FEW rounds, unless the headlines rest on it. */
#define CELL_SLOW (100 * NS_PER_MS)

/* What tables, charts and page take at the end, s of CPU time: of any run, and
 * for each cell (`time ipcbench report DIR`). */
#define REPORT_TIME 1.5
#define REPORT_CELL 0.003

/* Of so many cells what they took is looked at. */
#define MOST_CELLS 1024

/* Estimates are not exact: this far beyond what was promised it ends in the
 * midst of a round. */
#define SLACK 1.05

bool
plan_has(const struct cell *c, long round)
{
    bool slow = c->rounds != ALL_ROUNDS && c->beside > c->runs * CELL_SLOW;

    return round <= (slow ? FEW : c->rounds) && !c->left_out;
}

static double
times_until(const struct cell *c, long from, long to)
{
    double n = 0;

    for (long round = from; round <= to; round++)
        n += plan_has(c, round) && !c->given_up;
    return n;
}

/* How often a cell is still to be measured. */
double
plan_times_left(const struct plan *p, const struct cell *c, long done)
{
    return times_until(c, done + 1, p->rounds);
}

/* The charts are drawn by other programs, which have to share the CPUs too. */
double
plan_report_time(const struct plan *p)
{
    return (REPORT_TIME + REPORT_CELL * (double)p->cell_count) / p->share;
}

/* -- what it costs --------------------------------------------------------- */

void
plan_started(struct plan *p, const struct ipc_mechanism *m, int64_t ns)
{
    for (size_t i = 0; i < p->cell_count; i++)
        if (p->cells[i].m == m)
            p->cells[i].startup = ns;
}

/* What those that have been measured took beside their timed part more than
 * their servers' start, ns: the others will, too.  The median, for a mean of
 * the first few would be that of one that is slow. */
static double
usual_extra(const struct plan *p)
{
    static double extra[MOST_CELLS];
    size_t n = 0;

    for (const struct cell *c = p->cells; c < p->cells + p->cell_count; c++)
        if (c->runs > 0 && n < MOST_CELLS)
            extra[n++] =
                (double)c->beside / (double)c->runs - (double)c->startup;
    return n > 0 ? fmax(median(extra, n), 0) : 0;
}

/* What a cell takes beside its timed part, ns: what it took so far. */
static double
beside(const struct cell *c, double extra)
{
    return c->runs > 0 ? (double)c->beside / (double)c->runs
                       : (double)c->startup + extra;
}

/* The least number of rounds: an interval can be had of so many. */
static long
least_rounds(const struct plan *p)
{
    return p->rounds < PLAN_LEAST_ROUNDS ? p->rounds : PLAN_LEAST_ROUNDS;
}

double
plan_need(const struct plan *p, const struct spending *so_far)
{
    double ns = 0, extra = usual_extra(p), times;

    for (const struct cell *c = p->cells; c < p->cells + p->cell_count; c++) {
        times = times_until(c, 1, least_rounds(p)) - (double)c->runs;
        if (times > 0)
            ns += times * (beside(c, extra) +
                           (c->ns != 0 ? (double)c->ns
                                       : (double)(CELL_GOOD * c->weight)));
    }
    return ((double)so_far->since_begin + ns) / (double)NS_PER_SEC +
           plan_report_time(p);
}

int64_t
plan_cell_time(const struct plan *p, const struct spending *so_far)
{
    double s = (double)NS_PER_SEC, weights = 0, ns, extra = usual_extra(p);
    double left =
        p->promise * s - (double)so_far->since_begin - plan_report_time(p) * s;

    if (p->duration > 0)
        return (int64_t)(p->duration * s);
    for (size_t i = 0; i < p->cell_count; i++) {
        const struct cell *c = &p->cells[i];
        double n = plan_times_left(p, c, so_far->rounds);

        left -= n * ((double)c->ns + beside(c, extra));
        weights += c->ns == 0 ? n * (double)c->weight : 0;
    }
    ns = left / fmax(weights, 1);
    return ns > (double)CELL_LEAST ? (int64_t)ns : CELL_LEAST;
}

/* -- what is left out ------------------------------------------------------ */

/* Parts of a run, in the order in which they are left out: the headlines rest
 * on the last one, which never is. */
enum part { LOAD, CLIENTS, CURVES, STREAMS, PAGES, TRIPS };

static const char *const part_words[PLAN_PARTS] = {
    [LOAD] = "the load by a schedule",
    [CLIENTS] = "several clients",
    [CURVES] = "the other sizes, joining, the clock, interruptions",
    [STREAMS] = "one way",
    [PAGES] = "round trips of 4 KiB",
};

static enum part
part_of(const struct cell *c)
{
    if (c->kind == ROW_LOAD)
        return LOAD;
    if (c->kind == ROW_CLIENTS)
        return CLIENTS;
    if (c->kind == ROW_STREAM)
        return STREAMS;
    if (c->kind == ROW_RTT && c->size == 64)
        return TRIPS;
    return c->kind == ROW_RTT && plan_is_main(c->size) ? PAGES : CURVES;
}

/* s, by what its cells have taken so far. */
static double
next_round(const struct plan *p, const struct spending *so_far)
{
    double ns = 0, extra = usual_extra(p);
    int64_t cell_ns = plan_cell_time(p, so_far);

    for (const struct cell *c = p->cells; c < p->cells + p->cell_count; c++)
        if (plan_has(c, so_far->rounds + 1) && !c->given_up)
            ns += beside(c, extra) +
                  (double)(c->ns != 0 ? c->ns : c->weight * cell_ns);
    return ns / (double)NS_PER_SEC;
}

/* Is there one of this part, and does it get any further rounds? */
static bool
leave_out(struct plan *p, enum part part)
{
    bool any = false;

    for (size_t i = 0; i < p->cell_count; i++)
        if (part_of(&p->cells[i]) == part && !p->cells[i].left_out)
            any = p->cells[i].left_out = true;
    return any;
}

void
plan_fit(struct plan *p, const struct spending *so_far)
{
    double most = fmax(p->budget, p->promise);

    if (p->duration > 0)
        return; /* as long as it takes: that was asked for */
    for (int part = LOAD; part < TRIPS; part++) {
        if (plan_need(p, so_far) <= most)
            return;
        if (leave_out(p, (enum part)part))
            p->left_after[part] = so_far->rounds + 1;
    }
}

void
plan_promise(struct plan *p, const struct spending *so_far)
{
    plan_fit(p, so_far);
    p->promise = fmax(p->budget, fmin(plan_need(p, so_far), BUDGET_MOST));
}

bool
plan_is_over(const struct plan *p, const struct spending *so_far)
{
    double then =
        (double)so_far->since_begin / (double)NS_PER_SEC + plan_report_time(p);

    if (p->duration > 0)
        return false;
    /* Between two rounds: is there time for another one?  Never fewer than an
     * interval can be had from, unless it takes very long. */
    if (so_far->between && so_far->rounds >= least_rounds(p))
        then += next_round(p, so_far);
    else
        then /= SLACK;
    return then > p->promise;
}

void
plan_left_out(const struct plan *p, int part, char *text, size_t size)
{
    text[0] = '\0';
    if (p->left_after[part] > 1)
        snprintf(text, size, "%s after round %ld", part_words[part],
                 p->left_after[part] - 1);
    else if (p->left_after[part] == 1)
        snprintf(text, size, "%s", part_words[part]);
}

/* plan_time.c - how often each cell is measured, and for how long. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/plan.h"

#include <math.h>

/* A cell of less than this, ns, says nothing. */
#define CELL_LEAST (2 * NS_PER_MS)

/* What the tables, the charts and the page take at the end, s; but no more than
 * this part of the budget. */
#define REPORT_TIME 7.0
#define REPORT_PART 0.1

bool
plan_has(const struct cell *c, long round)
{
    return (round - 1) % c->every == 0;
}

/* How often a cell is still to be measured. */
double
plan_times_left(const struct plan *p, const struct cell *c, long done)
{
    double n = 0;

    for (long round = done + 1; round <= p->rounds; round++)
        n += plan_has(c, round) && !c->given_up;
    return n;
}

double
plan_report_time(const struct plan *p)
{
    return fmin(REPORT_TIME, REPORT_PART * p->budget);
}

/* What starting a cell's server takes; a floor has none. */
static double
startup_of(const struct plan *p, const struct cell *c, const int64_t *startup)
{
    for (size_t i = 0; i < p->mechanism_count; i++)
        if (c->m == p->mechanisms[i])
            return (double)startup[i];
    return 0;
}

/* What a cell takes beside its timed part: from the rounds so far, in the first
 * of which every cell has been; before that, its server's start. */
static double
beside(const struct plan *p, const struct cell *c, const int64_t *startup)
{
    if (c->runs > 0)
        return (double)c->beside / (double)c->runs;
    return startup != NULL ? startup_of(p, c, startup) : 0;
}

int64_t
plan_cell_time(const struct plan *p, const struct spending *so_far,
               const int64_t *startup)
{
    double s = (double)NS_PER_SEC, weights = 0, ns;
    double left =
        p->budget * s - (double)so_far->since_begin - plan_report_time(p) * s;

    if (p->duration > 0)
        return (int64_t)(p->duration * s);
    for (size_t i = 0; i < p->cell_count; i++) {
        const struct cell *c = &p->cells[i];
        double n = plan_times_left(p, c, so_far->rounds);

        left -= n * ((double)c->ns + beside(p, c, startup));
        weights += c->ns == 0 ? n * (double)c->weight : 0;
    }
    ns = left / fmax(weights, 1);
    return ns > (double)CELL_LEAST ? (int64_t)ns : CELL_LEAST;
}

/* compare.c - what has become faster or slower from one run to another. */
#include "bench/compare.h"

#include "core/ipc.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES   1000 /* as in stats.c */
#define MOST_ROUNDS 1024 /* of a run that are looked at */

const char *const verdict_words[] = {
    [COMPARE_NO_VERDICT] = "",
    [COMPARE_FASTER] = "faster",
    [COMPARE_SLOWER] = "slower",
    [COMPARE_SAME] = "same",
    [COMPARE_INCONCLUSIVE] = "inconclusive",
    [COMPARE_ONLY_OLD] = "only in OLD",
    [COMPARE_ONLY_NEW] = "only in NEW",
    NULL,
};

const struct csv_column change_columns[] = {
#define CSV_OF struct change
#include "bench/csv_columns.h"

#include "bench/change.def"
    {.name = NULL},
};

/* -- statistics ------------------------------------------------------------ */

/* The median of v, or of as many drawn from it. */
static double
drawn_median(const double *v, size_t n, struct rng *rng)
{
    double sample[MOST_ROUNDS];

    for (size_t i = 0; i < n; i++)
        sample[i] = v[rng != NULL ? rng_below(rng, n) : i];
    return median(sample, n);
}

struct interval
change_interval(const double *old, size_t n, const double *new, size_t m)
{
    struct rng rng = {.state = n + m}; /* the same files, the same verdict */
    double changes[RESAMPLES];
    struct interval r;

    n = n < MOST_ROUNDS ? n : MOST_ROUNDS;
    m = m < MOST_ROUNDS ? m : MOST_ROUNDS;
    if (n == 0 || m == 0)
        return (struct interval){NAN, NAN, NAN};
    r.mid = drawn_median(new, m, NULL) / drawn_median(old, n, NULL) - 1;
    for (size_t i = 0; i < RESAMPLES; i++)
        changes[i] =
            drawn_median(new, m, &rng) / drawn_median(old, n, &rng) - 1;
    median(changes, RESAMPLES); /* sorts them */
    r.lo = changes[RESAMPLES / 40];
    r.hi = changes[RESAMPLES - 1 - RESAMPLES / 40];
    return r;
}

/* What the operations of a cell took in each round, in floors.  A stream's
 * ratio is one of rates: upside down it is one of times, and + is slower
 * everywhere. */
static size_t
costs(const struct compared_run *run, const struct line *l, double *v)
{
    bool rejected = l->status == ROW_REJECTED; /* are used, too */
    bool rtt = l->kind == ROW_RTT;
    size_t n = 0;

    for (size_t i = 0; i < run->n && n < MOST_ROUNDS; i++) {
        const struct row *r = &run->rows[i];

        if (r->size != l->size || r->copy != l->copy ||
            strcmp(r->mechanism, l->mechanism) != 0 ||
            r->placement != l->placement || r->kind != l->kind)
            continue;
        if (r->status != ROW_OK && !(rejected && r->status == ROW_REJECTED))
            continue;
        if (isfinite(r->ratio) && r->ratio > 0)
            v[n++] = rtt ? r->ratio : 1 / r->ratio;
    }
    return n;
}

/* -- one change ----------------------------------------------------------- */

static bool
is_short(const struct line *l)
{
    return fmin(l->p50_ns, 1e9 / l->per_second) <
           COMPARE_SHORT_NS; /* NAN counts not */
}

static double
least_change(const struct line *old, const struct line *new)
{
    const struct ipc_mechanism *m = ipc_find(old->mechanism);

    /* Nothing that short has slept, wherever it ran. */
    if (is_short(old) || is_short(new) ||
        (m != NULL && (m->caps & IPC_SPINS) != 0))
        return COMPARE_LIMIT_SPINS;
    if (old->placement == ONE_CPU || old->placement == TWO_CPU_AWAKE)
        return COMPARE_LIMIT_AWAKE;
    return COMPARE_LIMIT_SLEEP;
}

static double
limit_of(const struct summary *old_run, const struct line *old,
         const struct summary *new_run, const struct line *new)
{
    double limit = least_change(old, new);
    const char *who;

    limit = fmax(limit, fabs(summary_noise(old_run, old->placement, &who)));
    return fmax(limit, fabs(summary_noise(new_run, new->placement, &who)));
}

static enum verdict
verdict_of(const struct change *c)
{
    if (c->disturbed || c->old_rounds < COMPARE_LEAST_ROUNDS ||
        c->new_rounds < COMPARE_LEAST_ROUNDS)
        return COMPARE_INCONCLUSIVE;
    if (c->change > c->limit && c->change_lo > 0)
        return COMPARE_SLOWER;
    if (c->change < -c->limit && c->change_hi < 0)
        return COMPARE_FASTER;
    if (c->change_lo > -c->limit && c->change_hi < c->limit)
        return COMPARE_SAME;
    return COMPARE_INCONCLUSIVE;
}

static struct change
empty_change(const struct line *l)
{
    struct change c = {.size = l->size};

    csv_unknown(change_columns, &c);
    memcpy(c.mechanism, l->mechanism, sizeof c.mechanism);
    c.placement = l->placement;
    c.kind = l->kind;
    return c;
}

static struct change
change_of(const struct compared_run *old_run, const struct line *old,
          const struct compared_run *new_run, const struct line *new)
{
    static double a[MOST_ROUNDS], b[MOST_ROUNDS];
    size_t n = costs(old_run, old, a), m = costs(new_run, new, b);
    struct interval r = change_interval(a, n, b, m);
    struct change c = empty_change(old);

    c.change = r.mid;
    c.change_lo = r.lo;
    c.change_hi = r.hi;
    c.limit = limit_of(&old_run->summary, old, &new_run->summary, new);
    c.disturbed = old->status == ROW_REJECTED || new->status == ROW_REJECTED;
    c.old_ratio = old->ratio;
    c.new_ratio = new->ratio;
    c.old_rounds = (long)n;
    c.new_rounds = (long)m;
    c.old_p50_ns = old->p50_ns;
    c.new_p50_ns = new->p50_ns;
    c.old_bytes_per_second = old->bytes_per_second;
    c.new_bytes_per_second = new->bytes_per_second;
    c.verdict = n == m && n > 0 && memcmp(a, b, n * sizeof *a) == 0
                    ? COMPARE_SAME /* the very same run */
                    : verdict_of(&c);
    return c;
}

static struct change
one_sided(const struct line *l, const struct summary *other,
          enum verdict verdict)
{
    struct change c = empty_change(l);
    const char *why =
        summary_why_not(other, l->mechanism, l->placement, l->kind, l->size);

    c.verdict = verdict;
    snprintf(c.reason, sizeof c.reason, "%s",
             why != NULL && why[0] != '\0' ? why : "not measured there");
    return c;
}

/* -- all of them ---------------------------------------------------------- */

/* A line to be compared: measured, against a floor, no floor itself, not the
 * second of the A/A pair. */
static bool
is_wanted(const struct line *l)
{
    return l->used > 0 && l->copy == 0 && !summary_is_floor(l) &&
           (l->kind == ROW_RTT || l->kind == ROW_STREAM);
}

static const struct line *
counterpart(const struct summary *s, const struct line *l)
{
    const struct line *other =
        summary_find(s, l->mechanism, l->placement, l->kind, l->size);

    return other != NULL && other->used > 0 ? other : NULL;
}

static int
largest_first(const void *a, const void *b)
{
    const struct change *x = a, *y = b;

    if (isnan(x->change) || isnan(y->change))
        return (isnan(x->change) != 0) - (isnan(y->change) != 0);
    return (fabs(x->change) < fabs(y->change)) -
           (fabs(x->change) > fabs(y->change));
}

static void
count(struct comparison *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct change *ch = &c->changes[i];

        c->compared += !isnan(ch->change);
        c->faster += ch->verdict == COMPARE_FASTER;
        c->slower += ch->verdict == COMPARE_SLOWER;
        c->same += ch->verdict == COMPARE_SAME;
        c->inconclusive += ch->verdict == COMPARE_INCONCLUSIVE;
    }
}

int
compare_runs(const struct compared_run *old, const struct compared_run *new,
             struct comparison *c)
{
    const struct summary *a = &old->summary, *b = &new->summary;
    const struct line *l, *other;

    *c = (struct comparison){.n = 0};
    c->changes = calloc(a->n + b->n + 1, sizeof *c->changes);
    if (c->changes == NULL)
        return -ENOMEM;
    for (l = a->lines; l < a->lines + a->n; l++) {
        if (!is_wanted(l))
            continue;
        other = counterpart(b, l);
        c->changes[c->n++] = other != NULL ? change_of(old, l, new, other)
                                           : one_sided(l, b, COMPARE_ONLY_OLD);
    }
    for (l = b->lines; l < b->lines + b->n; l++)
        if (is_wanted(l) && counterpart(a, l) == NULL)
            c->changes[c->n++] = one_sided(l, a, COMPARE_ONLY_NEW);
    qsort(c->changes, c->n, sizeof *c->changes, largest_first);
    count(c);
    return 0;
}

void
comparison_free(struct comparison *c)
{
    free(c->changes);
    *c = (struct comparison){.n = 0};
}

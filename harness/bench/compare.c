/* compare.c - what has become faster or slower from one run to another. */
#include "bench/compare.h"

#include "bench/echo.h"
#include "core/ipc.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ROUNDS 1024 /* of a run that are looked at */
#define LINE_SIZE   64   /* bytes, of the echo that tells a cache line's way */

const char *const verdict_words[] = {
    [COMPARE_NO_VERDICT] = "",
    [COMPARE_FASTER] = "faster",
    [COMPARE_SLOWER] = "slower",
    [COMPARE_SAME] = "same",
    [COMPARE_INCONCLUSIVE] = "inconclusive",
    [COMPARE_NO_FLOOR] = "not comparable",
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

/* -- the rows of a cell ---------------------------------------------------- */

/* The logarithms of what the operations of a cell took in each round, in
 * floors: a difference of them is a ratio, and twice as slow is as far from the
 * same as twice as fast.  A stream's ratio is one of rates: upside down it is
 * one of times, and + is slower everywhere. */
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
            v[n++] = rtt ? log(r->ratio) : -log(r->ratio);
    }
    return n;
}

/* -- a cell in both runs --------------------------------------------------- */

static const struct line *
counterpart(const struct summary *s, const struct line *l)
{
    const struct line *other =
        summary_find(s, l->mechanism, l->placement, l->kind, l->size);

    return other != NULL && other->used > 0 ? other : NULL;
}

static bool
is_short(const struct line *l)
{
    return fmin(l->p50_ns, 1e9 / l->per_second) <
           COMPARE_SHORT_NS; /* NAN counts not */
}

/* A round trip takes two switches: beyond them the scheduler has a choice (does
 * who is woken run at once?), and in another run it may choose otherwise. */
#define SWITCHES_ENOUGH 2.5

static bool
is_scheduled(const struct line *l)
{
    return l->kind == ROW_RTT &&
           l->voluntary + l->involuntary > SWITCHES_ENOUGH; /* NAN is not */
}

static double
least_change(const struct line *old, const struct line *new)
{
    const struct ipc_mechanism *m = ipc_find(old->mechanism);

    if (is_scheduled(old) || is_scheduled(new))
        return COMPARE_LIMIT_SLEEP;

    /* Nothing that short has slept, wherever it ran. */
    if (is_short(old) || is_short(new) ||
        (m != NULL && (m->caps & IPC_SPINS) != 0))
        return COMPARE_LIMIT_SPINS;
    if (old->placement == ONE_CPU || old->placement == TWO_CPU_AWAKE)
        return COMPARE_LIMIT_AWAKE;
    return COMPARE_LIMIT_SLEEP;
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

static struct difference
difference_of(const struct compared_run *old_run, const struct line *old,
              const struct compared_run *new_run, const struct line *new,
              struct change *c)
{
    static double a[MOST_ROUNDS], b[MOST_ROUNDS];
    size_t n = costs(old_run, old, a), m = costs(new_run, new, b);

    c->old_rounds = (long)n;
    c->new_rounds = (long)m;
    c->itself = n == m && n > 0 && memcmp(a, b, n * sizeof *a) == 0;
    return difference(a, n, b, m);
}

/* -- between two runs ------------------------------------------------------ */

/*
 * From one run to the next more changes than from round to round: which pages
 * the kernel gave, which cores the host.  The rounds of one run cannot tell;
 * the bare echoes can.  They are the same program in both runs, so whatever
 * they seem to have changed by is what nothing looks like here (a negative
 * control).  In parts of the limit, so that those which spin and those which
 * sleep can be taken together.
 *
 * A run of a few mechanisms has few echoes, or none but the bare pipe, to which
 * all is compared: those that are missing to make LEAST_ECHOES are taken to
 * have changed by what was seen elsewhere.  A variance of few has few degrees
 * of freedom, and the intervals are the wider.
 */
#define ELSEWHERE_SEEN 0.25 /* of the limit: standard deviation */
#define LEAST_ECHOES   6.0

struct scatter {
    double variance, df;
};

static bool
is_echo(const struct line *l)
{
    return l->used > 0 && l->kind == ROW_RTT && echo_is_known(l->mechanism) &&
           strcmp(l->mechanism, FLOOR_PIPE) != 0;
}

/* What an echo has changed by beyond the scatter of its rounds, squared. */
static double
surplus(const struct compared_run *old_run, const struct line *old,
        const struct compared_run *new_run, const struct line *new)
{
    struct change c = {.limit = least_change(old, new)};
    struct difference d = difference_of(old_run, old, new_run, new, &c);

    return (d.mid * d.mid - d.variance) / (c.limit * c.limit);
}

static struct scatter
scatter_at(enum where placement, const struct compared_run *old,
           const struct compared_run *new)
{
    const struct summary *s = &old->summary;
    double sum = 0, n = 0, missing;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        const struct line *other;
        double more;

        if (l->placement != placement || !is_echo(l))
            continue;
        other = counterpart(&new->summary, l);
        more = other != NULL ? surplus(old, l, new, other) : NAN;
        if (isnan(more))
            continue;
        sum += more;
        n++;
    }
    missing = fmax(LEAST_ECHOES - n, 0);
    n += missing;
    return (struct scatter){
        .variance =
            (fmax(sum, 0) + missing * ELSEWHERE_SEEN * ELSEWHERE_SEEN) / n,
        .df = n};
}

/* Is a cache line's way another one, beside a bare pipe's, in the new run than
 * in the old?  A host may have put a virtual CPU onto another core between
 * them: then all that goes between two CPUs has changed, each by a factor of
 * its own, and nothing says by which. */
static bool
has_moved(enum where placement, const struct compared_run *old,
          const struct compared_run *new)
{
    const struct line *a = summary_find(&old->summary, FLOOR_PAGE, placement,
                                        ROW_RTT, LINE_SIZE),
                      *b = summary_find(&new->summary, FLOOR_PAGE, placement,
                                        ROW_RTT, LINE_SIZE);

    return placement != ONE_CPU && a != NULL && b != NULL &&
           fabs(log(a->ratio / b->ratio)) > log(COMPARE_MOVED);
}

/* -- one change ----------------------------------------------------------- */

/* The rounds' scatter and the runs' together; the degrees of freedom are those
 * of a sum of variances (Welch, Satterthwaite). */
static void
set_interval(struct change *c, const struct difference *d,
             const struct scatter *between)
{
    double runs = between->variance * c->limit * c->limit;
    double variance = d->variance + runs, width;
    double df = variance * variance /
                (d->variance * d->variance / d->df + runs * runs / between->df);

    width = t_of_95_percent(df) * sqrt(variance);
    c->change_lo = expm1(d->mid - width);
    c->change_hi = expm1(d->mid + width);
    c->p = t_tail(d->mid / sqrt(variance), df);
}

static struct change
change_of(const struct compared_run *old_run, const struct line *old,
          const struct compared_run *new_run, const struct line *new,
          const struct scatter *between)
{
    struct change c = empty_change(old);
    struct difference d = difference_of(old_run, old, new_run, new, &c);

    c.limit = least_change(old, new);
    c.disturbed = old->status == ROW_REJECTED || new->status == ROW_REJECTED;
    c.old_ratio = old->ratio;
    c.new_ratio = new->ratio;
    c.old_p50_ns = old->p50_ns;
    c.new_p50_ns = new->p50_ns;
    c.old_bytes_per_second = old->bytes_per_second;
    c.new_bytes_per_second = new->bytes_per_second;
    c.change = expm1(d.mid);
    set_interval(&c, &d, between);
    if (isnan(c.change)) {
        c.verdict = COMPARE_NO_FLOOR;
        snprintf(c.reason, sizeof c.reason, "no floor in the same rounds");
    }
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

/* -- verdicts -------------------------------------------------------------- */

/* Decided without a look at the change itself. */
static bool
can_be_judged(const struct comparison *c, const struct change *ch)
{
    return !c->noisy && !c->moved[ch->placement] && !ch->disturbed &&
           !isnan(ch->p) && ch->old_rounds >= COMPARE_LEAST_ROUNDS &&
           ch->new_rounds >= COMPARE_LEAST_ROUNDS;
}

/* The largest p that is a verdict: of all changes of the table together. */
static int
table_level(const struct comparison *c, double *level)
{
    double *p = malloc((c->n + 1) * sizeof *p);
    size_t n = 0;

    if (p == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < c->n; i++)
        if (can_be_judged(c, &c->changes[i]))
            p[n++] = c->changes[i].p;
    *level = discoveries_up_to(p, n, COMPARE_FALSE);
    free(p);
    return 0;
}

static enum verdict
verdict_of(const struct comparison *c, const struct change *ch, double level)
{
    if (ch->itself)
        return COMPARE_SAME; /* the very same run */
    if (!can_be_judged(c, ch))
        return COMPARE_INCONCLUSIVE;
    if (ch->p <= level && ch->change > ch->limit)
        return COMPARE_SLOWER;
    if (ch->p <= level && ch->change < -ch->limit)
        return COMPARE_FASTER;
    if (ch->change_lo > -ch->limit && ch->change_hi < ch->limit)
        return COMPARE_SAME;
    return COMPARE_INCONCLUSIVE;
}

static int
judge_all(struct comparison *c)
{
    double level;
    int err = table_level(c, &level);

    for (size_t i = 0; err == 0 && i < c->n; i++)
        if (c->changes[i].verdict == COMPARE_NO_VERDICT)
            c->changes[i].verdict = verdict_of(c, &c->changes[i], level);
    return err;
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
    struct scatter between[ELSEWHERE + 1];
    const struct line *l, *other;
    int err;

    *c = (struct comparison){.noisy = summary_noisy(a) || summary_noisy(b)};
    c->changes = calloc(a->n + b->n + 1, sizeof *c->changes);
    if (c->changes == NULL)
        return -ENOMEM;
    for (unsigned i = ANYWHERE; i <= ELSEWHERE; i++) {
        between[i] = scatter_at((enum where)i, old, new);
        c->moved[i] = has_moved((enum where)i, old, new);
    }
    for (l = a->lines; l < a->lines + a->n; l++) {
        if (!is_wanted(l))
            continue;
        other = counterpart(b, l);
        c->changes[c->n++] = other != NULL ? change_of(old, l, new, other,
                                                       &between[l->placement])
                                           : one_sided(l, b, COMPARE_ONLY_OLD);
    }
    for (l = b->lines; l < b->lines + b->n; l++)
        if (is_wanted(l) && counterpart(a, l) == NULL)
            c->changes[c->n++] = one_sided(l, a, COMPARE_ONLY_NEW);
    qsort(c->changes, c->n, sizeof *c->changes, largest_first);
    err = judge_all(c);
    count(c);
    return err;
}

void
comparison_free(struct comparison *c)
{
    free(c->changes);
    *c = (struct comparison){.n = 0};
}

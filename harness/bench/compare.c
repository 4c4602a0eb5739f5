/* compare.c - what has become faster or slower from one run to another. */
#include "bench/compare.h"

#include "bench/plan.h"
#include "bench/report.h"
#include "core/ipc.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * By how much two runs of the same program differ at times; less is no verdict,
 * however sure the interval is.  From pairs of runs on a virtual machine:
 * where CPUs stay awake; where an operation is that short, or spins, so that
 * the distance of the caches counts; where it includes waking a CPU.  A run
 * whose own A/A pair differs by more has that as its limit.
 */
#define LIMIT_AWAKE 0.03
#define LIMIT_SPINS 0.06
#define LIMIT_SLEEP 0.10
#define SHORT_NS    1000.0

#define RESAMPLES    1000 /* as in stats.c */
#define MOST_ROUNDS  1024
#define LEAST_ROUNDS 5 /* of fewer the bootstrap gives no 95 % interval */

#define SHOWN_ANYWAY 10 /* lines of the table */

#define TEXT(member) CSV_COLUMN(struct change, member, CSV_TEXT)
#define LONG(member) CSV_COLUMN(struct change, member, CSV_LONG)
#define REAL(member) CSV_COLUMN(struct change, member, CSV_DOUBLE)

static const struct csv_column columns[] = {
    TEXT(mechanism),
    TEXT(placement),
    TEXT(kind),
    LONG(size),
    TEXT(verdict),
    REAL(change),
    REAL(change_lo),
    REAL(change_hi),
    REAL(limit),
    LONG(disturbed),
    REAL(old_ratio),
    REAL(new_ratio),
    LONG(old_rounds),
    LONG(new_rounds),
    REAL(old_p50_ns),
    REAL(new_p50_ns),
    REAL(old_bytes_per_second),
    REAL(new_bytes_per_second),
    TEXT(reason),
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
    bool rejected = strcmp(l->status, ROW_REJECTED) == 0; /* are used, too */
    bool rtt = strcmp(l->kind, ROW_RTT) == 0;
    size_t n = 0;

    for (size_t i = 0; i < run->n && n < MOST_ROUNDS; i++) {
        const struct row *r = &run->rows[i];

        if (r->size != l->size || r->copy != l->copy ||
            strcmp(r->mechanism, l->mechanism) != 0 ||
            strcmp(r->placement, l->placement) != 0 ||
            strcmp(r->kind, l->kind) != 0)
            continue;
        if (strcmp(r->status, ROW_OK) != 0 &&
            !(rejected && strcmp(r->status, ROW_REJECTED) == 0))
            continue;
        if (isfinite(r->ratio) && r->ratio > 0)
            v[n++] = rtt ? r->ratio : 1 / r->ratio;
    }
    return n;
}

/* -- one change -------------------------------------------------------------- */

static bool
is_short(const struct line *l)
{
    return fmin(l->p50_ns, 1e9 / l->per_second) < SHORT_NS; /* NAN counts not */
}

static double
least_change(const struct line *old, const struct line *new)
{
    const struct ipc_mechanism *m = ipc_find(old->mechanism);

    /* Nothing that short has slept, wherever it ran. */
    if (is_short(old) || is_short(new) ||
        (m != NULL && (m->caps & IPC_SPINS) != 0))
        return LIMIT_SPINS;
    if (strcmp(old->placement, "one-cpu") == 0 ||
        strcmp(old->placement, "two-cpu-awake") == 0)
        return LIMIT_AWAKE;
    return LIMIT_SLEEP;
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

static const char *
verdict_of(const struct change *c)
{
    if (c->disturbed || c->old_rounds < LEAST_ROUNDS ||
        c->new_rounds < LEAST_ROUNDS)
        return COMPARE_INCONCLUSIVE;
    if (c->change > c->limit && c->change_lo > 0)
        return COMPARE_SLOWER;
    if (c->change < -c->limit && c->change_hi < 0)
        return COMPARE_FASTER;
    return COMPARE_INCONCLUSIVE;
}

static struct change
empty_change(const struct line *l)
{
    struct change c = {.size = l->size};

    for (const struct csv_column *col = columns; col->name != NULL; col++)
        if (col->type == CSV_DOUBLE)
            memcpy((char *)&c + col->offset, &(double){NAN}, sizeof(double));
    memcpy(c.mechanism, l->mechanism, sizeof c.mechanism);
    memcpy(c.placement, l->placement, sizeof c.placement);
    memcpy(c.kind, l->kind, sizeof c.kind);
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
    c.disturbed = strcmp(old->status, ROW_REJECTED) == 0 ||
                  strcmp(new->status, ROW_REJECTED) == 0;
    c.old_ratio = old->ratio;
    c.new_ratio = new->ratio;
    c.old_rounds = (long)n;
    c.new_rounds = (long)m;
    c.old_p50_ns = old->p50_ns;
    c.new_p50_ns = new->p50_ns;
    c.old_bytes_per_second = old->bytes_per_second;
    c.new_bytes_per_second = new->bytes_per_second;
    strcpy(c.verdict, verdict_of(&c));
    return c;
}

static struct change
one_sided(const struct line *l, const struct summary *other,
          const char *verdict)
{
    struct change c = empty_change(l);
    const char *why =
        summary_why_not(other, l->mechanism, l->placement, l->kind, l->size);

    strcpy(c.verdict, verdict);
    snprintf(c.reason, sizeof c.reason, "%s",
             why != NULL && why[0] != '\0' ? why : "not measured there");
    return c;
}

/* -- all of them ------------------------------------------------------------- */

/* A line to be compared: measured, against a floor, no floor itself, not the
 * second of the A/A pair. */
static bool
is_wanted(const struct line *l)
{
    return l->used > 0 && l->copy == 0 &&
           strncmp(l->mechanism, "floor/", 6) != 0 &&
           (strcmp(l->kind, ROW_RTT) == 0 || strcmp(l->kind, ROW_STREAM) == 0);
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
        c->faster += strcmp(ch->verdict, COMPARE_FASTER) == 0;
        c->slower += strcmp(ch->verdict, COMPARE_SLOWER) == 0;
        c->inconclusive += strcmp(ch->verdict, COMPARE_INCONCLUSIVE) == 0;
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

/* -- printing ------------------------------------------------------------------ */

/* How much longer the operations took in plain time, for information. */
static double
raw_change(const struct change *c)
{
    return strcmp(c->kind, ROW_RTT) == 0
               ? c->new_p50_ns / c->old_p50_ns - 1
               : c->old_bytes_per_second / c->new_bytes_per_second - 1;
}

/* In %, with a decimal where there is room for one. */
static const char *
percent(double v, char buf[16])
{
    v *= 100;
    if (fabs(v) < 99999)
        snprintf(buf, 16, "%+.*f", fabs(v) < 99.95 ? 1 : 0, v);
    else
        snprintf(buf, 16, "%+.0e", v);
    return buf;
}

static void
print_change(const struct change *c)
{
    char size[SIZE_NAME], what[SIZE_NAME + 8], d[16], lo[16], hi[16], raw[16];
    bool rtt = strcmp(c->kind, ROW_RTT) == 0;

    snprintf(what, sizeof what, "%s %s", rtt ? "rtt" : "way",
             size_name((size_t)c->size, size));
    printf("%-19s %-13s %-13s %7.*g %6s %6s %6s %6s %s%s\n", c->mechanism,
           c->placement, what, c->new_ratio < 0.1 ? 2 : 3, c->new_ratio,
           percent(c->change, d), percent(c->change_lo, lo),
           percent(c->change_hi, hi), percent(raw_change(c), raw), c->verdict,
           c->disturbed ? " ~" : "");
}

static bool
has_verdict(const struct change *c)
{
    return strcmp(c->verdict, COMPARE_FASTER) == 0 ||
           strcmp(c->verdict, COMPARE_SLOWER) == 0;
}

static void
print_table(const struct comparison *c)
{
    size_t i, shown = 0;

    printf("\n%-47s %7s %6s %13s %6s\n", "", "NEW", "change", "95 % interval",
           "raw");
    printf("%-47s %7s %6s %6s %6s %6s %s\n", "", "x floor", "%", "%", "%", "%",
           "verdict");
    for (i = 0; i < c->n && !isnan(c->changes[i].change); i++)
        if (i < SHOWN_ANYWAY || has_verdict(&c->changes[i]) ||
            fabs(c->changes[i].change) > c->changes[i].limit) {
            print_change(&c->changes[i]);
            shown++;
        }
    if (shown < i)
        printf("and %zu changes that are smaller than their limits (all of "
               "them: --csv)\n",
               i - shown);
    printf("\nChange: of the ratio to the floor; + takes longer, - less.  rtt: "
           "round trip, to a bare pipe's;\nway: one way, to memcpy's.  raw: of "
           "the time itself, which the machine changes by the hour.\n~: most "
           "of the rounds were disturbed.\n");
}

static bool
same_gap(const struct change *a, const struct change *b)
{
    return strcmp(a->verdict, b->verdict) == 0 &&
           strcmp(a->mechanism, b->mechanism) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

/* What is in one run only: a line for each mechanism and reason. */
static void
print_gaps(const struct comparison *c)
{
    const struct change *from = c->changes, *end = from + c->n, *a, *b;

    for (a = from; a < end; a++) {
        long same = 0;

        if (a->reason[0] == '\0')
            continue;
        for (b = from; b < a && !same_gap(a, b); b++)
            continue;
        if (b < a)
            continue; /* said already */
        for (; b < end; b++)
            same += same_gap(a, b);
        printf("%s: %s, %ld measurement%s: %.40s\n", a->verdict, a->mechanism,
               same, same == 1 ? "" : "s", a->reason);
    }
}

static void
print_verdicts(const struct comparison *c)
{
    printf("%ld compared: %ld slower, %ld faster, %ld inconclusive.\n",
           c->compared, c->slower, c->faster, c->inconclusive);
    printf(
        "A verdict needs an interval without 0, a change of more than %.0f "
        "%% (%.0f %% below 1 us or spinning,\n%.0f %% where CPUs may sleep; "
        "or what the A/A pair differs by), and %d undisturbed rounds each.\n",
        100 * LIMIT_AWAKE, 100 * LIMIT_SPINS, 100 * LIMIT_SLEEP, LEAST_ROUNDS);
}

static int
print_csv(const struct comparison *c)
{
    int err = csv_write_header(stdout, columns);

    for (size_t i = 0; err == 0 && i < c->n; i++)
        err = csv_write(stdout, columns, &c->changes[i]);
    return err;
}

/* -- the verb ------------------------------------------------------------------- */

/* The directory, given that or its cells.csv. */
static int
directory_of(const char *path, char dir[RECORD_PATH])
{
    char *slash;

    if (strcmp(path, "cells.csv") == 0)
        path = "./cells.csv";
    if ((size_t)snprintf(dir, RECORD_PATH, "%s", path) >= RECORD_PATH)
        return -ENAMETOOLONG;
    slash = strrchr(dir, '/');
    if (slash != NULL && strcmp(slash, "/cells.csv") == 0)
        *slash = '\0';
    return 0;
}

/* Reads a run, and says so if that cannot be done. */
static int
read_run(const char *path, char dir[RECORD_PATH], struct compared_run *run)
{
    unsigned line = 0;
    int err = directory_of(path, dir);

    if (err == 0)
        err = record_read(dir, &run->rows, &run->n, &line);
    if (err == 0)
        err = summarise(run->rows, run->n, &run->summary);
    if (err != 0)
        report_unreadable(err == -ENAMETOOLONG ? path : dir, err, line);
    return err;
}

/* What is wrong with a run, but does not keep it from being compared. */
static void
warn_of_run(const char *dir, const struct compared_run *run)
{
    struct names placements;

    if (record_incomplete(dir))
        fprintf(stderr, "ipcbench: note: %s is incomplete\n", dir);
    summary_placements(&run->summary, &placements);
    for (size_t i = 0; i < placements.n; i++) {
        const char *name = placements.name[i], *who;
        double d = summary_noise(&run->summary, name, &who);

        if (fabs(d) > NOISE_LIMIT)
            fprintf(stderr,
                    "ipcbench: note: %s is NOISY: %s, %s, measured twice, "
                    "differs by %+.1f %%\n",
                    dir, who, name, 100 * d);
    }
}

static void
warn(const char *old_dir, const struct compared_run *old, const char *new_dir,
     const struct compared_run *new)
{
    char old_machine[256], new_machine[256], date[64];

    warn_of_run(old_dir, old);
    warn_of_run(new_dir, new);
    report_heading(old_dir, old_machine, date);
    if (date[0] == '\0')
        return; /* no run.json: nothing is known */
    report_heading(new_dir, new_machine, date);
    if (date[0] != '\0' && strcmp(old_machine, new_machine) != 0)
        fprintf(stderr,
                "ipcbench: note: these are two machines, so a verdict may be "
                "about them:\n  OLD %s\n  NEW %s\n",
                old_machine, new_machine);
}

static int
judge(const struct comparison *c, bool csv)
{
    int err = 0;

    if (csv) {
        err = print_csv(c);
    } else {
        if (c->compared > 0)
            print_table(c);
        print_gaps(c);
        print_verdicts(c);
    }
    if (fflush(stdout) == EOF && err == 0)
        err = -errno;
    if (err != 0)
        fprintf(stderr, "ipcbench: writing the comparison: %s\n",
                strerror(-err));
    else if (c->compared == 0)
        fprintf(stderr, "ipcbench: nothing was measured in both runs, with its "
                        "floor\n");
    if (err != 0 || c->compared == 0)
        return COMPARE_EXIT_CANNOT;
    return c->slower > 0 ? COMPARE_EXIT_SLOWER : COMPARE_EXIT_FINE;
}

int
compare(const char *old, const char *new, bool csv)
{
    struct compared_run a = {.n = 0}, b = {.n = 0};
    char old_dir[RECORD_PATH], new_dir[RECORD_PATH];
    int status = COMPARE_EXIT_CANNOT, err;
    struct comparison c;

    if (read_run(old, old_dir, &a) != 0 || read_run(new, new_dir, &b) != 0)
        goto free_runs;
    warn(old_dir, &a, new_dir, &b);
    err = compare_runs(&a, &b, &c);
    if (err != 0) {
        fprintf(stderr, "ipcbench: %s\n", strerror(-err));
        goto free_runs;
    }
    if (!csv)
        printf("OLD %s, %ld rounds\nNEW %s, %ld rounds\n", old_dir,
               a.summary.rounds, new_dir, b.summary.rounds);
    status = judge(&c, csv);
    comparison_free(&c);
free_runs:
    summary_free(&a.summary);
    summary_free(&b.summary);
    free(a.rows);
    free(b.rows);
    return status;
}

/* tables.c - a run as text, at most 100 columns wide. */
#include "bench/report.h"

#include "bench/grid.h"
#include "bench/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 100

static const long rtt_sizes[] = {64, 1024, 4096, 65536, 1048576, 0};
static const long stream_sizes[] = {64, 4096, 65536, 1048576, 0};

/* Three digits that mean something. */
static const char *
three(double v, char buf[16])
{
    if (isnan(v))
        return "-";
    if (v < 0.1)
        snprintf(buf, 16, "%.2g", v);
    else
        snprintf(buf, 16, "%.*f", v < 1 ? 3 : v < 10 ? 2 : v < 100 ? 1 : 0, v);
    return buf;
}

/* -- what is not there ------------------------------------------------------- */

/* "name   -  reason", cut at the width. */
static void
print_absent(const struct summary *s, const struct names *mechanisms,
             const char *placement, const char *kind, long size, FILE *f)
{
    for (size_t i = 0; i < mechanisms->n; i++) {
        const char *name = mechanisms->name[i];
        const char *reason = summary_why_not(s, name, placement, kind, size);

        if (reason != NULL)
            fprintf(f, "%-19s %8s  %.*s\n", name, "-", WIDTH - 30, reason);
    }
}

/* -- sorting -------------------------------------------------------------------- */

static int
by_rank(const void *a, const void *b)
{
    const struct line *const *x = a, *const *y = b;

    return ((*x)->rank > (*y)->rank) - ((*x)->rank < (*y)->rank);
}

static int
by_bytes(const void *a, const void *b)
{
    const struct line *const *x = a, *const *y = b;

    return ((*x)->bytes_per_second < (*y)->bytes_per_second) -
           ((*x)->bytes_per_second > (*y)->bytes_per_second);
}

/* The measured lines of this kind, size and placement, copies not; sorted.
 * Returns how many. */
static size_t
pick(const struct summary *s, const char *placement, const char *kind,
     long size, int (*order)(const void *, const void *),
     const struct line **picked)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        if (l->used > 0 && l->size == size && l->copy == 0 &&
            strcmp(l->kind, kind) == 0 && strcmp(l->placement, placement) == 0)
            picked[n++] = l;
    }
    qsort(picked, n, sizeof *picked, order);
    return n;
}

/* -- round trips ------------------------------------------------------------------ */

static void
print_round_trip(const struct line *l, FILE *f)
{
    char mid[16], lo[16], hi[16], p99[16], p999[16], ratio[16], interval[40];

    snprintf(interval, sizeof interval, "%s .. %s",
             three(l->p50_lo_ns / 1e3, lo), three(l->p50_hi_ns / 1e3, hi));
    fprintf(f, "%-19s %8s  %-16s %8s %8s %8s %9.2f %6.2f %6.2f %s%s\n",
            l->mechanism, three(l->p50_ns / 1e3, mid), interval,
            three(l->p99_ns / 1e3, p99), three(l->p999_ns / 1e3, p999),
            three(l->ratio, ratio), l->voluntary, l->involuntary, l->cpu,
            l->batch > 1 ? "b" : "",
            strcmp(l->status, ROW_REJECTED) == 0 ? "~" : "");
}

static void
round_trips(const struct summary *s, const struct names *mechanisms,
            const char *placement, const struct line **picked, FILE *f)
{
    size_t n = pick(s, placement, ROW_RTT, rtt_sizes[0], by_rank, picked);

    fprintf(f,
            "\nRound trip of 64 bytes, %s: us, medians of %ld rounds\n"
            "%-19s %8s  %-16s %8s %8s %8s %9s %6s %6s\n",
            placement, s->rounds, "", "median", "95 % interval", "p99", "p99.9",
            "x floor", "switches", "invol.", "CPU");
    for (size_t i = 0; i < n; i++)
        print_round_trip(picked[i], f);
    print_absent(s, mechanisms, placement, ROW_RTT, rtt_sizes[0], f);
}

/* -- by size ---------------------------------------------------------------------- */

/* The mechanism's own largest, where it is none of the sizes of the table. */
static const struct line *
largest(const struct summary *s, const struct line *first, const long *sizes)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];
        const long *size = sizes;

        if (strcmp(l->mechanism, first->mechanism) != 0 || l->used == 0 ||
            strcmp(l->placement, first->placement) != 0 ||
            strcmp(l->kind, first->kind) != 0)
            continue;
        while (*size != 0 && *size != l->size)
            size++;
        if (*size == 0 && (l->size & (l->size - 1)) != 0) /* odd: its limit */
            return l;
    }
    return NULL;
}

/* us for round trips, GB/s for streams. */
static double
value_of(const struct line *l)
{
    if (l == NULL)
        return NAN;
    return strcmp(l->kind, ROW_RTT) == 0 ? l->p50_ns / 1e3
                                         : l->bytes_per_second / 1e9;
}

static void
print_sizes(const struct summary *s, const struct line *first,
            const long *sizes, FILE *f)
{
    const struct line *most = largest(s, first, sizes);
    char buf[16], name[SIZE_NAME];

    fprintf(f, "%-19s", first->mechanism);
    if (strcmp(first->kind, ROW_STREAM) == 0)
        fprintf(f, " %9s", three(first->per_second / 1e6, buf));
    for (; *sizes != 0; sizes++)
        fprintf(
            f, " %9s",
            three(value_of(summary_find(s, first->mechanism, first->placement,
                                        first->kind, *sizes)),
                  buf));
    if (most != NULL && strncmp(first->mechanism, "floor/", 6) != 0)
        fprintf(f, " %9s at %s", three(value_of(most), buf),
                size_name((size_t)most->size, name));
    if (strcmp(first->mode, ROW_ONE_BY_ONE) == 0)
        fputs(" 1", f);
    fputc('\n', f);
}

static void
by_size(const struct summary *s, const struct names *mechanisms,
        const char *placement, const char *kind, const long *sizes,
        const struct line **picked, FILE *f)
{
    bool rtt = strcmp(kind, ROW_RTT) == 0;
    size_t n =
        pick(s, placement, kind, *sizes, rtt ? by_rank : by_bytes, picked);
    char name[SIZE_NAME];

    if (n == 0 && rtt)
        return; /* the table before this one has said why */
    fprintf(f, "\n%s by size, %s: %s\n%-19s", rtt ? "Round trip" : "One way",
            placement, rtt ? "us" : "million messages/s of 64 bytes, then GB/s",
            "");
    if (!rtt)
        fprintf(f, " %9s", "M msg/s");
    for (const long *size = sizes; *size != 0; size++)
        fprintf(f, " %9s", size_name((size_t)*size, name));
    fprintf(f, " %9s\n", "its most");
    for (size_t i = 0; i < n; i++)
        print_sizes(s, picked[i], sizes, f);
    if (!rtt)
        print_absent(s, mechanisms, placement, kind, *sizes, f);
}

/* -- the end ----------------------------------------------------------------------- */

static void
print_legend(const struct summary *s, FILE *f)
{
    bool batches = false, disturbed = false;

    for (size_t i = 0; i < s->n; i++) {
        batches |= s->lines[i].batch > 1;
        disturbed |= strcmp(s->lines[i].status, ROW_REJECTED) == 0;
    }
    fprintf(f, "\nx floor: ratio to the echo of as many bytes through a bare "
               "pipe in the same round; the rows\nare in its order, or where "
               "the bare pipe was not steady itself by time.  switches, "
               "invol.:\nvoluntary and involuntary context switches of both "
               "sides per round trip.  CPU: CPUs kept busy.\n");
    fprintf(f, "1: one message at a time, each acknowledged by an empty "
               "reply; the others are not waited for.\n");
    if (batches)
        fprintf(f, "b: below 1 us, timed in batches of 64; the percentiles are "
                   "those of the batches' means.\n");
    if (disturbed)
        fprintf(f, "~: more than half of the rounds were disturbed (the sides "
                   "did not have the CPUs to\nthemselves); all are used.\n");
}

static void
print_failures(const struct summary *s, FILE *f)
{
    char name[SIZE_NAME];

    fprintf(f, "%ld of %ld cells were disturbed, %ld failed.\n", s->rejected,
            s->measured, s->failed);
    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        if (l->failed > 0 && l->placement[0] != '\0')
            fprintf(f, "FAILED: %s, %s, %s, %s: %.*s\n", l->mechanism,
                    l->placement, summary_kind(l->kind),
                    size_name((size_t)l->size, name), WIDTH - 50, l->reason);
    }
}

static void
print_noise(const struct summary *s, const struct names *placements, FILE *f)
{
    bool noisy = false;

    for (size_t i = 0; i < placements->n; i++) {
        const char *who;
        double d = summary_noise(s, placements->name[i], &who);

        if (isnan(d))
            continue;
        fprintf(f, "%s measured twice in each round, %s: differs by %+.1f %%\n",
                who, placements->name[i], 100 * d);
        noisy |= fabs(d) > NOISE_LIMIT;
    }
    if (noisy)
        fprintf(f,
                "NOISY: the same thing measured twice differs by more than "
                "%.0f %%; do not believe smaller\ndifferences than that "
                "here.\n",
                100 * NOISE_LIMIT);
}

void
report_tables(const struct summary *s, FILE *f)
{
    const struct line **picked = calloc(s->n + 1, sizeof *picked);
    struct names mechanisms, placements;

    if (picked == NULL)
        return;
    summary_mechanisms(s, &mechanisms);
    summary_placements(s, &placements);
    if (placements.n == 0) /* nothing could be measured anywhere */
        print_absent(s, &mechanisms, "", ROW_RTT, rtt_sizes[0], f);
    for (size_t i = 0; i < placements.n; i++)
        round_trips(s, &mechanisms, placements.name[i], picked, f);
    for (size_t i = 0; i < placements.n; i++)
        by_size(s, &mechanisms, placements.name[i], ROW_RTT, rtt_sizes, picked,
                f);
    for (size_t i = 0; i < placements.n; i++)
        by_size(s, &mechanisms, placements.name[i], ROW_STREAM, stream_sizes,
                picked, f);
    print_legend(s, f);
    grids(s, grid_text, f);
    fputc('\n', f);
    print_failures(s, f);
    print_noise(s, &placements, f);
    free(picked);
}

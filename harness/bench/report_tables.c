/* report_tables.c - a run as text, at most 100 columns wide. */
#include "bench/report.h"

#include "bench/grid.h"
#include "bench/plan.h"

#include <math.h>
#include <string.h>

#define WIDTH 100

static const long rtt_sizes[] = {64, 1024, 4096, 65536, 1048576, 0};
static const long stream_sizes[] = {64, 4096, 65536, 1048576, 0};

/* -- what is not there ----------------------------------------------------- */

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

/* -- round trips ----------------------------------------------------------- */

const struct trip_cells trip_heads = {{"median", "95 % interval", "p99",
                                       "p99.9", "x floor", "switches", "invol.",
                                       "CPU", ""}};

struct trip_cells
trip_cells(const struct line *l)
{
    struct trip_cells t = {{""}};
    char lo[GRID_CELL], hi[GRID_CELL];

    grid_number(l->p50_ns / 1e3, t.cell[0]);
    snprintf(t.cell[1], GRID_CELL, "%.16s .. %.16s",
             grid_number(l->p50_lo_ns / 1e3, lo),
             grid_number(l->p50_hi_ns / 1e3, hi));
    grid_number(l->p99_ns / 1e3, t.cell[2]);
    grid_number(l->p999_ns / 1e3, t.cell[3]);
    grid_number(l->ratio, t.cell[4]);
    snprintf(t.cell[5], GRID_CELL, "%.2f", l->voluntary);
    snprintf(t.cell[6], GRID_CELL, "%.2f", l->involuntary);
    snprintf(t.cell[7], GRID_CELL, "%.2f", l->cpu);
    snprintf(t.cell[8], GRID_CELL, "%s%s", l->batch > 1 ? "b" : "",
             strcmp(l->status, ROW_REJECTED) == 0 ? "~" : "");
    return t;
}

/* All but the last: its head is empty. */
static void
print_trip(const char *name, const struct trip_cells *t, FILE *f)
{
    fprintf(f, "%-19s %8s  %-16s %8s %8s %8s %9s %6s %6s", name, t->cell[0],
            t->cell[1], t->cell[2], t->cell[3], t->cell[4], t->cell[5],
            t->cell[6], t->cell[7]);
}

static void
round_trips(const struct summary *s, const struct names *mechanisms,
            const char *placement, FILE *f)
{
    const struct line *l = NULL;

    fprintf(f, "\nRound trip of 64 bytes, %s: us, medians of %ld rounds\n",
            placement, s->rounds);
    print_trip("", &trip_heads, f);
    fputc('\n', f);
    while ((l = summary_next(s, placement, ROW_RTT, l)) != NULL) {
        struct trip_cells t = trip_cells(l);

        print_trip(l->mechanism, &t, f);
        fprintf(f, " %s\n", t.cell[TRIP_COLUMNS - 1]);
    }
    print_absent(s, mechanisms, placement, ROW_RTT, rtt_sizes[0], f);
}

/* -- by size --------------------------------------------------------------- */

static void
print_sizes(const struct summary *s, const struct line *row, const long *sizes,
            FILE *f)
{
    const struct line *most = summary_most(s, row);
    char buf[GRID_CELL], name[SIZE_NAME];

    fprintf(f, "%-19s", row->mechanism);
    if (strcmp(row->kind, ROW_STREAM) == 0)
        fprintf(f, " %9s", grid_number(row->per_second / 1e6, buf));
    for (; *sizes != 0; sizes++)
        fprintf(f, " %9s",
                grid_number(summary_value(summary_find(s, row->mechanism,
                                                       row->placement,
                                                       row->kind, *sizes)),
                            buf));
    if (most != NULL)
        fprintf(f, " %9s at %s", grid_number(summary_value(most), buf),
                size_name((size_t)most->size, name));
    if (strcmp(row->mode, ROW_ONE_BY_ONE) == 0)
        fputs(" 1", f);
    fputc('\n', f);
}

static void
by_size(const struct summary *s, const struct names *mechanisms,
        const char *placement, const char *kind, const long *sizes, FILE *f)
{
    const struct line *l = summary_next(s, placement, kind, NULL);
    bool rtt = strcmp(kind, ROW_RTT) == 0;
    char name[SIZE_NAME];

    if (l == NULL && rtt)
        return; /* the table before this one has said why */
    fprintf(f, "\n%s by size, %s: %s\n%-19s", rtt ? "Round trip" : "One way",
            placement, rtt ? "us" : "million messages/s of 64 bytes, then GB/s",
            "");
    if (!rtt)
        fprintf(f, " %9s", "M msg/s");
    for (const long *size = sizes; *size != 0; size++)
        fprintf(f, " %9s", size_name((size_t)*size, name));
    fprintf(f, " %9s\n", "its most");
    for (; l != NULL; l = summary_next(s, placement, kind, l))
        print_sizes(s, l, sizes, f);
    if (!rtt)
        print_absent(s, mechanisms, placement, kind, *sizes, f);
}

/* -- the end --------------------------------------------------------------- */

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
    if (s->lacking > 0)
        fprintf(f, "not run here: %ld of them, because: %s\n", s->lacking,
                s->lacks);
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
    struct names mechanisms, placements;

    summary_mechanisms(s, &mechanisms);
    summary_placements(s, &placements);
    if (placements.n == 0) /* nothing could be measured anywhere */
        print_absent(s, &mechanisms, "", ROW_RTT, rtt_sizes[0], f);
    for (size_t i = 0; i < placements.n; i++)
        round_trips(s, &mechanisms, placements.name[i], f);
    for (size_t i = 0; i < placements.n; i++)
        by_size(s, &mechanisms, placements.name[i], ROW_RTT, rtt_sizes, f);
    for (size_t i = 0; i < placements.n; i++)
        by_size(s, &mechanisms, placements.name[i], ROW_STREAM, stream_sizes,
                f);
    print_legend(s, f);
    grids(s, grid_text, f);
    fputc('\n', f);
    print_failures(s, f);
    print_noise(s, &placements, f);
}

/* grid_times.c - round trips of 64 bytes; round trips and streams by size. */
#include "bench/grid.h"

#include "bench/plan.h"

#include <stdlib.h>
#include <string.h>

/* -- 64 bytes -------------------------------------------------------------- */

static void
trip_row(struct grid_row *r, const struct line *l)
{
    char lo[GRID_CELL], hi[GRID_CELL];

    GRID_NUMBER(r, 0, l->p50_ns / 1e3);
    snprintf(r->cell[1], GRID_CELL, "%.16s .. %.16s",
             grid_number(l->p50_lo_ns / 1e3, lo),
             grid_number(l->p50_hi_ns / 1e3, hi));
    GRID_NUMBER(r, 2, l->p99_ns / 1e3);
    GRID_NUMBER(r, 3, l->p999_ns / 1e3);
    GRID_NUMBER(r, 4, l->ratio);
    grid_fixed(l->voluntary, 2, r->cell[5]);
    grid_fixed(l->involuntary, 2, r->cell[6]);
    grid_fixed(l->cpu, 2, r->cell[7]);
    snprintf(r->cell[8], GRID_CELL, "%s%s", l->batch > 1 ? "b" : "",
             l->status == ROW_REJECTED ? "~" : "");
}

static void
fill_trips(const struct summary *s, enum where placement, struct grid *g)
{
    const struct line *l = NULL;

    snprintf(g->unit, sizeof g->unit, "us, medians of %ld rounds", s->rounds);
    while ((l = summary_next(s, placement, ROW_RTT, l)) != NULL)
        trip_row(grid_row(g, l->mechanism), l);
    grid_absent(g, s, ROW_RTT, 64);
}

const struct grid_type grid_trips = {
    .title = "Round trip of 64 bytes",
    .note =
        "p99.9: of all rounds together, where there are enough operations.  "
        "x floor: ratio to the echo of as many bytes through a bare pipe in "
        "the same round; the rows are in its order, or where the bare pipe "
        "was not steady itself by time.  switches, invol.: voluntary and "
        "involuntary context switches of both sides per round trip.  CPU: "
        "CPUs kept busy.  b: below 1 us, timed in batches of 64; the "
        "percentiles are those of the batches' means.  ~: more than half of "
        "the rounds were disturbed (the sides did not have the CPUs to "
        "themselves); all are used.  floor/...: bare system calls, which "
        "have no protocol.",
    .head = {"median", "95 % interval", "p99", "p99.9", "x floor", "switches",
             "invol.", "CPU", ""},
    .spare = {[6] = 1, [1] = 2, [3] = 3, [7] = 4},
    .on_paper = true,
    .fill = fill_trips,
};

/* -- by size --------------------------------------------------------------- */

static int
by_size(const void *a, const void *b)
{
    const long *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* With the other columns no more than GRID_COLUMNS. */
#define MOST_SIZES 12

static size_t
common_sizes(const struct summary *s, enum kind kind, long sizes[MOST_SIZES])
{
    size_t n = 0, j;

    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        for (j = 0; j < n && sizes[j] != l->size; j++)
            continue;
        if (j == n && n < MOST_SIZES && summary_is_common(l->size) &&
            l->used > 0 && strcmp(l->mechanism, FLOOR_PERF) != 0 &&
            l->kind == kind)
            sizes[n++] = l->size;
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    return n;
}

/* Those that the terminal has room for. */
static bool
is_usual(long size)
{
    return size == 64 || size == 1024 || size == 4096 || size == 65536 ||
           size == 1048576;
}

/* Adds a column; its number. */
static size_t
add_head(struct grid *g, const char *head)
{
    size_t c = 0;

    while (g->head[c] != NULL)
        c++;
    snprintf(g->numbered[c], sizeof g->numbered[c], "%s", head);
    g->head[c] = g->numbered[c];
    return c;
}

static void
size_row(const struct summary *s, const struct line *row, const long *sizes,
         size_t n, struct grid *g)
{
    const struct line *most = summary_most(s, row);
    struct grid_row *r = grid_row(g, row->mechanism);
    char name[SIZE_NAME], value[GRID_CELL];
    bool rtt = row->kind == ROW_RTT;
    size_t c = 0;

    if (!rtt)
        GRID_NUMBER(r, c++, row->per_second / 1e6);
    for (size_t i = 0; i < n; i++, c++)
        GRID_NUMBER(
            r, c,
            summary_value(summary_find(s, row->mechanism, row->placement,
                                       row->kind, sizes[i])));
    if (most != NULL)
        snprintf(r->cell[c], GRID_CELL, "%.16s at %.16s",
                 grid_number(summary_value(most), value),
                 size_name((size_t)most->size, name));
    if (!rtt && row->mode == ROW_ONE_BY_ONE)
        strcpy(r->cell[c + 1], "1");
}

static void
fill_sizes(const struct summary *s, enum where placement, enum kind kind,
           struct grid *g)
{
    const struct line *l = summary_next(s, placement, kind, NULL);
    bool rtt = kind == ROW_RTT;
    long sizes[MOST_SIZES];
    size_t n = common_sizes(s, kind, sizes);
    char name[SIZE_NAME];

    if (l == NULL)
        return; /* the table before this one has said why */
    if (!rtt)
        add_head(g, "M msg/s");
    for (size_t i = 0; i < n; i++)
        g->wide[add_head(g, size_name((size_t)sizes[i], name))] =
            !is_usual(sizes[i]);
    g->spare[add_head(g, "its most")] = 1;
    if (!rtt)
        add_head(g, "");
    for (; l != NULL; l = summary_next(s, placement, kind, l))
        size_row(s, l, sizes, n, g);
    grid_absent(g, s, kind, 64);
}

static void
fill_trips_by_size(const struct summary *s, enum where placement,
                   struct grid *g)
{
    strcpy(g->unit, "us");
    fill_sizes(s, placement, ROW_RTT, g);
}

const struct grid_type grid_trips_by_size = {
    .title = "Round trip by size",
    .fill = fill_trips_by_size,
};

static void
fill_streams_by_size(const struct summary *s, enum where placement,
                     struct grid *g)
{
    strcpy(g->unit, "million messages/s of 64 bytes, then GB/s");
    fill_sizes(s, placement, ROW_STREAM, g);
}

const struct grid_type grid_streams_by_size = {
    .title = "One way by size",
    .note =
        "1: one message at a time, each acknowledged by an empty reply; the "
        "others are not waited for.",
    .fill = fill_streams_by_size,
};

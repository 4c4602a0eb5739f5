/*
 * chart_latency.c - the dot plot: one row per mechanism, the fastest on top, one
 * marker per placement, its interval as a bar, the floor as a dashed line.
 */
#include "bench/charts.h"

#include <math.h>
#include <string.h>

#define SIZE   64 /* of the round trips shown, bytes */
#define ROW    26 /* pixels */
#define TOP    60
#define BOTTOM 75

static const struct line *
measured(const struct chart *c, const char *mechanism, size_t placement)
{
    const struct line *l = summary_find(
        c->s, mechanism, c->placements.name[placement], ROW_RTT, SIZE);

    return l != NULL && l->used > 0 ? l : NULL;
}

/* What a row is sorted by: its time at the first placement that was measured,
 * which is what stands beside it.  Not line.rank: that is a ratio at one placement
 * and a time at another, where the floor was not steady, and a chart has rows of
 * both.  INFINITY sends those without any to the end. */
static double
rank(const struct chart *c, const char *mechanism)
{
    for (size_t i = 0; i < c->placements.n; i++) {
        const struct line *l = measured(c, mechanism, i);

        if (l != NULL)
            return l->p50_ns;
    }
    return INFINITY;
}

/* Insertion sort: some dozens of rows. */
static void
sort_rows(struct chart *c)
{
    const char **name = c->mechanisms.name;

    for (size_t i = 1; i < c->mechanisms.n; i++)
        for (size_t j = i; j > 0 && rank(c, name[j]) < rank(c, name[j - 1]);
             j--) {
            const char *t = name[j];

            name[j] = name[j - 1];
            name[j - 1] = t;
        }
}

/* A chart of one row has no room for its own frame. */
static double
rows_shown(const struct chart *c)
{
    return c->mechanisms.n > 3 ? (double)c->mechanisms.n : 3;
}

static void
prepare(struct chart *c)
{
    chart_leave_out(c, ROW_RTT);
    sort_rows(c);
    c->width = 900;
    c->height = TOP + 18 * (int)c->placements.n + (int)(ROW * rows_shown(c)) +
                BOTTOM + chart_small_print(c);
}

static void
rows(struct chart *c)
{
    char label[64];

    fputs("set ytics (", c->f);
    for (size_t i = 0; i < c->mechanisms.n; i++) {
        fputs(i == 0 ? "" : ", ", c->f);
        chart_text(c->f, chart_label(c->mechanisms.name[i], label));
        fprintf(c->f, " %zu", i);
    }
    fputs(")\n", c->f);
}

/* Data for one placement: median, interval, row. */
static void
points(struct chart *c, size_t placement)
{
    /* Side by side within the row, or equal ones would hide each other. */
    double shift = 0.36 * ((double)placement + 0.5) / (double)c->placements.n;

    fprintf(c->f, "$p%zu << EOD\n", placement);
    for (size_t i = 0; i < c->mechanisms.n; i++) {
        const struct line *l = measured(c, c->mechanisms.name[i], placement);

        if (l != NULL)
            fprintf(c->f, "%g %g %g %g\n", l->p50_ns / 1e3, l->p50_lo_ns / 1e3,
                    l->p50_hi_ns / 1e3, (double)i - 0.18 + shift);
    }
    fputs("NaN NaN NaN NaN\nEOD\n", c->f);
}

/* A dashed line across the rows for each placement's floor. */
static void
floors(struct chart *c)
{
    for (size_t i = 0; i < c->placements.n; i++) {
        const struct line *l = measured(c, FLOOR_PIPE, i);

        if (l != NULL)
            fprintf(c->f,
                    "set arrow from first %g, graph 0 to first %g, graph 1 "
                    "nohead dashtype %zu linewidth 1.5 linecolor '%s' back\n",
                    l->p50_ns / 1e3, l->p50_ns / 1e3, 2 + i,
                    chart_colour(chart_style(c->placements.name[i])));
    }
}

static void
plot(struct chart *c)
{
    fputs("plot ", c->f);
    for (size_t i = 0; i < c->placements.n; i++) {
        const char *name = c->placements.name[i];
        size_t style = chart_style(name);

        fprintf(c->f,
                "%s$p%zu using 1:4:2:3 with xerrorbars pointtype %d "
                "pointsize 1.1 linewidth 1.5 linecolor '%s' title '%s'",
                i == 0 ? "" : ", ", i, chart_shape(style), chart_colour(style),
                name);
        if (measured(c, FLOOR_PIPE, i) != NULL)
            fprintf(c->f,
                    ", NaN with lines dashtype %zu linewidth 1.5 linecolor "
                    "'%s' title '%s floor: a bare pipe'",
                    2 + i, chart_colour(style), name);
    }
    fputc('\n', c->f);
}

/* The medians once more, as numbers, in a column for each placement to the
 * right of the frame. */
static void
numbers(struct chart *c)
{
    fputs("set label 'median, us' at graph 1.02, graph 1 offset 0, 1.8\n",
          c->f);
    for (size_t i = 0; i < c->placements.n; i++) {
        size_t style = chart_style(c->placements.name[i]);
        double x = 1.1 + 0.1 * (double)i;

        fprintf(c->f,
                "set label '' at graph %g, graph 1.0 offset 0, 1 point "
                "pointtype %d pointsize 1.1 linecolor '%s'\n",
                x - 0.02, chart_shape(style), chart_colour(style));
        for (size_t j = 0; j < c->mechanisms.n; j++) {
            const struct line *l = measured(c, c->mechanisms.name[j], i);
            double us = l != NULL ? l->p50_ns / 1e3 : NAN;

            if (l != NULL)
                fprintf(c->f,
                        "set label '%.*f' at graph %g, first %zu right "
                        "textcolor '%s'\n",
                        us < 1     ? 3
                        : us < 10  ? 2
                        : us < 100 ? 1
                                   : 0,
                        us, x, j, chart_colour(style));
        }
    }
}

/* From the fastest to the slowest, floors and intervals included. */
static void
set_range(struct chart *c)
{
    double low = INFINITY, high = 0;

    for (size_t i = 0; i < c->s->n; i++) {
        const struct line *l = &c->s->lines[i];

        if (l->used == 0 || l->size != SIZE || strcmp(l->kind, ROW_RTT) != 0)
            continue;
        low = fmin(low, l->p50_lo_ns / 1e3);
        high = fmax(high, l->p50_hi_ns / 1e3);
    }
    if (high > 0)
        fprintf(c->f, "set xrange [%g:%g]\n", low / 1.5, high * 1.5);
}

static void
draw(struct chart *c)
{
    double h = c->height;
    char title[128];

    snprintf(title, sizeof title,
             "Round trip of %d bytes: median of %ld rounds, and the bar its "
             "95 %% interval",
             SIZE, c->s->rounds);
    chart_title(c, title);
    fprintf(c->f,
            "set key at screen 0.4, screen %g center top Left reverse vertical "
            "maxrows %zu\n"
            "set logscale x\n"
            "set xlabel 'logarithmic scale; further left is faster'\n"
            "set grid xtics ytics linetype 1 linecolor '#e0e0e0'\n"
            "set border 1\n"
            "set tics nomirror\n"
            "set ytics scale 0\n"
            "set yrange [%g:-0.5]\n"
            "set bmargin at screen %g\n"
            "set tmargin at screen %g\n"
            "set rmargin at screen %g\n",
            1 - 30 / h, c->placements.n, rows_shown(c) - 0.5,
            (BOTTOM + chart_small_print(c)) / h,
            1 - (TOP + 18 * (double)c->placements.n) / h,
            0.965 - 0.07 * (double)c->placements.n);
    chart_tics(c, 'x', ROW_RTT, true);
    set_range(c);
    numbers(c);
    rows(c);
    floors(c);
    for (size_t i = 0; i < c->placements.n; i++)
        points(c, i);
    plot(c);
}

const struct chart_type chart_latency = {"latency", prepare, draw};

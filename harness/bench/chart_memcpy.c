/*
 * chart_memcpy.c - bytes per second as a part of what memcpy does with the same
 * messages in the same round: bars, the longest on top.
 */
#include "bench/charts.h"

#include <math.h>
#include <string.h>

#define LARGE  65536 /* bytes; or what the mechanism carries at most */
#define BAR    13    /* pixels */
#define TOP    85
#define BOTTOM 75

/* The line shown: that size, or the largest below it. */
static const struct line *
shown(const struct chart *c, const char *mechanism, const char *placement)
{
    const struct line *best = NULL;

    for (const struct line *l = c->s->lines; l < c->s->lines + c->s->n; l++)
        if (l->used > 0 && strcmp(l->kind, ROW_STREAM) == 0 &&
            l->size <= LARGE && strcmp(l->mechanism, mechanism) == 0 &&
            strcmp(l->placement, placement) == 0 && !isnan(l->ratio) &&
            (best == NULL || l->size > best->size))
            best = l;
    return best;
}

static double
longest(const struct chart *c, const char *mechanism)
{
    double most = 0;

    for (size_t j = 0; j < c->placements.n; j++) {
        const struct line *l = shown(c, mechanism, c->placements.name[j]);

        if (l != NULL)
            most = fmax(most, l->ratio);
    }
    return most;
}

/* Pixels: a bar for each placement, and some air; the frame needs three rows. */
static int
height(const struct chart *c)
{
    int rows = c->mechanisms.n > 3 ? (int)c->mechanisms.n : 3;

    return rows * (BAR * (int)c->placements.n + 6);
}

static void
prepare(struct chart *c)
{
    const char **name = c->mechanisms.name;
    size_t n = 0;

    chart_leave_out(c, ROW_STREAM);
    for (size_t i = 0; i < c->mechanisms.n; i++)
        if (longest(c, name[i]) > 0)
            name[n++] = name[i];
    c->mechanisms.n = n;
    for (size_t i = 1; i < n; i++)
        for (size_t j = i;
             j > 0 && longest(c, name[j]) > longest(c, name[j - 1]); j--) {
            const char *t = name[j];

            name[j] = name[j - 1];
            name[j - 1] = t;
        }
    c->width = 900;
    c->height = TOP + height(c) + BOTTOM + chart_small_print(c);
}

static bool
has_bars(const struct chart *c, size_t placement)
{
    for (size_t i = 0; i < c->mechanisms.n; i++)
        if (shown(c, c->mechanisms.name[i], c->placements.name[placement]) !=
            NULL)
            return true;
    return false;
}

/* A bar is a box from 0 to the ratio, and its number stands behind it. */
static void
bars(struct chart *c, size_t placement)
{
    double thick = 0.8 / (double)c->placements.n;

    fprintf(c->f, "$p%zu << EOD\nNaN NaN NaN NaN\n", placement);
    for (size_t i = 0; i < c->mechanisms.n; i++) {
        const struct line *l =
            shown(c, c->mechanisms.name[i], c->placements.name[placement]);
        double top = (double)i - 0.4 + thick * (double)placement;

        if (l != NULL)
            fprintf(c->f, "%g %g %g %.2g\n", l->ratio, top, top + thick * 0.9,
                    l->ratio);
    }
    fputs("EOD\n", c->f);
}

static void
names(struct chart *c)
{
    char label[64], text[100];

    fputs("set ytics (", c->f);
    for (size_t i = 0; i < c->mechanisms.n; i++) {
        const struct line *l = NULL;

        for (size_t j = 0; l == NULL && j < c->placements.n; j++)
            l = shown(c, c->mechanisms.name[i], c->placements.name[j]);
        chart_label(c->mechanisms.name[i], label);
        if (l != NULL && l->size < LARGE)
            snprintf(text, sizeof text, "%s, %ld B", label, l->size);
        else
            snprintf(text, sizeof text, "%s", label);
        fputs(i == 0 ? "" : ", ", c->f);
        chart_text(c->f, text);
        fprintf(c->f, " %zu", i);
    }
    fputs(")\n", c->f);
}

static void
draw(struct chart *c)
{
    double h = c->height, most = 1;
    const char *between = "";

    for (size_t i = 0; i < c->mechanisms.n; i++)
        most = fmax(most, longest(c, c->mechanisms.name[i]));
    chart_title(c, "One way, messages of 64 KiB (or as said): bytes per second "
                   "as a part of memcpy's");
    fprintf(c->f,
            "set key at screen 0.5, screen %g center top Left reverse "
            "horizontal\nset border 1\nset tics nomirror\nset ytics scale 0\n"
            "set grid xtics linetype 1 linecolor '#e0e0e0'\n"
            "set xrange [0:%g]\nset yrange [%g:-0.6]\n"
            "set style fill solid\n"
            "set tmargin at screen %g\nset bmargin at screen %g\n"
            "set arrow from 1, graph 0 to 1, graph 1 nohead dashtype 2 "
            "linecolor '#000000'\n",
            1 - 38 / h, most * 1.12,
            (c->mechanisms.n > 3 ? (double)c->mechanisms.n : 3) - 0.4,
            1 - TOP / h, (BOTTOM + chart_small_print(c)) / h);
    names(c);
    for (size_t j = 0; j < c->placements.n; j++)
        bars(c, j);
    fputs("plot ", c->f);
    for (size_t j = 0; j < c->placements.n; j++) {
        size_t style = chart_style(c->placements.name[j]);

        if (!has_bars(c, j)) /* gnuplot will not have an empty one */
            continue;
        fprintf(c->f,
                "%s$p%zu using (0):2:(0):1:2:3 with boxxyerror linecolor '%s' "
                "title '%s', $p%zu using 1:(($2+$3)/2):4 with labels left "
                "offset 0.4,0 font ',8' notitle",
                between, j, chart_colour(style), c->placements.name[j], j);
        between = ", ";
    }
    fputc('\n', c->f);
}

const struct chart_type chart_memcpy = {"memcpy", prepare, draw};

/*
 * chart_clients.c - several clients at once: the rate, and the 99th percentile,
 * over their number; a panel for each mechanism, and the bound
 * min(N / R, 1 / D) dashed.
 */
#include "bench/charts.h"

#include <math.h>
#include <string.h>

#define PANEL_WIDTH  225 /* pixels */
#define PANEL_HEIGHT 190
#define TOP          60
#define BOTTOM       75
#define LEFT         75
#define TITLE_WIDTH  800

static bool
belongs(const struct chart *c, const struct line *l, const char *mechanism)
{
    (void)c;
    return l->used > 0 && strcmp(l->kind, ROW_CLIENTS) == 0 &&
           (mechanism == NULL || strcmp(l->mechanism, mechanism) == 0);
}

/* The panels and the key, side by side: so that few places stay empty. */
static size_t
across(const struct chart *c)
{
    size_t n = c->mechanisms.n + 1;

    return n < 4 ? 3 : n % 3 == 0 ? 3 : n % 5 == 0 ? 5 : 4;
}

static size_t
down(const struct chart *c)
{
    return (c->mechanisms.n + across(c)) / across(c);
}

static void
prepare(struct chart *c)
{
    struct names all = c->mechanisms;

    c->kind = ROW_CLIENTS;
    c->left_out.n = c->mechanisms.n = 0; /* the choice is no failure */
    for (size_t i = 0; i < all.n; i++)
        for (const struct line *l = c->s->lines; l < c->s->lines + c->s->n; l++)
            if (belongs(c, l, all.name[i])) {
                c->mechanisms.name[c->mechanisms.n++] = all.name[i];
                break;
            }
    c->width = LEFT + PANEL_WIDTH * (int)across(c) + 20;
    if (c->width < TITLE_WIDTH)
        c->width = TITLE_WIDTH;
    c->height = TOP + PANEL_HEIGHT * (int)down(c) + BOTTOM;
}

static double
value(const struct line *l, bool rate)
{
    return rate ? l->per_second / 1e3 : l->p99_ns / 1e3;
}

/* N, value, bound; the lines are sorted by N. */
static void
data(struct chart *c, size_t i, size_t j, bool rate)
{
    fprintf(c->f, "$m%zup%zu << EOD\n", i, j);
    for (const struct line *l = c->s->lines; l < c->s->lines + c->s->n; l++)
        if (belongs(c, l, c->mechanisms.name[i]) &&
            strcmp(l->placement, c->placements.name[j]) == 0 &&
            isfinite(l->predicted))
            fprintf(c->f, "%ld %g %g\n", l->clients, value(l, rate),
                    l->predicted / 1e3);
    fputs("NaN NaN NaN\nEOD\n", c->f);
}

static void
set_ranges(struct chart *c, bool rate)
{
    double low = INFINITY, high = 0;
    long most = 1;

    for (const struct line *l = c->s->lines; l < c->s->lines + c->s->n; l++) {
        double v = value(l, rate);

        if (!belongs(c, l, NULL) || !(v > 0))
            continue;
        low = fmin(low, v);
        high = fmax(high, v);
        if (rate && isfinite(l->predicted))
            high = fmax(high, l->predicted / 1e3);
        most = l->clients > most ? l->clients : most;
    }
    fprintf(c->f,
            "set logscale x 2\nset logscale y 10\n"
            "set xrange [0.85:%g]\nset yrange [%g:%g]\n",
            (double)most * 1.2, low / 1.5, high * 1.5);
}

static void
panel(struct chart *c, size_t i, bool rate)
{
    char label[64];

    fputs("set title ", c->f);
    chart_text(c->f, chart_label(c->mechanisms.name[i], label));
    fprintf(c->f, " offset 0,-0.6\nset format x '%s'\nset format y '%s'\nplot ",
            i + across(c) >= c->mechanisms.n ? "%g" : "",
            i % across(c) == 0 ? "%g" : "");
    for (size_t j = 0; j < c->placements.n; j++) {
        size_t style = chart_style(c->placements.name[j]);

        if (rate)
            fprintf(c->f,
                    "$m%zup%zu using 1:3 with lines dashtype 2 linewidth 1.5 "
                    "linecolor '%s' notitle, ",
                    i, j, chart_colour(style));
        fprintf(c->f,
                "$m%zup%zu using 1:2 with linespoints pointtype %d pointsize "
                "0.9 linewidth 1.5 linecolor '%s' notitle%s",
                i, j, chart_shape(style), chart_colour(style),
                j + 1 < c->placements.n ? ", " : "\nunset label\n");
    }
}

static void
key(struct chart *c, bool rate)
{
    chart_key(c);
    fputs(rate ? ", NaN with lines dashtype 2 linecolor '#000000' title "
                 "'bound: min(N/R, 1/D)'\n"
               : "\n",
          c->f);
}

static void
draw(struct chart *c, bool rate)
{
    double w = c->width, h = c->height;

    for (size_t i = 0; i < c->mechanisms.n; i++)
        for (size_t j = 0; j < c->placements.n; j++)
            data(c, i, j, rate);
    fprintf(c->f,
            "set multiplot layout %zu,%zu margins screen %g,%g,%g,%g spacing "
            "screen %g,%g\n"
            "set tics nomirror\nset grid linetype 1 linecolor '#eeeeee'\n"
            "unset mxtics\nset xtics (1,2,4,8,16,32,64)\n"
            "set label 'clients at once' at screen 0.5, screen %g center\n",
            down(c), across(c), LEFT / w, 1 - 15 / w, BOTTOM / h, 1 - TOP / h,
            12 / w, 34 / h, 38 / h);
    set_ranges(c, rate);
    for (size_t i = 0; i < c->mechanisms.n; i++)
        panel(c, i, rate);
    key(c, rate);
    fputs("unset multiplot\n", c->f);
}

static void
draw_clients(struct chart *c)
{
    chart_title(c, "Round trips of 64 bytes, thousands/s, by the number of "
                   "clients at once: higher is faster");
    draw(c, true);
}

const struct chart_type chart_clients = {"clients", prepare, draw_clients};

static void
draw_p99(struct chart *c)
{
    chart_title(c, "Round trip of 64 bytes, 99th percentile in us, by the "
                   "number of clients at once: lower is faster");
    draw(c, false);
}

const struct chart_type chart_crowd_p99 = {"clients-p99", prepare, draw_p99};

/*
 * chart_sizes.c - small multiples, for round trips and for streams by size:
 * one panel per mechanism, all the others in grey behind it, so that every
 * panel is a comparison and no line has to be looked up in a key.
 */
#include "bench/charts.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define PANEL_WIDTH  250 /* pixels */
#define PANEL_HEIGHT 200
#define TOP          60
#define BOTTOM       75
#define LEFT         85
#define TITLE_WIDTH  850
#define LARGEST      1048576 /* bytes */

/* The panels, and one more for the key. */
static int
panels(const struct chart *c)
{
    return (int)c->mechanisms.n + 1;
}

static int
columns(const struct chart *c)
{
    int n = panels(c);

    return n <= 3 ? n : n <= 8 ? (n + 1) / 2 : 4;
}

static int
lines(const struct chart *c)
{
    return (panels(c) + columns(c) - 1) / columns(c);
}

static void
prepare(struct chart *c, const char *kind)
{
    chart_leave_out(c, kind);
    c->width = LEFT + PANEL_WIDTH * columns(c) + 20;
    if (c->width < TITLE_WIDTH)
        c->width = TITLE_WIDTH;
    c->height = TOP + PANEL_HEIGHT * lines(c) + BOTTOM + chart_small_print(c);
}

/* -- data ------------------------------------------------------------------ */

static bool
belongs(const struct line *l, const char *mechanism, const char *placement,
        const char *kind)
{
    return l->used > 0 && l->copy == 0 && strcmp(l->kind, kind) == 0 &&
           strcmp(l->mechanism, mechanism) == 0 &&
           strcmp(l->placement, placement) == 0;
}

/* The curve of a mechanism at a placement, ended by an empty line, which lifts
 * the pen. */
static void
curve(struct chart *c, const char *mechanism, size_t placement,
      const char *kind)
{
    for (size_t i = 0; i < c->s->n; i++) { /* sorted by size */
        const struct line *l = &c->s->lines[i];

        if (belongs(l, mechanism, c->placements.name[placement], kind))
            fprintf(c->f, "%ld %g\n", l->size, summary_value(l));
    }
    fputc('\n', c->f);
}

static void
data(struct chart *c, const char *kind, const char *floor)
{
    fputs("$all << EOD\n", c->f);
    for (size_t i = 0; i < c->mechanisms.n; i++)
        for (size_t j = 0; j < c->placements.n; j++)
            curve(c, c->mechanisms.name[i], j, kind);
    fputs("EOD\n$floor << EOD\n", c->f);
    curve(c, floor, 0, kind);
    fputs("EOD\n", c->f);
    for (size_t i = 0; i < c->mechanisms.n; i++)
        for (size_t j = 0; j < c->placements.n; j++) {
            fprintf(c->f, "$m%zup%zu << EOD\n", i, j);
            curve(c, c->mechanisms.name[i], j, kind);
            fputs("NaN NaN\nEOD\n", c->f);
        }
}

/* -- panels ---------------------------------------------------------------- */

/* The largest size measured, the best value, and whether messages were sent
 * one by one. */
static void
extremes(const struct chart *c, const char *mechanism, const char *kind,
         long *most, double *best, bool *one_by_one)
{
    *most = 0;
    *best = 0;
    *one_by_one = false;
    for (size_t i = 0; i < c->s->n; i++) {
        const struct line *l = &c->s->lines[i];

        for (size_t j = 0; j < c->placements.n; j++) {
            if (!belongs(l, mechanism, c->placements.name[j], kind))
                continue;
            *best = summary_value(l) > *best ? summary_value(l) : *best;
            *most = l->size > *most ? l->size : *most;
            *one_by_one = strcmp(l->mode, ROW_ONE_BY_ONE) == 0;
        }
    }
}

/* GB/s in a unit that suits it. */
static const char *
rate(double gb_per_second, char buf[32])
{
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s"};
    double v = gb_per_second * 1e9;
    size_t i = 0;

    for (; v >= 1000 && i < 3; i++)
        v /= 1000;
    snprintf(buf, 32, "%.3g %s", v, units[i]);
    return buf;
}

/* The name, with how far a stream came; and in the corners that the curves
 * leave free, why they end early and what kind of stream it is. */
static void
headline(struct chart *c, const char *mechanism, const char *kind)
{
    bool rtt = strcmp(kind, ROW_RTT) == 0, one_by_one;
    char label[64], title[128], number[32];
    double best;
    long most;

    extremes(c, mechanism, kind, &most, &best, &one_by_one);
    chart_label(mechanism, label);
    if (rtt)
        snprintf(title, sizeof title, "%s", label);
    else
        snprintf(title, sizeof title, "%s, %s", label, rate(best, number));
    fputs("set title ", c->f);
    chart_text(c->f, title);
    fputs(" offset 0,-0.6\n", c->f);
    if (most < LARGEST)
        fprintf(c->f,
                "set label 'carries up to %ld B' at graph %s textcolor "
                "'#555555'\n",
                most, rtt ? "0.04, graph 0.92 left" : "0.96, graph 0.08 right");
    if (one_by_one)
        fputs("set label 'one by one, acknowledged' at graph 0.04, graph 0.92 "
              "left textcolor '#555555'\n",
              c->f);
}

/* The cost model of a mechanism at a placement, dashed: a + 2 n / B. */
static void
model(struct chart *c, const char *mechanism, size_t placement)
{
    const struct line *l = summary_find(
        c->s, mechanism, c->placements.name[placement], ROW_RTT, 64);

    if (l != NULL && l->fit_bytes_per_second > 0)
        fprintf(c->f,
                ", %g + x * %g with lines dashtype 3 linewidth 1.2 linecolor "
                "'%s' notitle",
                l->fit_ns / 1e3, 2e6 / l->fit_bytes_per_second,
                chart_colour(chart_style(l->placement)));
}

/* The axes are the same in all, and written only on the left and below. */
static void
panel(struct chart *c, size_t i, const char *kind)
{
    size_t across = (size_t)columns(c);

    headline(c, c->mechanisms.name[i], kind);
    chart_tics(c, 'y', kind, i % across == 0);
    fprintf(c->f, "set xtics (%s)\n",
            i + across >= c->mechanisms.n
                ? "'64' 64, '1K' 1024, '4K' 4096, '64K' 65536, '1M' 1048576"
                : "'' 64, '' 1024, '' 4096, '' 65536, '' 1048576");
    fputs("plot $all with lines linecolor '#d0d0d0' notitle, "
          "$floor with lines dashtype 2 linecolor '#000000' notitle",
          c->f);
    for (size_t j = 0; j < c->placements.n; j++) {
        size_t style = chart_style(c->placements.name[j]);

        if (strcmp(kind, ROW_RTT) == 0)
            model(c, c->mechanisms.name[i], j);
        fprintf(c->f,
                ", $m%zup%zu with linespoints pointtype %d pointsize 0.9 "
                "linewidth 1.5 linecolor '%s' notitle",
                i, j, chart_shape(style), chart_colour(style));
    }
    fputc('\n', c->f);
    fputs("unset label\n", c->f);
}

static void
key(struct chart *c, const char *floor_title, bool model_shown)
{
    chart_key(c);
    fprintf(c->f,
            ", NaN with lines dashtype 2 linecolor '#000000' title '%s, %s', "
            "%sNaN with lines linecolor '#d0d0d0' title 'all the others'\n",
            floor_title, c->placements.name[0],
            model_shown ? "NaN with lines dashtype 3 linewidth 1.2 linecolor "
                          "'#000000' title 'model: a + 2 n / B', "
                        : "");
}

/* From the smallest to the largest, floors included, and room for words above
 * and below. */
static void
set_range(struct chart *c, const char *kind, const char *floor)
{
    double low = INFINITY, high = 0;

    for (size_t i = 0; i < c->s->n; i++) {
        const struct line *l = &c->s->lines[i];

        if (l->used == 0 || strcmp(l->kind, kind) != 0 ||
            l->placement[0] == '\0' || l->size < 64 ||
            (summary_is_floor(l) && strcmp(l->mechanism, floor) != 0))
            continue;
        low = fmin(low, summary_value(l));
        high = fmax(high, summary_value(l));
    }
    fprintf(c->f, "set yrange [%g:%g]\n", low * 0.6, high * 20);
}

static void
draw(struct chart *c, const char *kind, const char *floor,
     const char *floor_title)
{
    double w = c->width, h = c->height;

    data(c, kind, floor);
    fprintf(c->f,
            "set multiplot layout %d,%d margins screen %g,%g,%g,%g spacing "
            "screen %g,%g\n"
            "set logscale xy\n"
            "unset mxtics\n"
            "unset mytics\n"
            "set tics nomirror\n"
            "set grid linetype 1 linecolor '#eeeeee'\n"
            "set xrange [40:1700000]\n"
            "set samples 50\n",
            lines(c), columns(c), LEFT / w, 1 - 15 / w,
            (BOTTOM + chart_small_print(c)) / h, 1 - TOP / h, 12 / w, 32 / h);
    set_range(c, kind, floor);
    for (size_t i = 0; i < c->mechanisms.n; i++)
        panel(c, i, kind);
    key(c, floor_title, strcmp(kind, ROW_RTT) == 0);
    fputs("unset multiplot\n", c->f);
}

/* -- the two charts -------------------------------------------------------- */

static void
prepare_sizes(struct chart *c)
{
    prepare(c, ROW_RTT);
}

static void
draw_sizes(struct chart *c)
{
    chart_title(c, "Round trip over the size of the message in bytes: both "
                   "scales logarithmic, lower is faster");
    draw(c, ROW_RTT, FLOOR_PIPE, "floor: a bare pipe");
}

const struct chart_type chart_sizes = {"sizes", prepare_sizes, draw_sizes};

static void
prepare_throughput(struct chart *c)
{
    prepare(c, ROW_STREAM);
}

static void
draw_throughput(struct chart *c)
{
    chart_title(c, "One way: rate over the size of the message in bytes, both "
                   "scales logarithmic, higher is faster (in words: the best)");
    draw(c, ROW_STREAM, FLOOR_MEMCPY, "ceiling: memcpy");
}

const struct chart_type chart_throughput = {"throughput", prepare_throughput,
                                            draw_throughput};

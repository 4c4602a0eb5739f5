/*
 * chart_tails.c - whole distributions: the time over how rare it is.
 *
 *      us |                    ____/   the axis is 1 / (1 - p): each 9 of a
 *         |           ________/        percentile takes as much room as the
 *         |__________/                 one before, and the tail, which a
 *         +-----+-----+-----+----      histogram hides, is the picture
 *           0   90   99   99.9
 *
 * At most six curves: more of them nobody can tell apart.
 */
#include "bench/charts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST   6
#define WIDTH  900
#define PANEL  330 /* pixels */
#define TOP    60
#define BOTTOM 105
#define LABEL  17 /* pixels from one label to the next */

/* One of each kind, when there are more than six. */
static const char *const preferred[] = {
    "shm/spin",    "shm/futex",        "pipe/coprocess", "msgq/posix",
    "sem/mailbox", "socket/seqpacket", "socket/tcp",     NULL};

struct series {
    const struct line *line;
    struct distribution d;
    char label[64];
    size_t style;  /* colour and shape */
    double end, y; /* of the curve, us; where its label stands */
};

/* -- choosing -------------------------------------------------------------- */

static size_t
add(const struct chart *c, const struct line *l, const char *label,
    struct series *all, size_t n)
{
    struct distribution d;

    if (l == NULL || l->used == 0 || n == MOST)
        return n;
    d = distribution_of(c->d, l);
    if (d.count < 10 * LEAST_BEYOND)
        return n;
    all[n] = (struct series){.line = l, .d = d};
    snprintf(all[n].label, sizeof all[n].label, "%s", label);
    return n + 1;
}

static size_t
add_trip(const struct chart *c, const char *mechanism, const char *placement,
         struct series *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].line->mechanism, mechanism) == 0)
            return n;
    return add(c, summary_find(c->s, mechanism, placement, ROW_RTT, 64),
               mechanism, all, n);
}

static size_t
choose_trips(const struct chart *c, const char *placement, struct series *all)
{
    struct names every;
    size_t n = 0;

    for (const char *const *name = preferred; *name != NULL; name++)
        n = add_trip(c, *name, placement, all, n);
    summary_mechanisms(c->s, &every);
    for (size_t i = 0; i < every.n; i++)
        if (strncmp(every.name[i], "null/", 5) != 0)
            n = add_trip(c, every.name[i], placement, all, n);
    return n;
}

static size_t
choose_load(const struct chart *c, const char *placement, struct series *all)
{
    struct names every;
    size_t n = 0;

    summary_mechanisms(c->s, &every);
    for (size_t i = 0; n == 0 && i < every.n; i++) {
        const char *name = every.name[i];

        n = add(c, summary_find_load(c->s, name, placement, ROW_DUE),
                "5000/s, from when due", all, n);
        n = add(c, summary_find_load(c->s, name, placement, ROW_SENT),
                "5000/s, from sending", all, n);
        n = add(c, summary_find_load(c->s, name, placement, ROW_CLOSED),
                "closed loop", all, n);
    }
    return n;
}

/* The same mechanism looks the same in every panel; what is not among the
 * preferred takes what is left over. */
static void
set_styles(struct series *all, size_t n)
{
    /* preferred[] has one more than MOST, and one style each */
    bool taken[MOST + 1] = {false};

    for (size_t i = 0; i < n; i++) {
        size_t s = 0;

        while (preferred[s] != NULL &&
               strcmp(preferred[s], all[i].line->mechanism) != 0)
            s++;
        if (preferred[s] == NULL || taken[s])
            for (s = 0; s < MOST && taken[s]; s++)
                continue;
        all[i].style = s;
        taken[s] = true;
    }
}

/* -- drawing --------------------------------------------------------------- */

/* Points of the percentile grid: 1 / (1 - q), us. */
static void
curve(struct chart *c, const struct series *s, size_t i)
{
    fprintf(c->f, "$s%zu << EOD\n", i);
    for (double x = 1; s->d.count / x >= LEAST_BEYOND; x *= GRID_STEP)
        fprintf(c->f, "%g %g\n", x,
                distribution_quantile(&s->d, 1 - 1 / x) / 1e3);
    fputs("EOD\n", c->f);
}

/* What a panel shows: from the fastest to the slowest, us, with some room; and
 * how rare its rarest times are. */
struct extent {
    double low, high, rarest;
};

static struct extent
find_extent(struct series *all, size_t n)
{
    struct extent e = {.low = INFINITY, .rarest = 10};

    for (size_t i = 0; i < n; i++) {
        double rarest = all[i].d.count / LEAST_BEYOND;

        /* Not the largest of all, but the last with enough beyond it. */
        all[i].end = distribution_quantile(&all[i].d, 1 - 1.001 / rarest) / 1e3;
        e.low = fmin(e.low, distribution_quantile(&all[i].d, 0) / 1e3);
        e.high = fmax(e.high, all[i].end);
        e.rarest = fmax(e.rarest, rarest);
    }
    e.low /= 1.5;
    e.high *= 2;
    return e;
}

static int
by_end(const void *a, const void *b)
{
    const struct series *x = a, *y = b;

    return (x->end > y->end) - (x->end < y->end);
}

/* Labels stand at the end of their curves, but never on each other: from the
 * lowest upwards each is at least `apart` (a factor: the axis is logarithmic)
 * above the last; then, if that went over the top, the same downwards. */
static void
spread_labels(struct series *all, size_t n, double low, double high)
{
    double apart = pow(high / low, (double)LABEL / (PANEL - 40)), top = high;

    qsort(all, n, sizeof *all, by_end);
    for (size_t i = 0; i < n; i++)
        all[i].y = i == 0 ? fmax(all[i].end, low * apart)
                          : fmax(all[i].end, all[i - 1].y * apart);
    for (size_t i = n; i-- > 0; top = all[i].y / apart)
        all[i].y = fmin(all[i].y, top);
}

/* How often a loop that does nothing is interrupted here, per ns; 0: not
 * known. */
static double
interruptions(const struct summary *s)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && strcmp(l->kind, ROW_GAPS) == 0)
            return l->per_second / 1e9;
    return 0;
}

/* A mark on each curve where its times are as rare as the interruptions: what
 * is to the right of it is the machine's. */
static bool
marks(struct chart *c, const struct series *all, size_t n, double rarest)
{
    double rate = interruptions(c->s);
    bool any = false;

    fputs("$tick << EOD\nNaN NaN\n", c->f);
    for (size_t i = 0; i < n && rate > 0; i++) {
        double x = 1 / (all[i].line->p50_ns * rate);
        double us = x > 1 ? distribution_quantile(&all[i].d, 1 - 1 / x) : NAN;

        if (x < rarest && !isnan(us)) {
            fprintf(c->f, "%g %g\n", x, us / 1e3);
            any = true;
        }
    }
    fputs("EOD\n", c->f);
    return any;
}

static void
axes(struct chart *c, const struct extent *e)
{
    fprintf(c->f,
            "set logscale xy\nset xrange [1:%g]\nset yrange [%g:%g]\n"
            "set xtics ('0' 1, '50' 2, '90' 10, '99' 100, '99.9' 1000, "
            "'99.99' 1e4, '99.999' 1e5, '99.9999' 1e6)\n"
            "set tics nomirror\nset border 3\n"
            "set grid linetype 1 linecolor '#e0e0e0'\n",
            e->rarest, e->low, e->high);
    chart_tics(c, 'y', ROW_RTT, true);
}

static void
labels(struct chart *c, const struct series *all, size_t n,
       const struct extent *e)
{
    struct series sorted[MOST];

    memcpy(sorted, all, n * sizeof *sorted);
    spread_labels(sorted, n, e->low, e->high); /* sorts them */
    for (size_t i = 0; i < n; i++) {
        size_t j = sorted[i].style;

        fputs("set label ", c->f);
        chart_text(c->f, sorted[i].label);
        fprintf(c->f,
                " at graph 1.03, first %g left textcolor '%s' point pointtype "
                "%d pointsize 0.9 linecolor '%s' offset 0.6,0\n",
                sorted[i].y, chart_colour(j), chart_shape(j), chart_colour(j));
    }
}

static void
panel(struct chart *c, struct series *all, size_t n, const char *title)
{
    struct extent e = find_extent(all, n);
    bool marked;

    set_styles(all, n);
    for (size_t i = 0; i < n; i++)
        curve(c, &all[i], i);
    axes(c, &e);
    labels(c, all, n, &e);
    marked = marks(c, all, n, e.rarest);
    fputs("set title ", c->f);
    chart_text(c->f, title);
    fputs(" offset 0,-0.5\nplot ", c->f);
    for (size_t i = 0; i < n; i++)
        fprintf(c->f,
                "%s$s%zu with linespoints pointtype %d pointinterval 6 "
                "pointsize 0.9 linewidth 1.8 linecolor '%s' notitle",
                i == 0 ? "" : ", ", i, chart_shape(all[i].style),
                chart_colour(all[i].style));
    if (marked)
        fputs(", $tick with points pointtype 6 pointsize 2.2 linewidth 2 "
              "linecolor '#000000' notitle",
              c->f);
    fputs("\nunset label\n", c->f);
}

/* -- the two charts -------------------------------------------------------- */

static void
prepare(struct chart *c,
        size_t (*choose)(const struct chart *, const char *, struct series *))
{
    struct series all[MOST];
    struct names with = {.n = 0};

    c->kind = ROW_RTT;
    c->left_out.n = 0;
    for (size_t style = 0; style < PLACEMENT_STYLES; style++)
        for (size_t i = 0; i < c->placements.n && with.n < 2; i++)
            if (chart_style(c->placements.name[i]) == style &&
                choose(c, c->placements.name[i], all) > 0)
                with.name[with.n++] = c->placements.name[i];
    c->placements = with;
    c->mechanisms.n = with.n; /* nothing to draw: chart_has_data() */
    c->width = WIDTH;
    c->height = TOP + (PANEL + 35) * (int)with.n + BOTTOM - 35;
}

static void
draw(struct chart *c,
     size_t (*choose)(const struct chart *, const char *, struct series *))
{
    double h = c->height;
    struct series all[MOST];

    fprintf(c->f,
            "set multiplot\nset lmargin at screen 0.09\n"
            "set rmargin at screen 0.76\n"
            "set label 'circles: from there on a time is as rare as this "
            "machine''s interruptions (timer, hypervisor)' at screen 0.09, "
            "screen %g textcolor '#444444'\n",
            45 / h);
    fprintf(c->f, "set label 'percentile' at screen 0.42, screen %g center\n",
            65 / h);
    for (size_t i = 0; i < c->placements.n; i++) {
        double top = TOP + (PANEL + 35) * (double)i;
        size_t n = choose(c, c->placements.name[i], all);
        fprintf(c->f, "set tmargin at screen %g\nset bmargin at screen %g\n",
                1 - (top + 20) / h, 1 - (top + PANEL) / h);
        panel(c, all, n, c->placements.name[i]);
    }
    fputs("unset multiplot\n", c->f);
}

static void
prepare_tails(struct chart *c)
{
    prepare(c, choose_trips);
}

static void
draw_tails(struct chart *c)
{
    chart_title(c, "Round trip of 64 bytes: the time that a part of all stays "
                   "below, all rounds together");
    draw(c, choose_trips);
}

const struct chart_type chart_tails = {"tails", prepare_tails, draw_tails};

static void
prepare_load(struct chart *c)
{
    prepare(c, choose_load);
}

static void
draw_load(struct chart *c)
{
    chart_title(c, "A server that stalls 10 ms in every 200 ms, seen by three "
                   "ways of measuring");
    draw(c, choose_load);
}

const struct chart_type chart_load = {"load", prepare_load, draw_load};

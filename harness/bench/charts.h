/*
 * charts.h - the charts, each a stream of gnuplot commands with the data in
 * it.  Colours are Okabe and Ito's, which the colour-blind tell apart, and
 * everything that differs in colour differs in shape too.
 */
#ifndef CHARTS_H
#define CHARTS_H

#include "bench/distribution.h"
#include "bench/summary.h"

#include <stdbool.h>

struct chart {
    const struct summary *s;
    const struct distributions *d;
    struct names mechanisms, placements;
    const char *kind;           /* of lines shown */
    struct names left_out;      /* mechanisms without any of them */
    const char *heading, *date; /* small print */
    FILE *f;                    /* gnuplot's standard input */
    int width, height;          /* pixels */
};

/* A chart chooses and sorts what it shows and says how large it is going to be;
 * then it draws. */
struct chart_type {
    const char *name; /* of its files */
    void (*prepare)(struct chart *);
    void (*draw)(struct chart *);
};

extern const struct chart_type chart_latency, chart_sizes, chart_throughput,
    chart_memcpy, chart_tails, chart_clients, chart_crowd_p99, chart_load;

/* Is there anything to draw?  Called after prepare(). */
bool chart_has_data(const struct chart *c);

/* Colour (0 to 6), and gnuplot's number for a filled shape. */
const char *chart_colour(size_t i);
int chart_shape(size_t i);

/* A style for a placement: the same in all charts, the most telling placement
 * first; one that is not known has the last. */
#define PLACEMENT_STYLES 5
size_t chart_style(const char *placement);

/* "thread/queue (baseline)" where both sides are one process. */
const char *chart_label(const char *mechanism, char buf[64]);

/* Moves the mechanisms of which nothing of this kind was measured to left_out;
 * they get a line of small print each, with the reason.  And the pixels that
 * takes. */
void chart_leave_out(struct chart *c, const char *kind);
int chart_small_print(const struct chart *c);

/* Begins the last panel of a multiplot, which has no axes: it is the key of
 * all.  The placements; the caller adds ", " and more, and ends the line. */
void chart_key(const struct chart *c);

/* The title, at the top of the picture. */
void chart_title(const struct chart *c, const char *title);

/* Tics at the powers of ten in words ("100 us", "1 GB/s"), for values in us, or
 * in GB/s, on axis 'x' or 'y'; or only their marks. */
void chart_tics(const struct chart *c, char axis, const char *kind, bool words);

/* text as a gnuplot string: in quotes, its own doubled. */
void chart_text(FILE *f, const char *text);

#endif

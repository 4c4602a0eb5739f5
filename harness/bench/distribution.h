/*
 * distribution.h - every time of every round of a cell, not only some of its
 * percentiles: DIR/histograms.csv, one line for each bucket that is not empty.
 *
 *      mechanism,placement,kind,mode,size,low_ns,high_ns,count
 *
 * The buckets are those of stats.h: powers of two, each cut into 128.  All
 * rounds are in it, disturbed ones as well: a tail without its worst moments
 * would be no tail.  From it come the percentiles that one round has not
 * enough operations for, and the charts of them.
 */
#ifndef DISTRIBUTION_H
#define DISTRIBUTION_H

#include "bench/summary.h"

struct plan;

#define BIN_COLUMNS \
    NUMBER(double, low_ns) NUMBER(double, high_ns) NUMBER(long, count)

struct bin {
#include "bench/csv_members.h"

#include "bench/cell.def"
    BIN_COLUMNS
};

struct distributions {
    struct bin *bins; /* those of one cell stand together, rising */
    size_t n;
};

/* One cell's bins. */
struct distribution {
    const struct bin *bins;
    size_t n;
    double count;
};

/* dir/histograms.csv, of the cells that have a pool.  0 or -errno. */
int distributions_write(const struct plan *p, const char *dir);

/* An empty one if there is no such file.  0 or -errno. */
int distributions_read(const char *dir, struct distributions *d);
void distributions_free(struct distributions *d);

/* That of a line of the summary; n is 0 if there is none. */
struct distribution distribution_of(const struct distributions *d,
                                    const struct line *l);

/* The time below which the part q of all lies; NAN unless LEAST_BEYOND times
 * lie beyond it. */
#define LEAST_BEYOND 10
double distribution_quantile(const struct distribution *d, double q);

/* The grid of percentiles: 1 / (1 - q) = 1, 1.15, 1.15^2 ... */
#define GRID_STEP 1.15

/* dir/percentiles.csv: the grid of every distribution.  0 or -errno. */
int distributions_write_grid(const struct distributions *d, const char *dir);

/* Fills in p999_ns where there are enough times. */
void distributions_fill(const struct distributions *d, struct summary *s);

#endif

/*
 * stats.h - from many times to a few honest numbers.
 *
 * Inside one cell: a histogram of the single operations, of which only the
 * percentiles are kept.  Between rounds: the median of a percentile over the
 * rounds, with a bootstrap interval over the rounds - not over the operations,
 * which within a round resemble each other far too much to count as
 * independent witnesses.
 */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>

/* -- histogram ------------------------------------------------------------- */

/*
 * Log-linear, the layout of HdrHistogram: each power of two is cut into 128
 * equal buckets, so a value is known to 1/128 = 0.8 % whatever its size, in 29
 * KiB and without a branch that depends on the data.
 *
 *      0 1 2 ... 127 | 128 129 ... 255 | 256 258 ... 510 | 512 516 ...
 *        width 1     |    width 1      |    width 2      |  width 4
 */
#define HISTOGRAM_SUB     128
#define HISTOGRAM_ROWS    58 /* values up to 2^64: 64 - log2(128) + 1 */
#define HISTOGRAM_BUCKETS ((size_t)HISTOGRAM_ROWS * HISTOGRAM_SUB)

struct histogram {
    uint64_t count, min, max;
    double sum;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The smallest value of bucket i, and so the end of the one before. */
double histogram_low(size_t i);

/* The value below which the part q (0 to 1) of all values lies, interpolated
 * inside its bucket.  0 if there are none. */
double histogram_quantile(const struct histogram *h, double q);

/* -- random numbers that can be repeated ----------------------------------- */

struct rng {
    uint64_t state; /* any seed will do */
};

uint64_t rng_next(struct rng *r);
size_t rng_below(struct rng *r, size_t n); /* 0 .. n-1 */
void rng_shuffle(struct rng *r, size_t *v, size_t n);

/* -- over the rounds ------------------------------------------------------- */

struct interval {
    double mid, lo, hi;
};

/* Sorts v.  NAN if n is 0. */
double median(double *v, size_t n);

/* The median of v and the 95 % percentile bootstrap interval around it.
 * All three NAN if n is 0. */
struct interval median_interval(const double *v, size_t n);

/* -- two samples, and many of them ----------------------------------------- */

/*
 * By how much the mean of b is above that of a, each without the lowest and the
 * highest fifth: one round that something came in between moves nothing.  With
 * the variance of that difference, and how many degrees of freedom the variance
 * has (Yuen 1974, "The two-sample trimmed t for unequal population variances",
 * Biometrika 61).  NAN is what cannot be known: of none, of one the variance.
 */
struct difference {
    double mid, variance, df;
};

struct difference difference(const double *a, size_t n, const double *b,
                             size_t m);

/* The probability that Student's t of df degrees of freedom is as far from 0,
 * on either side; and how far 95 % of them are at most.  By Wallace's normal
 * approximation (1959), good to a few per cent of itself from df = 2 on
 * (the_tail_of_t_is_that_of_the_tables). */
double t_tail(double t, double df);
double t_of_95_percent(double df);

/*
 * Of n probabilities, each of which says how likely a difference like this one
 * is where there is none: those up to the one returned are few enough false
 * ones.  "Few": of all that are picked in this way at most the part `rate` is
 * wrong, in the long run; and of tables in which nothing differs at most that
 * part has anything picked at all (Benjamini and Hochberg 1995, "Controlling
 * the false discovery rate", J. R. Statist. Soc. B 57).  -1: none.  Sorts p.
 */
double discoveries_up_to(double *p, size_t n, double rate);

/* Jain's index of fairness: (sum of v)^2 / (n sum of v^2), from 1/n, one has
 * everything, to 1, all have the same.  NAN if all are 0. */
double jain(const double *v, size_t n);

/* -- the cost of a message by its size ----------------------------------------
 *
 *      t(n) = a + b n      a: the calls and the switches; b: the bytes
 *
 * fitted by least squares of the relative errors, so that the microseconds of
 * small messages count as much as the milliseconds of large ones.  worst is
 * the largest relative error of all points.  NANs for fewer than 3 points.
 */
struct fit {
    double a, b, worst;
};

struct fit fit_line(const double *n, const double *t, size_t points);

#endif

/* stats.c - histogram, random numbers, medians and their intervals, Jain's
 * index, and the straight line of the cost model. */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- histogram ------------------------------------------------------------- */

#define SUB_BITS 7 /* log2(HISTOGRAM_SUB) */

void
histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

/* How many low bits of value its bucket does not tell apart. */
static unsigned
shift_of(uint64_t value)
{
    unsigned top = 63 - (unsigned)__builtin_clzll(value | 1);

    return top > SUB_BITS ? top - SUB_BITS : 0;
}

static size_t
bucket_of(uint64_t value)
{
    unsigned shift = shift_of(value);

    /* value >> shift lies in 128..255 once shift > 0: the row of the power of
     * two above, so that rows follow each other without a gap. */
    return (size_t)shift * HISTOGRAM_SUB + (size_t)(value >> shift);
}

void
histogram_add(struct histogram *h, uint64_t value)
{
    h->bucket[bucket_of(value)]++;
    h->count++;
    h->sum += (double)value;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

void
histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->bucket[i] += from->bucket[i];
    to->count += from->count;
    to->sum += from->sum;
    to->min = from->min < to->min ? from->min : to->min;
    to->max = from->max > to->max ? from->max : to->max;
}

/* How many low bits the values of bucket i differ in. */
static unsigned
shift_in(size_t i)
{
    size_t row = i / HISTOGRAM_SUB;

    return row > 1 ? (unsigned)row - 1 : 0;
}

double
histogram_low(size_t i)
{
    unsigned shift = shift_in(i);

    return ldexp((double)(i - (size_t)shift * HISTOGRAM_SUB), (int)shift);
}

/* The part of bucket i that lies below the rank-th of its n values, which are
 * taken to be spread evenly. */
static double
value_in(size_t i, double rank, double n)
{
    unsigned shift = shift_in(i);

    if (shift == 0)
        return histogram_low(i); /* one value wide: exact */
    return histogram_low(i) + ldexp(1, (int)shift) * (rank - 0.5) / n;
}

double
histogram_quantile(const struct histogram *h, double q)
{
    double rank = ceil(q * (double)h->count), before = 0, v;

    if (h->count == 0)
        return 0;
    if (rank < 1)
        rank = 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (before + h->bucket[i] >= rank) {
            v = value_in(i, rank - before, h->bucket[i]);
            return fmin(fmax(v, (double)h->min), (double)h->max);
        }
        before += h->bucket[i];
    }
    return (double)h->max;
}

/* -- random numbers that can be repeated ----------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014): every seed is a good one. */
uint64_t
rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The bias of the remainder, n / 2^64, is of no account here. */
size_t
rng_below(struct rng *r, size_t n)
{
    return (size_t)(rng_next(r) % n);
}

void
rng_shuffle(struct rng *r, size_t *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(r, i), t = v[i - 1];

        v[i - 1] = v[j];
        v[j] = t;
    }
}

/* -- over the rounds ------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double
median(double *v, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(v, n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

#define RESAMPLES   1000 /* the ends of a 95 % interval then rest on 25 each */
#define MOST_ROUNDS 1024

struct interval
median_interval(const double *v, size_t n)
{
    struct rng rng = {.state = n}; /* the same data, the same interval */
    double sample[MOST_ROUNDS], medians[RESAMPLES];
    struct interval r;

    if (n > MOST_ROUNDS)
        n = MOST_ROUNDS;
    if (n == 0)
        return (struct interval){NAN, NAN, NAN};
    memcpy(sample, v, n * sizeof *v);
    r.mid = median(sample, n);
    for (size_t i = 0; i < RESAMPLES; i++) {
        for (size_t j = 0; j < n; j++)
            sample[j] = v[rng_below(&rng, n)];
        medians[i] = median(sample, n);
    }
    median(medians, RESAMPLES); /* sorts them */
    r.lo = medians[RESAMPLES / 40];
    r.hi = medians[RESAMPLES - 1 - RESAMPLES / 40];
    return r;
}

/* -- two samples, and many of them ----------------------------------------- */

/* The trimmed mean of v, sorted by this, and its variance by the winsorised
 * one: what was cut off counts as often as before, but no further out. */
static double
trimmed_mean(double *v, size_t n, double *variance, double *df)
{
    size_t cut = n / 5, h = n - 2 * cut;
    double sum = 0, mean, winsorised = 0, squares = 0;

    qsort(v, n, sizeof *v, compare);
    for (size_t i = cut; i < n - cut; i++)
        sum += v[i];
    mean = sum / (double)h;
    winsorised = (sum + (double)cut * (v[cut] + v[n - 1 - cut])) / (double)n;
    for (size_t i = 0; i < n; i++) {
        double x = v[i < cut ? cut : i >= n - cut ? n - 1 - cut : i];

        squares += (x - winsorised) * (x - winsorised);
    }
    *df = (double)(h - 1);
    *variance = squares / ((double)h * *df);
    return mean;
}

struct difference
difference(const double *a, size_t n, const double *b, size_t m)
{
    double x[MOST_ROUNDS], y[MOST_ROUNDS], va, vb, fa, fb;
    struct difference d;

    n = n < MOST_ROUNDS ? n : MOST_ROUNDS;
    m = m < MOST_ROUNDS ? m : MOST_ROUNDS;
    if (n == 0 || m == 0)
        return (struct difference){NAN, NAN, NAN};
    memcpy(x, a, n * sizeof *x);
    memcpy(y, b, m * sizeof *y);
    d.mid = -trimmed_mean(x, n, &va, &fa);
    d.mid += trimmed_mean(y, m, &vb, &fb);
    d.variance = va + vb;
    d.df = d.variance > 0
               ? d.variance * d.variance / (va * va / fa + vb * vb / fb)
               : fa + fb;
    return d;
}

double
t_tail(double t, double df)
{
    double z = sqrt(df * log1p(t * t / df)) * (8 * df + 1) / (8 * df + 3);

    return erfc(z / sqrt(2));
}

double
t_of_95_percent(double df)
{
    double z = 1.959964 * (8 * df + 3) / (8 * df + 1);

    return sqrt(df * expm1(z * z / df));
}

/* The k-th smallest of n may be up to k / n of the rate. */
double
discoveries_up_to(double *p, size_t n, double rate)
{
    qsort(p, n, sizeof *p, compare);
    for (size_t k = n; k > 0; k--)
        if (p[k - 1] <= rate * (double)k / (double)n)
            return p[k - 1];
    return -1;
}

double
jain(const double *v, size_t n)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        sum += v[i];
        squares += v[i] * v[i];
    }
    return sum * sum / ((double)n * squares);
}

/* -- the cost of a message by its size ------------------------------------- */

/*
 * Least squares with weights 1/t^2: the sum of ((a + b n - t) / t)^2 is
 * smallest where its derivatives by a and by b are 0, which are two linear
 * equations.  A line that falls, or starts below 0, is no cost: then that one
 * is held at 0, and the other is fitted alone.
 */
struct fit
fit_line(const double *n, const double *t, size_t points)
{
    double w = 0, wn = 0, wnn = 0, wt = 0, wnt = 0, det;
    struct fit f = {NAN, NAN, NAN};

    if (points < 3)
        return f;
    for (size_t i = 0; i < points; i++) {
        double weight = 1 / (t[i] * t[i]);

        w += weight;
        wn += weight * n[i];
        wnn += weight * n[i] * n[i];
        wt += weight * t[i];
        wnt += weight * n[i] * t[i];
    }
    det = w * wnn - wn * wn;
    f.a = (wt * wnn - wn * wnt) / det;
    f.b = (w * wnt - wn * wt) / det;
    if (f.b < 0) {
        f.a = wt / w;
        f.b = 0;
    } else if (f.a < 0) {
        f.a = 0;
        f.b = wnt / wnn;
    }
    f.worst = 0;
    for (size_t i = 0; i < points; i++)
        f.worst = fmax(f.worst, fabs(f.a + f.b * n[i] - t[i]) / t[i]);
    return f;
}

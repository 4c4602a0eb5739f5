/* fit.c - Jain's index, and the straight line of the cost model. */
#include "bench/stats.h"

#include <math.h>

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

/*
 * Least squares with weights 1/t^2: the sum of ((a + b n - t) / t)^2 is
 * smallest where its derivatives by a and by b are 0, which are two linear
 * equations.  A line that falls, or starts below 0, is no cost: then that one is
 * held at 0, and the other is fitted alone.
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

/* distribution.c - every time of every round of a cell. */
#include "bench/distribution.h"

#include "bench/plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct csv_column columns[] = {
#define CSV_OF struct bin
#include "bench/csv_columns.h"

#include "bench/cell.def"
    BIN_COLUMNS
    {.name = NULL},
};
/* clang-format on */

/* -- written by the run ---------------------------------------------------- */

static struct bin
bin_of(const struct cell *c)
{
    struct bin b = {.size = (long)c->size};

    snprintf(b.mechanism, sizeof b.mechanism, "%s", c->name);
    b.placement = c->placement->where;
    b.kind = c->kind;
    b.mode = c->mode;
    return b;
}

/* A stamp for a batch is one of each operation's mean. */
static int
write_pool(FILE *f, const struct cell *c)
{
    double per = c->batch > 1 ? (double)c->batch : 1;
    struct bin b = bin_of(c);
    int err = 0;

    for (size_t i = 0; err == 0 && i < HISTOGRAM_BUCKETS; i++) {
        b.count = (long)c->pool->bucket[i];
        if (b.count == 0)
            continue;
        b.low_ns = histogram_low(i) / per;
        b.high_ns = histogram_low(i + 1) / per;
        err = csv_write(f, columns, &b);
    }
    return err;
}

static int
put_pools(const void *what, FILE *f)
{
    const struct plan *p = what;
    int err = csv_write_header(f, columns);

    for (size_t i = 0; err == 0 && i < p->cell_count; i++)
        if (p->cells[i].pool != NULL)
            err = write_pool(f, &p->cells[i]);
    return err;
}

int
distributions_write(const struct plan *p, const char *dir)
{
    return record_file(dir, "histograms.csv", put_pools, p);
}

/* -- read by the report ---------------------------------------------------- */

int
distributions_read(const char *dir, struct distributions *d)
{
    const struct bin empty = {.count = 0};
    char path[RECORD_PATH];
    struct csv_reader r;
    int err = record_path(dir, "histograms.csv", path);
    FILE *f = err == 0 ? fopen(path, "re") : NULL;

    *d = (struct distributions){.bins = NULL};
    if (f == NULL)
        return err != 0 || errno == ENOENT ? err : -errno;
    err = csv_open(&r, f, columns);
    if (err == 0)
        d->bins = csv_read_all(&r, &empty, sizeof empty, &d->n, &err);
    fclose(f);
    return err;
}

void
distributions_free(struct distributions *d)
{
    free(d->bins);
    *d = (struct distributions){.bins = NULL};
}

/* -- one of them ----------------------------------------------------------- */

static bool
same(const struct bin *a, const struct bin *b)
{
    return a->size == b->size && strcmp(a->mechanism, b->mechanism) == 0 &&
           a->placement == b->placement && a->kind == b->kind &&
           a->mode == b->mode;
}

/* The distribution that begins at bin i. */
static struct distribution
beginning_at(const struct distributions *d, size_t i)
{
    struct distribution one = {.bins = &d->bins[i]};

    for (; i < d->n && same(&d->bins[i], one.bins); i++) {
        one.count += (double)d->bins[i].count;
        one.n++;
    }
    return one;
}

struct distribution
distribution_of(const struct distributions *d, const struct line *l)
{
    struct bin wanted = {.placement = l->placement,
                         .kind = l->kind,
                         .mode = l->kind == ROW_LOAD ? l->mode : ROW_NO_MODE,
                         .size = l->size};

    memcpy(wanted.mechanism, l->mechanism, sizeof wanted.mechanism);
    for (size_t i = 0; i < d->n; i++)
        if (same(&d->bins[i], &wanted))
            return beginning_at(d, i);
    return (struct distribution){.n = 0};
}

double
distribution_quantile(const struct distribution *d, double q)
{
    double rank = q * d->count, before = 0;

    if (d->count * (1 - q) < LEAST_BEYOND)
        return NAN;
    for (size_t i = 0; i < d->n; i++) {
        const struct bin *b = &d->bins[i];
        double n = (double)b->count;

        if (before + n >= rank)
            return b->low_ns +
                   (b->high_ns - b->low_ns) * fmax(rank - before, 0) / n;
        before += n;
    }
    return NAN;
}

void
distributions_fill(const struct distributions *d, struct summary *s)
{
    for (struct line *l = s->lines; l < s->lines + s->n; l++) {
        struct distribution one;

        if (l->used == 0 || l->copy != 0)
            continue;
        one = distribution_of(d, l);
        if (one.n > 0)
            l->p999_ns = distribution_quantile(&one, 0.999);
    }
}

/* -- the grid -------------------------------------------------------------- */

/* clang-format off */
#define POINT_COLUMNS NUMBER(double, percentile) NUMBER(double, ns)

struct point {
#include "bench/csv_members.h"

#include "bench/cell.def"
    POINT_COLUMNS
};

static const struct csv_column grid_columns[] = {
#undef CSV_OF
#define CSV_OF struct point
#include "bench/csv_columns.h"

#include "bench/cell.def"
    POINT_COLUMNS
    {.name = NULL},
};
/* clang-format on */

static int
write_grid(FILE *f, const struct distribution *d)
{
    int err = 0;

    for (double x = 1; err == 0 && d->count / x >= LEAST_BEYOND;
         x *= GRID_STEP) {
        const struct bin *of = d->bins;
        struct point p = {.placement = of->placement,
                          .kind = of->kind,
                          .mode = of->mode,
                          .size = of->size,
                          .percentile = 100 * (1 - 1 / x),
                          .ns = distribution_quantile(d, 1 - 1 / x)};

        memcpy(p.mechanism, of->mechanism, sizeof p.mechanism);
        err = csv_write(f, grid_columns, &p);
    }
    return err;
}

static int
put_grid(const void *what, FILE *f)
{
    const struct distributions *d = what;
    int err = csv_write_header(f, grid_columns);

    for (size_t i = 0; err == 0 && i < d->n;) {
        struct distribution one = beginning_at(d, i);

        err = write_grid(f, &one);
        i += one.n;
    }
    return err;
}

int
distributions_write_grid(const struct distributions *d, const char *dir)
{
    return d->n > 0 ? record_file(dir, "percentiles.csv", put_grid, d) : 0;
}

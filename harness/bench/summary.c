/* summary.c - from the raw rows to one line per cell. */
#include "bench/summary.h"

#include "bench/echo.h"
#include "bench/stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct csv_column line_columns[] = {
#define CSV_OF struct line
#include "bench/csv_columns.h"

#include "bench/line.def"
    {.name = NULL},
};

/* -- groups: the rows of one cell ------------------------------------------ */

static int
order(long a, long b)
{
    return (a > b) - (a < b);
}

static int
same_cell(const struct row *a, const struct row *b)
{
    int d = strcmp(a->mechanism, b->mechanism);

    if (d == 0)
        d = order(a->placement, b->placement);
    if (d == 0)
        d = order(a->kind, b->kind);
    if (d == 0)
        d = order(a->size, b->size);
    if (d == 0)
        d = order(a->clients, b->clients);
    if (d == 0 && a->kind == ROW_LOAD)
        d = order(a->mode, b->mode);
    if (d == 0)
        d = order(a->copy, b->copy);
    return d;
}

static int
by_cell_and_round(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int d = same_cell(x, y);

    return d != 0 ? d : order(x->round, y->round);
}

/* The end of the group that begins at from. */
static size_t
group_end(const struct row *rows, size_t n, size_t from)
{
    size_t to = from + 1;

    while (to < n && same_cell(&rows[from], &rows[to]) == 0)
        to++;
    return to;
}

static long
count(const struct row *rows, size_t n, enum status status)
{
    long c = 0;

    for (size_t i = 0; i < n; i++)
        c += rows[i].status == status;
    return c;
}

/* The rows of a group that count are those with this status or a better one. */
static enum status
worst_used(const struct row *rows, size_t n)
{
    long ok = count(rows, n, ROW_OK);
    long rejected = count(rows, n, ROW_REJECTED);

    return ok > 0 && ok >= rejected ? ROW_OK : ROW_REJECTED;
}

static int
is_used(const struct row *r, enum status worst)
{
    return r->status == ROW_OK ||
           (r->status == ROW_REJECTED && worst == ROW_REJECTED);
}

/* -- columns --------------------------------------------------------------- */

struct group {
    const struct row *rows;
    size_t n;
    enum status worst;
    double *v; /* room for n */
};

/* One column of the rows used, without what is not known. */
static size_t
column(struct group *g, size_t offset)
{
    size_t used = 0;

    for (size_t i = 0; i < g->n; i++) {
        double d;

        memcpy(&d, (const char *)&g->rows[i] + offset, sizeof d);
        if (is_used(&g->rows[i], g->worst) && !isnan(d))
            g->v[used++] = d;
    }
    return used;
}

static struct interval
interval_of(struct group *g, size_t offset)
{
    size_t used = column(g, offset);

    return median_interval(g->v, used);
}

static double
median_of(struct group *g, size_t offset)
{
    size_t used = column(g, offset);

    return median(g->v, used);
}

/* Where a round alone says little. */
static double
mean_of(struct group *g, size_t offset)
{
    size_t used = column(g, offset);
    double sum = 0;

    for (size_t i = 0; i < used; i++)
        sum += g->v[i];
    return used > 0 ? sum / (double)used : NAN;
}

#define MEAN(g, member)     mean_of((g), offsetof(struct row, member))
#define SHARE(g, part, all) fmin(1, MEAN(g, part) / MEAN(g, all))
#define INTERVAL(g, member) interval_of((g), offsetof(struct row, member))
#define MEDIAN(g, member)   median_of((g), offsetof(struct row, member))

/* -- lines ----------------------------------------------------------------- */

static void
measured_line(struct group *g, struct line *l)
{
    struct interval p50 = INTERVAL(g, p50_ns);
    struct interval bytes = INTERVAL(g, bytes_per_second);
    struct interval ratio = INTERVAL(g, ratio);
    struct interval own = INTERVAL(g, own_ratio);
    struct interval line = INTERVAL(g, line_ratio);
    const char *floor = g->rows[0].kind == ROW_STREAM
                            ? echo_way_for(g->rows[0].mechanism)
                            : echo_floor_for(g->rows[0].mechanism);

    l->p50_ns = p50.mid;
    l->p50_lo_ns = p50.lo;
    l->p50_hi_ns = p50.hi;
    l->bytes_per_second = bytes.mid;
    l->bytes_lo = bytes.lo;
    l->bytes_hi = bytes.hi;
    l->ratio = ratio.mid;
    l->ratio_lo = ratio.lo;
    l->ratio_hi = ratio.hi;
    l->own_ratio = own.mid;
    l->own_lo = own.lo;
    l->own_hi = own.hi;
    l->line_ratio = line.mid;
    l->line_lo = line.lo;
    l->line_hi = line.hi;
    snprintf(l->floor, sizeof l->floor, "%s",
             floor != NULL && !isnan(own.mid) ? floor : "");
    l->p99_ns = MEDIAN(g, p99_ns);
    l->mean_ns = MEDIAN(g, mean_ns);
    l->per_second = MEDIAN(g, per_second);
    l->voluntary = MEDIAN(g, client_voluntary) + MEDIAN(g, server_voluntary);
    l->involuntary =
        MEDIAN(g, client_involuntary) + MEDIAN(g, server_involuntary);
    l->client_cpu_ns = MEDIAN(g, client_cpu) * 1e9 / l->per_second;
    l->server_cpu_ns = MEDIAN(g, server_cpu) * 1e9 / l->per_second;
    l->client_user_ns = l->client_cpu_ns * SHARE(g, client_user, client_cpu);
    l->server_user_ns = l->server_cpu_ns * SHARE(g, server_user, server_cpu);
    l->cpu = MEDIAN(g, client_cpu) + MEDIAN(g, server_cpu);
    l->faults = MEDIAN(g, client_faults) + MEDIAN(g, server_faults);
    l->fairness = MEDIAN(g, fairness);
    l->client_calls = MEDIAN(g, client_calls);
    l->server_calls = MEDIAN(g, server_calls);
    l->client_instructions = MEDIAN(g, client_instructions);
    l->server_instructions = MEDIAN(g, server_instructions);
    memcpy(l->calls, g->rows[0].calls, sizeof l->calls);
    for (size_t i = 0; i < g->n; i++) {
        if (!is_used(&g->rows[i], g->worst))
            continue;
        l->min_ns = fmin(l->min_ns, g->rows[i].min_ns);
        l->max_ns = fmax(l->max_ns, g->rows[i].max_ns);
        l->batch = g->rows[i].batch;
    }
}

static void
identify(struct line *l, const struct row *r)
{
    memcpy(l->mechanism, r->mechanism, sizeof l->mechanism);
    l->placement = r->placement;
    l->kind = r->kind;
    l->mode = r->mode;
    l->size = r->size;
    l->clients = r->clients;
    l->copy = r->copy;
}

/* The reason of the last row that has one. */
static const char *
reason_of(const struct row *rows, size_t n)
{
    while (n > 0 && rows[n - 1].reason[0] == '\0')
        n--;
    return n > 0 ? rows[n - 1].reason : "";
}

static struct line
line_of(struct group *g)
{
    struct line l = {.batch = 1};
    long ok = count(g->rows, g->n, ROW_OK);

    csv_unknown(line_columns, &l);
    identify(&l, g->rows);
    g->worst = worst_used(g->rows, g->n);
    l.rejected = count(g->rows, g->n, ROW_REJECTED);
    l.failed = count(g->rows, g->n, ROW_FAILED);
    l.used = g->worst == ROW_OK ? ok : ok + l.rejected;
    snprintf(l.reason, sizeof l.reason, "%s", reason_of(g->rows, g->n));
    if (l.used > 0) {
        l.status = g->worst;
        measured_line(g, &l);
    } else {
        l.status = l.failed > 0 ? ROW_FAILED : ROW_ABSENT;
    }
    return l;
}

/* What could be run when the run began, and then not any more. */
static void
note_lacking(struct summary *s, const struct row *r)
{
    if (r->round == 0 || r->status != ROW_ABSENT)
        return;
    s->lacking++;
    snprintf(s->lacks, sizeof s->lacks, "%s", r->reason);
}

int
summarise(struct row *rows, size_t n, struct summary *s)
{
    struct group g = {.v = calloc(n + 1, sizeof *g.v)};

    *s = (struct summary){.lines = calloc(n + 1, sizeof *s->lines)};
    if (g.v == NULL || s->lines == NULL) {
        free(g.v);
        free(s->lines);
        return -ENOMEM;
    }
    qsort(rows, n, sizeof *rows, by_cell_and_round);
    summary_ratios(rows, n);
    for (size_t from = 0; from < n; from += g.n) {
        g.rows = rows + from;
        g.n = group_end(rows, n, from) - from;
        s->lines[s->n] = line_of(&g);
        s->rejected += s->lines[s->n].rejected;
        s->failed += s->lines[s->n].failed;
        s->n++;
    }
    for (size_t i = 0; i < n; i++) {
        s->measured += rows[i].round > 0;
        note_lacking(s, &rows[i]);
        if (rows[i].round > s->rounds)
            s->rounds = rows[i].round;
    }
    free(g.v);
    summary_derive(s);
    return 0;
}

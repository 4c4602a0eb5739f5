/* grids_more.c - the cost model, several clients, the open loop, and perf. */
#include "bench/grid.h"

#include <math.h>
#include <string.h>

#define NUMBER(row, column, v) grid_number((v), (row)->cell[column])

/* -- t(n) = a + 2 n / B --------------------------------------------------------- */

void
grid_model(const struct summary *s, const char *placement, struct grid *g)
{
    g->title = "Cost of a round trip by its size, a + 2 n / B";
    g->placement = placement;
    g->note = "a: what a message costs whatever is in it; B: what its bytes "
              "cost, each way.  Fitted to the medians of all sizes by relative "
              "least squares; worst: the largest relative error of a point.  "
              "n1/2: the size of which half the time is a, half the bytes.";
    memcpy(
        g->head,
        (const char *[]){"a, us", "B, GB/s", "worst error, %", "n1/2, bytes"},
        4 * sizeof *g->head);
    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        struct grid_row *r;

        if (isnan(l->fit_worst) || l->copy != 0 ||
            strcmp(l->placement, placement) != 0)
            continue;
        r = grid_row(g, l->mechanism);
        NUMBER(r, 0, l->fit_ns / 1e3);
        NUMBER(r, 1, l->fit_bytes_per_second / 1e9);
        snprintf(r->cell[2], GRID_CELL, "%.0f", 100 * l->fit_worst);
        NUMBER(r, 3, l->half_bytes);
    }
}

/* -- clients ------------------------------------------------------------------------ */

/* The numbers of clients that were measured, rising. */
static size_t
crowds(const struct summary *s, const char *placement, long *n, size_t room)
{
    size_t count = 0;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        size_t i = 0;

        if (l->used == 0 || strcmp(l->kind, ROW_CLIENTS) != 0 ||
            strcmp(l->placement, placement) != 0)
            continue;
        while (i < count && n[i] < l->clients)
            i++;
        if ((i < count && n[i] == l->clients) || count == room)
            continue;
        memmove(n + i + 1, n + i, (count - i) * sizeof *n);
        n[i] = l->clients;
        count++;
    }
    return count;
}

#define MOST_CROWDS 7

static void
clients_row(const struct summary *s, const struct line *first, const long *n,
            size_t count, struct grid *g)
{
    struct grid_row *r = grid_row(g, first->mechanism);
    const struct line *l = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct line *x =
            summary_find_clients(s, first->mechanism, first->placement, n[i]);

        NUMBER(r, i, x != NULL ? x->per_second / 1e3 : NAN);
        l = x != NULL ? x : l;
    }
    if (l == NULL)
        return;
    NUMBER(r, count, l->per_second / l->predicted);
    NUMBER(r, count + 1, l->p99_ns / 1e3);
    snprintf(r->cell[count + 2], GRID_CELL, "%.3f", l->fairness);
}

void
grid_clients(const struct summary *s, const char *placement, struct grid *g)
{
    long n[MOST_CROWDS];
    size_t count = crowds(s, placement, n, MOST_CROWDS);

    g->title = "Several clients at once, round trips of 64 bytes, thousands/s";
    g->placement = placement;
    g->note = "N clients in closed loops, one server.  Of the last column "
              "measured: x bound: the rate by min(N / R, 1 / D), with the time "
              "R and the CPU time D of a request of one client alone (more "
              "than 1: wake-ups are shared); p99 in us; Jain's index of "
              "fairness: 1 when all get the same, 1/N when one gets all.";
    for (size_t i = 0; i < count; i++) {
        snprintf(g->numbered[i], sizeof g->numbered[i], "N=%ld", n[i]);
        g->head[i] = g->numbered[i];
    }
    g->head[count] = "x bound";
    g->head[count + 1] = "p99";
    g->head[count + 2] = "Jain";
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (count > 0 && l->clients == n[0] && l->used > 0 &&
            strcmp(l->kind, ROW_CLIENTS) == 0 &&
            strcmp(l->placement, placement) == 0)
            clients_row(s, l, n, count, g);
}

/* -- the open loop -------------------------------------------------------------------- */

void
grid_load(const struct summary *s, const char *placement, struct grid *g)
{
    static const struct {
        const char *mode, *says;
    } modes[] = {
        {ROW_CLOSED, "closed loop, from sending"},
        {ROW_SENT, "5000/s, from sending"},
        {ROW_DUE, "5000/s, from when due"},
    };
    struct names all;

    g->title = "A server that stalls 10 ms in every 200 ms: us";
    g->placement = placement;
    g->note = "The same server and the same stalls.  A client that waits for "
              "each reply before it asks again sends nothing during a stall, "
              "so what should have been asked then is missing from its "
              "percentiles (coordinated omission).  Timed from when each "
              "request was due, it is all there: that is latency under load.";
    memcpy(g->head,
           (const char *[]){"p50", "p99", "p99.9", "max", "requests/s"},
           5 * sizeof *g->head);
    summary_mechanisms(s, &all);
    for (size_t i = 0; i < all.n; i++)
        for (size_t j = 0; j < 3; j++) {
            const struct line *l =
                summary_find_load(s, all.name[i], placement, modes[j].mode);
            char name[48];
            struct grid_row *r;

            if (l == NULL)
                continue;
            snprintf(name, sizeof name, "%.18s, %s", all.name[i],
                     modes[j].says);
            r = grid_row(g, name);
            NUMBER(r, 0, l->p50_ns / 1e3);
            NUMBER(r, 1, l->p99_ns / 1e3);
            NUMBER(r, 2, l->p999_ns / 1e3);
            NUMBER(r, 3, l->max_ns / 1e3);
            snprintf(r->cell[4], GRID_CELL, "%.0f", l->per_second);
        }
}

/* -- perf --------------------------------------------------------------------------------- */

void
grid_perf(const struct summary *s, const char *placement, struct grid *g)
{
    const struct line *perf =
        summary_find(s, FLOOR_PERF, placement, ROW_RTT, 4);
    const struct line *bare =
        summary_find(s, FLOOR_PIPE, placement, ROW_RTT, 64);
    struct grid_row *r;

    if (perf == NULL || bare == NULL || perf->used == 0)
        return;
    g->title = "Calibration: a bare pipe by perf bench sched pipe, and ours";
    g->placement = placement;
    g->note = "Means, us a round trip (an operation of perf's is one: a write "
              "and a read on either side).  Two programs that have nothing in "
              "common should agree within 10 %.";
    memcpy(g->head, (const char *[]){"perf", "floor/pipe", "ours / perf"},
           3 * sizeof *g->head);
    r = grid_row(g, "pipe");
    NUMBER(r, 0, perf->mean_ns / 1e3);
    NUMBER(r, 1, bare->mean_ns / 1e3);
    NUMBER(r, 2, bare->mean_ns / perf->mean_ns);
}

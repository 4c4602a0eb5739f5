/* grids.c - what a request asks of the machine, the cost model, several
 * clients, the open loop, and perf. */
#include "bench/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- per request ----------------------------------------------------------- */

static double
setup_us(const struct summary *s, const struct line *l)
{
    for (const struct line *x = s->lines; x < s->lines + s->n; x++)
        if (x->used > 0 && x->kind == ROW_SETUP &&
            strcmp(x->mechanism, l->mechanism) == 0 &&
            x->placement == l->placement)
            return x->p50_ns / 1e3;
    return NAN;
}

/* "1.70/5.20": of all CPU time the part outside the kernel, us; "1014+1465". */
static void
two(double a, char between, double b, int decimals, char cell[GRID_CELL])
{
    char x[GRID_CELL], y[GRID_CELL];

    if (isnan(a) && isnan(b))
        snprintf(cell, GRID_CELL, "-");
    else
        snprintf(cell, GRID_CELL, "%.16s%c%.16s", grid_fixed(a, decimals, x),
                 between, grid_fixed(b, decimals, y));
}

static void
fill_per_request(const struct summary *s, enum where placement, struct grid *g)
{
    const struct line *l = NULL;

    while ((l = summary_next(s, placement, ROW_RTT, l)) != NULL) {
        struct grid_row *r = grid_row(g, l->mechanism);

        GRID_NUMBER(r, 0, l->client_calls);
        GRID_NUMBER(r, 1, l->server_calls);
        two(l->client_instructions, '+', l->server_instructions, 0, r->cell[2]);
        grid_fixed(l->voluntary, 2, r->cell[3]);
        grid_fixed(l->faults, 3, r->cell[4]);
        two(l->client_user_ns / 1e3, '/', l->client_cpu_ns / 1e3,
            l->client_cpu_ns < 1e5 ? 2 : 0, r->cell[5]);
        two(l->server_user_ns / 1e3, '/', l->server_cpu_ns / 1e3,
            l->server_cpu_ns < 1e5 ? 2 : 0, r->cell[6]);
        GRID_NUMBER(r, 7, setup_us(s, l));
    }
}

static const struct grid_type per_request = {
    .title = "What a request of 64 bytes and its reply ask of the machine",
    .note = "calls: system calls of either side, counted with ptrace(2), "
            "apart from the timing, and so are instr., the instructions "
            "outside the kernel, client's + server's (not of those that "
            "spin).  switches: "
            "voluntary context switches of both sides.  faults: page faults.  "
            "user/CPU: us of CPU time of either side, outside the kernel and "
            "in all.  joining: open() and the first reply, us, where measured.",
    .head = {"calls", "+server", "instr.", "switches", "faults", "user/CPU",
             "+server", "joining"},
    .spare = {[4] = 1, [3] = 2},
    .fill = fill_per_request,
};

/* -- t(n) = a + 2 n / B ---------------------------------------------------- */

static void
fill_model(const struct summary *s, enum where placement, struct grid *g)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        struct grid_row *r;

        if (isnan(l->fit_worst) || l->copy != 0 || l->placement != placement)
            continue;
        r = grid_row(g, l->mechanism);
        GRID_NUMBER(r, 0, l->fit_ns / 1e3);
        GRID_NUMBER(r, 1, l->fit_bytes_per_second / 1e9);
        snprintf(r->cell[2], GRID_CELL, "%.0f", 100 * l->fit_worst);
        GRID_NUMBER(r, 3, l->half_bytes);
    }
}

static const struct grid_type model = {
    .title = "Cost of a round trip by its size, a + 2 n / B",
    .note = "a: what a message costs whatever is in it; B: what its bytes "
            "cost, each way.  Fitted to the medians of all sizes by relative "
            "least squares; worst: the largest relative error of a point.  "
            "n1/2: the size of which half the time is a, half the bytes.",
    .head = {"a, us", "B, GB/s", "worst error, %", "n1/2, bytes"},
    .fill = fill_model,
};

/* -- clients --------------------------------------------------------------- */

/* The numbers of clients that were measured, rising. */
static size_t
crowds(const struct summary *s, enum where placement, long *n, size_t room)
{
    size_t count = 0;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        size_t i = 0;

        if (l->used == 0 || l->kind != ROW_CLIENTS || l->placement != placement)
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

        GRID_NUMBER(r, i, x != NULL ? x->per_second / 1e3 : NAN);
        l = x != NULL ? x : l;
    }
    if (l == NULL)
        return;
    GRID_NUMBER(r, count, l->per_second / l->predicted);
    GRID_NUMBER(r, count + 1, l->p99_ns / 1e3);
    snprintf(r->cell[count + 2], GRID_CELL, "%.3f", l->fairness);
}

static void
fill_clients(const struct summary *s, enum where placement, struct grid *g)
{
    long n[MOST_CROWDS];
    size_t count = crowds(s, placement, n, MOST_CROWDS);

    for (size_t i = 0; i < count; i++) {
        snprintf(g->numbered[i], sizeof g->numbered[i], "N=%ld", n[i]);
        g->head[i] = g->numbered[i];
    }
    g->head[count] = "x bound";
    g->head[count + 1] = "p99";
    g->head[count + 2] = "Jain";
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (count > 0 && l->clients == n[0] && l->used > 0 &&
            l->kind == ROW_CLIENTS && l->placement == placement)
            clients_row(s, l, n, count, g);
}

static const struct grid_type clients = {
    .title = "Several clients at once, round trips of 64 bytes, thousands/s",
    .note = "N clients in closed loops, one server.  Of the last column "
            "measured: x bound: the rate by min(N / R, 1 / D), with the time "
            "R and the CPU time D of a request of one client alone (more "
            "than 1: wake-ups are shared); p99 in us; Jain's index of "
            "fairness: 1 when all get the same, 1/N when one gets all.",
    .fill = fill_clients,
};

/* -- the open loop --------------------------------------------------------- */

static void
fill_load(const struct summary *s, enum where placement, struct grid *g)
{
    static const struct {
        enum mode mode;
        const char *says;
    } modes[] = {
        {ROW_CLOSED, "closed loop, from sending"},
        {ROW_SENT, "5000/s, from sending"},
        {ROW_DUE, "5000/s, from when due"},
    };
    struct names all;

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
            GRID_NUMBER(r, 0, l->p50_ns / 1e3);
            GRID_NUMBER(r, 1, l->p99_ns / 1e3);
            GRID_NUMBER(r, 2, l->p999_ns / 1e3);
            GRID_NUMBER(r, 3, l->max_ns / 1e3);
            snprintf(r->cell[4], GRID_CELL, "%.0f", l->per_second);
        }
}

static const struct grid_type load = {
    .title = "A server that stalls 10 ms in every 200 ms: us",
    .note = "The same server and the same stalls.  A client that waits for "
            "each reply before it asks again sends nothing during a stall, "
            "so what should have been asked then is missing from its "
            "percentiles (coordinated omission).  Timed from when each "
            "request was due, it is all there: that is latency under load.",
    .head = {"p50", "p99", "p99.9", "max", "requests/s"},
    .spare = {[4] = 1, [2] = 2},
    .fill = fill_load,
};

/* -- perf ------------------------------------------------------------------ */

static void
fill_perf(const struct summary *s, enum where placement, struct grid *g)
{
    const struct line *perf =
        summary_find(s, FLOOR_PERF, placement, ROW_RTT, 4);
    const struct line *bare =
        summary_find(s, FLOOR_PIPE, placement, ROW_RTT, 64);
    struct grid_row *r;

    if (perf == NULL || bare == NULL || perf->used == 0)
        return;
    r = grid_row(g, "pipe");
    GRID_NUMBER(r, 0, perf->mean_ns / 1e3);
    GRID_NUMBER(r, 1, bare->mean_ns / 1e3);
    GRID_NUMBER(r, 2, bare->mean_ns / perf->mean_ns);
}

static const struct grid_type perf = {
    .title = "Calibration: a bare pipe by perf bench sched pipe, and ours",
    .note = "Means, us a round trip (an operation of perf's is one: a write "
            "and a read on either side).  Two programs that have nothing in "
            "common should agree within 10 %.",
    .head = {"perf", "floor/pipe", "ours / perf"},
    .fill = fill_perf,
};

/* -- all of them ----------------------------------------------------------- */

/* run.json's words for a placement, or NULL. */
static const char *
says_of(const json_t *run, enum where placement)
{
    const json_t *all =
        json_object_get(json_object_get(run, "run"), "placements");

    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *p = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(p, "name"));

        if (name != NULL && strcmp(name, where_words[placement]) == 0)
            return json_string_value(json_object_get(p, "says"));
    }
    return NULL;
}

void
grids(const struct summary *s, enum grid_part part, const json_t *run,
      void (*put)(const struct grid *, FILE *), FILE *f)
{
    static const struct grid_type *const types[] = {&grid_trips,
                                                    &grid_trips_by_size,
                                                    &grid_streams_by_size,
                                                    &grid_overhead,
                                                    &per_request,
                                                    &model,
                                                    &clients,
                                                    &load,
                                                    &perf};
    struct grid *g = malloc(sizeof *g);
    struct places placements;

    summary_placements(s, &placements);
    for (size_t i = 0; g != NULL && i < sizeof types / sizeof *types; i++) {
        const char *note = types[i]->note;
        enum grid_part its = i == 0 ? GRID_HEADLINE : GRID_OTHERS;

        for (size_t j = 0; (part & its) != 0 && j < placements.n; j++) {
            *g = (struct grid){.title = types[i]->title,
                               .note = note,
                               .placement = placements.at[j],
                               .on_paper = types[i]->on_paper,
                               .says = says_of(run, placements.at[j])};
            memcpy(g->head, types[i]->head, sizeof g->head);
            memcpy(g->spare, types[i]->spare, sizeof g->spare);
            types[i]->fill(s, placements.at[j], g);
            if (g->rows == 0)
                continue;
            put(g, f);
            note = NULL; /* once, not with every placement */
        }
    }
    free(g);
}

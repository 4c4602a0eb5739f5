/* cells.c - which cells a mechanism has, and what they are compared with. */
#include "bench/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Payloads, bytes.  Where a mechanism cannot carry one of them it is measured
 * once more at the largest it can. */
static const size_t rtt_sizes[] = {64, 1024, 4096, 65536, 1048576, 0};
static const size_t stream_sizes[] = {64, 4096, 65536, 1048576, 0};

/* -- growing ------------------------------------------------------------------ */

/* Room for one more at the end of an array that grows by doubling, or NULL. */
static void *
one_more(void **array, size_t *n, size_t size)
{
    if ((*n & (*n - 1)) == 0) {
        void *more = realloc(*array, (*n == 0 ? 1 : 2 * *n) * size);

        if (more == NULL)
            return NULL;
        *array = more;
    }
    return (char *)*array + size * (*n)++;
}

static int
add_cell(struct plan *p, struct cell c)
{
    void *cells = p->cells;
    struct cell *at = one_more(&cells, &p->cell_count, sizeof *at);

    p->cells = cells;
    if (at == NULL)
        return -ENOMEM;
    *at = c;
    return 0;
}

int
plan_absent(struct plan *p, const struct ipc_mechanism *m,
            const char *placement, const char *kind, const char *reason)
{
    void *rows = p->absent;
    struct row *r = one_more(&rows, &p->absent_count, sizeof *r);

    p->absent = rows;
    if (r == NULL)
        return -ENOMEM;
    *r = row_empty();
    snprintf(r->mechanism, sizeof r->mechanism, "%s", m->name);
    snprintf(r->placement, sizeof r->placement, "%s", placement);
    snprintf(r->kind, sizeof r->kind, "%s", kind);
    snprintf(r->status, sizeof r->status, ROW_ABSENT);
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    return 0;
}

/* -- cells --------------------------------------------------------------------- */

/* One cell for every size that fits, and one at the limit if not all do. */
static int
add_sizes(struct plan *p, struct cell c, const size_t *sizes)
{
    size_t largest = session_largest(c.m), before = 0;
    int err = 0;

    for (; err == 0 && *sizes != 0; before = *sizes++) {
        c.size = *sizes <= largest ? *sizes : largest;
        if (c.size > before + before / 8) /* or it would tell nothing new */
            err = add_cell(p, c);
        if (*sizes > largest)
            break;
    }
    return err;
}

/* Why m cannot be measured at this placement, or NULL. */
static const char *
not_there(const struct ipc_mechanism *m, const struct placement *pl,
          int cpus_allowed)
{
    if ((m->caps & IPC_SPINS) && (pl->together || cpus_allowed < 2))
        return "spins: on one CPU each side would wait for its whole time "
               "slice";
    if ((m->caps & IPC_CALLED) && !pl->together)
        return "a function call: there is no second side";
    return NULL;
}

static const char *
no_round_trip(const struct ipc_mechanism *m)
{
    return m->caps & IPC_ONEWAY ? "one-way: there is no way back" : NULL;
}

static const char *
no_stream(const struct ipc_mechanism *m)
{
    return m->caps & IPC_ONEWAY
               ? "one-way: no reply says when the last message was taken"
               : NULL;
}

int
plan_cells(struct plan *p, const struct ipc_mechanism *m,
           const struct placement *pl, int allowed)
{
    struct cell c = {.name = m->name, .m = m, .placement = pl};
    const char *reason = not_there(m, pl, allowed), *why;
    int err;

    c.kind = ROW_RTT;
    c.measure = measure_rtt;
    why = reason != NULL ? reason : no_round_trip(m);
    err = why != NULL ? plan_absent(p, m, pl->name, ROW_RTT, why)
                      : add_sizes(p, c, rtt_sizes);
    if (err != 0)
        return err;
    c.kind = ROW_STREAM;
    c.measure = measure_stream;
    why = reason != NULL ? reason : no_stream(m);
    return why != NULL ? plan_absent(p, m, pl->name, ROW_STREAM, why)
                       : add_sizes(p, c, stream_sizes);
}

/* Is this floor there already? */
static bool
has_floor(const struct plan *p, const struct cell *c)
{
    for (size_t i = 0; i < p->cell_count; i++) {
        const struct cell *f = &p->cells[i];

        if (f->measure == c->measure && f->size == c->size &&
            f->placement == c->placement)
            return true;
    }
    return false;
}

/* A floor of the same size for every cell: for a round trip the bare pipe at
 * the same placement, for a stream memcpy. */
int
plan_floors(struct plan *p)
{
    size_t n = p->cell_count;
    int err = 0;

    for (size_t i = 0; err == 0 && i < n; i++) {
        struct cell c = p->cells[i]; /* add_cell() moves the array */
        bool rtt = c.measure == measure_rtt;

        c.m = NULL;
        c.name = rtt ? "floor/pipe" : "floor/memcpy";
        c.measure = rtt ? floor_pipe : floor_memcpy;
        c.placement = rtt ? c.placement : p->placements[0];
        if (!has_floor(p, &c))
            err = add_cell(p, c);
    }
    if (err == 0)
        err = add_cell(p, (struct cell){.name = "floor/clock",
                                        .placement = p->placements[0],
                                        .kind = ROW_RTT,
                                        .measure = floor_clock});
    return err;
}

/* The A/A pair: the first round trips of the first real mechanism again, as if
 * they were another's.  What differs between the two is noise. */
int
plan_pair(struct plan *p)
{
    const struct ipc_mechanism *m = NULL;
    size_t n = p->cell_count;
    int err = 0;

    for (size_t i = 0; i < p->mechanism_count; i++) {
        unsigned caps = p->mechanisms[i]->caps;

        if (caps & (IPC_ONEWAY | IPC_SPINS))
            continue;
        if (m == NULL || ((m->caps & IPC_INPROCESS) && !(caps & IPC_INPROCESS)))
            m = p->mechanisms[i];
    }
    for (size_t i = 0; m != NULL && err == 0 && i < n; i++) {
        struct cell c = p->cells[i];

        c.copy = 1;
        if (c.m == m && c.measure == measure_rtt && c.size == rtt_sizes[0])
            err = add_cell(p, c);
    }
    return err;
}

/* plan_floors.c - the cells that the others are compared with: floors, the
 * A/A pair; and which have their system calls counted. */
#include "bench/plan.h"

#include "bench/echo.h"

#include <string.h>

/* Adds a floor, unless it is there already. */
static int
add_floor(struct plan *p, struct cell c, const char *name,
          int (*measure)(struct bench *, struct cell *, struct row *))
{
    c.m = NULL;
    c.name = name;
    c.measure = measure;
    c.batch = 0;
    for (size_t i = 0; i < p->cell_count; i++) {
        struct cell *f = &p->cells[i];

        if (f->size == c.size && f->placement == c.placement &&
            strcmp(f->name, name) == 0) {
            f->rounds = c.rounds > f->rounds ? c.rounds : f->rounds;
            return 0;
        }
    }
    return plan_add(p, c);
}

/* The bare echo with the same system calls, at the main sizes. */
static int
add_own_floor(struct plan *p, const struct cell *c)
{
    const char *own = echo_floor_for(c->name);

    if (own == NULL || !plan_is_main(c->size))
        return 0;
    if (echo_plain(own) != NULL) {
        int err = add_floor(p, *c, echo_plain(own), floor_echo);

        if (err != 0)
            return err;
    }
    return add_floor(p, *c, own, floor_echo);
}

/* A bare ring for those that send through one. */
static int
add_way_floors(struct plan *p, const struct cell *c)
{
    int err;

    if (echo_way_for(c->name) == NULL)
        return 0;
    err = add_floor(p, *c, FLOOR_RING, floor_ring);
    return err != 0 ? err : add_floor(p, *c, FLOOR_COPY, floor_copy);
}

/* What the floors themselves rest on: the clock, the interruptions, and an
 * independent program's word for the bare pipe. */
static int
add_probes(struct plan *p)
{
    struct cell c = {.placement = p->placements[0],
                     .kind = ROW_RTT,
                     .clients = 1,
                     .weight = 1,
                     .rounds = FEWER};
    int err = add_floor(p, c, "floor/clock", floor_clock);

    c.kind = ROW_GAPS;
    if (err == 0)
        err = add_floor(p, c, FLOOR_GAPS, floor_gaps);
    c.kind = ROW_RTT;
    c.size = 4; /* an int */
    if (err == 0 && floor_perf_is_there())
        err = add_floor(p, c, FLOOR_PERF, floor_perf);
    return err;
}

/* For every cell what it is compared with: for a round trip the bare pipe at
 * the same placement and the bare echo with its own system calls, for a stream
 * memcpy, and a bare ring where it is one. */
int
plan_floors(struct plan *p)
{
    size_t n = p->cell_count;
    int err = 0;

    for (size_t i = 0; err == 0 && i < n; i++) {
        struct cell c = p->cells[i]; /* plan_add() moves the array */

        if (c.measure == measure_rtt) {
            err = add_floor(p, c, FLOOR_PIPE, floor_echo);
            if (err == 0)
                err = add_own_floor(p, &c);
        } else if (c.measure == measure_stream) {
            err = add_way_floors(p, &c);
            c.placement = p->placements[0];
            if (err == 0)
                err = add_floor(p, c, FLOOR_MEMCPY, floor_memcpy);
        }
    }
    return err == 0 ? add_probes(p) : err;
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
        if (c.m == m && c.measure == measure_rtt && c.size == 64)
            err = plan_add(p, c);
    }
    return err;
}

bool
plan_is_counted(const struct plan *p, size_t i)
{
    const struct cell *c = &p->cells[i];

    if (c->size != 64 ||
        (c->measure != measure_rtt && c->measure != floor_echo) || c->copy != 0)
        return false;
    for (size_t j = 0; j < i; j++)
        if (p->cells[j].size == 64 && p->cells[j].measure == c->measure &&
            strcmp(p->cells[j].name, c->name) == 0)
            return false;
    return true;
}

/* plan_cells.c - which cells a mechanism has. */
#include "bench/peer.h"
#include "bench/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const size_t stream_sizes[] = {64, 4096, 65536, 1048576, 0};

/* -- growing --------------------------------------------------------------- */

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

int
plan_add(struct plan *p, struct cell c)
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
plan_absent(struct plan *p, const char *name, enum where placement,
            enum kind kind, const char *reason)
{
    void *rows = p->absent;
    struct row *r = one_more(&rows, &p->absent_count, sizeof *r);

    p->absent = rows;
    if (r == NULL)
        return -ENOMEM;
    *r = row_empty();
    snprintf(r->mechanism, sizeof r->mechanism, "%s", name);
    r->placement = placement;
    r->kind = kind;
    r->status = ROW_ABSENT;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    return 0;
}

/* -- cells ----------------------------------------------------------------- */

/* 64 bytes, and 4 KiB or what the mechanism carries instead. */
bool
plan_is_main(size_t size)
{
    return size == 64 || (size > 2048 && size <= 4096);
}

/* How often and how long: what the headlines rest on is measured most. */
static struct cell
at_its_pace(const struct plan *p, struct cell c)
{
    if (c.kind == ROW_RTT && plan_is_main(c.size))
        c.rounds = ALL_ROUNDS;
    else
        c.rounds = FEWER;
    c.weight = p->full && c.kind == ROW_RTT && c.size == 64 ? 4 : 1;
    return c;
}

/* One cell for every size that fits, and one at the limit if not all do. */
static int
add_sizes(struct plan *p, struct cell c, const size_t *sizes)
{
    size_t largest = pair_largest(c.m), before = 0;
    int err = 0;

    for (; err == 0 && *sizes != 0; before = *sizes++) {
        c.size = *sizes <= largest ? *sizes : largest;
        if (c.size > before + before / 8) /* or it would tell nothing new */
            err = plan_add(p, at_its_pace(p, c));
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

/* Joining, where both sides share a CPU, or where there is no such place. */
static int
add_setup(struct plan *p, struct cell c)
{
    if (c.placement != p->placements[0] || (c.m->caps & IPC_ONEWAY))
        return 0;
    c.kind = ROW_SETUP;
    c.measure = measure_setup;
    c.size = 64;
    c.rounds = FEWER;
    return plan_add(p, c);
}

static int
add_clients(struct plan *p, struct cell c)
{
    struct ipc_limits l;
    int err = 0;

    if ((c.m->caps & (IPC_ONEWAY | IPC_SPAWNED | IPC_INPROCESS)) ||
        c.m->limits(&l) != 0 ||
        !(p->full || p->wanted[0] != NULL ||
          (c.m->samples & IPC_SAMPLE_CLIENTS)))
        return 0;
    c.kind = ROW_CLIENTS;
    c.measure = measure_clients;
    c.size = 64;
    c.rounds = p->full ? FEWER : FEW;
    c.weight = 4; /* time for everybody to have had a turn or two */
    for (const long *n = p->clients; err == 0 && *n != 0; n++) {
        c.clients = *n;
        if ((unsigned long)*n <= l.max_clients)
            err = plan_add(p, c);
    }
    return err;
}

/* The open loop, at one placement: the one where the client has a CPU to
 * itself, if there is one. */
static int
add_load(struct plan *p, struct cell c)
{
    static const enum mode modes[] = {ROW_CLOSED, ROW_SENT, ROW_DUE};
    int err = 0;

    if (c.placement != p->placements[p->placement_count > 1] ||
        (c.m->caps & (IPC_ONEWAY | IPC_SPAWNED | IPC_INPROCESS)) ||
        !(c.m->samples & IPC_SAMPLE_LOAD))
        return 0;
    c.kind = ROW_LOAD;
    c.measure = measure_load;
    c.size = 64;
    c.rounds = 2;
    c.ns = p->budget < LOAD_BUDGET ? 0 : LOAD_NS;
    for (size_t i = 0; err == 0 && i < sizeof modes / sizeof *modes; i++) {
        c.mode = modes[i];
        err = plan_add(p, c);
    }
    return err;
}

int
plan_add_peer(struct plan *p, const struct peer *peer, enum kind kind,
              int64_t ns)
{
    struct cell c = {.name = peer->name,
                     .command = peer->command,
                     .kind = kind,
                     .measure = measure_peer,
                     .size = 64,
                     .clients = 1,
                     .rounds = ALL_ROUNDS,
                     .weight = 1,
                     .ns = ns};
    int err = 0;

    for (size_t i = 0; err == 0 && i < p->placement_count; i++) {
        c.placement = p->placements[i];
        err = plan_add(p, c);
    }
    return err;
}

int
plan_drop_peer(struct plan *p, const struct peer *peer, const char *reason)
{
    return plan_absent(p, peer->name, ANYWHERE, ROW_ANY_KIND, reason);
}

int
plan_cells(struct plan *p, const struct ipc_mechanism *m,
           const struct placement *pl, int allowed)
{
    struct cell c = {
        .name = m->name, .m = m, .placement = pl, .clients = 1, .weight = 1};
    const char *reason = not_there(m, pl, allowed), *why;
    int err;

    c.kind = ROW_RTT;
    c.measure = measure_rtt;
    why = reason != NULL ? reason : no_round_trip(m);
    err = why != NULL ? plan_absent(p, m->name, pl->where, ROW_RTT, why)
                      : add_sizes(p, c, p->sizes);
    if (err != 0)
        return err;
    if (why == NULL)
        err = add_setup(p, c);
    if (err == 0 && why == NULL)
        err = add_clients(p, c);
    if (err == 0 && why == NULL)
        err = add_load(p, c);
    if (err != 0)
        return err;
    c.kind = ROW_STREAM;
    c.measure = measure_stream;
    why = reason != NULL ? reason : no_stream(m);
    return why != NULL ? plan_absent(p, m->name, pl->where, ROW_STREAM, why)
                       : add_sizes(p, c, stream_sizes);
}

/* plan.c - what a run is going to measure, and where. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/plan.h"

#include "core/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The budget unless told otherwise, s: for each mechanism, and for all of them
 * at most; of a full run, so many times that. */
#define BUDGET_EACH 5.0
#define BUDGET_FULL 8.0

#define ROUNDS      9
#define ROUNDS_FULL 25

static const size_t usual_sizes[] = {64, 1024, 4096, 65536, 1048576, 0};
static const size_t full_sizes[] = {
    64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 1048576, 0};
static const long usual_clients[] = {1, 2, 4, 8, 0};
static const long full_clients[] = {1, 2, 4, 8, 16, 0};

/* -- choosing -------------------------------------------------------------- */

/* "pipe/packet" is that one, "pipe" and "pipe/" are all of the directory. */
static bool
is_called(const struct ipc_mechanism *m, const char *name)
{
    size_t n = strlen(name);

    if (n > 0 && name[n - 1] == '/')
        n--;
    return n > 0 && strncmp(m->name, name, n) == 0 &&
           (m->name[n] == '/' || (m->name[n] == '\0' && name[n] == '\0'));
}

bool
plan_chooses(const char *const *names, const struct ipc_mechanism *m)
{
    if (names[0] == NULL)
        return true;
    for (; *names != NULL; names++)
        if (is_called(m, *names))
            return true;
    return false;
}

bool
plan_names(const struct plan *p, const struct ipc_mechanism *m)
{
    const char *const *name = p->wanted;

    while (*name != NULL && strcmp(*name, m->name) != 0)
        name++;
    return *name != NULL;
}

static int
choose_mechanisms(struct plan *p, const struct plan_options *o,
                  const char **who)
{
    size_t all = 0, j;
    int err = 0;

    while (ipc_registry[all] != NULL)
        all++;
    for (const char *const *name = o->mechanisms; *name != NULL; name++) {
        for (j = 0; j < all && !is_called(ipc_registry[j], *name); j++)
            continue;
        *who = *name;
        if (j == all)
            return -ENOENT;
    }
    p->mechanisms = calloc(all + 1, sizeof(struct ipc_mechanism *));
    if (p->mechanisms == NULL)
        return -ENOMEM;
    for (j = 0; err == 0 && j < all; j++) {
        const struct ipc_mechanism *m = ipc_registry[j];
        const char *reason = ipc_unavailable(m);

        if (!plan_chooses(o->mechanisms, m) ||
            (o->mechanisms[0] == NULL && (m->caps & IPC_TEXTBOOK)))
            continue; /* the budget is for those that claim more */
        if (reason == NULL)
            p->mechanisms[p->mechanism_count++] = m;
        else
            err = plan_absent(p, m->name, ANYWHERE, ROW_ANY_KIND, reason);
    }
    return err;
}

static int
add_placement(struct plan *p, struct cpus *cpus, const char *name)
{
    const struct placement *pl = placement_find(cpus, name);
    size_t i = 0;

    if (pl == NULL)
        return -ENOENT;
    if (pl->reason[0] != '\0')
        return -EOPNOTSUPP;
    while (i < p->placement_count && p->placements[i] != pl)
        i++;
    p->placements[i] = pl;
    p->placement_count += i == p->placement_count;
    return 0;
}

/* Without a wish: on one CPU, which runs anywhere, and on two, awake if that
 * can be had; in a full run wherever it can be had. */
static int
choose_placements(struct plan *p, const struct plan_options *o,
                  struct cpus *cpus, const char **who)
{
    bool awake;
    int err = 0;

    for (const char *const *name = o->placements; *name != NULL; name++) {
        *who = *name;
        err = add_placement(p, cpus, *name);
        if (err != 0)
            return err;
    }
    if (p->placement_count > 0)
        return 0;
    if (add_placement(p, cpus, "one-cpu") != 0)
        return -EOPNOTSUPP;
    awake = add_placement(p, cpus, "two-cpu-awake") == 0;
    if (!awake || p->full)
        add_placement(p, cpus, "two-cpu");
    if (p->full)
        add_placement(p, cpus, "free");
    return 0;
}

static void
choose_extent(struct plan *p, const struct plan_options *o)
{
    double most = o->full ? BUDGET_FULL : 1;

    p->full = o->full;
    p->wanted = o->mechanisms;
    p->duration = o->duration;
    p->rounds = o->rounds > 0 ? o->rounds : o->full ? ROUNDS_FULL : ROUNDS;
    p->sizes = o->sizes != NULL ? o->sizes : o->full ? full_sizes : usual_sizes;
    p->clients = o->clients != NULL ? o->clients
                 : o->full          ? full_clients
                                    : usual_clients;
    p->budget = o->budget;
    if (p->budget <= 0)
        p->budget =
            most * fmin(BUDGET_EACH * (double)p->mechanism_count, BUDGET_MOST);
}

int
plan_make(struct plan *p, const struct plan_options *o, struct cpus *cpus,
          const char **who)
{
    int err;

    *p = (struct plan){.cpus = cpus, .share = 1};
    err = choose_mechanisms(p, o, who);
    choose_extent(p, o);
    if (err == 0)
        err = choose_placements(p, o, cpus, who);
    for (size_t i = 0; err == 0 && i < p->mechanism_count; i++)
        for (size_t j = 0; err == 0 && j < p->placement_count; j++)
            err = plan_cells(p, p->mechanisms[i], p->placements[j],
                             cpus->allowed);
    if (err == 0)
        err = plan_pair(p);
    if (err == 0)
        err = plan_floors(p);
    if (err != 0)
        plan_free(p);
    return err;
}

/* Which distributions are kept whole: those of 64 bytes, and of the loads. */
static bool
is_pooled(const struct cell *c)
{
    if (c->copy != 0 || c->size != 64)
        return false;
    return c->measure == measure_rtt || c->measure == measure_load ||
           strcmp(c->name, FLOOR_PIPE) == 0;
}

int
plan_pools(struct plan *p)
{
    for (size_t i = 0; i < p->cell_count; i++) {
        struct cell *c = &p->cells[i];

        if (!is_pooled(c))
            continue;
        c->pool = malloc(sizeof *c->pool);
        if (c->pool == NULL)
            return -ENOMEM;
        histogram_clear(c->pool);
    }
    return 0;
}

void
plan_free(struct plan *p)
{
    for (size_t i = 0; i < p->cell_count; i++)
        free(p->cells[i].pool);
    free(p->mechanisms);
    free(p->cells);
    free(p->absent);
    *p = (struct plan){.rounds = 0};
}

int
plan_drop(struct plan *p, const struct ipc_mechanism *m, const char *reason)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->cell_count; i++)
        if (p->cells[i].m != m)
            p->cells[kept++] = p->cells[i];
        else
            free(p->cells[i].pool);
    p->cell_count = kept;
    return plan_absent(p, m->name, ANYWHERE, ROW_ANY_KIND, reason);
}

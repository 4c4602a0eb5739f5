/* plan.c - what a run is going to measure, where, and for how long. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/plan.h"

#include "core/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The budget unless told otherwise, s: for each mechanism, and for all of them
 * at most. */
#define BUDGET_EACH 5.0
#define BUDGET_MOST 90.0

/* A cell of less than this, ns, says nothing. */
#define CELL_LEAST (2 * NS_PER_MS)

/* -- choosing -------------------------------------------------------------------- */

/* "pipe/packet" is that one, "pipe" all of the directory. */
static bool
is_called(const struct ipc_mechanism *m, const char *name)
{
    size_t n = strlen(name);

    return strncmp(m->name, name, n) == 0 &&
           (m->name[n] == '\0' || m->name[n] == '/');
}

static bool
is_chosen(const struct ipc_mechanism *m, const char *const *names)
{
    if (names[0] == NULL)
        return true;
    for (; *names != NULL; names++)
        if (is_called(m, *names))
            return true;
    return false;
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

        if (!is_chosen(m, o->mechanisms))
            continue;
        if (reason == NULL)
            p->mechanisms[p->mechanism_count++] = m;
        else
            err = plan_absent(p, m, "", "", reason);
    }
    return err;
}

/* Without a wish: on one CPU, which runs anywhere, and on two, awake if that
 * can be had. */
static int
choose_placements(struct plan *p, const struct plan_options *o,
                  struct cpus *cpus, const char **who)
{
    const char *usual[] = {"one-cpu", "two-cpu-awake", NULL};
    const char *const *name = o->placements;

    if (*name == NULL) {
        if (placement_find(cpus, usual[1])->reason[0] != '\0')
            usual[1] = "two-cpu";
        if (placement_find(cpus, usual[1])->reason[0] != '\0')
            usual[1] = NULL;
        name = usual;
    }
    for (; *name != NULL; name++) {
        const struct placement *pl = placement_find(cpus, *name);
        size_t i = 0;

        *who = *name;
        if (pl == NULL)
            return -ENOENT;
        if (pl->reason[0] != '\0')
            return -EOPNOTSUPP;
        while (i < p->placement_count && p->placements[i] != pl)
            i++;
        p->placements[i] = pl;
        p->placement_count += i == p->placement_count;
    }
    return 0;
}

int
plan_make(struct plan *p, const struct plan_options *o, struct cpus *cpus,
          const char **who)
{
    int err;

    *p = (struct plan){.rounds = o->rounds, .budget = o->budget, .cpus = cpus};
    err = choose_mechanisms(p, o, who);
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
    if (p->budget <= 0)
        p->budget = fmin(BUDGET_EACH * (double)p->mechanism_count, BUDGET_MOST);
    if (err != 0)
        plan_free(p);
    return err;
}

void
plan_free(struct plan *p)
{
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
    p->cell_count = kept;
    return plan_absent(p, m, "", "", reason);
}

/* -- time --------------------------------------------------------------------- */

static int64_t
at_least(double ns)
{
    return ns > (double)CELL_LEAST ? (int64_t)ns : CELL_LEAST;
}

int64_t
plan_cell_time(const struct plan *p, int64_t spent, const int64_t *startup)
{
    double left = p->budget * (double)NS_PER_SEC - (double)spent;
    double rounds = (double)p->rounds;

    for (size_t i = 0; i < p->cell_count; i++)
        for (size_t j = 0; j < p->mechanism_count; j++)
            if (p->cells[i].m == p->mechanisms[j])
                left -= rounds * (double)startup[j];
    return at_least(left / rounds / (double)p->cell_count);
}

int64_t
plan_next_cell_time(const struct plan *p, int64_t cell_ns, int64_t spent,
                    int64_t round_ns, long rounds_left)
{
    double cells = (double)p->cell_count;
    double overhead = (double)round_ns - cells * (double)cell_ns;
    double left = p->budget * (double)NS_PER_SEC - (double)spent;

    if (rounds_left < 1)
        return cell_ns;
    return at_least((left / (double)rounds_left - overhead) / cells);
}

/* -- printing ------------------------------------------------------------------- */

const char *
size_name(size_t size, char buf[SIZE_NAME])
{
    if (size >= 1048576 && size % 1048576 == 0)
        snprintf(buf, SIZE_NAME, "%zu MiB", size / 1048576);
    else if (size >= 1024 && size % 1024 == 0)
        snprintf(buf, SIZE_NAME, "%zu KiB", size / 1024);
    else
        snprintf(buf, SIZE_NAME, "%zu B", size);
    return buf;
}

/* Those that are used and where, and those that cannot be. */
static void
print_placements(const struct plan *p, FILE *f)
{
    for (size_t i = 0; i < p->placement_count; i++) {
        const struct placement *pl = p->placements[i];

        fprintf(f, "  %-14s %s", pl->name, pl->says);
        if (pl->together)
            fprintf(f, ": CPU %d", pl->client);
        else if (pl->client != -1)
            fprintf(f, ": client on CPU %d, server on CPU %d", pl->client,
                    pl->server);
        fputc('\n', f);
    }
    for (size_t i = 0; i < PLACEMENTS; i++) {
        const struct placement *pl = &p->cpus->placements[i];

        if (pl->reason[0] != '\0')
            fprintf(f, "  %-14s not here: %s\n", pl->name, pl->reason);
    }
}

void
plan_print(const struct plan *p, const char *dir, uint64_t seed, FILE *f)
{
    fprintf(f,
            "%zu mechanisms, %zu cells, %ld rounds in random order, about "
            "%.0f s; seed %ju\n",
            p->mechanism_count, p->cell_count, p->rounds, p->budget,
            (uintmax_t)seed);
    print_placements(p, f);
    fprintf(f, "  round trips    echo of 64 B, 1 KiB, 4 KiB, 64 KiB, 1 MiB, or "
               "the largest that fits\n"
               "  one way        64 B, 4 KiB, 64 KiB, 1 MiB, as fast as it is "
               "taken\n"
               "  floor          bare pipe echo, memcpy, clock, in every "
               "round\n");
    fprintf(f, "  results        %s\n", dir);
}

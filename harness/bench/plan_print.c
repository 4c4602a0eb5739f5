/* plan_print.c - what a run is going to do, before it does it. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/plan.h"

#include "core/wrap.h"

#include <string.h>

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

static void
print_sizes(const size_t *sizes, FILE *f)
{
    char name[SIZE_NAME];
    int column = fprintf(f, "  round trips    echo of");

    for (; *sizes != 0; sizes++) {
        column += fprintf(f, " %s%s", size_name(*sizes, name),
                          sizes[1] != 0 ? "," : "");
        if (column > wrap_columns() - 15)
            column = fprintf(f, "\n%16s", "");
    }
    fprintf(f, ",%sor the largest that fits\n",
            column > wrap_columns() - 30 ? "\n                 " : " ");
}

static long
count_cells(const struct plan *p, enum kind kind)
{
    long n = 0;

    for (size_t i = 0; i < p->cell_count; i++)
        if (p->cells[i].kind == kind)
            n++;
    return n;
}

/* What each part of the run has of the budget: as planned, before anything has
 * been measured. */
static void
print_time(const struct plan *p, FILE *f)
{
    double runs = 0;

    for (size_t i = 0; i < p->cell_count; i++)
        runs += plan_times_left(p, &p->cells[i], 0);
    fprintf(f, "  time           ");
    if (p->duration > 0)
        fprintf(f, "%.0f cells of %.0f ms and what they take to start\n", runs,
                p->duration * 1e3);
    else
        fprintf(f,
                "about %.3g s: checks, %.0f cells, charts and report (%.0f s "
                "on an idle machine)\n",
                p->budget, runs, plan_report_time(p));
}

void
plan_print(const struct plan *p, const char *dir, uint64_t seed, FILE *f)
{
    fprintf(f,
            "%zu mechanisms, %zu cells, %ld rounds in random order; seed %ju\n",
            p->mechanism_count, p->cell_count, p->rounds, (uintmax_t)seed);
    print_time(p, f);
    print_placements(p, f);
    print_sizes(p->sizes, f);
    fputs("  one way        64 B, 4 KiB, 64 KiB, 1 MiB, as fast as it is "
          "taken\n"
          "  floors         ",
          f);
    wrap(f,
         "bare echoes with the same system calls, memcpy, clock, in the same "
         "rounds",
         17, wrap_columns());
    if (count_cells(p, ROW_CLIENTS) > 0)
        fprintf(f, "  clients        several at once, 64 B: %ld cells\n",
                count_cells(p, ROW_CLIENTS));
    if (count_cells(p, ROW_LOAD) > 0)
        fputs("  load           64 B by a schedule, to a server that stalls\n",
              f);
    fprintf(f, "  results        %s\n", dir);
}

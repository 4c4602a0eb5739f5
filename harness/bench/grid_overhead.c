/*
 * grid_overhead.c - what the protocol costs over the bare system calls, and
 * where that is much, which calls it makes beside them.
 */
#include "bench/grid.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GOAL 1.05

/* Its second main size: 4 KiB, or what it carries instead. */
static const struct line *
larger(const struct summary *s, const struct line *at64)
{
    const struct line *found = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && l->copy == 0 && l->size > 64 && l->size <= 4096 &&
            (found == NULL || l->size > found->size) && !isnan(l->own_ratio) &&
            l->kind == ROW_RTT && strcmp(l->mechanism, at64->mechanism) == 0 &&
            l->placement == at64->placement)
            found = l;
    return found;
}

/* How often `name` is called on one side, by the text that trace_text() wrote:
 * "client: 1 read, 1 write; server: ...". */
static double
calls_of(const char *text, const char *name, size_t len)
{
    for (const char *at = text; (at = strstr(at, name)) != NULL; at++) {
        const char *number = at - 1;

        if (at[len] != ',' && at[len] != ';' && at[len] != '\0')
            continue;
        if (number < text || *number != ' ')
            continue;
        while (number > text && number[-1] != ' ')
            number--;
        return strtod(number, NULL);
    }
    return 0;
}

/* Sending is sending, whether by write, send or sendmsg. */
static bool
moves_data(const char *name, size_t len)
{
    static const char *const movers[] = {"read",     "write",   "sendto",
                                         "recvfrom", "sendmsg", "recvmsg",
                                         "msgsnd",   "msgrcv"};

    for (size_t i = 0; i < sizeof movers / sizeof *movers; i++)
        if (strlen(movers[i]) == len && strncmp(movers[i], name, len) == 0)
            return true;
    return strncmp(name, "mq_timed", 8) == 0;
}

/* Appends the calls of one side ("client", "server") that the floor's same side
 * does not make. */
static void
additional(const char *ours, const char *bare, const char *side, char *buf,
           size_t size)
{
    char mine[240], floors[240];
    const char *from = strstr(ours, side), *base = strstr(bare, side);
    char *save, *part;

    if (from == NULL || base == NULL)
        return;
    snprintf(mine, sizeof mine, "%.*s", (int)strcspn(from, ";"), from);
    snprintf(floors, sizeof floors, "%.*s", (int)strcspn(base, ";"), base);
    part = strchr(mine, ':');
    if (part == NULL)
        return;
    for (part = strtok_r(part + 1, ",", &save); part != NULL;
         part = strtok_r(NULL, ",", &save)) {
        const char *name = strrchr(part, ' ') + 1;
        size_t n = strlen(buf);
        double more = strtod(part, NULL) - calls_of(floors, name, strlen(name));

        if (more > 0.1 && !moves_data(name, strlen(name)))
            snprintf(buf + n, size - n, "%s%.2g %s (%s)", n > 0 ? ", " : "",
                     more, name, side);
    }
}

/* Why a variant takes `us` longer than its floor; both lines are those of 64 B,
 * which have the system calls. */
static void
explain(const struct line *l, const struct line *floor, double us,
        char why[240])
{
    char more[160] = "";

    additional(l->calls, floor->calls, "client", more, sizeof more);
    additional(l->calls, floor->calls, "server", more, sizeof more);
    if (more[0] != '\0' && strstr(l->calls, "recvmsg") != NULL &&
        strstr(floor->calls, "recvfrom") != NULL)
        strncat(more, "; and recvmsg with the caller's credentials, not recv",
                sizeof more - strlen(more) - 1);
    if (l->calls[0] == '\0' || floor->calls[0] == '\0')
        snprintf(why, 240, "%.2f us more; its system calls were not counted",
                 us);
    else if (more[0] != '\0')
        snprintf(why, 240,
                 "%.2f us more: additional system calls in each request: %s",
                 us, more);
    else
        snprintf(why, 240,
                 "%.2f us more with the same system calls: header, checks, "
                 "the caller's identity, copies",
                 us);
}

static void
overhead_row(const struct summary *s, const struct line *l, struct grid *g)
{
    struct grid_row *r = grid_row(g, l->mechanism);
    const struct line *more = larger(s, l);
    const struct line *floor =
        summary_find(s, l->floor, l->placement, ROW_RTT, l->size);
    const struct line *missed = l, *its_floor = floor; /* the goal */

    snprintf(r->cell[0], GRID_CELL, "%s", l->floor);
    if (floor != NULL)
        GRID_NUMBER(r, 1, floor->p50_ns / 1e3);
    GRID_NUMBER(r, 2, l->own_ratio);
    snprintf(r->cell[3], GRID_CELL, "%.3g .. %.3g", l->own_lo, l->own_hi);
    if (more != NULL) {
        GRID_NUMBER(r, 4, more->own_ratio);
        snprintf(r->cell[5], GRID_CELL, "%.3g .. %.3g", more->own_lo,
                 more->own_hi);
    }
    if (!isnan(l->line_ratio))
        GRID_NUMBER(r, 6, l->line_ratio);
    if (!(l->own_ratio > GOAL)) {
        missed = more;
        its_floor = more == NULL ? NULL
                                 : summary_find(s, l->floor, l->placement,
                                                ROW_RTT, more->size);
    }
    if (floor != NULL && its_floor != NULL && missed->own_ratio > GOAL)
        explain(l, floor, (missed->own_ratio - 1) * its_floor->p50_ns / 1e3,
                r->why);
}

static void
overhead(const struct summary *s, enum where placement, struct grid *g)
{
    const struct line *l = NULL;

    while ((l = summary_next(s, placement, ROW_RTT, l)) != NULL)
        if (l->floor[0] != '\0')
            overhead_row(s, l, g);
}

const struct grid_type grid_overhead = {
    .title = "The protocol over the bare echo with the same system calls",
    .note = "x floor: median of the ratios within each round, and its 95 % "
            "interval, at 64 B and at 4 KiB (or the most that fits, if that "
            "is less).  The goal is 1.05; where it is missed, the line below "
            "says why and by how much, at 64 B if there, too.  x line: of "
            "64 B, to the time a cache line takes to the other CPU and back, "
            "before and after.",
    .head = {"floor", "us", "64 B", "interval", "4 KiB", "interval", "x line"},
    .spare = {[5] = 1, [3] = 2, [6] = 3, [1] = 4},
    .fill = overhead,
};

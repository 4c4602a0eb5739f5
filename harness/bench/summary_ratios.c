/* summary_ratios.c - each row against the floors of its own round. */
#include "bench/summary.h"

#include "bench/echo.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The floor of that name in the row's own round, or NULL.  memcpy is measured
 * at one placement only, where the client is: it has one side. */
static const struct row *
floor_of(const struct row *r, const char *name, const struct row *rows,
         size_t n)
{
    bool anywhere = name != NULL && strcmp(name, FLOOR_MEMCPY) == 0;

    for (size_t i = 0; name != NULL && i < n; i++)
        if (rows[i].round == r->round && rows[i].size == r->size &&
            strcmp(rows[i].mechanism, name) == 0 && rows[i].kind == r->kind &&
            (anywhere || rows[i].placement == r->placement))
            return &rows[i];
    return NULL;
}

static void
fill_ratio(struct row *r, const struct row *floors, size_t n)
{
    const struct row *f;

    r->ratio = r->own_ratio = NAN;
    r->line_ratio = r->kind == ROW_RTT
                        ? 2 * r->p50_ns / (r->line_before_ns + r->line_after_ns)
                        : NAN;
    if (r->kind == ROW_STREAM) {
        f = floor_of(r, FLOOR_MEMCPY, floors, n);
        if (f != NULL)
            r->ratio = r->bytes_per_second / f->bytes_per_second;
        f = floor_of(r, echo_way_for(r->mechanism), floors, n);
        if (f != NULL)
            r->own_ratio = r->bytes_per_second / f->bytes_per_second;
    } else if (r->kind == ROW_RTT) {
        f = floor_of(r, FLOOR_PIPE, floors, n);
        if (f != NULL)
            r->ratio = r->p50_ns / f->p50_ns;
        f = floor_of(r, echo_floor_for(r->mechanism), floors, n);
        if (f != NULL)
            r->own_ratio = r->p50_ns / f->p50_ns;
    }
}

void
summary_ratios(struct row *rows, size_t n)
{
    size_t from = 0, to;

    /* The floors stand together, since the rows are sorted by name. */
    while (from < n && strncmp(rows[from].mechanism, "floor/", 6) < 0)
        from++;
    for (to = from; to < n; to++)
        if (strncmp(rows[to].mechanism, "floor/", 6) != 0)
            break;
    for (size_t i = 0; i < n; i++)
        fill_ratio(&rows[i], rows + from, to - from);
}

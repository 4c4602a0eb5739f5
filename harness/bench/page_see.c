/* page_see.c - what to see in the charts of this run. */
#include "bench/page.h"

#include "bench/html.h"
#include "bench/plan.h"
#include "core/ipc.h"

#include <string.h>

/* A mechanism between processes: neither a floor nor a baseline. */
static bool
is_contestant(const struct line *l)
{
    const struct ipc_mechanism *m = ipc_find(l->mechanism);

    return l->used > 0 && l->copy == 0 && !summary_is_floor(l) &&
           (m == NULL || (m->caps & IPC_INPROCESS) == 0);
}

/* The fastest (sign 1) or slowest (-1) round trip of 64 bytes at a
 * placement. */
static const struct line *
extreme_trip(const struct summary *s, enum where placement, int sign)
{
    const struct line *best = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (is_contestant(l) && l->size == 64 && l->kind == ROW_RTT &&
            l->placement == placement &&
            (best == NULL || sign * (l->p50_ns - best->p50_ns) < 0))
            best = l;
    return best;
}

/* ns in a unit that suits them: "146 ns", "24.7 ms" */
static const char *
duration(double ns, char buf[32])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t i = 0;

    for (; ns >= 999.5 && i < 3; i++)
        ns /= 1000;
    snprintf(buf, 32, "%.3g %s", ns, units[i]);
    return buf;
}

/* " (two-cpu)" */
static void
place(FILE *f, const struct line *l)
{
    fputs(" (", f);
    html_text(f, where_words[l->placement]);
    fputc(')', f);
}

/* The fastest and the slowest at each placement. */
void
page_trips(FILE *f, const struct page *p)
{
    struct places placements;
    const char *before = ": ";
    char time[32];

    summary_placements(p->s, &placements);
    for (size_t i = 0; i < placements.n; i++) {
        const struct line *a = extreme_trip(p->s, placements.at[i], 1);
        const struct line *b = extreme_trip(p->s, placements.at[i], -1);

        if (a == NULL || b == NULL)
            continue;
        fputs(before, f);
        html_text(f, where_words[placements.at[i]]);
        fprintf(f, " from %s (", duration(a->p50_ns, time));
        html_text(f, a->mechanism);
        fprintf(f, ") to %s (", duration(b->p50_ns, time));
        html_text(f, b->mechanism);
        fputc(')', f);
        before = ", ";
    }
}

/* Who gets most through. */
void
page_most(FILE *f, const struct page *p)
{
    const struct summary *s = p->s;
    const struct line *best = NULL;
    char size[SIZE_NAME];

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (is_contestant(l) && l->kind == ROW_STREAM &&
            (best == NULL || l->bytes_per_second > best->bytes_per_second))
            best = l;
    if (best == NULL)
        return;
    fprintf(f, ": the most is %.3g GB/s, by ", best->bytes_per_second / 1e9);
    html_text(f, best->mechanism);
    fprintf(f, " with messages of %s", size_name((size_t)best->size, size));
    place(f, best);
}

void
page_interruptions(FILE *f, const struct page *p)
{
    const struct summary *s = p->s;
    double rate = 0;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && l->kind == ROW_GAPS)
            rate = l->per_second;
    if (rate > 0)
        fprintf(f,
                "; a loop that does nothing was interrupted for more than "
                "10 us %.0f times a second here",
                rate);
}

/* The largest number of clients and who serves most then. */
void
page_crowd(FILE *f, const struct page *p)
{
    const struct summary *s = p->s;
    const struct line *best = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (is_contestant(l) && l->kind == ROW_CLIENTS &&
            (best == NULL || l->clients > best->clients ||
             (l->clients == best->clients && l->per_second > best->per_second)))
            best = l;
    if (best == NULL)
        return;
    fprintf(f, "; of %ld clients ", best->clients);
    html_text(f, best->mechanism);
    fprintf(f, " serves most, %.0f thousand requests a second",
            best->per_second / 1e3);
    place(f, best);
}

/* What a closed loop says of the stalls, and what a schedule says. */
void
page_stall(FILE *f, const struct page *p)
{
    const struct summary *s = p->s;
    const struct line *due = NULL, *closed = NULL;
    char a[32], b[32];

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        if (l->used == 0 || l->kind != ROW_LOAD)
            continue;
        if (l->mode == ROW_DUE)
            due = l;
        if (l->mode == ROW_CLOSED)
            closed = l;
    }
    if (due != NULL && closed != NULL)
        fprintf(f,
                ": the 99th percentile is %s in a closed loop and %s for "
                "requests that come by a schedule",
                duration(closed->p99_ns, a), duration(due->p99_ns, b));
}

void
page_surprise(FILE *f, const struct page *p)
{
    char text[SURPRISE];

    if (!summary_surprise(p->s, text))
        return;
    fputs("<p class=\"surprise\"><b>What surprised:</b> ", f);
    html_text(f, text);
    fputs("</p>", f);
}

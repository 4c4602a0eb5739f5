/* summary_derive.c - what follows from several lines of a summary together. */
#include "bench/summary.h"

#include "bench/pair.h"
#include "bench/stats.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool
is_kind(const struct line *l, enum kind kind)
{
    return l->used > 0 && l->copy == 0 && l->kind == kind;
}

static bool
same_place(const struct line *a, const struct line *b)
{
    return strcmp(a->mechanism, b->mechanism) == 0 &&
           a->placement == b->placement;
}

/* -- the order ------------------------------------------------------------- */

/* A floor whose interval is wider than that says nothing about the others:
 * where an idle CPU has to wake up, it does so at one time quickly, at another
 * not. */
#define STEADY 1.5

/* By the ratio to the floor of the same rounds, which the next run shows again,
 * and not by the times, with which the whole machine moves. */
static void
fill_rank(const struct summary *s, struct line *l)
{
    const struct line *floor =
        summary_find(s, FLOOR_PIPE, l->placement, ROW_RTT, l->size);

    l->rank = l->p50_ns;
    if (floor != NULL && floor->used > 0 &&
        floor->p50_hi_ns <= STEADY * floor->p50_lo_ns)
        l->rank = isnan(l->ratio) ? l->p50_ns / floor->p50_ns : l->ratio;
}

/* -- what a round trip asks of the kernel ---------------------------------- */

/*
 * Bytes copied, by construction: every mechanism here, from pipe to shared
 * page, copies a message into what the two sides share and out of it again, on
 * the way there and on the way back.  A message is header, length and payload.
 * A function call has nothing between its sides and copies the same.
 */
#define COPIES 4.0

/* System calls do not depend on the place; they were counted at one of them. */
static void
fill_calls(const struct summary *s, struct line *l)
{
    l->copied = COPIES * (double)(l->size + (long)PAIR_OVERHEAD);
    for (const struct line *c = s->lines; c < s->lines + s->n; c++) {
        if (!is_kind(c, ROW_CALLS) || strcmp(c->mechanism, l->mechanism) != 0)
            continue;
        l->client_calls = c->client_calls;
        l->server_calls = c->server_calls;
        l->client_instructions = c->client_instructions;
        l->server_instructions = c->server_instructions;
        memcpy(l->calls, c->calls, sizeof l->calls);
    }
}

/* -- the cost model: t(n) = a + 2 n / B ------------------------------------ */

#define MOST_POINTS 64

static void
fill_fit(const struct summary *s, struct line *l)
{
    double n[MOST_POINTS], t[MOST_POINTS];
    size_t points = 0;
    struct fit f;

    for (const struct line *x = s->lines; x < s->lines + s->n; x++)
        if (is_kind(x, ROW_RTT) && same_place(x, l) && points < MOST_POINTS) {
            n[points] = (double)x->size;
            t[points++] = x->p50_ns;
        }
    f = fit_line(n, t, points);
    l->fit_ns = f.a;
    l->fit_bytes_per_second = f.b > 0 ? 2e9 / f.b : NAN;
    l->fit_worst = f.worst;
    l->half_bytes = f.b > 0 ? f.a / f.b : NAN;
}

/* -- clients: min(N / R, 1 / D) -------------------------------------------- */

/*
 * The bound of every closed system (asymptotic analysis): N clients that each
 * wait R for a reply get no more than N / R, and no more than 1 / D if one of
 * the resources is busy for D each time.  R and D are those of one client
 * alone.  On one CPU that CPU is the resource, and D the CPU time of both
 * sides; on two, each side has its own, and the busier one counts.
 */
static void
fill_prediction(const struct summary *s, struct line *l)
{
    const struct line *alone =
        summary_find_clients(s, l->mechanism, l->placement, 1);
    double d;

    if (alone == NULL)
        return;
    d = l->placement == ONE_CPU
            ? alone->client_cpu_ns + alone->server_cpu_ns
            : fmax(alone->client_cpu_ns, alone->server_cpu_ns);
    l->predicted = fmin((double)l->clients * alone->per_second, 1e9 / d);
}

void
summary_derive(struct summary *s)
{
    for (struct line *l = s->lines; l < s->lines + s->n; l++) {
        if (is_kind(l, ROW_RTT))
            fill_rank(s, l);
        if (is_kind(l, ROW_RTT) && l->size == 64)
            fill_calls(s, l);
        if (is_kind(l, ROW_RTT) && l->size == 64)
            fill_fit(s, l);
        if (is_kind(l, ROW_CLIENTS))
            fill_prediction(s, l);
    }
}

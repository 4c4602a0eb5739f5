/* summary_find.c - finding things among the lines of a summary. */
#include "bench/summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void
summary_free(struct summary *s)
{
    free(s->lines);
    *s = (struct summary){.lines = NULL};
}

int
summary_put(const struct summary *s, FILE *f)
{
    int err = csv_write_header(f, line_columns);

    for (size_t i = 0; err == 0 && i < s->n; i++)
        err = csv_write(f, line_columns, &s->lines[i]);
    return err;
}

static int
put_lines(const void *what, FILE *f)
{
    return summary_put(what, f);
}

int
summary_write(const struct summary *s, const char *dir)
{
    return record_file(dir, "summary.csv", put_lines, s);
}

static const struct line *
find_copy(const struct summary *s, const char *mechanism, enum where placement,
          enum kind kind, long size, long copy)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        if (l->size == size && l->copy == copy && l->clients <= 1 &&
            strcmp(l->mechanism, mechanism) == 0 && l->placement == placement &&
            l->kind == kind)
            return l;
    }
    return NULL;
}

const struct line *
summary_find(const struct summary *s, const char *mechanism,
             enum where placement, enum kind kind, long size)
{
    return find_copy(s, mechanism, placement, kind, size, 0);
}

static bool
is_of(const struct line *l, const char *mechanism, enum where placement,
      enum kind kind)
{
    return l->used > 0 && strcmp(l->mechanism, mechanism) == 0 &&
           l->placement == placement && l->kind == kind;
}

const struct line *
summary_find_clients(const struct summary *s, const char *mechanism,
                     enum where placement, long clients)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->clients == clients &&
            is_of(l, mechanism, placement, ROW_CLIENTS))
            return l;
    return NULL;
}

const struct line *
summary_find_load(const struct summary *s, const char *mechanism,
                  enum where placement, enum mode mode)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->mode == mode && is_of(l, mechanism, placement, ROW_LOAD))
            return l;
    return NULL;
}

/* -- the rows of a table --------------------------------------------------- */

/* Small is fast.  What is not known comes last. */
static double
slowness(const struct line *l)
{
    double v = l->kind == ROW_RTT ? l->rank : -l->bytes_per_second;

    return isnan(v) ? INFINITY : v;
}

static bool
is_row(const struct line *l, enum where placement, enum kind kind)
{
    return l->used > 0 && l->copy == 0 && l->size == 64 && l->kind == kind &&
           l->placement == placement;
}

/* Some dozens: no sorting. */
const struct line *
summary_next(const struct summary *s, enum where placement, enum kind kind,
             const struct line *last)
{
    const struct line *best = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        bool later;

        if (!is_row(l, placement, kind))
            continue;
        later = last == NULL || slowness(l) > slowness(last) ||
                (slowness(l) == slowness(last) && l > last);
        if (later && (best == NULL || slowness(l) < slowness(best)))
            best = l;
    }
    return best;
}

bool
summary_is_common(long size)
{
    return size > 0 && (size & (size - 1)) == 0;
}

bool
summary_is_floor(const struct line *l)
{
    return strncmp(l->mechanism, "floor/", 6) == 0;
}

const struct line *
summary_most(const struct summary *s, const struct line *row)
{
    const struct line *most = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (!summary_is_common(l->size) && !summary_is_floor(l) &&
            is_of(l, row->mechanism, row->placement, row->kind))
            most = l;
    return most;
}

double
summary_value(const struct line *l)
{
    if (l == NULL)
        return NAN;
    return l->kind == ROW_RTT ? l->p50_ns / 1e3 : l->bytes_per_second / 1e9;
}

/* -- in words -------------------------------------------------------------- */

const char *
summary_kind(enum kind kind)
{
    static const char *const words[] = {
        [ROW_ANY_KIND] = "",
        [ROW_RTT] = "round trip",
        [ROW_STREAM] = "one way",
        [ROW_SETUP] = "joining",
        [ROW_CLIENTS] = "several clients",
        [ROW_LOAD] = "by a schedule",
        [ROW_CALLS] = "counting system calls",
        [ROW_GAPS] = "interruptions",
        [ROW_OTHER_KIND] = "something else",
    };

    return words[kind];
}

const char *
summary_why_not(const struct summary *s, const char *mechanism,
                enum where placement, enum kind kind, long size)
{
    const char *reason = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];
        bool absent = l->status == ROW_ABSENT;

        if (strcmp(l->mechanism, mechanism) != 0)
            continue;
        /* A reason without a kind, or a placement, is one for all of them. */
        if (l->kind != ROW_ANY_KIND && l->kind != kind)
            continue;
        if (l->placement != ANYWHERE && placement != ANYWHERE &&
            l->placement != placement)
            continue;
        if (!absent && size != -1 && l->size != size)
            continue;
        if (l->used > 0)
            return NULL;
        reason = l->reason;
    }
    return reason;
}

double
summary_noise(const struct summary *s, enum where placement, const char **who)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct line *b = &s->lines[i], *a;

        if (b->copy != 1 || b->placement != placement)
            continue;
        a = find_copy(s, b->mechanism, placement, b->kind, b->size, 0);
        *who = b->mechanism;
        /* By way of the floor, because that is how results are compared. */
        if (a != NULL && !isnan(a->ratio) && !isnan(b->ratio))
            return b->ratio / a->ratio - 1;
    }
    return NAN;
}

bool
summary_noisy(const struct summary *s)
{
    const char *who;

    for (unsigned p = ONE_CPU; p <= ELSEWHERE; p++)
        if (fabs(summary_noise(s, (enum where)p, &who)) > NOISE_LIMIT)
            return true;
    return false;
}

/* -- names ----------------------------------------------------------------- */

static void
add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->name[i], name) == 0)
            return;
    if (name[0] != '\0' && names->n < sizeof names->name / sizeof *names->name)
        names->name[names->n++] = name;
}

void
summary_mechanisms(const struct summary *s, struct names *names)
{
    names->n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!summary_is_floor(&s->lines[i]))
            add_name(names, s->lines[i].mechanism);
}

void
summary_placements(const struct summary *s, struct places *places)
{
    bool seen[ELSEWHERE + 1] = {false};

    for (size_t i = 0; i < s->n; i++)
        seen[s->lines[i].placement] = true;
    places->n = 0;
    for (unsigned p = ONE_CPU; p <= ELSEWHERE; p++)
        if (seen[p])
            places->at[places->n++] = (enum where)p;
}

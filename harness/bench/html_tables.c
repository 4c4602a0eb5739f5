/* html_tables.c - the tables of report.html. */
#include "bench/html.h"

#include "bench/grid.h"
#include "bench/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- numbers ---------------------------------------------------------------- */

/* Three digits that mean something. */
static const char *
three(double v, char buf[16])
{
    if (isnan(v))
        return "-";
    if (v < 0.1)
        snprintf(buf, 16, "%.2g", v);
    else
        snprintf(buf, 16, "%.*f", v < 1 ? 3 : v < 10 ? 2 : v < 100 ? 1 : 0, v);
    return buf;
}

static void
number(FILE *f, double v)
{
    char buf[16];

    html_element(f, "td", "td", three(v, buf));
}

/* us for round trips, GB/s for streams. */
static double
value_of(const struct line *l)
{
    return strcmp(l->kind, ROW_RTT) == 0 ? l->p50_ns / 1e3
                                         : l->bytes_per_second / 1e9;
}

/* -- rows of a table ------------------------------------------------------------ */

static bool
is_floor(const struct line *l)
{
    return strncmp(l->mechanism, "floor/", 6) == 0;
}

/* The fastest first. */
static int
fastest_first(const void *a, const void *b)
{
    const struct line *const *x = a, *const *y = b;
    bool trips = strcmp((*x)->kind, ROW_RTT) == 0;
    double u = trips ? (*x)->rank : -(*x)->bytes_per_second;
    double v = trips ? (*y)->rank : -(*y)->bytes_per_second;

    return (u > v) - (u < v);
}

/* The lines of 64 bytes, one for each mechanism measured: the rows.  Returns
 * how many. */
static size_t
pick(const struct summary *s, const char *placement, const char *kind,
     const struct line **picked)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        if (l->used > 0 && l->size == 64 && l->copy == 0 &&
            strcmp(l->kind, kind) == 0 && strcmp(l->placement, placement) == 0)
            picked[n++] = l;
    }
    qsort(picked, n, sizeof *picked, fastest_first);
    return n;
}

static void
begin_row(FILE *f, const struct line *l)
{
    fprintf(f, "<tr%s>", is_floor(l) ? " class=\"floor\"" : "");
    html_element(f, "th scope=\"row\"", "th", l->mechanism);
}

/* A row for each mechanism that was not measured, with the reason. */
static void
missing_rows(FILE *f, const struct summary *s, const char *placement,
             const char *kind, int columns)
{
    struct names all;

    summary_mechanisms(s, &all);
    for (size_t i = 0; i < all.n; i++) {
        const char *why = summary_why_not(s, all.name[i], placement, kind, 64);

        if (why == NULL)
            continue;
        fputs("<tr>", f);
        html_element(f, "th scope=\"row\"", "th", all.name[i]);
        fprintf(f, "<td class=\"why\" colspan=\"%d\">", columns);
        html_text(f, why);
        fputs("</td></tr>\n", f);
    }
}

/* -- one table --------------------------------------------------------------------- */

/* "one-cpu: both sides on one CPU" */
static void
place(FILE *f, const json_t *run, const char *placement)
{
    const json_t *all =
        json_object_get(json_object_get(run, "run"), "placements");

    html_text(f, placement);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *p = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(p, "name"));
        const char *says = json_string_value(json_object_get(p, "says"));

        if (name == NULL || says == NULL || strcmp(name, placement) != 0)
            continue;
        fputs(" (", f);
        html_text(f, says);
        fputc(')', f);
    }
}

static void
begin_table(FILE *f, const char *title, const json_t *run,
            const char *placement, const char *unit)
{
    fprintf(f, "<h3>%s, ", title);
    place(f, run, placement);
    fprintf(f,
            ": %s</h3>\n<div class=\"wide\" tabindex=\"0\"><table "
            "class=\"numbers\">\n<thead><tr><th></th>",
            unit);
}

static void
end_table(FILE *f)
{
    fputs("</tbody></table></div>\n", f);
}

static void
round_trips(FILE *f, const struct summary *s, const json_t *run,
            const char *placement, const struct line **picked)
{
    static const char *const columns[] = {
        "median",   "95 % interval", "p99", "p99.9", "x floor",
        "switches", "invol.",        "CPU", "",      NULL};
    size_t n = pick(s, placement, ROW_RTT, picked);
    char lo[16], hi[16], interval[40];

    begin_table(f, "Round trip of 64 bytes", run, placement, "us");
    for (const char *const *c = columns; *c != NULL; c++)
        html_element(f, "th", "th", *c);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (size_t i = 0; i < n; i++) {
        const struct line *l = picked[i];

        begin_row(f, l);
        number(f, l->p50_ns / 1e3);
        snprintf(interval, sizeof interval, "%s .. %s",
                 three(l->p50_lo_ns / 1e3, lo), three(l->p50_hi_ns / 1e3, hi));
        html_element(f, "td", "td", interval);
        number(f, l->p99_ns / 1e3);
        number(f, l->p999_ns / 1e3);
        number(f, l->ratio);
        fprintf(f,
                "<td>%.2f</td><td>%.2f</td><td>%.2f</td><td>%s%s</td></tr>\n",
                l->voluntary, l->involuntary, l->cpu, l->batch > 1 ? "b" : "",
                strcmp(l->status, ROW_REJECTED) == 0 ? "~" : "");
    }
    missing_rows(f, s, placement, ROW_RTT, 9);
    end_table(f);
}

/* -- by size --------------------------------------------------------------------------- */

/* The sizes everybody is measured at are powers of two; another one is the most
 * that some mechanism carries. */
static bool
is_common(long size)
{
    return size > 0 && (size & (size - 1)) == 0;
}

static int
by_size(const void *a, const void *b)
{
    const long *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

#define MOST_SIZES 32

static size_t
common_sizes(const struct summary *s, const char *kind, long sizes[MOST_SIZES])
{
    size_t n = 0, j;

    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];

        for (j = 0; j < n && sizes[j] != l->size; j++)
            continue;
        if (j == n && n < MOST_SIZES && is_common(l->size) && l->used > 0 &&
            strcmp(l->mechanism, FLOOR_PERF) != 0 && strcmp(l->kind, kind) == 0)
            sizes[n++] = l->size;
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    return n;
}

static const struct line *
its_most(const struct summary *s, const struct line *first)
{
    const struct line *most = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && !is_common(l->size) && !is_floor(l) &&
            strcmp(l->mechanism, first->mechanism) == 0 &&
            strcmp(l->placement, first->placement) == 0 &&
            strcmp(l->kind, first->kind) == 0)
            most = l;
    return most;
}

static void
size_row(FILE *f, const struct summary *s, const struct line *first,
         const long *sizes, size_t n)
{
    const struct line *most = its_most(s, first);
    char name[SIZE_NAME], value[16];
    bool rtt = strcmp(first->kind, ROW_RTT) == 0;

    begin_row(f, first);
    if (!rtt)
        number(f, first->per_second / 1e6);
    for (size_t i = 0; i < n; i++) {
        const struct line *l = summary_find(
            s, first->mechanism, first->placement, first->kind, sizes[i]);

        number(f, l != NULL && l->used > 0 ? value_of(l) : NAN);
    }
    if (most == NULL)
        fputs("<td></td>", f);
    else
        fprintf(f, "<td>%s at %s</td>", three(value_of(most), value),
                size_name((size_t)most->size, name));
    if (!rtt)
        fprintf(f, "<td>%s</td>",
                strcmp(first->mode, ROW_ONE_BY_ONE) == 0 ? "1" : "");
    fputs("</tr>\n", f);
}

static void
sizes_table(FILE *f, const struct summary *s, const json_t *run,
            const char *placement, const char *kind, const struct line **picked)
{
    bool rtt = strcmp(kind, ROW_RTT) == 0;
    long sizes[MOST_SIZES];
    size_t n = pick(s, placement, kind, picked);
    size_t columns = common_sizes(s, kind, sizes);
    char name[SIZE_NAME];

    if (n == 0)
        return; /* the doubts have the reasons */
    begin_table(f, rtt ? "Round trip by size" : "One way by size", run,
                placement, rtt ? "us" : "GB/s");
    if (!rtt)
        fputs("<th>M msg/s<br>of 64 B</th>", f);
    for (size_t i = 0; i < columns; i++)
        html_element(f, "th", "th", size_name((size_t)sizes[i], name));
    fprintf(f, "<th>its most</th>%s</tr></thead>\n<tbody>\n",
            rtt ? "" : "<th></th>");
    for (size_t i = 0; i < n; i++)
        size_row(f, s, picked[i], sizes, columns);
    missing_rows(f, s, placement, kind, (int)columns + (rtt ? 1 : 3));
    end_table(f);
}

void
html_tables(FILE *f, const struct summary *s, const json_t *run)
{
    const struct line **picked = calloc(s->n + 1, sizeof *picked);
    struct names placements;

    if (picked == NULL)
        return;
    summary_placements(s, &placements);
    fputs("<h2 id=\"tables\">Every number</h2>\n"
          "<p class=\"small\">p99.9: of all rounds together, where there are "
          "enough "
          "operations. x floor: ratio to the echo of as many bytes "
          "through a bare pipe in the same round; the rows are in its order, "
          "or where the bare pipe was not steady itself by time. switches, "
          "invol.: voluntary and involuntary "
          "context switches of both sides per round trip. CPU: CPUs kept busy. "
          "b: below 1 us, timed in batches of 64. ~: most of the rounds were "
          "disturbed. 1: one message at a time, each acknowledged by an empty "
          "reply; the others are not waited for. In italics: the floors, which "
          "have no protocol.</p>\n",
          f);
    for (size_t i = 0; i < placements.n; i++)
        round_trips(f, s, run, placements.name[i], picked);
    for (size_t i = 0; i < placements.n; i++)
        sizes_table(f, s, run, placements.name[i], ROW_RTT, picked);
    for (size_t i = 0; i < placements.n; i++)
        sizes_table(f, s, run, placements.name[i], ROW_STREAM, picked);
    grids(s, grid_html, f);
    free(picked);
}

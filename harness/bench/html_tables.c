/* html_tables.c - the tables of report.html. */
#include "bench/html.h"

#include "bench/grid.h"
#include "bench/plan.h"

#include <stdlib.h>
#include <string.h>

/* -- numbers --------------------------------------------------------------- */

static void
number(FILE *f, double v)
{
    char buf[GRID_CELL];

    html_element(f, "td", "td", grid_number(v, buf));
}

/* -- rows of a table ------------------------------------------------------- */

static void
begin_row(FILE *f, const struct line *l)
{
    fprintf(f, "<tr%s>", summary_is_floor(l) ? " class=\"floor\"" : "");
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

/* -- one table ------------------------------------------------------------- */

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
trip_row(FILE *f, const char *open, const char *close,
         const struct trip_cells *t)
{
    for (size_t i = 0; i < TRIP_COLUMNS; i++)
        html_element(f, open, close, t->cell[i]);
    fputs("</tr>", f);
}

static void
round_trips(FILE *f, const struct summary *s, const json_t *run,
            const char *placement)
{
    const struct line *l = NULL;

    begin_table(f, "Round trip of 64 bytes", run, placement, "us");
    trip_row(f, "th", "th", &trip_heads);
    fputs("</thead>\n<tbody>\n", f);
    while ((l = summary_next(s, placement, ROW_RTT, l)) != NULL) {
        struct trip_cells t = trip_cells(l);

        begin_row(f, l);
        trip_row(f, "td", "td", &t);
        fputc('\n', f);
    }
    missing_rows(f, s, placement, ROW_RTT, TRIP_COLUMNS);
    end_table(f);
}

/* -- by size --------------------------------------------------------------- */

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
        if (j == n && n < MOST_SIZES && summary_is_common(l->size) &&
            l->used > 0 && strcmp(l->mechanism, FLOOR_PERF) != 0 &&
            strcmp(l->kind, kind) == 0)
            sizes[n++] = l->size;
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    return n;
}

static void
size_row(FILE *f, const struct summary *s, const struct line *row,
         const long *sizes, size_t n)
{
    const struct line *most = summary_most(s, row);
    bool rtt = strcmp(row->kind, ROW_RTT) == 0;
    char name[SIZE_NAME], value[GRID_CELL];

    begin_row(f, row);
    if (!rtt)
        number(f, row->per_second / 1e6);
    for (size_t i = 0; i < n; i++)
        number(f, summary_value(summary_find(s, row->mechanism, row->placement,
                                             row->kind, sizes[i])));
    if (most == NULL)
        fputs("<td></td>", f);
    else
        fprintf(f, "<td>%s at %s</td>", grid_number(summary_value(most), value),
                size_name((size_t)most->size, name));
    if (!rtt)
        fprintf(f, "<td>%s</td>",
                strcmp(row->mode, ROW_ONE_BY_ONE) == 0 ? "1" : "");
    fputs("</tr>\n", f);
}

static void
sizes_table(FILE *f, const struct summary *s, const json_t *run,
            const char *placement, const char *kind)
{
    const struct line *l = summary_next(s, placement, kind, NULL);
    bool rtt = strcmp(kind, ROW_RTT) == 0;
    long sizes[MOST_SIZES];
    size_t n = common_sizes(s, kind, sizes);
    char name[SIZE_NAME];

    if (l == NULL)
        return; /* the doubts have the reasons */
    begin_table(f, rtt ? "Round trip by size" : "One way by size", run,
                placement, rtt ? "us" : "GB/s");
    if (!rtt)
        fputs("<th>M msg/s<br>of 64 B</th>", f);
    for (size_t i = 0; i < n; i++)
        html_element(f, "th", "th", size_name((size_t)sizes[i], name));
    fprintf(f, "<th>its most</th>%s</tr></thead>\n<tbody>\n",
            rtt ? "" : "<th></th>");
    for (; l != NULL; l = summary_next(s, placement, kind, l))
        size_row(f, s, l, sizes, n);
    missing_rows(f, s, placement, kind, (int)n + (rtt ? 1 : 3));
    end_table(f);
}

void
html_tables(FILE *f, const struct summary *s, const json_t *run)
{
    struct names placements;

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
        round_trips(f, s, run, placements.name[i]);
    for (size_t i = 0; i < placements.n; i++)
        sizes_table(f, s, run, placements.name[i], ROW_RTT);
    for (size_t i = 0; i < placements.n; i++)
        sizes_table(f, s, run, placements.name[i], ROW_STREAM);
    grids(s, grid_html, f);
}

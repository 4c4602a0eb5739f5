/* grid.c - a table, as text and as HTML. */
#include "bench/grid.h"

#include "bench/html.h"
#include "bench/wrap.h"

#include <math.h>
#include <string.h>

#define WIDTH  100
#define INDENT 4

struct grid_row *
grid_row(struct grid *g, const char *name)
{
    struct grid_row *r = &g->row[g->rows];

    g->rows += g->rows < GRID_ROWS - 1; /* the last one is written over */
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", name);
    return r;
}

void
grid_absent(struct grid *g, const struct summary *s, enum kind kind, long size)
{
    struct names all;

    summary_mechanisms(s, &all);
    for (size_t i = 0; i < all.n; i++) {
        const char *why =
            summary_why_not(s, all.name[i], g->placement, kind, size);
        struct grid_row *r;

        if (why == NULL)
            continue;
        r = grid_row(g, all.name[i]);
        r->absent = true;
        snprintf(r->why, sizeof r->why, "%s", why);
    }
}

const char *
grid_number(double v, char buf[GRID_CELL])
{
    if (isnan(v))
        snprintf(buf, GRID_CELL, "-");
    else if (v < 0.1 && v > 0)
        snprintf(buf, GRID_CELL, "%.2g", v);
    else
        snprintf(buf, GRID_CELL, "%.*f",
                 v < 1     ? 3
                 : v < 10  ? 2
                 : v < 100 ? 1
                           : 0,
                 v);
    return buf;
}

/* -- text ------------------------------------------------------------------ */

static size_t
column_width(const struct grid *g, size_t column)
{
    size_t width = strlen(g->head[column]);

    for (size_t i = 0; i < g->rows; i++)
        if (strlen(g->row[i].cell[column]) > width)
            width = strlen(g->row[i].cell[column]);
    return width;
}

static size_t
name_width(const struct grid *g)
{
    size_t width = 0;

    for (size_t i = 0; i < g->rows; i++)
        if (strlen(g->row[i].name) > width)
            width = strlen(g->row[i].name);
    return width;
}

/* A cell, or a head, in its column. */
static void
put_cell(const struct grid *g, size_t column, const char *text, FILE *f)
{
    if (!g->wide[column])
        fprintf(f, "  %*s", (int)column_width(g, column), text);
}

static void
put_row(const struct grid *g, const struct grid_row *r, int names, FILE *f)
{
    fprintf(f, "%-*s", names, r->name);
    if (r->absent) {
        fprintf(f, "  -  %.*s\n", WIDTH - names - 5, r->why);
        return;
    }
    for (size_t c = 0; g->head[c] != NULL; c++)
        put_cell(g, c, r->cell[c], f);
    fputc('\n', f);
    if (r->why[0] != '\0') {
        fprintf(f, "%*s", INDENT, "");
        wrap(f, r->why, INDENT, WIDTH);
    }
}

void
grid_text(const struct grid *g, FILE *f)
{
    int names = (int)name_width(g);

    fprintf(f, "\n%s, %s%s%s\n%-*s", g->title, where_words[g->placement],
            g->unit[0] != '\0' ? ": " : "", g->unit, names, "");
    for (size_t c = 0; g->head[c] != NULL; c++)
        put_cell(g, c, g->head[c], f);
    fputc('\n', f);
    for (size_t i = 0; i < g->rows; i++)
        put_row(g, &g->row[i], names, f);
    if (g->note != NULL)
        wrap(f, g->note, 0, WIDTH);
}

/* -- HTML ------------------------------------------------------------------ */

/* Title, placement (in words): unit */
static void
html_title(const struct grid *g, FILE *f)
{
    fputs("<h3>", f);
    html_text(f, g->title);
    fputs(", ", f);
    html_text(f, where_words[g->placement]);
    if (g->says != NULL) {
        fputs(" (", f);
        html_text(f, g->says);
        fputc(')', f);
    }
    fputs(g->unit[0] != '\0' ? ": " : "", f);
    html_text(f, g->unit);
    fputs("</h3>\n", f);
    if (g->note != NULL)
        html_element(f, "p class=\"small\"", "p", g->note);
}

static void
put_html_row(const struct grid_row *r, int columns, FILE *f)
{
    fputs(strncmp(r->name, "floor/", 6) == 0 ? "<tr class=\"floor\">" : "<tr>",
          f);
    html_element(f, "th scope=\"row\"", "th", r->name);
    for (int c = 0; c < columns && !r->absent; c++)
        html_element(f, "td", "td", r->cell[c]);
    if (r->why[0] != '\0') {
        fputs(r->absent ? "" : "</tr>\n<tr>", f);
        fprintf(f, "<td class=\"why\" colspan=\"%d\">",
                columns + (r->absent ? 0 : 1));
        html_text(f, r->why);
        fputs("</td>", f);
    }
    fputs("</tr>\n", f);
}

void
grid_html(const struct grid *g, FILE *f)
{
    const char *heads[1 + GRID_COLUMNS + 1] = {""};
    int columns = 0;

    for (; g->head[columns] != NULL; columns++)
        heads[1 + columns] = g->head[columns];
    html_title(g, f);
    html_table(f, "numbers", heads);
    for (size_t i = 0; i < g->rows; i++)
        put_html_row(&g->row[i], columns, f);
    html_table_end(f);
}

/* grid.c - a table, as text and as HTML. */
#include "bench/grid.h"

#include "bench/html.h"
#include "core/wrap.h"

#include <math.h>
#include <string.h>

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
grid_fixed(double v, int decimals, char buf[GRID_CELL])
{
    if (isnan(v))
        snprintf(buf, GRID_CELL, "-");
    else
        snprintf(buf, GRID_CELL, "%.*f", decimals, v);
    return buf;
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

/* The columns that the terminal has room for, beside the rows' names: of those
 * that can be spared, the first is the first to go. */
static void
choose_columns(const struct grid *g, size_t names, bool shown[GRID_COLUMNS])
{
    size_t room = (size_t)wrap_columns(), width = names;

    for (size_t c = 0; g->head[c] != NULL; c++) {
        shown[c] = !g->wide[c];
        width += shown[c] ? 2 + column_width(g, c) : 0;
    }
    for (int spare = 1; spare <= GRID_COLUMNS; spare++)
        for (size_t c = 0; g->head[c] != NULL; c++)
            if (width > room && shown[c] && g->spare[c] == spare) {
                shown[c] = false;
                width -= 2 + column_width(g, c);
            }
}

/* A cell, or a head, in its column. */
static void
put_cell(const struct grid *g, size_t column, const char *text, FILE *f)
{
    fprintf(f, "  %*s", (int)column_width(g, column), text);
}

static void
put_row(const struct grid *g, const struct grid_row *r, int names,
        const bool shown[GRID_COLUMNS], FILE *f)
{
    fprintf(f, "%-*s", names, r->name);
    if (r->absent) {
        fprintf(f, "  -  ");
        wrap(f, r->why, names + 5, wrap_columns());
        return;
    }
    for (size_t c = 0; g->head[c] != NULL; c++)
        if (shown[c])
            put_cell(g, c, r->cell[c], f);
    fputc('\n', f);
    if (r->why[0] != '\0') {
        fprintf(f, "%*s", INDENT, "");
        wrap(f, r->why, INDENT, wrap_columns());
    }
}

void
grid_text(const struct grid *g, FILE *f)
{
    int names = (int)name_width(g);
    bool shown[GRID_COLUMNS];

    choose_columns(g, (size_t)names, shown);
    fputc('\n', f);
    wrap_say(f, "%s, %s%s%s", g->title, where_words[g->placement],
             g->unit[0] != '\0' ? ": " : "", g->unit);
    fprintf(f, "%-*s", names, "");
    for (size_t c = 0; g->head[c] != NULL; c++)
        if (shown[c])
            put_cell(g, c, g->head[c], f);
    fputc('\n', f);
    for (size_t i = 0; i < g->rows; i++)
        put_row(g, &g->row[i], names, shown, f);
    if (g->note != NULL)
        wrap(f, g->note, 0, wrap_columns());
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
    fputs(g->on_paper ? "<section>\n" : "<section class=\"screen\">\n", f);
    html_title(g, f);
    html_table(f, "numbers", heads);
    for (size_t i = 0; i < g->rows; i++)
        put_html_row(&g->row[i], columns, f);
    html_table_end(f);
    fputs("</section>\n", f);
}

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

void
grid_text(const struct grid *g, FILE *f)
{
    int names = (int)name_width(g);

    fprintf(f, "\n%s%s%s\n%-*s", g->title, g->placement != NULL ? ", " : "",
            g->placement != NULL ? g->placement : "", names, "");
    for (size_t c = 0; g->head[c] != NULL; c++)
        fprintf(f, "  %*s", (int)column_width(g, c), g->head[c]);
    fputc('\n', f);
    for (size_t i = 0; i < g->rows; i++) {
        const struct grid_row *r = &g->row[i];

        fprintf(f, "%-*s", names, r->name);
        for (size_t c = 0; g->head[c] != NULL; c++)
            fprintf(f, "  %*s", (int)column_width(g, c), r->cell[c]);
        fputc('\n', f);
        if (r->why[0] != '\0') {
            fprintf(f, "%*s", INDENT, "");
            wrap(f, r->why, INDENT, WIDTH);
        }
    }
    if (g->note != NULL)
        wrap(f, g->note, 0, WIDTH);
}

/* -- HTML ------------------------------------------------------------------ */

void
grid_html(const struct grid *g, FILE *f)
{
    int columns = 0;

    fputs("<h3>", f);
    html_text(f, g->title);
    if (g->placement != NULL) {
        fputs(", ", f);
        html_text(f, g->placement);
    }
    fputs("</h3>\n", f);
    if (g->note != NULL)
        html_element(f, "p class=\"small\"", "p", g->note);
    fputs("<div class=\"wide\" tabindex=\"0\"><table class=\"numbers\">\n"
          "<thead><tr><th></th>",
          f);
    for (; g->head[columns] != NULL; columns++)
        html_element(f, "th", "th", g->head[columns]);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (size_t i = 0; i < g->rows; i++) {
        const struct grid_row *r = &g->row[i];

        fputs("<tr>", f);
        html_element(f, "th scope=\"row\"", "th", r->name);
        for (int c = 0; c < columns; c++)
            html_element(f, "td", "td", r->cell[c]);
        fputs("</tr>\n", f);
        if (r->why[0] == '\0')
            continue;
        fprintf(f, "<tr><td class=\"why\" colspan=\"%d\">", columns + 1);
        html_text(f, r->why);
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

/*
 * grid.h - a table, once: as text in the terminal and as HTML on the page.
 *
 *      title
 *                  head    head   head
 *      name        cell    cell   cell
 *          why: a sentence about this row
 */
#ifndef GRID_H
#define GRID_H

#include "bench/summary.h"

#define GRID_COLUMNS 12
#define GRID_ROWS    128
#define GRID_CELL    40

struct grid {
    const char *title;
    const char *placement; /* after the title; NULL: none */
    const char *note;      /* what the columns are, and what to think of it */
    const char *head[GRID_COLUMNS + 1]; /* of the columns; NULL-ended */
    char numbered[GRID_COLUMNS][16];    /* room for heads that are composed */
    size_t rows;
    struct grid_row {
        char name[48];
        char cell[GRID_COLUMNS][GRID_CELL];
        char why[240];
    } row[GRID_ROWS];
};

/* The next row, with its name; its cells are empty. */
struct grid_row *grid_row(struct grid *g, const char *name);

/* Three digits that mean something; "-" if not known. */
const char *grid_number(double v, char buf[GRID_CELL]);
#define GRID_NUMBER(row, column, v) grid_number((v), (row)->cell[column])

void grid_text(const struct grid *g, FILE *f);
void grid_html(const struct grid *g, FILE *f);

/* The words of a grid, and who fills in its rows, and heads that depend on what
 * was measured.  No rows: there is nothing to show. */
struct grid_type {
    const char *title, *note;
    const char *head[GRID_COLUMNS + 1];
    void (*fill)(const struct summary *s, const char *placement,
                 struct grid *g);
};

extern const struct grid_type grid_overhead; /* the others: grids.c */

/* Every grid of a run, one after the other: put() gets each that has a row. */
void grids(const struct summary *s, void (*put)(const struct grid *, FILE *),
           FILE *f);

/* -- round trips of 64 bytes, in the terminal and on the page -------------- */

#define TRIP_COLUMNS 9

struct trip_cells {
    char cell[TRIP_COLUMNS][GRID_CELL];
};

extern const struct trip_cells trip_heads;
struct trip_cells trip_cells(const struct line *l);

#endif

/*
 * grid.h - a table, once: as text in the terminal and as HTML on the page.
 *
 *      title
 *                  head    head   head
 *      name        cell    cell   cell
 *          why: a sentence about this row, or in the place of its cells
 */
#ifndef GRID_H
#define GRID_H

#include "bench/summary.h"

#include <jansson.h>

#define GRID_COLUMNS 16
#define GRID_ROWS    128
#define GRID_CELL    40

struct grid {
    const char *title;
    enum where placement; /* after the title */
    const char *says;     /* the placement in words, on the page; or NULL */
    char unit[64];        /* after both; empty: the heads say it */
    const char *note;     /* what the columns are, and what to think of it */
    const char *head[GRID_COLUMNS + 1]; /* of the columns; NULL-ended */
    char numbered[GRID_COLUMNS][16];    /* room for heads that are composed */
    bool wide[GRID_COLUMNS];            /* a column that only the page has */
    int spare[GRID_COLUMNS]; /* a terminal that is too narrow does without the
                              * column of 1, then that of 2 ...; 0: never */
    bool on_paper;           /* the page is printed with it */
    size_t rows;
    struct grid_row {
        char name[48];
        char cell[GRID_COLUMNS][GRID_CELL];
        char why[240];
        bool absent; /* there are no cells, but why */
    } row[GRID_ROWS];
};

/* The next row, with its name; its cells are empty. */
struct grid_row *grid_row(struct grid *g, const char *name);

/* Rows of the mechanisms of which nothing of this kind and size was measured at
 * the grid's placement, with the reason. */
void grid_absent(struct grid *g, const struct summary *s, enum kind kind,
                 long size);

/* Three digits that mean something; "-" if not known. */
const char *grid_number(double v, char buf[GRID_CELL]);
#define GRID_NUMBER(row, column, v) grid_number((v), (row)->cell[column])

/* So many decimals; "-" if not known. */
const char *grid_fixed(double v, int decimals, char buf[GRID_CELL]);

void grid_text(const struct grid *g, FILE *f);
void grid_html(const struct grid *g, FILE *f);

/* The words of a grid, and who fills in its rows, and heads that depend on what
 * was measured.  No rows: there is nothing to show. */
struct grid_type {
    const char *title, *note;
    const char *head[GRID_COLUMNS + 1];
    int spare[GRID_COLUMNS];
    bool on_paper;
    void (*fill)(const struct summary *s, enum where placement, struct grid *g);
};

extern const struct grid_type grid_trips, grid_trips_by_size,
    grid_streams_by_size, grid_overhead; /* the others: grids.c */

/* Every grid of a run, one after the other: put() gets each that has a row.
 * The headline is the round trip of 64 bytes.
 *   run  run.json as read, or NULL */
enum grid_part { GRID_HEADLINE = 1, GRID_OTHERS = 2, GRID_ALL = 3 };
void grids(const struct summary *s, enum grid_part part, const json_t *run,
           void (*put)(const struct grid *, FILE *), FILE *f);

#endif

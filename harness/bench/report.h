/*
 * report.h - tables and charts of a run, from its directory alone.
 */
#ifndef REPORT_H
#define REPORT_H

#include "bench/summary.h"

#include <stdbool.h>

/*
 * Reads dir/cells.csv (given dir, or that file), writes summary.csv, the charts
 * and report.html beside it and prints the tables.  fresh: this is the end of
 * the run itself, so being incomplete is nothing to mention.  Prints what went
 * wrong; an exit status.
 */
int report(const char *path, bool fresh);

/* The machine in one line and when the run ended, from run.json; without it the
 * directory's name has to do, and the date is empty. */
void report_heading(const char *dir, char heading[256], char date[64]);

/* Says why record_read() failed.  An exit status. */
int report_unreadable(const char *dir, int err, unsigned line);

/* The tables, at most 100 columns wide. */
void report_tables(const struct summary *s, FILE *f);

/* The charts, as SVG and PNG, of the files in dir.  heading and date go into
 * the small print.  0, or -errno of what stopped it; -ENOENT: there is no
 * gnuplot. */
int charts_draw(const struct summary *s, const char *dir, const char *heading,
                const char *date);

#endif

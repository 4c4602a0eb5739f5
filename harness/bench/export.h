/*
 * export.h - a run's results for other programs: `run` and `report` take
 *
 *      --csv=FILE         the lines of summary.csv
 *      --json=FILE        {"run": run.json, "results": [a line, ...]}
 *      --markdown=FILE    the tables
 *
 * where the file - is standard output; what people read is then on standard
 * error.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "bench/summary.h"

#include <argp.h>

/* The options; as a child of a verb that has no other. */
extern const struct argp export_argp;
extern const struct argp_child export_child[];

/* Opens what was asked for, before anything is measured for nothing; says what
 * cannot be, and returns an exit status. */
int export_begin(void);

/* Writes them, of the run in dir; says what cannot be written, and returns an
 * exit status. */
int export_write(const struct summary *s, const char *dir);

#endif

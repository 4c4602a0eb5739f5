/*
 * report.h - what came of a check, for people and for programs.
 */
#ifndef LAB_REPORT_H
#define LAB_REPORT_H

#include "lab/check.h"

/* "5", "3.3". */
const char *points_text(double points);

/* A step's line; for the first that failed, what is to be learned from that. */
void report_step(FILE *f, struct check *c, int step);
void report_sum(FILE *f, struct check *c);

/* The formats; 0 or -errno.  file: where it goes. */
int report_tap(struct check *c, const char *file);
int report_junit(struct check *c, const char *file);
int report_gradescope(struct check *c, const char *file);
int report_classroom(struct check *c, const char *file);

/* A file for each failure in a directory: the verdict, what the processes were
 * waiting for, what was said, their descriptors and objects, and of the first
 * of each step the last system calls. */
int report_evidence(struct check *c, const char *dir);

#endif

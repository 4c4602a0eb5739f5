/*
 * list.h - `ipcbench list`: every mechanism of this build, what it can do, and
 * whether it can do it here.
 */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>
#include <stdio.h>

/* At most 100 columns; or as CSV, one mechanism a line. */
void list(FILE *f, bool csv);

#endif

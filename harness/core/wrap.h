/*
 * wrap.h - text in lines.
 */
#ifndef WRAP_H
#define WRAP_H

#include <stdio.h>

/* Writes text and a newline, from column `indent`, where the caller is already:
 * broken between words into lines of at most `width`, the others indented as
 * far. */
void wrap(FILE *f, const char *text, int indent, int width);

/* Columns of the terminal: what COLUMNS says, or else standard output's own, or
 * where there is none, WRAP_MOST; never more than that, which is enough to read,
 * and what a file gets. */
#define WRAP_MOST 100
int wrap_columns(void);

/* As printf, broken like that. */
__attribute__((format(printf, 2, 3))) void wrap_say(FILE *f, const char *format,
                                                    ...);

#endif

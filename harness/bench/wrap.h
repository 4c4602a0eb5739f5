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

#endif

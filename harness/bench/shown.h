/*
 * shown.h - what is shown is data: the scripts in plot/ that draw the charts,
 * the template and the style sheet of the page in page/.  make writes them into
 * build/.../shown.c, so that a program carries them along wherever it is
 * installed.
 */
#ifndef SHOWN_H
#define SHOWN_H

#include <stdio.h>

/* A file, by its name without the directory; its lines end with NULL. */
struct shown {
    const char *name;
    const char *const *lines;
};

extern const struct shown shown[]; /* the last one has no name */

/* The lines of that file, which is one of them. */
const char *const *shown_lines(const char *name);

#endif

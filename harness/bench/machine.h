/*
 * machine.h - what a number was measured on and by: for run.json, and in one
 * line for headings.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <jansson.h>
#include <stddef.h>

/* New references; what cannot be found out is null.  NULL: no memory. */
json_t *machine_describe(void);
json_t *build_describe(void);

/* "AMD EPYC 9R14, 2 CPUs, Linux 6.18.44" */
void machine_line(char *buf, size_t size);

/* Is this a build with sanitizers, or without optimisation?  Then its numbers
 * are about the compiler; says which.  NULL: it is neither. */
const char *build_is_slow(void);

#endif

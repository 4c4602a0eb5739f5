/*
 * inside.h - a test's child in new namespaces, made as nslab makes it
 * (ns/nslab.h), for an ordinary user by a user namespace.
 *
 *      run_inside(CLONE_NEWPID, by_clone, number_1);
 *
 * What is tried by both ways of making it is a loop test: _i is 0 for unshare()
 * and fork(), 1 for clone().
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "test/test.h"

#include "ns/nslab.h"

/* NULL, or the reason why a child cannot have all of the namespaces. */
const char *need_spaces(void);

/* Adds the test for either way. */
void add_both(TCase *tc, const char *reason, const TTest *test);

/* A child that runs f, which returns 0 or the number of its check that failed;
 * and its end, which fails the test if one did. */
void begin_inside(int flags, int by_clone, int (*f)(struct lab *));
void end_inside(void);
void run_inside(int flags, int by_clone, int (*f)(struct lab *));

#endif

/*
 * within.h - what is to be known from within other processes' namespaces only:
 * a System V id means something in its own IPC namespace.
 *
 * Who enters does not come back, so a child does it.  Into the user namespace of
 * one's own processes one may go, and has all rights over the others in it
 * (user_namespaces(7), "Capabilities"); where that is refused nothing is seen.
 */
#ifndef WITHIN_H
#define WITHIN_H

#include <sys/types.h>

/* The calling process goes to where that one is, as far as it may. */
void within_enter(pid_t pid);

#endif

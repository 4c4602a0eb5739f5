/*
 * within.h - what is to be known from within other processes' namespaces only:
 * a System V id means something in its own IPC namespace, and what is in there
 * is counted and listed there.
 *
 * Who enters does not come back, so a child does it.  Into the user namespace of
 * one's own processes one may go, and has all rights over the others in it
 * (user_namespaces(7), "Capabilities"); where that is refused nothing is seen.
 */
#ifndef WITHIN_H
#define WITHIN_H

#include <stddef.h>
#include <sys/types.h>

/* The calling process goes to where that one is, as far as it may. */
void within_enter(pid_t pid);

/*
 * Bytes that System V segments have, attached or not, in the IPC namespaces of
 * these processes that are not the caller's own.  *maker: who made the most of
 * them, though it may have ended since; 0 if there are none.
 */
size_t within_segments(const pid_t *pids, int count, pid_t *maker);

#endif

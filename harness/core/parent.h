/*
 * parent.h - a child that does not survive its parent, however that one ends.
 *
 * It has to ask for that itself (prctl(2), PR_SET_PDEATHSIG), and until it does
 * its parent may have ended: then no signal comes any more.  So it looks for its
 * parent afterwards.
 */
#ifndef PARENT_H
#define PARENT_H

#include <sys/types.h>

/* In the child: from now on it gets this signal when its parent ends, and if it
 * has ended, the child does so here.  parent: its pid, from before the fork. */
void end_with_parent(pid_t parent, int number);

/*
 * In a new PID namespace getppid(2) says 0, whether the parent outside lives or
 * not; a pidfd tells.  Before the fork, of the process that is to be the parent;
 * close-on-exec.  -1: there is none, and the child cannot look.
 */
int parent_pidfd(void);

/* As end_with_parent(); closes the descriptor. */
void end_with_pidfd(int parent, int number);

#endif

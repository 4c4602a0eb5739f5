/*
 * evidence.h - what there is at the moment when a test fails, for who reads its
 * evidence later: what each of its processes has open, and which objects there
 * are.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <sys/types.h>

/* Of pid and all that descend from it, and of the IPC namespace that the caller
 * is in, to that descriptor. */
void evidence_print(int fd, pid_t pid);

#endif

/*
 * processes.h - what another process is doing: proc(5).
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/* Are all its threads in that state: 'S', asleep; 'T', stopped? */
bool all_threads_are(pid_t pid, char state);

/* Is one of its threads asleep in this system call; in poll(2), for ever?  Not
 * if there is no such process. */
bool is_in_call(pid_t pid, long call);

/* Does the one thread of a stopped process sleep in a call that is no lock's,
 * fcntl(2)?  Otherwise it may hold one.  True, too, if nobody may look. */
bool is_stopped_at_rest(pid_t pid);
bool waits_without_a_timer(pid_t pid);

/* SIGSTOP; it has stopped when this returns. */
void process_stop(pid_t pid);

/* Descriptors that it has open; -1: there is no such process. */
int open_descriptors(pid_t pid);

#endif

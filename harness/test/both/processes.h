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
bool waits_without_a_timer(pid_t pid);

/* SIGSTOP; it has stopped when this returns. */
void process_stop(pid_t pid);

/* Descriptors that it has open; -1: there is no such process. */
int open_descriptors(pid_t pid);

#endif

/*
 * why_says.h - how the parts of the hang explainer (why.h) put their findings
 * together.  Each explains some system calls; why.c has the table of them.
 */
#ifndef WHY_SAYS_H
#define WHY_SAYS_H

#include "lab/procfs.h"
#include "lab/why.h"

/* The call, as a programmer would write it. */
void why_call(struct why_wait *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One more sentence, on a line of its own. */
void why_say(struct why_wait *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* This process could end the wait (itself: is WHY_ITSELF). */
void why_depends(struct why_wait *w, pid_t pid);

/* "pid 812 (server)", or "pid 812 itself" if it is the one that waits.  One of
 * four buffers, used in turn. */
const char *why_who(const struct why_wait *w, pid_t pid);

/* -- the parts: each fills in cause, call, because, on -- */

typedef void why_part(struct why_wait *w, const struct procfs_call *c);

/* why_descriptors.c */
why_part why_reading, why_writing, why_opening, why_accepting, why_connecting;
why_part why_polling, why_selecting, why_epoll, why_queue_receive,
    why_queue_send;

/* why_sockets.c: it waits for something to come (or to go) on a socket. */
void why_socket(struct why_wait *w, int fd, const char *link, bool to_write);

/* why_descriptors.c: procfs_holders(), and a sentence if somebody has more. */
void why_holders(struct why_wait *w, const char *link, procfs_visit *visit,
                 void *arg);

/* why_objects.c */
why_part why_semop, why_msgrcv, why_msgsnd, why_futex;

/* why_locks.c */
why_part why_fcntl, why_flock;

/* why_processes.c */
why_part why_child, why_signal, why_sleep;

/* Waits for a byte, or for room, in the pipe, FIFO, socket ... behind fd: the
 * sentences only. */
void why_descriptor(struct why_wait *w, int fd, bool to_write);

#endif

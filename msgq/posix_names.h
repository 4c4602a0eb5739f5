/*
 * posix_names.h - what our POSIX queues are called, and which of them nobody
 * uses any more.
 *
 *      /ipclab-0123456789abcdef-msgq-posix    requests: a random one each time,
 *                                             and read in the endpoint file
 *      /ipclab-72f6525c-msgq-posix            the same made by systemd: known
 *                                             before, from the endpoint's path
 *      /ipclab-msgq-posix.4711.29110          replies: pid and serial
 *
 * A name outlives its process, and as long as it is there the queue is counted
 * against its user's limit (RLIMIT_MSGQUEUE).  So whoever makes a queue keeps
 * it locked (fcntl(2), F_OFD_SETLK), and the kernel lets go of the lock however
 * it dies: sweep() can see what is nobody's.
 */
#ifndef MSGQ_POSIX_NAMES_H
#define MSGQ_POSIX_NAMES_H

#include "core/rundir.h"

#include <mqueue.h>
#include <stdbool.h>

/* Locks a queue that one has open for reading.  0 or -errno. */
int posix_lock(mqd_t queue);

/* Has its maker closed it, or died? */
bool posix_is_abandoned(mqd_t queue);

void posix_reply_name(uint32_t pid, uint32_t serial, char name[ENDPOINT_SIZE]);

/* Removes every queue of our user's that nobody has locked and whose maker is
 * no process any more.  Needs mqueue mounted at /dev/mqueue, or root, or does
 * nothing.  1 = removed some, 0. */
int posix_sweep_dead(void);

#endif

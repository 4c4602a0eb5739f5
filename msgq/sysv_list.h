/*
 * sysv_list.h - the endpoint of a System V variant: a file that lists queues,
 * one a line.
 *
 *      $ cat /run/ipclab/msgq-sysv-private
 *              id                 made    creator
 *               3           1732261975          0    the server's, for requests
 *               4           1732261980      10001    a client's, for replies
 *
 * Why not ftok(3)?  It makes a key out of 16 bits of an inode number and 16
 * others, so two files may well have the same one; and whoever computes it
 * first can make the queue first, and is then asked what the server should
 * have been asked.  IPC_PRIVATE makes a queue without a key: nobody can be
 * there before us, and only the server's user can write its id into this file.
 *
 * The ids of the clients' queues are there for sweep(): a System V queue lives
 * until it is removed, whoever dies.  And since ids are used again, after a
 * reboot even from 0, a queue is only ever removed if its maker and the time
 * are the ones noted.
 */
#ifndef MSGQ_SYSV_LIST_H
#define MSGQ_SYSV_LIST_H

/* Server: makes the file, and notes its own queue in line 0.  A descriptor. */
int list_make(const char *name, int queue);

/* Server: notes a client's, in line 1, 2 ... */
int list_note(int list, unsigned line, int queue);

/* Removes the file and every queue in it.  1 = removed something. */
int list_sweep(const char *name);

/* Client: the server's queue, if the owner of the run directory made it.
 *   -ENOENT, -EPERM */
int list_queue(const char *name);

#endif

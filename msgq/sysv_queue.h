/*
 * sysv_queue.h - which System V queue is it, and whose?
 *
 * The server's stands in the endpoint file:
 *
 *      $ cat /run/ipclab/msgq-sysv-private
 *      queue 3 1732261975 0                 id, when it was made, by whom
 *
 * Why not ftok(3)?  It makes a key out of 16 bits of an inode number and 16
 * others, so two files may well have the same one; and whoever computes it
 * first can make the queue first, and is then asked what the server should
 * have been asked.  Nobody is asked for because of its key here: only the
 * server's user can write its id into this file.
 *
 * Each is found by its key, whose upper half is always the same, and the lower
 * half random: ipcs(1) shows who left it, and sweep() can tell it from other
 * programs' queues, also if its maker was killed before anybody knew of it.
 * (Who guesses the key gains nothing by it: the mode says what one may do.)
 *
 *      $ ipcs -q
 *      key        msqid      owner      perms ...
 *      0xeb1d04a1 3          ipclab     622        a server's
 *      0xeb1c93f0 4          alice      600        a client's, for replies
 */
#ifndef MSGQ_SYSV_QUEUE_H
#define MSGQ_SYSV_QUEUE_H

#include "core/object.h"

#define QUEUE_MARK    0xeb1c0000u /* the upper half of a reply queue's key */
#define REQUESTS_MARK 0xeb1d0000u /* and of a server's */

/* -- server ---------------------------------------------------------------- */

/* The endpoint file, as its server has it. */
struct queue_file {
    struct object_id id;
    int held; /* endpoint_hold(); -1: it is to be made */
};

/* Makes the queue for requests, and writes the endpoint file, or writes it
 * anew.  0 or -errno; then there is no queue, and no file was made. */
int queue_make_requests(const char *name, int mode, struct object_sysv *queue,
                        struct queue_file *file);

/* Removes it, if it is still that one.  Whoever waits in it wakes with
 * EIDRM. */
void queue_remove(const struct object_sysv *queue);

/* Removes every queue whose client, or server, is dead, if it was made by our
 * user or given to it.  1 = removed some, 0. */
int queue_sweep_dead(void);

/* The same, and the endpoint file and the queue in it.  1 = removed something,
 * 0,
 * -errno. */
int queue_sweep(const char *name);

/* -- client ---------------------------------------------------------------- */

/* The server's queue, if the owner of the run directory made it.
 *   -ENOENT  no such file, or the queue has been removed; -EPERM */
int queue_find(const char *name);

/* Makes a queue for replies, mode 0600, and gives it to the server's user: who
 * has made it remains known (cuid).  Its id, or -errno. */
int queue_make_replies(uid_t server);

#endif

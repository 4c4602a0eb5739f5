/*
 * sysv.h - what the two System V variants share: how a queue is found, and how
 * to wait for it.
 *
 * The endpoint is a file that lists queues, one a line:
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
#ifndef MSGQ_SYSV_H
#define MSGQ_SYSV_H

#include "core/alarm.h"
#include "core/ipc.h"
#include "core/rundir.h"

#include <stdbool.h>
#include <sys/msg.h>

/* As msgsnd(2) and msgrcv(2) want it: the type is not part of the text. */
struct sysv_message {
    long type;
    uint8_t text[];
};

/* -- waiting ----------------------------------------------------------------- */

/* msgsnd(2) and msgrcv(2) have no time limit, and will not tell that nobody is
 * left at the other end. */
struct sysv_wait {
    struct alarm alarm;
    int life; /* a client's: of its server (rundir.h); a server's: -1 */
};

/*
 * msgrcv(2) until deadline (clock.h); at most size bytes, the rest is cut off:
 * a message that is too long must not stay at the head of the queue for ever.
 * The length, or
 *   -EPIPE      the queue has been removed, or the server is dead
 *   -ETIMEDOUT, -EINTR
 */
ssize_t sysv_receive(struct sysv_wait *w, int queue, struct sysv_message *m,
                     size_t size, long type, int64_t deadline);

/* msgsnd(2) until deadline; signals do not interrupt it.  Errors as above. */
int sysv_send(struct sysv_wait *w, int queue, const struct sysv_message *m,
              size_t len, int64_t deadline);

/* Server: says something short, or nothing (an empty message), and never waits:
 * who waits in a full queue waits for those who wait for him. */
int sysv_say(int queue, long type, const void *text, size_t len);

/* -- what every server and every client has ------------------------------------ */

struct sysv_server {
    char name[ENDPOINT_SIZE];
    int life, list; /* NAME.life; NAME, the list of queues */
    int queue;      /* the requests */
    struct sysv_wait wait;
    struct sysv_message *buf; /* size bytes of text */
    size_t size;
};

/* Sweeps, then makes the queue with this mode, and the list. */
int sysv_create(struct sysv_server *s, const char *name, int mode, size_t size);
void sysv_destroy(struct sysv_server *s);

/* Notes another queue, in line 1, 2 ... of the list. */
int sysv_note(struct sysv_server *s, unsigned line, int queue);

/* Removes the list and every queue in it.  1 = removed something. */
int sysv_sweep(const char *name);

struct sysv_client {
    int requests; /* the server's queue */
    struct sysv_wait wait;
    struct sysv_message *buf; /* size bytes of text */
    size_t size;
    bool cut_off;
};

/* Finds the server's queue: one that the owner of the run directory made.
 *   -ENOENT, -ECONNREFUSED, -EPERM */
int sysv_open(struct sysv_client *c, const char *where, size_t size);
void sysv_close(struct sysv_client *c);

/* sysv_receive() into c->buf.  An empty message is the server's last word:
 * -EPIPE. */
ssize_t sysv_answer(struct sysv_client *c, int queue, long type,
                    int64_t deadline);

/* -- the kernel's limits ----------------------------------------------------- */

/* msgmax, msgmnb ...: what /proc/sys/kernel/msg* says. */
int sysv_limits(struct msginfo *info);

/* Why there can be no queue here for messages of this size, or NULL. */
const char *sysv_unavailable(size_t max_msg);

#endif

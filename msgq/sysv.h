/*
 * sysv.h - what the two System V variants share: how to wait for a queue, and
 * what every server and every client has.
 */
#ifndef MSGQ_SYSV_H
#define MSGQ_SYSV_H

#include "core/alarm.h"
#include "core/ipc.h"
#include "core/rundir.h"
#include "sysv_list.h"

#include <stdbool.h>
#include <sys/msg.h>

/* As msgsnd(2) and msgrcv(2) want it: the type is not part of the text. */
struct sysv_message {
    long type;
    uint8_t text[];
};

/* -- waiting --------------------------------------------------------------- */

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

/* -- what every server and every client has -------------------------------- */

struct sysv_server {
    char name[ENDPOINT_SIZE];
    int life, list; /* NAME.life; NAME, the list of queues (sysv_list.h) */
    int queue;      /* the requests */
    struct sysv_wait wait;
    struct sysv_message *buf; /* size bytes of text */
    size_t size;
};

/* Sweeps, then makes the queue with this mode, and the list. */
int sysv_create(struct sysv_server *s, const char *name, int mode, size_t size);
void sysv_destroy(struct sysv_server *s);

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
void sysv_forget(struct sysv_client *c); /* ipc.h, forget() */

/* sysv_receive() into c->buf.  An empty message is the server's last word:
 * -EPIPE. */
ssize_t sysv_answer(struct sysv_client *c, int queue, long type,
                    int64_t deadline);

/* -- the kernel's limits --------------------------------------------------- */

/* msgmax, msgmnb ...: what /proc/sys/kernel/msg* says. */
int sysv_limits(struct msginfo *info);

/* Why there can be no queue here for messages of this size, or NULL. */
const char *sysv_unavailable(size_t max_msg);

#endif

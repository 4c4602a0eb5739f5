/*
 * sysv.h - what the two System V variants share: how to wait for a queue, how a
 * server waits for messages and for newcomers, and what every client has.
 */
#ifndef MSGQ_SYSV_H
#define MSGQ_SYSV_H

#include "core/alarm.h"
#include "core/rendezvous.h"
#include "core/sessions.h"
#include "sysv_queue.h"

#include <stdbool.h>
#include <sys/msg.h>

/* As msgsnd(2) and msgrcv(2) want it: the type is not part of the text. */
struct sysv_message {
    long type;
    uint8_t text[];
};

/* -- waiting --------------------------------------------------------------- */

/* msgsnd(2) and msgrcv(2) have no time limit, and will not tell that nobody is
 * left at the other end.  So who waits looks up now and then. */
struct sysv_wait {
    struct alarm alarm;
    int64_t look;                  /* how often, ns */
    const struct registry *server; /* a client's, to look whether it lives; a
                                    * server's: NULL */
};

/*
 * msgrcv(2) until deadline (clock.h); at most size bytes, the rest is cut off:
 * a message that is too long must not stay at the head of the queue for ever.
 * The length, or
 *   -EPIPE      the queue has been removed, or the server is dead
 *   -ETIMEDOUT
 *   -EINTR      also when it is time to look up
 */
ssize_t sysv_receive(struct sysv_wait *w, int queue, struct sysv_message *m,
                     size_t size, long type, int64_t deadline);

/* msgsnd(2) until deadline; signals do not interrupt it.  Errors as above. */
int sysv_send(struct sysv_wait *w, int queue, const struct sysv_message *m,
              size_t len, int64_t deadline);

/* Says something short, or nothing (an empty message), and never waits: who
 * waits in a full queue waits for those who wait for it.  0 or -errno. */
int sysv_say(int queue, long type, const void *text, size_t len);

/* -- server ---------------------------------------------------------------- */

struct sysv_server {
    char name[ENDPOINT_SIZE];
    const struct sysv_variant *variant;
    struct registrar registrar; /* NAME.join */
    struct object_sysv queue;   /* the requests */
    struct queue_file file;     /* NAME, where its id stands */
    int mode;
    struct sessions sessions;
    struct sysv_wait wait;
    unsigned taken, useless;  /* messages; the last ones that were nobody's */
    bool more;                /* registered, than were looked at in one turn */
    struct sysv_message *buf; /* size bytes of text */
    size_t size;
};

/* What one does and the other does not. */
struct sysv_variant {
    long types;          /* of what is for the server: msgrcv(2) */
    int64_t evict_after; /* sessions_init() */

    /* Somebody has registered: takes it in, or not. */
    void (*admit)(void *srv, const struct registration *r);

    /* The queue in which this client's answers are. */
    int (*answers)(const void *srv, unsigned slot);

    bool (*is_gone)(void *srv, unsigned slot);
    void (*disconnect)(void *srv, unsigned slot);

    /* A message, len bytes of buf: 1 = a client's, now in *req; 0 = something
     * else. */
    int (*take)(void *srv, size_t len, struct ipc_request *req);

    /* NULL, or: a request that came another way?  1, 0. */
    int (*take_other)(void *srv, struct ipc_request *req);

    /* NULL, or: the queue is full of what is nobody's; the next take_other() is
     * to look for requests behind all that. */
    void (*flooded)(void *srv);

    /* NULL, or looks after the queue, now and then. */
    void (*tidy)(void *srv);
};

/* Sweeps, then makes the queue with this mode, and the endpoint.  The variant's
 * own struct begins with this one. */
int sysv_create(struct sysv_server *s, const char *name, int mode, size_t size,
                unsigned clients, const struct sysv_variant *variant);

/* next() of both. */
int sysv_next(void *srv, struct ipc_request *req, int64_t timeout_ns);

/* How often a server that has clients looks around, ns (wait.look): while they
 * say nothing ever more rarely.  One that has none sleeps until somebody
 * registers. */
#define SERVER_LOOK      INT64_C(250000000)
#define SERVER_LOOK_MOST INT64_C(4000000000)

/* A slot for one more client of this user; those who have died make room. */
int sysv_choose(struct sysv_server *s, uid_t uid);

/* Looks for the dead and for newcomers, at once: somebody has rung. */
void sysv_look_around(struct sysv_server *s);

/* With a queue all goes that is in it, also the answer to who asked us to end, if
 * it has not come to take it yet.  So it has this long, ns. */
#define LAST_ANSWER INT64_C(100000000)

/* The clients first. */
void sysv_destroy(void *srv);

/* Removes the endpoint, its queue, and dead clients'.  1 = something, 0. */
int sysv_sweep(const char *name);

/* -- client ---------------------------------------------------------------- */

struct sysv_client {
    int requests; /* the server's queue */
    struct registry server;
    struct sysv_wait wait;
    struct sysv_message *buf; /* size bytes of text */
    size_t size;
    long doorbell; /* the type of a message that only wakes the server */
    bool ringing;  /* the queue was too full for it */
    bool cut_off;
};

/* Finds the server and its queue.
 *   -ENOENT, -ECONNREFUSED, -EPERM; -EACCES: it is not for this user */
int sysv_open(struct sysv_client *c, const char *where, size_t size,
              long doorbell);
void sysv_close(struct sysv_client *c);
void sysv_forget(struct sysv_client *c); /* ipc.h, forget() */

/* Registers, and rings. */
int sysv_register(struct sysv_client *c, const struct registration *r,
                  int64_t deadline);

/* An empty message to the server, which may be asleep in its queue and look at
 * nothing else.  If there is no room for it, the server is awake, and at the
 * latest sysv_answer() rings again. */
void sysv_ring(struct sysv_client *c);

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

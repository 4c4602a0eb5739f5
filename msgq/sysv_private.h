/*
 * sysv_private.h - what the two halves of msgq/sysv-private share:
 * sysv_private.c, which carries requests and replies, and sysv_private_join.c:
 * who is a client.
 */
#ifndef MSGQ_SYSV_PRIVATE_H
#define MSGQ_SYSV_PRIVATE_H

#include "core/ipc.h"
#include "core/owner.h"
#include "sysv.h"

#include <stdbool.h>
#include <time.h>

struct session {
    bool used;
    uint32_t generation; /* as no other session has had */
    bool dismissed; /* not served any more, but it has not removed its queue */
    int queue;      /* the client's */
    uid_t creator;
    time_t made;
    int64_t seen; /* the last time that we looked: private_is_there() */
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct server {
    struct sysv_server base;
    unsigned taken;
    uint32_t joined; /* so many sessions there have been */
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    struct sysv_client base;
    int replies; /* our own queue */
    uint8_t nonce[NONCE_SIZE];
};

/* -- wire ------------------------------------------------------------------ */

/* Requests: messages of type JOIN or MESSAGE, and the text is
 *
 *      0       4            20
 *      +-------+------------+------------
 *      | queue |   nonce    | body         queue: for the replies
 *      +-------+------------+------------
 */
#define PREFIX  20
#define JOIN    1
#define MESSAGE 2

extern const char private_wire[]; /* the same for the protocol page */

void private_put_prefix(struct sysv_message *m, long type,
                        const struct client_end *c);

/* -- server ---------------------------------------------------------------- */

/* A JOIN has come. */
void private_join(struct server *s, int queue, uid_t claimed);

/* The one that has this queue, or NULL. */
struct session *private_find(struct server *s, int queue);

/* Is this id still the client's queue?  Seldom costs a system call. */
bool private_is_there(struct session *session);

/* Drops whoever has died or removed his queue.  A free place, or NULL. */
struct session *private_look_around(struct server *s);
void private_drop(struct session *session);

/* -- client ---------------------------------------------------------------- */

/* Makes the reply queue and joins.  -EAGAIN: the server is full. */
int private_announce(struct client_end *c);

#endif

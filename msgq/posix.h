/*
 * posix.h - what the parts of msgq/posix share: posix.c, which carries requests
 * and replies; posix_join.c: who is a client; posix_wait.c: how one waits.
 */
#ifndef MSGQ_POSIX_H
#define MSGQ_POSIX_H

#include "core/ipc.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <mqueue.h>
#include <stdbool.h>

/* The reply queue's name, but for what it begins with. */
struct queue_id {
    uint32_t pid, serial;
};

struct session {
    mqd_t queue; /* the client's; 0: free */
    struct queue_id id;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct server {
    char name[ENDPOINT_SIZE], queue_name[ENDPOINT_SIZE];
    int life;    /* NAME.life */
    mqd_t queue; /* the requests */
    uint8_t *buf;
    size_t size; /* of it, bytes */
    unsigned max_clients, taken;
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    int life; /* of the server (rundir.h); below 0: it is to be started */
    mqd_t requests, replies;
    uint8_t *buf; /* size bytes */
    size_t size;
    bool cut_off;
    struct queue_id id;
    uint8_t nonce[NONCE_SIZE];
};

/* -- wire ------------------------------------------------------------------ */

/* Requests, all with priority 0:
 *
 *      0      4     8        12           28
 *      +------+-----+--------+------------+------------
 *      | kind | pid | serial |   nonce    | body
 *      +------+-----+--------+------------+------------
 */
#define PREFIX  28
#define JOIN    1
#define MESSAGE 2

extern const char posix_wire[]; /* the same for the protocol page */

void posix_put_prefix(uint8_t *p, uint32_t kind, const struct client_end *c);

/* -- server ---------------------------------------------------------------- */

/* A JOIN has come. */
void posix_join(struct server *s, struct queue_id id, uid_t claimed);

/* The one whose queue is called so, or NULL. */
struct session *posix_find(struct server *s, const struct queue_id *id);

/* Drops whoever has died or left.  A free place, or NULL. */
struct session *posix_look_around(struct server *s);

/* Tells the client, if it is still there, that it is one no more. */
void posix_drop(struct server *s, struct session *session);

/* -- client ---------------------------------------------------------------- */

/* Opens the request queue, if it is the server's; makes the reply queue and
 * joins.  -EAGAIN: the server is full. */
int posix_find_server(struct client_end *c, const char *where);
int posix_announce(struct client_end *c, const char *where);

/* Sends c->buf; signals do not interrupt it.  -EPIPE: the server is dead. */
int posix_transmit(struct client_end *c, size_t len, int64_t deadline);

/* The next message for us.  -EPIPE: the server is dead, or has cut us off. */
ssize_t posix_receive(struct client_end *c, void *buf, size_t size,
                      int64_t deadline);

#endif

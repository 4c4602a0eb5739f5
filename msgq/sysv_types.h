/*
 * sysv_types.h - what the two halves of msgq/sysv-types share: sysv_types.c,
 * which carries requests and answers, and sysv_types_join.c: who is a client.
 */
#ifndef MSGQ_SYSV_TYPES_H
#define MSGQ_SYSV_TYPES_H

#include "core/ipc.h"
#include "sysv.h"

#include <stdbool.h>

struct session {
    long type;           /* of the answers; 0: free */
    uint32_t generation; /* as no other session has had */
    bool dismissed;      /* not served any more, but its answers are its own */
    pid_t claimed;       /* the client's, it says */
    struct ipc_peer peer;
};

struct server {
    struct sysv_server base;
    unsigned max_clients, taken;
    uint32_t joined; /* so many sessions there have been */
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    struct sysv_client base;
    long type; /* ours */
    enum { NONE, DUE, UNWANTED } reply;
};

/* -- wire ------------------------------------------------------------------ */

/* Requests: messages of this type, and the text is
 *
 *      0      8      12
 *      +------+------+------------
 *      | type | kind | body            type: where the answer goes
 *      +------+------+------------
 */
#define REQUESTS 1
#define PREFIX   12
#define JOIN     1
#define MESSAGE  2
#define LEAVE    3
#define RECEIPT  1 /* bytes of the answer to a JOIN or a notice */

extern const char types_wire[]; /* the same for the protocol page */

void types_put_prefix(struct sysv_message *m, uint32_t kind, long type);

/* -- server ---------------------------------------------------------------- */

/* A receipt, or an empty message.  If the queue is full nobody hears it. */
void types_say(struct server *s, long type, size_t len);

/* A JOIN has come. */
void types_join(struct server *s, long type, pid_t claimed);

/* The one with this type, or NULL; 0: a free place. */
struct session *types_find(struct server *s, long type);

/* Who is this client?  A guess, and once made it stands. */
void types_infer(struct server *s, struct session *from);

/* Drops whoever has died. */
void types_look_around(struct server *s);
void types_drop(struct server *s, struct session *session);

/* -- client ---------------------------------------------------------------- */

/* Chooses a type and joins.  -EAGAIN: the server is full. */
int types_announce(struct client_end *c);
void types_leave(struct client_end *c);

#endif

/*
 * members.h - the clients of a server without connections: whoever has joined,
 * with a connection for each one's replies.
 *
 *      the server's socket ----\
 *      channel of member 1 -----  epoll: something came, or a member has gone
 *      channel of member 2 ----/
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "core/sessions.h"
#include "local.h"
#include "unsent.h"

/* A session's name, in its datagrams: the token of its slot, big-endian. */
#define MEMBER_NAME 8 /* bytes */

struct member {
    int fd;            /* the client's reply channel, our end; 0: free */
    uid_t owner;       /* who may use the session: local_owner() */
    struct unsent out; /* descriptors on their way; no replies are kept */
    char address[ADDRESS_SIZE];
};

struct members {
    int epoll, joins;
    int spare; /* a descriptor to give up when there are no more */
    struct sessions sessions;
    struct member member[IPC_MAX_CLIENTS]; /* by the session's slot */
};

/* Requests come to this socket; it remains the caller's.  Who would like to
 * join connects to the other, which is taken over. */
int members_init(struct members *m, int socket, int joins);
void members_free(struct members *m);

/* The token of a member's session; and whose it is: NULL if it has left. */
uint64_t members_token(const struct members *m, const struct member *of);
struct member *members_find(struct members *m, uint64_t token);
void members_heard(struct members *m, const struct member *of);

/* May one more descriptor go to it?  0, -EAGAIN. */
int members_take_descriptor(struct members *m, struct member *to);
void members_drop(struct members *m, struct member *gone);

/* Waits for a datagram; takes in who comes and drops who goes meanwhile.
 *   -ETIMEDOUT, -EINTR */
int members_wait(struct members *m, int64_t deadline);

#endif

/*
 * unsent.h - what a client has not taken yet: replies that its socket has no
 * room for, and descriptors that are on their way.
 *
 * Both are the server's, and so both are counted, for the client's user
 * (core/quota.h).
 */
#ifndef UNSENT_H
#define UNSENT_H

#include "core/ipc.h"

#include <stdbool.h>

/* -- replies, or the rests of them, in order ------------------------------- */

struct unsent_reply {
    struct unsent_reply *next;
    int fd; /* goes with the first byte; -1: none, or it is gone */
    size_t start, end;
    uint8_t bytes[];
};

struct unsent {
    uid_t uid; /* whose; set by the server */
    struct unsent_reply *first, **last;
    unsigned in_flight; /* descriptors sent, and perhaps not received */
};

void unsent_init(struct unsent *u, uid_t uid);

/* Keeps a copy of what is left of msg from byte `from` on; the descriptor, if
 * nothing of it has been sent.  -ENOMEM, -EMFILE, -EDQUOT. */
int unsent_keep(struct unsent *u, const struct ipc_message *msg, size_t from);

/* Sends as much as there is room for.  0: nothing is left; -EAGAIN, or another
 * -errno: it is of no more use. */
int unsent_send(struct unsent *u, int socket);

/* The client has gone: nothing of all this is on its way any more. */
void unsent_free(struct unsent *u);

/* -- descriptors on their way ---------------------------------------------- */

/*
 * The kernel lets a user, the server's, have RLIMIT_NOFILE descriptors on their
 * way, and nobody is told when one arrives (unix(7), ETOOMANYREFS).  What can
 * be asked is whether all that was sent through a socket has been received:
 * SO_MEMINFO.
 */

/* Has all that was sent through it been received?  Then it counts no more. */
void unsent_settle(struct unsent *u, int socket);

/* One more is to be sent, if this user may: settle first.  0, -EAGAIN. */
int unsent_take_descriptor(struct unsent *u);

#endif

/*
 * clients.h - the clients of a server that has connections: a table of them,
 * one epoll(7) set over all, and replies that wait until they are collected.
 *
 *      listener ---accept---> connections[0]   in: bytes, not yet a message
 *                             connections[1]   out: the rest of a reply
 *      epoll_wait over all    ...
 *
 * What a client does is its own business only: one that does not collect its
 * reply is not read from until it has, one that goes frees its place, one too
 * many is turned away, one that does not finish what it began is cut off
 * (struct timeout).
 *
 * struct clients is the whole server of stream.c, seqpacket.c and others: their
 * tables point to these functions.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "core/frames.h"
#include "core/sessions.h"
#include "local.h"
#include "unsent.h"

#include <stdbool.h>
#include <sys/epoll.h>

/* -- how long a server waits for what a client has begun ------------------- */

/*
 * Whatever a stranger can take for nothing has to have an end, or it takes all
 * of it and the server is there for nobody: half a message on each connection,
 * replies that nobody collects.  (How many connections: core/sessions.h.)  It
 * is decided here, about numbers only, so that a test can say what time it is.
 */
enum awaited {
    NOTHING,        /* a request may come, or not: for ever */
    REST_OF_HEADER, /* since its first byte */
    REST_OF_BODY,   /* since the header was whole */
    READER,         /* to collect a reply, since it did not fit the socket */
};

/* Counted from the beginning: a byte now and then does not buy more time. */
struct timeout {
    enum awaited awaited;
    int64_t until; /* deadline (core/clock.h), unless NOTHING */
};

/* How long, ns.  Variable only for tests, which have none. */
extern int64_t timeout_limits[];

/* This is what we wait for from now on; if we did already, since then. */
void timeout_for(struct timeout *t, enum awaited awaited, int64_t now);
int64_t timeout_ends(const struct timeout *t);

/* What these bytes still lack. */
enum awaited awaited_by(const struct frames *in);

/* -- the clients ----------------------------------------------------------- */

struct connection {
    int fd; /* 0: free */
    struct ipc_peer peer;
    char address[ADDRESS_SIZE]; /* peer.address */
    uint32_t inode;             /* TCP: the client's socket (tcp.c) */
    struct frames in;           /* a stream's */
    struct unsent out;          /* replies that the socket had no room for */
    struct timeout timeout;     /* for half a request, or with a slow reader */
};

/* Fills in who that is, peer and address; not 0: it is turned away. */
typedef int identify_function(struct connection *c);

struct clients {
    char name[ENDPOINT_SIZE]; /* the endpoint's file, if it has one; else "" */
    struct object_id file;    /* ... which may have become another's since */
    int listener, epoll;
    int spare;         /* a descriptor to give up when there are no more */
    int timer;         /* a timerfd: readable when somebody's time is up */
    int64_t timer_set; /* to when */
    identify_function *identify;
    struct sessions sessions;
    struct connection connections[IPC_MAX_CLIENTS]; /* by the session's slot */
    int last; /* slot of the connection served last */
    struct epoll_event ready[IPC_MAX_CLIENTS];
    int ready_count, ready_next; /* those not yet looked at */
};

/* Takes the listener over, and the file: if it fails, both are gone. */
int clients_init(struct clients *s, const char *name, int listener,
                 identify_function *identify);

/* reply(), pollfd() and destroy() of ipc.h. */
int clients_reply(void *srv, const struct ipc_request *req,
                  const struct ipc_message *msg);
int clients_pollfd(void *srv);
void clients_destroy(void *srv);

/*
 * Waits until something happens.  0: *readable is a connection that has
 * something to read; or NULL, when it was something else: a new client was
 * taken or turned away, the rest of a reply was sent.
 *   -ETIMEDOUT, -EINTR
 */
int clients_wait(struct clients *s, int64_t deadline,
                 struct connection **readable);

/* The token of its replies; and whose it is: NULL if that one has left. */
uint64_t clients_token(const struct clients *s, const struct connection *c);
struct connection *clients_find(struct clients *s, uint64_t token);

/* Something has come from this client.  Awaited: what still has to. */
void clients_heard(struct clients *s, struct connection *c,
                   enum awaited awaited);

/* Cuts those off whose time is up, and sets the timer for the next. */
void clients_expire(struct clients *s, int64_t now);

/* Cuts the client off. */
void clients_drop(struct clients *s, struct connection *c);

#endif

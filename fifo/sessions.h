/*
 * sessions.h - the clients that have joined: which reply FIFO is whose, and
 * which nonce proves it.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "record.h"
#include "reply_fifo.h"

struct session {
    int fd; /* write end of the client's reply FIFO; 0: free */
    struct reply_fifo id;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct sessions {
    unsigned count;
    struct session session[IPC_MAX_CLIENTS];
};

/* A JOIN: opens the reply FIFO in the directory dir, if it is whose the record
 * says.  If not: not a word, and a client who meant it times out in open(). */
void sessions_join(struct sessions *s, int dir, const struct record *join);

/* The client of this reply FIFO, or NULL. */
struct session *sessions_find(struct sessions *s, const struct reply_fifo *id);

/* The client who wrote this MESSAGE: the one who could know the nonce in it;
 * or NULL. */
struct session *sessions_author(struct sessions *s, const struct record *r);

/* Does another one's message begin in this one?  Nobody knows another's nonce,
 * so it was not written there: this one claims to be longer than it is.  end is
 * the end of all that there is, because the other one may end beyond this one.
 * (The price: who passes on bytes in which somebody hid a record of his own is
 * suspected, too.) */
bool sessions_swallowed(struct sessions *s, const struct record *r,
                        const uint8_t *end);

/* Cuts a client off: it reads an end of file. */
void sessions_drop(struct sessions *s, struct session *who);
void sessions_drop_all(struct sessions *s);

#endif

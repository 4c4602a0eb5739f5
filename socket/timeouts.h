/*
 * timeouts.h - how long a server waits for what a client has begun.
 *
 * Whatever a stranger can take for nothing has to have an end, or it takes all
 * of it and the server is there for nobody: half a message on each connection,
 * replies that nobody collects.  (How many connections: core/sessions.h.)  It is
 * decided here, about numbers only, so that a test can say what time it is.
 */
#ifndef TIMEOUTS_H
#define TIMEOUTS_H

#include "core/frames.h"
#include "core/ipc.h"

#include <stdbool.h>

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

#endif

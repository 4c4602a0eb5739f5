/*
 * seats.h - what a client may have of a server: one of its seats, and some of
 * its patience.
 *
 * Whatever a stranger can take for nothing has to have an end, or he takes all
 * of it and the server is there for nobody: 64 connections that say nothing,
 * half a message on each, replies that nobody collects.  All of it is decided
 * here, about numbers only, so that a test can say what time it is.
 */
#ifndef SEATS_H
#define SEATS_H

#include "core/frames.h"
#include "core/ipc.h"

#include <stdbool.h>

/* -- patience: how long we wait for what has begun ------------------------- */

enum awaited {
    NOTHING,        /* a request may come, or not: for ever */
    REST_OF_HEADER, /* since its first byte */
    REST_OF_BODY,   /* since the header was whole */
    READER,         /* to collect a reply, since it did not fit the socket */
};

/* Counted from the beginning: a byte now and then does not buy more time. */
struct patience {
    enum awaited awaited;
    int64_t until; /* deadline (core/clock.h), unless NOTHING */
};

/* How long, ns.  Variable only for tests, which have none. */
extern int64_t patience_limits[];

/* This is what we wait for from now on; if we did already, since then. */
void patience_for(struct patience *p, enum awaited awaited, int64_t now);
int64_t patience_ends(const struct patience *p);

/* What these bytes still lack. */
enum awaited awaited_by(const struct frames *in);

#endif

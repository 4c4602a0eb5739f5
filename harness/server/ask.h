/*
 * ask.h - how an endpoint and its broker are connected: a pair of sockets, made
 * by the supervisor, which keeps both ends, so that either may be started
 * again.
 */
#ifndef ASK_H
#define ASK_H

#include "server/broker.h"

/* What the broker says at once: whether the request is under way.  With 0
 * comes the descriptor at which the answer will be. */
struct broker_receipt {
    uint32_t serial;
    int32_t result;
};

/* This process is an endpoint, and this is its end. */
void ask_by(int end);

#endif

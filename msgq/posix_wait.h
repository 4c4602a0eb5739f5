/*
 * posix_wait.h - waiting at a POSIX queue, for a server that may die meanwhile.
 *
 * A queue does not say that nobody is left at its other end.  NAME.life does
 * (core/rendezvous.h), and both have a descriptor: so poll(2) them together.
 */
#ifndef MSGQ_POSIX_WAIT_H
#define MSGQ_POSIX_WAIT_H

#include "core/alarm.h"
#include "core/rendezvous.h"

#include <mqueue.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct posix_channel {
    struct registry server;
    mqd_t requests, replies;
    struct alarm alarm;
    bool cut_off;
};

/* Sends until the deadline; signals do not interrupt it.  -EPIPE: the server is
 * dead; -ETIMEDOUT. */
int posix_send(struct posix_channel *c, const void *buf, size_t len,
               int64_t deadline);

/* An empty message to the server, if there is room for it. */
void posix_ring(struct posix_channel *c);

/* The next message for us.  -EPIPE: the server is dead, or has cut us off. */
ssize_t posix_receive(struct posix_channel *c, void *buf, size_t size,
                      int64_t deadline);

#endif

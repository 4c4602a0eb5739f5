/*
 * worker.h - the process that carries out one request of broker.h.
 */
#ifndef WORKER_H
#define WORKER_H

#include "server/broker.h"

/* Carries r out, sends the answer to `to', a SOCK_SEQPACKET, waits until the
 * other end is closed, and ends.  In a child; other threads may have held any
 * lock when it was forked. */
_Noreturn void worker_run(const struct broker_request *r, int to);

/* For BROKER_OBJECT, in the broker itself: is it worth a worker?  0, or the
 * answer: object_glance(), core/object.h. */
int worker_glance(const struct broker_request *r);

/* The answer as it travels; a descriptor comes with it if has_fd. */
struct worker_answer {
    int32_t result, number;
    uint32_t has_fd;
};

/* Sends it, or a descriptor alone (data and len are what the other end asks
 * for): 0 or -errno.  Does not wait if flags have MSG_DONTWAIT. */
int send_with_fd(int to, const void *data, size_t len, int fd, int flags);

/* Receives exactly len bytes; *fd is a descriptor or -1.  -EMFILE: one has
 * come, but our table is full; -EPIPE: the other end is closed; -EAGAIN;
 * -EBADMSG: not len bytes. */
int receive_with_fd(int from, void *data, size_t len, int *fd, int flags);

#endif

/*
 * stream.h - messages through one stream socket, AF_UNIX or TCP: what all of
 * them have in common once the two sides are connected.
 *
 * A stream does not keep messages apart: where one ends only its header tells
 * (core/frames.h).  A descriptor does not keep to its message either: it comes
 * with the last bytes that one recvmsg(2) returns, and earlier ones of them may
 * belong to an earlier message.
 */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include "core/frames.h"

#include <stdbool.h>

/* -- an end that waits: a client, or the server of a single client -------- */

struct stream_end {
    int fd;
    int passed; /* a descriptor that came, for a message not yet taken; or -1 */
    struct frames in;
    bool broken; /* a message was left half written */
    bool waits;  /* recvmsg(2) is to wait, where there is no deadline: one
                  * system call less.  TCP sets it.  Not so AF_UNIX streams:
                  * whoever sleeps there in recvmsg(2) is also woken when the
                  * other side has read what it sent, and goes to sleep again;
                  * poll(2) tells room from bytes, and the two calls together
                  * are faster (socket/README.md, "What it costs"). */
};

void stream_end_init(struct stream_end *e, int fd);

/* send(), recv() and close() of ipc.h, for a struct stream_end. */
int stream_send(void *end, const struct ipc_message *msg, int64_t timeout_ns);
int stream_recv(void *end, struct ipc_message *msg, int64_t timeout_ns);
void stream_close(void *end);

/* -- an end that does not wait: one of a server's many -------------------- */

/* One recvmsg(2) that does not wait, into the frames.  No request comes with a
 * descriptor: with one, or if nobody is there any more, -EPIPE. */
int stream_read(int fd, struct frames *in);

/* The limits of all of them. */
int stream_limits(struct ipc_limits *l);

#endif

/*
 * request_fifo.h - the FIFO with the well-known name, into which every client
 * writes its requests: each with a single write(2) of at most PIPE_BUF bytes,
 * which the kernel never mixes with another one's (pipe(7)).
 */
#ifndef REQUEST_FIFO_H
#define REQUEST_FIFO_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a FIFO holds, in bytes, unless somebody has changed it: pipe(7). */
#define FIFO_CAPACITY 65536

/* Bytes: room for all of it behind a record that is not whole yet. */
#define REQUEST_BUFFER (FIFO_CAPACITY + PIPE_BUF)

/* -- server --
 *
 * Makes the FIFO in place of a leftover, open to everybody for writing if the
 * server is root, otherwise to its own user only; or takes over an activator's
 * (core/activation.h), which then is not removed.  A descriptor or -errno. */
int request_fifo_make(const char *name);

/* The server's end, and what has come out of it. */
struct request_fifo {
    int fd;
    uint8_t in[REQUEST_BUFFER];
    size_t start, end; /* not yet looked at */
    bool drained; /* that is all; and because each record was written at once,
                   * none that begins in it can have its end elsewhere */
};

/* Reads what there is, behind what is not yet looked at, and waits for it at
 * most timeout_ns.  0, or -ETIMEDOUT, -EINTR. */
int request_fifo_read(struct request_fifo *f, int64_t timeout_ns);

/* Removes the name.  1 = it was there, 0 = it was not, or is an activator's. */
int request_fifo_remove(const char *name);

/* -- client --
 *
 * Opens it, if it is the right one.  A descriptor, non-blocking, or
 *   -ENOENT, -ECONNREFUSED  no server
 *   -EPERM                  not the run directory's owner's */
int request_fifo_open(const char *where);

/* Writes one record, all or nothing, until deadline (clock.h).  -EPIPE: the
 * server has gone. */
int request_fifo_write(int fd, const void *record, size_t len,
                       int64_t deadline);

#endif

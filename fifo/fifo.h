/*
 * fifo.h - the FIFO with a well-known name, into which every client writes its
 * requests and which the server reads.
 *
 * It works because of what pipe(7) promises about a single write(2) of at most
 * PIPE_BUF bytes: the kernel never mixes it with another one's.
 *
 * It has one lock, and whoever may write there can keep it as long as he likes:
 * splice(2) from a terminal at which nobody types.  Then its reader waits, and
 * no flag and no signal helps (`ipcattack 210`).  So nothing but the requests
 * of this directory comes that way; where one joins there is a socket
 * (core/rendezvous.h).
 */
#ifndef FIFO_H
#define FIFO_H

#include "core/object.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a FIFO holds, in bytes, unless somebody has changed it: pipe(7). */
#define FIFO_CAPACITY 65536

/* Bytes: room for all of it behind a record that is not whole yet. */
#define REQUEST_BUFFER (FIFO_CAPACITY + PIPE_BUF)

/* -- server --------------------------------------------------------------- */

/* The server's end, and what has come out of it. */
struct request_fifo {
    int fd;
    struct object_id id;
    uint8_t in[REQUEST_BUFFER];
    size_t start, end; /* not yet looked at */
    bool drained; /* that is all; and because each record was written at once,
                   * none that begins in it can have its end elsewhere */
};

/* Makes the FIFO in place of a leftover, open to everybody for writing if the
 * server is root, otherwise to its own user only; or takes over an activator's
 * (core/activation.h), which then is not removed.  0 or -errno. */
int request_fifo_make(struct request_fifo *f, const char *name);

/* Reads what there is, behind what is not yet looked at, and waits for it at
 * most timeout_ns.  0, or -ETIMEDOUT, -EINTR. */
int request_fifo_read(struct request_fifo *f, int64_t timeout_ns);

/* Closes it, and removes the name if it is still that of ours. */
void request_fifo_remove(struct request_fifo *f, const char *name);

/* Removes the name.  1 = it was there, 0 = it was not, or is an activator's. */
int request_fifo_sweep(const char *name);

/* -- client --------------------------------------------------------------- */

/*
 * Client: opens it to write, without waiting; it has to belong to whom the
 * endpoint `where` has to belong to (endpoint_trusted()).
 *   -ECONNREFUSED  nobody reads: there is no server
 *   -EPERM         it is no FIFO, or not to be trusted
 */
int fifo_open(const char *path, const char *where);

/* Writes at most PIPE_BUF bytes, so all or none; waits for room until the
 * deadline (clock.h).  0 or -errno; signals do not interrupt it. */
int fifo_write(int fd, const void *bytes, size_t len, int64_t deadline);

#endif

/*
 * fifo.h - a FIFO with a name, which many may write to and one reads: what
 * those who join say to a registrar (rendezvous.h), and the requests of fifo/.
 */
#ifndef FIFO_H
#define FIFO_H

#include <stddef.h>
#include <stdint.h>

/*
 * Server: makes it; nothing stands at this path any more.  Root invites all
 * users to write, since only root can open what they make.
 *   flags  of its open file description: O_NONBLOCK, or 0
 * Returns a descriptor, or -errno, and nothing is left.
 */
int fifo_make(const char *path, int flags);

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

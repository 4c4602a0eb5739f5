/*
 * fifo.h - a FIFO with a name, which many may write to and one reads.
 *
 * It has one lock, and whoever may write there can keep it as long as he likes:
 * splice(2) from a terminal at which nobody types.  Then its reader waits, and no
 * flag and no signal helps (`ipcattack 210`).  So nothing but the requests of
 * this directory comes that way; where one joins there is a socket
 * (core/rendezvous.h).
 */
#ifndef FIFO_H
#define FIFO_H

#include <stddef.h>
#include <stdint.h>

/*
 * Server: makes it; nothing stands at this path any more.  Root invites all
 * users to write, since only root can open what they make.
 * Returns a descriptor, or -errno, and nothing is left.
 */
int fifo_make(const char *path);

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

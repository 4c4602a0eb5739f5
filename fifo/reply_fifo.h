/*
 * reply_fifo.h - a client's own FIFO for replies, and how the server makes
 * sure whose it is.
 *
 *      client                                     server
 *      reply_fifo_make: mkfifo NAME.d/PID.SERIAL
 *                       "PID.SERIAL is mine" -->  reply_fifo_check:
 *                                                 whose is it really?
 *      reply_fifo_nonce:                  <----  a nonce, written into it
 *      unlink; both have it open
 */
#ifndef REPLY_FIFO_H
#define REPLY_FIFO_H

#include "core/frames.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <stdint.h>

/* Which one: made by process pid; serial is random, so that nobody can take
 * the name before its owner does. */
struct reply_fifo {
    uint32_t pid, serial;
};

/* -- client --
 *
 * Makes a FIFO in NAME.d of this endpoint and opens it for reading,
 * non-blocking.  Returns the descriptor or -errno.  path receives its name, to
 * be unlinked as soon as the server has opened it. */
int reply_fifo_make(const char *where, struct reply_fifo *id, char *path,
                    size_t size);

/* Waits for the server, that is, for the nonce.  From then on reading from fd
 * blocks. */
int reply_fifo_nonce(int fd, uint8_t nonce[NONCE_SIZE], int64_t deadline);

/* The next reply: frames one after the other. */
int reply_fifo_read(int fd, struct frames *in, struct ipc_message *msg,
                    int64_t timeout_ns);

/* -- server --
 *
 * Makes NAME.d, the directory for them, in place of a leftover: open to
 * everybody if the server is root.  Returns a descriptor or -errno.  Where the
 * request FIFO is an activator's (core/activation.h), so is this: it is taken
 * as it is, and stays. */
int reply_fifo_make_dir(const char *name);

/* Opens one for writing, non-blocking, if it is a FIFO that belongs to the uid
 * the client claims (owner_check_fd()), and leaves a fresh nonce in it.
 * Returns the descriptor or -errno. */
int reply_fifo_check(int dir, const struct reply_fifo *id, uid_t claimed,
                     uint8_t nonce[NONCE_SIZE], struct ipc_peer *peer);

/* Removes the directory and what clients left there.  1 = it was there, 0 = it
 * was not, or is an activator's. */
int reply_fifo_remove_all(const char *name);

#endif

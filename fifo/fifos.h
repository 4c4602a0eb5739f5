/*
 * fifos.h - the two kinds of FIFO: one with a well-known name, into which every
 * client writes its requests, and one of each client's own, for its replies.
 *
 * The first works because of what pipe(7) promises about a single write(2) of
 * at most PIPE_BUF bytes: the kernel never mixes it with another one's.
 */
#ifndef FIFO_FIFOS_H
#define FIFO_FIFOS_H

#include "core/frames.h"
#include "core/owner.h"
#include "core/rendezvous.h"

/* What a FIFO holds, in bytes, unless somebody has changed it: pipe(7). */
#define FIFO_CAPACITY 65536

/* Bytes: room for all of it behind a record that is not whole yet. */
#define REQUEST_BUFFER (FIFO_CAPACITY + PIPE_BUF)

/* -- requests: server ------------------------------------------------------ */

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

/* -- replies: client ------------------------------------------------------- */

/* Which one: made by process pid; serial is random, so that nobody can take
 * the name before its owner does. */
struct reply_fifo {
    uint32_t pid, serial;
};

#define REPLY_NAME_SIZE 32 /* "PID.SERIAL" */
void reply_fifo_name(const struct reply_fifo *id, char name[REPLY_NAME_SIZE]);

/* Makes a FIFO in NAME.d of this endpoint and opens it for reading,
 * non-blocking.  Returns the descriptor or -errno.  path receives its name, to
 * be unlinked as soon as the server has opened it. */
int reply_fifo_make(const char *where, struct reply_fifo *id,
                    char path[PATH_MAX]);

/* Waits for the server, that is, for the nonce.  From then on reading from fd
 * blocks. */
int reply_fifo_nonce(int fd, uint8_t nonce[NONCE_SIZE], int64_t deadline);

/* The next reply: frames one after the other. */
int reply_fifo_read(int fd, struct frames *in, struct ipc_message *msg,
                    int64_t timeout_ns);

#endif

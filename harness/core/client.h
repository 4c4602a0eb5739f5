/*
 * client.h - the client's side of the protocol over any mechanism: encode,
 * send, receive, match the id.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "api.h"
#include "ipc.h"

#include <signal.h>
#include <stdbool.h>

struct client {
    const struct ipc_mechanism *m;
    struct ipc_limits limits;
    void *state;  /* the mechanism's */
    uint8_t *buf; /* limits.max_msg bytes, for a message that comes */
    uint8_t *out; /* IPC_SEND_AT more, for one that goes */
    uint64_t next_id;
    unsigned process; /* it belongs to (process.h) */

    /* Set, it ends a wait: client_call() and client_recv() return -EINTR
     * when a signal has made it non-zero.  NULL: signals are waited out. */
    const volatile sig_atomic_t *stop;

    /* After -EPROTO: what was wrong with the server's answer, in words. */
    const char *why;

    /* NULL, or sees every frame: one that has been sent, one that has come, and
     * then why it was refused (or NULL). */
    void (*watch)(const struct ipc_message *msg, bool sent, const char *why);

    /* IPC_CALLED only: lets the server have its turn. */
    void (*turn)(void *server);
    void *server;
};

/* A reply.  What it points to stays valid until the client's next call. */
struct reply {
    uint64_t id;
    uint16_t method;
    uint32_t status;                          /* enum wire_status */
    struct api_value results[API_MAX_FIELDS]; /* when status is WIRE_OK */
    int os_error;                             /* otherwise; 0 = none */
    struct api_value message;                 /* otherwise; a STRING */
    int fd; /* a received descriptor, or -1; the caller closes it */
};

/*
 * Opens m at where (ipc.h, open()); errors are open()'s, and -ENOMEM.
 *
 * What a program has to know that links this:
 *  - It ignores SIGPIPE and SIGXFSZ.
 *  - Signals.  mmap/lockfile, shm/reclock and msgq/sysv-* wait in system calls
 *    that only a signal can end.  While such a call waits, and no longer, a
 *    timer sends this thread a real-time signal, the highest whose action is
 *    the default one; from the first wait until client_close() it has a handler
 *    of ours, and then the default action again.  The thread's mask is put
 *    back; that the signal is blocked does no harm.  signals/rt and
 *    signals/doorbell block the lowest that is free, signals/bits SIGUSR1,
 *    SIGUSR2, SIGURG and SIGIO, from client_open() to client_close(), in the
 *    thread that calls.
 *  - Children.  A spawned server is a child of the program.  It is held by a
 *    pidfd: the program may ignore SIGCHLD, and its handler may wait for
 *    whatever child has ended.
 *  - fork(2).  The client stays the parent's.  In the child every call returns
 *    -ESTALE and sends nothing, and client_close() frees its copy without the
 *    server or the parent noticing; until then, or until an exec, the child
 *    holds descriptors that make the server take the client for alive.  Who
 *    wants to talk opens a client of its own.
 */
int client_open(struct client *c, const struct ipc_mechanism *m,
                const char *where);
void client_close(struct client *c);

/* In a forked process: from now on the client is this one's, and the parent
 * must not use it, only close it when this one has ended; nobody checks that.
 * (Not signals/...: there the server signals the parent.) */
void client_take_over(struct client *c);

/*
 * Sends a request or notice and waits for the reply (a notice, or any message
 * on an IPC_ONEWAY mechanism, has none: then r->status is WIRE_OK at once).  On
 * an IPC_LOSSY mechanism it repeats the request, under the same id, until the
 * time is up.
 *   0           there is a reply; look at r->status
 *   -EMSGSIZE   the arguments do not fit this mechanism
 *   -EINVAL     an argument cannot be encoded (api_encode())
 *   -ETIMEDOUT, -EPIPE, -EINTR, -EBUSY  as in ipc.h
 *   -EPROTO     the server's answer is not of our protocol: see why
 *   -ESTALE     opened by another process, before a fork(2)
 */
int client_call(struct client *c, const struct api_method *method,
                const struct api_value *args, struct reply *r,
                int64_t timeout_ns);

/* The two halves, for pipelining.  Errors as above; *id (may be NULL) is the
 * id that the reply will carry. */
int client_send(struct client *c, const struct api_method *method,
                const struct api_value *args, uint64_t *id, int64_t timeout_ns);
int client_recv(struct client *c, struct reply *r, int64_t timeout_ns);

#endif

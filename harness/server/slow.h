/*
 * slow.h - requests under way: what takes long is not waited for.
 *
 *      next() -> do_sleep()     -> CALL_LATER: kept here, until 13:45:01.6
 *      next() -> do_read_file() -> CALL_LATER: kept here, for a worker
 *      next() -> do_hello()     -> reply()
 *      ... 13:45:01.6           -> resume(), reply() to whom it was kept for
 *
 * The one thread of an endpoint has all its clients to serve.  If it slept for
 * one of them, or read a file that somebody else's program hands out, the
 * others would wait along.  So a method that is marked SLOW (api.def) only
 * begins; what it has to know later is kept in a slot with the token of its
 * client, and next() waits no longer than until the first is due.
 *
 * How does a worker's answer get the thread out of next()?  A mechanism may
 * wait in semop(2), msgrcv(2), futex(2) or fcntl(2) as well as in
 * epoll_wait(2); what interrupts all of them is a signal.  The worker's answer
 * comes through a socket, and the kernel itself sends this thread a SIGUSR1
 * when there is something in it (fcntl(2), O_ASYNC, F_SETOWN_EX).  No second
 * thread is needed, so nothing is shared and nothing locked.  A signal that
 * comes just before next() waits is lost; therefore as long as there are
 * workers next() waits no longer than SLOW_LOOK.
 *
 * Replies come in the order in which they become ready: later than those of
 * other clients, and on a pipelined mechanism later than those to requests that
 * the same client sent after.
 *
 * How many one user may have under way, and all together: core/quota.h, in
 * which callers that nobody can name are one.  One more is told that the server
 * is busy, at once.
 *
 * A server that has one client only (spawned, or a baseline) waits: nobody else
 * is there.
 */
#ifndef SLOW_H
#define SLOW_H

#include "server/service.h"

#define SLOW_SLOTS 64               /* of one endpoint */
#define SLOW_LOOK  (10 * NS_PER_MS) /* ns: for what no signal has told us */
#define SLOW_BYTES (PATH_MAX + 64)  /* of the arguments */

struct slow {
    bool used;
    uint64_t reply_to;
    struct call call;
    uint8_t payload[SLOW_BYTES]; /* what call.args points to */
};

/* Before a SLOW method: WIRE_OK, and a slot is reserved, to be given back by
 * slow_release() if it is not kept; or why not. */
uint32_t slow_admit(struct call *c);
void slow_release(struct call *c);

/* After it has returned CALL_LATER: keeps a copy of it all. */
void slow_keep(const struct call *c, uint64_t reply_to, const uint8_t *payload,
               size_t len);

/* Is this request under way already?  Where messages get lost a client asks
 * again, and is to get one answer and to wait once. */
bool slow_has(const struct service *s, uint64_t reply_to,
              const struct wire_header *h);

/* Goes on with those that are due, and answers those that are done. */
void slow_look(struct service *s);

/* How long next() may wait: at most timeout_ns, in ns. */
int64_t slow_wait(const struct service *s, int64_t timeout_ns);

/* Makes SIGUSR1 interrupt this thread's system calls, if it has more than one
 * client.  0 or -errno. */
int slow_begin(const struct service *s);

/* The server stops: those under way are told so.  Or, silently, forgotten. */
void slow_stop(struct service *s);
void slow_abandon(struct service *s);

#endif

/*
 * exchange.h - one request, then its reply: what a client remembers in all
 * three variants, however its signals carry a message.
 *
 *             send()               recv()
 *      NONE ---------->  DUE  ----------------> NONE
 *                         | the time is up       ^
 *                         +----> GIVEN_UP -------+
 *                                the next send() throws the reply away
 *
 * A signal does not tell to which message it belongs.  So nothing is sent while
 * a reply is on its way, wanted or not.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "core/ipc.h"
#include "core/wire.h"

#include <errno.h>
#include <stdbool.h>

struct exchange {
    enum { NONE, DUE, GIVEN_UP } reply;
    bool broken; /* a message was left half sent, or the server is gone */
};

/* What send() refuses before it does anything.  (0, and GIVEN_UP: the variant
 * throws that reply away first.) */
static inline int
exchange_may_send(const struct exchange *e)
{
    if (e->broken)
        return -EPIPE;
    return e->reply == DUE ? -EBUSY : 0;
}

/* All of it is on its way. */
static inline void
exchange_sent(struct exchange *e, const struct ipc_message *msg)
{
    e->broken = false;
    e->reply = wire_wants_reply(msg) ? DUE : NONE;
}

/* What has become of recv(). */
static inline void
exchange_received(struct exchange *e, int err)
{
    if (err == 0)
        e->reply = NONE;
    else if (err == -ETIMEDOUT && e->reply == DUE)
        e->reply = GIVEN_UP;
    else if (err == -EPIPE)
        e->broken = true;
}

#endif

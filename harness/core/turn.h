/*
 * turn.h - one message at a time between a client and its server: whose turn it
 * is, as the client knows it.
 *
 *             send()                      it comes back
 *      MINE ---------->  REPLY_DUE  ----------------------> MINE
 *       |                    | recv(): the time is up        ^
 *       |                    +---->  GIVEN_UP  --------------+
 *       |                            the next send() waits for that reply,
 *       |                            and throws it away
 *       +------------->  NOTICE_OUT -------------------------+
 *         (a notice)         the server has read it
 *
 *      LOST: the server is gone, or has disconnected us
 *
 * Where both write into the same place, or a signal does not tell to which
 * message it belongs, nothing may be sent before the last one has been read and
 * answered.  What is sent, and how one waits for it, is the mechanism's.
 *
 * One thread; allocates nothing; no system calls of its own.
 */
#ifndef TURN_H
#define TURN_H

#include "ipc.h"

#include <stdbool.h>

struct turn {
    enum turn_state {
        TURN_MINE,
        TURN_NOTICE_OUT,
        TURN_REPLY_DUE,
        TURN_GIVEN_UP,
        TURN_LOST
    } state;
};

/*
 * May a message be sent?  0, also if the turn has to come back first; or
 *   -EBUSY  a reply is due, and has not been given up
 *   -EPIPE  LOST
 */
int turn_may_send(const struct turn *t);

/* It has been sent: NOTICE_OUT or REPLY_DUE.  Where a notice does not come
 * back, this is for requests only. */
void turn_sent(struct turn *t, const struct ipc_message *msg);

/*
 * How a mechanism waits for the turn: until the deadline (clock.h).  0: it has
 * come back, with a reply or after a notice; or -ETIMEDOUT, -EINTR, -EPIPE.
 */
typedef int turn_wait(void *client, int64_t deadline);

/* For send(): waits until the turn is ours.  0 or -errno; signals do not
 * interrupt it. */
int turn_take(struct turn *t, turn_wait *wait, void *client, int64_t deadline);

/* For recv(): waits until the turn comes back with a reply.  A notice's does
 * not: then it waits on.  0 or -errno, and what is due is then GIVEN_UP (the
 * time is up) or LOST. */
int turn_reply(struct turn *t, turn_wait *wait, void *client, int64_t deadline);

/* The same two in parts, for who waits otherwise.  turn_back(): it has come
 * back; was that a reply?  turn_failed(): waiting has ended with this -errno,
 * which it returns. */
bool turn_back(struct turn *t);
int turn_failed(struct turn *t, int err);

static inline bool
turn_is_mine(const struct turn *t)
{
    return t->state == TURN_MINE;
}

#endif

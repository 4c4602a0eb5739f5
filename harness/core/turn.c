/* turn.c - one message at a time between a client and its server. */
#include "turn.h"

#include "wire.h"

#include <errno.h>

int
turn_may_send(const struct turn *t)
{
    if (t->state == TURN_LOST)
        return -EPIPE;
    return t->state == TURN_REPLY_DUE ? -EBUSY : 0;
}

void
turn_sent(struct turn *t, const struct ipc_message *msg)
{
    t->state = wire_wants_reply(msg) ? TURN_REPLY_DUE : TURN_NOTICE_OUT;
}

bool
turn_back(struct turn *t)
{
    bool reply = t->state == TURN_REPLY_DUE || t->state == TURN_GIVEN_UP;

    t->state = TURN_MINE;
    return reply;
}

int
turn_failed(struct turn *t, int err)
{
    if (err == -EPIPE)
        t->state = TURN_LOST;
    else if (err != -EINTR && t->state == TURN_REPLY_DUE)
        t->state = TURN_GIVEN_UP;
    return err;
}

int
turn_take(struct turn *t, turn_wait *wait, void *client, int64_t deadline)
{
    while (t->state != TURN_MINE) {
        int err = wait(client, deadline);

        if (err == 0)
            turn_back(t);
        else if (err != -EINTR)
            return turn_failed(t, err);
    }
    return 0;
}

int
turn_reply(struct turn *t, turn_wait *wait, void *client, int64_t deadline)
{
    for (;;) {
        int err = t->state == TURN_LOST ? -EPIPE : wait(client, deadline);

        if (err != 0)
            return turn_failed(t, err);
        if (turn_back(t))
            return 0;
    }
}

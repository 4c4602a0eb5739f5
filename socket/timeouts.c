/* timeouts.c - how long a server waits for what a client has begun. */
#define _GNU_SOURCE /* clock_gettime */
#include "timeouts.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/wire.h"

int64_t timeout_limits[] = {
    [REST_OF_HEADER] = 2 * NS_PER_SEC,
    [REST_OF_BODY] = 5 * NS_PER_SEC,
    [READER] = 10 * NS_PER_SEC,
};

void
timeout_for(struct timeout *t, enum awaited awaited, int64_t now)
{
    if (t->awaited == awaited)
        return;
    t->awaited = awaited;
    t->until = DEFENCE("timeout", now + timeout_limits[awaited], NO_DEADLINE);
}

int64_t
timeout_ends(const struct timeout *t)
{
    return t->awaited == NOTHING ? NO_DEADLINE : t->until;
}

enum awaited
awaited_by(const struct frames *in)
{
    size_t got = in->end - in->start;

    if (got == 0)
        return NOTHING;
    if (got < WIRE_HEADER)
        return REST_OF_HEADER;
    return frames_missing(in) > 0 ? REST_OF_BODY : NOTHING;
}

/* seats.c - what a client may have of a server. */
#define _GNU_SOURCE /* clock_gettime */
#include "seats.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/wire.h"

/* -- patience ------------------------------------------------------------- */

int64_t patience_limits[] = {
    [REST_OF_HEADER] = 2 * NS_PER_SEC,
    [REST_OF_BODY] = 5 * NS_PER_SEC,
    [READER] = 10 * NS_PER_SEC,
};

void
patience_for(struct patience *p, enum awaited awaited, int64_t now)
{
    if (p->awaited == awaited)
        return;
    p->awaited = awaited;
    p->until = DEFENCE("patience", now + patience_limits[awaited], NO_DEADLINE);
}

int64_t
patience_ends(const struct patience *p)
{
    return p->awaited == NOTHING ? NO_DEADLINE : p->until;
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

/* seats.c - what a client may have of a server. */
#define _GNU_SOURCE /* clock_gettime */
#include "seats.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/share.h"
#include "core/wire.h"

#include <errno.h>

/* -- seats ---------------------------------------------------------------- */

int
seats_choose(const struct seats *s, uid_t uid, int64_t now)
{
    int free = -1, idlest = -1, own_idlest = -1;
    size_t own = 0;

    for (int i = 0; i < IPC_MAX_CLIENTS; i++) {
        int64_t since = s->seat[i].since;

        if (!s->seat[i].taken) {
            free = free == -1 ? i : free;
            continue;
        }
        if (idlest == -1 || since < s->seat[idlest].since)
            idlest = i;
        if (s->seat[i].uid != uid)
            continue;
        own++;
        if (own_idlest == -1 || since < s->seat[own_idlest].since)
            own_idlest = i;
    }
    if (share_spent(uid, own, IPC_MAX_CLIENTS))
        idlest = own_idlest; /* of others' seats he gets none */
    else if (free != -1)
        return free;
    return now - s->seat[idlest].since >= IDLE_TIME ? idlest : -EAGAIN;
}

void
seats_take(struct seats *s, size_t seat, uid_t uid, int64_t now)
{
    s->seat[seat].taken = true;
    s->seat[seat].uid = uid;
    s->seat[seat].since = now;
}

void
seats_leave(struct seats *s, size_t seat)
{
    s->seat[seat].taken = false;
}

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

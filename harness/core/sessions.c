/* sessions.c - the clients of one server. */
#define _GNU_SOURCE /* clock_gettime */
#include "sessions.h"

#include "clock.h"
#include "defence.h"
#include "quota.h"

#include <errno.h>

void
sessions_init(struct sessions *s, unsigned limit, int64_t evict_after)
{
    *s = (struct sessions){.evict_after = evict_after};
    s->limit = limit < IPC_MAX_CLIENTS ? limit : IPC_MAX_CLIENTS;
}

/* -- slots ----------------------------------------------------------------- */

static size_t
slots_of(const struct sessions *s, uid_t uid)
{
    size_t has = 0;

    for (unsigned i = 0; i < s->top; i++)
        has += s->slot[i].state != SESSION_FREE && s->slot[i].peer.uid == uid;
    return has;
}

static int
free_slot(const struct sessions *s)
{
    unsigned slot = 0;

    while (slot < s->limit && s->slot[slot].state != SESSION_FREE)
        slot++;
    return slot < s->limit ? (int)slot : -1;
}

/* The one that has been silent longest, of those users who have more than this
 * one would then have, and its own: nobody is put out for a user who has
 * more. */
static int
idlest(const struct sessions *s, uid_t uid, size_t has)
{
    int found = -1;

    for (unsigned i = 0; i < s->top; i++) {
        const struct session *who = &s->slot[i];

        if (who->state == SESSION_FREE)
            continue;
        if (who->peer.uid != uid && !quota_is_privileged(uid) &&
            slots_of(s, who->peer.uid) <= has + 1)
            continue;
        if (found == -1 || who->heard < s->slot[found].heard)
            found = (int)i;
    }
    return found;
}

int
sessions_choose(const struct sessions *s, uid_t uid, int64_t now)
{
    size_t has = slots_of(s, uid);
    int slot;

    if (sessions_barred(s, uid, now))
        return -EACCES;
    if (quota_allows(uid, has, s->limit - s->count, s->limit))
        return free_slot(s);
    if (s->evict_after == NO_DEADLINE)
        return -EAGAIN;
    slot = idlest(s, uid, has);
    if (slot == -1 || s->slot[slot].heard == NO_DEADLINE ||
        now - s->slot[slot].heard < s->evict_after)
        return -EAGAIN;
    return slot;
}

void
sessions_take(struct sessions *s, unsigned slot, const struct ipc_peer *peer,
              int64_t now)
{
    struct session *who = &s->slot[slot];

    who->state = SESSION_JOINING;
    who->peer = *peer;
    who->joined = who->heard = now;
    s->count++;
    if (s->top <= slot)
        s->top = slot + 1;
}

void
sessions_admit(struct sessions *s, unsigned slot)
{
    s->slot[slot].state = SESSION_IN;
}

void
sessions_leave(struct sessions *s, unsigned slot)
{
    struct session *who = &s->slot[slot];

    if (who->state == SESSION_FREE)
        return;
    *who = (struct session){.generation = who->generation + 1};
    s->count--;
    while (s->top > 0 && s->slot[s->top - 1].state == SESSION_FREE)
        s->top--;
}

uint64_t
sessions_token(const struct sessions *s, unsigned slot)
{
    return (uint64_t)s->slot[slot].generation << 32 | slot;
}

int
sessions_slot(const struct sessions *s, uint64_t token)
{
    uint32_t slot = (uint32_t)token;

    if (slot >= s->top || s->slot[slot].state == SESSION_FREE ||
        s->slot[slot].generation != token >> 32)
        return -1;
    return (int)slot;
}

/* -- turns ----------------------------------------------------------------- */

int
sessions_reap(struct sessions *s)
{
    while (s->reaped < s->top)
        if (s->slot[s->reaped++].state != SESSION_FREE)
            return (int)s->reaped - 1;
    s->reaped = 0;
    return -1;
}

bool
sessions_overdue(const struct sessions *s, unsigned slot, int64_t now)
{
    const struct session *who = &s->slot[slot];

    return who->state == SESSION_JOINING &&
           now - who->joined > ipc_open_timeout;
}

int64_t
sessions_next_wakeup(const struct sessions *s)
{
    int64_t first = NO_DEADLINE;

    for (unsigned i = 0; i < s->top; i++)
        if (s->slot[i].state == SESSION_JOINING &&
            s->slot[i].joined + ipc_open_timeout + 1 < first)
            first = s->slot[i].joined + ipc_open_timeout + 1;
    return first;
}

/* -- who is kept out ------------------------------------------------------- */

#define FAULTS      3 /* within a minute */
#define MINUTE      (60 * NS_PER_SEC)
#define LONGEST     (10 * MINUTE)
#define MOST_DOUBLE 9 /* 1 s << 9 is 512 s; then LONGEST */

static const struct session_bar *
find_bar(const struct sessions *s, uid_t uid)
{
    for (unsigned i = 0; i < SESSIONS_BARS; i++)
        if (s->bars[i].last != 0 && s->bars[i].uid == uid)
            return &s->bars[i];
    return NULL;
}

/* This user's line, or one that has been quiet longest: a table that is full of
 * others is no reason to let this one go on. */
static struct session_bar *
bar_of(struct sessions *s, uid_t uid, int64_t now)
{
    struct session_bar *quiet = s->bars;

    for (unsigned i = 0; i < SESSIONS_BARS; i++) {
        struct session_bar *b = &s->bars[i];

        if (b->last != 0 && b->uid == uid) {
            if (now - b->last > LONGEST && now > b->until)
                *b = (struct session_bar){.uid = uid};
            return b;
        }
        if (b->last < quiet->last)
            quiet = b;
    }
    *quiet = (struct session_bar){.uid = uid};
    return quiet;
}

static bool
can_be_barred(uid_t uid)
{
    return uid != (uid_t)-1 && !quota_is_privileged(uid);
}

static void
bar(struct session_bar *b, int64_t now)
{
    int64_t length =
        b->times < MOST_DOUBLE + 1 ? NS_PER_SEC << b->times : LONGEST;

    if (now < b->until) /* for what it did before it was barred */
        return;
    b->times++;
    b->faults = 0;
    b->until = now + length;
}

void
sessions_fault(struct sessions *s, uid_t uid, int64_t now)
{
    struct session_bar *b;

    if (!can_be_barred(uid))
        return;
    b = bar_of(s, uid, now);
    if (now - b->last > MINUTE)
        b->faults = 0;
    b->last = now;
    if (++b->faults >= FAULTS)
        bar(b, now);
}

void
sessions_bar(struct sessions *s, uid_t uid, int64_t now)
{
    struct session_bar *b;

    if (!can_be_barred(uid))
        return;
    b = bar_of(s, uid, now);
    b->last = now;
    bar(b, now);
}

void
sessions_stall(struct sessions *s, uid_t uid, int64_t now)
{
    const struct session_bar *b = find_bar(s, uid);

    if (b != NULL && b->times > 0 && now - b->last <= LONGEST)
        sessions_bar(s, uid, now);
    else
        sessions_fault(s, uid, now);
}

bool
sessions_barred(const struct sessions *s, uid_t uid, int64_t now)
{
    const struct session_bar *b = find_bar(s, uid);

    return DEFENCE("bar", b != NULL && now < b->until, false);
}

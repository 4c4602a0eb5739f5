/*
 * methods_counter.c - counters, each its user's own, and "exactly once".
 *
 * A client that got no answer asks again, under the same id, and must not be
 * counted twice.  So the value that an id led to is remembered: of each user
 * the last REMEMBERED of them, in a ring that is that user's alone.  Were it
 * one ring for all, whoever counts fast would have the server forget what
 * others have asked for, and a repeat would count twice.  (uid, id) names a
 * request, and nobody has another's uid.
 */
#define _GNU_SOURCE /* PTHREAD_MUTEX_INITIALIZER */
#include "server/methods.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/quota.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* -- what has been done --------------------------------------------------- */

#define RINGS      64
#define REMEMBERED 256

/* How long, ns, a user's ring is kept after its last request, if all are in
 * use and somebody new comes.  Nobody asks again so late. */
#define KEPT (600 * NS_PER_SEC)

struct ring {
    bool used;
    uid_t uid;
    int64_t last; /* when it was used */
    size_t count, next;
    struct {
        uint64_t id;
        int64_t value;
    } done[REMEMBERED];
};

static struct ring rings[RINGS];

static void
forget(struct ring *r)
{
    if (r->used)
        quota_give(r->uid, QUOTA_REMEMBERED, r->count);
    r->used = false;
}

/* This user's ring; a new one, if need be the one that has been idle longest.
 * NULL: all are in use. */
static struct ring *
ring_of(uid_t uid, int64_t now)
{
    struct ring *idlest = rings;

    if (DEFENCE("ring", false, true))
        uid = 0; /* one for all */
    for (struct ring *r = rings; r < rings + RINGS; r++) {
        if (r->used && r->uid == uid)
            return r;
        if (!r->used || (idlest->used && r->last < idlest->last))
            idlest = r;
    }
    if (idlest->used && now - idlest->last < KEPT && !quota_is_privileged(uid))
        return NULL;
    forget(idlest);
    idlest->used = true;
    idlest->uid = uid;
    idlest->count = idlest->next = 0;
    return idlest;
}

static void
remember(struct ring *r, uint64_t id, int64_t value, int64_t now)
{
    if (r->count < REMEMBERED &&
        quota_take(r->uid, QUOTA_REMEMBERED, 1, now) == 0)
        r->count++;
    r->done[r->next].id = id;
    r->done[r->next].value = value;
    r->next = (r->next + 1) % REMEMBERED;
    r->last = now;
}

static bool
recall(const struct ring *r, uint64_t id, int64_t *value)
{
    for (size_t i = 0; i < r->count; i++)
        if (DEFENCE("once", r->done[i].id == id, false)) {
            *value = r->done[i].value;
            return true;
        }
    return false;
}

/* -- counters ------------------------------------------------------------- */

#define COUNTERS 256
#define KEY_MAX  64 /* bytes */

struct counter {
    uid_t uid;
    size_t len;
    char key[KEY_MAX];
    int64_t value;
};

static struct counter counters[COUNTERS];
static size_t counter_count;

/* 0; -EDQUOT, -ENOSPC: there is none, and none can be had. */
static int
find_counter(uid_t uid, const struct api_value *key, int64_t now,
             struct counter **found)
{
    struct counter *k;
    int err;

    for (k = counters; k < counters + counter_count; k++)
        if (k->uid == uid && k->len == key->len &&
            memcmp(k->key, key->at, key->len) == 0) {
            *found = k;
            return 0;
        }
    err = quota_take(uid, QUOTA_COUNTERS, 1, now);
    if (err != 0 || counter_count == COUNTERS)
        return err == -EDQUOT ? err : -ENOSPC;
    counter_count++;
    *k = (struct counter){.uid = uid, .len = key->len};
    memcpy(k->key, key->at, key->len);
    *found = k;
    return 0;
}

static uint32_t
add_once(struct call *c)
{
    int64_t now = now_ns(), value;
    struct ring *ring = ring_of(c->peer.uid, now);
    struct counter *k;
    int err;

    if (ring == NULL)
        return call_fail(c, WIRE_BUSY, EAGAIN,
                         "requests of %d users are remembered already", RINGS);
    if (recall(ring, c->id, &c->results[0].i64))
        return WIRE_OK;
    err = find_counter(c->peer.uid, &c->args[0], now, &k);
    if (err != 0)
        return call_fail(
            c, WIRE_OS_ERROR, -err, "there are at most %ju counters of %s",
            (uintmax_t)(err == -EDQUOT ? quota_kinds[QUOTA_COUNTERS].per_user
                                       : quota_kinds[QUOTA_COUNTERS].in_all),
            err == -EDQUOT ? "one user" : "all");
    if (__builtin_add_overflow(k->value, c->args[1].i64, &value))
        return call_fail(c, WIRE_OS_ERROR, EOVERFLOW, "the counter is full");
    k->value = value;
    c->results[0].i64 = value;
    remember(ring, c->id, value, now);
    return WIRE_OK;
}

uint32_t
do_counter_add(struct call *c)
{
    uint32_t status;

    if (c->args[0].len == 0 || c->args[0].len > KEY_MAX)
        return call_fail(c, WIRE_BAD_ARGS, 0, "key: 1 to %d bytes", KEY_MAX);
    pthread_mutex_lock(&lock);
    status = add_once(c);
    pthread_mutex_unlock(&lock);
    return status;
}

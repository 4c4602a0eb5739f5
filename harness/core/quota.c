/* quota.c - how much of what a server has one user may have. */
#define _GNU_SOURCE /* PTHREAD_MUTEX_INITIALIZER */
#include "quota.h"

#include "clock.h"
#include "defence.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

const struct quota_kind_limits quota_kinds[QUOTA_KINDS] = {
    /* The kernel lets a user have RLIMIT_NOFILE of them in flight, 1024 where
     * nobody has changed it, and counts them for the sender: unix(7).  There
     * are five endpoints that pass any, each a process of that one user. */
    [QUOTA_DESCRIPTORS] = {"descriptors", "passed", 48, 160, 0},
    [QUOTA_COUNTERS] = {"counters", "names", 64, 256, 0},
    [QUOTA_REMEMBERED] = {"remembered", "request ids", 256, 16384, 0},
    [QUOTA_SLOW] = {"slow", "requests", 16, 64, 0},
    [QUOTA_MEMORY] = {"memory", "bytes", 8 << 20, 64 << 20, 0},
    [QUOTA_CLOSING] = {"closing", "threads", 8, 64, 0},
    /* 64 at once, then 64 a second. */
    [QUOTA_JOINING] = {"joining", "registrations", 64, 4096, 64},
    /* 1 MiB at once, then 16 KiB a second. */
    [QUOTA_LOG] = {"log", "bytes", 1 << 20, 16 << 20, 16 << 10},
    [QUOTA_AUDIT] = {"audit", "bytes", 1 << 20, 16 << 20, 16 << 10},
};

static bool owner_known;
static uid_t owner;

void
quota_set_owner(uid_t uid)
{
    owner = uid;
    owner_known = true;
}

bool
quota_is_privileged(uid_t uid)
{
    return uid != (uid_t)-1 &&
           (uid == 0 || uid == (owner_known ? owner : geteuid()));
}

bool
quota_allows(uid_t uid, size_t has, size_t free, size_t total)
{
    size_t reserve = QUOTA_RESERVE(total);

    if (free == 0)
        return false;
    if (quota_is_privileged(uid))
        return true;
    return DEFENCE("slotquota", free > reserve && 2 * (has + 1) <= has + free,
                   true);
}

/* -- the table ----------------------------------------------------------------
 *
 * Hashed by uid, with the next entries as substitutes.  What was once in use
 * stays known until its entry is needed, so that a search may end at the first
 * entry that never was. */

struct user {
    bool known;
    uid_t uid;
    int64_t at; /* to when `used` of what comes back by itself is reckoned */
    uint64_t used[QUOTA_KINDS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct user users[QUOTA_USERS];
static struct user root, the_owner; /* for whom there is always a line */
static uint64_t in_all[QUOTA_KINDS];

/* What has come back by itself since the last look. */
static void
refill(struct user *u, int64_t now)
{
    int64_t since = now - u->at;

    if (since <= 0)
        return;
    for (size_t k = 0; k < QUOTA_KINDS; k++) {
        uint64_t rate = quota_kinds[k].per_second, back;

        if (rate == 0 || u->used[k] == 0)
            continue;
        /* A bucket is full again long before this overflows. */
        back = since > 3600 * NS_PER_SEC
                   ? u->used[k]
                   : rate * (uint64_t)(since / 1000) / 1000000;
        if (back > u->used[k])
            back = u->used[k];
        u->used[k] -= back;
        in_all[k] -= back;
    }
    u->at = now;
}

static bool
has_nothing(const struct user *u)
{
    for (size_t k = 0; k < QUOTA_KINDS; k++)
        if (u->used[k] != 0)
            return false;
    return true;
}

/* This user's line; if there is none yet, and make is set, a free one. */
static struct user *
find(uid_t uid, bool make, int64_t now)
{
    uint32_t hash = (uint32_t)uid * UINT32_C(2654435761); /* Knuth, 6.4 */
    struct user *spare = NULL;

    if (quota_is_privileged(uid))
        return uid == 0 ? &root : &the_owner;
    for (size_t i = 0; i < QUOTA_USERS; i++) {
        struct user *u = &users[(hash + i) % QUOTA_USERS];

        if (u->known && u->uid == uid)
            return u;
        if (make && spare == NULL) {
            if (u->known)
                refill(u, now);
            if (!u->known || has_nothing(u))
                spare = u;
        }
        if (!u->known)
            break;
    }
    if (spare != NULL)
        *spare = (struct user){.known = true, .uid = uid, .at = now};
    return spare;
}

static int
take(uid_t uid, enum quota_kind kind, uint64_t n, int64_t now)
{
    const struct quota_kind_limits *limits = &quota_kinds[kind];
    bool privileged = quota_is_privileged(uid);
    uint64_t most = limits->in_all;
    struct user *u = find(uid, true, now);

    if (u == NULL)
        return -EAGAIN;
    refill(u, now);
    if (!privileged)
        most -= most / 16;
    if (!privileged &&
        (n > limits->per_user || u->used[kind] > limits->per_user - n))
        return -EDQUOT;
    if (n > most || in_all[kind] > most - n)
        return -EAGAIN;
    u->used[kind] += n;
    in_all[kind] += n;
    return 0;
}

int
quota_take(uid_t uid, enum quota_kind kind, uint64_t n, int64_t now)
{
    int err;

    pthread_mutex_lock(&lock);
    err = take(uid, kind, n, now);
    pthread_mutex_unlock(&lock);
    return DEFENCE("quota", err, 0);
}

void
quota_give(uid_t uid, enum quota_kind kind, uint64_t n)
{
    struct user *u;

    pthread_mutex_lock(&lock);
    u = find(uid, false, 0);
    if (u != NULL) {
        if (n > u->used[kind]) /* as much as there was */
            n = u->used[kind];
        u->used[kind] -= n;
        in_all[kind] -= n;
    }
    pthread_mutex_unlock(&lock);
}

uint64_t
quota_used(uid_t uid, enum quota_kind kind, int64_t now)
{
    uint64_t used = 0;
    struct user *u;

    pthread_mutex_lock(&lock);
    u = find(uid, false, now);
    if (u != NULL) {
        refill(u, now);
        used = u->used[kind];
    }
    pthread_mutex_unlock(&lock);
    return used;
}

uint64_t
quota_used_in_all(enum quota_kind kind, int64_t now)
{
    uint64_t used;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < QUOTA_USERS; i++)
        if (users[i].known)
            refill(&users[i], now);
    refill(&root, now);
    refill(&the_owner, now);
    used = in_all[kind];
    pthread_mutex_unlock(&lock);
    return used;
}

/* The i-th of all lines of the table, used or not. */
#define USERS (QUOTA_USERS + 2)
static struct user *
user_at(size_t i)
{
    return i < QUOTA_USERS ? &users[i] : i == QUOTA_USERS ? &root : &the_owner;
}

static uid_t
uid_at(size_t i)
{
    return i < QUOTA_USERS    ? users[i].uid
           : i == QUOTA_USERS ? 0
           : owner_known      ? owner
                              : geteuid();
}

size_t
quota_line(uid_t whose, size_t index, struct quota_line *line, int64_t now)
{
    size_t count = 0;

    pthread_mutex_lock(&lock);
    for (size_t k = 0; k < QUOTA_KINDS; k++)
        for (size_t i = 0; i < USERS; i++) {
            struct user *u = user_at(i);
            const uid_t uid = uid_at(i);

            refill(u, now);
            if (u->used[k] == 0 || (whose != QUOTA_EVERYBODY && whose != uid) ||
                count++ != index)
                continue;
            *line = (struct quota_line){.kind = (enum quota_kind)k,
                                        .uid = uid,
                                        .used = u->used[k],
                                        .quota = quota_is_privileged(uid)
                                                     ? quota_kinds[k].in_all
                                                     : quota_kinds[k].per_user};
        }
    pthread_mutex_unlock(&lock);
    return count;
}

void
quota_reset(void)
{
    pthread_mutex_lock(&lock);
    memset(users, 0, sizeof users);
    root = the_owner = (struct user){.known = true};
    memset(in_all, 0, sizeof in_all);
    pthread_mutex_unlock(&lock);
}

/* denials.c - how many of somebody's denials are written down. */
#include "server/denials.h"

/* The account of this user; of one who has none yet, a new one, or that of
 * somebody about whom there is nothing left to remember. */
static struct denier *
account(struct denials *d, uid_t uid, int64_t now)
{
    struct denier *unused = NULL;

    for (struct denier *i = d->who; i < d->who + d->count; i++) {
        if (i->uid == uid)
            return i;
        if (i != d->who && i->omitted == 0 && i->paid <= now)
            unused = i;
    }
    if (unused == NULL && d->count < DENIALS_USERS)
        unused = &d->who[d->count++];
    if (unused == NULL)
        return d->who;
    *unused = (struct denier){.uid = uid};
    return unused;
}

/* As many lines as fit between now and BURST times EVERY later. */
static bool
charge(struct denier *a, int64_t now)
{
    int64_t paid = (a->paid > now ? a->paid : now) + DENIALS_EVERY;

    if (paid > now + DENIALS_BURST * DENIALS_EVERY)
        return false;
    a->paid = paid;
    return true;
}

bool
denials_write(struct denials *d, uid_t uid, int64_t now, uint64_t *omitted)
{
    struct denier *a;
    bool write;

    pthread_mutex_lock(&d->lock);
    a = account(d, uid, now);
    a->last = now;
    write = charge(a, now);
    *omitted = a->omitted;
    a->omitted = write ? 0 : a->omitted + 1;
    pthread_mutex_unlock(&d->lock);
    return write;
}

void
denials_omit(struct denials *d, uid_t uid, int64_t now)
{
    struct denier *a;

    pthread_mutex_lock(&d->lock);
    a = account(d, uid, now);
    a->last = now;
    a->omitted++;
    pthread_mutex_unlock(&d->lock);
}

uint64_t
denials_omitted(struct denials *d, uid_t uid)
{
    uint64_t omitted = 0;

    pthread_mutex_lock(&d->lock);
    for (struct denier *i = d->who; i < d->who + d->count; i++)
        if (i->uid == uid) {
            omitted = i->omitted;
            i->omitted = 0;
        }
    pthread_mutex_unlock(&d->lock);
    return omitted;
}

bool
denials_over(struct denials *d, int64_t now, uid_t *uid, uint64_t *omitted)
{
    bool found = false;

    pthread_mutex_lock(&d->lock);
    for (struct denier *i = d->who; !found && i < d->who + d->count; i++) {
        if (i->omitted == 0 || i->last > now - DENIALS_QUIET)
            continue;
        *uid = i->uid;
        *omitted = i->omitted;
        i->omitted = 0;
        found = true;
    }
    pthread_mutex_unlock(&d->lock);
    return found;
}

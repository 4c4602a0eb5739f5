/*
 * denials.h - how many of somebody's denials are written down.
 *
 * A denial costs its caller nothing and the audit a line.  Who asks ten
 * thousand times a second for what he may not have would fill the disk, and
 * then nothing could be audited, and nothing that must be would be done any
 * more, for anybody.  So each user has a hundred lines at once, and one more a
 * second; the rest is counted, and the count is written.
 *
 * What is allowed costs bytes of the user's quota for the audit (core/quota.h).
 * When they are spent, what only asks is done and counted here, and what writes
 * is not done: each of those lines is an account of something done.
 */
#ifndef DENIALS_H
#define DENIALS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DENIALS_BURST 100
#define DENIALS_EVERY INT64_C(1000000000)  /* ns */
#define DENIALS_QUIET INT64_C(10000000000) /* ns: then it is over */
#define DENIALS_USERS 64                   /* at once; more share one account */

struct denials {
    pthread_mutex_t lock;
    struct denier {
        uid_t uid;
        int64_t paid;     /* ns: till when its lines use up one every EVERY */
        int64_t last;     /* ns: its last denial */
        uint64_t omitted; /* since the last line */
    } who[DENIALS_USERS]; /* the first: of nobody known, or one too many */
    unsigned count;
};

#define DENIALS_NONE \
    { \
        .lock = PTHREAD_MUTEX_INITIALIZER, .who = {{.uid = (uid_t)-1}}, \
        .count = 1 \
    }

/* uid was denied something at `now`, ns of now_ns(): is it to be written?  Then
 * *omitted is how many since its last line were not. */
bool denials_write(struct denials *d, uid_t uid, int64_t now,
                   uint64_t *omitted);

/* One more line of uid is not written, for another reason. */
void denials_omit(struct denials *d, uid_t uid, int64_t now);

/* How many of uid's lines are not written since the last that was. */
uint64_t denials_omitted(struct denials *d, uid_t uid);

/* Has somebody stopped whose last denials were omitted?  Who, and how many; ask
 * again, there may be more.  now INT64_MAX: it is over for all. */
bool denials_over(struct denials *d, int64_t now, uid_t *uid,
                  uint64_t *omitted);

#endif

/*
 * quota.h - how much of what a server has one user may have.
 *
 * A client costs its user next to nothing, but what the server has for all its
 * clients is limited: slots, descriptors on their way, counters, lines in the
 * log.  A user with enough clients could take all of it, and nobody else would
 * be served.  So everything that can be used up is counted here, per user, in
 * one table:
 *
 *      uid      slots   descriptors   counters  ...
 *      10001       32            12         16          each below its limit
 *      10002        1             0          2          for one user, and all
 *      nobody       3             0          0          together below the limit
 *      ...                                              for all but the reserve
 *
 * Count those whose uid the kernel has told (owner.h, SO_PEERCRED).  If a claim
 * were enough, anybody could spend Alice's quota for her.  Callers whom the
 * kernel has not named, uid -1, are one user.
 *
 * Root and the server's owner are counted, and not refused as long as anything
 * is left: they could stop the server anyway, and have to get in when it is in
 * trouble.  For them a reserve is kept that nobody else is given.
 */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whose server this is: who is never refused, beside root.  Until somebody says
 * so, geteuid(); a server that gives its user up says it before. */
void quota_set_owner(uid_t uid);
bool quota_is_privileged(uid_t uid);

/* -- slots: a pure function ------------------------------------------------ */

/* Slots kept for root and the owner: 4 of 64. */
#define QUOTA_RESERVE(total) ((total) / 16)

/*
 * May this user have one more slot?  It has `has` of `total`, and `free` are
 * free.  Yes, if it then has no more than half of the slots that no other user
 * has.  So the first user gets at most half of all, the second at most half of
 * the rest, and something is left for the next one.
 */
bool quota_allows(uid_t uid, size_t has, size_t free, size_t total);

/* -- everything else: a table ---------------------------------------------- */

/* What can be spent.  To add a kind, add a line here and one to quota_kinds[].
 * The unit of each stands there. */
enum quota_kind {
    QUOTA_DESCRIPTORS, /* passed to clients, and not received yet */
    QUOTA_COUNTERS,
    QUOTA_REMEMBERED, /* ids of requests that are carried out once */
    QUOTA_SLOW,       /* requests under way that take long */
    QUOTA_MEMORY,     /* of replies that are not taken */
    QUOTA_CLOSING,    /* descriptors that take long to close */
    QUOTA_JOINING,    /* registrations that have come to nothing yet */
    QUOTA_LOG,        /* what append_log writes */
    QUOTA_AUDIT,
    QUOTA_KINDS,
};

struct quota_kind_limits {
    const char *name; /* for `ipcctl stats`: one word */
    const char *unit;
    uint64_t per_user, in_all; /* of the unit */
    uint64_t per_second; /* 0: it is given back by quota_give().  Else what was
                          * taken comes back by itself, so many a second, as
                          * the tokens of a bucket that holds per_user. */
};

extern const struct quota_kind_limits quota_kinds[QUOTA_KINDS];

/* How many users the table knows at once: those who have something, or had it
 * last.  One more is refused, root and the owner are not. */
#define QUOTA_USERS 256

/*
 * Takes n units for this user, at the time now (now_ns()).  0, or
 *   -EDQUOT  this user has used its quota up; another user would get some
 *   -EAGAIN  all users together have used up all but the reserve (a sixteenth)
 * Takes all or nothing, allocates nothing, waits for nobody; may be called by
 * several threads.
 */
int quota_take(uid_t uid, enum quota_kind kind, uint64_t n, int64_t now);

/* Gives n units back that quota_take() gave to this user. */
void quota_give(uid_t uid, enum quota_kind kind, uint64_t n);

/* What this user has at the moment, and what all have together. */
uint64_t quota_used(uid_t uid, enum quota_kind kind, int64_t now);
uint64_t quota_used_in_all(enum quota_kind kind, int64_t now);

/* A line of the table: what a user has of one kind. */
struct quota_line {
    enum quota_kind kind;
    uid_t uid;
    uint64_t used, quota; /* root and the owner may have all there is */
};

/* Of all users who have something at the moment, or of one, the index-th line,
 * by kind; returns how many there are.  Beyond them *line is left alone. */
#define QUOTA_EVERYBODY ((uid_t)-2)
size_t quota_line(uid_t whose, size_t index, struct quota_line *line,
                  int64_t now);

/* Forgets everything; for tests, and after fork(2). */
void quota_reset(void);

#endif

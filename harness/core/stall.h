/*
 * stall.h - has a client made us wait?
 *
 * A file in NAME.d belongs to its client, and the kernel has one lock per file
 * (inode) for all that change it.  The owner can hold that lock as long as it
 * likes: for the second that it takes to punch a gigabyte out of the file, or
 * for ever, by a write(2) from a buffer whose pages another process of its own
 * has to bring (FUSE, userfaultfd(2)).  Our write(2) waits all that time, and
 * neither a timeout nor a signal ends the wait.  What we can do is to let it
 * happen a few times only: then its user is barred for a while.
 *
 *      stall_begin(&s);                    two readings of the clock each time
 *      ... pwrite(2) ...
 *      if (stall_end(&s, &sessions, uid))  it has; disconnect it
 *
 * Nothing tells us why we have waited.  A disk that writes its journal, a
 * scheduler that has others to run, somebody who stops us for a second look the
 * same, and an honest client meets them, too.  So it costs the session, and
 * counts as a fault of its user: it takes three within a minute to be barred,
 * and then, for ten minutes, one (sessions_stall()).
 */
#ifndef STALL_H
#define STALL_H

#include "sessions.h"

/* ns: 500 ms.  Not a constant, for tests. */
extern int64_t stall_limit;

struct stall {
    int64_t began;
};

void stall_begin(struct stall *s);

/* Did it take too long?  Then that is held against the user. */
bool stall_end(const struct stall *s, struct sessions *all, uid_t uid);

#endif

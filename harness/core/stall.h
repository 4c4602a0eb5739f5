/*
 * stall.h - has a client made us wait?
 *
 * A file in NAME.d belongs to its client, and the kernel has one lock per file
 * (inode) for all that change it.  The owner can hold that lock as long as it
 * likes: for the second that it takes to punch a gigabyte out of the file, or
 * for ever, by a write(2) from a buffer whose pages another process of its own
 * has to bring (FUSE, userfaultfd(2)).  Our write(2) waits all that time, and
 * neither a timeout nor a signal ends the wait.  What we can do is to let it
 * happen only once: the client is disconnected, and its user barred for a while
 * (sessions_bar()).
 *
 *      stall_look(&s);                     every few ms
 *      stall_begin(&s);                    two readings of the clock each time
 *      ... pwrite(2) ...
 *      if (stall_end(&s, &sessions, uid))  it has; disconnect it
 *
 * Time alone is no proof, because on a busy machine we also wait for the
 * processor.  But the kernel counts how often it has taken the processor away
 * from us (getrusage(2), ru_nivcsw): if a call took too long and that number
 * has not changed, the call has waited for a lock.
 */
#ifndef STALL_H
#define STALL_H

#include "sessions.h"

/* ns: 500 ms.  Not a constant, for tests. */
extern int64_t stall_limit;

struct stall {
    int64_t began;
    long preempted; /* so often, when we last looked */
};

void stall_look(struct stall *s);
void stall_begin(struct stall *s);

/* Did it take too long?  Then the user is barred, if it was its doing, and that
 * counts as a fault otherwise (it may have been). */
bool stall_end(const struct stall *s, struct sessions *all, uid_t uid);

#endif

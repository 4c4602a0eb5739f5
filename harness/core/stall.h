/*
 * stall.h - has a client made us wait?
 *
 * A file in NAME.d is its client's own, and the kernel has one lock for whatever
 * changes it (inode).  Who owns it can keep that lock as long as it likes: for the
 * second that it takes to punch a gigabyte out of it, or for ever, by write(2) from
 * a buffer whose pages a process of its own has to bring (FUSE, userfaultfd(2)).
 * Our write(2) waits meanwhile, and no time limit and no signal ends that.  What
 * can be done is to do it to us once: that client is disconnected, and its user
 * kept out for a while (sessions_bar()).
 *
 *      stall_look(&s);                     every few ms
 *      stall_begin(&s);                    two readings of the clock each time
 *      ... pwrite(2) ...
 *      if (stall_end(&s, &sessions, uid))  it has; disconnect it
 *
 * Time alone is no proof: on a busy machine we wait too, but for the processor.
 * Whoever had it taken away has been counted (ru_nivcsw); so only what took too
 * long while that number stayed the same was a lock.
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

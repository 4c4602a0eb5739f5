/*
 * by_hand.h - what the tests of signals do without a mechanism.
 */
#ifndef SIGNALS_BY_HAND_H
#define SIGNALS_BY_HAND_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Blocks these, and with take() takes them. */
void block(int a, int b, int c);

/* The next one's number; -1: nothing is pending. */
int take(siginfo_t *info);

union sigval value(int i);

/* sigqueue(3), but we write ourselves what the receiver reads of us. */
int queue_as(pid_t to, int number, int code, pid_t pid, union sigval v);

int pidfd_of(pid_t pid);

/* So many signals may wait for this user's processes, the ones that it has
 * got already included.  Returns how many might; a test that goes down to 0
 * ends by going back: Check asks for a timer after it, which counts as a
 * signal, and without one it takes the time by another clock than before, and
 * fails with a duration "too big to pack" - in one half of every 71 minutes. */
rlim_t limit_queue(rlim_t n);

/* proc(5), status: "SigQ: 3/96365" */
rlim_t queued_now(void);

#endif

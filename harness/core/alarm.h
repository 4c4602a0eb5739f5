/*
 * alarm.h - a time limit for system calls that have none: msgrcv(2), msgsnd(2),
 * fcntl(F_SETLKW).
 *
 * What ends such a call is a signal: it returns EINTR.  The trap is the signal
 * that comes a moment too early, after the last look at the clock and before
 * the call; then the call waits for ever.  So the timer goes on ticking, every
 * few ms, until it is told to stop.
 *
 *      do {
 *          err = alarm_arm(&a, deadline);
 *          if (err == 0)
 *              err = msgrcv(...) == -1 ? -errno : 0;
 *          alarm_rest(&a);
 *      } while (err == -EINTR && ...);
 *
 * Setting the timer costs a system call, so it stays set after a call that
 * succeeded: it may interrupt a later one once, and alarm_arm() then sets it
 * anew.  With timeouts of seconds that is one call in thousands.  If it fires
 * while nobody waits, its handler turns it off.
 *
 * The signal is SIGRTMAX, for the thread that arms it; or SIGRTMAX - 1, which
 * interrupts only what no signal handler leaves running (signal(7)): msgrcv(2),
 * semop(2), but not the read(2) that the thread may have gone on to.
 */
#ifndef ALARM_H
#define ALARM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct alarm {
    bool restart; /* to be set before the first use: SA_RESTART will do */
    bool exists;
    timer_t timer;
    pthread_t thread;       /* the one it interrupts */
    volatile int64_t fires; /* ns, CLOCK_MONOTONIC; NO_DEADLINE: not set; 0: it
                             * has, and goes on ticking */
    volatile sig_atomic_t waiting; /* between alarm_arm() and alarm_rest() */
};

/* Sees to it that this thread is interrupted soon after deadline (clock.h).
 * 0; -ETIMEDOUT if it has passed; -EAGAIN, -ENOMEM: no timer to be had.
 * A struct alarm of zeros is ready for use. */
int alarm_arm(struct alarm *a, int64_t deadline);

/* The same for who has all the time in the world and only wants to look up now
 * and then, within ns: costs nothing, not even a look at the clock, as long as
 * the timer runs.  For an alarm that is never set to later than that. */
int alarm_within(struct alarm *a, int64_t ns);

/* The wait is over.  No system call. */
void alarm_rest(struct alarm *a);

/* To be called by the thread that armed it, or when that one has ended.
 * Removes the timer.  Harmless if there is none. */
void alarm_free(struct alarm *a);

#endif

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
 * The signal is the process's, and the process may be somebody else's program
 * that is only linked with us.  So a client's alarm leaves nothing behind:
 *  - It takes a real-time number that the program does not use (its action is
 *    the default one), and gives it back when the last alarm is removed.
 *  - alarm_arm() unblocks the number in its thread, or who has all signals
 *    blocked would wait for ever; alarm_rest() puts the mask back.
 *  - alarm_rest() stops the timer.  No signal comes after it, so nothing of
 *    what the program does next returns EINTR because of us.
 *
 * That costs three system calls a wait.  A server, whose process is its own,
 * saves them: with lazy the timer stays set after a call that succeeded.  It
 * may interrupt a later one once, and alarm_arm() then sets it anew; if it
 * fires while nobody waits, its handler turns it off.  With timeouts of
 * seconds that is one call in thousands.
 */
#ifndef ALARM_H
#define ALARM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct alarm {
    /* To be set before the first use. */
    bool restart; /* SA_RESTART: interrupts only what no handler leaves running,
                   * msgrcv(2) and semop(2), but not a read(2): signal(7) */
    bool lazy;    /* see above */

    bool listens; /* see alarm_listen() */
    int doorbell;
    volatile sig_atomic_t rang;

    bool exists;
    bool was_blocked; /* the number, in the thread, before alarm_arm() */
    timer_t timer;
    pthread_t thread;       /* the one it interrupts */
    volatile int64_t fires; /* ns, CLOCK_MONOTONIC; NO_DEADLINE: not set; 0: it
                             * has, and goes on ticking */
    volatile sig_atomic_t waiting; /* between alarm_arm() and alarm_rest() */
};

/* Sees to it that this thread is interrupted soon after deadline (clock.h).
 * 0; -ETIMEDOUT if it has passed; -ENOBUFS: no timer to be had
 * (RLIMIT_SIGPENDING), or every real-time number is in use; -ENOMEM; what
 * fcntl(2) says if the doorbell cannot be listened to.
 * A struct alarm of zeros is ready for use. */
int alarm_arm(struct alarm *a, int64_t deadline);

/*
 * A server only: from now on its waits also end with -EINTR when something
 * comes to fd, a socket for datagrams (O_ASYNC, fcntl(2)).  A lock cannot be
 * waited for together with a descriptor otherwise.  The signal is SIGIO, one at
 * a time however much is written, and it is the process's; after alarm_free()
 * it is ignored.  One such alarm a thread, and only waits that have a deadline.
 */
void alarm_listen(struct alarm *a, int fd);

/* Has it become readable since we last asked? */
bool alarm_rang(struct alarm *a);

/* The wait is over.  Keeps errno. */
void alarm_rest(struct alarm *a);

/* Is number the one that alarms of this process use now?  For tests. */
bool alarm_uses(int number);

/* To be called by the thread that armed it, or when that one has ended.
 * Removes the timer.  Harmless if there is none. */
void alarm_free(struct alarm *a);

/* The same in a process that was forked since: it has no such timer, but may
 * have one of its own by that number. */
void alarm_forget(struct alarm *a);

#endif

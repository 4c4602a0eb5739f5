/* monitor.c - a robust mutex and conditions in shared memory. */
#define _GNU_SOURCE /* pthread_mutex_clocklock, pthread_cond_clockwait */
#include "monitor.h"

#include <errno.h>

/* ThreadSanitizer (of gcc 12 and clang 14) does not know this call, and would
 * take what it has locked for unlocked. */
#ifdef IPCLAB_TSAN
#define pthread_mutex_clocklock(m, clock, t) ((void)(t), pthread_mutex_lock(m))
#endif

/* -- lock and wait -------------------------------------------------------- */

/* What lock and wait have in common: the lock is ours after 0, and also after
 * -ETIMEDOUT from a wait. */
static int
owned(struct monitor *p, int err)
{
    return err == EOWNERDEAD ? -pthread_mutex_consistent(&p->lock) : -err;
}

int
monitor_lock(struct monitor *p, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    return owned(p, pthread_mutex_clocklock(&p->lock, CLOCK_MONOTONIC, &t));
}

void
monitor_unlock(struct monitor *p)
{
    pthread_mutex_unlock(&p->lock);
}

int
monitor_wait(struct monitor *p, pthread_cond_t *cond, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    return owned(p,
                 pthread_cond_clockwait(cond, &p->lock, CLOCK_MONOTONIC, &t));
}

int64_t
monitor_slice(int64_t slice, int64_t deadline)
{
    int64_t end = now_ns() + slice;

    return end < deadline ? end : deadline;
}

int
monitor_slice_ended(struct pending_signals *held, int64_t deadline)
{
    if (time_left(deadline) == 0)
        return -ETIMEDOUT;
    /* Waiting for a condition is not ended by a signal. */
    if (signals_came(held))
        return -EINTR;
    signals_hold(held);
    return 0;
}

/* -- made ----------------------------------------------------------------- */

int
monitor_make_condition(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int err;

    pthread_condattr_init(&attr);
    /* Without it the C library uses futexes that only threads of one process
     * can find each other by. */
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    err = -pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return err;
}

int
monitor_make(struct monitor *p)
{
    pthread_mutexattr_t attr;
    int err;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    err = -pthread_mutex_init(&p->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return err != 0 ? err : monitor_make_condition(&p->work);
}

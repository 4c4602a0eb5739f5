/* alarm.c - a time limit for system calls that have none. */
#define _GNU_SOURCE /* gettid, SIGEV_THREAD_ID */
#include "alarm.h"

#include "clock.h"

#include <errno.h>
#include <unistd.h>

#define TICK (5 * NS_PER_MS)

/* glibc has the field but, before 2.41, not the name: sigevent(7). */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* To interrupt is all it is for.  But a thread that has long gone on to other
 * things is not to be interrupted every few ms for ever. */
static void
tick(int signal_number, siginfo_t *info, void *context)
{
    static const struct itimerspec off;
    struct alarm *a = info->si_value.sival_ptr;
    int err = errno;

    (void)signal_number, (void)context;
    if (info->si_code != SI_TIMER)
        return;
    if (a->waiting) {
        a->fires = 0;
        return;
    }
    timer_settime(a->timer, 0, &off, NULL);
    a->fires = NO_DEADLINE;
    errno = err; /* the timer may just have been deleted: EINVAL */
}

static int
make_timer(struct alarm *a)
{
    int number = a->restart ? SIGRTMAX - 1 : SIGRTMAX;
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = number,
                         .sigev_value.sival_ptr = a};
    struct sigaction sa = {.sa_sigaction = tick,
                           .sa_flags =
                               SA_SIGINFO | (a->restart ? SA_RESTART : 0)};

    e.sigev_notify_thread_id = gettid();
    if (sigaction(number, &sa, NULL) == -1 ||
        timer_create(CLOCK_MONOTONIC, &e, &a->timer) == -1)
        return -errno;
    a->exists = true;
    a->thread = pthread_self();
    a->fires = NO_DEADLINE;
    return 0;
}

int
alarm_arm(struct alarm *a, int64_t deadline)
{
    struct itimerspec t = {.it_interval = ns_to_timespec(TICK)};
    int64_t now;
    int err;

    if (deadline == NO_DEADLINE)
        return 0; /* if it is still set for before, it does no harm */
    if (a->exists && !pthread_equal(a->thread, pthread_self()))
        alarm_free(a);
    err = a->exists ? 0 : make_timer(a);
    if (err != 0)
        return err;
    now = now_ns();
    if (now >= deadline)
        return -ETIMEDOUT;
    a->waiting = 1; /* before a look at the timer: now it stays as it is */
    if (a->fires > now && a->fires <= deadline)
        return 0; /* it will come, and then we are asked again */
    t.it_value = ns_to_timespec(deadline);
    if (timer_settime(a->timer, TIMER_ABSTIME, &t, NULL) == -1)
        return -errno;
    a->fires = deadline;
    return 0;
}

int
alarm_within(struct alarm *a, int64_t ns)
{
    a->waiting = 1; /* as above */
    if (a->exists && a->fires != 0 && a->fires != NO_DEADLINE &&
        pthread_equal(a->thread, pthread_self()))
        return 0;
    return alarm_arm(a, now_ns() + ns);
}

void
alarm_rest(struct alarm *a)
{
    a->waiting = 0;
}

void
alarm_free(struct alarm *a)
{
    if (a->exists)
        timer_delete(a->timer);
    *a = (struct alarm){.restart = a->restart};
}

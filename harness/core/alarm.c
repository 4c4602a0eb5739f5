/* alarm.c - a time limit for system calls that have none. */
#define _GNU_SOURCE /* gettid, SIGEV_THREAD_ID, F_SETOWN_EX */
#include "alarm.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
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

/* -- the number, which is the process's ------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int number;
    unsigned users;
} taken[2]; /* without and with SA_RESTART */

/* The highest that nobody uses; and, if it can be, one that is not blocked:
 * somebody may wait for that in sigwait(3).  (signals/link.c takes the lowest.)
 * 0: there is none. */
static int
free_number(void)
{
    struct sigaction now;
    sigset_t blocked;
    int found = 0;

    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    for (int n = SIGRTMAX; n > SIGRTMIN; n--) {
        if (sigaction(n, NULL, &now) == -1 || now.sa_handler != SIG_DFL)
            continue;
        if (!sigismember(&blocked, n))
            return n;
        if (found == 0)
            found = n;
    }
    return found;
}

static int
take_number(bool restart)
{
    struct sigaction sa = {.sa_sigaction = tick,
                           .sa_flags = SA_SIGINFO | (restart ? SA_RESTART : 0)};
    int number;

    pthread_mutex_lock(&lock);
    number = taken[restart].number;
    if (taken[restart].users == 0)
        number = free_number();
    if (number != 0 && taken[restart].users++ == 0)
        sigaction(number, &sa, NULL);
    taken[restart].number = number;
    pthread_mutex_unlock(&lock);
    return number;
}

static void
give_number_back(bool restart)
{
    const int number = taken[restart].number;
    struct sigaction now;

    pthread_mutex_lock(&lock);
    if (--taken[restart].users == 0 && sigaction(number, NULL, &now) == 0 &&
        now.sa_sigaction == tick) {
        /* To ignore it is to forget what is pending: that would kill us. */
        signal(number, SIG_IGN);
        signal(number, SIG_DFL);
    }
    pthread_mutex_unlock(&lock);
}

bool
alarm_uses(int number)
{
    bool used;

    pthread_mutex_lock(&lock);
    used = (taken[0].users > 0 && taken[0].number == number) ||
           (taken[1].users > 0 && taken[1].number == number);
    pthread_mutex_unlock(&lock);
    return used;
}

/* -- the doorbell ---------------------------------------------------------- */

static _Thread_local struct alarm *listener;
static unsigned listeners;
static struct sigaction sigio_before;

/* It may have come just before the wait: then the timer, from now on, does what
 * this signal came too early for. */
static void
ring(int signal_number)
{
    static const struct itimerspec at_once = {.it_value.tv_nsec = 1,
                                              .it_interval.tv_nsec = TICK};
    struct alarm *a = listener;
    int err = errno;

    (void)signal_number;
    if (a == NULL)
        return;
    a->rang = 1;
    if (a->waiting) {
        timer_settime(a->timer, 0, &at_once, NULL);
        a->fires = 0;
    }
    errno = err;
}

static void
take_sigio(bool take)
{
    const struct sigaction ours = {.sa_handler = ring};
    sigset_t sigio;

    sigemptyset(&sigio);
    sigaddset(&sigio, SIGIO);
    pthread_mutex_lock(&lock);
    if (take && listeners++ == 0)
        sigaction(SIGIO, &ours, &sigio_before);
    /* Ignored: and what is pending forgotten, which would kill us. */
    if (!take && --listeners == 0) {
        signal(SIGIO, SIG_IGN);
        if (sigio_before.sa_handler != SIG_DFL)
            sigaction(SIGIO, &sigio_before, NULL);
    }
    pthread_mutex_unlock(&lock);
    if (take)
        pthread_sigmask(SIG_UNBLOCK, &sigio, NULL);
}

static int
set_async(int fd, bool on)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags == -1 ||
        fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC) == -1)
        return -errno;
    return 0;
}

static void
stop_listening(struct alarm *a)
{
    (void)set_async(a->doorbell, false);
    take_sigio(false);
    listener = NULL;
}

/* To this thread, which waits; a process would have any of its threads ring. */
static int
start_listening(struct alarm *a)
{
    const struct f_owner_ex us = {.type = F_OWNER_TID, .pid = gettid()};
    int err = fcntl(a->doorbell, F_SETOWN_EX, &us) == -1 ? -errno : 0;

    listener = a;
    take_sigio(true);
    if (err == 0)
        err = set_async(a->doorbell, true);
    if (err != 0)
        stop_listening(a);
    return err;
}

void
alarm_listen(struct alarm *a, int fd)
{
    a->listens = true;
    a->doorbell = fd;
}

bool
alarm_rang(struct alarm *a)
{
    bool rang = a->rang;

    if (rang)
        a->rang = 0;
    return rang;
}

/* -- the timer ------------------------------------------------------------- */

static int
make_timer(struct alarm *a)
{
    int err, number = take_number(a->restart);
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = number,
                         .sigev_value.sival_ptr = a};

    if (number == 0)
        return -ENOBUFS;
    e.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &e, &a->timer) == -1) {
        err = errno == EAGAIN ? -ENOBUFS : -errno;
        give_number_back(a->restart);
        return err;
    }
    err = a->listens ? start_listening(a) : 0;
    if (err != 0) {
        timer_delete(a->timer);
        give_number_back(a->restart);
        return err;
    }
    a->exists = true;
    a->thread = pthread_self();
    a->fires = NO_DEADLINE;
    a->rang = a->listens; /* whatever came before */
    return 0;
}

/* The number in this thread's mask; says whether it was blocked. */
static bool
set_mask(const struct alarm *a, int how)
{
    sigset_t set, before;

    sigemptyset(&set);
    sigaddset(&set, taken[a->restart].number);
    pthread_sigmask(how, &set, &before);
    return sigismember(&before, taken[a->restart].number);
}

int
alarm_arm(struct alarm *a, int64_t deadline)
{
    struct itimerspec t = {.it_interval = ns_to_timespec(TICK)};
    bool is_new;
    int64_t now;
    int err;

    if (deadline == NO_DEADLINE)
        return 0; /* if it is still set for before, it does no harm */
    if (a->exists && !pthread_equal(a->thread, pthread_self()))
        alarm_free(a);
    is_new = !a->exists;
    err = is_new ? make_timer(a) : 0;
    if (err != 0)
        return err;
    now = now_ns();
    if (now >= deadline)
        return -ETIMEDOUT;
    if (is_new || !a->lazy)
        a->was_blocked = set_mask(a, SIG_UNBLOCK);
    a->waiting = 1; /* before a look at the timer: now it stays as it is */
    if (a->rang) {
        alarm_rest(a);
        return -EINTR;
    }
    if (a->fires > now && a->fires <= deadline)
        return 0; /* it will come, and then we are asked again */
    t.it_value = ns_to_timespec(deadline);
    if (timer_settime(a->timer, TIMER_ABSTIME, &t, NULL) == -1) {
        err = -errno;
        alarm_rest(a);
        return err;
    }
    a->fires = deadline;
    return 0;
}

void
alarm_rest(struct alarm *a)
{
    static const struct itimerspec off;
    int err = errno;

    if (!a->waiting)
        return;
    a->waiting = 0;
    if (a->lazy)
        return;
    /* What has fired by now is delivered before this returns: to a thread that
     * does not block it, at the end of the system call. */
    timer_settime(a->timer, 0, &off, NULL);
    a->fires = NO_DEADLINE;
    if (a->was_blocked)
        set_mask(a, SIG_BLOCK);
    errno = err;
}

/* Whoever has no timer any more needs no handler.  But a timer that may still
 * be there keeps it, for good: without one its next signal would kill us. */
static void
forget(struct alarm *a, bool timer_gone)
{
    if (a->exists && timer_gone)
        give_number_back(a->restart);
    if (a->exists && a->listens)
        stop_listening(a);
    *a = (struct alarm){.restart = a->restart,
                        .lazy = a->lazy,
                        .listens = a->listens,
                        .doorbell = a->doorbell};
}

void
alarm_free(struct alarm *a)
{
    static const struct itimerspec off;
    const bool gone = !a->exists || timer_delete(a->timer) == 0;

    if (!gone)
        timer_settime(a->timer, 0, &off, NULL);
    forget(a, gone);
}

void
alarm_forget(struct alarm *a)
{
    forget(a, true);
}

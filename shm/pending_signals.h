/*
 * pending_signals.h - hearing a signal while one does not call the kernel.
 *
 * A system call that waits is ended by a signal: EINTR.  A loop that waits by
 * looking is not ended by anything: the handler runs, and the loop goes on
 * without having noticed.  (Nor does pthread_cond_wait(3) tell of it.)  So
 * such a loop holds the signals back, asks now and then whether one is
 * pending, and lets it in when it is ready to say "a signal came".
 *
 * It costs system calls: for waits that have lasted some time already.
 */
#ifndef SHM_PENDING_SIGNALS_H
#define SHM_PENDING_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct pending_signals {
    bool holding;
    sigset_t before;
};

static inline void
signals_hold(struct pending_signals *h)
{
    sigset_t all;

    if (h->holding)
        return;
    sigfillset(&all);
    /* Those that say what this thread has just done cannot wait. */
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &h->before);
    h->holding = true;
}

/* Has one come that would have been let in? */
static inline bool
signals_came(const struct pending_signals *h)
{
    sigset_t pending;

    if (!h->holding || sigpending(&pending) == -1)
        return false;
    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigismember(&pending, i) == 1 && sigismember(&h->before, i) == 0)
            return true;
    return false;
}

/* Lets them in: their handlers run now. */
static inline void
signals_release(struct pending_signals *h)
{
    if (h->holding)
        pthread_sigmask(SIG_SETMASK, &h->before, NULL);
    h->holding = false;
}

#endif

/*
 * daemon.c - one endpoint's process.
 *
 * The main thread makes the endpoint, gives up its rights, starts the thread
 * that serves and then only waits for a signal.  That thread is blocked in
 * whatever its mechanism blocks in; what gets it out is a signal too (WAKE),
 * because that is the one thing that interrupts every system call there is.
 */
#define _GNU_SOURCE /* pthread_tryjoin_np */
#include "server/ipcd.h"

#include "core/activation.h"
#include "core/clock.h"
#include "server/audit.h"
#include "server/methods.h"
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAKE SIGUSR1

/* -- signals -------------------------------------------------------------- */

static void
wake(int signal_number)
{
    (void)signal_number; /* only has to interrupt */
}

/* Signals that end the program are blocked in every thread and taken by the
 * main one with sigwait(3): no handler, no race.  All others are not, whatever
 * we inherited. */
static int
prepare_signals(sigset_t *ending)
{
    struct sigaction sa = {.sa_handler = wake}; /* without SA_RESTART */

    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    sigaddset(ending, SIGHUP);
    if (sigprocmask(SIG_SETMASK, ending, NULL) == -1 ||
        sigaction(WAKE, &sa, NULL) == -1 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    return 0;
}

/* A signal that comes just before the thread blocks is lost; so it is sent
 * again until the thread has gone. */
static void
join(struct endpoint *e)
{
    const struct timespec soon = {.tv_nsec = 2 * NS_PER_MS};

    pthread_kill(e->thread, WAKE);
    while (pthread_tryjoin_np(e->thread, NULL) == EBUSY) {
        nanosleep(&soon, NULL);
        pthread_kill(e->thread, WAKE);
    }
}

/* -- serving -------------------------------------------------------------- */

int
report_to(int fd)
{
    const struct report report = {.taken = activation_taken()};
    ssize_t n = write(fd, &report, sizeof report);

    close(fd);
    return n == sizeof report ? 0 : -EPIPE;
}

/* Until a signal, of which the one that says that the thread has ended is one
 * (endpoint_run()). */
static void
wait_for_the_end(const sigset_t *ending)
{
    int got = 0;

    while (sigwait(ending, &got) == 0 && got == SIGHUP && settings_reloads())
        settings_reload();
}

static int
serve(struct ipcd *d, struct endpoint *e, int report)
{
    sigset_t ending;
    int err = prepare_signals(&ending);
    bool by_method;

    e->main = pthread_self();
    if (err == 0)
        err = -pthread_create(&e->thread, NULL, endpoint_run, e);
    if (err != 0) {
        ipcd_complain(e->m->name, "no thread for it (ulimit -u, -v)", err);
        return err;
    }
    err = report_to(report);
    if (err == 0)
        wait_for_the_end(&ending);
    by_method = atomic_exchange(&d->stop, 1) != 0;
    join(e);
    if (e->result != 0)
        ipcd_complain(e->m->name, "stopped", e->result);
    return e->result != 0 ? e->result : by_method ? STATUS_SHUTDOWN : err;
}

/* -- giving up ------------------------------------------------------------ */

int
daemon_moves(const struct ipcd *d)
{
    return d->has_user && geteuid() == 0 ? mounts_make(d->dir) : 0;
}

int
daemon_gives_up(const struct ipcd *d, enum confined kind, rights kept,
                const char *reads)
{
    const struct confinement c = {.user = d->user,
                                  .kind = kind,
                                  .kept = kept,
                                  .dir = d->dir,
                                  .reads = reads};
    char why[CONFINE_WHY] = "";
    int err;

    if (!d->has_user)
        return 0;
    err = confine(&c, why);
    if (err != 0)
        fprintf(stderr,
                "ipcd: cannot be confined, will not serve: %s (to serve as "
                "root: --keep-root)\n",
                why);
    return err;
}

/* -- from the first to the last ------------------------------------------- */

/* While it still may; later it is too late.  A server that nobody asks leaves
 * no file otherwise. */
static void
open_log(const struct ipcd *d)
{
    int err = d->has_user ? log_open() : 0;

    if (err != 0)
        ipcd_complain(settings.log, "append_log will not work", err);
}

int
daemon_run(struct ipcd *d, struct endpoint *e, int report)
{
    int err;

    daemon_moves(d); /* if it cannot, the broker has said so */
    open_log(d);
    err = endpoint_create(e, &d->stop);
    if (err != 0) {
        ipcd_complain(e->m->name, e->name, err);
        return EXIT_FAILURE;
    }
    activation_close_left();
    err = daemon_gives_up(d, CONFINED_ENDPOINT, 0, e->m->reads);
    if (err == 0)
        err = serve(d, e, report);
    endpoint_destroy(e);
    audit_off();
    return err < 0 ? EXIT_FAILURE : err;
}

/*
 * daemon.c - one endpoint's process.
 *
 * It has one thread, which makes the endpoint, gives up its rights, and serves.
 * A second one would have to be paid for with every system call: the C library
 * then asks around each call that may wait whether the thread is being
 * cancelled, and the kernel counts who uses a descriptor.
 *
 * So what waits is interrupted by what it is told, a signal, because that is
 * the one thing that ends every system call there is.  A signal that comes a
 * moment too early, when the thread does not wait yet, ends nothing; therefore
 * the handler starts a timer, whose signals go on coming until the thread has
 * seen what it was told.
 */
#define _GNU_SOURCE /* geteuid, setitimer */
#include "server/ipcd.h"

#include "core/activation.h"
#include "core/clock.h"
#include "server/audit.h"
#include "server/methods.h"
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#define TICK 2000 /* us */

/* -- signals -------------------------------------------------------------- */

/* What it has been told. */
static volatile sig_atomic_t to_end, to_reload;
static atomic_int *stop; /* of the service */

static void
tick(suseconds_t us)
{
    const struct itimerval every = {{0, us}, {0, us}};

    setitimer(ITIMER_REAL, &every, NULL); /* in Linux a plain system call */
}

static void
interrupt(int signal_number)
{
    (void)signal_number; /* the system call has been */
}

static void
end(int signal_number)
{
    (void)signal_number;
    to_end = 1;
    *stop = 1;
    tick(TICK);
}

static void
reload(int signal_number)
{
    (void)signal_number;
    to_reload = 1;
    tick(TICK);
}

static void
between(void)
{
    if (!to_reload)
        return;
    tick(0);
    to_reload = 0;
    settings_reload();
}

/* Without SA_RESTART; one at a time, so that none interrupts the other.  All
 * signals are let in, whatever we inherited. */
static int
handle(int signal_number, void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler};

    sigfillset(&sa.sa_mask);
    return sigaction(signal_number, &sa, NULL) == -1 ? -errno : 0;
}

static int
prepare_signals(struct ipcd *d)
{
    sigset_t none;
    int err;

    stop = &d->stop;
    sigemptyset(&none);
    err = handle(SIGTERM, end);
    if (err == 0)
        err = handle(SIGINT, end);
    if (err == 0)
        err = handle(SIGHUP, settings_reloads() ? reload : end);
    if (err == 0)
        err = handle(SIGALRM, interrupt);
    if (err == 0)
        err = handle(SIGPIPE, SIG_IGN);
    if (err == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == -1)
        err = -errno;
    return err;
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

static int
serve(struct ipcd *d, struct endpoint *e, int report)
{
    int err = prepare_signals(d), told = 0;

    if (err == 0)
        told = report_to(report);
    e->service.between = between;
    if (err == 0 && told == 0)
        err = service_run(&e->service);
    tick(0);
    if (err != 0)
        ipcd_complain(e->m->name, "stopped", err);
    if (err == 0)
        err = told;
    return err != 0 ? err : to_end ? 0 : STATUS_SHUTDOWN;
}

/* -- giving up ------------------------------------------------------------ */

int
daemon_moves(const struct ipcd *d)
{
    return d->has_user && geteuid() == 0 ? mounts_make(d->dir) : 0;
}

int
daemon_gives_up(const struct ipcd *d, enum confined kind, rights kept,
                const struct ipc_mechanism *m)
{
    const struct confinement c = {.user = d->user,
                                  .kind = kind,
                                  .kept = kept,
                                  .dir = d->dir,
                                  .reads = m != NULL ? m->reads : NULL,
                                  .uses = m != NULL ? m->uses : 0};
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
open_written(const struct ipcd *d)
{
    int err = d->has_user ? log_open() : 0;

    if (err != 0)
        ipcd_complain(settings.log, "append_log will not work", err);
    err = d->has_user ? tray_open() : 0;
    if (err != 0)
        ipcd_complain(settings.tray, "print will not work", err);
}

int
daemon_run(struct ipcd *d, struct endpoint *e, int report)
{
    int err;

    daemon_moves(d); /* if it cannot, the broker has said so */
    open_written(d);
    err = endpoint_create(e, &d->stop);
    if (err != 0) {
        ipcd_complain(e->m->name, e->name, err);
        return EXIT_FAILURE;
    }
    activation_close_left();
    err = daemon_gives_up(d, CONFINED_ENDPOINT, 0, e->m);
    if (err == 0)
        err = serve(d, e, report);
    endpoint_destroy(e);
    audit_off();
    return err < 0 ? EXIT_FAILURE : err;
}

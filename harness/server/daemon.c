/*
 * daemon.c - every endpoint at once, a thread for each.
 *
 * The main thread makes the endpoints, starts the threads and then only waits
 * for a signal.  The threads are blocked in whatever their mechanism blocks in;
 * what gets them out is a signal too (WAKE), because that is the one thing that
 * interrupts every system call there is.
 */
#define _GNU_SOURCE /* pthread_tryjoin_np */
#include "server/ipcd.h"

#include "core/activation.h"
#include "core/clock.h"
#include "server/audit.h"
#include "server/settings.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAKE SIGUSR1

/* -- signals ----------------------------------------------------------------- */

static void
wake(int signal_number)
{
    (void)signal_number; /* only has to interrupt */
}

/* Signals that end the program are blocked in every thread and taken by the
 * main one with sigwait(3): no handler, no race. */
void
ending_signals(sigset_t *ending)
{
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    sigaddset(ending, SIGHUP);
}

static int
prepare_signals(sigset_t *ending)
{
    struct sigaction sa = {.sa_handler = wake}; /* without SA_RESTART */

    ending_signals(ending);
    if (sigprocmask(SIG_BLOCK, ending, NULL) == -1 ||
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

/* -- serving ----------------------------------------------------------------- */

static int
announce(const struct ipcd *d)
{
    int err = 0;

    for (size_t i = 0; i < d->count; i++)
        fprintf(stderr, "ipcd: serving %s at %s\n", d->endpoints[i].m->name,
                d->endpoints[i].name);
    activation_notify("READY=1");
    if (d->ready_fd != 0) {
        if (write(d->ready_fd, "", 1) == -1)
            err = -errno;
        close(d->ready_fd);
    }
    return err;
}

static int
serve(struct ipcd *d)
{
    sigset_t ending;
    size_t running = 0;
    int got = 0, err = prepare_signals(&ending);

    for (; err == 0 && running < d->count; running++) {
        struct endpoint *e = &d->endpoints[running];

        err = -pthread_create(&e->thread, NULL, endpoint_run, e);
        if (err != 0) {
            ipcd_complain(e->m->name, "no thread for it (ulimit -u, -v)", err);
            break;
        }
    }
    if (err == 0)
        err = announce(d);
    while (err == 0 && sigwait(&ending, &got) == 0 && got == SIGHUP &&
           settings_reloads())
        settings_reload();
    activation_notify("STOPPING=1");
    d->stop = 1;
    for (size_t i = 0; i < running; i++) {
        struct endpoint *e = &d->endpoints[i];

        join(e);
        if (e->result != 0) {
            ipcd_complain(e->m->name, "stopped", e->result);
            err = e->result;
        }
    }
    return err;
}

/* -- from the first endpoint to the last -------------------------------------- */

static bool
try_namespaces(const struct ipcd *d)
{
    int err = namespaces_make(d->dir);

    if (err != 0)
        ipcd_complain("goes on without its own mounts and host name",
                      "the files are writable as its rights permit", err);
    return err == 0;
}

/* With --user: from here on no more than serving takes. */
static int
give_up_rights(const struct ipcd *d, bool own_namespaces)
{
    char why[CONFINE_WHY] = "";
    rights kept = 0;
    int err;

    for (size_t i = 0; i < d->count; i++)
        kept |= rights_needed(d->endpoints[i].m);
    if (!own_namespaces) /* the name it would change is everybody's */
        kept &= ~RIGHT(SYS_ADMIN);
    err = confine(&d->user, kept, why);
    if (err != 0)
        fprintf(stderr, "ipcd: cannot be confined, will not serve: %s\n", why);
    return err;
}

int
daemon_run(struct ipcd *d)
{
    bool own_namespaces = d->has_user && geteuid() == 0 && try_namespaces(d);
    size_t opened;
    int err = 0;

    for (opened = 0; opened < d->count; opened++) {
        err = endpoint_open(&d->endpoints[opened], d);
        if (err != 0)
            break;
    }
    if (err == 0 && activation_left() != NULL) {
        fprintf(stderr,
                "ipcd: no mechanism that is served (-m) wants %s, with "
                "which ipcd was activated\n",
                activation_left());
        err = -EINVAL;
    }
    if (err == 0 && d->has_user)
        err = give_up_rights(d, own_namespaces);
    if (err == 0)
        err = serve(d);
    while (opened > 0)
        endpoint_close(&d->endpoints[--opened]);
    audit_off();
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * start.c - what the supervisor starts: the broker, and a process for each
 * endpoint.
 *
 * Each is a child that goes on from here, with the rights and the open files of
 * the supervisor, and gives up what it does not need before it hears anything.
 */
#define _GNU_SOURCE /* pipe2, SOCK_CLOEXEC */
#include "server/ipcd.h"

#include "core/clock.h"
#include "core/object.h"
#include "core/parent.h"
#include "server/ask.h"
#include "server/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* -- pairs ----------------------------------------------------------------- */

static int
pair_up(struct endpoint *e)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e->channel) == -1)
        return -errno;
    broker_prepare(e->channel[1]);
    return handover_pair(e->process.handover);
}

int
start_prepare(struct ipcd *d)
{
    int err = handover_pair(d->broker.handover);

    for (size_t i = 0; i < d->count && err == 0; i++)
        err = pair_up(&d->endpoints[i]);
    return err;
}

/* -- a child --------------------------------------------------------------- */

/* Who goes on as a child: its name for ps(1), its end of the handover, and it
 * ends when its parent does. */
static void
be_child(const struct process *p, const char *name, pid_t parent)
{
    prctl(PR_SET_NAME, name);
    tzset(); /* what localtime(3) reads it may not read later */
    handover_from(p->handover[1]);
    /* Whoever has got into another one can have the kernel send these. */
    signal(SIGIO, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    end_with_parent(parent, SIGTERM);
}

/* The other endpoints' business is none of its own. */
static void
close_others(struct ipcd *d, const struct endpoint *own)
{
    close(d->broker.handover[0]);
    close(d->broker.handover[1]);
    for (struct endpoint *e = d->endpoints; e < d->endpoints + d->count; e++) {
        close(e->process.handover[0]);
        close(e->channel[1]);
        if (e == own)
            continue;
        close(e->process.handover[1]);
        close(e->channel[0]);
        if (e->state != ENDPOINT_FAILED && e->lock > 0)
            close(e->lock);
        if (e->process.report > 0)
            close(e->process.report);
    }
    if (d->broker.report > 0)
        close(d->broker.report);
    if (d->ready_fd != 0)
        close(d->ready_fd);
}

/* The child of a program that is traced or profiled by its own means, such as
 * LeakSanitizer at exit(3), would be killed for it: confined, it only ends. */
static _Noreturn void
end_child(const struct ipcd *d, int status)
{
    if (d->has_user)
        _exit(status);
    exit(status);
}

/* In the child 0, and *report is where it says that it serves. */
static pid_t
start(struct process *p, int *report)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return -1;
    fflush(NULL); /* or what is in a buffer would be written twice */
    p->since = now_ns();
    p->again_at = 0;
    p->pid = fork();
    close(ends[p->pid == 0 ? 0 : 1]);
    if (p->pid == -1)
        close(ends[0]);
    p->report = p->pid > 0 ? ends[0] : -1;
    *report = ends[1];
    return p->pid;
}

/* -- the broker ------------------------------------------------------------ */

static unsigned
may_ask(const struct ipcd *d, const struct endpoint *e)
{
    return d->has_user ? rights_to_ask(e->m) : (2u << BROKER_KINDS) - 1;
}

static void
close_all_but_channels(struct ipcd *d)
{
    close(d->broker.handover[0]);
    for (struct endpoint *e = d->endpoints; e < d->endpoints + d->count; e++) {
        close(e->process.handover[0]);
        close(e->process.handover[1]);
        close(e->channel[0]);
        if (e->lock > 0)
            close(e->lock);
        if (e->process.report > 0)
            close(e->process.report);
    }
    if (d->ready_fd != 0)
        close(d->ready_fd);
}

/* The endpoints have the same reason: once is enough. */
static void
go_on_without(int mounts)
{
    if (mounts != 0)
        ipcd_complain(mounts == -EINVAL
                          ? "in a chroot(2) without its own mounts"
                          : "goes on without its own mounts",
                      "files are writable as its rights permit", mounts);
}

static int
be_broker(struct ipcd *d, int report)
{
    static char names[MAX_ENDPOINTS][ENDPOINT_SIZE];
    struct broker_peer peers[MAX_ENDPOINTS];
    unsigned all = 0;
    rights kept;

    close_all_but_channels(d);
    for (size_t i = 0; i < d->count; i++) {
        const struct endpoint *e = &d->endpoints[i];

        broker_names(e->name, names[i]);
        peers[i] = (struct broker_peer){.channel = e->channel[1],
                                        .may = may_ask(d, e),
                                        .evidence = e->m->evidence,
                                        .dir = names[i]};
        all |= peers[i].may;
    }
    kept = rights_of_broker(all);
    object_prepare(); /* what it has to look at once, while it may */
    if (!d->own_uts)  /* the name it would change is everybody's */
        kept &= ~RIGHT(SYS_ADMIN);
    go_on_without(daemon_moves(d));
    if (daemon_gives_up(d, CONFINED_BROKER, kept, NULL) != 0 ||
        report_to(report) != 0)
        return EXIT_FAILURE;
    broker_run(peers, d->count);
    return EXIT_SUCCESS;
}

int
start_broker(struct ipcd *d)
{
    const pid_t parent = getpid();
    int report;
    const pid_t pid = start(&d->broker, &report);

    if (pid == 0) {
        be_child(&d->broker, "ipcd-broker", parent);
        end_child(d, be_broker(d, report));
    }
    return pid == -1 ? -errno : 0;
}

/* -- an endpoint ----------------------------------------------------------- */

static int
be_endpoint(struct ipcd *d, struct endpoint *e, int report)
{
    close_others(d, e);
    ask_by(e->channel[0]);
    return daemon_run(d, e, report);
}

int
start_endpoint(struct ipcd *d, struct endpoint *e)
{
    const pid_t parent = getpid();
    int report;
    const pid_t pid = start(&e->process, &report);

    if (pid == 0) {
        be_child(&e->process, e->m->name, parent);
        end_child(d, be_endpoint(d, e, report));
    }
    return pid == -1 ? -errno : 0;
}

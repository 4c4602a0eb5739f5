/*
 * supervisor.c - the parent of a daemon's processes.
 *
 * It owns the names: it locks them, and removes what is left under them, which
 * a confined process cannot, for that takes a right to write where clients look
 * for endpoints.  It reads nothing that a client wrote.  When a child has died
 * it says so, and starts it again: at once if that had lived for a while, else
 * after a pause that doubles up to PAUSE_MOST.
 */
#define _GNU_SOURCE /* strsignal, signalfd */
#include "server/ipcd.h"

#include "core/activation.h"
#include "core/api.h"
#include "core/clock.h"
#include "core/defence.h"
#include "core/rendezvous.h"
#include "server/audit.h"
#include "server/handover.h"
#include "server/lines.h"
#include "server/settings.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE      (100 * NS_PER_MS)
#define PAUSE_MOST (10 * NS_PER_SEC)
#define A_WHILE    (60 * NS_PER_SEC)

/* A process that has been told to end and does not is killed after this: a
 * client may hold it up, and everybody else waits for the name. */
#define END_TIMEOUT (NS_PER_SEC * 6 / 10)

/* -- names ---------------------------------------------------------------- */

/* Is the name still ours?  Somebody may have removed our files, lock and all,
 * and then another server has found it free: from then on it is that one's. */
static bool
keep_name(struct endpoint *e)
{
    int lock = endpoint_relock(e->name, e->lock);

    if (lock >= 0) {
        e->lock = lock;
        return true;
    }
    if (lock == -EEXIST)
        fprintf(stderr,
                "ipcd: %s: is another server's by now and left alone; "
                "somebody had removed our %s.lock\n",
                e->name, e->name);
    else if (lock != -ENOENT) /* the directory is gone, and all with it */
        ipcd_complain(e->name, "cannot be locked again, left", lock);
    close(e->lock);
    e->lock = 0;
    e->state = ENDPOINT_FAILED;
    return false;
}

/* A confined process cannot remove what it has in /dev/shm, and once the file
 * that says its name is lost nobody finds it any more: so we know it, too. */
static void
remember_object(struct endpoint *e)
{
    if (endpoint_lookup(e->name, "name", e->object, sizeof e->object) != 0 ||
        !endpoint_is_fresh(e->name, e->object))
        e->object[0] = '\0';
}

/* The name is random: there is no other of it. */
static void
remove_object(const struct endpoint *e)
{
    if (e->object[0] == '\0')
        return;
    if ((shm_unlink(e->object) == -1 && errno != ENOENT) ||
        (sem_unlink(e->object) == -1 && errno != ENOENT))
        ipcd_complain(e->object, "cannot be removed from /dev/shm", -errno);
}

static void
remove_what_is_left(struct endpoint *e)
{
    int err;

    if (!keep_name(e)) {
        remove_object(e);
        return;
    }
    err = e->m->sweep != NULL ? e->m->sweep(e->name) : 0;
    if (err < 0)
        ipcd_complain(e->name, "not all that is left can be removed", err);
    remove_object(e);
    endpoint_unlock(e->name, e->lock);
    e->lock = 0;
}

/* An endpoint that cannot be started is left out, and the others serve. */
static void
leave_out(struct endpoint *e)
{
    e->state = ENDPOINT_FAILED;
    if (e->lock > 0)
        remove_what_is_left(e);
}

static void
take_names(struct ipcd *d)
{
    for (struct endpoint *e = d->endpoints; e < d->endpoints + d->count; e++) {
        e->process.report = -1;
        if (endpoint_take_name(e, d) != 0) {
            e->lock = 0;
            leave_out(e);
        }
    }
}

static size_t
count_in(const struct ipcd *d, enum endpoint_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < d->count; i++)
        n += d->endpoints[i].state == state;
    return n;
}

/* -- children ------------------------------------------------------------- */

static void
say_how(const char *who, int status)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "ipcd: %s died of signal %d (%s)\n", who,
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "ipcd: %s ended with %d\n", who, WEXITSTATUS(status));
}

/* When it is due again. */
static void
put_off(struct process *p)
{
    int64_t pause = 0;

    p->deaths = now_ns() - p->since > A_WHILE ? 0 : p->deaths;
    if (p->deaths > 0)
        pause = p->deaths > 7 ? PAUSE_MOST : PAUSE << (p->deaths - 1);
    p->deaths++;
    p->again_at = now_ns() + (pause < PAUSE_MOST ? pause : PAUSE_MOST);
}

static void
forget_report(struct process *p)
{
    if (p->report != -1)
        close(p->report);
    p->report = -1;
}

/* By a client that may, if it knows who that is; else it is in the hands of one
 * who may not. */
static bool
was_told_to_end_all(const struct endpoint *e)
{
    return DEFENCE("knows", e->m->evidence >= API_METHOD(shutdown)->evidence,
                   true);
}

static void
endpoint_ended(struct ipcd *d, struct endpoint *e, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SHUTDOWN &&
        was_told_to_end_all(e))
        d->stop = 1;
    if (d->stop && !WIFSIGNALED(status))
        return;
    say_how(e->m->name, status);
    if (e->state == ENDPOINT_STARTING)
        leave_out(e);
    else
        put_off(&e->process);
}

/* Without a broker there is nothing to begin with. */
static void
broker_ended(struct ipcd *d, int status)
{
    if (d->stop)
        return;
    say_how("the broker", status);
    if (d->broker_was_up)
        put_off(&d->broker);
    else
        d->stop = 1;
}

static void
reap(struct ipcd *d)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == d->broker.pid) {
            d->broker.pid = 0;
            forget_report(&d->broker);
            broker_ended(d, status);
            continue;
        }
        for (struct endpoint *e = d->endpoints; e < d->endpoints + d->count;
             e++)
            if (e->process.pid == pid) {
                e->process.pid = 0;
                forget_report(&e->process);
                endpoint_ended(d, e, status);
            }
    }
}

static int
start_again(struct ipcd *d, struct endpoint *e)
{
    fprintf(stderr, "ipcd: starting %s again\n",
            e != NULL ? e->m->name : "the broker");
    return e != NULL ? start_endpoint(d, e) : start_broker(d);
}

/* It cannot be started again, and perhaps it was the last one. */
static void
give_up(struct ipcd *d, struct endpoint *e)
{
    e->process.again_at = 0;
    if (count_in(d, ENDPOINT_FAILED) < d->count)
        return;
    fputs("ipcd: has lost all that it served, and ends\n", stderr);
    d->stop = 1;
}

/* Those that are due; the moment at which the next one is, 0 if we end. */
static int64_t
start_those_due(struct ipcd *d)
{
    int64_t next = NO_DEADLINE;

    for (size_t i = 0; i <= d->count; i++) {
        struct endpoint *e = i < d->count ? &d->endpoints[i] : NULL;
        struct process *p = e != NULL ? &e->process : &d->broker;
        int err;

        if (p->again_at == 0)
            continue;
        if (time_left(p->again_at) > 0) {
            next = p->again_at < next ? p->again_at : next;
            continue;
        }
        if (e != NULL && !keep_name(e)) {
            remove_object(e);
            give_up(d, e);
            continue;
        }
        err = start_again(d, e);
        if (err != 0) {
            ipcd_complain("fork", "will try again", err);
            put_off(p);
            next = p->again_at < next ? p->again_at : next;
        }
    }
    return d->stop ? 0 : next;
}

static void
signal_all(const struct ipcd *d, int number)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->endpoints[i].process.pid > 0)
            kill(d->endpoints[i].process.pid, number);
}

/* The broker first: what the others are told it will be asked about. */
static void
reload(const struct ipcd *d)
{
    handover_send(d->broker.handover[0]);
    if (d->broker.pid > 0)
        kill(d->broker.pid, SIGHUP);
    for (size_t i = 0; i < d->count; i++)
        handover_send(d->endpoints[i].process.handover[0]);
    signal_all(d, SIGHUP);
}

/* -- the start ------------------------------------------------------------ */

/* In one piece, for who waits may read no more than the first byte. */
static int
say_ready(struct ipcd *d)
{
    char text[MAX_ENDPOINTS * 64];
    size_t len = 0;
    ssize_t n;

    for (struct endpoint *e = d->endpoints; e < d->endpoints + d->count; e++)
        if (e->state == ENDPOINT_SERVING)
            len +=
                (size_t)snprintf(text + len, sizeof text - len, "%jd %.40s\n",
                                 (intmax_t)e->process.pid, e->m->name);
    n = write(d->ready_fd, text, len);
    close(d->ready_fd);
    d->ready_fd = 0;
    return n == (ssize_t)len ? 0 : -EPIPE;
}

static int
announce(struct ipcd *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->endpoints[i].state == ENDPOINT_SERVING)
            fprintf(stderr, "ipcd: serving %s at %s (pid %jd)\n",
                    d->endpoints[i].m->name, d->endpoints[i].name,
                    (intmax_t)d->endpoints[i].process.pid);
    activation_notify("READY=1");
    d->announced = true;
    return d->ready_fd != 0 ? say_ready(d) : 0;
}

/* All have said how their start went. */
static int
settle(struct ipcd *d)
{
    const char *left = activation_left(d->taken);

    if (count_in(d, ENDPOINT_SERVING) == 0)
        return -ENOENT; /* why has been said */
    if (count_in(d, ENDPOINT_FAILED) == 0 && left != NULL) {
        fprintf(stderr,
                "ipcd: no mechanism that is served (-m) wants %s, with "
                "which ipcd was activated\n",
                left);
        return -EINVAL;
    }
    return announce(d);
}

/* A process serves; if it has ended instead: reap(). */
static bool
hear_report(struct ipcd *d, struct process *p)
{
    struct report report;

    if (read(p->report, &report, sizeof report) != sizeof report)
        return false;
    forget_report(p);
    d->taken |= report.taken;
    return true;
}

static void
hear_reports(struct ipcd *d, const struct pollfd *fds)
{
    if ((fds[0].revents & POLLIN) && hear_report(d, &d->broker))
        d->broker_was_up = true;
    for (size_t i = 0; i < d->count; i++)
        if ((fds[i + 1].revents & POLLIN) &&
            hear_report(d, &d->endpoints[i].process)) {
            d->endpoints[i].state = ENDPOINT_SERVING;
            remember_object(&d->endpoints[i]);
        }
}

static int
start_all(struct ipcd *d)
{
    int err = start_prepare(d);

    if (err == 0)
        err = start_broker(d);
    for (size_t i = 0; i < d->count && err == 0; i++)
        if (d->endpoints[i].state == ENDPOINT_STARTING)
            err = start_endpoint(d, &d->endpoints[i]);
    if (err != 0)
        ipcd_complain("cannot start", "the processes of the server", err);
    return err;
}

/* -- until the end -------------------------------------------------------- */

/* SIGHUP that was ignored, as nohup(1) has it, remains so, unless there is
 * something that it makes us read again. */
static int
hear_signals(sigset_t *before)
{
    struct sigaction hup;
    sigset_t heard;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* ignored, children would leave no status */
    sigemptyset(&heard);
    sigaddset(&heard, SIGTERM);
    sigaddset(&heard, SIGINT);
    sigaddset(&heard, SIGCHLD);
    sigaction(SIGHUP, NULL, &hup);
    if (hup.sa_handler != SIG_IGN || settings_reloads())
        sigaddset(&heard, SIGHUP);
    sigprocmask(SIG_SETMASK, &heard, before);
    return signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
take_signals(struct ipcd *d, int signals)
{
    struct signalfd_siginfo s;

    while (read(signals, &s, sizeof s) == sizeof s) {
        if (s.ssi_signo == SIGCHLD)
            reap(d);
        else if (s.ssi_signo == SIGHUP && settings_reloads())
            reload(d);
        else
            d->stop = 1;
    }
}

/* Waits for a signal or a report. */
static void
wait_for_news(struct ipcd *d, int signals, int64_t until)
{
    struct pollfd fds[MAX_ENDPOINTS + 2] = {
        {.fd = signals, .events = POLLIN},
        {.fd = d->broker.report, .events = POLLIN}};

    for (size_t i = 0; i < d->count; i++)
        fds[i + 2] = (struct pollfd){.fd = d->endpoints[i].process.report,
                                     .events = POLLIN};
    if (poll_until(fds, (unsigned)d->count + 2, until) != 0)
        return;
    hear_reports(d, fds + 1);
    if (fds[0].revents != 0)
        take_signals(d, signals);
}

static int
supervise(struct ipcd *d, int signals)
{
    bool settled = false;
    int err = 0;

    while (!d->stop && err == 0) {
        if (!settled && d->broker_was_up &&
            count_in(d, ENDPOINT_STARTING) == 0) {
            settled = true;
            err = settle(d);
            continue;
        }
        wait_for_news(d, signals, start_those_due(d));
    }
    /* Not as it was told to: give_up(). */
    return err == 0 && count_in(d, ENDPOINT_FAILED) == d->count ? -ENOENT : err;
}

static bool
all_ended(const struct ipcd *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->endpoints[i].process.pid > 0)
            return false;
    return true;
}

/* Told, and if they do not hear, killed.  Who hangs in the kernel even then, by
 * the doing of a client, does not keep us. */
static void
end_all(struct ipcd *d, int signals)
{
    static const int told[] = {SIGTERM, SIGKILL};

    d->stop = 1;
    for (size_t i = 0; i < 2 && !all_ended(d); i++) {
        const int64_t deadline = deadline_in(END_TIMEOUT / (1 + (int)i));

        signal_all(d, told[i]);
        while (!all_ended(d) && time_left(deadline) > 0)
            wait_for_news(d, signals, deadline);
    }
    for (size_t i = 0; i < d->count; i++)
        if (d->endpoints[i].process.pid > 0)
            fprintf(stderr, "ipcd: %s: process %jd cannot be ended; left\n",
                    d->endpoints[i].m->name,
                    (intmax_t)d->endpoints[i].process.pid);
}

/* The last one: whoever serves may still need it. */
static void
end_broker(struct ipcd *d, int signals)
{
    static const int told[] = {SIGTERM, SIGKILL};

    for (size_t i = 0; i < 2 && d->broker.pid > 0; i++) {
        const int64_t deadline = deadline_in(END_TIMEOUT / 3);

        kill(d->broker.pid, told[i]);
        while (d->broker.pid > 0 && time_left(deadline) > 0)
            wait_for_news(d, signals, deadline);
    }
}

static void
remove_all(struct ipcd *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->endpoints[i].lock > 0)
            remove_what_is_left(&d->endpoints[i]);
    if (d->has_user) {
        lines_remove_empty(settings.log);
        lines_remove_empty(settings.tray);
    }
}

int
supervisor_run(struct ipcd *d)
{
    sigset_t before;
    int err, signals = hear_signals(&before);

    prctl(PR_SET_NAME, "ipcd");
    d->own_uts = d->has_user && geteuid() == 0 && uts_make() == 0;
    d->broker.report = -1;
    take_names(d);
    err = signals == -1 ? -errno : start_all(d);
    if (err == 0)
        err = supervise(d, signals);
    if (d->announced)
        activation_notify("STOPPING=1");
    end_all(d, signals);
    end_broker(d, signals);
    remove_all(d);
    audit_off();
    return err == 0 && d->announced ? EXIT_SUCCESS : EXIT_FAILURE;
}

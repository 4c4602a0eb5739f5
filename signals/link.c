/* link.c - two processes that signal each other, and nobody else. */
#define _GNU_SOURCE /* sigisemptyset, F_SETSIG, pidfd_open by syscall(2) */
#include "link.h"

#include "core/clock.h"
#include "core/defence.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often a waiting process looks whether the other one still lives, ns.
 * (With signalfd(2) both could be waited for at once: README, "Try it".) */
#define LOOK (50 * NS_PER_MS)

/* close-on-exec by itself: pidfd_open(2) */
static int
open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int
send_by_pidfd(int pidfd, int number, siginfo_t *info)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, info, 0);
}

const char *
link_unavailable(void)
{
    static char reason[100];
    int fd = open_pidfd(getpid());

    if (fd != -1 && send_by_pidfd(fd, 0, NULL) == 0) {
        close(fd);
        return NULL;
    }
    snprintf(reason, sizeof reason, "no %s(2) here: %s (Linux 5.3 has it)",
             fd == -1 ? "pidfd_open" : "pidfd_send_signal", strerror(errno));
    if (fd != -1)
        close(fd);
    return reason;
}

/* -- blocking ------------------------------------------------------------- */

/*
 * Which numbers this process uses.  Signals are the process's, not the
 * client's: two clients of one process must not unblock each other's, and are
 * given different numbers where the mechanism allows.
 *
 * Masks are each thread's own, and a signal goes to any thread that does not
 * block it: a program with threads opens its client before it makes them, or
 * blocks the numbers there too.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    unsigned users;
    bool was_blocked; /* before the first of them */
} used[NSIG];

/* A real-time number that neither we nor the program use.  Not the last one:
 * core/alarm.h; not the first: LINK_TO_SERVER. */
static int
find_free(const sigset_t *blocked)
{
    for (int n = SIGRTMIN + 1; n < SIGRTMAX; n++) {
        struct sigaction now;

        if (used[n].users == 0 && !sigismember(blocked, n) &&
            sigaction(n, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            return n;
    }
    return -ENOBUFS;
}

static int
claim(struct link *l)
{
    sigset_t before;

    pthread_mutex_lock(&lock);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    l->number = 0;
    if (sigisemptyset(&l->set)) {
        l->number = find_free(&before);
        if (l->number > 0)
            sigaddset(&l->set, l->number);
    }
    for (int n = 1; n < NSIG; n++)
        if (sigismember(&l->set, n) == 1 && used[n].users++ == 0)
            used[n].was_blocked = sigismember(&before, n);
    pthread_sigmask(SIG_BLOCK, &l->set, NULL);
    pthread_mutex_unlock(&lock);
    return l->number < 0 ? l->number : 0;
}

static void
release(struct link *l)
{
    struct link ours = *l;
    sigset_t unblock;

    sigemptyset(&ours.set);
    sigemptyset(&unblock);
    pthread_mutex_lock(&lock);
    for (int n = 1; n < NSIG; n++) {
        if (sigismember(&l->set, n) != 1 || --used[n].users > 0)
            continue;
        sigaddset(&ours.set, n);
        if (!used[n].was_blocked)
            sigaddset(&unblock, n);
    }
    /* First: what is pending when it is unblocked is delivered, and what a
     * signal without a handler does is to kill. */
    link_drain(&ours);
    pthread_sigmask(SIG_UNBLOCK, &unblock, NULL);
    pthread_mutex_unlock(&lock);
}

/* -- the two sides -------------------------------------------------------- */

int
link_open(struct link *l, const char *where, const char *mechanism, int out)
{
    int me, err;

    l->self = getpid();
    l->uid = getuid();
    /* Before the fork: the server may be ready before we are back here. */
    err = claim(l);
    if (err != 0)
        return err;
    me = open_pidfd(l->self);
    if (me == -1) {
        err = -errno;
        goto unblock;
    }
    /* An open file has a place for a signal number, meant for signal-driven
     * I/O (fcntl(2), F_SETSIG).  It goes with the descriptor, so that is where
     * the server finds the number to use. */
    err = fcntl(me, F_SETSIG, l->number) == -1 ? -errno : 0;
    if (err == 0)
        err = spawn_server(where, mechanism, me, out == -1 ? me : out,
                           &l->server);
    close(me);
    if (err != 0)
        goto unblock;
    l->pidfd = l->server.fd;
    l->pid = l->server.pid;
    return 0;

unblock:
    release(l);
    return err;
}

void
link_close(struct link *l)
{
    send_by_pidfd(l->pidfd, SIGHUP, NULL);
    spawn_reap(&l->server); /* closes the pidfd */
    release(l);
}

void
link_forget(struct link *l)
{
    spawn_forget(&l->server);
    release(l);
}

static bool
gone(const struct link *l)
{
    struct pollfd p = {.fd = l->pidfd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/*
 * A set-user-ID root server may signal anybody, its client may not.  Were it
 * to take any pidfd it is given for its client's, it could be made to signal
 * the init process; and a pidfd that was the client's yesterday is still that
 * process's when it has become passwd(1), which root owns and the client may
 * not signal.  So the kernel is asked in the client's name, each time.
 */
static int
send_as_client(int pidfd, int number, siginfo_t *info)
{
    const uid_t effective = geteuid();
    int result, err;

    if (seteuid(getuid()) == -1)
        return -1;
    result = send_by_pidfd(pidfd, number, info);
    err = errno;
    if (seteuid(effective) == -1)
        return -1;
    errno = err;
    return result;
}

static int
client_may_signal(int pidfd)
{
    if (send_as_client(pidfd, 0, NULL) == 0)
        return 0;
    return errno == ESRCH ? -EPIPE : -errno;
}

static int
send_with_rights(const struct link *l, int number, siginfo_t *info)
{
    return DEFENCE("asclient", l->elevated, false)
               ? send_as_client(l->pidfd, number, info)
               : send_by_pidfd(l->pidfd, number, info);
}

int
link_accept(struct link *l, struct ipc_peer *client)
{
    int err, number = fcntl(STDIN_FILENO, F_GETSIG);

    l->pidfd = STDIN_FILENO;
    l->self = getpid();
    l->uid = getuid();
    l->elevated = geteuid() != l->uid;
    l->pid = getppid();
    /* Whose parent has died is given another one.  The descriptor still means
     * the first: if that is alive now, the pid was its. */
    if (gone(l))
        return -EPIPE;
    err = DEFENCE("client", client_may_signal(l->pidfd), 0);
    if (err != 0)
        return err;
    if (sigisemptyset(&l->set)) {
        if (number <= LINK_TO_SERVER || number > SIGRTMAX)
            return -EINVAL;
        sigaddset(&l->set, LINK_TO_SERVER);
    }
    sigaddset(&l->set, SIGHUP); /* how the client says that it is done */
    err = claim(l);
    l->number = number;
    *client = (struct ipc_peer){
        .pid = l->pid, .uid = l->uid, .gid = getgid(), .evidence = IPC_PEER};
    return err;
}

/* -- sending and waiting -------------------------------------------------- */

int
link_send(const struct link *l, int number, const union sigval *value)
{
    siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
    int result;

    if (value == NULL) {
        result = send_with_rights(l, number, NULL);
    } else {
        /* All that sigqueue(3) does.  We write down who we are, ourselves. */
        info.si_pid = l->self;
        info.si_uid = l->uid;
        info.si_value = *value;
        result = send_with_rights(l, number, &info);
    }
    if (result == 0)
        return 0;
    return errno == ESRCH ? -EPIPE : -errno;
}

/* Is it what we wait for?  Where the kernel could not keep the siginfo it says
 * SI_USER, pid 0, uid 0, which is not root but nobody. */
static bool
is_ours(const struct link *l, const siginfo_t *info)
{
    return DEFENCE("sender",
                   l->code == ANYBODY ||
                       (info->si_code == l->code && info->si_pid == l->pid),
                   true);
}

int
link_wait(const struct link *l, siginfo_t *info, int64_t deadline)
{
    siginfo_t any;
    bool dead = false;

    if (info == NULL)
        info = &any;
    for (;;) {
        int64_t left = time_left(deadline);
        bool last = left >= 0 && left < LOOK;
        struct timespec t = ns_to_timespec(dead ? 0 : last ? left : LOOK);
        int err, number = sigtimedwait(&l->set, info, &t);

        if (number == SIGHUP)
            return -EPIPE;
        if (number > 0 && is_ours(l, info))
            return number;
        if (number > 0)
            continue;
        err = -errno;
        if (err != -EAGAIN && err != -EINTR)
            return err;
        /* Nothing came.  If the other side is dead, what it sent before has
         * come by now: one more look, and that is the last. */
        if (dead && err == -EAGAIN)
            return -EPIPE;
        dead = dead || gone(l);
        if (!dead && err == -EINTR)
            return -EINTR;
        if (!dead && left == 0)
            return -ETIMEDOUT;
    }
}

void
link_drain(const struct link *l)
{
    static const struct timespec now;

    while (sigtimedwait(&l->set, NULL, &now) != -1 || errno == EINTR)
        continue;
}

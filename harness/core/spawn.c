/* spawn.c - starts a server as a child of the client. */
#define _GNU_SOURCE /* clone, close_range, pipe2, P_PIDFD */
#include "spawn.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- a child, held by a pidfd ---------------------------------------------- */

/* Bytes, for what happens between the fork and the exec; also with a
 * sanitizer. */
#define STACK_SIZE 65536

int
spawn(struct spawned *child, int (*f)(void *arg), void *arg)
{
    /* Without CLONE_VM the child has a copy of all memory, as after a fork(2),
     * this stack too.  (fork() itself cannot give a pidfd; and by the time of
     * pidfd_open(2) the number may mean somebody else.) */
    alignas(16) char stack[STACK_SIZE];

    child->fd = -1;
    child->pid =
        clone(f, stack + sizeof stack, CLONE_PIDFD | SIGCHLD, arg, &child->fd);
    return child->pid == -1 ? -errno : 0;
}

int
spawn_signal(const struct spawned *child, int number)
{
    return syscall(SYS_pidfd_send_signal, child->fd, number, NULL, 0) == -1
               ? -errno
               : 0;
}

/* As wait(2) has it: the exit status in the second byte, or a signal in the
 * first. */
static int
status_of(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status << 8 : info->si_status;
}

int
spawn_wait(struct spawned *child, int *status, int64_t deadline)
{
    siginfo_t info = {.si_pid = 0};
    int err;

    /* A pidfd becomes readable when its process ends: pidfd_open(2). */
    do
        err = wait_for(child->fd, POLLIN, deadline);
    while (err == -EINTR);
    if (err == -ETIMEDOUT)
        return err;
    do
        err = waitid(P_PIDFD, (id_t)child->fd, &info, WEXITED);
    while (err == -1 && errno == EINTR);
    if (status != NULL)
        *status = err == 0 ? status_of(&info) : 0;
    spawn_forget(child);
    return 0;
}

void
spawn_forget(struct spawned *child)
{
    close(child->fd);
    child->fd = -1;
}

/* -- a server -------------------------------------------------------------- */

struct order {
    const char *program, *mechanism;
    int in, out, report;
};

/* in and out may themselves be 0 or 1, and so may report: all are moved out of
 * the way first, next to each other; dup2() leaves copies open across the
 * exec. */
static int
arrange_descriptors(struct order *o)
{
    o->report = fcntl(o->report, F_DUPFD_CLOEXEC, 3);
    o->in = fcntl(o->in, F_DUPFD_CLOEXEC, 3);
    o->out = fcntl(o->out, F_DUPFD_CLOEXEC, 3);
    if (o->report == -1 || o->in == -1 || o->out == -1 ||
        dup2(o->in, STDIN_FILENO) == -1 || dup2(o->out, STDOUT_FILENO) == -1)
        return errno;
    /* Not every program marks what it opens: that is not for a server, and
     * what it kept open would not end for others.  (It fails only where the
     * system call is filtered out.) */
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    return 0;
}

/* Handlers do not survive the exec, but what is ignored or blocked stays so.  A
 * server does not want our ideas about that. */
static void
default_signals(void)
{
    sigset_t none;

    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Writes errno to report if the exec fails.  If it succeeds the pipe is closed
 * by it, and the parent reads an end of file. */
static int
exec_server(void *arg)
{
    struct order *o = arg;
    int err = arrange_descriptors(o);
    ssize_t n;

    if (err == 0) {
        default_signals();
        execl(o->program, "ipcd", "--stdio", "-m", o->mechanism, (char *)NULL);
        err = errno;
    }
    n = write(o->report, &err, sizeof err);
    _exit(n == sizeof err ? 127 : 126);
}

int
spawn_server(const char *program, const char *mechanism, int in, int out,
             struct spawned *child)
{
    struct order order = {program, mechanism, in, out, -1};
    int report[2], err;
    ssize_t n;

    if (pipe2(report, O_CLOEXEC) == -1)
        return -errno;
    order.report = report[1];
    err = spawn(child, exec_server, &order);
    close(report[1]);
    if (err != 0) {
        close(report[0]);
        return err;
    }
    do
        n = read(report[0], &err, sizeof err);
    while (n == -1 && errno == EINTR);
    close(report[0]);
    if (n == 0)
        return 0;
    spawn_reap(child);
    return n == sizeof err ? -err : -EIO;
}

void
spawn_reap(struct spawned *child)
{
    if (spawn_wait(child, NULL, deadline_in(NS_PER_SEC)) == 0)
        return;
    spawn_signal(child, SIGKILL);
    spawn_wait(child, NULL, NO_DEADLINE);
}

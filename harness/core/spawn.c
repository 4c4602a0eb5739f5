/* spawn.c - starts a server as a child of the client. */
#define _GNU_SOURCE /* pipe2, pidfd_open by syscall(2) */
#include "spawn.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child.  in or out may itself be 0 or 1, so both are moved out of the
 * way first; dup2() leaves the copies open across the exec. */
static int
exec_server(const char *program, const char *mechanism, int in, int out)
{
    sigset_t none;

    in = fcntl(in, F_DUPFD_CLOEXEC, 3);
    out = fcntl(out, F_DUPFD_CLOEXEC, 3);
    if (in == -1 || out == -1 || dup2(in, STDIN_FILENO) == -1 ||
        dup2(out, STDOUT_FILENO) == -1)
        return errno;
    /* Handlers do not survive the exec, but what is ignored or blocked stays
     * so.  A server does not want our ideas about that. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execl(program, "ipcd", "--stdio", "-m", mechanism, (char *)NULL);
    return errno;
}

int
spawn_server(const char *program, const char *mechanism, int in, int out,
             pid_t *pid)
{
    int report[2], err = 0;
    ssize_t n;

    /* The child writes errno here if the exec fails.  If it succeeds the pipe
     * is closed by it, and we read an end of file. */
    if (pipe2(report, O_CLOEXEC) == -1)
        return -errno;
    *pid = fork();
    if (*pid == -1) {
        err = -errno;
        close(report[0]);
        close(report[1]);
        return err;
    }
    if (*pid == 0) {
        /* Above 2, or the dup2() to 0 and 1 would close it. */
        int to = fcntl(report[1], F_DUPFD_CLOEXEC, 3);

        err = exec_server(program, mechanism, in, out);
        n = write(to, &err, sizeof err);
        _exit(n == sizeof err ? 127 : 126);
    }
    close(report[1]);
    do
        n = read(report[0], &err, sizeof err);
    while (n == -1 && errno == EINTR);
    close(report[0]);
    if (n == 0)
        return 0;
    spawn_reap(*pid);
    return n == sizeof err ? -err : -EIO;
}

void
spawn_reap(pid_t pid)
{
    int64_t deadline = deadline_in(NS_PER_SEC);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), err = -EINTR;

    /* A pidfd becomes readable when its process ends: pidfd_open(2). */
    while (fd != -1 && err == -EINTR)
        err = wait_for(fd, POLLIN, deadline);
    if (err != 0)
        kill(pid, SIGKILL);
    if (fd != -1)
        close(fd);
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
}

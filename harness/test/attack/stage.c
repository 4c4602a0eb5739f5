/* stage.c - what an attack finds when it begins, and those who act in it. */
#define _GNU_SOURCE /* close_range, RLIMIT_MSGQUEUE */
#include "test/attack/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

char stage_dir[ENDPOINT_SIZE], run_dir[ENDPOINT_SIZE];

void
broken(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: %s does not hold (errno: %s)\n", file, line,
            condition, strerror(errno));
    fflush(NULL);
    _exit(EXIT_BROKEN);
}

void
stage_set(const char *dir)
{
    static const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

    MUST(strlen(dir) < sizeof stage_dir - 16);
    strcpy(stage_dir, dir);
    snprintf(run_dir, sizeof run_dir, "%.90s/run", dir);
    MUST(mkdir(run_dir, 0755) == 0);
    MUST(chmod(run_dir, 0755) == 0);
    /* An orphan (a spawned server whose client was killed) comes to us. */
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    signal(SIGPIPE, SIG_IGN);
    /* Then there is only oneself (struct attack, .alone). */
    actors_are_us = users_missing() != NULL;
    /* Root's other programs may have POSIX queues too. */
    if (geteuid() == 0)
        setrlimit(RLIMIT_MSGQUEUE, &all);
}

const char *
make_file(const char *name, const char *text, mode_t mode)
{
    static char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof path, "%s/%s", stage_dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    MUST(fd != -1);
    MUST(fchmod(fd, mode) == 0);
    MUST(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return path;
}

bool
is_still_secret(const char *path)
{
    char now[sizeof SECRET + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    MUST(fd != -1 && read(fd, now, sizeof now - 1) != -1);
    close(fd);
    return strcmp(now, SECRET) == 0;
}

const char *
make_careless_dir(const char *parent)
{
    static char dir[ENDPOINT_SIZE + 8];

    snprintf(dir, sizeof dir, "%s/open", parent);
    MUST(mkdir(dir, 0) == 0 && chmod(dir, 0777) == 0);
    return dir;
}

/* -- others --------------------------------------------------------------- */

/* An actor's: so that an end of file is one. */
void
close_descriptors(const struct actor *keep)
{
    const unsigned a = (unsigned)keep->in, b = (unsigned)keep->out;
    const unsigned low = a < b ? a : b, high = a < b ? b : a;

    if (low > 3)
        close_range(3, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

pid_t
take_pid(pid_t pid)
{
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    pid_t got = (pid_t)syscall(SYS_clone3, &args, sizeof args);

    if (got == 0) {
        pause();
        _exit(0);
    }
    MUST(got == pid);
    return got;
}

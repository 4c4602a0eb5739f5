/* stage.c - what an attack finds when it begins, and those who act in it. */
#define _GNU_SOURCE /* pipe2, close_range, setresuid, RLIMIT_MSGQUEUE */
#include "test/attack/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
    users_missing(); /* finds out once, for all that are forked */
    /* Root's other programs may have POSIX queues too. */
    if (geteuid() == 0)
        setrlimit(RLIMIT_MSGQUEUE, &all);
}

void *
shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    MUST(memory != MAP_FAILED);
    return memory;
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

void
become_user(uid_t uid)
{
    /* Then there is only oneself (struct attack, .alone). */
    if (uid == geteuid() || users_missing() != NULL)
        return;
    MUST(setgroups(0, NULL) == 0);
    MUST(setresgid(uid, uid, uid) == 0);
    MUST(setresuid(uid, uid, uid) == 0);
    /* Such a change takes /proc/self away from the process; one that logged
     * in as that user has it. */
    MUST(prctl(PR_SET_DUMPABLE, 1) == 0);
}

/* Closes what the stage has open, so that an end of file is one. */
static void
keep_only(int a, int b)
{
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

    if (low > 3)
        close_range(3, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

void
actor_start(struct actor *a, uid_t uid, actor_function *f, void *arg)
{
    int up[2], down[2];

    MUST(pipe2(up, O_CLOEXEC) == 0 && pipe2(down, O_CLOEXEC) == 0);
    fflush(NULL);
    a->pid = fork();
    MUST(a->pid != -1);
    if (a->pid == 0) {
        struct actor self = {.pid = getpid(), .in = down[0], .out = up[1]};

        keep_only(self.in, self.out);
        become_user(uid);
        f(&self, arg);
        fflush(NULL);
        _exit(EXIT_SUCCESS);
    }
    close(up[1]);
    close(down[0]);
    a->in = up[0];
    a->out = down[1];
}

/* A byte from there; false: the end of file. */
static bool
take_byte(int fd)
{
    char byte;
    ssize_t n;

    do
        n = read(fd, &byte, 1);
    while (n == -1 && errno == EINTR);
    return n == 1;
}

void
actor_step(struct actor *self)
{
    MUST(write(self->out, "", 1) == 1);
    MUST(take_byte(self->in));
}

void
actor_wait(struct actor *a)
{
    MUST(take_byte(a->in));
}

bool
actor_next(struct actor *a)
{
    return take_byte(a->in);
}

void
actor_go(struct actor *a)
{
    MUST(write(a->out, "", 1) == 1);
}

bool
actor_is_there(const struct actor *a)
{
    struct pollfd p = {.fd = a->in, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static int
actor_status(struct actor *a)
{
    int status;

    close(a->out);
    while (waitpid(a->pid, &status, 0) == -1)
        MUST(errno == EINTR);
    close(a->in);
    return status;
}

void
actor_end(struct actor *a)
{
    int status = actor_status(a);

    MUST(WIFEXITED(status));
    MUST(WEXITSTATUS(status) == EXIT_SUCCESS);
}

void
actor_kill(struct actor *a)
{
    kill(a->pid, SIGKILL);
    actor_status(a);
}

struct call_as {
    void (*f)(void *);
    void *arg;
};

static void
call_as(struct actor *self, void *arg)
{
    const struct call_as *call = arg;

    (void)self;
    call->f(call->arg);
}

void
as_user(uid_t uid, void (*f)(void *arg), void *arg)
{
    struct call_as call = {f, arg};
    struct actor a;

    actor_start(&a, uid, call_as, &call);
    actor_end(&a);
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

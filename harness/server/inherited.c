/*
 * inherited.c - a set-user-ID program inherits from its caller: descriptors,
 * the environment, the signal mask and what is ignored, timers, limits, the
 * umask, the working directory.  Each has been used in an attack.
 */
#define _GNU_SOURCE /* close_range, clearenv, sched_setaffinity, SYS_ioprio_set */
#include "server/confine.h"

#include "core/defence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

int
fill_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
        if (fd == -1)
            return -errno;
    } while (fd <= STDERR_FILENO);
    return close(fd) == -1 ? -errno : 0;
}

static void
reset_signals(void)
{
    static const struct itimerval never;
    sigset_t none;

    setitimer(ITIMER_REAL, &never, NULL);
    setitimer(ITIMER_VIRTUAL, &never, NULL);
    setitimer(ITIMER_PROF, &never, NULL);
    /* To ignore a signal is to forget those that are pending; they would come
     * when the mask goes.  Some cannot be changed; then they are not. */
    for (int s = 1; s < NSIG; s++) {
        signal(s, SIG_IGN);
        signal(s, SIG_DFL);
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Raising the hard limit needs CAP_SYS_RESOURCE: a set-user-ID root program has
 * it, but perhaps not in a container; then the soft limit goes up to it. */
static void
set_limit(int resource, rlim_t value)
{
    __rlimit_resource_t which = (__rlimit_resource_t)resource;
    struct rlimit r = {value, value};

    if (setrlimit(which, &r) == 0 || getrlimit(which, &r) == -1)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(which, &r);
}

/* First of all: with RLIMIT_NOFILE = 3 there is no descriptor for anything
 * else. */
static void
reset_limits(void)
{
    static const struct {
        int resource;
        rlim_t value;
    } limit[] = {
        {RLIMIT_CORE, 0}, /* a core file would hold our secrets */
        {RLIMIT_NOFILE, 256},
        {RLIMIT_FSIZE, RLIM_INFINITY},
        {RLIMIT_CPU, RLIM_INFINITY},
        {RLIMIT_AS, RLIM_INFINITY},
        {RLIMIT_DATA, RLIM_INFINITY},
        {RLIMIT_STACK, 8 << 20}, /* looked at when the stack grows */
        {RLIMIT_RTTIME, RLIM_INFINITY},
        {RLIMIT_NPROC, RLIM_INFINITY}, /* of the caller's uid: worker.c */
        {RLIMIT_SIGPENDING, 1024},     /* signals/rt receives them */
        {RLIMIT_MSGQUEUE, 1 << 20},
        {RLIMIT_MEMLOCK, 1 << 16},
    };

    if (!DEFENCE("limits", true, false))
        return;
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++)
        set_limit(limit[i].resource, limit[i].value);
}

/* A server that hardly ever runs, and dies first when memory is short, holds
 * what it has locked for as long as its caller likes.  As far as we may. */
static void
reset_share(void)
{
    const struct sched_param none = {.sched_priority = 0};
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    cpu_set_t all;

    sched_setscheduler(0, SCHED_OTHER, &none);
    setpriority(PRIO_PROCESS, 0, 0);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    prctl(PR_SET_TIMERSLACK, 0);
    if (fd != -1) {
        (void)!write(fd, "0", 1);
        close(fd);
    }
}

int
confine_inherited(void)
{
    int err;

    reset_limits();
    err = DEFENCE("standard", fill_standard_descriptors(), 0);
    if (err != 0)
        return err;
    if (DEFENCE("descriptors", close_range(STDERR_FILENO + 1, ~0u, 0), 0) == -1)
        return -errno;
    if (DEFENCE("environment", clearenv(), 0) != 0 ||
        DEFENCE("environment", setenv("PATH", "/usr/bin:/bin", 1), 0) == -1)
        return -errno;
    reset_signals();
    reset_share();
    /* Of its flags a set-user-ID exec clears some, not all: personality(2). */
    (void)DEFENCE("personality", personality(PER_LINUX), 0);
    umask(077);
    return chdir("/") == -1 ? -errno : 0;
}

bool
confine_was_refused_rights(void)
{
    struct stat st;

    /* Who may not read the program's directory may still be running it. */
    if (stat("/proc/self/exe", &st) == -1)
        return false;
    return (st.st_mode & S_ISUID) != 0 && st.st_uid != geteuid();
}

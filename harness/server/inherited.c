/*
 * inherited.c - a set-user-ID program inherits from its caller: descriptors, the
 * environment, the signal mask and what is ignored, timers, limits, the umask,
 * the working directory.  Each has been used in an attack.
 */
#define _GNU_SOURCE /* close_range, clearenv */
#include "server/confine.h"

#include "core/defence.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* With 2 closed, the next file we open would become "standard error", and a
 * message would be written into it. */
static int
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

    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL); /* some cannot be changed; then they are not */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    setitimer(ITIMER_VIRTUAL, &never, NULL);
    setitimer(ITIMER_PROF, &never, NULL);
}

int
confine_inherited(void)
{
    static const struct {
        int resource;
        rlim_t value;
    } limit[] = {
        {RLIMIT_CORE, 0}, /* a core file would hold our secrets */
        {RLIMIT_NOFILE, 256},
        {RLIMIT_FSIZE, RLIM_INFINITY},
        {RLIMIT_CPU, RLIM_INFINITY},
    };
    int err = DEFENCE("standard", fill_standard_descriptors(), 0);

    if (err != 0)
        return err;
    if (DEFENCE("descriptors", close_range(STDERR_FILENO + 1, ~0u, 0), 0) == -1)
        return -errno;
    if (DEFENCE("environment", clearenv(), 0) != 0 ||
        DEFENCE("environment", setenv("PATH", "/usr/bin:/bin", 1), 0) == -1)
        return -errno;
    reset_signals();
    umask(077);
    if (chdir("/") == -1)
        return -errno;
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
        struct rlimit r = {limit[i].value, limit[i].value};

        /* Raising needs CAP_SYS_RESOURCE: a set-user-ID root program has it,
         * another one lives with what it was given. */
        (void)DEFENCE("limits",
                      setrlimit((__rlimit_resource_t)limit[i].resource, &r), 0);
    }
    return 0;
}

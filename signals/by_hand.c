/* by_hand.c - what the tests of signals do without a mechanism. */
#define _GNU_SOURCE /* rt_sigqueueinfo and pidfd_open by syscall(2) */
#include "by_hand.h"

#include "test/test.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct timespec do_not_wait;
static sigset_t set;

void
block(int a, int b, int c)
{
    sigemptyset(&set);
    sigaddset(&set, a);
    sigaddset(&set, b);
    sigaddset(&set, c);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

int
take(siginfo_t *info)
{
    return sigtimedwait(&set, info, &do_not_wait);
}

union sigval
value(int i)
{
    return (union sigval){.sival_int = i};
}

int
queue_as(pid_t to, int number, int code, pid_t pid, union sigval v)
{
    siginfo_t info = {.si_signo = number, .si_code = code};

    info.si_pid = pid;
    info.si_uid = 0;
    info.si_value = v;
    return (int)syscall(SYS_rt_sigqueueinfo, to, number, &info);
}

int
pidfd_of(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    ck_assert_int_ne(fd, -1);
    return fd;
}

rlim_t
limit_queue(rlim_t n)
{
    struct rlimit limit;
    rlim_t before;

    ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = n;
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    return before;
}

rlim_t
queued_now(void)
{
    char line[128];
    unsigned long n = 0;
    FILE *f = fopen("/proc/self/status", "re");

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "SigQ: %lu/", &n) == 1)
            break;
    fclose(f);
    return n;
}

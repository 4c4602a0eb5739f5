/* parent.c - a child that does not survive its parent. */
#define _GNU_SOURCE /* syscall */
#include "parent.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void
end_with_parent(pid_t parent, int number)
{
    if (prctl(PR_SET_PDEATHSIG, number) == -1 || getppid() != parent)
        _exit(EXIT_FAILURE);
}

int
parent_pidfd(void)
{
    return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

/* A pidfd becomes readable when its process ends: pidfd_open(2). */
void
end_with_pidfd(int parent, int number)
{
    struct pollfd ended = {.fd = parent, .events = POLLIN};

    if (prctl(PR_SET_PDEATHSIG, number) == -1 || poll(&ended, 1, 0) == 1)
        _exit(EXIT_FAILURE);
    if (parent != -1)
        close(parent);
}

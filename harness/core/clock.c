/* clock.c - waiting for descriptors until a deadline. */
#define _GNU_SOURCE /* ppoll */
#include "clock.h"

#include <errno.h>
#include <poll.h>

int
poll_until(struct pollfd *fds, unsigned n, int64_t deadline)
{
    int64_t left = time_left(deadline);
    struct timespec t = ns_to_timespec(left < 0 ? 0 : left);
    int ready = ppoll(fds, n, left < 0 ? NULL : &t, NULL);

    if (ready == -1)
        return -errno;
    return ready == 0 ? -ETIMEDOUT : 0;
}

int
wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll_until(&p, 1, deadline);
}

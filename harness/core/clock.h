/*
 * clock.h - timeouts that are never early and do not move with the wall clock.
 *
 * A function that may wait more than once turns its timeout into a deadline
 * first and asks for the time left before each wait; otherwise a signal every
 * 90 ms would make a timeout of 100 ms last for ever.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <assert.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SEC  INT64_C(1000000000)
#define NS_PER_HOUR (3600 * NS_PER_SEC)
#define NS_PER_MS   INT64_C(1000000)

#define NO_DEADLINE INT64_MAX

static_assert(sizeof(time_t) == 8, "the Makefile asks for it: 2038 is near");

/* ns since boot, CLOCK_MONOTONIC; about 20 ns by the vDSO. */
static inline int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

/* The moment at which timeout_ns is up; a negative one never is. */
static inline int64_t
deadline_in(int64_t timeout_ns)
{
    return timeout_ns < 0 ? NO_DEADLINE : now_ns() + timeout_ns;
}

/* ns left until deadline, 0 if it has passed, negative for ever: a timeout. */
static inline int64_t
time_left(int64_t deadline)
{
    int64_t left;

    if (deadline == NO_DEADLINE)
        return -1;
    left = deadline - now_ns();
    return left > 0 ? left : 0;
}

/* The time until one looks again at what has not changed: twice as long each
 * time.  So while nothing happens there are as many looks as that time has
 * binary digits, and what nobody tells is found at the latest when it has
 * lasted as long as the silence before it.  Up to a day, so that the sum of it
 * and the clock remains a number. */
static inline int64_t
ever_more_rarely(int64_t ns)
{
    return ns < 12 * NS_PER_HOUR ? 2 * ns : 24 * NS_PER_HOUR;
}

static inline struct timespec
ns_to_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SEC),
                             .tv_nsec = (long)(ns % NS_PER_SEC)};
}

struct pollfd;

/*
 * poll(2) with a deadline in ns.  0: something is ready.  -ETIMEDOUT, -EINTR,
 * or another -errno.  poll(2) itself counts in ms and rounds; ppoll(2) does
 * not.
 */
int poll_until(struct pollfd *fds, unsigned n, int64_t deadline);

/* poll_until() for one descriptor. */
int wait_for(int fd, short events, int64_t deadline);

#endif

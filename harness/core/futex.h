/*
 * futex.h - falling asleep in the kernel until another process changes a word,
 * and waking who sleeps: futex(2), which the C library has no function for.
 */
#ifndef FUTEX_H
#define FUTEX_H

#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* On 32 bits, where time_t has 64 (Makefile), the number is another one: the
 * old call reads a timespec of 32. */
#ifdef SYS_futex_time64
#define SYS_FUTEX SYS_futex_time64
#else
#define SYS_FUTEX SYS_futex
#endif

/* 0 woken, or -EAGAIN (it was not `value`), -EINTR, -ETIMEDOUT. */
static inline int
futex_wait(const _Atomic uint32_t *word, uint32_t value, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    /* Not FUTEX_PRIVATE_FLAG: the other one is in another process.  BITSET, for
     * a point in time instead of a length; CLOCK_MONOTONIC's, futex(2). */
    if (syscall(SYS_FUTEX, word, FUTEX_WAIT_BITSET, value,
                deadline == NO_DEADLINE ? NULL : &t, NULL,
                FUTEX_BITSET_MATCH_ANY) == -1)
        return -errno;
    return 0;
}

/* How many were woken. */
static inline int
futex_wake(const _Atomic uint32_t *word)
{
    /* All of them: one alone might be a stranger who only wants us to believe
     * that we have woken somebody. */
    return (int)syscall(SYS_FUTEX, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

#endif

/*
 * textbook.h - what more than one textbook form does, and none of them is
 * about.  A student's form has it, too.
 *
 *      pipe, socket    a stream is bytes: all of a message goes in, whatever
 *                      comes out is gathered (frames.h)
 *      sem, signals    a file that has one message in it
 *      shm, sem        a semaphore is waited for until a deadline (clock.h)
 *      msgq, mmap      what nobody can wait for until a deadline is looked at
 *                      again and again
 *
 * All return 0 or -errno.
 */
#ifndef TEXTBOOK_H
#define TEXTBOOK_H

#include "clock.h"
#include "frames.h"

#include <errno.h>
#include <semaphore.h>
#include <unistd.h>

/* shm_open(3) and sem_open(3) make files in /dev/shm.  NULL, or why not. */
static inline const char *
no_dev_shm(void)
{
    return access("/dev/shm", W_OK | X_OK) == 0
               ? NULL
               : "no /dev/shm (mount -t tmpfs -o mode=1777 shm /dev/shm)";
}

/* A write(2) waits until all is in, but for a signal that comes when some of it
 * is: then it says how much.  SIGPIPE is ignored (ipc.h), and so it is EPIPE
 * where nobody has the other end; or ECONNRESET, with bytes unread there. */
static inline int
write_all(int fd, const struct ipc_message *msg)
{
    const uint8_t *from = msg->buf;
    size_t done = 0;

    while (done < msg->len) {
        ssize_t n = write(fd, from + done, msg->len - done);

        if (n == -1 && errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

/* One read(2), which may bring half a message or three of them.  -EPIPE: the
 * end of file, nobody has the other end open any more. */
static inline int
read_some(int fd, struct frames *in)
{
    size_t room;
    void *to = frames_space(in, &room);
    ssize_t n;

    if (to == NULL)
        return -ENOMEM;
    n = read(fd, to, room);
    if (n == -1 && errno != ECONNRESET)
        return -errno;
    if (n <= 0)
        return -EPIPE;
    frames_add(in, (size_t)n);
    return 0;
}

/* Makes this all there is in the file.  There is no lock: who may write now is
 * what the two sides have other means to agree on. */
static inline int
put_message(int fd, const void *from, size_t len)
{
    if (pwrite(fd, from, len, 0) == (ssize_t)len &&
        ftruncate(fd, (off_t)len) == 0)
        return 0;
    return -ENOSPC;
}

static inline int
get_message(int fd, struct ipc_message *msg)
{
    ssize_t n = pread(fd, msg->buf, msg->cap, 0);

    msg->len = n == -1 ? 0 : (size_t)n;
    return n == -1 ? -errno : 0;
}

/* Takes 1 as soon as it is there.  -ETIMEDOUT, -EINTR.  sem_timedwait(3), which
 * is in the books, goes by the wall clock, and that may be set meanwhile. */
static inline int
sem_until(sem_t *sem, int64_t deadline)
{
    struct timespec at = ns_to_timespec(deadline);
    int done = deadline == NO_DEADLINE
                   ? sem_wait(sem)
                   : sem_clockwait(sem, CLOCK_MONOTONIC, &at);

    return done == -1 ? -errno : 0;
}

/* Sleeps 1 ms, or until the deadline.  -ETIMEDOUT: that has passed; -EINTR */
static inline int
nap(int64_t deadline)
{
    int64_t left = time_left(deadline);
    int64_t ns = left >= 0 && left < NS_PER_MS ? left : NS_PER_MS;
    struct timespec t = ns_to_timespec(ns);

    if (left == 0)
        return -ETIMEDOUT;
    return nanosleep(&t, NULL) == -1 ? -errno : 0;
}

#endif

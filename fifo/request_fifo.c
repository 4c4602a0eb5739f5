/* request_fifo.c - the FIFO with the well-known name. */
#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW */
#include "request_fifo.h"

#include "core/activation.h"
#include "core/clock.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int
request_fifo_remove(const char *name)
{
    if (activation_owns(name))
        return 0;
    if (unlink(name) == -1)
        return errno == ENOENT ? 0 : -errno;
    return 1;
}

int
request_fifo_make(const char *name)
{
    int fd = activation_take(ACTIVATION_FIFO, name), err;

    if (fd != -ENOENT)
        return fd;
    err = request_fifo_remove(name);
    if (err < 0)
        return err;
    if (mkfifo(name, 0600) == -1)
        return -errno;
    /* O_RDWR: with a write end of our own we never see the end of file that
     * the last client's leaving would otherwise be, again and again.  Linux
     * allows it, POSIX leaves it undefined: fifo(7). */
    fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    /* By fchmod(2), which no umask changes. */
    if (fd == -1 || fchmod(fd, geteuid() == 0 ? 0622 : 0600) == -1) {
        err = -errno;
        if (fd != -1)
            close(fd);
        unlink(name);
        return err;
    }
    return fd;
}

int
request_fifo_read(struct request_fifo *f, int64_t timeout_ns)
{
    int err = 0, left = 0;
    size_t room;
    ssize_t n;

    memmove(f->in, f->in + f->start, f->end - f->start);
    f->end -= f->start;
    f->start = 0;
    room = sizeof f->in - f->end;
    /* With no time limit read(2) itself waits: a system call less.  With one
     * ppoll(2) waits, and after it read(2) does not: nobody else reads here. */
    if (timeout_ns >= 0)
        err = wait_for(f->fd, POLLIN, deadline_in(timeout_ns));
    if (err != 0)
        return err;
    n = read(f->fd, f->in + f->end, room);
    if (n == -1)
        return -errno;
    /* More than it holds by itself?  Somebody has made it larger: fcntl(2). */
    if ((size_t)n == room && ioctl(f->fd, FIONREAD, &left) == -1)
        return -errno;
    f->end += (size_t)n;
    f->drained = left == 0;
    return 0;
}

int
request_fifo_open(const char *where)
{
    struct stat st;
    int err;
    /* O_NONBLOCK: no reader, no server: ENXIO, instead of waiting for one. */
    int fd = open(where, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return errno == ENXIO ? -ECONNREFUSED : -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISFIFO(st.st_mode))
        err = -EPERM;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

int
request_fifo_write(int fd, const void *record, size_t len, int64_t deadline)
{
    while (write(fd, record, len) == -1) {
        int err = -errno;

        /* Writable means room for PIPE_BUF bytes: pipe(7).  Another client may
         * be faster, then we wait again. */
        if (err == -EAGAIN)
            err = wait_for(fd, POLLOUT, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    return 0;
}

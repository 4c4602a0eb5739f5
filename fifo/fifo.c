/* fifo.c - the FIFO with a well-known name, which many write to and one
 * reads. */
#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW */
#include "fifo.h"

#include "core/activation.h"
#include "core/clock.h"
#include "core/rendezvous.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- server --------------------------------------------------------------- */

int
request_fifo_sweep(const char *name)
{
    return activation_owns(name) ? 0 : endpoint_sweep(name);
}

/* Nothing stands at this path any more.  Root invites all users to write, since
 * only root can open what they make. */
static int
make(const char *path)
{
    int fd, err;

    if (mkfifo(path, 0600) == -1)
        return -errno;
    /* O_RDWR: with a write end of our own we never see the end of file that
     * the last client's leaving would otherwise be, again and again; nor does
     * open(2) wait for one.  Linux allows it, POSIX leaves it undefined:
     * fifo(7). */
    fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    /* By fchmod(2), which no umask changes. */
    if (fd != -1 && fchmod(fd, geteuid() == 0 ? 0622 : 0600) == 0)
        return fd;
    err = -errno;
    if (fd != -1)
        close(fd);
    unlink(path);
    return err;
}

int
request_fifo_make(struct request_fifo *f, const char *name)
{
    int err;

    f->fd = activation_take(ACTIVATION_FIFO, name);
    if (f->fd == -ENOENT) {
        err = request_fifo_sweep(name);
        f->fd = err < 0 ? err : make(name);
    }
    if (f->fd < 0)
        return f->fd;
    err = object_id_of(f->fd, &f->id);
    if (err != 0)
        close(f->fd);
    return err;
}

void
request_fifo_remove(struct request_fifo *f, const char *name)
{
    if (!activation_owns(name))
        endpoint_unlink(name, "", &f->id);
    close(f->fd);
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

/* -- client --------------------------------------------------------------- */

int
fifo_open(const char *path, const char *where)
{
    struct stat st;
    int err;
    /* O_NONBLOCK: no reader, no server: ENXIO, instead of waiting for one. */
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

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
fifo_write(int fd, const void *bytes, size_t len, int64_t deadline)
{
    while (write(fd, bytes, len) == -1) {
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

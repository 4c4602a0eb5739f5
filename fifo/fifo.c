/* fifo.c - a FIFO with a name, which many may write to and one reads. */
#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW */
#include "fifo.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

int
fifo_make(const char *path)
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

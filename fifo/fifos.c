/* fifos.c - the FIFO with the well-known name, and a client's own. */
#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW, getrandom */
#include "fifos.h"

#include "core/activation.h"
#include "core/clock.h"
#include "fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- requests: server ------------------------------------------------------ */

int
request_fifo_sweep(const char *name)
{
    return activation_owns(name) ? 0 : endpoint_sweep(name);
}

static int
make(const char *name)
{
    int err = request_fifo_sweep(name);

    return err < 0 ? err : fifo_make(name);
}

int
request_fifo_make(struct request_fifo *f, const char *name)
{
    int err;

    f->fd = activation_take(ACTIVATION_FIFO, name);
    if (f->fd == -ENOENT)
        f->fd = make(name);
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

/* -- replies: client ------------------------------------------------------- */

void
reply_fifo_name(const struct reply_fifo *id, char name[REPLY_NAME_SIZE])
{
    snprintf(name, REPLY_NAME_SIZE, "%u.%u", id->pid, id->serial);
}

int
reply_fifo_make(const char *where, struct reply_fifo *id, char path[PATH_MAX])
{
    char dir[ENDPOINT_SIZE], name[REPLY_NAME_SIZE];
    int fd, err = endpoint_file(where, ".d", dir);

    if (err != 0)
        return err;
    id->pid = (uint32_t)getpid();
    if (getrandom(&id->serial, sizeof id->serial, 0) != sizeof id->serial)
        return -errno;
    reply_fifo_name(id, name);
    snprintf(path, PATH_MAX, "%s/%s", dir, name);
    if (mkfifo(path, 0600) == -1)
        return -errno;
    /* Now, because the server's open(2) for writing needs a reader. */
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    /* A umask of 0777 has made it 0000. */
    if (fd == -1 || fchmod(fd, 0600) == -1) {
        err = -errno;
        unlink(path);
        if (fd != -1)
            close(fd);
        return err;
    }
    return fd;
}

int
reply_fifo_nonce(int fd, uint8_t nonce[NONCE_SIZE], int64_t deadline)
{
    ssize_t n;
    int err;

    do
        err = wait_for(fd, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    n = read(fd, nonce, NONCE_SIZE);
    if (n == -1)
        return -errno;
    if (n == 0) /* it came, and closed it: it has all the clients it can take */
        return -EAGAIN;
    /* O_NONBLOCK was for the open(2) only.  It belongs to this open file
     * description; the server's end is another one and stays as it is. */
    if (n != NONCE_SIZE || fcntl(fd, F_SETFL, 0) == -1)
        return -EPIPE;
    return 0;
}

/* With no time limit read(2) itself waits: a system call less.  With one
 * ppoll(2) waits, and after it read(2) does not: nobody else reads here. */
int
reply_fifo_read(int fd, struct frames *in, struct ipc_message *msg,
                int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    int got = frames_take(in, msg); /* may have come with the one before */

    while (got == 0) {
        int err = timeout_ns < 0 ? 0 : wait_for(fd, POLLIN, deadline);
        size_t room;
        void *to;
        ssize_t n;

        if (err != 0)
            return err;
        to = frames_place(in, msg, &room);
        if (to == NULL)
            return -ENOMEM;
        n = read(fd, to, room);
        if (n == -1)
            return -errno;
        if (n == 0) /* the server closed it, or died */
            return -EPIPE;
        got = frames_cut(in, msg, (size_t)n);
    }
    return got < 0 ? -EPIPE : 0;
}

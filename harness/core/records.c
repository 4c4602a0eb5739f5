/* records.c - messages through sockets that keep them apart. */
#define _GNU_SOURCE /* struct ucred */
#include "records.h"

#include "ancillary.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

int
record_send(int socket, struct iovec *data, size_t pieces, int fd,
            int64_t deadline)
{
    for (;;) {
        ssize_t n = ancillary_send(socket, data, pieces, fd);
        int err = n < 0 ? (int)n : 0;

        if (n >= 0)
            return 0; /* whole, or not at all */
        if (err == -EAGAIN)
            err = wait_for(socket, POLLOUT, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
}

int
record_receive(int socket, struct ipc_message *msg, int64_t deadline)
{
    struct iovec data = {.iov_base = msg->buf, .iov_len = msg->cap};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    /* Without a deadline recvmsg(2) can do the waiting itself: one system call
     * instead of two. */
    const bool waits = deadline == NO_DEADLINE;
    struct ancillary a;
    ssize_t n;

    msg->fd = -1;
    do {
        int err = waits ? 0 : wait_for(socket, POLLIN, deadline);

        if (err != 0)
            return err;
        n = waits ? ancillary_await(socket, &m, &a)
                  : ancillary_receive(socket, &m, &a);
    } while (n == -EAGAIN);
    if (n < 0)
        return (int)n;
    if (n == 0 || a.refused) /* the end; our servers send no empty records */
        return -EPIPE;
    msg->len = (size_t)n;
    msg->fd = a.fd;
    return 0;
}

/* The kernel takes a record whole or not at all, up to the sender's buffer less
 * 32 bytes: unix_dgram_sendmsg().  Anybody may ask for a buffer as large as
 * net.core.wmem_max, and gets twice that: socket(7), SO_SNDBUF. */
int
record_widen(int socket)
{
    const int size = IPC_MAX_MSG;

    return setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == -1
               ? -errno
               : 0;
}

int
record_max(size_t *size)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), buffer, err;
    socklen_t len = sizeof buffer;

    if (fd == -1)
        return -errno;
    err = record_widen(fd);
    if (err == 0 && getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &len) == -1)
        err = -errno;
    close(fd);
    if (err != 0)
        return err;
    *size = (size_t)buffer - 32;
    if (*size > IPC_MAX_MSG)
        *size = IPC_MAX_MSG;
    return 0;
}

/* parcel.c - a record and a descriptor over a SOCK_SEQPACKET (worker.h). */
#define _GNU_SOURCE /* MSG_CMSG_CLOEXEC */
#include "server/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr h;
    char room[CMSG_SPACE(sizeof(int))];
};

int
send_with_fd(int to, const void *data, size_t len, int fd, int flags)
{
    union control control = {.room = {0}};
    struct iovec part = {.iov_len = len};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    memcpy(&part.iov_base, &data, sizeof data); /* sendmsg(2) only reads it */
    if (fd != -1) {
        control.h.cmsg_level = SOL_SOCKET;
        control.h.cmsg_type = SCM_RIGHTS;
        control.h.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.h), &fd, sizeof fd);
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    do
        n = sendmsg(to, &msg, flags | MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n == -1 ? -errno : 0;
}

int
receive_with_fd(int from, void *data, size_t len, int *fd, int flags)
{
    union control control = {.room = {0}};
    struct iovec part = {.iov_base = data, .iov_len = len};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n;

    *fd = -1;
    do
        n = recvmsg(from, &msg, flags | MSG_CMSG_CLOEXEC);
    while (n == -1 && errno == EINTR);
    if (n <= 0)
        return n == -1 ? -errno : -EPIPE;
    if (msg.msg_controllen >= CMSG_LEN(sizeof *fd) &&
        control.h.cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(&control.h), sizeof *fd);
    if ((size_t)n != len || (msg.msg_flags & MSG_TRUNC) != 0)
        return -EBADMSG;
    return (msg.msg_flags & MSG_CTRUNC) != 0 ? -EMFILE : 0;
}

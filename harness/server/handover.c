/* handover.c - descriptors from the supervisor to the confined server. */
#define _GNU_SOURCE /* O_CLOEXEC, MSG_CMSG_CLOEXEC */
#include "server/handover.h"

#include "server/lines.h"
#include "server/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO in its place must not make us wait. */
static const int flags[HANDOVER_FILES] = {
    [HANDOVER_POLICY] = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
    [HANDOVER_AUDIT] = LINES_FLAGS,
};

struct parcel {
    enum handover file;
    int error; /* of open(2); 0: a descriptor comes with it */
};

union control {
    struct cmsghdr h;
    char room[CMSG_SPACE(sizeof(int))];
};

/* Receiving end, sending end. */
static int ends[2] = {-1, -1};

static struct {
    int fd, error;
} arrived[HANDOVER_FILES] = {{.fd = -1}, {.fd = -1}};

int
handover_begin(void)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1
               ? -errno
               : 0;
}

void
handover_be_supervisor(void)
{
    close(ends[0]);
}

void
handover_be_server(void)
{
    close(ends[1]);
}

/* -- supervisor ---------------------------------------------------------------- */

/* A server that has not taken the last ones in yet will not miss these. */
static void
send_file(enum handover file, const char *path)
{
    union control control = {.room = {0}};
    int fd = open(path, flags[file], 0600);
    struct parcel parcel = {.file = file, .error = fd == -1 ? errno : 0};
    struct iovec data = {.iov_base = &parcel, .iov_len = sizeof parcel};
    struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};

    if (fd != -1) {
        control.h.cmsg_level = SOL_SOCKET;
        control.h.cmsg_type = SCM_RIGHTS;
        control.h.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.h), &fd, sizeof fd);
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    sendmsg(ends[1], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (fd != -1)
        close(fd);
}

void
handover_send(void)
{
    if (settings.policy != NULL)
        send_file(HANDOVER_POLICY, settings.policy);
    if (settings.audit != NULL)
        send_file(HANDOVER_AUDIT, settings.audit);
}

/* -- server -------------------------------------------------------------------- */

/* Nobody but the supervisor has the other end, so what comes is what it should
 * be; but our table of descriptors may be full. */
static int
receive(void)
{
    union control control = {.room = {0}};
    struct parcel parcel = {.error = 0};
    struct iovec data = {.iov_base = &parcel, .iov_len = sizeof parcel};
    struct msghdr msg = {.msg_iov = &data,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    int fd = -1;

    if (recvmsg(ends[0], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
        sizeof parcel)
        return -EAGAIN;
    if (msg.msg_controllen >= CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(&control.h), sizeof fd);
    else if (parcel.error == 0)
        parcel.error = EMFILE;
    if (arrived[parcel.file].fd != -1)
        close(arrived[parcel.file].fd);
    arrived[parcel.file].fd = fd;
    arrived[parcel.file].error = parcel.error;
    return 0;
}

int
handover_open(enum handover file, const char *path)
{
    int fd, error;

    while (ends[0] != -1 && receive() == 0)
        ; /* signals melt into one; the last is the newest */
    fd = arrived[file].fd;
    error = arrived[file].error;
    arrived[file].fd = -1;
    arrived[file].error = 0;
    if (fd == -1 && error == 0)
        return open(path, flags[file], 0600);
    errno = error;
    return fd;
}

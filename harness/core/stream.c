/* stream.c - messages through one stream socket. */
#define _GNU_SOURCE /* struct ucred */
#include "core/stream.h"

#include "core/ancillary.h"
#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* How: by the server, where nothing may be beside the bytes; or by the client,
 * which waits for them, or does not. */
enum reading { WANTS_NO_DESCRIPTOR, POLLS, WAITS };

/* One recvmsg(2): at most so many bytes behind those in the frames, and into
 * *passed (-1: none yet) the descriptor that has come with them.  0, or
 * -EAGAIN, -EINTR, -ENOMEM; -EPIPE: the end, or what our peers never do. */
static int
read_some(int fd, struct frames *in, size_t at_most, int *passed,
          enum reading how)
{
    size_t room;
    void *to = frames_space(in, &room);
    struct iovec data = {.iov_base = to,
                         .iov_len = room < at_most ? room : at_most};
    struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary beside;
    ssize_t n;

    if (to == NULL)
        return -ENOMEM;
    if (how == WANTS_NO_DESCRIPTOR && ancillary_look(fd, &msg, NULL))
        return -EPIPE;
    n = how == WAITS ? ancillary_await(fd, &msg, &beside)
                     : ancillary_receive(fd, &msg, &beside);
    if (n < 0)
        return (int)n;
    if (beside.refused)
        return -EPIPE;
    if (beside.fd != -1 && *passed != -1) { /* one at a time */
        ancillary_discard(beside.fd);
        return -EPIPE;
    }
    if (beside.fd != -1)
        *passed = beside.fd;
    if (n == 0) /* the other side has closed */
        return -EPIPE;
    frames_add(in, (size_t)n);
    return 0;
}

int
stream_read(int fd, struct frames *in)
{
    int passed = -1, err;

    err = read_some(fd, in, SIZE_MAX, &passed, WANTS_NO_DESCRIPTOR);
    if (passed == -1)
        return err;
    ancillary_discard(passed);
    return -EPIPE;
}

/* -- an end that waits ---------------------------------------------------- */

void
stream_end_init(struct stream_end *e, int fd)
{
    *e = (struct stream_end){.fd = fd, .passed = -1};
    frames_init(&e->in);
}

/* How much the kernel takes at once is its own affair: a stream has no
 * boundaries, so the rest goes with the next call.  The descriptor goes with
 * the first byte, once.  Who gives up in the middle has said half a frame, and
 * what follows would be read as the other half: the connection is of no more
 * use. */
int
stream_send(void *end, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct stream_end *e = end;
    int64_t deadline = deadline_in(timeout_ns);
    struct iovec rest = {.iov_base = msg->buf, .iov_len = msg->len};

    if (e->broken)
        return -EPIPE;
    while (rest.iov_len > 0) {
        /* Nothing has gone out yet: not half a message, none. */
        bool first = rest.iov_base == msg->buf;
        ssize_t n = ancillary_send(e->fd, &rest, 1, first ? msg->fd : -1);

        if (n > 0) {
            rest.iov_base = (uint8_t *)rest.iov_base + n;
            rest.iov_len -= (size_t)n;
        }
        if (n == -EAGAIN)
            n = wait_for(e->fd, POLLOUT, deadline);
        if (n < 0 && n != -EINTR) {
            e->broken = !first;
            return (int)n;
        }
    }
    return 0;
}

/* A descriptor goes to the first message that says it has one, and until that
 * is taken no more than the message under way is read. */
int
stream_recv(void *end, struct ipc_message *msg, int64_t timeout_ns)
{
    struct stream_end *e = end;
    int64_t deadline = deadline_in(timeout_ns);
    const bool waits = e->waits && deadline == NO_DEADLINE;
    struct wire_header h;
    int got, err;

    msg->fd = -1;
    while ((got = frames_take(&e->in, msg)) == 0) {
        err = waits ? 0 : wait_for(e->fd, POLLIN, deadline);
        if (err == 0)
            err = read_some(e->fd, &e->in,
                            e->passed == -1 ? SIZE_MAX : frames_missing(&e->in),
                            &e->passed, waits ? WAITS : POLLS);
        if (err != 0 && err != -EAGAIN)
            return err;
    }
    if (got < 0)
        return got;
    if (e->passed != -1 && wire_decode_header(msg->buf, &h) == 0 &&
        h.nfds == 1) {
        msg->fd = e->passed;
        e->passed = -1;
    }
    return 0;
}

void
stream_close(void *end)
{
    struct stream_end *e = end;
    close(e->fd);
    if (e->passed != -1)
        ancillary_discard(e->passed);
    frames_free(&e->in);
}

/* -- limits --------------------------------------------------------------- */

int
stream_limits(struct ipc_limits *l)
{
    /* A message larger than the socket's buffer goes through in pieces. */
    *l = (struct ipc_limits){.max_msg = IPC_MAX_MSG,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

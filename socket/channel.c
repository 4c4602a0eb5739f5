/* channel.c - a reply channel. */
#define _GNU_SOURCE /* struct ucred */
#include "channel.h"

#include "ancillary.h"
#include "core/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int
channel_open(int socket, uint8_t *welcome, size_t size)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct iovec join = {.iov_base = welcome, .iov_len = size};
    struct ipc_message first = {.buf = welcome, .cap = size};
    int pair[2], err;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return -errno;
    memset(welcome, 0, size);
    err = record_send(socket, &join, 1, pair[1], deadline);
    /* The server's end must be open in the server only: as long as we hold it,
     * we never see the end of file that says "gone". */
    close(pair[1]);
    while (err == 0) {
        err = record_receive(pair[0], &first, deadline);
        if (err == 0 && first.len == size)
            return pair[0];
        if (err == 0)
            err = -EPERM; /* that is not our server */
        else if (err == -EPIPE)
            err = -EAGAIN; /* closed without a word: it is full */
        else if (err == -EINTR)
            err = 0;
    }
    close(pair[0]);
    return err;
}

/*
 * Whatever the server writes into it is stamped with the *server's* name.  So
 * it must not be, say, a connection to another server that would take our
 * answer for a request of root's.  SO_PEERCRED names who made a pair, or who
 * listens at the other end; for anything else it says -1 or fails.  And only
 * where there is a connection will we be told that the client is gone.
 */
int
channel_check(int fd, uid_t client)
{
    struct ucred maker = {.uid = (uid_t)-1};
    socklen_t maker_len = sizeof maker, type_len = sizeof(int);
    int type;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &maker_len) == 0 &&
        maker.uid == client &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
        type == SOCK_SEQPACKET && record_widen(fd) == 0)
        return 0;
    return -EPERM;
}

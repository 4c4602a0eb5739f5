/* handshake.c - a server takes a client, or turns it away. */
#define _GNU_SOURCE /* accept4 */
#include "handshake.h"

#include "ancillary.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
handshake_accept(int listener, int *spare)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd != -1 || (errno != EMFILE && errno != ENFILE))
        return fd;
    /* Our table of descriptors is full, and whoever waits keeps the listener
     * readable: we would spin.  So there is one to spare; not of a file, for a
     * confined server sees neither /dev nor most others. */
    if (*spare != -1)
        close(*spare);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd != -1)
        close(fd);
    *spare = eventfd(0, EFD_CLOEXEC);
    return -1;
}

int
handshake_say(int socket)
{
    const char byte = HANDSHAKE_TAKEN;

    return send(socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0
                                                                    : -EPIPE;
}

int
handshake_wait(int socket, int64_t deadline)
{
    char byte;
    ssize_t n;
    int err;

    do
        err = wait_for(socket, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    n = recv(socket, &byte, 1, MSG_DONTWAIT);
    if (n == 0 || (n == -1 && socket_error(errno) == -EPIPE))
        return -EAGAIN;
    if (n == -1)
        return -errno;
    return byte == HANDSHAKE_TAKEN ? 0 : -EPERM;
}

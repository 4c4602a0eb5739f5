/*
 * posix_wait.c - waiting at a POSIX queue, for a server that may die meanwhile.
 *
 * A queue does not say that nobody is left at its other end.  NAME.life does
 * (core/rundir.h), and both have a descriptor: so poll(2) them together.
 */
#define _GNU_SOURCE /* ppoll */
#include "posix.h"

#include "core/clock.h"

#include <errno.h>
#include <poll.h>

int
posix_transmit(struct client_end *c, size_t len, int64_t deadline)
{
    struct pollfd p[] = {{.fd = c->requests, .events = POLLOUT},
                         {.fd = c->life}};

    while (mq_send(c->requests, (char *)c->buf, len, 0) == -1) {
        int err = errno == EAGAIN ? poll_until(p, 2, deadline) : -errno;

        if (err != 0 && err != -EINTR)
            return err;
        if (err == 0 && p[1].revents != 0)
            return -EPIPE;
    }
    return 0;
}

/* What is there already: a time limit that has passed waits for nothing.  (So
 * would O_NONBLOCK, but for every call: it belongs to the open queue.) */
static ssize_t
receive_now(struct client_end *c, void *buf, size_t size)
{
    static const struct timespec past;
    ssize_t n = mq_timedreceive(c->replies, buf, size, NULL, &past);

    return n == -1 ? -errno : n;
}

static ssize_t
receive_until(struct client_end *c, void *buf, size_t size, int64_t deadline)
{
    struct pollfd p[] = {{.fd = c->replies, .events = POLLIN},
                         {.fd = c->life}}; /* POLLHUP comes unasked */
    ssize_t n;

    do {
        int err = poll_until(p, 2, deadline);

        if (err != 0)
            return err;
        n = receive_now(c, buf, size);
    } while (n == -ETIMEDOUT && p[1].revents == 0);
    return n == -ETIMEDOUT ? -EPIPE : n;
}

ssize_t
posix_receive(struct client_end *c, void *buf, size_t size, int64_t deadline)
{
    ssize_t n;

    if (c->cut_off)
        return -EPIPE;
    n = receive_until(c, buf, size, deadline);
    c->cut_off = n == 0; /* an empty message: the server's last word */
    return n == 0 ? -EPIPE : n;
}

/* posix_wait.c - waiting at a POSIX queue. */
#define _GNU_SOURCE /* ppoll */
#include "posix_wait.h"

#include "core/clock.h"

#include <errno.h>
#include <poll.h>

/* A time limit that has passed waits for nothing.  (So would O_NONBLOCK, but
 * for every call: it belongs to the open queue.) */
static const struct timespec past;

/*
 * A queue that is full for long is full because of others who are as fast.  Who
 * asks again and again, as poll(2) would have it, finds that one of them has
 * been faster.  But who waits in mq_send(3) has the next room, in the order of
 * coming: so wait there, with an alarm to look up.
 */
int
posix_send(struct posix_channel *c, const void *buf, size_t len,
           int64_t deadline)
{
    int sent = mq_timedsend(c->requests, buf, len, 0, &past), err;

    while (sent == -1) {
        int64_t look = deadline_in(LIFE_LOOK);

        if (errno != ETIMEDOUT && errno != EINTR)
            return -errno;
        if (registration_alive(&c->server) != 0)
            return -EPIPE;
        err = alarm_arm(&c->alarm, look < deadline ? look : deadline);
        if (err != 0)
            return err;
        sent = mq_send(c->requests, buf, len, 0);
        alarm_rest(&c->alarm);
    }
    return 0;
}

void
posix_ring(struct posix_channel *c)
{
    mq_timedsend(c->requests, "", 0, 0, &past);
}

/* What is there already. */
static ssize_t
receive_now(struct posix_channel *c, void *buf, size_t size)
{
    ssize_t n = mq_timedreceive(c->replies, buf, size, NULL, &past);

    return n == -1 ? -errno : n;
}

static ssize_t
receive_until(struct posix_channel *c, void *buf, size_t size, int64_t deadline)
{
    struct pollfd p[] = {{.fd = c->replies, .events = POLLIN},
                         {.fd = c->server.life}}; /* POLLHUP comes unasked */
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
posix_receive(struct posix_channel *c, void *buf, size_t size, int64_t deadline)
{
    ssize_t n;

    if (c->cut_off)
        return -EPIPE;
    n = receive_until(c, buf, size, deadline);
    c->cut_off = n == 0; /* an empty message: the server's last word */
    return n == 0 ? -EPIPE : n;
}

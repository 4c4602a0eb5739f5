/* unsent.c - what a client has not taken yet. */
#define _GNU_SOURCE /* F_DUPFD_CLOEXEC, SO_MEMINFO */
#include "unsent.h"

#include "core/ancillary.h"
#include "core/clock.h"
#include "core/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
unsent_init(struct unsent *u, uid_t uid)
{
    *u = (struct unsent){.uid = uid};
    u->last = &u->first;
}

/* -- replies -------------------------------------------------------------- */

int
unsent_keep(struct unsent *u, const struct ipc_message *msg, size_t from)
{
    size_t len = msg->len - from;
    struct unsent_reply *r;
    int err = quota_take(u->uid, QUOTA_MEMORY, len, now_ns());

    if (err != 0)
        return -EDQUOT;
    r = malloc(sizeof *r + len);
    if (r == NULL) {
        quota_give(u->uid, QUOTA_MEMORY, len);
        return -ENOMEM;
    }
    *r = (struct unsent_reply){.fd = -1, .end = len};
    memcpy(r->bytes, (const uint8_t *)msg->buf + from, len);
    if (msg->fd != -1 && from == 0) {
        r->fd = fcntl(msg->fd, F_DUPFD_CLOEXEC, 0);
        err = r->fd == -1 ? -errno : 0;
    }
    if (err != 0) {
        quota_give(u->uid, QUOTA_MEMORY, len);
        free(r);
        return err;
    }
    *u->last = r;
    u->last = &r->next;
    return 0;
}

static void
drop_first(struct unsent *u)
{
    struct unsent_reply *r = u->first;

    quota_give(u->uid, QUOTA_MEMORY, r->end);
    if (r->fd != -1)
        close(r->fd);
    u->first = r->next;
    if (u->first == NULL)
        u->last = &u->first;
    free(r);
}

int
unsent_send(struct unsent *u, int socket)
{
    while (u->first != NULL) {
        struct unsent_reply *r = u->first;
        struct iovec rest = {.iov_base = r->bytes + r->start,
                             .iov_len = r->end - r->start};
        ssize_t n = ancillary_send(socket, &rest, 1, r->fd);

        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (r->fd != -1)
            close(r->fd);
        r->fd = -1;
        r->start += (size_t)n;
        if (r->start == r->end)
            drop_first(u);
    }
    return 0;
}

static void
land(struct unsent *u)
{
    if (u->in_flight > 0)
        quota_give(u->uid, QUOTA_DESCRIPTORS, u->in_flight);
    u->in_flight = 0;
}

void
unsent_free(struct unsent *u)
{
    while (u->first != NULL)
        drop_first(u);
    land(u);
}

/* -- descriptors ---------------------------------------------------------- */

void
unsent_settle(struct unsent *u, int socket)
{
    uint32_t memory[SK_MEMINFO_VARS];
    socklen_t len = sizeof memory;

    if (u->in_flight > 0 && u->first == NULL &&
        getsockopt(socket, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0 &&
        len > SK_MEMINFO_WMEM_ALLOC * sizeof *memory &&
        memory[SK_MEMINFO_WMEM_ALLOC] == 0)
        land(u);
}

int
unsent_take_descriptor(struct unsent *u)
{
    if (quota_take(u->uid, QUOTA_DESCRIPTORS, 1, now_ns()) != 0)
        return -EAGAIN;
    u->in_flight++;
    return 0;
}

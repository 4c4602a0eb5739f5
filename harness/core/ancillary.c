/* ancillary.c - what travels through a socket beside the bytes. */
#define _GNU_SOURCE /* struct ucred, MSG_CMSG_CLOEXEC */
#include "core/ancillary.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/quota.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
socket_error(int error)
{
    switch (error) {
    case EPIPE:        /* we send, nobody reads */
    case ECONNRESET:   /* it left without reading what we had sent */
    case ECONNREFUSED: /* datagrams: nobody is bound there any more */
    case ENOTCONN:     /* the same, when we were told once already */
    case ETIMEDOUT:    /* TCP: no sign of life for minutes */
    case EHOSTUNREACH:
    case ENETUNREACH:
        return -EPIPE;
    default:
        return -error;
    }
}

#define SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)

static ssize_t
send_beside(int socket, struct iovec *data, size_t pieces, int fd)
{
    union { /* aligned as the header it begins with */
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct msghdr msg = {.msg_iov = data, .msg_iovlen = pieces};

    if (fd != -1) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    }
    return sendmsg(socket, &msg, SEND_FLAGS);
}

/* Mostly nothing travels beside the bytes.  Then send(2) will do, which has no
 * two structures to fetch from us and to check. */
ssize_t
ancillary_send(int socket, struct iovec *data, size_t pieces, int fd)
{
    ssize_t n = fd == -1 && pieces == 1
                    ? send(socket, data->iov_base, data->iov_len, SEND_FLAGS)
                    : send_beside(socket, data, pieces, fd);

    return n == -1 ? socket_error(errno) : n;
}

/* As in asm-generic/socket.h since Linux 6.16; the C library's headers may be
 * older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static atomic_bool descriptors_come;

/* Without "passrights" a new kernel is used as if it were an old one. */
int
ancillary_refuse_descriptors(int socket)
{
    const int off = 0;
    int err = -ENOPROTOOPT;

    if (DEFENCE("passrights", true, false))
        err = setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) ==
                      -1
                  ? -errno
                  : 0;
    if (err != 0)
        atomic_store(&descriptors_come, true);
    return err;
}

bool
ancillary_descriptors_come(void)
{
    return atomic_load_explicit(&descriptors_come, memory_order_relaxed);
}

void
ancillary_discard(int fd)
{
    const struct linger none = {.l_onoff = 0};

    /* If it is a TCP socket, its sender may have asked that close(2) wait for
     * seconds until all is sent: SO_LINGER, socket(7).  Not in our time. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

static void
take_descriptors(struct cmsghdr *h, struct ancillary *a)
{
    size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    unsigned char *at = CMSG_DATA(h);
    int fd;

    for (size_t i = 0; i < count; i++) {
        memcpy(&fd, at + i * sizeof fd, sizeof fd); /* not aligned */
        if (count == 1)
            a->fd = fd;
        else
            ancillary_discard(fd);
    }
    a->refused = count != 1;
}

/* How many descriptors can come at once: unix(7), SCM_MAX_FD.  The sender
 * decides how many, so there is room for all: what finds none the kernel
 * closes for us, and in our time (ancillary_discard()). */
#define MAX_DESCRIPTORS 253

static void
take_ids(const struct cmsghdr *h, struct ancillary *a)
{
    memcpy(&a->who, CMSG_DATA(h), sizeof a->who);
    a->stamped = true;
}

/* There is room for the sender's ids, if they come, and for nothing else:
 * MSG_CTRUNC says that there was something else. */
bool
ancillary_look(int socket, struct msghdr *msg, struct ancillary *a)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr m = *msg;
    ssize_t n;

    if (DEFENCE("drain", !ancillary_descriptors_come(), true))
        return false;
    m.msg_control = a != NULL ? &control : NULL;
    m.msg_controllen = a != NULL ? sizeof control : 0;
    n = recvmsg(socket, &m, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0 && msg->msg_iovlen == 1)
        msg->msg_iov->iov_len = (size_t)n;
    if (n == -1)
        return false;
    if ((m.msg_flags & MSG_CTRUNC) == 0)
        return false;
    if (a != NULL) {
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);

        *a = (struct ancillary){.fd = -1, .who = {.uid = (uid_t)-1}};
        if (h != NULL && h->cmsg_type == SCM_CREDENTIALS)
            take_ids(h, a);
    }
    return true;
}

static ssize_t
receive(int socket, struct msghdr *msg, struct ancillary *a, int flags)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred)) +
                  CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
    } control;
    struct msghdr m = *msg;
    ssize_t n;

    *a = (struct ancillary){.fd = -1, .who = {.uid = (uid_t)-1}};
    m.msg_control = &control;
    m.msg_controllen = sizeof control;
    n = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
    if (n == -1)
        return socket_error(errno);
    msg->msg_namelen = m.msg_namelen;
    msg->msg_flags = m.msg_flags;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL;
         h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level != SOL_SOCKET)
            continue;
        if (h->cmsg_type == SCM_RIGHTS)
            take_descriptors(h, a);
        if (h->cmsg_type == SCM_CREDENTIALS)
            take_ids(h, a);
    }
    if (msg->msg_flags & MSG_CTRUNC) { /* our table of descriptors is full */
        if (a->fd != -1)
            ancillary_discard(a->fd);
        a->fd = -1;
        a->refused = true;
    }
    return n;
}

ssize_t
ancillary_receive(int socket, struct msghdr *msg, struct ancillary *a)
{
    return receive(socket, msg, a, MSG_DONTWAIT);
}

ssize_t
ancillary_await(int socket, struct msghdr *msg, struct ancillary *a)
{
    return receive(socket, msg, a, 0);
}

/* -- closing elsewhere ---------------------------------------------------- */

/* What one thread has to do. */
struct load {
    int fd;
    uid_t uid;
    bool counted;
};

static void
end_load(struct load *l)
{
    if (l->counted)
        quota_give(l->uid, QUOTA_CLOSING, 1);
    free(l);
}

/* A thread for which nobody waits; its signals are the program's.  false: none
 * can be had. */
static bool
start(void *(*run)(void *), void *arg)
{
    pthread_attr_t a;
    sigset_t all, before;
    pthread_t thread;
    int err;

    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&thread, &a, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&a);
    return err == 0;
}

static bool
is_needed(void)
{
    return DEFENCE("drain", ancillary_descriptors_come(), false);
}

bool
drain_is_full(uid_t uid)
{
    return is_needed() && !quota_is_privileged(uid) &&
           quota_used(uid, QUOTA_CLOSING, now_ns()) >=
               quota_kinds[QUOTA_CLOSING].per_user;
}

static void *
close_it(void *arg)
{
    struct load *l = arg;

    close(l->fd);
    end_load(l);
    return NULL;
}

/* Without a thread it stays open: better one descriptor less than all clients
 * waiting. */
void
drain_close(int fd, uid_t uid)
{
    struct load *l = is_needed() ? malloc(sizeof *l) : NULL;

    if (l == NULL) {
        close(fd);
        return;
    }
    shutdown(fd, SHUT_RDWR); /* the client is told at once */
    *l = (struct load){.fd = fd,
                       .uid = uid,
                       .counted =
                           quota_take(uid, QUOTA_CLOSING, 1, now_ns()) == 0};
    if (!start(close_it, l))
        end_load(l);
}

/* recvmsg(2) writes msg_flags when it has taken the message out of the queue,
 * and before it drops what came beside it: so others can see that it is out. */
#define NOT_YET INT_MIN

struct datagram {
    struct load *load;
    struct msghdr msg; /* no room for anything */
    atomic_bool over;
    atomic_int users; /* of this: the last one frees it */
};

static void
leave(struct datagram *d)
{
    if (atomic_fetch_sub(&d->users, 1) == 1)
        free(d);
}

static void *
take_it(void *arg)
{
    struct datagram *d = arg;

    (void)!recvmsg(d->load->fd, &d->msg, MSG_DONTWAIT);
    atomic_store(&d->over, true);
    end_load(d->load);
    leave(d);
    return NULL;
}

static bool
is_out(struct datagram *d)
{
    return *(volatile int *)&d->msg.msg_flags != NOT_YET ||
           atomic_load(&d->over);
}

void
drain_datagram(int socket, uid_t uid)
{
    struct msghdr nothing = {.msg_flags = 0};
    struct datagram *d = malloc(sizeof *d);
    struct load *l = malloc(sizeof *l);

    if (d == NULL || l == NULL)
        goto here;
    *l = (struct load){.fd = socket, .uid = uid};
    l->counted = quota_take(uid, QUOTA_CLOSING, 1, now_ns()) == 0;
    *d =
        (struct datagram){.load = l, .msg = {.msg_flags = NOT_YET}, .users = 2};
    if (!l->counted || !start(take_it, d)) {
        if (l->counted)
            quota_give(uid, QUOTA_CLOSING, 1);
        goto here;
    }
    while (!is_out(d))
        poll(NULL, 0, 1);
    leave(d);
    return;

here: /* or everybody's queue would be stopped up */
    recvmsg(socket, &nothing, MSG_DONTWAIT);
    free(l);
    free(d);
}

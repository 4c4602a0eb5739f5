/* drain.c - threads that close (drain.h). */
#define _GNU_SOURCE /* struct ucred */
#include "drain.h"

#include "ancillary.h"

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
#include <sys/socket.h>
#include <unistd.h>

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

/* -- connections ----------------------------------------------------------- */

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

/* -- datagrams ------------------------------------------------------------- */

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

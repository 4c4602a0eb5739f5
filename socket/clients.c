/* clients.c - the clients of a server that has connections. */
#define _GNU_SOURCE /* epoll_pwait2, struct ucred */
#include "clients.h"

#include "core/ancillary.h"
#include "core/clock.h"
#include "core/defence.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* epoll's ids of what is not a connection; theirs is their index. */
#define LISTENER UINT64_MAX
#define TIMER    (UINT64_MAX - 1)

static int
watch(struct clients *s, int op, int fd, uint32_t events, uint64_t id)
{
    struct epoll_event e = {.events = events, .data.u64 = id};

    return epoll_ctl(s->epoll, op, fd, &e) == -1 ? -errno : 0;
}

static int
watch_client(struct clients *s, int op, struct connection *c, uint32_t events)
{
    return watch(s, op, c->fd, events, (uint64_t)(c - s->connections));
}

int
clients_init(struct clients *s, const char *name, int listener,
             identify_function *identify)
{
    int err = *name != '\0' ? object_id_at(name, &s->file) : 0;

    strcpy(s->name, name);
    s->listener = listener;
    s->identify = identify;
    s->timer_set = NO_DEADLINE;
    sessions_init(&s->sessions, IPC_MAX_CLIENTS, SESSIONS_IDLE);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->spare = eventfd(0, EFD_CLOEXEC);
    s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (err == 0 && (s->epoll == -1 || s->spare == -1 || s->timer == -1))
        err = -errno;
    if (err == 0)
        err = watch(s, EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER);
    if (err == 0)
        err = watch(s, EPOLL_CTL_ADD, s->timer, EPOLLIN, TIMER);
    if (err != 0)
        clients_destroy(s);
    return err;
}

/* -- time ----------------------------------------------------------------- */

int64_t timeout_limits[] = {
    [REST_OF_HEADER] = 2 * NS_PER_SEC,
    [REST_OF_BODY] = 5 * NS_PER_SEC,
    [READER] = 10 * NS_PER_SEC,
};

void
timeout_for(struct timeout *t, enum awaited awaited, int64_t now)
{
    if (t->awaited == awaited)
        return;
    t->awaited = awaited;
    t->until = DEFENCE("timeout", now + timeout_limits[awaited], NO_DEADLINE);
}

int64_t
timeout_ends(const struct timeout *t)
{
    return t->awaited == NOTHING ? NO_DEADLINE : t->until;
}

enum awaited
awaited_by(const struct frames *in)
{
    size_t got = in->end - in->start;

    if (got == 0)
        return NOTHING;
    if (got < WIRE_HEADER)
        return REST_OF_HEADER;
    return frames_missing(in) > 0 ? REST_OF_BODY : NOTHING;
}

static void
set_timer(struct clients *s, int64_t until)
{
    struct itimerspec t = {.it_value = {0}}; /* off; and no longer readable */

    if (until != NO_DEADLINE)
        t.it_value = ns_to_timespec(until);
    timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &t, NULL);
    s->timer_set = until;
}

/* Sets it earlier, never later: while requests come and are whole in time it
 * fires once in a while for nothing, instead of being set for each. */
static void
wait_at_most(struct clients *s, struct connection *c, enum awaited awaited,
             int64_t now)
{
    timeout_for(&c->timeout, awaited, now);
    if (timeout_ends(&c->timeout) < s->timer_set)
        set_timer(s, timeout_ends(&c->timeout));
}

void
clients_heard(struct clients *s, struct connection *c, enum awaited awaited)
{
    int64_t now = now_ns();

    s->sessions.slot[c - s->connections].heard = now;
    wait_at_most(s, c, awaited, now);
}

/* If the rest is here, and we have not looked yet, we were the slow one. */
static bool
came_in_time(const struct connection *c)
{
    return c->timeout.awaited != READER && wait_for(c->fd, POLLIN, 0) == 0;
}

void
clients_expire(struct clients *s, int64_t now)
{
    int64_t next = NO_DEADLINE;

    for (unsigned slot = 0; slot < s->sessions.top; slot++) {
        struct connection *c = &s->connections[slot];
        int64_t until = timeout_ends(&c->timeout);

        if (c->fd != 0 && until <= now && !came_in_time(c))
            clients_drop(s, c);
        else if (c->fd != 0 && until < next)
            next = until;
    }
    set_timer(s, next);
}

/* -- coming and going ----------------------------------------------------- */

void
clients_drop(struct clients *s, struct connection *c)
{
    /* close(2) would take it out of epoll's set only if nobody else has the
     * same open file: a child that another thread forks has, for a moment. */
    epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    drain_close(c->fd, c->peer.uid);
    frames_free(&c->in);
    unsent_free(&c->out);
    sessions_leave(&s->sessions, (unsigned)(c - s->connections));
    *c = (struct connection){.fd = 0};
}

/* Finds a slot for a socket whose peer is known, and ends the handshake. */
static int
add_client(struct clients *s, const struct connection *new)
{
    int64_t now = now_ns();
    int slot = sessions_choose(&s->sessions, new->peer.uid, now), err;
    struct connection *c;

    if (slot < 0 || drain_is_full(new->peer.uid))
        return -EAGAIN;
    c = &s->connections[slot];
    if (c->fd != 0)
        clients_drop(s, c);
    *c = *new;
    c->peer.address = c->address;
    unsent_init(&c->out, c->peer.uid);
    err = watch_client(s, EPOLL_CTL_ADD, c, EPOLLIN);
    if (err == 0)
        err = handshake_say(c->fd);
    if (err != 0) {
        *c = (struct connection){.fd = 0};
        return err;
    }
    sessions_take(&s->sessions, (unsigned)slot, &c->peer, now);
    sessions_admit(&s->sessions, (unsigned)slot);
    return 0;
}

/* Whoever is not taken reads an end of file where the handshake should be. */
static void
accept_client(struct clients *s)
{
    struct connection new = {.fd = handshake_accept(s->listener, &s->spare)};

    if (new.fd != -1 && (s->identify(&new) != 0 || add_client(s, &new) != 0))
        drain_close(new.fd, (uid_t)-1);
}

/* -- waiting -------------------------------------------------------------- */

/* Sends more of a reply that waits.  When it is out, requests are read again
 * from this client. */
static void
send_rest(struct clients *s, struct connection *c)
{
    int err = unsent_send(&c->out, c->fd);

    if (err == -EAGAIN)
        return;
    if (err != 0) {
        clients_drop(s, c);
        return;
    }
    clients_heard(s, c, awaited_by(&c->in)); /* half a request may be there */
    if (watch_client(s, EPOLL_CTL_MOD, c, EPOLLIN) != 0)
        clients_drop(s, c);
}

/* The connection that this event says is readable, or NULL. */
static struct connection *
attend(struct clients *s, const struct epoll_event *e)
{
    struct connection *c = &s->connections[e->data.u64 % IPC_MAX_CLIENTS];

    if (e->data.u64 == LISTENER) {
        accept_client(s);
        return NULL;
    }
    if (e->data.u64 == TIMER) {
        clients_expire(s, now_ns());
        return NULL;
    }
    if (c->fd == 0) /* dropped since epoll_wait() */
        return NULL;
    if (c->out.first != NULL) {
        send_rest(s, c);
        return NULL;
    }
    return c; /* EPOLLIN; or EPOLLHUP, EPOLLERR: reading will say what it is */
}

int
clients_wait(struct clients *s, int64_t deadline, struct connection **readable)
{
    if (s->ready_next == s->ready_count) {
        struct timespec left = ns_to_timespec(time_left(deadline));

        s->ready_next = s->ready_count = 0;
        /* epoll_wait(2) would count in ms, and round. */
        int n = epoll_pwait2(s->epoll, s->ready, IPC_MAX_CLIENTS,
                             deadline == NO_DEADLINE ? NULL : &left, NULL);
        if (n == -1)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        s->ready_count = n;
    }
    *readable = attend(s, &s->ready[s->ready_next++]);
    return 0;
}

/* -- replies -------------------------------------------------------------- */

uint64_t
clients_token(const struct clients *s, const struct connection *c)
{
    return sessions_token(&s->sessions, (unsigned)(c - s->connections));
}

struct connection *
clients_find(struct clients *s, uint64_t token)
{
    int slot = sessions_slot(&s->sessions, token);

    return slot == -1 ? NULL : &s->connections[slot];
}

/* Keeps a reply, or the rest of one, and waits for room instead of for
 * requests. */
static int
keep(struct clients *s, struct connection *c, const struct ipc_message *msg,
     size_t from)
{
    int err = unsent_keep(&c->out, msg, from);

    if (err != 0)
        return err;
    wait_at_most(s, c, READER, now_ns());
    return watch_client(s, EPOLL_CTL_MOD, c, EPOLLOUT);
}

/* May one more descriptor go to this user?  If not at once, perhaps some have
 * arrived. */
static int
take_descriptor(struct clients *s, struct connection *c)
{
    int err = unsent_take_descriptor(&c->out);

    if (err == 0)
        return 0;
    for (unsigned i = 0; i < s->sessions.top; i++)
        if (s->connections[i].fd != 0)
            unsent_settle(&s->connections[i].out, s->connections[i].fd);
    return unsent_take_descriptor(&c->out);
}

static int
send_or_keep(struct clients *s, struct connection *c,
             const struct ipc_message *msg)
{
    struct iovec data = {.iov_base = msg->buf, .iov_len = msg->len};
    ssize_t n = -EAGAIN;

    if (c->out.first == NULL) /* or it has to wait for those before */
        do
            n = ancillary_send(c->fd, &data, 1, msg->fd);
        while (n == -EINTR);
    if (n == -EAGAIN)
        n = 0;
    if (n < 0)
        return (int)n;
    return (size_t)n < msg->len ? keep(s, c, msg, (size_t)n) : 0;
}

int
clients_reply(void *srv, const struct ipc_request *req,
              const struct ipc_message *msg)
{
    struct clients *s = srv;
    struct connection *c = clients_find(s, req->reply_to);
    int err = 0;

    if (c == NULL)
        return -EPIPE;
    if (msg == NULL) {
        clients_drop(s, c);
        return 0;
    }
    if (msg->fd != -1)
        err = take_descriptor(s, c);
    if (err != 0)
        return err;
    err = send_or_keep(s, c, msg);
    if (err == -ETOOMANYREFS && msg->fd != -1)
        return -EAGAIN;
    if (err != 0) {
        clients_drop(s, c);
        return -EPIPE;
    }
    return 0;
}

int
clients_pollfd(void *srv)
{
    return ((struct clients *)srv)->epoll;
}

void
clients_destroy(void *srv)
{
    struct clients *s = srv;
    int slot;

    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        clients_drop(s, &s->connections[slot]);
    close(s->timer);
    close(s->spare);
    close(s->epoll);
    close(s->listener);
    if (s->name[0] != '\0')
        local_remove(s->name, &s->file);
}

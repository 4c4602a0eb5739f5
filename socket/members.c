/* members.c - the clients of a server without connections. */
#define _GNU_SOURCE /* epoll_pwait2, struct ucred */
#include "members.h"

#include "core/ancillary.h"
#include "core/clock.h"
#include "core/records.h"
#include "core/wire.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* epoll's ids: of their socket, of the one they join by; others: a member's
 * slot. */
#define REQUESTS UINT64_MAX
#define JOINS    (UINT64_MAX - 1)

static int
watch(struct members *m, int fd, uint64_t id)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = id};

    return epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &e) == -1 ? -errno : 0;
}

/* Taken out of epoll's set by hand: closing our descriptor does that only when
 * nobody else has the same open file: a child that another thread forks has,
 * for a moment. */
static void
unwatch(struct members *m, int fd)
{
    epoll_ctl(m->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int
members_init(struct members *m, int socket, int joins)
{
    int err;

    m->joins = joins;
    sessions_init(&m->sessions, IPC_MAX_CLIENTS, SESSIONS_IDLE);
    m->spare = eventfd(0, EFD_CLOEXEC);
    m->epoll = epoll_create1(EPOLL_CLOEXEC);
    err =
        m->epoll == -1 || m->spare == -1 ? -errno : watch(m, socket, REQUESTS);
    if (err == 0)
        err = watch(m, joins, JOINS);
    if (err != 0)
        members_free(m);
    return err;
}

void
members_free(struct members *m)
{
    int slot;

    while ((slot = sessions_next(&m->sessions, -1)) != -1)
        members_drop(m, &m->member[slot]);
    close(m->joins);
    close(m->spare);
    close(m->epoll);
}

/* The client waits for the name: with it begins the session. */
static int
tell_name(int fd, uint64_t name)
{
    uint8_t bytes[MEMBER_NAME];
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};

    if (handshake_say(fd) != 0)
        return -EPIPE;
    put64(bytes, name);
    return ancillary_send(fd, &data, 1, -1) == MEMBER_NAME ? 0 : -EPIPE;
}

static int
add(struct members *m, const struct member *new, const struct ipc_peer *peer)
{
    int64_t now = now_ns();
    int slot = sessions_choose(&m->sessions, peer->uid, now), err;
    struct member *to;

    if (slot < 0 || drain_is_full(peer->uid))
        return -EAGAIN;
    to = &m->member[slot];
    if (to->fd != 0)
        members_drop(m, to);
    /* Readable: the client is gone, or it writes where it has only to read. */
    err = watch(m, new->fd, (uint64_t)slot);
    if (err != 0)
        return err;
    err = tell_name(new->fd, sessions_token(&m->sessions, (unsigned)slot));
    if (err != 0) {
        unwatch(m, new->fd);
        return err;
    }
    *to = *new;
    unsent_init(&to->out, peer->uid);
    sessions_take(&m->sessions, (unsigned)slot, peer, now);
    sessions_admit(&m->sessions, (unsigned)slot);
    return 0;
}

/* Whoever is not taken reads an end of file where the handshake should be.  Who
 * has no identity here (pid 0: in no PID namespace of ours) is taken as
 * unknown, as by the other sockets; but not who cannot be told from other
 * users, for they could speak in each other's sessions. */
static void
let_join(struct members *m)
{
    struct member new = {.fd = handshake_accept(m->joins, &m->spare)};
    struct ipc_peer peer;

    if (new.fd == -1)
        return;
    new.owner = local_owner(new.fd);
    if (local_identify(new.fd, &peer, new.address) != 0 ||
        new.owner == (uid_t)-1 || record_widen(new.fd) != 0) {
        drain_close(new.fd, (uid_t)-1);
        return;
    }
    if (add(m, &new, &peer) != 0)
        drain_close(new.fd, peer.uid);
}

uint64_t
members_token(const struct members *m, const struct member *of)
{
    return sessions_token(&m->sessions, (unsigned)(of - m->member));
}

struct member *
members_find(struct members *m, uint64_t token)
{
    int slot = sessions_slot(&m->sessions, token);

    return slot == -1 ? NULL : &m->member[slot];
}

void
members_heard(struct members *m, const struct member *of)
{
    m->sessions.slot[of - m->member].heard = now_ns();
}

void
members_drop(struct members *m, struct member *gone)
{
    unsigned slot = (unsigned)(gone - m->member);

    unwatch(m, gone->fd);
    /* The client reads an end of file. */
    drain_close(gone->fd, m->sessions.slot[slot].peer.uid);
    unsent_free(&gone->out);
    sessions_leave(&m->sessions, slot);
    *gone = (struct member){.fd = 0};
}

int
members_take_descriptor(struct members *m, struct member *to)
{
    if (unsent_take_descriptor(&to->out) == 0)
        return 0;
    for (unsigned i = 0; i < m->sessions.top; i++)
        if (m->member[i].fd != 0)
            unsent_settle(&m->member[i].out, m->member[i].fd);
    return unsent_take_descriptor(&to->out);
}

int
members_wait(struct members *m, int64_t deadline)
{
    for (;;) {
        struct timespec left = ns_to_timespec(time_left(deadline));
        struct member *gone;
        struct epoll_event e;
        int n = epoll_pwait2(m->epoll, &e, 1,
                             deadline == NO_DEADLINE ? NULL : &left, NULL);

        if (n == -1)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        if (e.data.u64 == REQUESTS)
            return 0;
        if (e.data.u64 == JOINS) {
            let_join(m);
            continue;
        }
        gone = &m->member[e.data.u64];
        if (gone->fd != 0)
            members_drop(m, gone);
    }
}

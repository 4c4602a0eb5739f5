/* rings.c - the protocol over two rings per client. */
#define _GNU_SOURCE /* sched_getcpu */
#include "rings.h"

#include "core/clock.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

/* The house is looked after at least once in so many requests. */
#define TURNS 256

/* Where a process runs is of interest to the one that waits for it (futex.c).
 * Stored only when it has changed: a store takes the cache line away from its
 * readers. */
static void
publish_cpu(_Atomic uint32_t *cpu)
{
    uint32_t here = (uint32_t)sched_getcpu();

    if (atomic_load_explicit(cpu, memory_order_relaxed) != here)
        atomic_store_explicit(cpu, here, memory_order_relaxed);
}

/* -- server --------------------------------------------------------------------- */

int
rings_create(void *srv, const char *endpoint, const struct meet_store *store,
             const struct rings_waiting *waiting)
{
    struct rings_server *s = srv;
    int err;

    s->waiting = waiting;
    err = meet_create(&s->meet, store, endpoint, sizeof(struct rings_board),
                      sizeof(struct rings_place));
    if (err != 0)
        return err;
    err = meet_open_house(&s->meet, 0644);
    if (err != 0)
        meet_destroy(&s->meet);
    return err;
}

/* Ends the conversation.  Behind the last reply stands that it was the last. */
static void
farewell(struct rings_server *s, unsigned seat)
{
    struct rings_place *p = s->meet.places[seat].memory;

    if (s->meet.guests[seat].admitted) {
        atomic_store(&p->head.verdict, MEET_OVER);
        ring_end(&s->out[seat]);
        if (s->waiting->wake_client != NULL)
            s->waiting->wake_client(p, false);
    }
    meet_leave(&s->meet, seat);
}

static void
begin(struct rings_server *s, unsigned seat)
{
    struct rings_place *p = s->meet.places[seat].memory;

    s->in[seat] = (struct ring_reader){.ring = &p->requests};
    s->out[seat] = (struct ring_writer){.ring = &p->replies};
}

/* Takes the next request of this client.  1 = got one, 0 = there is none. */
static int
take(struct rings_server *s, unsigned seat, struct ipc_request *req)
{
    struct rings_place *p = s->meet.places[seat].memory;
    struct ring_reader *in = &s->in[seat];
    uint32_t before = in->at;
    int err = ring_take(in, req->msg.buf, req->msg.cap, &req->msg.len);

    if (err == -EAGAIN)
        return 0;
    /* Bitten while we copied: half of the message may be zeros. */
    if (err != 0 || s->meet.places[seat].bitten) {
        farewell(s, seat);
        return 0;
    }
    /* A client that sleeps for room is woken at every quarter of the ring, not
     * at every message; only then must the store come before the look. */
    if ((before ^ in->at) & (RING_SIZE / 4) &&
        s->waiting->wake_client != NULL) {
        ring_release(in, s->waiting->publish);
        s->waiting->wake_client(p, true);
    } else {
        ring_release(in, memory_order_release);
    }
    req->peer = s->meet.guests[seat].peer;
    req->reply_to = meet_token(&s->meet, seat);
    s->last = seat;
    return 1;
}

/* Goes round once, beginning after the one served last. */
static int
look(struct rings_server *s, struct ipc_request *req)
{
    unsigned seat = s->last;

    for (unsigned i = 0, n = s->meet.top; i < n; i++) {
        if (++seat >= n)
            seat = 0;
        if (s->meet.places[seat].memory == NULL)
            continue;
        if (!s->meet.guests[seat].admitted) {
            if (!meet_answered(&s->meet, seat))
                continue;
            begin(s, seat);
        }
        if (take(s, seat, req))
            return 1;
    }
    return 0;
}

bool
rings_server_ready(const struct rings_server *s)
{
    for (unsigned i = 0; i < s->meet.top; i++) {
        const struct rings_place *p = s->meet.places[i].memory;

        if (p == NULL)
            continue;
        if (s->meet.guests[i].admitted ? ring_peek(&s->in[i])
                                       : atomic_load(&p->head.answered) != 0)
            return true;
    }
    return false;
}

static void
look_after_the_house(struct rings_server *s)
{
    int64_t now = now_ns();
    int gone;

    s->turns = 0;
    while ((gone = meet_patrol(&s->meet, now)) != -1) {
        const struct meet_guest *g = &s->meet.guests[gone];

        /* What it said before it died is still heard. */
        if (g->admitted && !s->meet.places[gone].bitten &&
            ring_peek(&s->in[gone]))
            break;
        meet_leave(&s->meet, (unsigned)gone);
    }
    if (meet_scan(&s->meet, now))
        s->knocked = false;
}

int
rings_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct rings_server *s = srv;
    struct rings_board *board = s->meet.board;
    int64_t deadline = NO_DEADLINE;
    int err = 0;

    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    publish_cpu(&board->cpu);
    if (++s->turns == TURNS)
        look_after_the_house(s);
    if (look(s, req))
        return 0;
    deadline = deadline_in(timeout_ns);
    for (;;) {
        err = s->waiting->server(s, deadline);
        if (err == -EAGAIN || err == -ETIMEDOUT)
            look_after_the_house(s);
        if (look(s, req))
            return 0;
        if (err != 0 && err != -EAGAIN)
            return err;
    }
}

int
rings_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct rings_server *s = srv;
    int seat = meet_seat(&s->meet, req->reply_to);

    if (seat == -1)
        return -EPIPE;
    if (msg != NULL && msg->fd != -1)
        return -EOPNOTSUPP;
    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    /* No room: it does not collect its replies. */
    if (msg == NULL ||
        ring_put(&s->out[seat], msg->buf, msg->len, s->waiting->publish) != 0) {
        farewell(s, (unsigned)seat);
        return msg == NULL ? 0 : -EPIPE;
    }
    if (s->waiting->wake_client != NULL)
        s->waiting->wake_client(s->meet.places[seat].memory, false);
    return 0;
}

void
rings_destroy(void *srv)
{
    struct rings_server *s = srv;

    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->meet.places[i].memory != NULL)
            farewell(s, i);
    meet_destroy(&s->meet);
}

/* -- client --------------------------------------------------------------------- */

static void
knock(struct meet_client *meet)
{
    struct rings_client *c = (struct rings_client *)(void *)meet;

    c->rung = 0; /* whomever we woke last time, it did not help */
    if (c->waiting->wake_server != NULL)
        c->waiting->wake_server(c);
}

int
rings_open(void *cli, const char *where, const struct meet_store *store,
           const struct rings_waiting *waiting)
{
    static const struct meet_manners manners = {
        .board_size = sizeof(struct rings_board),
        .place_size = sizeof(struct rings_place),
        .board_prot = PROT_READ,
        .knock = knock,
    };
    struct rings_client *c = cli;
    struct rings_place *p;
    int err;

    c->waiting = waiting;
    err = meet_join(&c->meet, store, where, &manners, geteuid());
    if (err != 0)
        return err;
    p = c->meet.place;
    c->out = (struct ring_writer){.ring = &p->requests};
    c->in = (struct ring_reader){.ring = &p->replies};
    return 0;
}

bool
rings_client_ready(struct rings_client *c, size_t room)
{
    /* Whatever comes while we wait for room may be the good-bye. */
    return room == 0 ? ring_peek(&c->in) : ring_room(&c->out, room) != -EAGAIN;
}

/* Waits for a reply, or for room; notices a server that has died. */
static int
wait_for_server(struct rings_client *c, size_t room, int64_t deadline)
{
    int err = c->waiting->client(c, room, deadline);

    /* -EINTR too: signals may come so often that no wait ever gets to the end
     * of its slice. */
    if (err != -EAGAIN && err != -EINTR)
        return err;
    if (!meet_server_lives(&c->meet))
        return rings_client_ready(c, room) ? 0 : -EPIPE;
    if (err == -EAGAIN) {
        knock(&c->meet);
        err = 0;
    }
    return err;
}

int
rings_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct rings_client *c = cli;
    struct rings_place *p = c->meet.place;
    int64_t deadline = NO_DEADLINE;
    int err;

    if (msg->len > RING_MAX_MESSAGE)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    publish_cpu(&p->cpu);
    while ((err = ring_put(&c->out, msg->buf, msg->len, c->waiting->publish)) ==
           -EAGAIN) {
        if (deadline == NO_DEADLINE)
            deadline = deadline_in(timeout_ns);
        err = wait_for_server(c, msg->len, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    if (err != 0)
        return -EPIPE; /* the server has lost its mind */
    if (c->waiting->wake_server != NULL)
        c->waiting->wake_server(c);
    return 0;
}

int
rings_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct rings_client *c = cli;
    int64_t deadline = NO_DEADLINE;
    int err;

    msg->fd = -1;
    while ((err = ring_take(&c->in, msg->buf, msg->cap, &msg->len)) ==
           -EAGAIN) {
        if (deadline == NO_DEADLINE)
            deadline = deadline_in(timeout_ns);
        err = wait_for_server(c, 0, deadline);
        if (err != 0)
            return err;
    }
    if (err != 0)
        return -EPIPE;
    /* Nobody sleeps for this room: rings_reply(). */
    ring_release(&c->in, memory_order_release);
    return 0;
}

void
rings_close(void *cli)
{
    struct rings_client *c = cli;

    ring_end(&c->out);
    knock(&c->meet);
    meet_part(&c->meet);
}

/* -- limits --------------------------------------------------------------------- */

int
rings_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = RING_MAX_MESSAGE,
                             .max_inflight =
                                 (RING_SIZE - CACHE_LINE) /
                                 (RING_MAX_MESSAGE + RING_WORD + CACHE_LINE),
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

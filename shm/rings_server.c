/*
 * rings_server.c - the server's side of the protocol over two rings per client
 * (rings.h): it goes round, takes a request out of one ring, puts the reply
 * into the other.
 */
#define _GNU_SOURCE /* sched_getcpu */
#include "rings.h"

#include "core/clock.h"
#include "where.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* The house is looked after at least once in so many requests. */
#define TURNS 256

/* -- what one can see without a system call ------------------------------- */

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

bool
rings_clients_elsewhere(const struct rings_server *s)
{
    for (unsigned i = 0; i < s->meet.top; i++) {
        const struct rings_place *p = s->meet.places[i].memory;

        if (p != NULL && s->meet.guests[i].admitted && cpu_elsewhere(&p->cpu))
            return true;
    }
    return false;
}

/* -- create --------------------------------------------------------------- */

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

/* -- next ----------------------------------------------------------------- */

static void
begin(struct rings_server *s, unsigned seat)
{
    struct rings_place *p = s->meet.places[seat].memory;

    s->in[seat] = (struct ring_reader){.ring = &p->requests};
    s->out[seat] = (struct ring_writer){.ring = &p->replies};
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

/* What a dead one said before is still heard. */
static bool
unheard(const struct meet_server *meet, unsigned seat)
{
    const struct rings_server *s = (const void *)meet; /* its first member */

    return ring_peek(&s->in[seat]);
}

static void
look_after_the_house(struct rings_server *s)
{
    s->turns = 0;
    meet_look_after(&s->meet, unheard);
}

int
rings_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct rings_server *s = srv;
    struct rings_board *board = s->meet.board;
    int64_t deadline = NO_DEADLINE;
    int err = 0;

    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    cpu_publish(&board->cpu);
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

/* -- reply, destroy, limits ----------------------------------------------- */

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

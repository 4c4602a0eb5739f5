/*
 * rings_server.c - the server's side of the protocol over two rings per client
 * (rings.h): it goes round, takes a request out of one ring, puts the reply
 * into the other.
 */
#define _GNU_SOURCE /* sched_getcpu */
#include "rings.h"

#include "clock.h"
#include "cpu_hint.h"

#include <errno.h>
#include <unistd.h>

/* The register is looked at, and one client, at least once in so many
 * requests. */
#define TURNS 256

/* -- what one can see without a system call ------------------------------- */

bool
rings_server_ready(const struct rings_server *s)
{
    for (unsigned i = 0; i < s->sessions.top; i++) {
        const struct rings_segment *p = rings_segment(s, i);

        if (p == NULL)
            continue;
        if (sessions_is_in(&s->sessions, i)
                ? ring_peek(&s->in[i])
                : atomic_load(&p->head.answered) != 0)
            return true;
    }
    return false;
}

bool
rings_clients_elsewhere(const struct rings_server *s)
{
    for (unsigned i = 0; i < s->sessions.top; i++) {
        const struct rings_segment *p = rings_segment(s, i);

        if (p != NULL && sessions_is_in(&s->sessions, i) &&
            cpu_elsewhere(&p->cpu))
            return true;
    }
    return false;
}

/* -- next ----------------------------------------------------------------- */

/* The room that has been made is announced at every quarter of the ring, not at
 * every message.  Nobody sleeps for room as long as half of the ring is free
 * (ring.h, RING_MAX_MESSAGE), and taking the other half passes a quarter. */
#define QUARTER (RING_SIZE / 4)

/* First the store, then the look at who sleeps; the client says that it sleeps,
 * and then looks: so one of the two sees what the other has stored. */
static void
announce_room(struct rings_server *s, unsigned slot)
{
    ring_release(&s->in[slot], s->waiting->publish);
    if (s->waiting->wake_client != NULL)
        s->waiting->wake_client(rings_segment(s, slot), true);
}

/* Takes the next request of this client.  1 = got one, 0 = there is none. */
static int
take(struct rings_server *s, unsigned slot, struct ipc_request *req)
{
    struct ring_reader *in = &s->in[slot];
    uint32_t before = in->at;
    int err = ring_take(in, req->msg.buf, req->msg.cap, &req->msg.len);

    if (err == -EAGAIN)
        return 0;
    /* Bitten while we copied: half of the message may be zeros. */
    if (err != 0 || s->segments[slot].bitten) {
        if (err == -EPROTO)
            sessions_fault(&s->sessions, s->sessions.slot[slot].peer.uid,
                           now_ns());
        rings_disconnect(s, slot);
        return 0;
    }
    /* Their numbers, not one bit of them: a message at the end of the ring may
     * lead over two. */
    if (before / QUARTER != in->at / QUARTER)
        announce_room(s, slot);
    else
        ring_release(in, memory_order_release);
    req->peer = s->sessions.slot[slot].peer;
    req->reply_to = sessions_token(&s->sessions, slot);
    s->last = slot;
    s->look = 0;
    return 1;
}

/* Goes round once, beginning after the one served last. */
static int
look(struct rings_server *s, struct ipc_request *req)
{
    unsigned slot = s->last;

    for (unsigned i = 0, n = s->sessions.top; i < n; i++) {
        if (++slot >= n)
            slot = 0;
        if (s->segments[slot].memory == NULL)
            continue;
        if (!sessions_is_in(&s->sessions, slot) && !rings_answered(s, slot))
            continue;
        if (take(s, slot, req))
            return 1;
    }
    return 0;
}

static int
wait(struct rings_server *s, int64_t deadline)
{
    /* Nothing but registrations, and there are more: our caller may see whether
     * it is to end, for strangers can go on for ever. */
    if (s->crowd)
        return time_left(deadline) == 0 ? -ETIMEDOUT : -EINTR;
    if (s->sessions.count == 0)
        return rings_wait_for_newcomer(s, deadline);
    return s->waiting->server(s, deadline);
}

int
rings_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct rings_server *s = srv;
    int64_t deadline = NO_DEADLINE;
    int err = 0;

    guard_watch(s->segments, IPC_MAX_CLIENTS);
    cpu_publish(&s->server_page->cpu);
    if (++s->turns == TURNS)
        rings_look_around(s);
    if (look(s, req))
        return 0;
    deadline = deadline_in(timeout_ns);
    for (;;) {
        bool alone = s->sessions.count == 0;

        err = wait(s, deadline);
        if (err == -EAGAIN || err == -ETIMEDOUT || (alone && err == 0)) {
            rings_look_around(s);
        }
        if (look(s, req))
            return 0;
        if (err != 0 && err != -EAGAIN)
            return err;
    }
}

/* -- reply, limits ----------------------------------------------- */

int
rings_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct rings_server *s = srv;
    int slot = sessions_slot(&s->sessions, req->reply_to);

    if (slot == -1)
        return -EPIPE;
    guard_watch(s->segments, IPC_MAX_CLIENTS);
    /* No room: it does not collect its replies. */
    if (msg == NULL ||
        ring_put(&s->out[slot], msg->buf, msg->len, s->waiting->publish) != 0) {
        rings_disconnect(s, (unsigned)slot);
        return msg == NULL ? 0 : -EPIPE;
    }
    if (s->waiting->wake_client != NULL)
        s->waiting->wake_client(rings_segment(s, (unsigned)slot), false);
    return 0;
}

void *
rings_reply_space(void *srv, const struct ipc_request *req, size_t len)
{
    struct rings_server *s = srv;
    int slot = sessions_slot(&s->sessions, req->reply_to);

    if (len < RINGS_IN_PLACE || len > RING_MAX_MESSAGE || slot == -1)
        return NULL;
    guard_watch(s->segments, IPC_MAX_CLIENTS);
    return ring_place(&s->out[slot], len);
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

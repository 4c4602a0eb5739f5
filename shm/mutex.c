/*
 * mutex.c - one mutex and condition variables in shared memory: the monitor of
 * the textbooks, between processes.
 *
 *      the board, everybody writes            a client's place, 0600
 *      +--------------------------+           +-----------------------------+
 *      | lock: guards everything, |           | answered: the client waits  |
 *      |       in the places too  |           | state: EMPTY REQUEST REPLY  |
 *      | work: the server waits   |           | the one message             |
 *      +--------------------------+           +-----------------------------+
 *
 * The one idea: shared memory is changed only by who holds the lock, and who
 * must wait for a change gives the lock back while it sleeps
 * (pthread_cond_wait(3)).  Nothing here has to be atomic.
 *
 * A lock in shared memory outlives its holder: monitor.h.
 *
 * The price of the convenience is trust.  The C library keeps pointers inside
 * a robust mutex and follows them when it unlocks; who can write there can make
 * the server write anywhere.  So this variant is IPC_TRUSTING.
 */
#include "core/clock.h"
#include "core/memory.h"
#include "core/wire.h"
#include "monitor.h"

#include <errno.h>
#include <string.h>

/* The house is looked after at least once in so many requests. */
#define TURNS 256

struct server {
    struct meet_server meet;
    unsigned last; /* the seat served last: the others come first now */
    unsigned turns;
};

struct client_end {
    struct meet_client meet;
    enum { NONE, DUE, GIVEN_UP } reply;
};

/* The lock is held. */
static void
put(struct place *p, const struct ipc_message *msg, enum place_state state)
{
    memcpy(p->bytes, msg->buf, msg->len);
    p->len = (uint32_t)msg->len;
    p->state = state; /* last: who dies before has said nothing */
}

/* -- server --------------------------------------------------------------- */

static int
mutex_create(void *srv, const char *name)
{
    struct server *s = srv;

    return monitor_create(&s->meet, name);
}

/* Lets one go, who may be waiting.  The lock is held. */
static void
dismiss(struct server *s, unsigned seat)
{
    struct place *p = s->meet.places[seat].memory;

    atomic_store(&p->head.verdict, MEET_OVER);
    pthread_cond_signal(&p->answered);
    meet_leave(&s->meet, seat);
}

/* Takes the message out of this place, if there is a request.  The lock is
 * held, and does not mean that the peer keeps to the rules: the length is
 * loaded once, then looked at. */
static bool
take(struct server *s, unsigned seat, struct ipc_request *req)
{
    struct place *p = s->meet.places[seat].memory;
    uint32_t len = *(volatile uint32_t *)&p->len;

    if (p->state != REQUEST)
        return false;
    if (len > MAX_MESSAGE || len > req->msg.cap) {
        dismiss(s, seat);
        return false;
    }
    memcpy(req->msg.buf, p->bytes, len);
    p->state = EMPTY;
    req->msg.len = len;
    req->peer = s->meet.guests[seat].peer;
    req->reply_to = meet_token(&s->meet, seat);
    s->last = seat;
    /* After a notice the client may be waiting to send again. */
    if (!wire_wants_reply(&req->msg))
        pthread_cond_signal(&p->answered);
    return true;
}

/* Goes round once, beginning after the one served last. */
static bool
look(struct server *s, struct ipc_request *req)
{
    unsigned seat = s->last;

    for (unsigned i = 0, n = s->meet.top; i < n; i++) {
        if (++seat >= n)
            seat = 0;
        if (s->meet.places[seat].memory != NULL &&
            (s->meet.guests[seat].admitted || meet_answered(&s->meet, seat)) &&
            take(s, seat, req))
            return true;
    }
    return false;
}

/* What a dead one said before is still heard. */
static bool
unheard(const struct meet_server *meet, unsigned seat)
{
    return ((const struct place *)meet->places[seat].memory)->state == REQUEST;
}

static int
mutex_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    struct board *b = s->meet.board;
    int64_t deadline = deadline_in(timeout_ns);
    struct held held = {.holding = false};
    bool found = false;
    int err = 0;

    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    if (++s->turns % TURNS == 0)
        meet_look_after(&s->meet, unheard);
    while (err == 0) {
        int64_t until = meet_bedtime(&s->meet, monitor_slice(deadline));

        err = monitor_lock(b, until);
        if (err == 0) {
            found = look(s, req);
            if (!found) {
                err = monitor_wait(b, &b->work, until);
                found = look(s, req);
                /* Woken for nothing: a newcomer? */
                if (err == 0 && !found)
                    s->meet.knocked = true;
            }
            monitor_unlock(b);
        }
        if (found)
            break;
        meet_look_after(&s->meet, unheard);
        if (err == -ETIMEDOUT)
            err = monitor_tired(&held, deadline);
    }
    signals_release(&held);
    return found ? 0 : err;
}

static int
mutex_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct server *s = srv;
    struct board *b = s->meet.board;
    int seat = meet_seat(&s->meet, req->reply_to);
    struct place *p;

    if (seat == -1)
        return -EPIPE;
    if (msg != NULL && msg->fd != -1)
        return -EOPNOTSUPP;
    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    if (monitor_lock(b, now_ns() + ipc_open_timeout) != 0)
        return -EPIPE; /* somebody holds on to it, and with it to everything */
    p = s->meet.places[seat].memory;
    if (msg != NULL)
        put(p, msg, REPLY);
    else
        dismiss(s, (unsigned)seat);
    monitor_unlock(b);
    if (msg != NULL)
        pthread_cond_signal(&p->answered);
    return 0;
}

static void
mutex_destroy(void *srv)
{
    struct server *s = srv;
    struct board *b = s->meet.board;

    guard_watch(s->meet.places, IPC_MAX_CLIENTS);
    if (monitor_lock(b, now_ns() + ipc_open_timeout) == 0) {
        for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
            if (s->meet.places[i].memory != NULL)
                dismiss(s, i);
        monitor_unlock(b);
    }
    meet_destroy(&s->meet);
}

/* -- client --------------------------------------------------------------- */

static int
mutex_open(void *cli, const char *where)
{
    struct client_end *c = cli;

    return monitor_join(&c->meet, where);
}

static int
mutex_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct place *p = c->meet.place;
    int err = monitor_lock_reply(&c->meet, deadline_in(timeout_ns));

    msg->fd = -1;
    if (err == 0) {
        msg->len = p->len;
        memcpy(msg->buf, p->bytes, msg->len);
        p->state = EMPTY;
        monitor_unlock(c->meet.board);
        c->reply = NONE;
    } else if (err == -ETIMEDOUT && c->reply == DUE) {
        c->reply = GIVEN_UP;
    } else if (err == -EPIPE) {
        c->reply = NONE; /* none is due from the dead */
    }
    return err;
}

static int
mutex_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct board *b = c->meet.board;
    struct place *p = c->meet.place;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    if (msg->len > MAX_MESSAGE)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->reply == DUE)
        return -EBUSY;
    /* A reply that was given up must come first, and be thrown away. */
    do
        err = c->reply == GIVEN_UP ? monitor_lock_reply(&c->meet, deadline)
                                   : monitor_lock_free(&c->meet, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    if (atomic_load(&p->head.verdict) == MEET_OVER) {
        monitor_unlock(b);
        return -EPIPE;
    }
    put(p, msg, REQUEST);
    monitor_unlock(b);
    /* Not before: the server would wake up only to wait for the lock. */
    pthread_cond_signal(&b->work);
    c->reply = wire_wants_reply(msg) ? DUE : NONE;
    return 0;
}

static void
mutex_close(void *cli)
{
    struct client_end *c = cli;

    meet_part(&c->meet);
}

/* -- sweep, limits, table ------------------------------------------------- */

static int
mutex_sweep(const char *name)
{
    return store_sweep(&meet_shm, name);
}

static int
mutex_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = MAX_MESSAGE,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism shm_mutex = {
    .name = "shm/mutex",
    .summary = "POSIX shared memory, a robust mutex, condition variables",
    .proof = "owner of the memory the request lies in, and the nonce in it",
    .wire = MUTEX_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = shm_unavailable,
    .limits = mutex_limits,
    .create = mutex_create,
    .next = mutex_next,
    .reply = mutex_reply,
    .destroy = mutex_destroy,
    .open = mutex_open,
    .send = mutex_send,
    .recv = mutex_recv,
    .close = mutex_close,
    .sweep = mutex_sweep,
};

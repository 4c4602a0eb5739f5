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
 * A lock in shared memory outlives its holder.  A robust mutex tells the next
 * one that asks: EOWNERDEAD, "it is yours, but its last holder died in the
 * middle".  Nothing needs repair here, because a message is complete before
 * `state` says that it is there; so saying pthread_mutex_consistent(3) is all.
 *
 * The price of the convenience is trust.  The C library keeps pointers inside
 * a robust mutex and follows them when it unlocks; who can write there can make
 * the server write anywhere.  So this variant is IPC_TRUSTING.
 */
#define _GNU_SOURCE /* pthread_mutex_clocklock, pthread_cond_clockwait */
#include "core/clock.h"
#include "core/wire.h"
#include "held.h"
#include "meet.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* As long as that of the siblings, so that the sizes can be compared. */
#define MAX_MESSAGE (64 * 1024 + 128)

/* ThreadSanitizer (of gcc 12 and clang 14) does not know this call, and would
 * take what it has locked for unlocked. */
#ifdef IPCLAB_TSAN
#define pthread_mutex_clocklock(m, clock, t) ((void)(t), pthread_mutex_lock(m))
#endif

struct board {
    pthread_mutex_t lock;
    pthread_cond_t work;
};

struct place {
    struct meet_head head;
    pthread_cond_t answered;
    enum { EMPTY, REQUEST, REPLY } state;
    uint32_t len;
    uint8_t bytes[MAX_MESSAGE];
};

struct server {
    struct meet_server meet;
    unsigned last; /* the seat served last: the others come first now */
    unsigned turns;
};

struct client_end {
    struct meet_client meet;
    enum { NONE, DUE, GIVEN_UP } reply;
};

/* -- the monitor ----------------------------------------------------------------- */

/* What lock and wait have in common: the lock is ours after 0, and also after
 * -ETIMEDOUT from a wait. */
static int
owned(struct board *b, int err)
{
    return err == EOWNERDEAD ? -pthread_mutex_consistent(&b->lock) : -err;
}

/* A deadline even for the lock: its holder may have been stopped. */
static int
lock(struct board *b, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    return owned(b, pthread_mutex_clocklock(&b->lock, CLOCK_MONOTONIC, &t));
}

static void
unlock(struct board *b)
{
    pthread_mutex_unlock(&b->lock);
}

/* Gives the lock back, sleeps until cond is signalled, and takes it again. */
static int
wait_on(struct board *b, pthread_cond_t *cond, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    return owned(b,
                 pthread_cond_clockwait(cond, &b->lock, CLOCK_MONOTONIC, &t));
}

static int
make_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int err;

    pthread_condattr_init(&attr);
    /* Without it the C library uses futexes that only threads of one process
     * can find each other by. */
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    err = -pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return err;
}

static int
make_board(struct board *b)
{
    pthread_mutexattr_t attr;
    int err;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    err = -pthread_mutex_init(&b->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return err != 0 ? err : make_cond(&b->work);
}

static int
make_place(void *place)
{
    return make_cond(&((struct place *)place)->answered);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What the end of one slice of waiting means. */
static int
tired(struct held *held, int64_t deadline)
{
    if (time_left(deadline) == 0)
        return -ETIMEDOUT;
    /* Waiting for a condition is not ended by a signal. */
    if (signals_came(held))
        return -EINTR;
    signals_hold(held);
    return 0;
}

/* -- server --------------------------------------------------------------------- */

static int
mutex_sweep(const char *name)
{
    return meet_sweep(&meet_shm, name);
}

static int
mutex_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err = meet_create(&s->meet, &meet_shm, name, sizeof(struct board),
                          sizeof(struct place));

    if (err != 0)
        return err;
    err = make_board(s->meet.board);
    if (err == 0)
        err = meet_open_house(&s->meet, 0666);
    if (err != 0)
        meet_destroy(&s->meet);
    return err;
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

/* How often the dead are looked for, in requests. */
#define TURNS 256

/* Admits newcomers, lets the dead go; what they said before is still heard. */
static void
look_after_the_house(struct server *s)
{
    int64_t now = now_ns();
    int gone;

    s->turns = 0;
    while ((gone = meet_patrol(&s->meet, now)) != -1) {
        const struct place *p = s->meet.places[gone].memory;

        if (s->meet.guests[gone].admitted && p->state == REQUEST)
            break;
        meet_leave(&s->meet, (unsigned)gone);
    }
    meet_scan(&s->meet, now);
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
    if (++s->turns == TURNS)
        look_after_the_house(s);
    while (err == 0) {
        int64_t until = earlier(deadline, now_ns() + MEET_SLICE);

        err = lock(b, until);
        if (err == 0) {
            found = look(s, req);
            if (!found) {
                err = wait_on(b, &b->work, until);
                found = look(s, req);
            }
            unlock(b);
        }
        if (found)
            break;
        look_after_the_house(s);
        if (err == -ETIMEDOUT)
            err = tired(&held, deadline);
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
    if (lock(b, now_ns() + IPC_OPEN_TIMEOUT) != 0)
        return -EPIPE; /* somebody holds on to it, and with it to everything */
    p = s->meet.places[seat].memory;
    if (msg != NULL) {
        memcpy(p->bytes, msg->buf, msg->len);
        p->len = (uint32_t)msg->len;
        p->state = REPLY;
    } else {
        dismiss(s, (unsigned)seat);
    }
    unlock(b);
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
    if (lock(b, now_ns() + IPC_OPEN_TIMEOUT) == 0) {
        for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
            if (s->meet.places[i].memory != NULL)
                dismiss(s, i);
        unlock(b);
    }
    meet_destroy(&s->meet);
}

/* -- client --------------------------------------------------------------------- */

/* The server may be waiting for work; a newcomer is some. */
static void
knock(struct meet_client *meet)
{
    struct board *b = meet->board;

    if (lock(b, now_ns() + MEET_SLICE) == 0) {
        pthread_cond_signal(&b->work);
        unlock(b);
    }
}

static int
mutex_open(void *cli, const char *where)
{
    static const struct meet_manners manners = {
        .board_size = sizeof(struct board),
        .place_size = sizeof(struct place),
        .board_prot = PROT_READ | PROT_WRITE,
        .prepare = make_place,
        .knock = knock,
    };
    struct client_end *c = cli;

    return meet_join(&c->meet, &meet_shm, where, &manners, geteuid());
}

/* Waits, with the lock held after 0, until the message in the place is a reply,
 * or (if there has to be none) until there is no request. */
static int
lock_when(struct client_end *c, bool reply, int64_t deadline)
{
    struct board *b = c->meet.board;
    struct place *p = c->meet.place;
    struct held held = {.holding = false};
    int err = 0;

    while (err == 0) {
        int64_t until = earlier(deadline, now_ns() + MEET_SLICE);

        err = lock(b, until);
        if (err == 0) {
            if (reply ? p->state == REPLY : p->state != REQUEST)
                break;
            if (atomic_load(&p->head.verdict) == MEET_OVER)
                err = -EPIPE;
            else
                err = wait_on(b, &p->answered, until);
            if (err == 0 && reply && p->state == REPLY)
                break;
            unlock(b);
        }
        if (err == -ETIMEDOUT) {
            if (!meet_server_lives(&c->meet))
                err = -EPIPE;
            else
                err = tired(&held, deadline);
        }
    }
    signals_release(&held);
    return err;
}

static int
mutex_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct place *p = c->meet.place;
    int err = lock_when(c, true, deadline_in(timeout_ns));

    msg->fd = -1;
    if (err == 0) {
        msg->len = p->len;
        memcpy(msg->buf, p->bytes, msg->len);
        p->state = EMPTY;
        unlock(c->meet.board);
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
        err = lock_when(c, c->reply == GIVEN_UP, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    if (atomic_load(&p->head.verdict) == MEET_OVER) {
        unlock(b);
        return -EPIPE;
    }
    memcpy(p->bytes, msg->buf, msg->len);
    p->len = (uint32_t)msg->len;
    p->state = REQUEST; /* last: who dies before has said nothing */
    unlock(b);
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

/* -- limits, table -------------------------------------------------------------- */

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
    .wire =
        "As shm/futex until you are welcome, with `shm-mutex` in the names. "
        "But the board is\nwritable and 88 bytes long, a place 65768; and in "
        "both there are objects of the C\nlibrary, so client and server have "
        "to use the same one (glibc, x86-64).\n"
        "\n"
        "| board | |\n"
        "|---|---|\n"
        "| 0 | lock: pthread_mutex_t, shared and robust |\n"
        "| 40 | work: pthread_cond_t, shared; the server waits on it |\n"
        "\n"
        "| place | |\n"
        "|---|---|\n"
        "| 48 | answered: pthread_cond_t, shared; make it before you are "
        "ready, and wait on it |\n"
        "| 96 | state: 0 empty, 1 request, 2 reply |\n"
        "| 100 | length of the frame |\n"
        "| 104 | the frame |\n"
        "\n"
        "Touch the place only with the lock held. When you have the lock and "
        "state is not 1:\nput the frame there, set state to 1, signal work. "
        "Wait on answered until state is 2,\ntake the reply, set state to 0. "
        "To knock, signal work. EOWNERDEAD: call\npthread_mutex_consistent(3) "
        "and go on.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = meet_shm_unavailable,
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

/*
 * rt.c - the bytes of a message in queued real-time signals.
 *
 *      client                                    server: fork, exec
 *      SIGRTMIN, value  -- 8 bytes each -->      sigtimedwait(2)
 *      sigtimedwait(2)  <-- 8 bytes each --      the client's number, value
 *
 * The one idea: a real-time signal is a small message.  Unlike the others it
 * is queued, one entry for each that was sent; those of one number come in the
 * order in which they were sent; and sigqueue(3) gives it a value of the size
 * of a pointer.  Nobody needs a handler: blocked signals stay in the queue
 * until sigtimedwait(2) takes them.
 *
 * The queue has an end, RLIMIT_SIGPENDING, and all processes of the receiver's
 * user share it; when it is full, sigqueue(3) says EAGAIN.
 *
 * Who sends: the kernel lets that user and root, see link.h, and that is what
 * stands behind the evidence.  The pid in SI_QUEUE is the sender's own word.
 * A chunk that a liar of the same uid slips in makes nonsense of a message or
 * ends the connection, which it could also do with kill(2).
 */
#define _GNU_SOURCE /* siginfo_t */
#include "chunk.h"
#include "core/clock.h"
#include "core/turn.h"
#include "link.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

/* While the queue is full: nothing tells when there is room again, ns. */
#define TRY_AGAIN (1 * NS_PER_MS)

struct server {
    struct link link;
    struct incoming in;
    struct ipc_peer peer; /* the only one there will ever be */
    bool client_gone;
};

struct client_end {
    struct link link;
    struct incoming in;
    struct turn turn;
};

/* -- a row of signals, and the end of the queue --------------------------- */

/* The next message, chunk by chunk.  Interrupted, it can be called again: what
 * has come stays in *in. */
static int
receive(const struct link *l, struct incoming *in, int64_t deadline)
{
    siginfo_t info;
    int number, whole = 0;

    while (whole == 0) {
        number = link_wait(l, &info, deadline);
        if (number < 0)
            return number;
        whole = chunk_add(in, &info.si_value);
    }
    return whole < 0 ? whole : 0;
}

/* The queue is full.  The other side empties it if it is awake; meanwhile it
 * may only hang up: who answers before the question is complete is not
 * speaking our protocol. */
static int
wait_for_room(const struct link *l, int64_t deadline)
{
    int64_t soon = now_ns() + TRY_AGAIN;
    int err = link_wait(l, NULL, soon < deadline ? soon : deadline);

    if (err > 0)
        return -EPIPE;
    return err == -ETIMEDOUT && time_left(deadline) != 0 ? 0 : err;
}

/* EAGAIN is the receiver's queue, full: RLIMIT_SIGPENDING, which all processes
 * of its user share (sigqueue(3)).  A signal of ours does not end the wait, or
 * half a message would have gone out. */
static int
send_chunk(const struct link *l, int number, const uint8_t *chunk,
           int64_t deadline)
{
    union sigval value;
    int err;

    memcpy(&value, chunk, sizeof value);
    while ((err = link_send(l, number, &value)) == -EAGAIN) {
        err = wait_for_room(l, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    return err;
}

/* The first chunk says how long the message is; the others are numbered, so
 * that a chunk from somebody else is noticed (chunk.h).  They arrive in the
 * order in which they were sent, because all have the same signal number:
 * signal(7), "Real-time signals".  *begun: the other side has heard a part of
 * it. */
static int
transmit(const struct link *l, int number, const struct ipc_message *msg,
         int64_t deadline, bool *begun)
{
    uint8_t chunk[sizeof(union sigval)] = {0};
    const uint8_t *from = msg->buf;
    int err;

    put16(chunk + 1, (uint16_t)msg->len);
    chunk[3] = sizeof(union sigval);
    err = send_chunk(l, number, chunk, deadline);
    *begun = err == 0;
    for (size_t at = 0; at < msg->len && err == 0; at += CHUNK) {
        size_t n = msg->len - at < CHUNK ? msg->len - at : CHUNK;

        chunk[0] = chunk_after(chunk[0]);
        memcpy(chunk + 1, from + at, n);
        err = send_chunk(l, number, chunk, deadline);
    }
    return err;
}

/* -- server --------------------------------------------------------------- */

static int
rt_create(void *srv, const char *name)
{
    const struct ipc_message ready = {.len = 0};
    struct server *s = srv;
    bool begun;
    int err;

    (void)name;
    s->link.code = SI_QUEUE;
    sigemptyset(&s->link.set);
    err = link_accept(&s->link, &s->peer);
    if (err != 0)
        return err;
    /* From here on a signal does not kill us any more; that is what the client
     * has been waiting for. */
    return transmit(&s->link, s->link.number, &ready, NO_DEADLINE, &begun);
}

static int
rt_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    if (s->client_gone)
        return -EPIPE;
    err = receive(&s->link, &s->in, deadline_in(timeout_ns));
    if (err != 0)
        return err;
    chunk_hand_over(&s->in, &req->msg);
    req->peer = s->peer;
    req->reply_to = 0;
    return 0;
}

static int
rt_reply(void *srv, const struct ipc_request *req,
         const struct ipc_message *msg)
{
    struct server *s = srv;
    bool begun;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true;
        return 0;
    }
    /* Waiting for the client is no danger here: there is no other. */
    return transmit(&s->link, s->link.number, msg, NO_DEADLINE, &begun);
}

static void
rt_destroy(void *srv)
{
    (void)srv;
}

/* -- client --------------------------------------------------------------- */

/* turn.h: the next message, which nobody wants to read: "ready", or a reply
 * that was given up.  It comes all the same, and comes first. */
static int
discard(void *cli, int64_t deadline)
{
    struct client_end *c = cli;

    return receive(&c->link, &c->in, deadline);
}

static int
rt_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int err;

    c->link.code = SI_QUEUE;
    sigemptyset(&c->link.set);
    err = link_open(&c->link, where, "signals/rt", -1);
    if (err != 0)
        return err;
    c->turn.state = TURN_GIVEN_UP; /* "ready" comes as if it were a reply */
    err = turn_take(&c->turn, discard, c, deadline_in(ipc_open_timeout));
    if (err == 0 && c->in.word != sizeof(union sigval))
        err = -EPROTONOSUPPORT; /* a program of 32 bits, and one of 64 */
    if (err == 0)
        return 0;
    link_close(&c->link);
    return err == -EPIPE ? -ECONNREFUSED : err; /* it ended at once */
}

static int
rt_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err = turn_may_send(&c->turn);
    bool begun;

    if (err == 0)
        err = turn_take(&c->turn, discard, c, deadline);
    if (err != 0)
        return err;
    err = transmit(&c->link, LINK_TO_SERVER, msg, deadline, &begun);
    if (err != 0 && begun) /* half a message: there is no going on */
        turn_failed(&c->turn, -EPIPE);
    if (err == 0 && wire_wants_reply(msg))
        turn_sent(&c->turn, msg);
    return err;
}

static int
rt_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int err = receive(&c->link, &c->in, deadline_in(timeout_ns));

    msg->fd = -1;
    if (err != 0)
        return turn_failed(&c->turn, err);
    turn_back(&c->turn);
    chunk_hand_over(&c->in, msg);
    return 0;
}

static void
rt_close(void *cli)
{
    struct client_end *c = cli;

    link_close(&c->link);
}

static void
rt_forget(void *cli)
{
    struct client_end *c = cli;

    link_forget(&c->link);
}

/* -- limits, table -------------------------------------------------------- */

static int
rt_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

static const char *
rt_unavailable(void)
{
    struct rlimit queue;

    if (getrlimit(RLIMIT_SIGPENDING, &queue) == 0 && queue.rlim_cur == 0)
        return "RLIMIT_SIGPENDING is 0: no signal can be queued (ulimit -i)";
    return link_unavailable();
}

const struct ipc_mechanism signals_rt = {
    .name = "signals/rt",
    .summary = "queued real-time signals, a few bytes in the value of each",
    .proof = "the real uid the server was exec'd with",
    .wire = CHUNK_WIRE,
    .caps = IPC_SPAWNED | IPC_BOUNDARIES,
    .evidence = IPC_PEER,
    .uses = IPC_USES_SIGNALS,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = rt_unavailable,
    .limits = rt_limits,
    .create = rt_create,
    .next = rt_next,
    .reply = rt_reply,
    .destroy = rt_destroy,
    .open = rt_open,
    .send = rt_send,
    .recv = rt_recv,
    .close = rt_close,
    .forget = rt_forget,
};

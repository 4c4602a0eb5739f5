/*
 * bits.c - one bit at a time, in the number of a signal that has no value.
 *
 *      client                                    server: fork, exec
 *      turn 0   SIGUSR1 = 0, SIGUSR2 = 1  --->   sigtimedwait(2)
 *      sigtimedwait(2)  <-------------------     SIGUSR1 = 0, SIGUSR2 = 1
 *      turn 1   SIGURG = 0,  SIGIO = 1    --->
 *               <---------------------------     SIGURG = 0,  SIGIO = 1
 *
 * The one idea: a standard signal is pending or it is not.  A second one,
 * whoever sent it, is lost without a trace while the first is pending.  So a
 * signal is a channel that loses, and whoever wants to be heard needs an answer
 * to every one of them, and says it again when none comes.  And because it may
 * have been the *answer* that was lost, the receiver must be able to tell the
 * same bit once more from the next bit: hence the second pair of numbers, in
 * turns.  This is the alternating bit protocol (alternate.c).
 *
 * The client always asks and the server always answers.  A bit of the request
 * is answered with 0; each bit of the reply is the answer to a 0.
 *
 * Who sends: kill(2) has the kernel fill in si_pid (SI_USER), so every single
 * bit carries the kernel's word for its sender: see link.h.
 */
#include "alternate.h"
#include "core/clock.h"
#include "core/turn.h"
#include "core/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MAX_MSG (WIRE_HEADER + 512) /* bytes; 8704 signals there and back */

struct incoming {
    uint8_t bytes[2 + MAX_MSG]; /* u16 length, and the message */
    size_t bits;
};

struct server {
    struct answerer bits;
    struct incoming in;
    struct ipc_peer peer; /* the only one there will ever be */
    bool client_gone;
};

struct client_end {
    struct asker bits;
    struct incoming in;
    struct turn turn;
};

/* -- wire: u16 length and the bytes, the least significant bit first ------ */

static size_t
bits_in(size_t len)
{
    return 8 * (2 + len);
}

static bool
bit_of(const struct ipc_message *msg, size_t i)
{
    const uint8_t *from = msg->buf;
    uint8_t len[2];

    put16(len, (uint16_t)msg->len);
    return (i < 16 ? len[i / 8] : from[i / 8 - 2]) >> (i % 8) & 1;
}

/* 1: a message is whole.  0: not yet.  -EPIPE: longer than the buffer; checked
 * as soon as the length is there, before a byte of the message is stored. */
static int
add_bit(struct incoming *in, bool bit)
{
    size_t at = in->bits / 8, i = in->bits % 8;

    if (i == 0)
        in->bytes[at] = 0;
    in->bytes[at] = (uint8_t)(in->bytes[at] | (unsigned)bit << i);
    in->bits++;
    if (in->bits < 16)
        return 0;
    if (get16(in->bytes) > MAX_MSG)
        return -EPIPE;
    return in->bits == bits_in(get16(in->bytes));
}

static void
hand_over(struct incoming *in, struct ipc_message *msg)
{
    msg->len = get16(in->bytes);
    memcpy(msg->buf, in->bytes + 2, msg->len);
    in->bits = 0;
}

/* -- server --------------------------------------------------------------- */

static int
bits_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err;

    (void)name;
    alternate_prepare(&s->bits.link);
    err = link_accept(&s->bits.link, &s->peer);
    if (err != 0)
        return err;
    /* From here on a signal does not kill us any more, and the client may
     * know.  This is the one thing that we say unasked, so it is for us to say
     * it again until the first question comes. */
    do {
        err = alternate_answer(&s->bits, 0);
        if (err == 0)
            err = alternate_hear(&s->bits, now_ns() + ASK_AGAIN);
    } while (err == -ETIMEDOUT || err == -EINTR);
    return err < 0 ? err : alternate_answer(&s->bits, 0);
}

static int
bits_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    int bit, err, whole = 0;

    if (s->client_gone)
        return -EPIPE;
    while (whole == 0) {
        bit = alternate_hear(&s->bits, deadline);
        if (bit < 0)
            return bit;
        whole = add_bit(&s->in, bit);
        err = whole < 0 ? whole : alternate_answer(&s->bits, 0);
        if (err != 0)
            return err;
    }
    hand_over(&s->in, &req->msg);
    req->peer = s->peer;
    req->reply_to = 0;
    return 0;
}

static int
bits_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    size_t bits;
    int err = 0;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true;
        return 0;
    }
    /* Waiting for the client is no danger here: there is no other.  The last
     * question says that it has heard the last bit; before that we must not
     * go, for it might ask for that one again; whatever interrupts us, and be
     * it a SIGCONT, signal(7). */
    bits = bits_in(msg->len);
    for (size_t i = 0; i <= bits && err == 0; i++) {
        do
            err = alternate_hear(&s->bits, NO_DEADLINE);
        while (err == -EINTR);
        if (err >= 0)
            err = alternate_answer(&s->bits, i < bits && bit_of(msg, i));
    }
    return err;
}

static void
bits_destroy(void *srv)
{
    (void)srv;
}

/* -- client --------------------------------------------------------------- */

static int
bits_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(ipc_open_timeout);
    int err;

    alternate_prepare(&c->bits.link);
    err = link_open(&c->bits.link, where, "signals/bits", -1);
    if (err != 0)
        return err;
    do
        err = link_wait(&c->bits.link, NULL, deadline); /* "ready" */
    while (err == -EINTR);
    while (err > 0 || err == -EINTR)
        err = alternate_ask(&c->bits, 0, deadline);
    if (err == 0)
        return 0;
    link_close(&c->bits.link);
    return err == -EPIPE ? -ECONNREFUSED : err; /* it ended at once */
}

/* Goes on where it was interrupted. */
static int
receive(struct client_end *c, int64_t deadline)
{
    int bit,
        whole = c->in.bits >= 16 && c->in.bits == bits_in(get16(c->in.bytes));

    while (whole == 0) {
        bit = alternate_ask(&c->bits, 0, deadline);
        if (bit < 0)
            return bit;
        whole = add_bit(&c->in, bit);
    }
    if (whole < 0)
        return whole;
    /* "I have it all."  By now the server may have gone: never mind. */
    bit = alternate_ask(&c->bits, 0, deadline);
    return bit < 0 && bit != -EPIPE ? bit : 0;
}

/* turn.h: a reply that was given up.  It comes all the same, and comes
 * first. */
static int
discard(void *cli, int64_t deadline)
{
    struct client_end *c = cli;
    int err = receive(c, deadline);

    if (err == 0)
        c->in.bits = 0;
    return err;
}

static int
bits_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err = turn_may_send(&c->turn);

    if (err == 0)
        err = turn_take(&c->turn, discard, c, deadline);
    if (err != 0)
        return err;
    for (size_t i = 0; i < bits_in(msg->len); i++) {
        do
            err = alternate_ask(&c->bits, bit_of(msg, i), deadline);
        while (err == -EINTR);
        if (err < 0) {
            turn_failed(&c->turn, -EPIPE); /* half a message */
            return err;
        }
    }
    if (wire_wants_reply(msg))
        turn_sent(&c->turn, msg);
    return 0;
}

static int
bits_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    msg->fd = -1;
    if (turn_is_mine(&c->turn)) {
        /* Nothing is to come: there is nothing to ask for. */
        do
            err = link_wait(&c->bits.link, NULL, deadline);
        while (err > 0);
        return err;
    }
    err = receive(c, deadline);
    if (err != 0)
        return turn_failed(&c->turn, err);
    turn_back(&c->turn);
    hand_over(&c->in, msg);
    return 0;
}

static void
bits_close(void *cli)
{
    struct client_end *c = cli;

    link_close(&c->bits.link);
}

static void
bits_forget(void *cli)
{
    struct client_end *c = cli;

    link_forget(&c->bits.link);
}

/* -- limits, table -------------------------------------------------------- */

static int
bits_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

const struct ipc_mechanism signals_bits = {
    .name = "signals/bits",
    .summary = "SIGUSR1 is 0, SIGUSR2 is 1, and every bit is answered",
    .proof = "the real uid the server was exec'd with; the kernel's si_pid on "
             "every bit",
    .wire = BITS_WIRE,
    .caps = IPC_SPAWNED | IPC_BOUNDARIES,
    .evidence = IPC_PEER,
    .uses = IPC_USES_SIGNALS,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = link_unavailable,
    .limits = bits_limits,
    .create = bits_create,
    .next = bits_next,
    .reply = bits_reply,
    .destroy = bits_destroy,
    .open = bits_open,
    .send = bits_send,
    .recv = bits_recv,
    .close = bits_close,
    .forget = bits_forget,
};

/*
 * sysv_types.c - one System V queue for everybody.
 *
 *      client A  --\                                  /--> server
 *      client B  ---> [ 1:ask A:answer 1:ask 1:ask ] ---<  (takes type 1)
 *                        \                       \
 *      client A  <--------+ (takes type A)        \------- client B (type B)
 *
 * The one idea: msgrcv(2) takes the oldest message *of a type*.  Requests have
 * type 1, and an answer has the type that its client has chosen for itself, so
 * a single queue serves both directions and everybody in it.
 *
 * What comes with it:
 *  - There is only one set of permissions.  Who may ask may also take other
 *    people's answers, and write answers of his own.
 *  - There is only one lot of room, kernel.msgmnb bytes.  Full of requests it
 *    has no room for the answers, and everybody waits for everybody.  So the
 *    room is divided beforehand: a client never has more than one message in
 *    the queue, and no message is larger than its share (msgq_limits()).
 *  - The kernel does not say who sent a message, only who sent the last one:
 *    msg_lspid.  By the time we look it may be another one.  Evidence K1.
 */
#define _GNU_SOURCE /* struct msginfo */
#include "sysv_types.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static int msgq_limits(struct ipc_limits *l); /* at the end */

/* -- server ---------------------------------------------------------------- */

static int
msgq_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct ipc_limits l;
    int err = msgq_limits(&l);

    if (err != 0)
        return err;
    s->max_clients = l.max_clients;
    /* Everybody reads and writes, or only our own user. */
    return sysv_create(&s->base, name, geteuid() == 0 ? 0666 : 0600,
                       PREFIX + l.max_msg);
}

/* 1 = a client's message, 0 = something else. */
static int
take(struct server *s, size_t len, struct ipc_request *req)
{
    const uint8_t *p = s->base.buf->text;
    struct session *from;
    uint32_t kind;
    long type;

    /* Anybody may write here, so anything may stand here. */
    if (len < PREFIX || get64(p) > LONG_MAX || get64(p) <= REQUESTS)
        return 0;
    type = (long)get64(p);
    kind = get32(p + 8);
    if (kind == JOIN && len == PREFIX + 4) {
        types_join(s, type, (pid_t)get32(p + PREFIX));
        return 0;
    }
    from = types_find(s, type);
    if (kind == LEAVE && from != NULL)
        types_drop(s, from);
    if (kind != MESSAGE)
        return 0;
    if (from == NULL || from->dismissed) {
        types_say(s, type, 0);
        return 0;
    }
    types_infer(s, from);
    req->peer = from->peer;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->reply_to =
        (uint64_t)from->generation << 32 | (uint64_t)(from - s->sessions);
    if (!wire_wants_reply(&req->msg))
        types_say(s, type, RECEIPT);
    return 1;
}

static int
msgq_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    ssize_t n;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    do {
        if (++s->taken % 256 == 0) /* seldom enough to cost nothing */
            types_look_around(s);
        n = sysv_receive(&s->base.wait, s->base.queue, s->base.buf,
                         s->base.size, REQUESTS, deadline);
        if (n < 0)
            return (int)n;
    } while (take(s, (size_t)n, req) == 0);
    return 0;
}

static int
msgq_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    struct session *to = &s->sessions[(uint32_t)req->reply_to];
    long type = to->type;

    if (type == 0 || to->generation != req->reply_to >> 32)
        return -EPIPE;
    if (msg == NULL) {
        to->dismissed = true;
        types_say(s, to->type, 0);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (msg->len > s->base.size - PREFIX)
        return -EMSGSIZE;
    s->base.buf->type = to->type;
    memcpy(s->base.buf->text, msg->buf, msg->len);
    if (msgsnd(s->base.queue, s->base.buf, msg->len, IPC_NOWAIT) == 0)
        return 0;
    /* EAGAIN: somebody has more in the queue than he should. */
    types_drop(s, to);
    types_say(s, type, 0);
    return -EPIPE;
}

static void
msgq_destroy(void *srv)
{
    sysv_destroy(&((struct server *)srv)->base);
}

/* -- client ---------------------------------------------------------------- */

static int
msgq_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    struct ipc_limits l;
    int err = msgq_limits(&l);

    if (err == 0)
        err = sysv_open(&c->base, where, PREFIX + l.max_msg);
    if (err != 0)
        return err;
    err = types_announce(c);
    if (err != 0)
        sysv_close(&c->base);
    return err;
}

static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    if (msg->len > c->base.size - PREFIX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->reply == DUE)
        return -EBUSY;
    /* One message at a time: the last one's answer must be out of the queue. */
    while (c->reply == UNWANTED) {
        ssize_t n = sysv_answer(&c->base, c->base.requests, c->type, deadline);

        if (n >= 0)
            c->reply = NONE;
        else if (n != -EINTR)
            return (int)n;
    }
    if (c->base.cut_off)
        return -EPIPE;
    types_put_prefix(c->base.buf, MESSAGE, c->type);
    memcpy(c->base.buf->text + PREFIX, msg->buf, msg->len);
    err = sysv_send(&c->base.wait, c->base.requests, c->base.buf,
                    PREFIX + msg->len, deadline);
    if (err == 0)
        c->reply = wire_wants_reply(msg) ? DUE : UNWANTED;
    return err;
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    ssize_t n;

    msg->fd = -1;
    do {
        n = sysv_answer(&c->base, c->base.requests, c->type, deadline);
        if (n >= 0 || n == -EPIPE)
            c->reply = NONE;
        else if (n == -ETIMEDOUT && c->reply == DUE)
            c->reply = UNWANTED;
        if (n < 0)
            return (int)n;
    } while (n == RECEIPT); /* of a notice */
    msg->len = (size_t)n;
    memcpy(msg->buf, c->base.buf->text, msg->len);
    return 0;
}

static void
msgq_close(void *cli)
{
    struct client_end *c = cli;

    types_leave(c);
    sysv_close(&c->base);
}

static void
msgq_forget(void *cli)
{
    sysv_forget(&((struct client_end *)cli)->base);
}

/* -- limits ---------------------------------------------------------------- */

/* Into so many parts the queue's room is divided.  One is for those who come
 * and go. */
#define SHARES 16

static int
msgq_limits(struct ipc_limits *l)
{
    struct msginfo info;
    int err = sysv_limits(&info);
    size_t room, share;

    if (err != 0)
        return err;
    room = (size_t)info.msgmnb;
    share = room / SHARES;
    if (share > (size_t)info.msgmax)
        share = (size_t)info.msgmax;
    if (share > IPC_MAX_MSG)
        share = IPC_MAX_MSG;
    l->max_msg = share - PREFIX;
    l->max_inflight = 1;
    l->max_clients = (unsigned)(room / share) - 1;
    if (l->max_clients > IPC_MAX_CLIENTS)
        l->max_clients = IPC_MAX_CLIENTS;
    return 0;
}

static const char *
msgq_unavailable(void)
{
    struct ipc_limits l;

    return sysv_unavailable(msgq_limits(&l) == 0 ? l.max_msg : 0);
}

/* -- table ----------------------------------------------------------------- */

const struct ipc_mechanism msgq_sysv_types = {
    .name = "msgq/sysv-types",
    .summary = "one System V queue for all, the type says whose a message is",
    .proof = "the queue's last sender, if it is who the client says it is",
    .wire = types_wire,
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_INFERRED,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = msgq_unavailable,
    .limits = msgq_limits,
    .create = msgq_create,
    .next = msgq_next,
    .reply = msgq_reply,
    .destroy = msgq_destroy,
    .open = msgq_open,
    .send = msgq_send,
    .recv = msgq_recv,
    .close = msgq_close,
    .forget = msgq_forget,
    .sweep = sysv_sweep,
};

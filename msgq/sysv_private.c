/*
 * sysv_private.c - one well-known System V queue for requests, and a private
 * one per client for its replies.
 *
 *      client A  --\                                server
 *                   >--  [ requests, 0622 ]  ------>  reads them all
 *      client B  --/
 *      client A  <---  [ replies of A, 0600 ]  -----  writes A's replies
 *      client B  <---  [ replies of B, 0600 ]  -----  writes B's replies
 *
 * The one idea: a queue made with IPC_PRIVATE has no key under which others
 * could find it, only an id; and it has permissions of its own.  So nobody can
 * take or forge another one's replies, and a client that does not collect them
 * fills its own queue and nobody else's.
 *
 * Who asks, and is he still there?  sysv_private_join.c.
 */
#define _GNU_SOURCE /* struct msginfo */
#include "sysv_private.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
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
    /* Only root can write into other users' 0600 queues, so only root invites
     * them.  They write, and do not read what others write. */
    return sysv_create(&s->base, name, geteuid() == 0 ? 0622 : 0600,
                       PREFIX + l.max_msg);
}

/* 1 = a client's message, 0 = something else. */
static int
take(struct server *s, size_t len, struct ipc_request *req)
{
    const uint8_t *p = s->base.buf->text;
    struct session *from;
    long kind;
    int queue;

    /* Anybody may write here, so anything may stand here. */
    if (len < PREFIX)
        return 0;
    queue = (int)get32(p);
    kind = s->base.buf->type;
    if (kind == JOIN && len == PREFIX + 4) {
        private_join(s, queue, get32(p + PREFIX));
        return 0;
    }
    from = private_find(s, queue);
    if (kind != MESSAGE || from == NULL || from->dismissed ||
        !nonce_equal(p + 4, from->nonce))
        return 0;
    req->peer = from->peer;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->reply_to = (uint64_t)from->generation << 32 | (uint32_t)queue;
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
            private_look_around(s);
        n = sysv_receive(&s->base.wait, s->base.queue, s->base.buf,
                         s->base.size, 0, deadline);
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
    struct session *to = private_find(s, (int)req->reply_to);

    if (to == NULL || to->generation != req->reply_to >> 32)
        return -EPIPE;
    if (msg == NULL) {
        to->dismissed = true;
        if (sysv_say(to->queue, JOIN, "", 0) != 0)
            private_drop(to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (msg->len > s->base.size - PREFIX)
        return -EMSGSIZE;
    s->base.buf->type = MESSAGE;
    memcpy(s->base.buf->text, msg->buf, msg->len);
    if (private_is_there(to) &&
        msgsnd(to->queue, s->base.buf, msg->len, IPC_NOWAIT) == 0)
        return 0;
    /* EAGAIN: it does not collect its replies.  Otherwise: it has gone. */
    private_drop(to);
    return -EPIPE;
}

static void
msgq_destroy(void *srv)
{
    sysv_destroy(&((struct server *)srv)->base); /* the clients' queues too */
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
    err = private_announce(c);
    if (err != 0)
        sysv_close(&c->base);
    return err;
}

static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    if (msg->len > c->base.size - PREFIX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->base.cut_off)
        return -EPIPE;
    private_put_prefix(c->base.buf, MESSAGE, c);
    memcpy(c->base.buf->text + PREFIX, msg->buf, msg->len);
    return sysv_send(&c->base.wait, c->base.requests, c->base.buf,
                     PREFIX + msg->len, deadline_in(timeout_ns));
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n = sysv_answer(&c->base, c->replies, 0, deadline_in(timeout_ns));

    msg->fd = -1;
    if (n < 0)
        return (int)n;
    msg->len = (size_t)n;
    memcpy(msg->buf, c->base.buf->text, msg->len);
    return 0;
}

static void
msgq_close(void *cli)
{
    struct client_end *c = cli;

    msgctl(c->replies, IPC_RMID, NULL);
    sysv_close(&c->base);
}

static void
msgq_forget(void *cli)
{
    sysv_forget(&((struct client_end *)cli)->base);
}

/* -- limits ---------------------------------------------------------------- */

static int
msgq_limits(struct ipc_limits *l)
{
    struct msginfo info;
    int err = sysv_limits(&info);
    size_t size;

    if (err != 0)
        return err;
    size = (size_t)(info.msgmax < info.msgmnb ? info.msgmax : info.msgmnb);
    if (size > IPC_MAX_MSG)
        size = IPC_MAX_MSG;
    l->max_msg = size - PREFIX;
    l->max_inflight = (unsigned)((size_t)info.msgmnb / l->max_msg);
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

const struct ipc_mechanism msgq_sysv_private = {
    .name = "msgq/sysv-private",
    .summary = "a System V queue for requests, a private one per client",
    .proof = "creator of the reply queue, and the nonce only he can read there",
    .wire = private_wire,
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_PERSISTS,
    .evidence = IPC_OWNER,
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

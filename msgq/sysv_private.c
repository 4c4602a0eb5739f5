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
 * Who asks?  The kernel notes who made a queue: msg_perm.cuid.  (Not .uid: the
 * owner may be changed, even to root.)  So a client joins: "my replies go to
 * queue 4".  The server looks who made that one, leaves a random nonce in it,
 * and from then on believes the requests that carry the nonce (core/owner.h).
 *
 * Nobody tells a queue that its reader has died, and it stays.  But the kernel
 * notes who last took something out: msg_lrpid.  If there is no such process
 * any more, the server removes the queue.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "core/clock.h"
#include "core/owner.h"
#include "core/rundir.h"
#include "core/wire.h"
#include "sysv.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct session {
    bool used;
    bool dismissed; /* not served any more, but it has not removed its queue */
    int queue;      /* the client's */
    uid_t creator;
    time_t made;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct server {
    struct sysv_server base;
    unsigned taken;
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    struct sysv_client base;
    int replies; /* our own queue */
    uint8_t nonce[NONCE_SIZE];
};

/* -- wire: requests -------------------------------------------------------------
 *
 *      type, then  0       4            20
 *                  +-------+------------+------------
 *                  | queue |   nonce    | body         queue: for the replies
 *                  +-------+------------+------------
 *
 * Type JOIN: no nonce yet, and the body is the uid that the client claims.
 * Type MESSAGE: the body is a frame.  A JOIN is answered with the nonce, or with
 * an empty message: the server is full. */

#define PREFIX   20
#define JOIN     1
#define MESSAGE  2
#define JOIN_LEN (PREFIX + 4)

static void
put_prefix(struct sysv_message *m, long type, const struct client_end *c)
{
    m->type = type;
    put32(m->text, (uint32_t)c->replies);
    memcpy(m->text + 4, c->nonce, NONCE_SIZE);
}

/* -- limits ---------------------------------------------------------------------- */

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

/* -- server ---------------------------------------------------------------------- */

static int
msgq_create(void *srv, const char *name)
{
    struct ipc_limits l;
    int err = msgq_limits(&l);

    if (err != 0)
        return err;
    /* Only root can write into other users' 0600 queues, so only root invites
     * them.  They write, and do not read what others write. */
    return sysv_create(&((struct server *)srv)->base, name,
                       geteuid() == 0 ? 0622 : 0600, PREFIX + l.max_msg);
}

/* Is this id still the client's queue?  Removed, and 65536 queues later, its id
 * may be a stranger's. */
static bool
is_there(const struct session *session, struct msqid_ds *ds)
{
    return msgctl(session->queue, IPC_STAT, ds) == 0 &&
           ds->msg_perm.cuid == session->creator &&
           ds->msg_ctime == session->made;
}

/* If anybody still waits in the queue, he wakes with EIDRM. */
static void
drop(struct session *session)
{
    struct msqid_ds ds;

    if (is_there(session, &ds))
        msgctl(session->queue, IPC_RMID, NULL);
    session->used = false;
}

static struct session *
find_session(struct server *s, int queue)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->used && i->queue == queue)
            return i;
    return NULL;
}

/* It has removed its queue, or there is no such process any more.  (0: in a
 * pid namespace where ours cannot look, or nothing has been taken yet.) */
static bool
is_gone(const struct session *session)
{
    struct msqid_ds ds;

    return !is_there(session, &ds) ||
           (ds.msg_lrpid > 0 && kill(ds.msg_lrpid, 0) == -1 && errno == ESRCH);
}

static struct session *
look_around(struct server *s)
{
    struct session *room = NULL;

    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++) {
        if (i->used && is_gone(i))
            drop(i);
        if (!i->used && room == NULL)
            room = i;
    }
    return room;
}

/* Whoever wrote this says that the queue is his.  If not: not a word, and a
 * client who meant it times out in open(). */
static void
join(struct server *s, int queue, uid_t claimed)
{
    struct session new = {.used = true, .queue = queue};
    struct session *room = look_around(s);
    struct msqid_ds ds;

    /* One that has joined already is left alone: this may be a third party,
     * and the owner has his nonce. */
    if (find_session(s, queue) != NULL || msgctl(queue, IPC_STAT, &ds) == -1 ||
        owner_check_perm(&ds.msg_perm, ds.msg_ctime, claimed, &new.peer) != 0)
        return;
    if (room == NULL) {
        sysv_say(queue, JOIN, "", 0);
        return;
    }
    new.creator = ds.msg_perm.cuid;
    new.made = ds.msg_ctime;
    if (nonce_make(new.nonce) != 0 ||
        sysv_note(&s->base, 1 + (unsigned)(room - s->sessions), queue) != 0)
        return;
    if (sysv_say(queue, JOIN, new.nonce, NONCE_SIZE) == 0)
        *room = new;
}

/* 1 = a client's message, 0 = something else. */
static int
take(struct server *s, size_t len, struct ipc_request *req)
{
    const uint8_t *p = s->base.buf->text;
    struct session *from;

    /* Anybody may write here, so anything may stand here. */
    if (len < PREFIX)
        return 0;
    if (s->base.buf->type == JOIN && len == JOIN_LEN)
        join(s, (int)get32(p), get32(p + PREFIX));
    from = find_session(s, (int)get32(p));
    if (s->base.buf->type != MESSAGE || from == NULL || from->dismissed ||
        !nonce_equal(p + 4, from->nonce))
        return 0;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->peer = from->peer;
    req->reply_to = (uint64_t)from->queue;
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
            look_around(s);
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
    struct session *to = find_session(s, (int)req->reply_to);
    struct msqid_ds ds;

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        to->dismissed = true;
        if (sysv_say(to->queue, JOIN, "", 0) != 0)
            drop(to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (msg->len > s->base.size - PREFIX)
        return -EMSGSIZE;
    s->base.buf->type = MESSAGE;
    memcpy(s->base.buf->text, msg->buf, msg->len);
    if (is_there(to, &ds) &&
        msgsnd(to->queue, s->base.buf, msg->len, IPC_NOWAIT) == 0)
        return 0;
    /* EAGAIN: it does not collect its replies.  Otherwise: it has gone. */
    drop(to);
    return -EPIPE;
}

static void
msgq_destroy(void *srv)
{
    sysv_destroy(&((struct server *)srv)->base); /* the clients' queues too */
}

/* -- client ---------------------------------------------------------------------- */

/* Announces the reply queue and waits for the nonce in it. */
static int
announce(struct client_end *c)
{
    int64_t deadline = deadline_in(IPC_OPEN_TIMEOUT);
    struct sysv_message *buf = c->base.buf;
    ssize_t n;
    int err;

    put_prefix(buf, JOIN, c);
    put32(buf->text + PREFIX, geteuid());
    err = sysv_send(&c->base.wait, c->base.requests, buf, JOIN_LEN, deadline);
    if (err != 0)
        return err;
    do
        n = sysv_answer(&c->base, c->replies, 0, deadline);
    while (n == -EINTR);
    if (n < 0)
        return c->base.cut_off ? -EAGAIN : (int)n;
    memcpy(c->nonce, buf->text, NONCE_SIZE);
    return n == NONCE_SIZE ? 0 : -EPIPE;
}

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
    c->replies = msgget(IPC_PRIVATE, 0600);
    if (c->replies == -1) {
        err = -errno;
        goto close_requests;
    }
    err = announce(c);
    if (err == 0)
        return 0;
    msgctl(c->replies, IPC_RMID, NULL);
close_requests:
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
    put_prefix(c->base.buf, MESSAGE, c);
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

/* -- table ------------------------------------------------------------------------ */

const struct ipc_mechanism msgq_sysv_private = {
    .name = "msgq/sysv-private",
    .summary = "a System V queue for requests, a private one per client",
    .proof = "creator of the reply queue, and the nonce only he can read there",
    .wire =
        "A FIFO `DIR/msgq-sysv-private.life` is open in the server as long as "
        "it lives: open\nit for reading, non-blocking; end of file means that "
        "it has gone. The first number in\nthe file `DIR/msgq-sysv-private` "
        "is the id of the queue for requests. Make a queue for\nreplies with "
        "IPC_PRIVATE and mode 0600; remove it when you leave. Then send "
        "messages of\ntype 1 (join) or 2 (message), with this text:\n"
        "\n"
        "| offset | size | |\n"
        "|---|---|---|\n"
        "| 0 | 4 | the id of your queue |\n"
        "| 4 | 16 | join: zero; message: the nonce |\n"
        "| 20 | | join: your effective uid, 4 bytes; message: a frame |\n"
        "\n"
        "First a join. The server answers with the nonce, 16 bytes, in your "
        "queue, or with an\nempty message: it is full; no answer means no. "
        "From then on your queue carries frames;\nan empty message, or the "
        "removal of the queue, means that you are cut off.",
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
    .sweep = sysv_sweep,
};

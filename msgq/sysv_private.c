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
 * The one idea: a queue has permissions of its own.  So nobody can take or
 * forge another one's replies, and a client that does not collect them fills
 * its own queue and nobody else's.
 *
 * Who asks?  The kernel notes who made a queue, msg_perm.cuid.  (Not .uid: the
 * owner can be changed, even to root; the client does, so that the server may
 * write here.)  So a client registers: "my queue is 4".  The server looks who
 * made queue 4 and leaves a random nonce in it, and from then on believes the
 * requests that carry the nonce (core/owner.h).
 *
 * The queue for requests is everybody's, so anybody can keep it full: the
 * kernel counts its room for all users together.  Newcomers register elsewhere,
 * in NAME.join.  And a client that finds it full puts its request into its own
 * queue, where it has room, and where the server looks now and then:
 *
 *      client A  --- x   [ 16,384 empty messages of B's ]  --->  drops them
 *      client A  ---->   [ A's own: request of A ]  ---------->  looks here, too
 */
#define _GNU_SOURCE /* struct msginfo */
#include "sysv.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Requests, and the text:
 *
 *      0       4            20
 *      +-------+------------+------------
 *      | queue |   nonce    | frame        queue: for the replies
 *      +-------+------------+------------
 */
#define PREFIX 20
enum { DOORBELL = 1, REPLY, DETOUR }; /* types */

static const char wire[] =
    "The file `DIR/msgq-sysv-private` has a line `queue ID ...`: the id of the "
    "queue for\nrequests. Make a queue for replies with mode 0600 and a key "
    "whose upper half is 0xeb1c\n(the lower: random), so that it is known "
    "whose it was if you crash; send an empty message\nto it and take it out; "
    "remove it when you leave. Give it to the server's user by IPC_SET:\nthe "
    "number in `DIR/msgq-sysv-private.user`, or else the owner of DIR. Then "
    "register, with\nyour queue's id as the first id (second: zero).\n"
    "\n" REGISTRATION_WIRE "\n\n"
    "Then ring: send an empty message of type 1 (doorbell) to the queue for "
    "requests, without\nwaiting. The server answers with the nonce, 16 bytes, "
    "in your queue, or with an empty\nmessage: it is full; no answer means "
    "no. All that it sends has type 2. Requests have\nthis text, and a type "
    "that only you and the server know: the first 4 bytes of the nonce,\nof "
    "which the uppermost two bits are set to 01:\n"
    "\n"
    "| offset | size | |\n"
    "|---|---|---|\n"
    "| 0 | 4 | the id of your queue |\n"
    "| 4 | 16 | the nonce |\n"
    "| 20 | | a frame |\n"
    "\n"
    "If the queue for requests stays full, send the same to your own queue, "
    "with type 3, and\nring until there is room for that. An empty message of "
    "type 2, or the removal of your\nqueue, means that you are cut off.";

/* -- server ---------------------------------------------------------------- */

struct server {
    struct sysv_server base;
    struct client_of {
        struct object_sysv queue;
        bool dismissed; /* not served any more, but it may have its queue */
    } clients[IPC_MAX_CLIENTS]; /* by the session's slot */
    unsigned detours; /* clients whose queues are still to be looked at */
    bool behind;      /* their requests in the queue for all, too */
    int last;         /* the one that was looked at last */
};

static int
find(const struct server *s, int queue)
{
    for (unsigned i = 0; i < s->base.sessions.top; i++)
        if (sessions_is_in(&s->base.sessions, i) &&
            s->clients[i].queue.id == queue)
            return (int)i;
    return -1;
}

/* If anybody still waits in the queue, it wakes with EIDRM. */
static void
disconnect(void *srv, unsigned slot)
{
    struct server *s = srv;

    queue_remove(&s->clients[slot].queue);
    sessions_leave(&s->base.sessions, slot);
}

static int
answers(const void *srv, unsigned slot)
{
    return ((const struct server *)srv)->clients[slot].queue.id;
}

/* It has removed its queue, or the one who last received there is no process
 * any more.  (0: it is in a pid namespace where ours cannot look.) */
static bool
is_gone(void *srv, unsigned slot)
{
    struct server *s = srv;
    const struct object_sysv *queue = &s->clients[slot].queue;
    struct msqid_ds ds;

    if (object_sysv_same(OBJECT_QUEUE, queue) != 0 ||
        msgctl(queue->id, IPC_STAT, &ds) == -1)
        return true;
    if (ds.msg_qnum != 0) /* replies, or a request */
        s->detours = s->base.sessions.count;
    return ds.msg_lrpid > 0 && kill(ds.msg_lrpid, 0) == -1 && errno == ESRCH;
}

/* Leaves a fresh nonce in the client's queue.  Is it still that one afterwards?
 * Then it was before, and nobody else has the nonce. */
static int
leave_nonce(struct server *s, unsigned slot, const struct object_sysv *queue,
            const struct ipc_peer *peer)
{
    uint8_t nonce[NONCE_SIZE];

    if (nonce_make(nonce) != 0 ||
        sysv_say(queue->id, REPLY, nonce, NONCE_SIZE) != 0 ||
        object_sysv_same(OBJECT_QUEUE, queue) != 0)
        return -EIDRM;
    sessions_take(&s->base.sessions, slot, peer, now_ns());
    memcpy(s->base.sessions.slot[slot].nonce, nonce, NONCE_SIZE);
    /* At once: not one request is believed that does not carry the nonce. */
    sessions_admit(&s->base.sessions, slot);
    s->clients[slot] = (struct client_of){.queue = *queue};
    return 0;
}

/* Whoever wrote this says that the queue is its own.  If not: not a word, and a
 * client who meant it times out in open(). */
static void
admit(void *srv, const struct registration *r)
{
    struct server *s = srv;
    struct object_sysv queue;
    struct ipc_perm perm;
    struct ipc_peer peer;
    int slot;

    /* One that has joined already is left alone: this may be a third party, and
     * the owner has its nonce. */
    if (find(s, (int)r->id[0]) != -1 ||
        object_sysv_look(OBJECT_QUEUE, (int)r->id[0], &queue, &perm) != 0 ||
        owner_check_perm(&perm, queue.created, r->uid, &peer) != 0)
        return;
    slot = sysv_choose(&s->base, peer.uid);
    if (slot < 0)
        sysv_say(queue.id, REPLY, "", 0);
    else if (leave_nonce(s, (unsigned)slot, &queue, &peer) == 0)
        registrar_joined(r);
}

/* Anybody may write here, so anything may stand here. */
static int
take(void *srv, size_t len, struct ipc_request *req)
{
    struct server *s = srv;
    const uint8_t *p = s->base.buf->text;
    int slot;

    if (s->base.buf->type == DOORBELL) {
        sysv_look_around(&s->base);
        return 0;
    }
    if (len < PREFIX)
        return 0;
    slot = find(s, (int)get32(p));
    if (slot == -1 || s->clients[slot].dismissed ||
        !nonce_equal(p + 4, s->base.sessions.slot[slot].nonce))
        return 0;
    req->peer = s->base.sessions.slot[slot].peer;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->reply_to = sessions_token(&s->base.sessions, (unsigned)slot);
    return 1;
}

/* Requests are of a type that only their author knows: so they can be asked for
 * by it, whatever else is in the queue, and how much. */
static long
type_of(const uint8_t nonce[NONCE_SIZE])
{
    return (long)((get32(nonce) & 0x3fffffff) | 0x40000000);
}

static void
flooded(void *srv)
{
    struct server *s = srv;

    s->detours = s->base.sessions.count;
    s->behind = true;
}

/* A request of this client that took another way, or waits behind what is
 * nobody's; -1. */
static ssize_t
receive_from(struct server *s, unsigned slot)
{
    const struct object_sysv *own = &s->clients[slot].queue;
    const long type = type_of(s->base.sessions.slot[slot].nonce);
    ssize_t n = -1;

    if (s->behind)
        n = msgrcv(s->base.queue.id, s->base.buf, s->base.size, type,
                   MSG_NOERROR | IPC_NOWAIT);
    if (n == -1 && object_sysv_same(OBJECT_QUEUE, own) == 0)
        n = msgrcv(own->id, s->base.buf, s->base.size, DETOUR,
                   MSG_NOERROR | IPC_NOWAIT);
    return n;
}

/* From the clients, in turn, until none of them has any more. */
static int
take_detour(void *srv, struct ipc_request *req)
{
    struct server *s = srv;

    while (s->detours > 0) {
        ssize_t n = -1;

        s->detours--;
        s->last = sessions_next(&s->base.sessions, s->last);
        if (s->last != -1)
            n = receive_from(s, (unsigned)s->last);
        if (n != -1 && take(s, (size_t)n, req) == 1) {
            s->detours = s->base.sessions.count;
            return 1;
        }
    }
    s->behind = false;
    return 0;
}

static const struct sysv_variant variant = {
    .types = 0, /* whatever there is: what nobody takes fills the queue */
    .admit = admit,
    .answers = answers,
    .is_gone = is_gone,
    .disconnect = disconnect,
    .take = take,
    .take_other = take_detour,
    .flooded = flooded,
    .evict_after = NO_DEADLINE,
};

static int msgq_limits(struct ipc_limits *l); /* at the end */

static int
msgq_create(void *srv, const char *name)
{
    struct ipc_limits l;
    int err = msgq_limits(&l);

    if (err != 0)
        return err;
    /* Only root lets others in.  They write, and do not read what others
     * write. */
    return sysv_create(srv, name, geteuid() == 0 ? 0622 : 0600,
                       PREFIX + l.max_msg, l.max_clients, &variant);
}

/* The id is looked at each time.  Between the look and the message somebody
 * would have to remove the queue and make millions, until the id comes back. */
static int
msgq_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    int slot = sessions_slot(&s->base.sessions, req->reply_to);
    struct client_of *to = &s->clients[slot == -1 ? 0 : slot];

    if (slot == -1)
        return -EPIPE;
    if (msg != NULL && msg->len > s->base.size - PREFIX)
        return -EMSGSIZE;
    s->base.buf->type = REPLY;
    if (msg != NULL)
        memcpy(s->base.buf->text, msg->buf, msg->len);
    to->dismissed = msg == NULL;
    if (object_sysv_same(OBJECT_QUEUE, &to->queue) == 0 &&
        msgsnd(to->queue.id, s->base.buf, msg != NULL ? msg->len : 0,
               IPC_NOWAIT) == 0)
        return 0;
    /* EAGAIN: it does not collect its replies.  Otherwise: it has gone. */
    disconnect(s, (unsigned)slot);
    return msg == NULL ? 0 : -EPIPE;
}

/* -- client ---------------------------------------------------------------- */

struct client_end {
    struct sysv_client base;
    int replies; /* our own queue */
    uint8_t nonce[NONCE_SIZE];
};

/* The lowest type up to REPLY: not what we have put there ourselves. */
#define FOR_US (-REPLY)

/* "My queue is ..."; and waits for the nonce in it. */
static int
join(struct client_end *c)
{
    const struct registration r = {.uid = geteuid(),
                                   .pid = (uint32_t)getpid(),
                                   .id = {(uint32_t)c->replies}};
    int64_t deadline = deadline_in(ipc_open_timeout);
    int err = sysv_register(&c->base, &r, deadline);
    ssize_t n;

    if (err != 0)
        return err;
    do
        n = sysv_answer(&c->base, c->replies, FOR_US, deadline);
    while (n == -EINTR);
    if (n < 0)
        return c->base.cut_off ? -EAGAIN : (int)n;
    memcpy(c->nonce, c->base.buf->text, NONCE_SIZE);
    return n == NONCE_SIZE ? 0 : -EPIPE;
}

static int
msgq_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    struct ipc_limits l;
    uid_t server;
    int err = msgq_limits(&l);

    if (err == 0)
        err = sysv_open(&c->base, where, PREFIX + l.max_msg, DOORBELL);
    if (err != 0)
        return err;
    err = endpoint_server(where, &server);
    c->replies = err == 0 ? queue_make_replies(server) : err;
    err = c->replies < 0 ? c->replies : join(c);
    if (err == 0)
        return 0;
    if (c->replies >= 0)
        msgctl(c->replies, IPC_RMID, NULL);
    sysv_close(&c->base);
    return err;
}

/* How long we wait for room before we use our own queue, ns. */
#define SOON (5 * NS_PER_MS)

/* The queue for requests is full; perhaps for long, and others are faster when
 * there is room.  Our own has some, unless we do not collect our replies. */
static int
send_anyhow(struct client_end *c, size_t len, int64_t deadline)
{
    struct sysv_client *b = &c->base;
    struct pollfd server = {.fd = b->server.life};

    for (;;) {
        int64_t soon = deadline_in(SOON);
        int err = -ETIMEDOUT;

        if (deadline < soon)
            soon = deadline;
        b->buf->type = type_of(c->nonce);
        if (!b->ringing) /* or it would overtake what is in our own */
            err = sysv_send(&b->wait, b->requests, b->buf, len, soon);
        if (err != -ETIMEDOUT)
            return err;
        if (DEFENCE("detour", time_left(deadline) == 0, true))
            return -ETIMEDOUT;
        b->buf->type = DETOUR;
        err = msgsnd(c->replies, b->buf, len, IPC_NOWAIT) == -1 ? errno : 0;
        sysv_ring(b);
        if (err != EAGAIN)
            return err == 0 ? 0 : -EPIPE;
        if (b->ringing && poll_until(&server, 1, soon) == 0)
            return -EPIPE;
    }
}

static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct sysv_message *m = c->base.buf;
    size_t len = PREFIX + msg->len;

    if (len > c->base.size)
        return -EMSGSIZE;
    if (c->base.cut_off)
        return -EPIPE;
    m->type = type_of(c->nonce);
    put32(m->text, (uint32_t)c->replies);
    memcpy(m->text + 4, c->nonce, NONCE_SIZE);
    memcpy(m->text + PREFIX, msg->buf, msg->len);
    /* There is room, nearly always. */
    if (!c->base.ringing && msgsnd(c->base.requests, m, len, IPC_NOWAIT) == 0)
        return 0;
    return send_anyhow(c, len, deadline_in(timeout_ns));
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n =
        sysv_answer(&c->base, c->replies, FOR_US, deadline_in(timeout_ns));

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
    .proof = "creator of the reply queue, and the nonce only its owner can "
             "read there",
    .wire = wire,
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_BESIDE | IPC_USES_SYSV | IPC_USES_CLAIM,
    .uid_from = IPC_UID_OBJECT,
    .floor = "floor/sysv-queue",
    .samples = IPC_SAMPLE_SLOW,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = msgq_unavailable,
    .limits = msgq_limits,
    .create = msgq_create,
    .next = sysv_next,
    .reply = msgq_reply,
    .destroy = sysv_destroy,
    .open = msgq_open,
    .send = msgq_send,
    .recv = msgq_recv,
    .close = msgq_close,
    .forget = msgq_forget,
    .sweep = sysv_sweep,
};

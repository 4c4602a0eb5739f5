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
#define _GNU_SOURCE /* getrandom, O_CLOEXEC */
#include "core/clock.h"
#include "core/rundir.h"
#include "core/wire.h"
#include "sysv.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct session {
    long type;      /* of the answers; 0: free */
    bool dismissed; /* not served any more, but its answers are its own */
    pid_t claimed;  /* the client's, it says */
    struct ipc_peer peer;
};

struct server {
    struct sysv_server base;
    unsigned max_clients, taken;
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    struct sysv_client base;
    long type; /* ours */
    enum { NONE, DUE, UNWANTED } reply;
};

/* -- wire: requests -------------------------------------------------------------
 *
 *      type 1, then  0      8      12
 *                    +------+------+------------
 *                    | type | kind | body            type: where the answer goes
 *                    +------+------+------------
 *
 * JOIN's body is the pid that the client claims, MESSAGE's is a frame, LEAVE
 * has none.  JOIN and notices are answered with a RECEIPT, one byte; a request
 * with a frame; and who is not, or no longer, a client: with an empty message. */

#define REQUESTS 1 /* the type */
#define PREFIX   12
#define JOIN     1
#define MESSAGE  2
#define LEAVE    3
#define JOIN_LEN (PREFIX + 4)
#define RECEIPT  1 /* bytes */

/* Into so many parts the queue's room is divided.  One is for those who come
 * and go. */
#define SHARES 16

static void
put_prefix(struct sysv_message *m, uint32_t kind, long type)
{
    m->type = REQUESTS;
    put64(m->text, (uint64_t)type);
    put32(m->text + 8, kind);
}

/* -- limits ---------------------------------------------------------------------- */

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

/* -- server ---------------------------------------------------------------------- */

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

/* A receipt, or an empty message.  If the queue is full nobody hears it. */
static void
say(struct server *s, long type, size_t len)
{
    (void)sysv_say(s->base.queue, type, "", len);
}

/* What the client did not collect takes up room of the others. */
static void
drop(struct server *s, struct session *session)
{
    while (msgrcv(s->base.queue, s->base.buf, s->base.size, session->type,
                  IPC_NOWAIT | MSG_NOERROR) != -1)
        continue;
    session->type = 0;
}

static struct session *
find_session(struct server *s, long type)
{
    for (struct session *i = s->sessions; i < s->sessions + s->max_clients; i++)
        if (i->type == type)
            return i;
    return NULL;
}

/* Nobody tells us that a client has died; but no process has its pid. */
static bool
is_gone(const struct session *session)
{
    return session->peer.pid > 0 && kill(session->peer.pid, 0) == -1 &&
           errno == ESRCH;
}

static void
look_around(struct server *s)
{
    for (struct session *i = s->sessions; i < s->sessions + s->max_clients; i++)
        if (i->type != 0 && is_gone(i))
            drop(s, i);
}

/* The effective ids of a process, as they are now.  Not the owner of its
 * directory: that is root, as soon as a process may not be traced: proc(5). */
static void
look_up(struct ipc_peer *peer, pid_t pid)
{
    char path[32], line[256];
    unsigned uid, gid;
    FILE *status;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    status = fopen(path, "re");
    if (status == NULL)
        return;
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Uid: %*u %u", &uid) == 1)
            peer->uid = uid;
        else if (sscanf(line, "Gid: %*u %u", &gid) == 1)
            peer->gid = gid;
    fclose(status);
    peer->pid = pid;
}

/*
 * Who sent the message that we have just taken?  If the queue's last sender is
 * the one who this client says it is, we suppose that.  It is a guess: another
 * may have sent since, this one may have been sent by another, and the pid may
 * be somebody else's by now.
 */
static void
infer(struct server *s, struct session *from, struct ipc_peer *peer)
{
    struct msqid_ds ds;

    *peer = IPC_PEER_UNKNOWN;
    peer->evidence = IPC_INFERRED;
    if (msgctl(s->base.queue, IPC_STAT, &ds) == -1 ||
        ds.msg_lspid != from->claimed)
        return;
    if (from->peer.pid == -1)
        look_up(&from->peer, from->claimed);
    *peer = from->peer;
}

static void
join(struct server *s, long type, pid_t claimed)
{
    struct ipc_peer peer;
    struct session *room;

    look_around(s);
    room = find_session(s, 0);
    /* One that has joined already is left alone. */
    if (room == NULL || find_session(s, type) != NULL) {
        say(s, type, 0);
        return;
    }
    *room = (struct session){
        .type = type, .claimed = claimed, .peer = IPC_PEER_UNKNOWN};
    room->peer.evidence = IPC_INFERRED;
    infer(s, room, &peer);
    say(s, type, RECEIPT);
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
    if (kind == JOIN && len == JOIN_LEN) {
        join(s, type, (pid_t)get32(p + PREFIX));
        return 0;
    }
    from = find_session(s, type);
    if (kind == LEAVE && from != NULL)
        drop(s, from);
    if (kind != MESSAGE)
        return 0;
    if (from == NULL || from->dismissed) {
        say(s, type, 0);
        return 0;
    }
    infer(s, from, &req->peer);
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->reply_to = (uint64_t)type;
    if (!wire_wants_reply(&req->msg))
        say(s, type, RECEIPT);
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
    struct session *to = find_session(s, (long)req->reply_to);

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        to->dismissed = true;
        say(s, to->type, 0);
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
    drop(s, to);
    say(s, (long)req->reply_to, 0);
    return -EPIPE;
}

static void
msgq_destroy(void *srv)
{
    sysv_destroy(&((struct server *)srv)->base);
}

/* -- client ---------------------------------------------------------------------- */

/* A type that is nobody else's: not the pid, which two clients of one process
 * share, and two processes in two pid namespaces. */
static int
choose_type(long *type)
{
    do
        if (getrandom(type, sizeof *type, 0) != sizeof *type)
            return -errno;
    while ((*type &= LONG_MAX) <= REQUESTS);
    return 0;
}

/* A JOIN or a LEAVE. */
static int
knock(struct client_end *c, uint32_t kind, size_t len, int64_t deadline)
{
    put_prefix(c->base.buf, kind, c->type);
    put32(c->base.buf->text + PREFIX, (uint32_t)getpid());
    return sysv_send(&c->base.wait, c->base.requests, c->base.buf, len,
                     deadline);
}

static int
announce(struct client_end *c)
{
    int64_t deadline = deadline_in(IPC_OPEN_TIMEOUT);
    int err = knock(c, JOIN, JOIN_LEN, deadline);
    ssize_t n;

    if (err != 0)
        return err;
    do
        n = sysv_answer(&c->base, c->base.requests, c->type, deadline);
    while (n == -EINTR);
    if (n >= 0)
        return 0;
    if (c->base.cut_off)
        return -EAGAIN;
    knock(c, LEAVE, PREFIX, 0); /* the JOIN may yet be taken */
    return (int)n;
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
    err = choose_type(&c->type);
    if (err == 0)
        err = announce(c);
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
    put_prefix(c->base.buf, MESSAGE, c->type);
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

    knock(c, LEAVE, PREFIX, 0); /* no room: then is_gone() will find out */
    sysv_close(&c->base);
}

/* -- table ------------------------------------------------------------------------ */

const struct ipc_mechanism msgq_sysv_types = {
    .name = "msgq/sysv-types",
    .summary = "one System V queue for all, the type says whose a message is",
    .proof = "the queue's last sender, if it is who the client says it is",
    .wire =
        "A FIFO `DIR/msgq-sysv-types.life` is open in the server as long as it "
        "lives: open it\nfor reading, non-blocking; end of file means that it "
        "has gone. The first number in the\nfile `DIR/msgq-sysv-types` is the "
        "id of the queue. Choose a random message type TYPE\nabove 1, and send "
        "messages of type 1 with this text:\n"
        "\n"
        "| offset | size | |\n"
        "|---|---|---|\n"
        "| 0 | 8 | TYPE |\n"
        "| 8 | 4 | 1 join, 2 message, 3 leave |\n"
        "| 12 | | join: your pid, 4 bytes; message: a frame; leave: nothing |\n"
        "\n"
        "Answers have the type TYPE: to a join or a notice one byte, to a "
        "request a frame; an\nempty one means that you are not, or no longer, "
        "a client. Take the answer out before\nyou send again: the queue's "
        "room is divided among all.",
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
    .sweep = sysv_sweep,
};

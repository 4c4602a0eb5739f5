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
 *    people's answers, and write answers of its own.
 *  - There is only one lot of room, kernel.msgmnb bytes.  Full of requests it
 *    has no room for the answers, and everybody waits for everybody.  So the
 *    room is divided beforehand: a client never has more than one message in
 *    the queue, and no message is larger than its share (msgq_limits()).  Who
 *    does not keep to that fills it; the server throws out what is nobody's,
 *    but there is no keeping ahead of those who put it in.
 *  - The kernel does not say who sent a message, only who sent the last one:
 *    msg_lspid.  By the time we look it may be another one.  Evidence K1.
 *  - It does not say either that somebody has died.  All there is to go by is a
 *    pid: the one that the client claims to have.
 */
#define _GNU_SOURCE /* struct msginfo, getrandom */
#include "sysv.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/turn.h"
#include "core/wire.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Requests are messages of this type.  An empty one only wakes the server; the
 * text of the others is
 *
 *      0      8      12
 *      +------+------+------------
 *      | type | kind | frame          type: where the answer goes
 *      +------+------+------------
 */
#define REQUESTS 1
#define PREFIX   12
#define RECEIPT  1 /* bytes of the answer to a registration or a notice */
enum { MESSAGE = 2, LEAVE };

static const char wire[] =
    "The file `DIR/msgq-sysv-types` has a line `queue ID ...`: the id of the "
    "queue. Choose a\nrandom message type TYPE above 1, and register, its "
    "lower half as the first id, its upper\nhalf as the second.\n"
    "\n" REGISTRATION_WIRE "\n\n"
    "Then ring: send an empty message of type 1, without waiting. Requests "
    "are messages of\ntype 1 with this text:\n"
    "\n"
    "| offset | size | |\n"
    "|---|---|---|\n"
    "| 0 | 8 | TYPE |\n"
    "| 8 | 4 | 2 message, 3 leave |\n"
    "| 12 | | message: a frame; leave: nothing |\n"
    "\n"
    "Answers have the type TYPE: to a registration or a notice one byte, to a "
    "request a frame;\nan empty one means that you are not, or no longer, "
    "a client. Take the answer out before\nyou send again: the queue's "
    "room is divided among all.";

static void
put_prefix(struct sysv_message *m, uint32_t kind, long type)
{
    m->type = REQUESTS;
    put64(m->text, (uint64_t)type);
    put32(m->text + 8, kind);
}

/* -- server ---------------------------------------------------------------- */

struct server {
    struct sysv_server base;
    struct client_of {
        long type;      /* of the answers */
        pid_t claimed;  /* the client's, it says */
        bool dismissed; /* not served any more, but its answers are its own */
    } clients[IPC_MAX_CLIENTS]; /* by the session's slot */
};

static int
find(const struct server *s, long type)
{
    for (unsigned i = 0; i < s->base.sessions.top; i++)
        if (sessions_is_in(&s->base.sessions, i) && s->clients[i].type == type)
            return (int)i;
    return -1;
}

/* What the client did not collect takes up room of the others. */
static void
disconnect(void *srv, unsigned slot)
{
    struct server *s = srv;

    while (msgrcv(s->base.queue.id, s->base.buf, s->base.size,
                  s->clients[slot].type, IPC_NOWAIT | MSG_NOERROR) != -1)
        continue;
    sessions_leave(&s->base.sessions, slot);
}

static int
answers(const void *srv, unsigned slot)
{
    (void)slot;
    return ((const struct server *)srv)->base.queue.id;
}

/* Nobody tells us that a client has died; but no process has its pid. */
static bool
is_gone(void *srv, unsigned slot)
{
    pid_t pid = ((struct server *)srv)->base.sessions.slot[slot].peer.pid;

    return pid > 0 && kill(pid, 0) == -1 && errno == ESRCH;
}

/* The one who wrote this request, or -1. */
static int
author(const struct server *s, size_t len)
{
    const uint8_t *p = s->base.buf->text;

    if (len < PREFIX || get64(p) > LONG_MAX || get64(p) <= REQUESTS)
        return -1;
    return find(s, (long)get64(p));
}

/*
 * Takes all out of the queue once, and puts back what is somebody's: of each
 * client one request and one answer.  Anybody may put in what nobody will ever
 * take, and then there is no room for anything else.
 */
static void
clear_up(struct server *s)
{
    bool seen[2][IPC_MAX_CLIENTS] = {0};
    struct msqid_ds ds;

    if (DEFENCE("clear", msgctl(s->base.queue.id, IPC_STAT, &ds) == -1, true))
        return;
    for (; ds.msg_qnum > 0; ds.msg_qnum--) {
        struct sysv_message *m = s->base.buf;
        ssize_t n = msgrcv(s->base.queue.id, m, s->base.size, 0,
                           IPC_NOWAIT | MSG_NOERROR);
        bool request = n != -1 && m->type == REQUESTS;
        int slot = request ? author(s, (size_t)n) : find(s, m->type);

        if (n == -1)
            return;
        if (slot == -1 || seen[request][slot])
            continue;
        seen[request][slot] = true;
        msgsnd(s->base.queue.id, m, (size_t)n, IPC_NOWAIT);
    }
}

#define LOOK_AGAIN (10 * NS_PER_MS) /* ns; nobody can wake us if it is full */

/* More than there would be if everybody kept to the rules? */
static void
tidy(void *srv)
{
    struct server *s = srv;
    struct msqid_ds ds;
    bool crowded = msgctl(s->base.queue.id, IPC_STAT, &ds) == 0 &&
                   ds.msg_qnum > 2UL * s->base.sessions.count;

    if (crowded)
        s->base.wait.look = LOOK_AGAIN;
    else if (s->base.wait.look < SERVER_LOOK)
        s->base.wait.look = SERVER_LOOK;
    if (crowded)
        clear_up(s);
}

/* If the queue is full, nobody hears it. */
static void
say(struct server *s, long type, size_t len)
{
    if (sysv_say(s->base.queue.id, type, "", len) == -EAGAIN) {
        clear_up(s);
        (void)sysv_say(s->base.queue.id, type, "", len);
    }
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
 * be somebody else's by now.  Made once, it stands: to make it again for every
 * message would cost a system call each, and it would be as bad a guess.
 */
static void
infer(struct server *s, int slot)
{
    struct ipc_peer *peer = &s->base.sessions.slot[slot].peer;
    struct msqid_ds ds;

    if (peer->pid == -1 && msgctl(s->base.queue.id, IPC_STAT, &ds) == 0 &&
        ds.msg_lspid == s->clients[slot].claimed)
        look_up(peer, s->clients[slot].claimed);
    s->base.sessions.slot[slot].heard =
        peer->pid != -1 ? NO_DEADLINE : now_ns();
}

/* Who registers the kernel says, so nobody has more places than its share; who
 * asks then, in the one queue, is another question: infer(). */
static void
admit(void *srv, const struct registration *r)
{
    uint64_t type = (uint64_t)r->id[1] << 32 | r->id[0];
    struct ipc_peer peer = IPC_PEER_UNKNOWN;
    struct server *s = srv;
    int slot;

    /* One that has joined already is left alone. */
    if (type <= REQUESTS || type > LONG_MAX || find(s, (long)type) != -1)
        return;
    slot = sysv_choose(&s->base, DEFENCE("sender", r->sender, geteuid()));
    if (slot < 0) {
        say(s, (long)type, 0);
        return;
    }
    peer.uid = DEFENCE("sender", r->sender, (uid_t)-1);
    peer.evidence = IPC_INFERRED;
    sessions_take(&s->base.sessions, (unsigned)slot, &peer, now_ns());
    sessions_admit(&s->base.sessions, (unsigned)slot);
    s->clients[slot] =
        (struct client_of){.type = (long)type, .claimed = (pid_t)r->pid};
    infer(s, slot); /* it has just rung */
    registrar_joined(r);
    say(s, (long)type, RECEIPT);
}

static int
take_request(struct server *s, int slot, size_t len, struct ipc_request *req)
{
    if (s->clients[slot].dismissed) {
        say(s, s->clients[slot].type, 0);
        return 0;
    }
    infer(s, slot);
    req->peer = s->base.sessions.slot[slot].peer;
    if (req->peer.pid == -1) /* who registered is known, not who asks */
        req->peer.uid = (uid_t)-1;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, s->base.buf->text + PREFIX, req->msg.len);
    req->reply_to = sessions_token(&s->base.sessions, (unsigned)slot);
    if (!wire_wants_reply(&req->msg))
        say(s, s->clients[slot].type, RECEIPT);
    return 1;
}

/* Anybody may write here, so anything may stand here. */
static int
take(void *srv, size_t len, struct ipc_request *req)
{
    struct server *s = srv;
    const uint8_t *p = s->base.buf->text;
    int slot = author(s, len);

    if (slot != -1 && get32(p + 8) == LEAVE)
        disconnect(s, (unsigned)slot);
    else if (len == 0)
        sysv_look_around(&s->base);
    else if (slot != -1 && get32(p + 8) == MESSAGE)
        return take_request(s, slot, len, req);
    return 0;
}

/* How long a client may be silent whose pid is not known, so that nobody can
 * see whether it lives, when its slot is wanted by another one; ns. */
#define STRANGER_LASTS (5 * NS_PER_SEC)

static const struct sysv_variant variant = {
    .types = REQUESTS,
    .admit = admit,
    .answers = answers,
    .is_gone = is_gone,
    .disconnect = disconnect,
    .take = take,
    .tidy = tidy,
    .evict_after = STRANGER_LASTS,
};

static int msgq_limits(struct ipc_limits *l); /* at the end */

static int
msgq_create(void *srv, const char *name)
{
    struct ipc_limits l;
    int err = msgq_limits(&l);

    if (err != 0)
        return err;
    /* Everybody reads and writes, or only our own user. */
    return sysv_create(srv, name, geteuid() == 0 ? 0666 : 0600,
                       PREFIX + l.max_msg, l.max_clients, &variant);
}

static int
put_answer(struct server *s, long type, const struct ipc_message *msg)
{
    s->base.buf->type = type;
    memcpy(s->base.buf->text, msg->buf, msg->len);
    return msgsnd(s->base.queue.id, s->base.buf, msg->len, IPC_NOWAIT);
}

static int
msgq_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    int slot = sessions_slot(&s->base.sessions, req->reply_to);
    struct client_of *to = &s->clients[slot == -1 ? 0 : slot];

    if (slot == -1)
        return -EPIPE;
    if (msg == NULL) {
        to->dismissed = true;
        say(s, to->type, 0);
        return 0;
    }
    if (msg->len > s->base.size - PREFIX)
        return -EMSGSIZE;
    if (put_answer(s, to->type, msg) == 0)
        return 0;
    /* EAGAIN: somebody has more in the queue than it should. */
    clear_up(s);
    if (put_answer(s, to->type, msg) == 0)
        return 0;
    disconnect(s, (unsigned)slot);
    say(s, to->type, 0);
    return -EPIPE;
}

/* -- client ---------------------------------------------------------------- */

struct client_end {
    struct sysv_client base;
    long type; /* ours */
    struct turn turn;
    size_t answered; /* bytes of the answer that has come, in buf */
};

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

/* If there is no room for it, is_gone() will find out. */
static void
leave(struct client_end *c)
{
    put_prefix(c->base.buf, LEAVE, c->type);
    sysv_send(&c->base.wait, c->base.requests, c->base.buf, PREFIX, 0);
}

static int
join(struct client_end *c)
{
    struct registration r = {.uid = geteuid(), .pid = (uint32_t)getpid()};
    int64_t deadline = deadline_in(ipc_open_timeout);
    int err = choose_type(&c->type);
    ssize_t n;

    if (err != 0)
        return err;
    r.id[0] = (uint32_t)c->type;
    r.id[1] = (uint32_t)((uint64_t)c->type >> 32);
    err = sysv_register(&c->base, &r, deadline);
    if (err != 0)
        return err;
    do
        n = sysv_answer(&c->base, c->base.requests, c->type, deadline);
    while (n == -EINTR);
    if (n >= 0)
        return 0;
    if (c->base.cut_off)
        return -EAGAIN;
    leave(c); /* we may yet be taken in */
    return (int)n;
}

static int
msgq_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    struct ipc_limits l;
    int err = msgq_limits(&l);

    if (err == 0)
        err = sysv_open(&c->base, where, PREFIX + l.max_msg, REQUESTS);
    if (err != 0)
        return err;
    err = join(c);
    if (err != 0)
        sysv_close(&c->base);
    return err;
}

/* turn.h: waits for our answer to be there, and takes it out of the queue.  A
 * receipt answers a notice, and nothing else. */
static int
come_back(void *cli, int64_t deadline)
{
    struct client_end *c = cli;
    ssize_t n;

    do
        n = sysv_answer(&c->base, c->base.requests, c->type, deadline);
    while (n == RECEIPT && c->turn.state != TURN_NOTICE_OUT);
    if (n < 0)
        return (int)n;
    c->answered = (size_t)n;
    return 0;
}

/* One message at a time: the last one's answer must be out of the queue. */
static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    if (msg->len > c->base.size - PREFIX)
        return -EMSGSIZE;
    err = turn_may_send(&c->turn);
    if (err == 0)
        err = turn_take(&c->turn, come_back, c, deadline);
    if (err != 0)
        return err;
    if (c->base.cut_off)
        return -EPIPE;
    put_prefix(c->base.buf, MESSAGE, c->type);
    memcpy(c->base.buf->text + PREFIX, msg->buf, msg->len);
    err = sysv_send(&c->base.wait, c->base.requests, c->base.buf,
                    PREFIX + msg->len, deadline);
    if (err == 0)
        turn_sent(&c->turn, msg);
    return err;
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int err = turn_reply(&c->turn, come_back, c, deadline_in(timeout_ns));

    msg->fd = -1;
    if (err != 0)
        return err;
    msg->len = c->answered;
    memcpy(msg->buf, c->base.buf->text, msg->len);
    return 0;
}

static void
msgq_close(void *cli)
{
    struct client_end *c = cli;

    leave(c);
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
#define PARTS 16

static int
msgq_limits(struct ipc_limits *l)
{
    struct msginfo info;
    int err = sysv_limits(&info);
    size_t room, part;

    if (err != 0)
        return err;
    room = (size_t)info.msgmnb;
    part = room / PARTS;
    if (part > (size_t)info.msgmax)
        part = (size_t)info.msgmax;
    if (part > IPC_MAX_MSG)
        part = IPC_MAX_MSG;
    l->max_msg = part - PREFIX;
    l->max_inflight = 1;
    l->max_clients = (unsigned)(room / part) - 1;
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
    .wire = wire,
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_INFERRED,
    .uses = IPC_USES_BESIDE | IPC_USES_SYSV | IPC_USES_ONE_QUEUE,
    .pid_from = IPC_PID_QUEUE,
    .uid_from = IPC_UID_PROCESS,
    .reads = "/proc", /* whose pid that is, which the queue tells: its status */
    .floor = "floor/sysv-queue",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_ISOLATED,
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

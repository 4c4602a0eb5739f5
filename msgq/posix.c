/*
 * posix.c - one well-known POSIX queue for requests, and a private one per
 * client for its replies.
 *
 *      client A  --\                                       server
 *                   >--  /ipclab-HASH-msgq-posix, 0622  ---->  reads them all
 *      client B  --/
 *      client A  <---  .../PID.SERIAL of A, 0600  ---------  writes A's replies
 *      client B  <---  .../PID.SERIAL of B, 0600  ---------  writes B's replies
 *
 * The one idea: like a file, a POSIX queue has a name, an owner, a mode and,
 * on Linux, a descriptor.  So it can be waited for with poll(2); it can be
 * unlinked while in use, and then goes with its last user; and fstat(2) says
 * whose it is.
 *
 * Who asks?  A client joins: "my replies go to PID.SERIAL".  The server looks
 * who owns that queue, leaves a random nonce in it, and from then on believes
 * the requests that carry the nonce (core/owner.h).
 *
 * Nobody tells a queue that its reader has died.  So the client locks its queue
 * (fcntl(2), F_OFD_SETLK), and the kernel lets go of the lock when the client
 * dies, however it dies: the server asks for the lock now and then.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, getrandom */
#include "core/clock.h"
#include "core/owner.h"
#include "core/rundir.h"
#include "core/wire.h"
#include "posix_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqueue.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* The reply queue's name, but for what it begins with. */
struct queue_id {
    uint32_t pid, serial;
};

struct session {
    mqd_t queue; /* the client's; 0: free */
    struct queue_id id;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct server {
    char name[ENDPOINT_SIZE], queue_name[ENDPOINT_SIZE];
    int life;    /* NAME.life */
    mqd_t queue; /* the requests */
    uint8_t *buf;
    size_t size; /* of it, bytes */
    unsigned max_clients, taken;
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    int life; /* of the server (rundir.h) */
    mqd_t requests, replies;
    uint8_t *buf; /* size bytes */
    size_t size;
    bool cut_off;
    struct queue_id id;
    uint8_t nonce[NONCE_SIZE];
};

/* -- wire: requests -------------------------------------------------------------
 *
 *      0      4     8        12           28
 *      +------+-----+--------+------------+------------
 *      | kind | pid | serial |   nonce    | body
 *      +------+-----+--------+------------+------------
 *
 * JOIN: no nonce yet, and the body is the uid that the client claims.
 * MESSAGE: the body is a frame.  A JOIN is answered with the nonce, or with an
 * empty message: the server is full.  All with priority 0. */

#define PREFIX   28
#define JOIN     1
#define MESSAGE  2
#define JOIN_LEN (PREFIX + 4)

static void
put_prefix(uint8_t *p, uint32_t kind, const struct client_end *c)
{
    put32(p, kind);
    put32(p + 4, c->id.pid);
    put32(p + 8, c->id.serial);
    memcpy(p + 12, c->nonce, NONCE_SIZE);
}

/* "/ipclab-HASH-msgq-posix" is the server's, with ".PID.SERIAL" a client's. */
static int
reply_name(const char *name, const struct queue_id *id, char queue_name[256])
{
    char flat[ENDPOINT_SIZE];
    int err = endpoint_flat(name, flat);

    if (err == 0)
        snprintf(queue_name, 256, "%s.%" PRIu32 ".%" PRIu32, flat, id->pid,
                 id->serial);
    return err;
}

/* -- limits ---------------------------------------------------------------------- */

static int
msgq_limits(struct ipc_limits *l)
{
    struct posix_plan p;
    int err = posix_plan(&p);

    if (err != 0)
        return err;
    l->max_msg = p.size - PREFIX;
    l->max_inflight = (unsigned)p.replies;
    l->max_clients = p.clients;
    return 0;
}

/* -- server ---------------------------------------------------------------------- */

static int
msgq_sweep(const char *name)
{
    char queue_name[ENDPOINT_SIZE];
    int life = life_sweep(name), err = endpoint_flat(name, queue_name);

    if (err != 0)
        return err;
    if (mq_unlink(queue_name) == -1)
        return errno == ENOENT ? life : -errno;
    return 1;
}

static int
msgq_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct mq_attr attr = {0};
    struct posix_plan p;
    int err = msgq_sweep(name);

    if (err < 0)
        return err;
    err = posix_plan(&p);
    if (err != 0)
        return err;
    strcpy(s->name, name);
    endpoint_flat(name, s->queue_name);
    s->max_clients = p.clients;
    s->size = p.size;
    s->buf = malloc(s->size);
    if (s->buf == NULL)
        return -ENOMEM;
    s->life = life_make(name);
    if (s->life < 0) {
        err = s->life;
        goto free_buffer;
    }
    attr.mq_maxmsg = p.requests;
    attr.mq_msgsize = (long)p.size;
    /* O_EXCL: whatever is there is not ours, and mq_open(3) would be content
     * with it. */
    s->queue = mq_open(s->queue_name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                       0600, &attr);
    if (s->queue == -1) {
        err = -errno;
        goto close_life;
    }
    /* Only root can open other users' 0600 queues, so only root invites them.
     * They write, and do not read what others write. */
    if (geteuid() == 0 && fchmod(s->queue, 0622) == -1) {
        err = -errno;
        goto remove_queue;
    }
    return 0;

remove_queue:
    mq_close(s->queue);
    mq_unlink(s->queue_name);
close_life:
    close(s->life);
    life_sweep(name);
free_buffer:
    free(s->buf);
    return err;
}

/* Tells the client, if it is still there, that it is one no more.  If its
 * queue is full, one of the replies that it did not collect gives way. */
static void
drop(struct server *s, struct session *session)
{
    if (mq_send(session->queue, "", 0, 0) == -1 && errno == EAGAIN &&
        mq_receive(session->queue, (char *)s->buf, s->size, NULL) != -1)
        mq_send(session->queue, "", 0, 0);
    mq_close(session->queue);
    session->queue = 0;
}

static struct session *
find_session(struct server *s, const struct queue_id *id)
{
    for (struct session *i = s->sessions; i < s->sessions + s->max_clients; i++)
        if (i->queue != 0 && i->id.pid == id->pid && i->id.serial == id->serial)
            return i;
    return NULL;
}

/* Nobody holds the lock: the client has closed its queue, or died. */
static bool
is_gone(const struct session *session)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(session->queue, F_OFD_GETLK, &lock) == -1 ||
           lock.l_type == F_UNLCK;
}

static struct session *
look_around(struct server *s)
{
    struct session *room = NULL;

    for (struct session *i = s->sessions; i < s->sessions + s->max_clients;
         i++) {
        if (i->queue != 0 && is_gone(i))
            drop(s, i);
        if (i->queue == 0 && room == NULL)
            room = i;
    }
    return room;
}

/* Whoever wrote this says that the queue is his.  If not: not a word, and a
 * client who meant it times out in open(). */
static void
join(struct server *s, struct queue_id id, uid_t claimed)
{
    struct session new = {.id = id};
    struct session *room = look_around(s);
    char queue_name[256];

    /* One that has joined already is left alone: this may be a third party,
     * and the owner has his nonce. */
    if (find_session(s, &id) != NULL ||
        reply_name(s->name, &id, queue_name) != 0)
        return;
    /* For reading too: drop(). */
    new.queue = mq_open(queue_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (new.queue == -1)
        return;
    if (owner_check_fd(new.queue, S_IFREG, claimed, &new.peer) != 0)
        goto close_queue;
    if (room == NULL) {
        drop(s, &new);
        return;
    }
    if (nonce_make(new.nonce) != 0 ||
        mq_send(new.queue, (char *)new.nonce, NONCE_SIZE, 0) == -1)
        goto close_queue;
    *room = new;
    return;

close_queue:
    mq_close(new.queue);
}

/* 1 = a client's message, 0 = something else. */
static int
take(struct server *s, size_t len, struct ipc_request *req)
{
    const uint8_t *p = s->buf;
    struct session *from;
    struct queue_id id;

    /* Anybody may write here, so anything may stand here. */
    if (len < PREFIX)
        return 0;
    id = (struct queue_id){get32(p + 4), get32(p + 8)};
    if (get32(p) == JOIN && len == JOIN_LEN) {
        join(s, id, get32(p + PREFIX));
        return 0;
    }
    from = find_session(s, &id);
    if (get32(p) != MESSAGE || from == NULL ||
        !nonce_equal(p + 12, from->nonce))
        return 0;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->peer = from->peer;
    req->reply_to = (uint64_t)id.pid << 32 | id.serial;
    return 1;
}

static int
msgq_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    unsigned priority;
    ssize_t n;

    /* Served in the order of arrival: one queue for all is fair by itself,
     * as long as nobody uses the priority to get in front. */
    do {
        if (++s->taken % 256 == 0) /* seldom enough to cost nothing */
            look_around(s);
        /* With no time limit mq_receive(3) itself waits: a system call less.
         * (Its own time limit would move with the wall clock.) */
        if (timeout_ns >= 0) {
            int err = wait_for(s->queue, POLLIN, deadline);

            if (err != 0)
                return err;
        }
        n = mq_receive(s->queue, (char *)s->buf, s->size, &priority);
        if (n == -1)
            return -errno;
    } while (priority != 0 || take(s, (size_t)n, req) == 0);
    return 0;
}

static int
msgq_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    struct queue_id id = {(uint32_t)(req->reply_to >> 32),
                          (uint32_t)req->reply_to};
    struct session *to = find_session(s, &id);

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        drop(s, to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (mq_send(to->queue, msg->buf, msg->len, 0) == 0)
        return 0;
    /* EAGAIN: it does not collect its replies. */
    drop(s, to);
    return -EPIPE;
}

static int
msgq_pollfd(void *srv)
{
    return ((struct server *)srv)->queue;
}

static void
msgq_destroy(void *srv)
{
    struct server *s = srv;

    for (size_t i = 0; i < s->max_clients; i++)
        if (s->sessions[i].queue != 0)
            drop(s, &s->sessions[i]);
    mq_close(s->queue);
    close(s->life);
    msgq_sweep(s->name);
    free(s->buf);
}

/* -- client ---------------------------------------------------------------------- */

/* Opens the request queue, if it is the server's. */
static int
open_requests(struct client_end *c, const char *where)
{
    char queue_name[ENDPOINT_SIZE];
    struct mq_attr attr;
    struct stat st;
    int err = endpoint_flat(where, queue_name);

    if (err != 0)
        return err;
    c->requests = mq_open(queue_name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (c->requests == -1)
        return -errno;
    if (fstat(c->requests, &st) == -1 || mq_getattr(c->requests, &attr) == -1)
        err = -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0) {
        c->size = (size_t)attr.mq_msgsize;
        return 0;
    }
    mq_close(c->requests);
    return err;
}

/* Makes the reply queue, and locks it as long as we live. */
static int
make_replies(struct client_end *c, const char *where, char queue_name[256])
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct mq_attr attr = {0};
    struct posix_plan p;
    int err = posix_plan(&p);

    if (err != 0)
        return err;
    c->id.pid = (uint32_t)getpid();
    if (getrandom(&c->id.serial, sizeof c->id.serial, 0) == -1)
        return -errno;
    err = reply_name(where, &c->id, queue_name);
    if (err != 0)
        return err;
    attr.mq_maxmsg = p.replies;
    attr.mq_msgsize = (long)p.size - PREFIX; /* what recv()'s caller expects */
    c->replies = mq_open(queue_name,
                         O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC,
                         0600, &attr);
    if (c->replies == -1)
        return -errno;
    if (fcntl(c->replies, F_OFD_SETLK, &lock) == 0 &&
        fchmod(c->replies, 0600) == 0) /* whatever the umask */
        return 0;
    err = -errno;
    mq_close(c->replies);
    mq_unlink(queue_name);
    return err;
}

/* The next message for us.  -EPIPE: the server is dead, or has cut us off. */
static ssize_t
receive(struct client_end *c, void *buf, size_t size, int64_t deadline)
{
    struct pollfd p[] = {{.fd = c->replies, .events = POLLIN},
                         {.fd = c->life}}; /* POLLHUP comes unasked */
    ssize_t n;
    int err;

    if (c->cut_off)
        return -EPIPE;
    for (;;) {
        err = poll_until(p, 2, deadline);
        if (err != 0)
            return err;
        n = mq_receive(c->replies, buf, size, NULL);
        if (n > 0)
            return n;
        c->cut_off = n == 0; /* an empty message: the server's last word */
        if (n == -1 && errno != EAGAIN)
            return -errno;
        if (n == 0 || p[1].revents != 0)
            return -EPIPE;
    }
}

/* Sends one message; signals do not interrupt it. */
static int
transmit(struct client_end *c, size_t len, int64_t deadline)
{
    struct pollfd p[] = {{.fd = c->requests, .events = POLLOUT},
                         {.fd = c->life}};

    while (mq_send(c->requests, (char *)c->buf, len, 0) == -1) {
        int err = errno == EAGAIN ? poll_until(p, 2, deadline) : -errno;

        if (err != 0 && err != -EINTR)
            return err;
        if (err == 0 && p[1].revents != 0)
            return -EPIPE;
    }
    return 0;
}

/* Announces the reply queue and waits for the nonce in it. */
static int
announce(struct client_end *c)
{
    int64_t deadline = deadline_in(IPC_OPEN_TIMEOUT);
    ssize_t n;
    int err;

    put_prefix(c->buf, JOIN, c);
    put32(c->buf + PREFIX, geteuid());
    err = transmit(c, JOIN_LEN, deadline);
    if (err != 0)
        return err;
    do
        n = receive(c, c->buf, c->size, deadline);
    while (n == -EINTR);
    if (n < 0)
        return c->cut_off ? -EAGAIN : (int)n;
    memcpy(c->nonce, c->buf, NONCE_SIZE);
    return n == NONCE_SIZE ? 0 : -EPIPE;
}

static int
msgq_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    char queue_name[256];
    int err;

    c->life = life_watch(where);
    if (c->life < 0)
        return c->life;
    err = open_requests(c, where);
    if (err != 0)
        goto close_life;
    c->buf = malloc(c->size);
    if (c->buf == NULL) {
        err = -ENOMEM;
        goto close_requests;
    }
    err = make_replies(c, where, queue_name);
    if (err != 0)
        goto free_buffer;
    err = announce(c);
    /* Both sides have it open now, or never will; without a name, a crash from
     * here on leaves nothing. */
    mq_unlink(queue_name);
    if (err == 0)
        return 0;
    mq_close(c->replies);
free_buffer:
    free(c->buf);
close_requests:
    mq_close(c->requests);
close_life:
    close(c->life);
    return err;
}

static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    if (msg->len > c->size - PREFIX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->cut_off)
        return -EPIPE;
    put_prefix(c->buf, MESSAGE, c);
    memcpy(c->buf + PREFIX, msg->buf, msg->len);
    return transmit(c, PREFIX + msg->len, deadline_in(timeout_ns));
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n = receive(c, msg->buf, msg->cap, deadline_in(timeout_ns));

    msg->fd = -1;
    if (n < 0)
        return (int)n;
    msg->len = (size_t)n;
    return 0;
}

static void
msgq_close(void *cli)
{
    struct client_end *c = cli;

    mq_close(c->replies);
    mq_close(c->requests);
    free(c->buf);
    close(c->life);
}

/* -- table ------------------------------------------------------------------------ */

const struct ipc_mechanism msgq_posix = {
    .name = "msgq/posix",
    .summary = "POSIX queues, to be polled: requests, and replies per client",
    .proof = "owner of the reply queue, and the nonce only he can read there",
    .wire =
        "A FIFO `DIR/msgq-posix.life` is open in the server as long as it "
        "lives: open it for\nreading, non-blocking; end of file (or POLLHUP) "
        "means that it has gone. Requests go\nto the queue "
        "`/ipclab-HASH-msgq-posix`; HASH is the FNV-1a hash (32 bits, 8 hex "
        "digits)\nof the path `DIR/msgq-posix`. Choose a random 32-bit SERIAL "
        "and make the queue\n`/ipclab-HASH-msgq-posix.PID.SERIAL` (decimal) "
        "with mode 0600; take a read lock on it\n(F_OFD_SETLK) and keep it: "
        "without it you count as gone. Then send, with priority 0:\n"
        "\n"
        "| offset | size | |\n"
        "|---|---|---|\n"
        "| 0 | 4 | 1 join, 2 message |\n"
        "| 4 | 4 | PID |\n"
        "| 8 | 4 | SERIAL |\n"
        "| 12 | 16 | join: zero; message: the nonce |\n"
        "| 28 | | join: your effective uid, 4 bytes; message: a frame |\n"
        "\n"
        "First a join. The server answers with the nonce, 16 bytes, in your "
        "queue, or with an\nempty message: it is full; no answer means no. "
        "Then the name may be unlinked. From\nthen on your queue carries "
        "frames; an empty message means that you are cut off.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = posix_unavailable,
    .limits = msgq_limits,
    .create = msgq_create,
    .next = msgq_next,
    .reply = msgq_reply,
    .pollfd = msgq_pollfd,
    .destroy = msgq_destroy,
    .open = msgq_open,
    .send = msgq_send,
    .recv = msgq_recv,
    .close = msgq_close,
    .sweep = msgq_sweep,
};

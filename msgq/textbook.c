/*
 * textbook.c - the protocol over one System V queue as books teach it (APUE
 * 15.7, UNPv2 6.8, TLPI 46), for honest peers who do not die.
 *
 *      client A  --\                                  /--> server
 *      client B  ---> [ 1:ask A:answer 1:ask 1:ask ] ---<  (takes type 1)
 *                        \                       \
 *      client A  <--------+ (takes type A)        \------- client B (type B)
 *
 * The one idea: msgrcv(2) takes the oldest message *of a type*.  Requests have
 * type 1, an answer the type that its client has chosen, and so one queue,
 * which the kernel keeps, serves everybody in both directions.
 *
 * There is one lot of room for all.  Were it full of requests, no answer would
 * go in, and everybody would wait for everybody.  So the room is divided: a
 * client has one message in it at a time, and of its share's size at most.
 * What this form does not withstand stands in README.md; sysv_types.c and
 * sysv_private.c are what withstands it.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* struct msginfo */
#include "core/textbook.h"
#include "core/rundir.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#define REQUESTS 1  /* the type of all requests */
#define SHARES   16 /* clients that have room at once */

struct message {
    long type; /* must come first, and be above 0 */
    long reply_type;
    uint8_t frame[8192 - sizeof(long)]; /* kernel.msgmax, of the text */
};

/* The kernel counts the text alone, which is what follows the type. */
#define TEXT(frame_length) (sizeof(long) + (frame_length))
#define TEXT_MAX           (sizeof(struct message) - sizeof(long))

struct server {
    char name[ENDPOINT_SIZE];
    int queue;
    struct message m;
};

struct client_end {
    int queue;
    long reply_type;
    bool due, given_up; /* a reply; recv() did not wait for it to the end */
    struct message m;
};

/*
 * Takes the oldest message of a type; its length, or -errno.  msgrcv(2) has no
 * time limit.  Without one it waits itself; with one we look, sleep 1 ms, and
 * look again.  (The other way is alarm(2), whose signal interrupts it: but it
 * may come just before the call, and in a library it is somebody else's.)
 */
static ssize_t
take(int queue, long type, struct message *m, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    const int flags = timeout_ns < 0 ? 0 : IPC_NOWAIT;
    ssize_t n;
    int err;

    while ((n = msgrcv(queue, m, TEXT_MAX, type, flags)) == -1) {
        if (errno == EIDRM || errno == EINVAL)
            return -EPIPE; /* the queue has been removed */
        if (errno != ENOMSG)
            return -errno;
        err = nap(deadline);
        if (err != 0)
            return err; /* -ETIMEDOUT, -EINTR */
    }
    return n;
}

/* -- server ---------------------------------------------------------------- */

/* A file that all know, and a key made of its inode number.  -errno. */
static int
find_queue(const char *name, int flags)
{
    const key_t key = ftok(name, 'i');
    const int queue = key == -1 ? -1 : msgget(key, flags);

    return queue == -1 ? -errno : queue;
}

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;
    int fd, old;

    strcpy(s->name, name);
    /* block create: make the file, and the queue that it leads to */
    fd = open(name, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1)
        return -errno;
    close(fd);
    old = find_queue(name, 0);
    if (old >= 0) /* a dead server's: it outlives everybody */
        msgctl(old, IPC_RMID, NULL);
    s->queue = find_queue(name, IPC_CREAT | IPC_EXCL | 0600);
    if (s->queue < 0)
        unlink(name);
    return s->queue < 0 ? s->queue : 0;
    /* end: return -ENOSYS; */
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    ssize_t n;

    /* block next: take a request, note which type its answer is to have */
    n = take(s->queue, REQUESTS, &s->m, timeout_ns);
    if (n < 0)
        return (int)n; /* -ETIMEDOUT, -EINTR */
    req->msg.len = (size_t)n - TEXT(0);
    memcpy(req->msg.buf, s->m.frame, req->msg.len);
    req->reply_to = (uint64_t)s->m.reply_type; /* it says so, and is believed */
    req->peer = IPC_PEER_UNKNOWN; /* a queue does not say who sent a message */
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct server *s = srv;

    if (msg == NULL)
        return 0; /* nobody to cut off: there are no connections */
    /* block reply: send the answer, with its client's type */
    s->m.type = (long)req->reply_to;
    memcpy(s->m.frame, msg->buf, msg->len);
    /* IPC_NOWAIT: nobody but us makes room, so to wait for it were for ever.
     * The room of the request that we have taken is there, among the honest. */
    if (msgsnd(s->queue, &s->m, TEXT(msg->len), IPC_NOWAIT) == -1)
        return errno == EAGAIN ? -EPIPE : -errno;
    return 0;
    /* end: return -ENOSYS; */
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    /* block destroy: remove the queue, and the file.  Who waits in the queue
     * wakes up: EIDRM. */
    msgctl(s->queue, IPC_RMID, NULL);
    unlink(s->name);
    /* end: */
}

/* -- client ---------------------------------------------------------------- */

static int
textbook_open(void *cli, const char *where)
{
    static _Atomic unsigned opened; /* one process may have several clients */
    const int own = (int)(atomic_fetch_add(&opened, 1) & 0xff);
    struct client_end *c = cli;

    /* Above 1, and nobody else's: a pid has at most 22 bits, a long 31. */
    c->reply_type = (long)getpid() << 8 | own;
    /* block open: find the queue */
    c->queue = find_queue(where, 0);
    return c->queue < 0 ? c->queue : 0;
    /* end: return -ENOSYS; */
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n = 0;

    if (c->due && !c->given_up)
        return -EBUSY; /* one message at a time */
    /* block send: throw away a reply that came too late; send the request */
    if (c->due)
        n = take(c->queue, c->reply_type, &c->m, timeout_ns);
    if (n < 0)
        return (int)n;
    c->m.type = REQUESTS;
    c->m.reply_type = c->reply_type;
    memcpy(c->m.frame, msg->buf, msg->len);
    while (msgsnd(c->queue, &c->m, TEXT(msg->len), 0) == -1)
        if (errno != EINTR) /* waits for room; the server makes some */
            return errno == EIDRM || errno == EINVAL ? -EPIPE : -errno;
    c->due = wire_wants_reply(msg);
    c->given_up = false;
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n;

    msg->fd = -1;
    /* block recv: take the answer, which is the message of one's own type */
    n = take(c->queue, c->reply_type, &c->m, timeout_ns);
    c->given_up = n == -ETIMEDOUT;
    if (n < 0)
        return (int)n;
    c->due = false;
    msg->len = (size_t)n - TEXT(0);
    memcpy(msg->buf, c->m.frame, msg->len);
    return 0;
    /* end: return -ENOSYS; */
}

static void
textbook_close(void *cli)
{
    (void)cli; /* an id is no descriptor: there is nothing to close */
}

/* -- sweep, limits, table -------------------------------------------------- */

/* What a killed server leaves: the queue first, for without the file nobody
 * finds it. */
static int
textbook_sweep(const char *name)
{
    const int queue = find_queue(name, 0);

    if (queue >= 0 && msgctl(queue, IPC_RMID, NULL) == -1)
        return -errno;
    return endpoint_sweep(name);
}

static int
textbook_limits(struct ipc_limits *l)
{
    struct msginfo info;
    int share;

    if (msgctl(0, IPC_INFO, (void *)&info) == -1)
        return -errno;
    share = info.msgmnb / SHARES; /* kernel.msgmnb: bytes in a queue */
    if (share > info.msgmax)
        share = info.msgmax;
    if (share > (int)TEXT_MAX)
        share = (int)TEXT_MAX;
    *l = (struct ipc_limits){.max_msg = (size_t)share - TEXT(0),
                             .max_inflight = 1,
                             .max_clients = SHARES};
    return 0;
}

static const char *
textbook_unavailable(void)
{
    struct ipc_limits l = {.max_msg = 0};

    if (textbook_limits(&l) != 0)
        return "no System V queues here";
    return l.max_msg >= 256 && l.max_msg <= TEXT_MAX
               ? NULL
               : "queues are too small (sysctl kernel.msgmnb, kernel.msgmax)";
}

const struct ipc_mechanism msgq_textbook = {
    .name = "msgq/textbook",
    .summary = "as books teach it: one System V queue, found by ftok(3), types",
    .proof = "nothing: the request says whose it is",
    .wire =
        "`DIR/msgq-textbook` is an empty file; ftok(3) of it, with the number "
        "105 (`i`), is the key\nof a System V queue, which is its server's "
        "user's alone. Choose a message type TYPE above 1\nthat nobody else "
        "has. Requests are messages of type 1, whose text is TYPE (a long of "
        "the\nmachine) and a frame; answers are messages of that TYPE, with a "
        "long that means nothing, and\na frame. Take the answer out before "
        "you send again: the queue's room is divided among all.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING | IPC_TEXTBOOK,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_BESIDE | IPC_USES_SYSV | IPC_USES_ONE_QUEUE,
    .floor = "floor/sysv-queue",
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = textbook_unavailable,
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
    .sweep = textbook_sweep,
};

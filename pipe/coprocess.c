/*
 * coprocess.c - two half-duplex pipes to a server that the client starts.
 *
 *      client                                      server: fork, exec
 *      to_server[1]  ---- requests, a pipe ---->   0
 *      from_server[0] <--- replies, a pipe ----    1
 *
 * The one idea: nobody else can hold the other ends, so the server needs no
 * name, no permissions and no way to tell clients apart.  If the server
 * program is set-user-ID it gets its owner's rights by the exec, and the real
 * uid it keeps is its client's: the kernel's word, evidence K3.
 *
 * A pipe is a stream of bytes: where a message ends only its header tells
 * (core/frames.h).  pipe/packet.c lets the kernel keep them apart.
 */
#define _GNU_SOURCE /* pipe2, sched_getaffinity */
#include "core/clock.h"
#include "core/frames.h"
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

/* How much a write(2) gets: PIECE, below. */
struct pieces {
    pid_t reader;
    size_t size;
    unsigned left; /* long messages until one looks again */
};

struct server {
    struct frames in;
    struct pieces pieces;
    struct ipc_peer peer; /* the only one there will ever be */
    bool client_gone;
};

struct client_end {
    int to_server; /* O_NONBLOCK: a full pipe is answered by make_room() */
    int from_server;
    struct frames in;
    struct pieces pieces;
    struct spawned server;
    bool broken; /* a message was left half written */
};

/* -- wire: bytes through a pipe ------------------------------------------- */

/* One read(2): how many bytes it brought. */
static ssize_t
read_some(int fd, void *to, size_t room)
{
    ssize_t n;

    if (to == NULL)
        return -ENOMEM;
    n = read(fd, to, room);
    if (n == -1)
        return -errno;
    return n == 0 ? -EPIPE : n; /* 0: every write end is closed, it is gone */
}

/* A part of a message, for one write(2).  Where the reader has a CPU of its own
 * larger ones would be slower: a pipe keeps a page or two that have been read
 * for what comes next, and who writes more at once has the kernel take new ones
 * each time, and give them back.  Where the two have one CPU between them the
 * reader cannot read meanwhile, and each write(2) more may be a switch to it
 * and back. */
#define PIECE 8192

/* How many long messages are written before one looks where the two may run. */
#define LOOK_AGAIN 64

static bool
share_one_cpu(pid_t reader)
{
    cpu_set_t ours, its;

    return sched_getaffinity(0, sizeof ours, &ours) == 0 &&
           sched_getaffinity(reader, sizeof its, &its) == 0 &&
           CPU_COUNT(&ours) == 1 && CPU_EQUAL(&ours, &its);
}

static size_t
piece(struct pieces *p, size_t message)
{
    if (message <= PIECE)
        return message;
    if (p->left-- == 0) {
        p->size = share_one_cpu(p->reader) ? SIZE_MAX : PIECE;
        p->left = LOOK_AGAIN;
    }
    return p->size;
}

/* One write(2): how many bytes it took. */
static ssize_t
write_some(int fd, const uint8_t *from, size_t left, size_t at_most)
{
    ssize_t n = write(fd, from, left < at_most ? left : at_most);

    return n == -1 ? -errno : n;
}

/* With no time limit read(2) itself waits: a system call less.  With one
 * ppoll(2) waits, and after it read(2) does not: nobody else reads here. */
static int
read_message(int fd, struct frames *in, struct ipc_message *msg,
             int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    int got = frames_take(in, msg); /* may have come with the one before */

    while (got == 0) {
        int err = timeout_ns < 0 ? 0 : wait_for(fd, POLLIN, deadline);
        size_t room;
        void *to;
        ssize_t n;

        if (err != 0)
            return err;
        to = frames_place(in, msg, &room);
        n = read_some(fd, to, room);
        if (n < 0)
            return (int)n;
        got = frames_cut(in, msg, (size_t)n);
    }
    return got < 0 ? got : 0;
}

/* -- server --------------------------------------------------------------- */

static int
coprocess_create(void *srv, const char *name)
{
    struct server *s = srv;

    (void)name;
    frames_init(&s->in);
    /* Who started us.  Real ids survive the exec of a set-user-ID program.
     * The parent's pid is only a name: it may have died already. */
    s->peer = (struct ipc_peer){.pid = getppid(),
                                .uid = getuid(),
                                .gid = getgid(),
                                .evidence = IPC_PEER};
    s->pieces = (struct pieces){.reader = s->peer.pid};
    return 0;
}

static int
coprocess_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    if (s->client_gone)
        return -EPIPE;
    err = read_message(STDIN_FILENO, &s->in, &req->msg, timeout_ns);
    if (err == -EBADMSG) /* nonsense from the only peer: the end */
        return -EPIPE;
    if (err != 0)
        return err;
    req->peer = s->peer;
    req->reply_to = 0;
    return 0;
}

static int
coprocess_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg)
{
    struct server *s = srv;
    const uint8_t *from;
    size_t at_most;
    ssize_t n;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true;
        return 0;
    }
    /* Waiting for the client is no danger here: there is no other. */
    from = msg->buf;
    at_most = piece(&s->pieces, msg->len);
    for (size_t done = 0; done < msg->len; done += (size_t)n) {
        n = write_some(STDOUT_FILENO, from + done, msg->len - done, at_most);
        if (n < 0 && n != -EINTR)
            return (int)n; /* EPIPE: nobody holds the read end any more; and
                            * SIGPIPE, which would kill us: it is ignored */
        if (n < 0)
            n = 0;
    }
    return 0;
}

static int
coprocess_pollfd(void *srv)
{
    (void)srv;
    return STDIN_FILENO;
}

static void
coprocess_destroy(void *srv)
{
    struct server *s = srv;

    frames_free(&s->in);
}

/* -- client --------------------------------------------------------------- */

static int
coprocess_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int requests[2], replies[2], err;

    /* O_CLOEXEC: another program that this process starts would keep copies of
     * the ends without knowing it, and the end of file would never come.  The
     * server gets its two by dup2(2), which does not copy the flag. */
    if (pipe2(requests, O_CLOEXEC) == -1)
        return -errno;
    if (pipe2(replies, O_CLOEXEC) == -1) {
        err = -errno;
        goto close_requests;
    }
    /* The flag belongs to the open file description, pipe(2) made one for each
     * end, and this one we share with nobody: the server's end still waits. */
    if (fcntl(requests[1], F_SETFL, O_NONBLOCK) == -1) {
        err = -errno;
        goto close_replies;
    }
    err = spawn_server(where, "pipe/coprocess", requests[0], replies[1],
                       &c->server);
    if (err != 0)
        goto close_replies;
    /* The server's ends must be open in the server only: as long as we hold
     * one, neither side ever sees the end of file that says "gone". */
    close(requests[0]);
    close(replies[1]);
    c->to_server = requests[1];
    c->from_server = replies[0];
    c->broken = false;
    frames_init(&c->in);
    c->pieces = (struct pieces){.reader = c->server.pid};
    return 0;

close_replies:
    close(replies[0]);
    close(replies[1]);
close_requests:
    close(requests[0]);
    close(requests[1]);
    return err;
}

/* The pipe is full.  Waits for room, and meanwhile takes in replies: a server
 * that cannot get rid of a reply reads no requests, and if we in turn did not
 * read because we wait to write, both would wait for ever. */
static int
make_room(struct client_end *c, int64_t deadline)
{
    struct pollfd p[] = {
        {.fd = c->to_server, .events = POLLOUT},
        {.fd = c->from_server, .events = POLLIN},
    };
    int err = poll_until(p, 2, deadline);

    if (err != 0)
        return err == -EINTR ? 0 : err;
    if (p[1].revents != 0) { /* there is a reply, or the end of file */
        size_t room;
        void *to = frames_space(&c->in, &room);
        ssize_t n = read_some(c->from_server, to, room);

        if (n < 0)
            return (int)n;
        frames_add(&c->in, (size_t)n);
    }
    return 0;
}

static int
coprocess_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    const uint8_t *from = msg->buf;
    const size_t at_most = piece(&c->pieces, msg->len);
    size_t done = 0;

    if (c->broken)
        return -EPIPE;
    while (done < msg->len) {
        ssize_t n =
            write_some(c->to_server, from + done, msg->len - done, at_most);
        int err = n < 0 ? (int)n : 0;

        if (n > 0)
            done += (size_t)n;
        if (err == -EAGAIN)
            err = make_room(c, deadline);
        if (err != 0 && err != -EINTR) {
            /* The server waits for the rest of this message and would take the
             * next one for it: a stream has no other mark (frames.h). */
            c->broken = done > 0;
            return err;
        }
    }
    return 0;
}

static int
coprocess_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    msg->fd = -1;
    return read_message(c->from_server, &c->in, msg, timeout_ns);
}

/* The closing of the last write end is the message "the client is gone": the
 * server reads an end of file and ends (pipe(7)).  Then it is waited for, or it
 * would stay a zombie. */
static void
coprocess_close(void *cli)
{
    struct client_end *c = cli;

    close(c->to_server);
    close(c->from_server);
    frames_free(&c->in);
    spawn_reap(&c->server);
}

static void
coprocess_forget(void *cli)
{
    struct client_end *c = cli;

    close(c->to_server);
    close(c->from_server);
    frames_free(&c->in);
    spawn_forget(&c->server);
}

/* -- limits, table -------------------------------------------------------- */

static int
coprocess_limits(struct ipc_limits *l)
{
    /* A pipe holds 65536 bytes, pipe(7); but send() takes replies in while it
     * waits, and a message may be larger than the pipe. */
    *l = (struct ipc_limits){
        .max_msg = IPC_MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

const struct ipc_mechanism pipe_coprocess = {
    .name = "pipe/coprocess",
    .summary = "two pipes to a (set-user-ID) server the client forks and execs",
    .proof = "the real uid the server was exec'd with",
    .wire =
        "Make two pipes, fork, and exec the server with the read end of the "
        "first as\ndescriptor 0 and the write end of the second as descriptor "
        "1; close those two\nends in the client. Write requests to the first, "
        "read replies from the second:\nframes one after the other. Close both "
        "to end the server, and wait for it.",
    .caps = IPC_SPAWNED | IPC_PIPELINED | IPC_POLLABLE,
    .evidence = IPC_PEER,
    .uses = IPC_USES_CHANNEL,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/pipe",
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = coprocess_limits,
    .create = coprocess_create,
    .next = coprocess_next,
    .reply = coprocess_reply,
    .pollfd = coprocess_pollfd,
    .destroy = coprocess_destroy,
    .open = coprocess_open,
    .send = coprocess_send,
    .recv = coprocess_recv,
    .close = coprocess_close,
    .forget = coprocess_forget,
};

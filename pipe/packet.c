/*
 * packet.c - two pipes in packet mode to a server that the client starts.
 *
 *      client                                      server: fork, exec
 *      to_server[1]  ---- requests, a pipe ---->   0
 *      from_server[0] <--- replies, a pipe ----    1
 *
 * The one idea: with O_DIRECT the kernel keeps each write(2) of at most
 * PIPE_BUF bytes as a packet, and each read(2) takes exactly one (pipe(2)).
 * Nothing has to be gathered or cut: compare with coprocess.c, which carries
 * longer messages and pays for it with frames.
 */
#define _GNU_SOURCE /* pipe2, O_DIRECT */
#include "core/clock.h"
#include "core/spawn.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

struct server {
    struct ipc_peer peer; /* the only one there will ever be */
    bool client_gone;
};

struct client_end {
    int to_server; /* O_NONBLOCK: a full pipe is waited for with a limit */
    int from_server;
    struct spawned server;
};

/* -- wire: one packet, one message ---------------------------------------- */

/* With no time limit read(2) itself waits: a system call less.  With one
 * ppoll(2) waits, and after it read(2) does not: nobody else reads here.
 * A buffer shorter than the packet would lose the rest of it: pipe(2). */
static int
read_packet(int fd, struct ipc_message *msg, int64_t timeout_ns)
{
    int err =
        timeout_ns < 0 ? 0 : wait_for(fd, POLLIN, deadline_in(timeout_ns));
    ssize_t n;

    if (err != 0)
        return err;
    n = read(fd, msg->buf, msg->cap);
    if (n == -1)
        return -errno;
    if (n == 0) /* every write end is closed: it is gone */
        return -EPIPE;
    msg->len = (size_t)n;
    return 0;
}

/* All or nothing: a packet is never written in part.  Of more than PIPE_BUF
 * bytes the kernel would make several packets (pipe(2), O_DIRECT), and each
 * read(2) would bring one of them: so ipc_send() refuses them before. */
static int
write_packet(int fd, const struct ipc_message *msg)
{
    return write(fd, msg->buf, msg->len) == -1 ? -errno : 0;
}

/* -- server --------------------------------------------------------------- */

static int
packet_create(void *srv, const char *name)
{
    struct server *s = srv;

    (void)name;
    /* Who started us.  Real ids survive the exec of a set-user-ID program.
     * The parent's pid is only a name: it may have died already. */
    s->peer = (struct ipc_peer){.pid = getppid(),
                                .uid = getuid(),
                                .gid = getgid(),
                                .evidence = IPC_PEER};
    return 0;
}

static int
packet_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    if (s->client_gone)
        return -EPIPE;
    err = read_packet(STDIN_FILENO, &req->msg, timeout_ns);
    if (err != 0)
        return err;
    req->peer = s->peer;
    req->reply_to = 0;
    return 0;
}

static int
packet_reply(void *srv, const struct ipc_request *req,
             const struct ipc_message *msg)
{
    struct server *s = srv;
    int err;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true;
        return 0;
    }
    /* Waiting for the client is no danger here: there is no other. */
    do
        err = write_packet(STDOUT_FILENO, msg);
    while (err == -EINTR);
    return err;
}

static int
packet_pollfd(void *srv)
{
    (void)srv;
    return STDIN_FILENO;
}

static void
packet_destroy(void *srv)
{
    (void)srv;
}

/* -- client --------------------------------------------------------------- */

static int
packet_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int requests[2], replies[2], err;

    if (pipe2(requests, O_CLOEXEC | O_DIRECT) == -1)
        return -errno;
    if (pipe2(replies, O_CLOEXEC | O_DIRECT) == -1) {
        err = -errno;
        goto close_requests;
    }
    /* The flag belongs to the open file description, pipe(2) made one for each
     * end, and this one we share with nobody: the server's end still waits.
     * F_SETFL replaces all flags, so O_DIRECT is said again. */
    if (fcntl(requests[1], F_SETFL, O_NONBLOCK | O_DIRECT) == -1) {
        err = -errno;
        goto close_replies;
    }
    err =
        spawn_server(where, "pipe/packet", requests[0], replies[1], &c->server);
    if (err != 0)
        goto close_replies;
    /* The server's ends must be open in the server only: as long as we hold
     * one, neither side ever sees the end of file that says "gone". */
    close(requests[0]);
    close(replies[1]);
    c->to_server = requests[1];
    c->from_server = replies[0];
    return 0;

close_replies:
    close(replies[0]);
    close(replies[1]);
close_requests:
    close(requests[0]);
    close(requests[1]);
    return err;
}

static int
packet_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    /* After poll(2) there is room for one packet at least, but look again: the
     * wait may also have ended by a signal. */
    while ((err = write_packet(c->to_server, msg)) == -EAGAIN) {
        err = wait_for(c->to_server, POLLOUT, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    return err;
}

static int
packet_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    msg->fd = -1;
    return read_packet(c->from_server, msg, timeout_ns);
}

static void
packet_close(void *cli)
{
    struct client_end *c = cli;

    close(c->to_server);
    close(c->from_server);
    spawn_reap(&c->server);
}

static void
packet_forget(void *cli)
{
    struct client_end *c = cli;

    close(c->to_server);
    close(c->from_server);
    spawn_forget(&c->server);
}

/* -- limits, table -------------------------------------------------------- */

static int
packet_limits(struct ipc_limits *l)
{
    /* A pipe has 16 pages, pipe(7), and a packet takes one.  A client that
     * sends this many before it receives cannot be caught in the deadlock of
     * two full pipes. */
    *l = (struct ipc_limits){
        .max_msg = PIPE_BUF, .max_inflight = 16, .max_clients = 1};
    return 0;
}

const struct ipc_mechanism pipe_packet = {
    .name = "pipe/packet",
    .summary = "the same with O_DIRECT: the kernel keeps messages apart",
    .proof = "the real uid the server was exec'd with",
    .wire =
        "As pipe/coprocess, with pipes made by pipe2(O_DIRECT): one write(2) "
        "is one frame\nand at most PIPE_BUF (4096) bytes, one read(2) with a "
        "buffer of that size takes\none frame.",
    .caps = IPC_SPAWNED | IPC_PIPELINED | IPC_POLLABLE | IPC_BOUNDARIES,
    .evidence = IPC_PEER,
    .uses = IPC_USES_CHANNEL,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/pipe",
    .samples = IPC_SAMPLE_ISOLATED,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = packet_limits,
    .create = packet_create,
    .next = packet_next,
    .reply = packet_reply,
    .pollfd = packet_pollfd,
    .destroy = packet_destroy,
    .open = packet_open,
    .send = packet_send,
    .recv = packet_recv,
    .close = packet_close,
    .forget = packet_forget,
};

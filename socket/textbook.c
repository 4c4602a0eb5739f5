/*
 * textbook.c - the protocol over stream sockets as books teach it (TLPI 57.2
 * and 63.2, UNPv1 15, APUE 17.2), for honest peers who do not die.
 *
 *      client A  connect(NAME) ===== connection A ====\
 *                                                      server: bind, listen,
 *      client B  connect(NAME) ===== connection B ====/   accept, poll
 *
 * The one idea: a connection for each client, in both directions, and the
 * kernel says at once who is at its other end, and when it has gone.  The
 * server sleeps in one poll(2) over all of them.
 *
 * A stream is bytes: how many belong to a message only its header says.
 * core/textbook.h has the read(2) and the write(2), core/frames.h gathers what
 * came.  What this form does not withstand stands in README.md; stream.c is
 * what withstands it.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* accept4, struct ucred */
#include "core/textbook.h"
#include "core/rundir.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
    uint64_t number;  /* a descriptor's number comes back, this one does not */
    struct frames in; /* what has come, and is not a whole message yet */
    struct ipc_peer peer;
};

struct server {
    char name[ENDPOINT_SIZE];
    uint64_t accepted;
    unsigned count, turn; /* connections; who was served last */
    /* 0: new connections; 1 and up: those there are, one for one */
    struct pollfd fds[1 + IPC_MAX_CLIENTS];
    struct connection of[1 + IPC_MAX_CLIENTS];
};

struct client_end {
    int fd;
    struct frames in;
};

/* A path need not end with a 0 if it takes all the room there is: unix(7).  An
 * endpoint's does (ENDPOINT_SIZE). */
static void
set_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path,
           strnlen(path, sizeof address->sun_path - 1));
}

/* -- server ---------------------------------------------------------------- */

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct sockaddr_un address;
    int err, fd;

    strcpy(s->name, name);
    set_address(&address, name);
    /* block create: make a socket, give it the name, listen */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    unlink(name); /* a dead server's; or bind(2) says EADDRINUSE */
    /* Who may write to the file may connect: before it has its name, so that
     * nobody comes in between. */
    if (fchmod(fd, 0600) == -1 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(fd, SOMAXCONN) == -1) {
        err = -errno;
        close(fd);
        return err;
    }
    s->fds[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    return 0;
    /* end: return -ENOSYS; */
}

static void
accept_one(struct server *s)
{
    /* A descriptor for this client alone; the listening one is for the next. */
    int fd = accept4(s->fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
    struct ucred who = {.pid = 0};
    socklen_t len = sizeof who;
    unsigned i;

    if (fd == -1)
        return; /* it has changed its mind */
    i = ++s->count;
    s->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    s->of[i].number = ++s->accepted;
    s->of[i].peer = IPC_PEER_UNKNOWN;
    /* Who called connect(2), which need not be who writes: the kernel's word.
     * Pid 0: from another PID namespace, nobody whom we could name. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
        who.pid != 0)
        s->of[i].peer = (struct ipc_peer){.pid = who.pid,
                                          .uid = who.uid,
                                          .gid = who.gid,
                                          .evidence = IPC_PEER};
    frames_init(&s->of[i].in);
}

static void
part(struct server *s, unsigned i)
{
    close(s->fds[i].fd);
    frames_free(&s->of[i].in);
    s->fds[i] = s->fds[s->count]; /* the last one takes its place */
    s->of[i] = s->of[s->count--];
}

/* 1: a whole message had come, and is taken. */
static int
take_one(struct server *s, struct ipc_request *req)
{
    for (unsigned n = 0; n < s->count; n++) {
        const unsigned i = 1 + (s->turn + n) % s->count; /* each has its turn */

        if (frames_take(&s->of[i].in, &req->msg) != 1)
            continue;
        s->turn = i;
        req->peer = s->of[i].peer;
        req->reply_to = s->of[i].number;
        return 1;
    }
    return 0;
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct server *s = srv;

    /* block next: wait for whoever connects or sends, until one has sent a
     * whole message; say who it is */
    /* First what has been gathered before: of that poll(2) knows nothing. */
    while (take_one(s, req) == 0) {
        int err = poll_until(s->fds, 1 + s->count, deadline);

        if (err != 0)
            return err; /* -ETIMEDOUT, -EINTR */
        /* Backwards: who parts leaves its place to one seen already. */
        for (unsigned i = s->count; i > 0; i--)
            if (s->fds[i].revents != 0 &&
                read_some(s->fds[i].fd, &s->of[i].in) != 0)
                part(s, i);
        if (s->fds[0].revents != 0 && s->count < IPC_MAX_CLIENTS)
            accept_one(s);
    }
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct server *s = srv;
    unsigned i = s->count;

    if (msg == NULL)
        return 0; /* it broke the rules; but peers are honest here */
    /* block reply: find its connection, write the message, all of it */
    /* It may have gone, and another one have its place and its descriptor. */
    while (i > 0 && s->of[i].number != req->reply_to)
        i--;
    /* A client that does not read keeps us here, once its socket is full, and
     * all the others with us: who withstands that is in stream.c. */
    return i == 0 ? -EPIPE : write_all(s->fds[i].fd, msg);
    /* end: return -ENOSYS; */
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    /* block destroy: close every connection, remove the name */
    while (s->count > 0)
        part(s, s->count);
    close(s->fds[0].fd);
    unlink(s->name); /* close(2) does not */
    /* end: */
}

/* -- client ---------------------------------------------------------------- */

static int
textbook_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    struct sockaddr_un address;
    int err;

    frames_init(&c->in);
    set_address(&address, where);
    /* block open: make a socket, connect it to the server's */
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd == -1)
        return -errno;
    /* Done once the server's queue has room for it; accept(2) comes later. */
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) == -1) {
        err = -errno; /* ENOENT, ECONNREFUSED: nobody listens there */
        close(c->fd);
        return err;
    }
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    (void)timeout_ns; /* write(2) has none, and the server reads */
    /* block send: write the message, all of it */
    return write_all(c->fd, msg);
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    int got, err = 0;

    msg->fd = -1;
    /* block recv: read until there is a whole message */
    while ((got = frames_take(&c->in, msg)) == 0 && err == 0) {
        err = wait_for(c->fd, POLLIN, deadline);
        if (err == 0)
            err = read_some(c->fd, &c->in);
    }
    return got < 0 ? got : err;
    /* end: return -ENOSYS; */
}

static void
textbook_close(void *cli)
{
    struct client_end *c = cli;

    /* block close: close it, which is the end of file for the server */
    close(c->fd);
    frames_free(&c->in);
    /* end: */
}

/* -- limits, table --------------------------------------------------------- */

static int
textbook_limits(struct ipc_limits *l)
{
    /* A socket holds some 200 KiB: socket(7), SO_SNDBUF.  A longer message goes
     * in as the other side takes it out. */
    *l = (struct ipc_limits){.max_msg = IPC_MAX_MSG,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism socket_textbook = {
    .name = "socket/textbook",
    .summary = "as books teach it: an AF_UNIX stream for each client, poll(2)",
    .proof = "SO_PEERCRED: who called connect(2)",
    .wire =
        "`DIR/socket-textbook` is a stream socket, and its server's user's "
        "alone. Connect, write\nrequests, read replies: frames one after the "
        "other, and no more requests at a time than\nfit in with their "
        "replies. "
        "There is no handshake. Close it to leave.",
    .caps = IPC_PIPELINED | IPC_PERSISTS | IPC_TRUSTING | IPC_TEXTBOOK,
    .evidence = IPC_PEER,
    .uses = IPC_USES_PATH,
    .pid_from = IPC_PID_CREDENTIALS,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/stream",
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
    .sweep = endpoint_sweep, /* what a killed server leaves */
};

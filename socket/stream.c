/*
 * stream.c - an AF_UNIX stream socket with a path, and epoll.
 *
 *      client A  connect(NAME) ===== connection A ====\
 *                                                      server: epoll_wait
 *      client B  connect(NAME) ===== connection B ====/   over all of them
 *
 * The one idea: a connection.  The kernel makes a private channel for every
 * client, remembers who connected (SO_PEERCRED), tells each side when the other
 * goes, and lets open files travel beside the bytes (SCM_RIGHTS).
 *
 * It is a stream: where a message ends only its header tells (core/frames.h).
 */
#define _GNU_SOURCE /* accept4, epoll_pwait2, struct ucred */
#include "core/clock.h"
#include "core/frames.h"
#include "core/rundir.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
    int fd; /* 0: free */
    struct ipc_peer peer;
    struct frames in;
    uint8_t *out; /* the rest of a reply that the socket had no room for */
    size_t out_start, out_end;
};

struct server {
    char name[ENDPOINT_SIZE];
    int listener, epoll, spare;
    struct connection connections[IPC_MAX_CLIENTS];
    size_t last; /* index of the connection served last */
};

struct client_end {
    int fd;   /* O_NONBLOCK */
    int gift; /* a descriptor that came, for a frame not yet taken; or -1 */
    struct frames in;
    bool broken; /* a message was left half written */
};

/* -- wire: bytes and descriptors through a socket -------------------------------- */

/* Room for one descriptor.  A union, because it must be aligned as a header. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

/* sendmsg(2) of some bytes, fd (or -1) beside the first of them. */
static ssize_t
send_some(int socket, const void *bytes, size_t len, int fd)
{
    struct iovec data = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};
    union control control = {.room = {0}};

    if (fd != -1) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    }
    return sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* recvmsg(2) into the frames; a descriptor that came goes to *gift.  More than
 * one, or one too many for our table (MSG_CTRUNC): -EPIPE. */
static int
receive_some(int socket, struct frames *in, size_t at_most, int *gift)
{
    size_t room;
    void *to = frames_space(in, &room);
    struct iovec data = {.iov_base = to,
                         .iov_len = room < at_most ? room : at_most};
    union control control = {.room = {0}};
    struct msghdr msg = {.msg_iov = &data,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n;

    if (to == NULL)
        return -ENOMEM;
    n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n == -1)
        return errno == ECONNRESET ? -EPIPE : -errno;
    if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) &&
        control.header.cmsg_level == SOL_SOCKET &&
        control.header.cmsg_type == SCM_RIGHTS) {
        int fds[2] = {-1, -1}; /* CMSG_SPACE rounds up: two fit */
        size_t bytes = control.header.cmsg_len - CMSG_LEN(0);

        memcpy(fds, CMSG_DATA(&control.header), bytes);
        if (bytes != sizeof(int) || *gift != -1 ||
            (msg.msg_flags & MSG_CTRUNC) != 0) {
            for (size_t i = 0; i < bytes / sizeof(int); i++)
                close(fds[i]);
            return -EPIPE;
        }
        *gift = fds[0];
    }
    if (n == 0) /* the other side has closed */
        return -EPIPE;
    frames_add(in, (size_t)n);
    return 0;
}

static socklen_t
make_address(struct sockaddr_un *address, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(address->sun_path, name); /* ENDPOINT_SIZE is its size */
    return sizeof *address;
}

/* -- server --------------------------------------------------------------------- */

static int
watch(int epoll, int op, int fd, uint32_t events, uint64_t id)
{
    struct epoll_event e = {.events = events, .data.u64 = id};

    return epoll_ctl(epoll, op, fd, &e) == -1 ? -errno : 0;
}

#define LISTENER UINT64_MAX /* epoll's id of it; others: index of connection */

static int
stream_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct sockaddr_un address;
    socklen_t len = make_address(&address, name);
    int err;

    strcpy(s->name, name);
    /* A dead server's socket file stays, and bind(2) would say EADDRINUSE. */
    if (unlink(name) == -1 && errno != ENOENT)
        return -errno;
    s->listener =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener == -1)
        return -errno;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll == -1) {
        err = -errno;
        goto close_listener;
    }
    /* The mode of the socket file is what the socket's was when bound, less
     * the umask: so there is no moment when others could connect too early. */
    if (fchmod(s->listener, 0600) == -1 ||
        bind(s->listener, (struct sockaddr *)&address, len) == -1) {
        err = -errno;
        goto close_epoll;
    }
    if (listen(s->listener, IPC_MAX_CLIENTS) == -1 ||
        chmod(name, 0666) == -1) { /* connect(2) needs to write: unix(7) */
        err = -errno;
        goto remove_name;
    }
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    err = s->spare == -1
              ? -errno
              : watch(s->epoll, EPOLL_CTL_ADD, s->listener, EPOLLIN, LISTENER);
    if (err == 0)
        return 0;
    if (s->spare != -1)
        close(s->spare);
remove_name:
    unlink(name);
close_epoll:
    close(s->epoll);
close_listener:
    close(s->listener);
    return err;
}

static void
drop(struct connection *c)
{
    close(c->fd); /* epoll forgets it with that */
    frames_free(&c->in);
    free(c->out);
    *c = (struct connection){.fd = 0};
}

/* Our table of descriptors is full, and whoever waits keeps the listener
 * readable: we would spin.  So one descriptor is kept spare, and given up for a
 * moment to take the client and close it. */
static void
turn_away(struct server *s)
{
    close(s->spare);
    close(accept(s->listener, NULL, NULL));
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Takes a new client, or turns it away: closed at once, it reads an end of
 * file. */
static void
accept_client(struct server *s)
{
    struct connection *c = s->connections;
    struct ucred who;
    socklen_t len = sizeof who;
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd == -1) {
        if (errno == EMFILE || errno == ENFILE)
            turn_away(s);
        return;
    }
    while (c < s->connections + IPC_MAX_CLIENTS && c->fd != 0)
        c++;
    /* Who called connect(2), by effective uid, fixed at that moment. */
    if (c == s->connections + IPC_MAX_CLIENTS ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1 ||
        watch(s->epoll, EPOLL_CTL_ADD, fd, EPOLLIN,
              (uint64_t)(c - s->connections)) != 0) {
        close(fd);
        return;
    }
    *c = (struct connection){.fd = fd,
                             .peer = {.pid = who.pid,
                                      .uid = who.uid,
                                      .gid = who.gid,
                                      .evidence = IPC_PEER}};
    frames_init(&c->in);
}

/* Sends more of a reply that waits.  When it is out, requests are read again. */
static void
flush(struct server *s, struct connection *c)
{
    ssize_t n =
        send_some(c->fd, c->out + c->out_start, c->out_end - c->out_start, -1);

    if (n == -1 && errno != EAGAIN && errno != EINTR) {
        drop(c);
        return;
    }
    if (n > 0)
        c->out_start += (size_t)n;
    if (c->out_start < c->out_end)
        return;
    free(c->out);
    c->out = NULL;
    if (watch(s->epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN,
              (uint64_t)(c - s->connections)) != 0)
        drop(c);
}

/* Something happened on this connection; the bytes are gathered. */
static void
attend(struct server *s, struct connection *c, uint32_t events)
{
    int gift = -1, err = 0;

    if (c->fd == 0)
        return; /* dropped since epoll_wait() */
    if (c->out != NULL) {
        flush(s, c);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        err = receive_some(c->fd, &c->in, SIZE_MAX, &gift);
    if (gift != -1) { /* no request comes with a descriptor */
        close(gift);
        err = -EPIPE;
    }
    if (err != 0 && err != -EAGAIN && err != -EINTR)
        drop(c);
}

/* A request that is already here, looking first after the one served last.
 * A client that has not taken its last reply must do that first. */
static int
take_request(struct server *s, struct ipc_request *req)
{
    for (size_t i = 1; i <= IPC_MAX_CLIENTS; i++) {
        size_t index = (s->last + i) % IPC_MAX_CLIENTS;
        struct connection *c = &s->connections[index];
        int got;

        if (c->fd == 0 || c->out != NULL || c->in.end == c->in.start)
            continue;
        got = frames_take(&c->in, &req->msg);
        if (got < 0) { /* where the next frame begins nobody knows */
            drop(c);
            continue;
        }
        if (got == 0)
            continue;
        req->peer = c->peer;
        req->reply_to = index;
        s->last = index;
        return 1;
    }
    return 0;
}

static int
stream_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    struct epoll_event ready[IPC_MAX_CLIENTS + 1];

    while (take_request(s, req) == 0) {
        struct timespec left = ns_to_timespec(time_left(deadline));
        /* epoll_wait(2) would count in ms, and round. */
        int n = epoll_pwait2(s->epoll, ready, IPC_MAX_CLIENTS + 1,
                             timeout_ns < 0 ? NULL : &left, NULL);

        if (n == -1)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        for (int i = 0; i < n; i++)
            if (ready[i].data.u64 == LISTENER)
                accept_client(s);
            else
                attend(s, &s->connections[ready[i].data.u64], ready[i].events);
    }
    return 0;
}

/* Keeps the rest of a reply and waits for room instead of requests. */
static int
keep_rest(struct server *s, struct connection *c, const uint8_t *rest,
          size_t len)
{
    c->out = malloc(len);
    if (c->out == NULL)
        return -ENOMEM;
    memcpy(c->out, rest, len);
    c->out_start = 0;
    c->out_end = len;
    return watch(s->epoll, EPOLL_CTL_MOD, c->fd, EPOLLOUT,
                 (uint64_t)(c - s->connections));
}

static int
stream_reply(void *srv, const struct ipc_request *req,
             const struct ipc_message *msg)
{
    struct server *s = srv;
    struct connection *c = &s->connections[req->reply_to];
    ssize_t n;

    if (c->fd == 0)
        return -EPIPE;
    if (msg == NULL) {
        drop(c);
        return 0;
    }
    do
        n = send_some(c->fd, msg->buf, msg->len, msg->fd);
    while (n == -1 && errno == EINTR);
    if (n == -1 && errno == EAGAIN && msg->fd == -1)
        n = 0;
    if (n == -1 ||
        ((size_t)n < msg->len && keep_rest(s, c, (const uint8_t *)msg->buf + n,
                                           msg->len - (size_t)n) != 0)) {
        drop(c);
        return -EPIPE;
    }
    return 0;
}

static int
stream_pollfd(void *srv)
{
    return ((struct server *)srv)->epoll;
}

static void
stream_destroy(void *srv)
{
    struct server *s = srv;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->connections[i].fd != 0)
            drop(&s->connections[i]);
    close(s->spare);
    close(s->epoll);
    close(s->listener);
    unlink(s->name);
}

/* -- client --------------------------------------------------------------------- */

static int
stream_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    struct sockaddr_un address;
    socklen_t len = make_address(&address, where);
    struct ucred server;
    socklen_t server_len = sizeof server;
    int err;

    *c = (struct client_end){.gift = -1};
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd == -1)
        return -errno;
    /* Never waits: EAGAIN if the backlog is full, see unix(7). */
    if (connect(c->fd, (struct sockaddr *)&address, len) == -1 ||
        getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &server, &server_len) ==
            -1) {
        err = -errno;
        goto close_socket;
    }
    /* The server is who called listen(2) there; is it the right one? */
    err = endpoint_trusted(where, server.uid);
    if (err == 0)
        return 0;
close_socket:
    close(c->fd);
    return err;
}

static int
stream_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    const uint8_t *from = msg->buf;
    size_t done = 0;

    if (msg->len > IPC_MAX_MSG)
        return -EMSGSIZE;
    if (c->broken)
        return -EPIPE;
    while (done < msg->len) {
        ssize_t n = send_some(c->fd, from + done, msg->len - done,
                              done == 0 ? msg->fd : -1);
        int err = n == -1 ? -errno : 0;

        if (n > 0)
            done += (size_t)n;
        if (err == -EAGAIN)
            err = wait_for(c->fd, POLLOUT, deadline);
        if (err == -ECONNRESET)
            err = -EPIPE;
        if (err != 0 && err != -EINTR) {
            c->broken = done > 0;
            return err;
        }
    }
    return 0;
}

/* A descriptor comes with the last bytes that one recvmsg(2) returns; earlier
 * bytes may belong to an earlier frame.  So it goes to the first frame that
 * says it has one, and until then no more than that frame is read. */
static int
stream_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    struct wire_header h;
    int got, err;

    msg->fd = -1;
    while ((got = frames_take(&c->in, msg)) == 0) {
        err = wait_for(c->fd, POLLIN, deadline);
        if (err == 0)
            err = receive_some(
                c->fd, &c->in,
                c->gift == -1 ? SIZE_MAX : frames_missing(&c->in), &c->gift);
        if (err != 0 && err != -EAGAIN)
            return err;
    }
    if (got < 0)
        return -EPIPE;
    if (wire_decode_header(msg->buf, &h) == 0 && h.nfds == 1) {
        msg->fd = c->gift;
        c->gift = -1;
    }
    return 0;
}

static void
stream_close(void *cli)
{
    struct client_end *c = cli;

    close(c->fd);
    if (c->gift != -1)
        close(c->gift);
    frames_free(&c->in);
}

/* -- sweep, limits, table ---------------------------------------------------------- */

static int
stream_sweep(const char *name)
{
    if (unlink(name) == -1)
        return errno == ENOENT ? 0 : -errno;
    return 1;
}

static int
stream_limits(struct ipc_limits *l)
{
    /* A message larger than the socket's buffer goes through in pieces. */
    *l = (struct ipc_limits){.max_msg = IPC_MAX_MSG,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism socket_stream = {
    .name = "socket/stream",
    .summary = "AF_UNIX stream socket, epoll",
    .proof = "SO_PEERCRED: the effective uid that called connect(2)",
    .wire =
        "`DIR/socket-stream` is an AF_UNIX stream socket. Connect, write "
        "requests, read\nreplies: frames one after the other. A descriptor "
        "travels with the first byte of its\nframe (SCM_RIGHTS); the server "
        "accepts none. Check with SO_PEERCRED that the\nserver is the owner of "
        "DIR. An end of file right after connecting means that the\nserver has "
        "all the clients it can take.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD | IPC_PERSISTS,
    .evidence = IPC_PEER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = stream_limits,
    .create = stream_create,
    .next = stream_next,
    .reply = stream_reply,
    .pollfd = stream_pollfd,
    .destroy = stream_destroy,
    .open = stream_open,
    .send = stream_send,
    .recv = stream_recv,
    .close = stream_close,
    .sweep = stream_sweep,
};

/*
 * tcp.c - TCP: the same program reaches the same machine and any other.
 *
 *      client A  connect(127.0.0.1:PORT) ===== connection A ====\
 *                                                      server: epoll_wait
 *      client B  connect(127.0.0.1:PORT) ===== connection B ====/
 *      NAME, a file: "127.0.0.1:PORT"
 *
 * The one idea: an address instead of a name.  What it costs: the kernel does
 * not say who is at the other end, since that may be another kernel's user.
 * SO_PEERCRED even succeeds, and says uid -1.  On this machine the server can
 * look up who made the socket at the other end (sock_diag(7), the list that
 * ss(8) prints): evidence K1, an inference, because it is about now and the
 * bytes were sent before.
 *
 * Otherwise this is stream.c: diff them.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, struct ucred */
#include "core/clock.h"
#include "core/stream.h"
#include "inet.h"
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

/* -- server --------------------------------------------------------------- */

/* The client's socket, if it is of this machine and still open, and our end
 * still connected to it: after a reset getpeername(2) says ENOTCONN, although
 * the port may have another connection by then. */
static int
look_up(int fd, uid_t *uid, uint32_t *inode)
{
    struct sockaddr_in us, client;
    socklen_t us_len = sizeof us, client_len = sizeof client;

    if (getsockname(fd, (struct sockaddr *)&us, &us_len) == -1 ||
        getpeername(fd, (struct sockaddr *)&client, &client_len) == -1)
        return -errno;
    return inet_owner(IPPROTO_TCP, &client, &us, uid, inode);
}

static int
tcp_identify(struct connection *c)
{
    const int on = 1;
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    if (getpeername(c->fd, (struct sockaddr *)&address, &len) == -1)
        return -errno;
    inet_text(&address, c->address);
    c->peer = IPC_PEER_UNKNOWN;
    c->peer.address = c->address;
    /* Before a byte is read; believed only when it is so afterwards too. */
    if (look_up(c->fd, &c->peer.uid, &c->inode) != 0)
        c->inode = 0;
    /* A reply is not to wait for more to go with it: tcp(7).  And a client
     * whose cable was cut is not to keep its place for ever. */
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1 ||
        setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == -1)
        return -errno;
    return 0;
}

/*
 * A first request has been read: is the client's socket still the one that we
 * saw before?  If our end was reset before that, another client may have got
 * the port, and we saw that one's socket; then our end is not connected now.
 * Who is still there after the request was there before it; who has gone is
 * nobody.
 */
static void
confirm(struct connection *c)
{
    uint32_t inode;
    uid_t uid;

    if (look_up(c->fd, &uid, &inode) == 0 && inode == c->inode &&
        uid == c->peer.uid)
        c->peer.evidence = IPC_INFERRED;
    else
        c->peer.uid = (uid_t)-1;
    c->inode = 0;
}

static int
tcp_create(void *srv, const char *name)
{
    struct clients *s = srv;
    struct sockaddr_in address;
    const int on = 1;
    int listener, err = inet_listen_at(&address);

    if (err != 0)
        return err;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener == -1)
        return -errno;
    /* A port that was given is taken again although connections of the last
     * server linger in TIME_WAIT.  Not while another one listens: that is
     * EADDRINUSE all the same, socket(7). */
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(listener, IPC_MAX_CLIENTS) == -1) {
        err = -errno;
        goto close_listener;
    }
    err = clients_init(s, "", listener, tcp_identify);
    if (err != 0)
        return err;
    err = inet_publish(name, listener, &s->file);
    if (err == 0)
        strcpy(s->name, name);
    else
        clients_destroy(s);
    return err;

close_listener:
    close(listener);
    return err;
}

static int
tcp_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct clients *s = srv;
    struct connection *c;
    int err = streams_next(s, req, timeout_ns);

    if (err != 0)
        return err;
    c = clients_find(s, req->reply_to); /* streams_next() has it from there */
    if (c == NULL)
        return -EINTR;
    if (c->inode != 0)
        confirm(c);
    req->peer = c->peer;
    return 0;
}

/* -- client --------------------------------------------------------------- */

/* connect(2) begins, POLLOUT says that it is over, SO_ERROR how it ended. */
static int
connect_until(int fd, const struct sockaddr_in *address, int64_t deadline)
{
    socklen_t len = sizeof(int);
    int err, error;

    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    do
        err = wait_for(fd, POLLOUT, deadline);
    while (err == -EINTR);
    if (err == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
        return -errno;
    return err != 0 ? err : -error;
}

/* Where nobody listens, the kernel may choose the very port that we want to
 * reach for our end, and connect the socket to itself. */
static bool
is_own(int fd, const struct sockaddr_in *server)
{
    struct sockaddr_in us;
    socklen_t len = sizeof us;

    return getsockname(fd, (struct sockaddr *)&us, &len) == -1 ||
           (us.sin_port == server->sin_port &&
            us.sin_addr.s_addr == server->sin_addr.s_addr);
}

static int
tcp_open(void *cli, const char *where)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    const int on = 1;
    struct stream_end *end = cli;
    struct sockaddr_in server;
    int fd, err = inet_find(where, &server);

    if (err != 0)
        return err;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -errno;
    err = connect_until(fd, &server, deadline);
    if (err == 0 && is_own(fd, &server))
        err = -ECONNREFUSED;
    if (err == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1)
        err = -errno;
    /* The handshake first: before accept(2) the server's end is nobody's. */
    if (err == 0)
        err = handshake_wait(fd, deadline);
    if (err == 0)
        err = inet_check_server(IPPROTO_TCP, fd, where);
    if (err == 0 && fcntl(fd, F_SETFL, 0) == -1) /* O_NONBLOCK has served */
        err = -errno;
    if (err != 0) {
        close(fd);
        return err;
    }
    stream_end_init(end, fd);
    end->waits = true;
    return 0;
}

/* -- limits, table -------------------------------------------------------- */

const struct ipc_mechanism socket_tcp = {
    .name = "socket/tcp",
    .summary = "TCP, by default over 127.0.0.1; epoll",
    .proof = "sock_diag: who made the socket at the other end, if it is here",
    .wire =
        "The file `DIR/socket-tcp` holds the server's address, "
        "`127.0.0.1:PORT` and a newline;\nor you know it otherwise. Connect. "
        "Read one byte, `+`: the server has taken you; an\nend of file instead "
        "means that it has all the clients it can take. Then write\nrequests "
        "and read replies: frames one after the other. On one machine check "
        "with\nsock_diag(7), after that byte, that the server's end of the "
        "connection belongs\nto the owner of DIR: anybody may have taken a "
        "dead server's port.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS | IPC_REMOTE,
    .evidence = IPC_INFERRED,
    .uses = IPC_USES_BESIDE | IPC_USES_NET,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/tcp",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_ISOLATED,
    .server_size = sizeof(struct clients),
    .client_size = sizeof(struct stream_end),
    .unavailable = inet_unavailable,
    .limits = stream_limits,
    .create = tcp_create,
    .next = tcp_next,
    .reply = clients_reply,
    .pollfd = clients_pollfd,
    .destroy = clients_destroy,
    .open = tcp_open,
    .send = stream_send,
    .recv = stream_recv,
    .close = stream_close,
    .sweep = local_sweep,
};

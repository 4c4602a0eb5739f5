/*
 * udp.c - UDP: datagrams that may get lost, come twice, or come from anybody.
 *
 *      client A  --\                                server: one socket
 *                   >--  sendto(127.0.0.1:PORT)  -->  recvfrom: A's address
 *      client B  --/                                  sendto: there
 *      NAME, a file: "127.0.0.1:PORT"
 *
 * The one idea: nothing but the message.  There is no connection to make, keep
 * or lose, and so nobody to say that the other side is there, is gone, or has
 * got what was sent.  The client asks again when no answer comes (core/
 * client.c), and whoever must not do a thing twice has to remember the ids of
 * requests.  Who asks?  Anybody can write any sender's address: evidence K0.
 *
 * Beside frames there are three datagrams of one byte each:
 *      client  '?'  are you there?        server  '+'  yes
 *                                         server  '-'  that was nonsense
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "ancillary.h"
#include "core/clock.h"
#include "inet.h"
#include "local.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The longest there is: an IPv4 packet's 65535 bytes less two headers. */
#define MAX_DATAGRAM (65535 - 20 - 8)

/* How long a client waits in silence before it asks whether the server is
 * there, ns.  A dead server's machine says so: ECONNREFUSED. */
#define ASK_AFTER (100 * NS_PER_MS)

struct server {
    char name[ENDPOINT_SIZE];
    int socket;
    uint64_t last;           /* token of the last request's client */
    char address[INET_TEXT]; /* the same as text */
};

struct client_end {
    int fd;
    bool cut_off;
    int64_t ask; /* when it is time for '?': silence until then is normal */
};

/* -- server --------------------------------------------------------------- */

/* A client is its address, 32 bits and 16, and that is what the token holds:
 * the server keeps nothing between a request and the next. */
static uint64_t
token(const struct sockaddr_in *address)
{
    return (uint64_t)address->sin_addr.s_addr << 16 | address->sin_port;
}

/* If there is no room the datagram is lost; so may any other be. */
static int
send_to(struct server *s, uint64_t token, const void *bytes, size_t len)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = (in_port_t)token,
                                  .sin_addr.s_addr = (in_addr_t)(token >> 16)};
    ssize_t n = sendto(s->socket, bytes, len, MSG_DONTWAIT,
                       (struct sockaddr *)&address, sizeof address);

    return n == -1 && errno == EMSGSIZE ? -errno : 0;
}

static int
udp_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct sockaddr_in address;
    int err = inet_listen_at(&address);

    strcpy(s->name, name);
    if (err != 0)
        return err;
    s->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->socket == -1)
        return -errno;
    /* No SO_REUSEADDR: for UDP it lets anybody who sets it too bind the same
     * port, more exactly, and get our datagrams. */
    if (bind(s->socket, (struct sockaddr *)&address, sizeof address) == -1)
        err = -errno;
    if (err == 0)
        err = inet_publish(name, s->socket);
    if (err != 0)
        close(s->socket);
    return err;
}

static int
udp_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    const int flags = deadline == NO_DEADLINE ? 0 : MSG_DONTWAIT;
    struct sockaddr_in from;
    ssize_t n;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    for (;;) {
        socklen_t len = sizeof from;
        int err = flags == 0 ? 0 : wait_for(s->socket, POLLIN, deadline);

        if (err != 0)
            return err;
        n = recvfrom(s->socket, req->msg.buf, req->msg.cap, flags,
                     (struct sockaddr *)&from, &len);
        if (n == -1 && errno == EINTR)
            return -EINTR;
        if (n > 1)
            break;
        /* Of the short ones only a question is answered, or two servers could
         * be made to answer each other for ever. */
        if (n == 1 && *(char *)req->msg.buf == '?')
            send_to(s, token(&from), "+", 1);
    }
    req->msg.len = (size_t)n;
    req->msg.fd = -1;
    req->peer = IPC_PEER_UNKNOWN;
    req->reply_to = token(&from);
    if (req->reply_to != s->last)
        inet_text(&from, s->address);
    s->last = req->reply_to;
    req->peer.address = s->address;
    return 0;
}

static int
udp_reply(void *srv, const struct ipc_request *req,
          const struct ipc_message *msg)
{
    struct server *s = srv;

    if (msg == NULL) /* there is no connection that it could cost */
        return send_to(s, req->reply_to, "-", 1);
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    return send_to(s, req->reply_to, msg->buf, msg->len);
}

static int
udp_pollfd(void *srv)
{
    return ((struct server *)srv)->socket;
}

static void
udp_destroy(void *srv)
{
    struct server *s = srv;

    close(s->socket);
    unlink(s->name);
}

/* -- client --------------------------------------------------------------- */

/* Knocks until there is an answer. */
static int
knock(int fd, int64_t deadline)
{
    char answer;
    int err;

    do {
        int64_t again = now_ns() + ASK_AFTER;

        if (send(fd, "?", 1, MSG_DONTWAIT) == -1 && errno != EAGAIN)
            return -errno;
        do
            err = wait_for(fd, POLLIN, again < deadline ? again : deadline);
        while (err == -EINTR);
    } while (err == -ETIMEDOUT && time_left(deadline) != 0);
    if (err != 0)
        return err;
    if (recv(fd, &answer, 1, MSG_DONTWAIT) == -1)
        return -errno; /* ECONNREFUSED: so said the server's machine */
    return answer == '+' ? 0 : -EPERM;
}

static int
udp_open(void *cli, const char *where)
{
    const struct timeval patience = {.tv_usec = ASK_AFTER / 1000};
    struct client_end *c = cli;
    struct sockaddr_in server;
    int err = inet_find(where, &server);

    if (err != 0)
        return err;
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (c->fd == -1)
        return -errno;
    /* No packet goes out.  But from now on only what comes from there is let
     * in, and only a connected socket is told of ECONNREFUSED: udp(7). */
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) == -1 ||
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                   sizeof patience) == -1)
        err = -errno;
    if (err == 0)
        err = knock(c->fd, deadline_in(ipc_open_timeout));
    if (err == 0)
        err = inet_check_server(IPPROTO_UDP, c->fd, where);
    if (err != 0)
        close(c->fd);
    return err;
}

static int
udp_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct iovec data = {.iov_base = msg->buf, .iov_len = msg->len};

    if (msg->len > MAX_DATAGRAM)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->cut_off)
        return -EPIPE;
    c->ask = now_ns() + ASK_AFTER;
    return record_send(c->fd, &data, 1, -1, deadline_in(timeout_ns));
}

static int
udp_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    /* Without a deadline recv(2) waits by itself: SO_RCVTIMEO, udp_open(). */
    const bool waits = deadline == NO_DEADLINE;
    ssize_t n = 0;

    msg->fd = -1;
    if (c->cut_off)
        return -EPIPE;
    while (n <= 1) { /* one byte is no frame */
        int64_t until = c->ask < deadline ? c->ask : deadline;
        int err = waits ? 0 : wait_for(c->fd, POLLIN, until);

        if (err == 0) {
            n = recv(c->fd, msg->buf, msg->cap, waits ? 0 : MSG_DONTWAIT);
            err = n == -1 ? socket_error(errno) : 0;
        }
        if (err == -EAGAIN || (err == -ETIMEDOUT && time_left(deadline) != 0)) {
            if (time_left(c->ask) == 0) {
                c->ask = now_ns() + ASK_AFTER;
                send(c->fd, "?", 1, MSG_DONTWAIT);
            }
            continue;
        }
        if (err != 0)
            return err;
        if (n == 1 && *(char *)msg->buf == '-') {
            c->cut_off = true;
            return -EPIPE;
        }
    }
    msg->len = (size_t)n;
    return 0;
}

static void
udp_close(void *cli)
{
    struct client_end *c = cli;

    close(c->fd);
}

/* -- limits, table -------------------------------------------------------- */

static int
udp_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = MAX_DATAGRAM,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism socket_udp = {
    .name = "socket/udp",
    .summary = "UDP, by default over 127.0.0.1; asks again when one is lost",
    .proof = "none: anybody can write any sender's address",
    .wire =
        "The file `DIR/socket-udp` holds the server's address, "
        "`127.0.0.1:PORT` and a newline;\nor you know it otherwise. A datagram "
        "is a frame, or one byte. Send `?`, again and\nagain until a `+` comes "
        "back: the server is there. Then send requests and receive\nreplies, "
        "at most 65507 bytes each. When no reply comes, send the request "
        "again, under\nthe same id; replies may come twice. `-` means that "
        "you broke the rules.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS |
            IPC_LOSSY | IPC_REMOTE,
    .evidence = IPC_CLAIMED,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = inet_unavailable,
    .limits = udp_limits,
    .create = udp_create,
    .next = udp_next,
    .reply = udp_reply,
    .pollfd = udp_pollfd,
    .destroy = udp_destroy,
    .open = udp_open,
    .send = udp_send,
    .recv = udp_recv,
    .close = udp_close,
    .sweep = local_sweep,
};

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
 * And since anybody can, nobody is answered at length before it has proved that
 * it receives where it says it is (cookie.h).  A request is a cookie, 8 bytes,
 * and a frame; beside requests and replies there are
 *      client  '?' and 8 bytes  are you there?
 *                         server  '+' and a cookie  yes; send this with requests
 *                         server  '!' and a cookie  send that again, with this
 *                         server  '-'               that was nonsense
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "cookie.h"
#include "core/ancillary.h"
#include "core/clock.h"
#include "core/records.h"
#include "core/wire.h"
#include "inet.h"
#include "local.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The longest there is: an IPv4 packet's 65535 bytes less two headers. */
#define MAX_DATAGRAM (65535 - 20 - 8)
#define MAX_FRAME    (MAX_DATAGRAM - COOKIE_SIZE)

#define SIGN_SIZE (1 + COOKIE_SIZE) /* '?', '+' or '!', and what follows */

/* How long a client waits in silence before it asks whether the server is
 * there, ns.  A dead server's machine says so: ECONNREFUSED. */
#define ASK_AFTER (100 * NS_PER_MS)

struct server {
    char name[ENDPOINT_SIZE];
    struct object_id file;
    int socket;
    struct cookie_key key;
    uint64_t last;           /* token of the last request's client */
    char address[INET_TEXT]; /* the same as text */
};

struct client_end {
    int fd;
    bool cut_off;
    uint8_t cookie[COOKIE_SIZE]; /* as it came */
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

/* A sign, and the cookie of this address. */
static void
send_sign(struct server *s, uint64_t token, uint8_t sign)
{
    uint8_t bytes[SIGN_SIZE] = {sign};

    put64(bytes + 1, cookie_make(&s->key, token, now_ns()));
    send_to(s, token, bytes, sizeof bytes);
}

static int
udp_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct sockaddr_in address;
    int err = inet_listen_at(&address);

    strcpy(s->name, name);
    if (err == 0)
        err = cookie_key_make(&s->key);
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
        err = inet_publish(name, s->socket, &s->file);
    if (err != 0)
        close(s->socket);
    return err;
}

/* One datagram, of which n bytes came, the first of them in prefix: is it a
 * request?  No answer is longer than what it answers, but to who has proved
 * that it receives; and no sign of a server is answered, or two of them could
 * be made to answer each other for ever. */
static bool
is_request(struct server *s, const uint8_t prefix[COOKIE_SIZE], size_t n,
           uint64_t from)
{
    if (n == SIGN_SIZE && prefix[0] == '?')
        send_sign(s, from, '+');
    if (n <= SIGN_SIZE)
        return false;
    if (cookie_good(&s->key, from, now_ns(), get64(prefix)))
        return true;
    if (n >= COOKIE_SIZE + WIRE_HEADER)
        send_sign(s, from, '!');
    return false;
}

static int
udp_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    const int flags = deadline == NO_DEADLINE ? 0 : MSG_DONTWAIT;
    uint8_t prefix[COOKIE_SIZE];
    struct iovec data[] = {{.iov_base = prefix, .iov_len = sizeof prefix},
                           {.iov_base = req->msg.buf, .iov_len = req->msg.cap}};
    struct sockaddr_in from = {0};
    ssize_t n;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    do {
        struct msghdr m = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = data,
                           .msg_iovlen = 2};
        int err = flags == 0 ? 0 : wait_for(s->socket, POLLIN, deadline);

        if (err != 0)
            return err;
        n = recvmsg(s->socket, &m, flags);
        if (n == -1 && errno == EINTR)
            return -EINTR;
    } while (n <= 0 || !is_request(s, prefix, (size_t)n, token(&from)));
    req->msg.len = (size_t)n - COOKIE_SIZE;
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
    local_remove(s->name, &s->file);
}

/* -- client --------------------------------------------------------------- */

static void
ask(const struct client_end *c)
{
    const uint8_t question[SIGN_SIZE] = {'?'};

    send(c->fd, question, sizeof question, MSG_DONTWAIT);
}

/* Is this a sign of the server's?  Then its cookie is the one to send. */
static bool
take_sign(struct client_end *c, const uint8_t *bytes, ssize_t n)
{
    if (n != SIGN_SIZE || (bytes[0] != '+' && bytes[0] != '!'))
        return false;
    memcpy(c->cookie, bytes + 1, COOKIE_SIZE);
    return true;
}

/* Asks until there is an answer. */
static int
find_server(struct client_end *c, int64_t deadline)
{
    uint8_t answer[SIGN_SIZE];
    ssize_t n;
    int err;

    do {
        int64_t again = now_ns() + ASK_AFTER;

        ask(c);
        do
            err = wait_for(c->fd, POLLIN, again < deadline ? again : deadline);
        while (err == -EINTR);
    } while (err == -ETIMEDOUT && time_left(deadline) != 0);
    if (err != 0)
        return err;
    n = recv(c->fd, answer, sizeof answer, MSG_DONTWAIT);
    if (n == -1)
        return -errno; /* ECONNREFUSED: so said the server's machine */
    return take_sign(c, answer, n) ? 0 : -EPERM;
}

static int
udp_open(void *cli, const char *where)
{
    const struct timeval silence = {.tv_usec = ASK_AFTER / 1000};
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
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) ==
            -1)
        err = -errno;
    if (err == 0)
        err = find_server(c, deadline_in(ipc_open_timeout));
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
    struct iovec data[] = {{.iov_base = c->cookie, .iov_len = COOKIE_SIZE},
                           {.iov_base = msg->buf, .iov_len = msg->len}};

    if (c->cut_off)
        return -EPIPE;
    c->ask = now_ns() + ASK_AFTER;
    return record_send(c->fd, data, 2, -1, deadline_in(timeout_ns));
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
    while (n < WIRE_HEADER) {
        int64_t until = c->ask < deadline ? c->ask : deadline;
        int err = waits ? 0 : wait_for(c->fd, POLLIN, until);

        if (err == 0) {
            n = recv(c->fd, msg->buf, msg->cap, waits ? 0 : MSG_DONTWAIT);
            err = n == -1 ? socket_error(errno) : 0;
        }
        if (err == -EAGAIN || (err == -ETIMEDOUT && time_left(deadline) != 0)) {
            if (time_left(c->ask) == 0) {
                c->ask = now_ns() + ASK_AFTER;
                ask(c);
            }
            continue;
        }
        if (err != 0)
            return err;
        take_sign(c, msg->buf, n);
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
    *l = (struct ipc_limits){.max_msg = MAX_FRAME,
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
        "`127.0.0.1:PORT` and a newline;\nor you know it otherwise. Send `?` "
        "and 8 bytes, again and again until `+` and 8\nbytes come back: the "
        "server is there, and those 8 are your cookie. Then send\nrequests, "
        "each a cookie and a frame of at most 65499 bytes, and receive "
        "replies, a\nframe each. `!` and 8 bytes: send the request again, "
        "under the same id, with this\ncookie; one is good for two to four "
        "minutes, at your address only. When no reply\ncomes, send the request "
        "again, under the same id; replies may come twice. `-` alone\nmeans "
        "that you broke the rules. No answer is longer than what it answers, "
        "but "
        "to\nwho has shown its cookie.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS |
            IPC_LOSSY | IPC_REMOTE,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_BESIDE | IPC_USES_NET,
    .floor = "floor/udp",
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

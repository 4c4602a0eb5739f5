/*
 * dgram.c - AF_UNIX datagrams: no connections, one socket for everybody.
 *
 *      client A  --\                                   server: one socket
 *                   >--  sendmsg(NAME)  datagrams  -->   bound to NAME
 *      client B  --/
 *      client A  <== one end of A's socketpair ========  the other end,
 *      client B  <== one end of B's socketpair ========  sent by its client
 *
 * The one idea: each message finds its way by itself, whole, and the kernel
 * stamps it with who sent it (SCM_CREDENTIALS): evidence K4.
 *
 * And the answer?  The textbook's server looks where the datagram came from and
 * sends there.  But that address is a name, and a name means what the reader's
 * mount or network namespace says it means: whoever binds the victim's path on
 * a tmpfs of his own has root's server send his answers to the victim.  An open
 * descriptor always means the same.  So a client joins by sending one end of a
 * socketpair, and its answers go there and nowhere else.  It also tells each
 * side when the other is gone, which datagrams do not.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, epoll_pwait2, struct ucred */
#include "ancillary.h"
#include "channel.h"
#include "core/clock.h"
#include "core/wire.h"
#include "local.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- wire: a datagram is the session's name, 8 bytes, and a frame --------- */

#define PREFIX 8
#define JOIN   0 /* no session has this name */

struct session {
    int fd;        /* the client's reply channel, our end; 0: free */
    uint64_t name; /* of the session, in its datagrams */
    uid_t uid;     /* who may use it */
    char address[ADDRESS_SIZE];
};

struct server {
    char name[ENDPOINT_SIZE];
    int socket, epoll;
    uint64_t joined; /* how many clients there have been */
    struct session sessions[IPC_MAX_CLIENTS];
};

struct client_end {
    int requests; /* connected to the server's socket */
    int replies;  /* our end of the pair */
    uint8_t session[PREFIX];
    size_t max_msg;
};

/* -- server --------------------------------------------------------------- */

static int
watch(struct server *s, int fd, uint32_t events, uint64_t name)
{
    struct epoll_event e = {.events = events, .data.u64 = name};

    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == -1 ? -errno : 0;
}

static int
dgram_create(void *srv, const char *name)
{
    struct server *s = srv;
    const int on = 1;
    int err;

    strcpy(s->name, name);
    s->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->socket == -1)
        return -errno;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll == -1) {
        err = -errno;
        goto close_socket;
    }
    err = watch(s, s->socket, EPOLLIN, JOIN);
    if (err != 0)
        goto close_epoll;
    /* Before bind(2): what comes while nobody asks for credentials has none,
     * and says pid 0, uid 65534. */
    if (setsockopt(s->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
        err = -errno;
        goto close_epoll;
    }
    err = local_bind(s->socket, name);
    if (err != 0)
        goto close_epoll;
    if (chmod(name, 0666) == 0) /* sending needs to write: unix(7) */
        return 0;
    err = -errno;
    unlink(name);
close_epoll:
    close(s->epoll);
close_socket:
    close(s->socket);
    return err;
}

/* Taken out of epoll's set by hand: closing our descriptor does that only when
 * nobody else has the same open file, and its sender may have kept one. */
static void
unwatch(struct server *s, int fd)
{
    epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void
drop(struct server *s, struct session *session)
{
    unwatch(s, session->fd);
    close(session->fd); /* the client reads an end of file */
    *session = (struct session){.fd = 0};
}

static struct session *
find_session(struct server *s, uint64_t name)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->fd != 0 && i->name == name)
            return i;
    return NULL;
}

/* A new client sent its channel.  0, or the client is not taken. */
static int
join(struct server *s, const struct ancillary *a,
     const struct sockaddr_un *from, socklen_t from_len)
{
    struct session *i = s->sessions;
    uint8_t name[PREFIX];
    struct iovec welcome = {.iov_base = name, .iov_len = PREFIX};

    while (i < s->sessions + IPC_MAX_CLIENTS && i->fd != 0)
        i++;
    if (i == s->sessions + IPC_MAX_CLIENTS || !a->stamped ||
        channel_check(a->fd, a->who.uid) != 0)
        return -EPERM;
    put64(name, ++s->joined);
    /* Readable: the client is gone, or it writes where it has only to read. */
    if (watch(s, a->fd, EPOLLIN, s->joined) != 0)
        return -EPERM;
    if (ancillary_send(a->fd, &welcome, 1, -1) != PREFIX) {
        unwatch(s, a->fd);
        return -EPIPE;
    }
    *i = (struct session){.fd = a->fd, .name = s->joined, .uid = a->who.uid};
    local_text(from, from_len, i->address);
    return 0;
}

/* One datagram.  1: *req is a request. */
static int
take_datagram(struct server *s, struct ipc_request *req)
{
    uint8_t prefix[PREFIX];
    struct iovec data[] = {{.iov_base = prefix, .iov_len = PREFIX},
                           {.iov_base = req->msg.buf, .iov_len = req->msg.cap}};
    struct sockaddr_un from;
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = data,
                       .msg_iovlen = 2};
    struct session *session;
    struct ancillary beside;
    ssize_t n = ancillary_receive(s->socket, &m, &beside);

    if (n < 0)
        return 0;
    session = n < PREFIX ? NULL : find_session(s, get64(prefix));
    if (n == PREFIX && get64(prefix) == JOIN && beside.fd != -1 &&
        join(s, &beside, &from, m.msg_namelen) == 0)
        return 0;
    /* A session's name is no secret, but only its owner may use it. */
    if (session == NULL || !beside.stamped || beside.refused ||
        beside.who.uid != session->uid || (m.msg_flags & MSG_TRUNC) != 0) {
        if (beside.fd != -1)
            ancillary_discard(beside.fd); /* its sender reads an end of file */
        return 0;
    }
    req->msg.len = (size_t)n - PREFIX;
    req->msg.fd = beside.fd;
    req->peer = local_peer(&beside.who, IPC_STAMPED);
    req->peer.address = session->address;
    req->reply_to = session->name;
    return 1;
}

static int
dgram_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    /* Served in the order of arrival: one queue for all is fair by itself. */
    for (;;) {
        struct timespec left = ns_to_timespec(time_left(deadline));
        struct session *gone;
        struct epoll_event e;
        int n =
            epoll_pwait2(s->epoll, &e, 1, timeout_ns < 0 ? NULL : &left, NULL);

        if (n == -1)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        if (e.data.u64 == JOIN) {
            if (take_datagram(s, req))
                return 0;
            continue;
        }
        gone = find_session(s, e.data.u64);
        if (gone != NULL)
            drop(s, gone);
    }
}

static int
dgram_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct server *s = srv;
    struct session *to = find_session(s, req->reply_to);
    struct iovec data;
    ssize_t n;

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        drop(s, to);
        return 0;
    }
    data = (struct iovec){.iov_base = msg->buf, .iov_len = msg->len};
    n = ancillary_send(to->fd, &data, 1, msg->fd);
    if (n >= 0)
        return 0;
    /* EAGAIN: it does not collect its replies.  There is no way not to take
     * its requests meanwhile: they come in the same queue as all others. */
    drop(s, to);
    return -EPIPE;
}

static int
dgram_pollfd(void *srv)
{
    return ((struct server *)srv)->epoll;
}

static void
dgram_destroy(void *srv)
{
    struct server *s = srv;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->sessions[i].fd != 0)
            drop(s, &s->sessions[i]);
    close(s->epoll);
    close(s->socket);
    unlink(s->name);
}

/* -- client --------------------------------------------------------------- */

/* A socket that sends to the server, and nowhere else. */
static int
open_requests(const char *where)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, where);
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

    if (fd == -1)
        return -errno;
    /* connect(2) only remembers where to send; it tells nobody.  But to the
     * socket that is bound there now: a later server's is another one. */
    if (connect(fd, (struct sockaddr *)&address, len) == -1 ||
        stat(where, &st) == -1) {
        err = -errno;
        goto close_socket;
    }
    /* SO_PEERCRED knows connections only; so whose file is it? */
    err = endpoint_trusted(where, st.st_uid);
    if (err == 0)
        err = record_widen(fd);
    /* An address of its own, which the kernel chooses when it is given none:
     * unix(7), autobind.  For whoami; nobody sends there. */
    address.sun_family = AF_UNIX;
    if (err == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address.sun_family) == -1)
        err = -errno;
    if (err == 0)
        return fd;
close_socket:
    close(fd);
    return err;
}

static int
dgram_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int err = record_max(&c->max_msg);

    if (err != 0)
        return err;
    c->max_msg -= PREFIX;
    c->requests = open_requests(where);
    if (c->requests < 0)
        return c->requests;
    c->replies = channel_open(c->requests, c->session, PREFIX);
    if (c->replies >= 0)
        return 0;
    close(c->requests);
    return c->replies;
}

static int
dgram_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct iovec data[] = {{.iov_base = c->session, .iov_len = PREFIX},
                           {.iov_base = msg->buf, .iov_len = msg->len}};

    if (msg->len > c->max_msg)
        return -EMSGSIZE;
    return record_send(c->requests, data, 2, msg->fd, deadline_in(timeout_ns));
}

static int
dgram_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    return record_receive(c->replies, msg, deadline_in(timeout_ns));
}

static void
dgram_close(void *cli)
{
    struct client_end *c = cli;

    close(c->requests);
    close(c->replies);
}

/* -- limits, table -------------------------------------------------------- */

static int
dgram_limits(struct ipc_limits *l)
{
    int err = record_max(&l->max_msg);

    /* A socket sends as long as its buffer is not full, so one of the largest
     * is always possible. */
    l->max_msg -= PREFIX;
    l->max_inflight = 1;
    l->max_clients = IPC_MAX_CLIENTS;
    return err;
}

const struct ipc_mechanism socket_dgram = {
    .name = "socket/dgram",
    .summary = "AF_UNIX datagrams, each stamped by the kernel",
    .proof = "SCM_CREDENTIALS: the real uid of the sender of this message",
    .wire =
        "`DIR/socket-dgram` is an AF_UNIX datagram socket; check that it "
        "belongs to the owner\nof DIR. Make a socketpair (AF_UNIX, "
        "SOCK_SEQPACKET) and send one end of it\n(SCM_RIGHTS) in a datagram of "
        "8 zero bytes, then close that end. Read a record of\n8 bytes from "
        "the other: the name of your session; an end of file instead "
        "means\nthat the server has all the clients it can take. Every further "
        "datagram is that\nname, 8 bytes, and a frame. Replies come as "
        "records, one frame each, in the pair,\nand its end of file means that "
        "the server has gone. Sizes are as in\nsocket/seqpacket, less 8 bytes.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD |
            IPC_PERSISTS,
    .evidence = IPC_STAMPED,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = dgram_limits,
    .create = dgram_create,
    .next = dgram_next,
    .reply = dgram_reply,
    .pollfd = dgram_pollfd,
    .destroy = dgram_destroy,
    .open = dgram_open,
    .send = dgram_send,
    .recv = dgram_recv,
    .close = dgram_close,
    .sweep = local_sweep,
};

/*
 * dgram.c - AF_UNIX datagrams: no connections, one socket for everybody.
 *
 *      client A  --\                                   server: one socket
 *                   >--  sendmsg(NAME)  datagrams  -->   bound to NAME
 *      client B  --/
 *      client A  connect(NAME.join) ======= A's channel =======  answers to A
 *      client B  connect(NAME.join) ======= B's channel =======  answers to B
 *
 * The one idea: each message finds its way by itself, whole, and the kernel
 * stamps it with who sent it (SCM_CREDENTIALS): evidence K4.
 *
 * And the answer?  The textbook's server looks where the datagram came from and
 * sends there.  But that address is a name, and a name means what the reader's
 * mount or network namespace says it means: whoever binds the victim's path on
 * a tmpfs of its own has root's server send its answers to the victim.  A
 * connection always leads to who made it.  So a client joins by connecting to a
 * second socket (seqpacket), and its answers go through that connection and
 * nowhere else.  It also tells each side when the other is gone, which
 * datagrams do not.
 *
 * (The client could as well send one end of a socketpair in its first datagram,
 * and need no second name.  But who takes a stranger's descriptor has to close
 * it, and that can take for ever: core/ancillary.h.)
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, struct ucred */
#include "core/ancillary.h"
#include "core/clock.h"
#include "core/defence.h"
#include "core/records.h"
#include "core/wire.h"
#include "local.h"
#include "members.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- wire: a datagram is the session's name, 8 bytes, and a frame --------- */

#define PREFIX MEMBER_NAME

struct server {
    char name[ENDPOINT_SIZE];
    struct object_id file, join;
    int socket;
    struct members members;
};

struct client_end {
    int requests; /* connected to the server's socket */
    int replies;  /* connected to NAME.join */
    uint8_t session[PREFIX];
};

/* -- server --------------------------------------------------------------- */

/* Where clients join: NAME.join. */
static int
join_path(const char *name, struct sockaddr_un *address, socklen_t *len)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".join", path);

    if (err == 0)
        *len = local_path(address, path);
    return err;
}

static int
dgram_sweep(const char *name)
{
    char path[ENDPOINT_SIZE];
    int join = endpoint_file(name, ".join", path);

    if (join == 0)
        join = local_sweep(path);
    return swept_both(local_sweep(name), join);
}

static void
remove_names(const struct server *s)
{
    char path[ENDPOINT_SIZE];

    if (endpoint_file(s->name, ".join", path) == 0)
        local_remove(path, &s->join);
    local_remove(s->name, &s->file);
}

static int
dgram_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct sockaddr_un address, at;
    socklen_t len = local_path(&address, name), at_len;
    int joins, err = join_path(name, &at, &at_len);

    if (err != 0)
        return err;
    strcpy(s->name, name);
    s->socket = local_listen(SOCK_DGRAM, &address, len);
    if (s->socket < 0)
        return s->socket;
    joins = local_listen(SOCK_SEQPACKET, &at, at_len);
    err = joins < 0 ? joins : members_init(&s->members, s->socket, joins);
    if (err == 0) {
        object_id_at(name, &s->file); /* gone already: nothing to remove */
        object_id_at(at.sun_path, &s->join);
        return 0;
    }
    dgram_sweep(name);
    close(s->socket);
    return err;
}

/* Whose session this datagram of n bytes names; NULL: nobody's.  The name is no
 * secret, but only its owner may use it. */
static struct member *
sender(struct server *s, const uint8_t prefix[PREFIX], size_t n,
       const struct ancillary *beside)
{
    struct member *member =
        n < PREFIX ? NULL : members_find(&s->members, get64(prefix));

    if (member != NULL &&
        DEFENCE("session", !beside->stamped || beside->who.uid != member->owner,
                false))
        return NULL;
    return member;
}

/* One datagram.  1: *req is a request. */
static int
take_datagram(struct server *s, struct ipc_request *req)
{
    uint8_t prefix[PREFIX] = {0};
    struct iovec data[] = {{.iov_base = prefix, .iov_len = PREFIX},
                           {.iov_base = req->msg.buf, .iov_len = req->msg.cap}};
    struct msghdr m = {.msg_iov = data, .msg_iovlen = 2};
    struct member *member;
    struct ancillary beside;
    ssize_t n;

    if (ancillary_look(s->socket, &m, &beside)) {
        drain_datagram(s->socket, beside.who.uid);
        member = sender(s, prefix, PREFIX, &beside);
        if (member != NULL)
            members_drop(&s->members, member);
        return 0;
    }
    n = ancillary_receive(s->socket, &m, &beside);
    if (n < 0)
        return 0;
    member = sender(s, prefix, (size_t)n, &beside);
    /* No request comes with a descriptor.  MSG_TRUNC: the datagram was longer
     * than the buffer, and the rest of it is lost (recv(2)): no frame, but half
     * of one. */
    if (beside.fd != -1 || beside.refused || (m.msg_flags & MSG_TRUNC) != 0) {
        if (beside.fd != -1)
            ancillary_discard(beside.fd);
        if (member != NULL)
            members_drop(&s->members, member);
        return 0;
    }
    if (member == NULL)
        return 0;
    members_heard(&s->members, member);
    req->msg.len = (size_t)n - PREFIX;
    req->msg.fd = -1;
    req->peer = local_peer(&beside.who, IPC_STAMPED);
    req->peer.address = member->address;
    req->reply_to = members_token(&s->members, member);
    return 1;
}

static int
dgram_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    do
        err = members_wait(&s->members, deadline);
    while (err == 0 && take_datagram(s, req) == 0);
    return err;
}

static int
dgram_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct server *s = srv;
    struct member *to = members_find(&s->members, req->reply_to);
    struct iovec data;
    ssize_t n;

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        members_drop(&s->members, to);
        return 0;
    }
    if (msg->fd != -1 && members_take_descriptor(&s->members, to) != 0)
        return -EAGAIN;
    data = (struct iovec){.iov_base = msg->buf, .iov_len = msg->len};
    do
        n = ancillary_send(to->fd, &data, 1, msg->fd);
    while (n == -EINTR);
    if (n >= 0)
        return 0;
    /* More descriptors of our user are passed and not received than it may have
     * open (unix(7), ETOOMANYREFS); nothing was sent. */
    if (n == -ETOOMANYREFS)
        return -EAGAIN;
    /* EAGAIN: it does not collect its replies.  There is no way not to take
     * its requests meanwhile: they come in the same queue as all others. */
    members_drop(&s->members, to);
    return -EPIPE;
}

static int
dgram_pollfd(void *srv)
{
    return ((struct server *)srv)->members.epoll;
}

static void
dgram_destroy(void *srv)
{
    struct server *s = srv;

    members_free(&s->members);
    close(s->socket);
    remove_names(s);
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
    if (err == 0)
        return fd;
close_socket:
    close(fd);
    return err;
}

/* The server has to be there to be connected to.  A datagram starts one, if
 * somebody listens for it (activation.h). */
static int
join(struct client_end *c, const char *where)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct ipc_message first = {.buf = c->session, .cap = PREFIX};
    struct sockaddr_un at;
    socklen_t len;
    int err = join_path(where, &at, &len), fd = err;

    while (err == 0) {
        fd = local_join(SOCK_SEQPACKET, &at, len, where);
        if ((fd != -ENOENT && fd != -ECONNREFUSED) ||
            !endpoint_activated(where) || time_left(deadline) == 0)
            break;
        send(c->requests, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        poll(NULL, 0, 10);
    }
    if (fd < 0)
        return fd;
    do
        err = record_receive(fd, &first, deadline);
    while (err == -EINTR);
    if (err == 0 && first.len == PREFIX)
        return fd;
    close(fd);
    return err == -EPIPE ? -EAGAIN /* it is full */ : err != 0 ? err : -EPERM;
}

static int
dgram_open(void *cli, const char *where)
{
    struct client_end *c = cli;

    c->requests = open_requests(where);
    if (c->requests < 0)
        return c->requests;
    c->replies = join(c, where);
    if (c->replies >= 0)
        return 0;
    close(c->requests);
    return c->replies;
}

/* The name and the frame lie apart; sendmsg(2) makes one datagram of the two,
 * so that nothing has to be copied together first. */
static int
dgram_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct iovec data[] = {{.iov_base = c->session, .iov_len = PREFIX},
                           {.iov_base = msg->buf, .iov_len = msg->len}};

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
        "`DIR/socket-dgram` is an AF_UNIX datagram socket, "
        "`DIR/socket-dgram.join` one of type\nSOCK_SEQPACKET; check that they "
        "belong to the owner of DIR. Connect to the second\nand read two "
        "records from it: the byte `+`, and 8 bytes, the name of your session; "
        "an\nend of file instead means that the server has all the clients it "
        "can take. Every\ndatagram to the first is that name, 8 bytes, and a "
        "frame. Replies come as records,\none frame each, through the "
        "connection, and its end of file means that the server has\ngone; "
        "write nothing there. Sizes are as in socket/seqpacket, less 8 bytes.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD |
            IPC_PERSISTS,
    .evidence = IPC_STAMPED,
    .uses = IPC_USES_PATH,
    .pid_from = IPC_PID_CREDENTIALS,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/dgram-ids",
    .samples = IPC_SAMPLE_ISOLATED | IPC_SAMPLE_BESIEGED,
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
    .sweep = dgram_sweep,
};

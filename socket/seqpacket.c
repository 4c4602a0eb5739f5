/*
 * seqpacket.c - an AF_UNIX socket with connections that keeps messages apart.
 *
 *      client A  connect(NAME) ===== connection A ====\
 *                                                      server: epoll_wait
 *      client B  connect(NAME) ===== connection B ====/   over all of them
 *
 * The one idea: a record.  One sendmsg(2) is one recvmsg(2), whole, in order;
 * nothing has to be gathered or cut, and what travels beside a record belongs
 * to that record.  So the kernel can say of every single message who sent it
 * (SCM_CREDENTIALS): evidence K4, also if a connection has changed hands.
 *
 * Compare with stream.c, which carries longer messages and pays with frames.
 */
#define _GNU_SOURCE /* struct ucred */
#include "clients.h"
#include "core/ancillary.h"
#include "core/clock.h"
#include "core/records.h"

#include <errno.h>
#include <unistd.h>

struct client_end {
    int fd;
};

/* -- server --------------------------------------------------------------- */

static int
seqpacket_identify(struct connection *c)
{
    int err = record_widen(c->fd); /* not inherited from the listener */

    return err != 0 ? err : local_identify(c->fd, &c->peer, c->address);
}

static int
seqpacket_create(void *srv, const char *name)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, name);
    int listener = local_listen(SOCK_SEQPACKET, &address, len);

    return listener < 0 ? listener
                        : clients_init(srv, name, listener, seqpacket_identify);
}

/* One record.  1: *req is a request; 0: none, or its sender was dropped. */
static int
take_record(struct clients *s, struct connection *c, struct ipc_request *req)
{
    struct iovec data = {.iov_base = req->msg.buf, .iov_len = req->msg.cap};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary beside;
    ssize_t n;

    if (ancillary_look(c->fd, &m, &beside)) {
        clients_drop(s, c);
        return 0;
    }
    n = ancillary_receive(c->fd, &m, &beside);
    if (n == -EAGAIN || n == -EINTR)
        return 0;
    /* No bytes may be the end, or an empty record; but the end has no sender.
     * (An empty record is no message of ours: the service will say so.)  No
     * request comes with a descriptor. */
    if (n < 0 || !beside.stamped || beside.refused || beside.fd != -1 ||
        (m.msg_flags & MSG_TRUNC) != 0) {
        if (n >= 0 && beside.fd != -1)
            ancillary_discard(beside.fd);
        clients_drop(s, c);
        return 0;
    }
    clients_heard(s, c, NOTHING);
    req->msg.len = (size_t)n;
    req->msg.fd = -1;
    req->peer = local_peer(&beside.who, IPC_STAMPED);
    req->peer.address = c->address;
    return 1;
}

static int
seqpacket_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct clients *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    struct connection *c;

    /* Fair: epoll_wait(2) goes round those that are ready, and each time one
     * record is taken. */
    do {
        int err = clients_wait(s, deadline, &c);

        if (err != 0)
            return err;
    } while (c == NULL || take_record(s, c, req) == 0);
    req->reply_to = clients_token(s, c);
    return 0;
}

/* -- client --------------------------------------------------------------- */

static int
seqpacket_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    struct sockaddr_un address;
    socklen_t len = local_path(&address, where);
    int err;

    c->fd = local_join(SOCK_SEQPACKET, &address, len, where);
    if (c->fd < 0)
        return c->fd;
    err = record_widen(c->fd);
    if (err != 0)
        close(c->fd);
    return err;
}

static int
seqpacket_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct iovec data = {.iov_base = msg->buf, .iov_len = msg->len};

    return record_send(c->fd, &data, 1, msg->fd, deadline_in(timeout_ns));
}

static int
seqpacket_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    return record_receive(c->fd, msg, deadline_in(timeout_ns));
}

static void
seqpacket_close(void *cli)
{
    struct client_end *c = cli;

    close(c->fd);
}

/* -- limits, table -------------------------------------------------------- */

static int
seqpacket_limits(struct ipc_limits *l)
{
    /* A socket sends as long as its buffer is not full, so one of the largest
     * is always possible. */
    *l = (struct ipc_limits){.max_inflight = 1, .max_clients = IPC_MAX_CLIENTS};
    return record_max(&l->max_msg);
}

const struct ipc_mechanism socket_seqpacket = {
    .name = "socket/seqpacket",
    .summary = "AF_UNIX records, each stamped by the kernel; epoll",
    .proof = "SCM_CREDENTIALS: the real uid of the sender of this message",
    .wire =
        "As socket/stream, with an AF_UNIX SOCK_SEQPACKET socket at "
        "`DIR/socket-seqpacket`:\none sendmsg(2) is one frame. Set SO_SNDBUF "
        "to "
        "1048640 first: the largest frame is\nwhat the kernel makes of that "
        "(getsockopt), less 32 bytes, and receive with a\nbuffer of that size. "
        "The server has the kernel add the sender's ids to each record;\na "
        "client need not do anything for it.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD |
            IPC_PERSISTS,
    .evidence = IPC_STAMPED,
    .uses = IPC_USES_PATH,
    .pid_from = IPC_PID_CREDENTIALS,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/seqpkt-ids",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_LOAD,
    .server_size = sizeof(struct clients),
    .client_size = sizeof(struct client_end),
    .limits = seqpacket_limits,
    .create = seqpacket_create,
    .next = seqpacket_next,
    .reply = clients_reply,
    .pollfd = clients_pollfd,
    .destroy = clients_destroy,
    .open = seqpacket_open,
    .send = seqpacket_send,
    .recv = seqpacket_recv,
    .close = seqpacket_close,
    .sweep = local_sweep,
};

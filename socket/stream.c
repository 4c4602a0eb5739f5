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
 * How one thread looks after them all is in clients.c, how bytes become
 * messages in core/stream.c; threads.c has a thread for each instead.
 */
#define _GNU_SOURCE /* struct ucred */
#include "core/stream.h"
#include "streams.h"

#include <unistd.h>

/* -- server --------------------------------------------------------------- */

static int
stream_identify(struct connection *c)
{
    return local_identify(c->fd, &c->peer, c->address);
}

static int
stream_create(void *srv, const char *name)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, name);
    int listener = local_listen(SOCK_STREAM, &address, len);

    return listener < 0 ? listener
                        : clients_init(srv, name, listener, stream_identify);
}

/* -- client --------------------------------------------------------------- */

static int
stream_open(void *cli, const char *where)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, where);
    int fd = local_join(SOCK_STREAM, &address, len, where);

    if (fd < 0)
        return fd;
    stream_end_init(cli, fd);
    return 0;
}

/* -- limits, table -------------------------------------------------------- */

const struct ipc_mechanism socket_stream = {
    .name = "socket/stream",
    .summary = "AF_UNIX stream socket, epoll",
    .proof = "SO_PEERCRED: the effective uid that called connect(2)",
    .wire =
        "`DIR/socket-stream` is an AF_UNIX stream socket. Connect, and check "
        "with SO_PEERCRED\nthat the server is the owner of DIR. Read one byte, "
        "`+`: the server has taken you;\nan end of file instead means that it "
        "has all the clients it can take. Then write\nrequests and read "
        "replies: frames one after the other. A descriptor travels with\nthe "
        "first byte of its frame (SCM_RIGHTS); the server accepts none.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD | IPC_PERSISTS,
    .evidence = IPC_PEER,
    .uses = IPC_USES_PATH,
    .pid_from = IPC_PID_CREDENTIALS,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/stream",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_SLOW,
    .server_size = sizeof(struct clients),
    .client_size = sizeof(struct stream_end),
    .limits = stream_limits,
    .create = stream_create,
    .next = streams_next,
    .reply = clients_reply,
    .pollfd = clients_pollfd,
    .destroy = clients_destroy,
    .open = stream_open,
    .send = stream_send,
    .recv = stream_recv,
    .close = stream_close,
    .sweep = local_sweep,
};

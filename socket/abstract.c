/*
 * abstract.c - an AF_UNIX stream socket with a name that is not a path.
 *
 *      client  connect("\0NAME") ===== connection ====  server: bind("\0NAME")
 *
 * The one idea: the name lives in the kernel, in the network namespace, and
 * goes with the socket.  A crash leaves nothing, and there is nothing to
 * unlink.  But there is no file either, so no owner, no mode and no directory:
 * anybody may connect, and anybody may take the name while no server has it.
 * So the client asks who called listen(2) there (SO_PEERCRED, in local_join()),
 * and believes only the owner of the run directory.
 *
 * Otherwise this is stream.c: diff them.
 */
#define _GNU_SOURCE /* struct ucred */
#include "core/stream.h"
#include "streams.h"

#include <unistd.h>

/* -- server --------------------------------------------------------------- */

static int
abstract_identify(struct connection *c)
{
    return local_identify(c->fd, &c->peer, c->address);
}

static int
abstract_create(void *srv, const char *name)
{
    struct sockaddr_un address;
    socklen_t len = local_abstract(&address, name);
    int listener = local_listen(SOCK_STREAM, &address, len);

    return listener < 0 ? listener
                        : clients_init(srv, "", listener, abstract_identify);
}

/* -- client --------------------------------------------------------------- */

static int
abstract_open(void *cli, const char *where)
{
    struct sockaddr_un address;
    socklen_t len = local_abstract(&address, where);
    int fd = local_join(SOCK_STREAM, &address, len, where);

    if (fd < 0)
        return fd;
    stream_end_init(cli, fd);
    return 0;
}

/* -- limits, table -------------------------------------------------------- */

const struct ipc_mechanism socket_abstract = {
    .name = "socket/abstract",
    .summary = "the same with an abstract name: no file, no permissions",
    .proof = "SO_PEERCRED: the effective uid that called connect(2)",
    .wire = "As socket/stream, at the abstract name `\\0DIR/socket-abstract`, "
            "whose length in the\naddress is its own: no NUL after it. "
            "Anybody can take the name while there is no\nserver, so do "
            "check with SO_PEERCRED who it is.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD,
    .evidence = IPC_PEER,
    .uses = IPC_USES_NET,
    .pid_from = IPC_PID_CREDENTIALS,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/stream",
    .samples = IPC_SAMPLE_ISOLATED,
    .server_size = sizeof(struct clients),
    .client_size = sizeof(struct stream_end),
    .limits = stream_limits,
    .create = abstract_create,
    .next = streams_next,
    .reply = clients_reply,
    .pollfd = clients_pollfd,
    .destroy = clients_destroy,
    .open = abstract_open,
    .send = stream_send,
    .recv = stream_recv,
    .close = stream_close,
};

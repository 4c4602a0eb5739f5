/*
 * pair.c - a socketpair to a server that the client starts.
 *
 *      client                                      server: fork, exec
 *      pair[0]  ==== requests and replies ====>    0 and 1: the same socket
 *
 * The one idea: one socket does the work of two pipes.  It goes both ways, and
 * unlike a pipe it lets open files travel beside the bytes.  As with pipes it
 * needs no name, and nobody else can hold the other end: compare with
 * pipe/coprocess.c.
 *
 * Both ends are alike, so both sides use struct stream_end (core/stream.h).
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, struct ucred */
#include "core/ancillary.h"
#include "core/spawn.h"
#include "core/stream.h"

#include <errno.h>
#include <unistd.h>

struct server {
    struct stream_end end;
    struct ipc_peer peer; /* the only one there will ever be */
    bool client_gone;
};

struct client_end {
    struct stream_end end;
    struct spawned server;
};

/* -- server --------------------------------------------------------------- */

static int
pair_create(void *srv, const char *name)
{
    struct server *s = srv;

    (void)name;
    stream_end_init(&s->end, STDIN_FILENO);
    ancillary_refuse_descriptors(STDIN_FILENO);
    /* Who started us.  Real ids survive the exec of a set-user-ID program.
     * (SO_PEERCRED would name who made the pair: by effective uid.)  The
     * parent's pid is only a name: it may have died already. */
    s->peer = (struct ipc_peer){.pid = getppid(),
                                .uid = getuid(),
                                .gid = getgid(),
                                .evidence = IPC_PEER,
                                .address = "unnamed"};
    return 0;
}

static int
pair_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    if (s->client_gone)
        return -EPIPE;
    err = stream_recv(&s->end, &req->msg, timeout_ns);
    if (err == -EBADMSG) /* nonsense from the only peer: the end */
        err = -EPIPE;
    if (err == 0 && s->end.passed != -1) /* a descriptor nobody announced */
        err = -EPIPE;
    req->peer = s->peer;
    req->reply_to = 0;
    return err;
}

static int
pair_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true;
        return 0;
    }
    /* Waiting for the client is no danger here: there is no other. */
    return stream_send(&s->end, msg, -1);
}

static int
pair_pollfd(void *srv)
{
    (void)srv;
    return STDIN_FILENO;
}

static void
pair_destroy(void *srv)
{
    struct server *s = srv;

    stream_close(&s->end);
}

/* -- client --------------------------------------------------------------- */

static int
pair_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int pair[2], err;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return -errno;
    err = spawn_server(where, "socket/pair", pair[1], pair[1], &c->server);
    /* The server's end must be open in the server only: as long as we hold it,
     * we never see the end of file that says "gone". */
    close(pair[1]);
    if (err == 0)
        stream_end_init(&c->end, pair[0]);
    else
        close(pair[0]);
    return err;
}

static int
pair_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    return stream_send(&c->end, msg, timeout_ns);
}

static int
pair_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    return stream_recv(&c->end, msg, timeout_ns);
}

/* The server reads an end of file, because nobody else has this end, and
 * ends. */
static void
pair_close(void *cli)
{
    struct client_end *c = cli;

    stream_close(&c->end);
    spawn_reap(&c->server);
}

static void
pair_forget(void *cli)
{
    struct client_end *c = cli;

    stream_close(&c->end);
    spawn_forget(&c->server);
}

/* -- limits, table -------------------------------------------------------- */

static int
pair_limits(struct ipc_limits *l)
{
    stream_limits(l);
    l->max_clients = 1;
    return 0;
}

const struct ipc_mechanism socket_pair = {
    .name = "socket/pair",
    .summary = "a socketpair to a (set-user-ID) server the client forks",
    .proof = "the real uid the server was exec'd with",
    .wire =
        "Make a socketpair (AF_UNIX, SOCK_STREAM), fork, and exec the server "
        "with one end as\nits descriptors 0 and 1; close that end in the "
        "client. Write requests to the other,\nand read replies from it: "
        "frames one after the other. A descriptor travels with the\nfirst byte "
        "of its frame (SCM_RIGHTS); the server accepts none. Close to end "
        "the\nserver, and wait for it.",
    .caps = IPC_SPAWNED | IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD,
    .evidence = IPC_PEER,
    .uses = IPC_USES_CHANNEL,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/stream",
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = pair_limits,
    .create = pair_create,
    .next = pair_next,
    .reply = pair_reply,
    .pollfd = pair_pollfd,
    .destroy = pair_destroy,
    .open = pair_open,
    .send = pair_send,
    .recv = pair_recv,
    .close = pair_close,
    .forget = pair_forget,
};

/*
 * mpi.c - MPI message passing, the client's half: a process that speaks MPI,
 * and a socket to it.
 *
 *      client  == socketpair ==  relay  ~~ MPI_Send, MPI_Recv ~~  server
 *                                  \                               /
 *                                   orted, Open MPI's own daemon --
 *
 * The one idea: messages between processes that know each other by rank, on
 * whatever machines they are; the library finds the way.  The MPI is all in
 * msgq/ipcd-mpi.c, which is both the relay and the server.
 *
 * Why is the client not an MPI process itself?  Because MPI wants a process to
 * itself: it can be started once in it and never again, no fork(2) survives
 * it, and when one process of a job dies, so do the others.  A program that
 * wants an answer from a server wants none of that, so it keeps its MPI in
 * another process: what dies there is here the end of a stream.
 */
#define _GNU_SOURCE /* environ, nftw, pipe2, SOCK_CLOEXEC */
#include "mpi_session.h"

#include "core/clock.h"
#include "core/rundir.h"
#include "core/spawn.h"
#include "core/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long the MPI runtime may take to end, ns: half a second when all is
 * well. */
#define END_TIMEOUT (10 * NS_PER_SEC)

struct client_end {
    struct stream_end end;
    int alive; /* end of file: the relay and its daemon have ended */
    struct spawned server;
};

/* -- what a crash leaves -------------------------------------------------- */

void
mpi_session(pid_t pid, char path[MPI_SESSION_SIZE])
{
    snprintf(path, MPI_SESSION_SIZE, "/tmp/ipclab-mpi-%d", (int)pid);
}

/* What is gone already, Open MPI is removing at the same time: go on. */
static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    if (type == FTW_DP)
        rmdir(path);
    else
        unlink(path);
    return 0;
}

void
mpi_session_remove(pid_t pid)
{
    char path[MPI_SESSION_SIZE];
    struct stat st;

    mpi_session(pid, path);
    /* In /tmp anybody may have made that name; nobody else can change what is
     * in a directory of ours. */
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
        nftw(path, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}

/* -- server --------------------------------------------------------------- */

/* Runs `ipcd-mpi --probe`.  The program may be older than what is installed
 * now, and what it is linked with may be gone: then the loader says 127.  Its
 * exit status, or -errno. */
static int
probe(const char *path)
{
    char name[] = "ipcd-mpi", role[] = "--probe";
    char *argv[] = {name, role, NULL};
    posix_spawn_file_actions_t silent;
    int status, err;
    pid_t pid;

    posix_spawn_file_actions_init(&silent);
    posix_spawn_file_actions_addopen(&silent, STDERR_FILENO, "/dev/null",
                                     O_WRONLY, 0);
    err = posix_spawn(&pid, path, &silent, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&silent);
    if (err != 0)
        return -err;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return 0; /* a handler of SIGCHLD was first: open() will tell */
    return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static const char *
mpi_unavailable(void)
{
    char path[PATH_MAX];

    if (program_path("ipcd-mpi", path, sizeof path) != 0 ||
        access(path, X_OK) == -1)
        return "built without MPI: there was no mpicc (Debian: apt install "
               "libopenmpi-dev openmpi-bin, then make)";
    if (getauxval(AT_SECURE) != 0)
        return NULL; /* mpi_create() says no */
    switch (probe(path)) {
    case 0:
        return NULL;
    case 127:
        return "ipcd-mpi does not find Open MPI's libraries any more (Debian: "
               "apt install libopenmpi3, or make clean)";
    default:
        return "Open MPI's daemon, orted, is not there (Debian: apt install "
               "openmpi-bin)";
    }
}

/* `ipcd --stdio -m msgq/mpi` becomes the relay.  Not with rights that its
 * caller has not: MPI starts programs that the environment names. */
static int
mpi_create(void *srv, const char *name)
{
    char path[PATH_MAX];
    int err = program_path("ipcd-mpi", path, sizeof path);

    (void)srv;
    (void)name;
    if (err != 0)
        return err;
    if (getauxval(AT_SECURE) != 0)
        return -EPERM;
    execl(path, "ipcd-mpi", "--stdio", (char *)NULL);
    return -errno;
}

/* The server's own are in ipcd-mpi: create() does not come back. */
static int
mpi_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    (void)srv, (void)req, (void)timeout_ns;
    return -EPIPE;
}

static int
mpi_reply(void *srv, const struct ipc_request *req,
          const struct ipc_message *msg)
{
    (void)srv, (void)req, (void)msg;
    return -EPIPE;
}

static void
mpi_destroy(void *srv)
{
    (void)srv;
}

/* -- client --------------------------------------------------------------- */

static int
mpi_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int pair[2], alive[2], err;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return -errno;
    if (pipe2(alive, O_CLOEXEC) == -1) {
        err = -errno;
        goto close_pair;
    }
    /* The relay's standard output, which its daemon inherits, is a pipe that
     * nobody writes to: it tells us when both are gone. */
    err = spawn_server(where, "msgq/mpi", pair[1], alive[1], &c->server);
    if (err != 0)
        goto close_alive;
    close(pair[1]);
    close(alive[1]);
    stream_end_init(&c->end, pair[0]);
    c->alive = alive[0];
    return 0;

close_alive:
    close(alive[0]);
    close(alive[1]);
close_pair:
    close(pair[0]);
    close(pair[1]);
    return err;
}

static int
mpi_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    return stream_send(&c->end, msg, timeout_ns);
}

static int
mpi_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    return stream_recv(&c->end, msg, timeout_ns);
}

static void
mpi_close(void *cli)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(END_TIMEOUT);
    struct pollfd p = {.fd = c->alive, .events = 0}; /* POLLHUP */
    int err;

    stream_close(&c->end);
    do
        err = poll_until(&p, 1, deadline);
    while (err == -EINTR);
    close(c->alive);
    spawn_reap(&c->server);
    mpi_session_remove(c->server.pid);
}

static void
mpi_forget(void *cli)
{
    struct client_end *c = cli;

    stream_close(&c->end);
    close(c->alive);
    spawn_forget(&c->server);
}

/* -- limits, table -------------------------------------------------------- */

static int
mpi_limits(struct ipc_limits *l)
{
    stream_limits(l);
    l->max_clients = 1;
    return 0;
}

const struct ipc_mechanism msgq_mpi = {
    .name = "msgq/mpi",
    .summary = "MPI messages, through a process that speaks MPI for the client",
    .proof = "none: MPI knows ranks, not users",
    .wire =
        "As an MPI process: MPI_Comm_spawn one `ipcd-mpi --serve`, on "
        "MPI_COMM_SELF. All\nmessages are MPI_BYTE, to and from rank 0 of the "
        "intercommunicator. The first comes\nfrom the server, with tag 3: "
        "\"PID HOST\" and a NUL. Then each frame is a message with\ntag 1, "
        "both ways. To end, send an empty one with tag 2, receive until one "
        "comes\nback, and call MPI_Comm_disconnect; the server begins with it "
        "when you broke the\nrules.\nWithout MPI: make a socketpair (AF_UNIX, "
        "SOCK_STREAM) and a "
        "pipe, fork, and exec\n`ipcd --stdio -m msgq/mpi` with one end of the "
        "pair as descriptor 0 and the write end\nof the pipe as descriptor 1; "
        "then as in `socket/pair`, without descriptors. After\nclosing, the "
        "pipe's end of file says that all of MPI has ended.",
    .caps = IPC_SPAWNED | IPC_PIPELINED | IPC_REMOTE,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_DEVICE | IPC_USES_CHANNEL | IPC_USES_LIBRARY,
    .server_size = 1,
    .client_size = sizeof(struct client_end),
    .unavailable = mpi_unavailable,
    .limits = mpi_limits,
    .create = mpi_create,
    .next = mpi_next,
    .reply = mpi_reply,
    .destroy = mpi_destroy,
    .open = mpi_open,
    .send = mpi_send,
    .recv = mpi_recv,
    .close = mpi_close,
    .forget = mpi_forget,
};

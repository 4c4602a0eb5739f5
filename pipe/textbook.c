/*
 * textbook.c - the protocol over two pipes as books teach it (APUE 15.4, TLPI
 * 44.2, UNPv2 4.3), for honest peers who do not die.
 *
 *      client                                  server: fork(2), execve(2)
 *      requests[1]  ---- a pipe ---->          0  (standard input)
 *      replies[0]  <---- a pipe -----          1  (standard output)
 *
 * The one idea: what is open stays open across fork(2) and execve(2), so the
 * client makes both pipes, and whom it starts has their other ends.  Nobody
 * else can have them: no name, no permissions, and one client for each server.
 *
 * A pipe goes one way, and it is bytes: how many belong to a message only its
 * header says.  core/textbook.h has the read(2) and the write(2), core/frames.h
 * gathers what came.  What this form does not withstand stands in README.md;
 * coprocess.c is what withstands it.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* pipe2 */
#include "core/textbook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
    struct frames in; /* what has come, and is not a whole message yet */
};

struct client_end {
    int to_server, from_server;
    pid_t server;
    struct frames in;
};

/* A whole message: as many read(2)s as it takes, or none if it has come. */
static int
receive(int fd, struct frames *in, struct ipc_message *msg, int64_t deadline)
{
    int got, err = 0;

    while ((got = frames_take(in, msg)) == 0 && err == 0) {
        err = wait_for(fd, POLLIN, deadline); /* -ETIMEDOUT, -EINTR */
        if (err == 0)
            err = read_some(fd, in); /* -EPIPE: no write end is open any more */
    }
    return got < 0 ? got : err;
}

/* -- server ---------------------------------------------------------------- */

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;

    (void)name; /* the channel is open already: 0 and 1 */
    frames_init(&s->in);
    return 0;
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    /* block next: read a message from standard input; say who asks */
    err = receive(STDIN_FILENO, &s->in, &req->msg, deadline_in(timeout_ns));
    if (err == -EBADMSG) /* where the next one begins nobody knows: the end */
        return -EPIPE;
    /* Who started us.  execve(2) of a set-user-ID program changes the effective
     * uid; the real one stays the client's, and the kernel vouches for it. */
    req->peer = (struct ipc_peer){.pid = getppid(),
                                  .uid = getuid(),
                                  .gid = getgid(),
                                  .evidence = IPC_PEER};
    req->reply_to = 0; /* there is only one */
    return err;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    (void)srv;
    (void)req;
    if (msg == NULL)
        return 0; /* it broke the rules; but peers are honest here */
    /* block reply: write the message to standard output, all of it */
    return write_all(STDOUT_FILENO, msg);
    /* end: return -ENOSYS; */
}

static int
textbook_pollfd(void *srv)
{
    (void)srv;
    return STDIN_FILENO;
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    frames_free(&s->in);
}

/* -- client ---------------------------------------------------------------- */

static int
textbook_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int requests[2], replies[2], err;

    /* block open: make two pipes, fork, and exec the server with their ends.
     * That the exec fails only the child would know: so look before. */
    if (access(where, X_OK) == -1)
        return -errno;
    /* O_CLOEXEC: what other programs this one starts must not have them. */
    if (pipe2(requests, O_CLOEXEC) == -1)
        return -errno;
    if (pipe2(replies, O_CLOEXEC) == -1) {
        err = -errno;
        goto close_requests;
    }
    c->server = fork();
    if (c->server == -1) {
        err = -errno;
        goto close_replies;
    }
    if (c->server == 0) { /* the child; dup2(2) makes copies without the flag */
        dup2(requests[0], STDIN_FILENO);
        dup2(replies[1], STDOUT_FILENO);
        execl(where, "ipcd", "--stdio", "-m", "pipe/textbook", (char *)NULL);
        _exit(127); /* exit(3) would write out the parent's buffers again */
    }
    /* The server's ends must be open in the server only: as long as we hold
     * one, neither side ever sees the end of file that says "gone". */
    close(requests[0]);
    close(replies[1]);
    c->to_server = requests[1];
    c->from_server = replies[0];
    frames_init(&c->in);
    return 0;

close_replies:
    close(replies[0]);
    close(replies[1]);
close_requests:
    close(requests[0]);
    close(requests[1]);
    return err;
    /* end: return -ENOSYS; */
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    (void)timeout_ns; /* write(2) has none, and the server reads */
    /* block send: write the message to the server, all of it */
    return write_all(c->to_server, msg);
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    msg->fd = -1;
    /* block recv: read a message from the server */
    return receive(c->from_server, &c->in, msg, deadline_in(timeout_ns));
    /* end: return -ENOSYS; */
}

static void
textbook_close(void *cli)
{
    struct client_end *c = cli;

    /* block close: close both ends, and wait for the server.  In this order: it
     * ends when it reads the end of file, and not before. */
    close(c->to_server);
    close(c->from_server);
    frames_free(&c->in);
    waitpid(c->server, NULL, 0); /* or it would stay a zombie */
    /* end: */
}

/* -- limits, table --------------------------------------------------------- */

static int
textbook_limits(struct ipc_limits *l)
{
    /* A message may be larger than a pipe, 65536 bytes: pipe(7).  Then it goes
     * in as the other side takes it out. */
    *l = (struct ipc_limits){
        .max_msg = IPC_MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

const struct ipc_mechanism pipe_textbook = {
    .name = "pipe/textbook",
    .summary = "as books teach it: two pipes, fork, exec",
    .proof = "the real uid the server was exec'd with",
    .wire =
        "Make two pipes, fork, and exec the server with the read end of the "
        "first as\ndescriptor 0 and the write end of the second as descriptor "
        "1; close those two\nends in the client. Write requests to the first, "
        "read replies from the second:\nframes one after the other, and no "
        "more "
        "requests at a time than fit into a pipe with\ntheir replies. Close "
        "both to end the server, and wait for it.",
    .caps = IPC_SPAWNED | IPC_PIPELINED | IPC_POLLABLE | IPC_TRUSTING |
            IPC_TEXTBOOK,
    .evidence = IPC_PEER,
    .uses = IPC_USES_CHANNEL,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/pipe",
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .pollfd = textbook_pollfd,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
};

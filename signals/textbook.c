/*
 * textbook.c - the protocol with signals as books teach them (TLPI 20 to 22,
 * APUE 10.16), for honest peers: a file for what is said, and two signals that
 * say when.
 *
 *      client                     one file, no name      server: fork, exec
 *      writes the request  --->  [ file ]
 *      kill(server, SIGUSR1) - - - - - - - - - - - - ->  sigtimedwait(SIGUSR1)
 *                                [ file ]  ----------->  reads it
 *                                [ file ]  <-----------  writes the reply
 *      sigtimedwait(SIGUSR2) <- - - - - - - - - - - - -  kill(client, SIGUSR2)
 *      reads the reply     <---  [ file ]
 *
 * The one idea: a signal that is blocked waits, and can be taken when it suits,
 * like a message: no handler, and none of the dangers of handlers.  But of two
 * that come meanwhile one is lost, and neither carries a byte.  So the sides
 * take turns, and never more than one signal is under way.  What this form does
 * not withstand stands in README.md.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* memfd_create */
#include "core/textbook.h"
#include "core/spawn.h"
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* How often one looks whether the other side lives, ns. */
#define LOOK (50 * NS_PER_MS)

struct side {
    sigset_t hears;        /* blocked, and taken when it suits */
    pid_t client;          /* the server's parent; 0: this is the client */
    struct spawned server; /* the client's child */
};

struct server {
    struct side side;
    bool client_gone;
};

struct client_end {
    struct side side;
    int file;                        /* where the message is */
    sigset_t before;                 /* what was blocked */
    enum { MINE, THEIRS, DUE } turn; /* DUE: theirs, with a reply to come */
};

/* -- signals ----------------------------------------------------------- */

/* Blocked they must be before the first one can come, and for as long as one
 * can: one that is not kills us, which is what they do by default. */
static void
block(struct side *s, int one, int another, sigset_t *before)
{
    sigemptyset(&s->hears);
    sigaddset(&s->hears, one);
    sigaddset(&s->hears, another);
    pthread_sigmask(SIG_BLOCK, &s->hears, before);
}

/* Who is not our parent any more is dead.  For our child there is a descriptor
 * that becomes readable.  (kill(pid, 0) finds it alive until it is reaped.) */
static bool
is_gone(const struct side *s)
{
    return s->client != 0 ? getppid() != s->client
                          : wait_for(s->server.fd, POLLIN, 0) == 0;
}

/* Takes the next of those that are heard, once it is pending: its number. */
static int
take_signal(const struct side *s, int64_t deadline)
{
    for (;;) {
        int64_t left = time_left(deadline);
        bool last = left >= 0 && left < LOOK;
        struct timespec t = ns_to_timespec(last ? left : LOOK);
        int number = sigtimedwait(&s->hears, NULL, &t);

        if (number > 0)
            return number;
        if (errno == EINTR)
            return -EINTR; /* another one, that has a handler */
        if (is_gone(s))
            return -EPIPE;
        if (last)
            return -ETIMEDOUT;
    }
}

/* -- server ------------------------------------------------------------ */

static int
textbook_create(void *srv, const char *name)
{
    struct side *s = &((struct server *)srv)->side;
    pid_t client = 0;

    (void)name;
    s->client = getppid();
    /* The first message says who is to be signalled: SIGUSR2 kills who does not
     * expect it, such as the shell of one who starts this by hand. */
    if (pread(0, &client, sizeof client, 0) != (ssize_t)sizeof client ||
        client != s->client)
        return -EPIPE;
    /* block create: block our two signals, then tell the client */
    /* SIGHUP, "good-bye", too: it would end us in the middle of an answer. */
    block(s, SIGUSR1, SIGHUP, NULL);
    return kill(s->client, SIGUSR2) == -1 ? -errno : 0;
    /* end: return -ENOSYS; */
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    if (s->client_gone)
        return -EPIPE;
    /* block next: wait for the signal, read the message */
    err = take_signal(&s->side, deadline_in(timeout_ns));
    if (err == SIGHUP)
        return -EPIPE; /* "good-bye" */
    if (err > 0)
        err = get_message(0, &req->msg);
    if (err != 0)
        return err;
    req->reply_to = 0; /* there is only one client */
    /* By the kernel's word: our real uid is that of who started us, also if
     * the program is set-user-ID: credentials(7). */
    req->peer = (struct ipc_peer){.pid = s->side.client,
                                  .uid = getuid(),
                                  .gid = getgid(),
                                  .evidence = IPC_PEER};
    if (!wire_wants_reply(&req->msg))
        kill(s->side.client, SIGUSR2); /* the file is the client's again */
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct server *s = srv;
    int err;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true; /* it will see us end */
        return 0;
    }
    /* block reply: write the message, say so */
    err = put_message(0, msg->buf, msg->len);
    if (err == 0 && kill(s->side.client, SIGUSR2) == -1)
        err = -EPIPE;
    return err;
    /* end: return -ENOSYS; */
}

static void
textbook_destroy(void *srv)
{
    (void)srv; /* the file goes with the last descriptor */
}

/* -- client ------------------------------------------------------------ */

static void
textbook_forget(void *cli)
{
    struct client_end *c = cli;

    spawn_forget(&c->side.server);
    close(c->file);
    pthread_sigmask(SIG_SETMASK, &c->before, NULL);
}

static void
textbook_close(void *cli)
{
    static const struct timespec now;
    struct client_end *c = cli;

    /* block close: say good-bye, reap the server */
    /* A notice must have been read: SIGHUP, the lower number, comes first. */
    if (c->turn == THEIRS)
        take_signal(&c->side, deadline_in(ipc_open_timeout));
    spawn_signal(&c->side.server, SIGHUP);
    spawn_reap(&c->side.server); /* or it would remain a zombie */
    close(c->file);
    /* To unblock is to deliver: what is pending would kill us. */
    sigtimedwait(&c->side.hears, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &c->before, NULL);
    /* end: */
}

static int
textbook_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    pid_t self = getpid();
    int err;

    /* block open: make the file, start the server, wait until it is ready */
    c->file = memfd_create("ipclab-message", MFD_CLOEXEC);
    if (c->file == -1)
        return -errno;
    /* Before the fork: the server may be ready before we are back here. */
    block(&c->side, SIGUSR2, SIGUSR2, &c->before);
    err = put_message(c->file, &self, sizeof self);
    if (err == 0) /* the file becomes its descriptors 0 and 1 */
        err = spawn_server(where, "signals/textbook", c->file, c->file,
                           &c->side.server);
    if (err != 0) {
        close(c->file);
        pthread_sigmask(SIG_SETMASK, &c->before, NULL);
        return err;
    }
    do
        err = take_signal(&c->side, deadline_in(ipc_open_timeout));
    while (err == -EINTR);
    if (err > 0)
        return 0;
    textbook_close(c);
    return err == -EPIPE ? -ECONNREFUSED : err; /* it ended at once */
    /* end: return -ENOSYS; */
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    int err;

    if (c->turn == DUE)
        return -EBUSY;
    /* block send: wait until the file is ours, write the message, say so */
    do
        err = c->turn == MINE ? 0 : take_signal(&c->side, deadline);
    while (err == -EINTR);
    if (err < 0)
        return err;
    c->turn = MINE;
    /* First what is said, then that it is: the server reads at once. */
    err = put_message(c->file, msg->buf, msg->len);
    if (err == 0)
        err = spawn_signal(&c->side.server, SIGUSR1);
    if (err == 0)
        c->turn = wire_wants_reply(msg) ? DUE : THEIRS;
    return err == -ESRCH ? -EPIPE : err;
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    int err;

    msg->fd = -1;
    if (c->turn != DUE) /* nothing is to come */
        return wait_for(-1, 0, deadline);
    /* block recv: wait for the signal, read the message */
    err = take_signal(&c->side, deadline);
    if (err < 0 && err != -EINTR)
        c->turn = THEIRS; /* given up: send() will throw it away */
    if (err < 0)
        return err;
    c->turn = MINE;
    return get_message(c->file, msg);
    /* end: return -ENOSYS; */
}

/* -- limits, table ----------------------------------------------------- */

static int
textbook_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = IPC_MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

const struct ipc_mechanism signals_textbook = {
    .name = "signals/textbook",
    .summary = "as books teach it: a file, and two signals that say when",
    .proof = "the real uid the server was exec'd with",
    .wire = "Start `ipcd --stdio -m signals/textbook` with a file as its "
            "descriptors 0 and 1 that\nhas your pid in it (32 bits, the "
            "machine's order); block SIGUSR2 before, and wait\nfor it. To "
            "send, make the frame all there is in the file and send SIGUSR1. "
            "To\nreceive, or after a notice, wait for SIGUSR2; a reply is all "
            "there is in the file.\nAt the end, SIGHUP.",
    .caps = IPC_SPAWNED | IPC_BOUNDARIES | IPC_TRUSTING | IPC_TEXTBOOK,
    .evidence = IPC_PEER,
    .uses = IPC_USES_SIGNALS,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
    .forget = textbook_forget,
};

/*
 * threads.c - an AF_UNIX stream socket with a path, and a thread per client.
 *
 *      accepting thread   accept4 ... accept4 ...
 *      thread of A        recvmsg ... -> queue, waits, <- answer, sendmsg ...
 *      thread of B        recvmsg ... -> queue, waits, <- answer, sendmsg ...
 *                                          |              |
 *      the service's thread                next()         reply()
 *
 * The one idea: each client has a thread of its own that does one thing after
 * the other and waits in every call, as a program for a single client would.
 * Nobody needs epoll, nobody keeps half a reply for later.  The price is a
 * stack for each client, two switches of thread for each message, and that
 * threads share data: one mutex guards all of it.
 *
 * The service's thread must neither wait for a client nor miss the signal that
 * tells it to stop.  So the client's thread does the sending; and next() does
 * not wait for a condition variable, which no signal interrupts, but for an
 * eventfd that counts what is in the queue.
 */
#define _GNU_SOURCE /* struct ucred */
#include "ancillary.h"
#include "core/clock.h"
#include "core/wire.h"
#include "streams.h"
#include "welcome.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a client's message is. */
enum stage {
    READING,  /* none is whole yet; or the last is on its way out */
    QUEUED,   /* waits for next() */
    TAKEN,    /* by next(); its answer is to come */
    ANSWERED, /* by reply(); the answer is to be sent */
};

struct session {
    struct server *server;
    pthread_t thread;
    bool started; /* and not yet joined */
    pthread_cond_t change;
    uint64_t token; /* index, and a number that no other session has had */
    bool ended;     /* or is about to: hands off end */
    struct stream_end end; /* end.in is next()'s while QUEUED */
    struct ipc_peer peer;
    char address[ADDRESS_SIZE]; /* peer.address */
    struct ipc_message answer;
    enum stage stage;
    bool cut_off; /* as soon as the answer is out */
};

struct server {
    char name[ENDPOINT_SIZE];
    int listener, spare; /* the accepting thread's */
    int queued;          /* an eventfd: how many are in the queue */
    pthread_t acceptor;
    pthread_mutex_t lock;
    bool stopping;
    size_t queue[IPC_MAX_CLIENTS]; /* indexes of sessions, a ring */
    size_t first, count;
    uint64_t taken; /* how many sessions there have been */
    struct session sessions[IPC_MAX_CLIENTS];
};

/* -- server: the thread of a client --------------------------------------- */

/* Reads until a message is whole; or is nonsense, which next() will see. */
static int
gather(struct stream_end *end)
{
    int err = 0;

    while (err == 0 && (end->in.end - end->in.start < WIRE_HEADER ||
                        frames_missing(&end->in) > 0)) {
        err = wait_for(end->fd, POLLIN, NO_DEADLINE);
        if (err == 0)
            err = stream_read(end->fd, &end->in, SIZE_MAX, &end->gift);
        if (err == -EAGAIN)
            err = 0;
        if (end->gift != -1) /* no request comes with a descriptor */
            err = -EPIPE;
    }
    return err;
}

/* Puts the message into the queue and waits: for the answer, or if there will
 * be none, until it is taken.  A client has one message in the queue at a time:
 * so it is fair, and cannot overflow.  -EPIPE: the client is to go. */
static int
have_it_served(struct session *c)
{
    struct server *s = c->server;
    int err;

    pthread_mutex_lock(&s->lock);
    c->stage = QUEUED;
    s->queue[(s->first + s->count++) % IPC_MAX_CLIENTS] =
        (size_t)(c - s->sessions);
    eventfd_write(s->queued, 1);
    while (!s->stopping &&
           (c->stage == QUEUED || (c->stage == TAKEN && !c->cut_off)))
        pthread_cond_wait(&c->change, &s->lock);
    err = s->stopping || (c->cut_off && c->stage != ANSWERED) ? -EPIPE : 0;
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* Sends the answer, if there is one.  It may take as long as the client likes:
 * it is only the client's own time. */
static int
send_answer(struct session *c)
{
    int err = streams_send(&c->end, &c->answer, -1);

    if (c->answer.fd != -1)
        close(c->answer.fd);
    c->answer.fd = -1;
    c->answer.len = 0;
    pthread_mutex_lock(&c->server->lock);
    c->stage = READING;
    if (c->cut_off || c->server->stopping)
        err = -EPIPE;
    pthread_mutex_unlock(&c->server->lock);
    return err;
}

static void *
serve_client(void *arg)
{
    struct session *c = arg;
    void *buf = malloc(IPC_MAX_MSG);
    int err = buf != NULL ? welcome_say(c->end.fd) : -ENOMEM;

    c->answer.buf = buf;
    while (err == 0) {
        err = gather(&c->end);
        if (err == 0)
            err = have_it_served(c);
        if (err == 0)
            err = send_answer(c);
    }
    pthread_mutex_lock(&c->server->lock);
    c->ended = true;
    pthread_mutex_unlock(&c->server->lock);
    streams_close(&c->end);
    if (c->answer.fd != -1)
        close(c->answer.fd);
    free(buf);
    return NULL;
}

/* -- server: the accepting thread ----------------------------------------- */

/* A place for one more, or NULL.  A thread that has ended is waited for here:
 * its stack stays until then. */
static struct session *
free_session(struct server *s)
{
    for (struct session *c = s->sessions; c < s->sessions + IPC_MAX_CLIENTS;
         c++) {
        if (c->started && c->ended) {
            pthread_join(c->thread, NULL);
            c->started = false;
        }
        if (!c->started)
            return c;
    }
    return NULL;
}

static int
start_session(struct server *s, int fd)
{
    struct session *c;
    int err = -EAGAIN;

    pthread_mutex_lock(&s->lock);
    c = free_session(s);
    if (c == NULL)
        goto unlock;
    c->token = s->taken++ * IPC_MAX_CLIENTS + (uint64_t)(c - s->sessions);
    c->answer = (struct ipc_message){.fd = -1};
    c->stage = READING;
    c->cut_off = false;
    stream_end_init(&c->end, fd);
    err = local_identify(fd, &c->peer, c->address);
    if (err == 0)
        err = -pthread_create(&c->thread, NULL, serve_client, c);
    c->started = err == 0;
    c->ended = err != 0;
unlock:
    pthread_mutex_unlock(&s->lock);
    return err;
}

static void *
accept_clients(void *arg)
{
    struct server *s = arg;
    bool stopping;

    do {
        int fd = welcome_accept(s->listener, &s->spare);

        if (fd != -1 && start_session(s, fd) != 0)
            close(fd);
        pthread_mutex_lock(&s->lock);
        stopping = s->stopping;
        pthread_mutex_unlock(&s->lock);
    } while (!stopping);
    return NULL;
}

/* Its signals are the program's business, not ours; threads that this one
 * starts inherit that. */
static int
start_acceptor(struct server *s)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = -pthread_create(&s->acceptor, NULL, accept_clients, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

/* -- server --------------------------------------------------------------- */

static int
threads_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err;

    strcpy(s->name, name);
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
        s->sessions[i].server = s;
        pthread_cond_init(&s->sessions[i].change, NULL);
    }
    s->queued = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->queued == -1 || s->spare == -1 || s->listener == -1) {
        err = -errno;
        goto close_all;
    }
    err = local_bind(s->listener, name);
    if (err != 0)
        goto close_all;
    if (listen(s->listener, IPC_MAX_CLIENTS) == -1 ||
        chmod(name, 0666) == -1) /* connect(2) needs to write: unix(7) */
        err = -errno;
    if (err == 0)
        err = start_acceptor(s);
    if (err == 0)
        return 0;
    unlink(name);
close_all:
    close(s->listener);
    close(s->spare);
    close(s->queued);
    return err;
}

static int
threads_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    int got;

    do {
        struct session *c;
        eventfd_t one;
        int err = wait_for(s->queued, POLLIN, deadline);

        if (err != 0)
            return err;
        eventfd_read(s->queued, &one);
        pthread_mutex_lock(&s->lock);
        c = &s->sessions[s->queue[s->first]];
        s->first = (s->first + 1) % IPC_MAX_CLIENTS;
        s->count--;
        got = frames_take(&c->end.in, &req->msg);
        if (got < 0) /* where the next frame begins nobody knows */
            c->cut_off = true;
        c->stage = got == 1 && !wire_wants_reply(&req->msg) ? READING : TAKEN;
        req->peer = c->peer;
        req->reply_to = c->token;
        pthread_cond_signal(&c->change);
        pthread_mutex_unlock(&s->lock);
    } while (got != 1);
    return 0;
}

/* Leaves a copy of the answer to the client's thread. */
static int
hand_over(struct session *c, const struct ipc_message *msg)
{
    if (msg->fd != -1)
        c->answer.fd = fcntl(msg->fd, F_DUPFD_CLOEXEC, 0);
    if (msg->fd != -1 && c->answer.fd == -1) {
        c->cut_off = true;
        return -EPIPE;
    }
    memcpy(c->answer.buf, msg->buf, msg->len);
    c->answer.len = msg->len;
    c->stage = ANSWERED;
    return 0;
}

static int
threads_reply(void *srv, const struct ipc_request *req,
              const struct ipc_message *msg)
{
    struct server *s = srv;
    struct session *c = &s->sessions[req->reply_to % IPC_MAX_CLIENTS];
    int err = 0;

    pthread_mutex_lock(&s->lock);
    if (c->ended || c->token != req->reply_to) {
        err = -EPIPE;
    } else if (msg != NULL) {
        err = hand_over(c, msg);
    } else {
        c->cut_off = true;
        if (c->stage == READING) /* and may wait for more: no more comes */
            shutdown(c->end.fd, SHUT_RD);
    }
    pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&s->lock);
    return err;
}

static int
threads_pollfd(void *srv)
{
    return ((struct server *)srv)->queued;
}

/* Nobody is killed: threads that wait are woken, see that it is over, and end.
 * shutdown(2) wakes who waits for a socket, be it in accept(2). */
static void
threads_destroy(void *srv)
{
    struct server *s = srv;

    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    shutdown(s->listener, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->acceptor, NULL);
    for (struct session *c = s->sessions; c < s->sessions + IPC_MAX_CLIENTS;
         c++) {
        pthread_mutex_lock(&s->lock);
        if (c->started && !c->ended)
            shutdown(c->end.fd, SHUT_RDWR);
        pthread_cond_signal(&c->change);
        pthread_mutex_unlock(&s->lock);
        if (c->started)
            pthread_join(c->thread, NULL);
        pthread_cond_destroy(&c->change);
    }
    pthread_mutex_destroy(&s->lock);
    close(s->listener);
    close(s->spare);
    close(s->queued);
    unlink(s->name);
}

/* -- client --------------------------------------------------------------- */

static int
threads_open(void *cli, const char *where)
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

const struct ipc_mechanism socket_threads = {
    .name = "socket/threads",
    .summary = "AF_UNIX stream socket, a thread per client",
    .proof = "SO_PEERCRED: the effective uid that called connect(2)",
    .wire = "As socket/stream, at `DIR/socket-threads`.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD | IPC_PERSISTS,
    .evidence = IPC_PEER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct stream_end),
    .limits = streams_limits,
    .create = threads_create,
    .next = threads_next,
    .reply = threads_reply,
    .pollfd = threads_pollfd,
    .destroy = threads_destroy,
    .open = threads_open,
    .send = streams_send,
    .recv = streams_recv,
    .close = streams_close,
    .sweep = local_sweep,
};

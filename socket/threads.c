/*
 * threads.c - an AF_UNIX stream socket with a path, and a thread per client.
 *
 *      client A ==== thread of A --\
 *                                   queue --> the service's thread: next()
 *      client B ==== thread of B --/      <-- reply()
 *
 * The one idea: each client has a thread of its own that does one thing after
 * the other and waits in every call, as a program for a single client would.
 * Nobody needs epoll, nobody keeps half a reply for later.  The price is a
 * stack for each client, two switches of thread for each message, and that
 * threads share data: one mutex guards all of it.  Those threads are in
 * workers.c; this is the service's.
 *
 * It must neither wait for a client nor miss the signal that tells it to stop.
 * So the client's thread does the sending; and next() does not wait for a
 * condition variable, which no signal interrupts, but for an eventfd that
 * counts what is in the queue.
 */
#define _GNU_SOURCE /* struct ucred */
#include "core/activation.h"
#include "core/clock.h"
#include "core/wire.h"
#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct server {
    char name[ENDPOINT_SIZE];
    struct object_id file;
    struct workers workers;
};

/* -- server --------------------------------------------------------------- */

static int
threads_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct sockaddr_un address;
    socklen_t len = local_path(&address, name);
    int listener, err;

    /* workers_stop() shuts the listener down: for its activator as well. */
    if (activation_owns(name))
        return -EOPNOTSUPP;
    listener = local_listen(SOCK_STREAM, &address, len);
    if (listener < 0)
        return listener;
    strcpy(s->name, name);
    err = object_id_at(name, &s->file);
    if (err != 0) {
        close(listener);
        return err;
    }
    err = workers_init(&s->workers, listener);
    if (err != 0)
        local_remove(name, &s->file);
    return err;
}

/* The counter says that there is one in the queue, and now one less. */
static int
await_one(int queued, int64_t deadline)
{
    uint64_t one;
    int err = 0;

    /* read(2) would wait as well, and does when there is no deadline. */
    if (deadline != NO_DEADLINE)
        err = wait_for(queued, POLLIN, deadline);
    if (err == 0 && read(queued, &one, sizeof one) == -1)
        err = -errno;
    return err;
}

/* 1: *req is a request; else the client that spoke nonsense is cut off. */
static int
take_first(struct workers *w, struct ipc_request *req)
{
    struct worker *c;
    int got;

    pthread_mutex_lock(&w->lock);
    c = &w->worker[w->queue[w->first]];
    w->first = (w->first + 1) % IPC_MAX_CLIENTS;
    w->count--;
    got = frames_take(&c->end.in, &req->msg);
    if (got < 0) /* where the next frame begins nobody knows */
        c->cut_off = true;
    c->stage = got == 1 && !wire_wants_reply(&req->msg) ? READING : TAKEN;
    req->peer = c->peer;
    req->reply_to = sessions_token(&w->sessions, (unsigned)(c - w->worker));
    /* There will be no reply() to wake the client's thread. */
    if (c->stage == READING || c->cut_off)
        pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&w->lock);
    return got;
}

static int
threads_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    int err = workers_start(&s->workers);

    if (err != 0)
        return err;
    do
        err = await_one(s->workers.queued, deadline);
    while (err == 0 && take_first(&s->workers, req) != 1);
    return err;
}

/* May one more descriptor go to this user?  If not at once, perhaps some have
 * arrived. */
static int
take_descriptor(struct workers *w, struct worker *c)
{
    if (unsent_take_descriptor(&c->out) == 0)
        return 0;
    for (struct worker *i = w->worker; i < w->worker + IPC_MAX_CLIENTS; i++)
        if (i->started && !i->ended && i->stage != ANSWERED)
            unsent_settle(&i->out, i->end.fd);
    return unsent_take_descriptor(&c->out);
}

/* Leaves a copy of the answer to the client's thread. */
static int
hand_over(struct worker *c, const struct ipc_message *msg)
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

/* Whatever takes time is done by the client's thread. */
static int
answer(struct workers *w, struct worker *c, const struct ipc_message *msg)
{
    if (msg != NULL && msg->fd != -1 && take_descriptor(w, c) != 0)
        return -EAGAIN;
    if (msg != NULL)
        return hand_over(c, msg);
    c->cut_off = true;
    if (c->stage == READING) /* and may wait for more: no more comes */
        shutdown(c->end.fd, SHUT_RD);
    return 0;
}

static int
threads_reply(void *srv, const struct ipc_request *req,
              const struct ipc_message *msg)
{
    struct workers *w = &((struct server *)srv)->workers;
    int slot, err;

    pthread_mutex_lock(&w->lock);
    slot = sessions_slot(&w->sessions, req->reply_to);
    err = slot == -1 ? -EPIPE : answer(w, &w->worker[slot], msg);
    pthread_mutex_unlock(&w->lock);
    if (slot != -1) /* it need not wait for the lock */
        pthread_cond_signal(&w->worker[slot].change);
    return err;
}

static int
threads_pollfd(void *srv)
{
    struct server *s = srv;
    int err = workers_start(&s->workers);

    return err != 0 ? err : s->workers.queued;
}

static void
threads_destroy(void *srv)
{
    struct server *s = srv;

    workers_stop(&s->workers);
    local_remove(s->name, &s->file);
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
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PASSES_FD | IPC_PERSISTS |
            IPC_THREADS,
    .evidence = IPC_PEER,
    .uses = IPC_USES_PATH,
    .pid_from = IPC_PID_CREDENTIALS,
    .uid_from = IPC_UID_PROCESS,
    .floor = "floor/stream",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_SLOW,
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

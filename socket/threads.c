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
 * threads share data: one mutex guards all of it.
 *
 *      accepting thread   accept4 ... accept4 ...
 *      thread of A        recvmsg ... -> queue, waits, <- answer, sendmsg ...
 *      thread of B        recvmsg ... -> queue, waits, <- answer, sendmsg ...
 *                                          |              |
 *      the service's thread                next()         reply()
 *
 * The service's thread must neither wait for a client nor miss the signal that
 * tells it to stop.  So the client's thread does the sending; and next() does
 * not wait for a condition variable, which no signal interrupts, but for an
 * eventfd that counts what is in the queue.
 */
#define _GNU_SOURCE /* struct ucred */
#include "clients.h"
#include "core/activation.h"
#include "core/ancillary.h"
#include "core/clock.h"
#include "core/stream.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Where a client's message is. */
enum stage {
    READING,  /* none is whole yet; or the last is on its way out */
    QUEUED,   /* waits for next() */
    TAKEN,    /* by next(); its answer is to come */
    ANSWERED, /* by reply(); the answer is to be sent */
};

struct worker {
    struct workers *workers;
    pthread_t thread;
    bool started; /* and not yet joined */
    pthread_cond_t change;
    bool ended;            /* or is about to: hands off end */
    struct stream_end end; /* end.in is next()'s while QUEUED */
    struct ipc_peer peer;
    char address[ADDRESS_SIZE]; /* peer.address */
    struct ipc_message answer;
    struct unsent out; /* descriptors on their way; no replies are kept */
    enum stage stage;
    bool cut_off; /* as soon as the answer is out */
};

struct workers {
    int listener, spare; /* the accepting thread's */
    int queued;          /* an eventfd: how many are in the queue */
    pthread_t acceptor;
    bool accepting; /* it has been started */
    pthread_mutex_t lock;
    bool stopping;
    unsigned queue[IPC_MAX_CLIENTS]; /* slots, a ring */
    size_t first, count;
    struct sessions sessions;
    struct worker worker[IPC_MAX_CLIENTS]; /* by the session's slot */
};

/* How long a server that ends waits for answers that do not go out at once. */
#define LAST_ANSWERS (100 * NS_PER_MS)

/* -- the thread of a client ----------------------------------------------- */

/* Reads until a message is whole; or is nonsense, which next() will see. */
static int
gather(struct stream_end *end)
{
    struct timeout timeout = {.awaited = NOTHING};
    int err = 0;

    while (err == 0 &&
           (end->in.start == end->in.end || awaited_by(&end->in) != NOTHING)) {
        timeout_for(&timeout, awaited_by(&end->in), now_ns());
        err = wait_for(end->fd, POLLIN, timeout_ends(&timeout));
        if (err == 0)
            err = stream_read(end->fd, &end->in);
        if (err == -EAGAIN)
            err = 0;
    }
    return err;
}

/* Puts the message into the queue and waits: for the answer, or if there will
 * be none, until it is taken.  A client has one message in the queue at a time:
 * so it is fair, and cannot overflow.  -EPIPE: the client is to go. */
static int
have_it_served(struct worker *c)
{
    struct workers *w = c->workers;
    unsigned slot = (unsigned)(c - w->worker);
    int err;

    pthread_mutex_lock(&w->lock);
    c->stage = QUEUED;
    w->sessions.slot[slot].heard = NO_DEADLINE;
    w->queue[(w->first + w->count++) % IPC_MAX_CLIENTS] = slot;
    pthread_mutex_unlock(&w->lock);
    /* Uncounted, it would lie there until the next one is counted.  Outside the
     * lock, since it wakes one who wants that at once. */
    while (eventfd_write(w->queued, 1) == -1)
        continue;
    pthread_mutex_lock(&w->lock);
    while (!w->stopping &&
           (c->stage == QUEUED || (c->stage == TAKEN && !c->cut_off)))
        pthread_cond_wait(&c->change, &w->lock);
    w->sessions.slot[slot].heard = now_ns();
    /* An answer that is there goes out, whatever else ends. */
    err = c->stage != ANSWERED && (w->stopping || c->cut_off) ? -EPIPE : 0;
    pthread_mutex_unlock(&w->lock);
    return err;
}

/* Sends the answer, if there is one.  It may take a while: it is only the
 * client's own time. */
static int
send_answer(struct worker *c)
{
    struct timeout timeout = {.awaited = NOTHING};
    int err = 0;

    if (c->answer.len > 0) {
        timeout_for(&timeout, READER, now_ns());
        err =
            stream_send(&c->end, &c->answer, time_left(timeout_ends(&timeout)));
    }
    if (c->answer.fd != -1)
        close(c->answer.fd);
    c->answer.fd = -1;
    c->answer.len = 0;
    pthread_mutex_lock(&c->workers->lock);
    c->stage = READING;
    if (c->cut_off || c->workers->stopping)
        err = -EPIPE;
    pthread_cond_signal(&c->change); /* vacate() */
    pthread_mutex_unlock(&c->workers->lock);
    return err;
}

static void *
serve_client(void *arg)
{
    struct worker *c = arg;
    struct workers *w = c->workers;
    void *buf = malloc(IPC_MAX_MSG);
    int err = buf != NULL ? handshake_say(c->end.fd) : -ENOMEM;

    c->answer.buf = buf;
    while (err == 0) {
        err = gather(&c->end);
        if (err == 0)
            err = have_it_served(c);
        if (err == 0)
            err = send_answer(c);
    }
    pthread_mutex_lock(&w->lock);
    c->ended = true;
    unsent_free(&c->out);
    sessions_leave(&w->sessions, (unsigned)(c - w->worker));
    pthread_mutex_unlock(&w->lock);
    drain_close(c->end.fd, c->peer.uid);
    frames_free(&c->end.in);
    if (c->answer.fd != -1)
        close(c->answer.fd);
    free(buf);
    return NULL;
}

/* -- the accepting thread -------------------------------------------------- */

/* Waits for the thread that last had this slot: its stack stays until then.
 * Whoever still has it is made to leave: it hears no more requests, until the
 * deadline it may send the answer that it has, and then not even that.  Only
 * the accepting thread, and then only workers_stop(), starts and joins others,
 * so this needs no lock. */
static void
vacate(struct worker *c, int64_t deadline)
{
    const struct timespec until = ns_to_timespec(deadline);

    if (!c->started)
        return;
    pthread_mutex_lock(&c->workers->lock);
    c->cut_off = true;
    if (!c->ended)
        shutdown(c->end.fd, SHUT_RD);
    pthread_cond_signal(&c->change);
    while (c->stage == ANSWERED && !c->ended)
        if (pthread_cond_timedwait(&c->change, &c->workers->lock, &until) != 0)
            break;
    if (!c->ended)
        shutdown(c->end.fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->workers->lock);
    pthread_join(c->thread, NULL);
    c->started = false;
}

static int
start_worker(struct workers *w, int fd)
{
    struct ipc_peer peer;
    char address[ADDRESS_SIZE];
    struct worker *c;
    int slot, err = local_identify(fd, &peer, address);

    if (err != 0)
        return err;
    pthread_mutex_lock(&w->lock);
    slot = sessions_choose(&w->sessions, peer.uid, now_ns());
    pthread_mutex_unlock(&w->lock);
    if (slot < 0 || drain_is_full(peer.uid))
        return -EAGAIN;
    c = &w->worker[slot];
    vacate(c, 0); /* idle: it has no answer to send */
    pthread_mutex_lock(&w->lock);
    c->answer = (struct ipc_message){.fd = -1};
    c->stage = READING;
    unsent_init(&c->out, peer.uid);
    c->cut_off = false;
    stream_end_init(&c->end, fd);
    c->peer = peer;
    c->peer.address = memcpy(c->address, address, sizeof address);
    err = -pthread_create(&c->thread, NULL, serve_client, c);
    c->started = err == 0;
    c->ended = err != 0;
    if (err == 0) {
        sessions_take(&w->sessions, (unsigned)slot, &peer, now_ns());
        sessions_admit(&w->sessions, (unsigned)slot);
    }
    pthread_mutex_unlock(&w->lock);
    return err;
}

static void *
accept_clients(void *arg)
{
    struct workers *w = arg;
    bool stopping;

    do {
        int fd;

        wait_for(w->listener, POLLIN, NO_DEADLINE);
        fd = handshake_accept(w->listener, &w->spare);
        if (fd != -1 && start_worker(w, fd) != 0)
            drain_close(fd, (uid_t)-1);
        pthread_mutex_lock(&w->lock);
        stopping = w->stopping;
        pthread_mutex_unlock(&w->lock);
    } while (!stopping);
    return NULL;
}

/* Its signals are the program's business, not ours; threads that this one
 * starts inherit that. */
/* Starts the accepting thread, if there is none yet.  Not before the server
 * begins to serve: what the program gives up before that (confine.h), this
 * thread would have kept. */
static int
workers_start(struct workers *w)
{
    sigset_t all, before;
    int err;

    if (w->accepting)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = -pthread_create(&w->acceptor, NULL, accept_clients, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->accepting = err == 0;
    return err;
}

/* -- all of them ----------------------------------------------------------- */

static void
close_all(struct workers *w)
{
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        pthread_cond_destroy(&w->worker[i].change);
    pthread_mutex_destroy(&w->lock);
    close(w->listener);
    close(w->spare);
    close(w->queued);
}

/* Takes the listener over: if it fails, it is closed. */
static int
workers_init(struct workers *w, int listener)
{
    pthread_condattr_t monotonic;
    int err;

    w->listener = listener;
    sessions_init(&w->sessions, IPC_MAX_CLIENTS, SESSIONS_IDLE);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
        w->worker[i].workers = w;
        pthread_cond_init(&w->worker[i].change, &monotonic);
    }
    pthread_condattr_destroy(&monotonic);
    w->queued = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    w->spare = eventfd(0, EFD_CLOEXEC);
    err = w->queued == -1 || w->spare == -1 ? -errno : 0;
    if (err != 0)
        close_all(w);
    return err;
}

/* shutdown(2) wakes who waits for a socket, listener or not. */
/* Nobody is killed: threads that wait are woken, see that it is over, and
 * end. */
static void
workers_stop(struct workers *w)
{
    int64_t deadline = deadline_in(LAST_ANSWERS);

    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    shutdown(w->listener, SHUT_RDWR);
    pthread_mutex_unlock(&w->lock);
    if (w->accepting)
        pthread_join(w->acceptor, NULL);
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        vacate(&w->worker[i], deadline);
    close_all(w);
}

struct server {
    char name[ENDPOINT_SIZE];
    struct object_id file;
    struct workers workers;
};

/* -- server: the service's thread ------------------------------------------ */

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
    .limits = stream_limits,
    .create = threads_create,
    .next = threads_next,
    .reply = threads_reply,
    .pollfd = threads_pollfd,
    .destroy = threads_destroy,
    .open = threads_open,
    .send = stream_send,
    .recv = stream_recv,
    .close = stream_close,
    .sweep = local_sweep,
};

/* workers.c - a thread for each client, and one that accepts. */
#define _GNU_SOURCE /* struct ucred */
#include "workers.h"

#include "ancillary.h"
#include "core/clock.h"
#include "drain.h"
#include "handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
        err = streams_send(&c->end, &c->answer,
                           time_left(timeout_ends(&timeout)));
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
 * Whoever still has it is made to leave: he hears no more requests, until the
 * deadline he may send the answer that he has, and then not even that.  Only
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
int
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

int
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
void
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

/*
 * thread.c - two threads of one process, a mutex and two condition variables:
 * the textbook's bounded buffer of one, twice.  The other baseline: what
 * waiting for somebody costs when nothing has to cross a process.
 *
 *      client thread                         server thread
 *      put(request) -- cond full ---------->  take(request)
 *      take(answer) <--------- cond full --   put(answer)
 */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static struct slot {
    uint8_t bytes[IPC_MAX_MSG];
    size_t len; /* 0: empty */
    pthread_cond_t full, empty;
} request, answer;

struct server {
    struct ipc_peer peer; /* ourselves */
};

struct client_state {
    enum { NONE, DUE, GIVEN_UP } reply;
    uint8_t late[IPC_MAX_MSG]; /* where an unwanted reply goes */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool serving; /* a server is there */

/* Waits until the slot is full (or empty).  The lock is held before and after;
 * pthread_cond_wait(3) may wake for no reason, hence the loop. */
static int
wait_until(struct slot *slot, bool full, int64_t timeout_ns)
{
    struct timespec at = ns_to_timespec(deadline_in(timeout_ns));
    pthread_cond_t *cond = full ? &slot->full : &slot->empty;
    int err = 0;

    while (err == 0 && (slot->len != 0) != full)
        err = timeout_ns < 0
                  ? pthread_cond_wait(cond, &lock)
                  : pthread_cond_clockwait(cond, &lock, CLOCK_MONOTONIC, &at);
    return -err;
}

static int
put(struct slot *slot, const struct ipc_message *msg, int64_t timeout_ns)
{
    int err;

    pthread_mutex_lock(&lock);
    err = wait_until(slot, false, timeout_ns);
    if (err == 0) {
        memcpy(slot->bytes, msg->buf, msg->len);
        slot->len = msg->len;
        pthread_cond_signal(&slot->full);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

static int
take(struct slot *slot, struct ipc_message *msg, int64_t timeout_ns)
{
    int err;

    pthread_mutex_lock(&lock);
    err = wait_until(slot, true, timeout_ns);
    if (err == 0) {
        memcpy(msg->buf, slot->bytes, slot->len);
        msg->len = slot->len;
        slot->len = 0;
        pthread_cond_signal(&slot->empty);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

static int
thread_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = IPC_MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

static int
thread_create(void *srv, const char *name)
{
    struct server *s = srv;

    (void)name;
    s->peer = (struct ipc_peer){.pid = getpid(),
                                .uid = getuid(),
                                .gid = getgid(),
                                .evidence = IPC_PEER};
    request.len = answer.len = 0;
    pthread_cond_init(&request.full, NULL);
    pthread_cond_init(&request.empty, NULL);
    pthread_cond_init(&answer.full, NULL);
    pthread_cond_init(&answer.empty, NULL);
    serving = true;
    return 0;
}

static int
thread_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    req->peer = ((struct server *)srv)->peer;
    return take(&request, &req->msg, timeout_ns);
}

static int
thread_reply(void *srv, const struct ipc_request *req,
             const struct ipc_message *msg)
{
    (void)srv;
    (void)req;
    /* An answer nobody collected gives way to the new one. */
    pthread_mutex_lock(&lock);
    answer.len = 0;
    pthread_mutex_unlock(&lock);
    return msg == NULL ? 0 : put(&answer, msg, 0);
}

static void
thread_destroy(void *srv)
{
    (void)srv;
    serving = false;
    pthread_cond_destroy(&request.full);
    pthread_cond_destroy(&request.empty);
    pthread_cond_destroy(&answer.full);
    pthread_cond_destroy(&answer.empty);
}

static int
thread_open(void *cli, const char *where)
{
    (void)cli;
    (void)where;
    return serving ? 0 : -ENOENT;
}

static int
thread_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_state *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    if (c->reply == DUE)
        return -EBUSY;
    if (c->reply == GIVEN_UP) {
        struct ipc_message late = {.buf = c->late};

        err = take(&answer, &late, time_left(deadline));
        if (err != 0)
            return err;
        c->reply = NONE;
    }
    err = put(&request, msg, time_left(deadline));
    if (err == 0 && wire_wants_reply(msg))
        c->reply = DUE;
    return err;
}

static int
thread_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_state *c = cli;
    int err = take(&answer, msg, timeout_ns);

    if (err == 0)
        c->reply = NONE;
    else if (err == -ETIMEDOUT && c->reply == DUE)
        c->reply = GIVEN_UP;
    return err;
}

static void
thread_close(void *cli)
{
    (void)cli;
}

const struct ipc_mechanism thread_queue = {
    .name = "thread/queue",
    .summary = "two threads, one mutex, condition variables",
    .proof = "the client and the server are one process",
    .wire = "inside one program only",
    .caps = IPC_INPROCESS,
    .evidence = IPC_PEER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_state),
    .limits = thread_limits,
    .create = thread_create,
    .next = thread_next,
    .reply = thread_reply,
    .destroy = thread_destroy,
    .open = thread_open,
    .send = thread_send,
    .recv = thread_recv,
    .close = thread_close,
};

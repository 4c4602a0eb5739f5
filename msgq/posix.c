/*
 * posix.c - one well-known POSIX queue for requests, and a private one per
 * client for its replies.
 *
 *      client A  --\                                       server
 *                   >--  /ipclab-HASH-msgq-posix, 0622  ---->  reads them all
 *      client B  --/
 *      client A  <---  .../PID.SERIAL of A, 0600  ---------  writes A's replies
 *      client B  <---  .../PID.SERIAL of B, 0600  ---------  writes B's replies
 *
 * The one idea: like a file, a POSIX queue has a name, an owner, a mode and,
 * on Linux, a descriptor.  So it can be waited for with poll(2); it can be
 * unlinked while in use, and then goes with its last user; and fstat(2) says
 * whose it is.
 *
 * Who asks, and is he still there?  posix_join.c.
 */
#include "posix.h"

#include "core/activation.h"
#include "core/clock.h"
#include "core/wire.h"
#include "posix_plan.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int msgq_sweep(const char *name); /* at the end */

/* -- server ---------------------------------------------------------------- */

static int
msgq_create(void *srv, const char *name)
{
    struct server *s = srv;
    struct posix_plan p;
    int err = msgq_sweep(name);

    if (err < 0)
        return err;
    err = posix_plan(&p);
    if (err != 0)
        return err;
    strcpy(s->name, name);
    endpoint_flat(name, s->queue_name);
    s->max_clients = p.clients;
    s->size = p.size;
    s->buf = malloc(s->size);
    if (s->buf == NULL)
        return -ENOMEM;
    s->life = life_make(name);
    if (s->life < 0) {
        err = s->life;
        goto free_buffer;
    }
    s->queue = posix_make_requests(s->queue_name, &p);
    if (s->queue >= 0)
        return 0;
    err = s->queue;
    close(s->life);
    life_sweep(name);
free_buffer:
    free(s->buf);
    return err;
}

/* 1 = a client's message, 0 = something else. */
static int
take(struct server *s, size_t len, struct ipc_request *req)
{
    const uint8_t *p = s->buf;
    struct session *from;
    struct queue_id id;
    uint32_t kind;

    /* Anybody may write here, so anything may stand here. */
    if (len < PREFIX)
        return 0;
    id = (struct queue_id){get32(p + 4), get32(p + 8)};
    kind = get32(p);
    if (kind == JOIN && len == PREFIX + 4) {
        posix_join(s, id, get32(p + PREFIX));
        return 0;
    }
    from = posix_find(s, &id);
    if (kind != MESSAGE || from == NULL || !nonce_equal(p + 12, from->nonce))
        return 0;
    req->peer = from->peer;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->reply_to = (uint64_t)id.pid << 32 | id.serial;
    return 1;
}

static int
msgq_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    unsigned priority;
    ssize_t n;

    /* Served in the order of arrival: one queue for all is fair by itself,
     * as long as nobody uses the priority to get in front. */
    do {
        if (++s->taken % 256 == 0) /* seldom enough to cost nothing */
            posix_look_around(s);
        /* With no time limit mq_receive(3) itself waits: a system call less.
         * (Its own time limit would move with the wall clock.) */
        if (timeout_ns >= 0) {
            int err = wait_for(s->queue, POLLIN, deadline);

            if (err != 0)
                return err;
        }
        n = mq_receive(s->queue, (char *)s->buf, s->size, &priority);
        if (n == -1)
            return -errno;
    } while (priority != 0 || take(s, (size_t)n, req) == 0);
    return 0;
}

static int
msgq_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    struct queue_id id = {(uint32_t)(req->reply_to >> 32),
                          (uint32_t)req->reply_to};
    struct session *to = posix_find(s, &id);

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        posix_drop(s, to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (mq_send(to->queue, msg->buf, msg->len, 0) == 0)
        return 0;
    /* EAGAIN: it does not collect its replies. */
    posix_drop(s, to);
    return -EPIPE;
}

static int
msgq_pollfd(void *srv)
{
    return ((struct server *)srv)->queue;
}

static void
msgq_destroy(void *srv)
{
    struct server *s = srv;

    for (size_t i = 0; i < s->max_clients; i++)
        if (s->sessions[i].queue != 0)
            posix_drop(s, &s->sessions[i]);
    mq_close(s->queue);
    close(s->life);
    msgq_sweep(s->name);
    free(s->buf);
}

/* -- client ---------------------------------------------------------------- */

static int
msgq_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int err;

    c->life = life_watch(where);
    /* Or our JOIN starts one; below 0, poll(2) does not look at it. */
    if (c->life < 0 && !endpoint_activated(where))
        return c->life;
    err = posix_find_server(c, where);
    if (err != 0)
        goto close_life;
    c->buf = malloc(c->size);
    if (c->buf == NULL) {
        err = -ENOMEM;
        goto close_requests;
    }
    err = posix_announce(c, where);
    if (err == 0)
        return 0;
    free(c->buf);
close_requests:
    mq_close(c->requests);
close_life:
    if (c->life >= 0)
        close(c->life);
    return err;
}

static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    if (msg->len > c->size - PREFIX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->cut_off)
        return -EPIPE;
    posix_put_prefix(c->buf, MESSAGE, c);
    memcpy(c->buf + PREFIX, msg->buf, msg->len);
    return posix_transmit(c, PREFIX + msg->len, deadline_in(timeout_ns));
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n = posix_receive(c, msg->buf, msg->cap, deadline_in(timeout_ns));

    msg->fd = -1;
    if (n < 0)
        return (int)n;
    msg->len = (size_t)n;
    return 0;
}

static void
msgq_close(void *cli)
{
    struct client_end *c = cli;

    mq_close(c->replies);
    mq_close(c->requests);
    free(c->buf);
    close(c->life);
}

/* -- sweep, limits --------------------------------------------------------- */

static int
msgq_sweep(const char *name)
{
    char queue_name[ENDPOINT_SIZE];
    int life = life_sweep(name), err = endpoint_flat(name, queue_name);

    if (err != 0)
        return err;
    if (activation_owns(queue_name))
        return life;
    if (mq_unlink(queue_name) == -1)
        return errno == ENOENT ? life : -errno;
    return 1;
}

static int
msgq_limits(struct ipc_limits *l)
{
    struct posix_plan p;
    int err = posix_plan(&p);

    if (err != 0)
        return err;
    l->max_msg = p.size - PREFIX;
    l->max_inflight = (unsigned)p.replies;
    l->max_clients = p.clients;
    return 0;
}

/* -- table ----------------------------------------------------------------- */

const struct ipc_mechanism msgq_posix = {
    .name = "msgq/posix",
    .summary = "POSIX queues, to be polled: requests, and replies per client",
    .proof = "owner of the reply queue, and the nonce only he can read there",
    .wire = posix_wire,
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = posix_unavailable,
    .limits = msgq_limits,
    .create = msgq_create,
    .next = msgq_next,
    .reply = msgq_reply,
    .pollfd = msgq_pollfd,
    .destroy = msgq_destroy,
    .open = msgq_open,
    .send = msgq_send,
    .recv = msgq_recv,
    .close = msgq_close,
    .sweep = msgq_sweep,
};

/*
 * posix.c - one well-known POSIX queue for requests, and a private one per
 * client for its replies.
 *
 *      client A  --\                                  server
 *                   >--  [ requests, 0622 ]  -------->  reads them all
 *      client B  --/
 *      client A  <---  [ PID.SERIAL of A, 0600 ]  ----  writes A's replies
 *      client B  <---  [ PID.SERIAL of B, 0600 ]  ----  writes B's replies
 *
 * The one idea: like a file, a POSIX queue has a name, an owner, a mode and,
 * on Linux, a descriptor.  So it can be waited for with poll(2); it can be
 * unlinked while in use, and then goes with its last user; and fstat(2) says
 * whose it is.
 *
 * Who asks?  The kernel says who made a queue.  So a client registers: "my
 * queue is PID.SERIAL".  The server looks who owns that queue and leaves a
 * random nonce in it, and from then on believes the requests that carry the
 * nonce (core/owner.h).
 *
 * The queue for requests is everybody's, and ten messages fill it.  But who
 * waits in mq_send(3) gets in in its turn (posix_wait.c).
 */
#define _GNU_SOURCE /* epoll_create1, clock_gettime */
#include "posix.h"

#include "core/activation.h"
#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- server: made, removed ------------------------------------------------- */

/* With a name that nobody knows before it, unless systemd has made it. */
static int
make_queue(struct server *s)
{
    int err = endpoint_flat(s->name, s->queue_name);

    if (err == 0 && !activation_owns(s->queue_name))
        err = endpoint_fresh(s->name, s->queue_name);
    if (err != 0)
        return err;
    s->queue = posix_make_requests(s->queue_name, &s->plan, s->everybody);
    if (s->queue < 0)
        return s->queue;
    if (s->held >= 0)
        return endpoint_rewrite(s->held, "queue", s->queue_name);
    err = endpoint_publish(s->name, "queue", s->queue_name, &s->file);
    if (err == 0)
        s->held = endpoint_hold(s->name);
    return err != 0 ? err : s->held < 0 ? s->held : 0;
}

/* Who has become another user may not be allowed to; then the file stays, too,
 * by which sweep() finds the queue. */
static void
remove_queue(struct server *s)
{
    if (s->queue < 0)
        return;
    mq_close(s->queue);
    close(s->held);
    if (activation_owns(s->queue_name) || mq_unlink(s->queue_name) == 0 ||
        errno == ENOENT)
        endpoint_unlink(s->name, "", &s->file);
}

static int
watch(int both, int fd)
{
    struct epoll_event e = {.events = EPOLLIN};

    return epoll_ctl(both, EPOLL_CTL_ADD, fd, &e) == -1 ? -errno : 0;
}

/* How often a server that has clients looks whether they live, ns: while they
 * say nothing ever more rarely; and after how many messages, if it gets no
 * rest. */
#define LOOK      (250 * NS_PER_MS)
#define LOOK_MOST (4 * NS_PER_SEC)
#define TURNS     256

static int msgq_sweep(const char *name); /* at the end */

static int
msgq_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err = msgq_sweep(name);

    if (err >= 0)
        err = posix_plan(&s->plan);
    if (err != 0)
        return err;
    strcpy(s->name, name);
    s->held = -1;
    s->look = LOOK;
    /* Only root can open other users' 0600 queues, so only root invites
     * them. */
    s->everybody = geteuid() == 0;
    sessions_init(&s->sessions, s->plan.clients, NO_DEADLINE);
    s->size = s->plan.size;
    s->buf = malloc(s->size);
    if (s->buf == NULL)
        return -ENOMEM;
    s->both = epoll_create1(EPOLL_CLOEXEC);
    err = s->both == -1 ? -errno : make_queue(s);
    if (err == 0)
        err = watch(s->both, s->queue);
    if (err == 0)
        err = registrar_make(&s->registrar, name, s->everybody); /* last */
    if (err != 0)
        goto remove_queue;
    err = watch(s->both, s->registrar.fd);
    if (err == 0)
        return 0;
    registrar_remove(&s->registrar, name);
remove_queue:
    if (s->both != -1)
        remove_queue(s);
    close(s->both);
    free(s->buf);
    return err;
}

static void
disconnect_all(struct server *s)
{
    int slot;

    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        posix_disconnect(s, slot);
}

static void
msgq_destroy(void *srv)
{
    struct server *s = srv;

    disconnect_all(s);
    registrar_remove(&s->registrar, s->name);
    remove_queue(s);
    close(s->both);
    free(s->buf);
}

/* Somebody has removed our queue (rm; systemd-logind, when its user has no
 * session any more): nobody can reach us until there is another one. */
static int
check_queue(struct server *s)
{
    struct stat st;

    /* A queue whose name is gone lives on for those who have it open
     * (mq_unlink(3)); that no name leads to it any more says the link count. */
    if (fstat(s->queue, &st) == -1 || st.st_nlink != 0)
        return 0;
    disconnect_all(s);
    mq_close(s->queue);
    return make_queue(s) == 0 && watch(s->both, s->queue) == 0 ? 0 : -EIDRM;
}

/* -- server: next, reply --------------------------------------------------- */

/* With no time limit mq_receive(3) itself waits: a system call less.  (Its own
 * limit moves with the wall clock; here it only says when to look around.)
 *
 * s->size is the mq_msgsize of the queue: with a smaller buffer the call fails
 * with EMSGSIZE, however short the message is that waits (mq_receive(3)). */
static ssize_t
receive(struct server *s, unsigned *priority)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t = ns_to_timespec(t.tv_sec * NS_PER_SEC + t.tv_nsec + s->look);
    return mq_timedreceive(s->queue, (char *)s->buf, s->size, priority, &t);
}

/* Waits for a message (1), or until it is time to look around (0); -errno.
 * *around: it is, also if there is a message. */
static int
wait_for_message(struct server *s, int64_t deadline, bool *around)
{
    struct pollfd p[] = {{.fd = s->queue, .events = POLLIN},
                         {.fd = s->registrar.fd, .events = POLLIN}};
    int64_t look = NO_DEADLINE;
    int err;

    if (s->more)
        look = 0;
    else if (s->sessions.count > 0)
        look = deadline_in(s->look);
    err = poll_until(p, 2, look < deadline ? look : deadline);
    if (err == -ETIMEDOUT && look < deadline)
        return 0;
    *around = *around || p[1].revents != 0;
    return err != 0 ? err : p[0].revents != 0;
}

/* 1 = a client's message, 0 = something else. */
static int
take(struct server *s, size_t len, struct ipc_request *req)
{
    const uint8_t *p = s->buf;
    int slot;

    /* Anybody may write here, so anything may stand here. */
    if (len < PREFIX)
        return 0;
    slot = posix_find(s, get32(p), get32(p + 4));
    if (slot == -1 || !nonce_equal(p + 8, s->sessions.slot[slot].nonce))
        return 0;
    if (len == PREFIX) {
        posix_disconnect(s, slot);
        return 0;
    }
    req->peer = s->sessions.slot[slot].peer;
    req->msg.len = len - PREFIX;
    memcpy(req->msg.buf, p + PREFIX, req->msg.len);
    req->reply_to = sessions_token(&s->sessions, (unsigned)slot);
    return 1;
}

static int
msgq_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    /* Served in the order of arrival: one queue for all is fair by itself,
     * as long as nobody uses the priority to get in front. */
    for (;;) {
        bool look = s->more || ++s->taken % TURNS == 0;
        unsigned priority;
        ssize_t n = 0;
        int got = 1, err;

        if (timeout_ns >= 0 || s->more || s->sessions.count == 0)
            got = wait_for_message(s, deadline, &look);
        if (got < 0)
            return got;
        if (got == 1)
            n = receive(s, &priority);
        if (n == -1 && errno != ETIMEDOUT)
            return -errno;
        if (look || (got == 1 && n != -1))
            s->look = LOOK;
        else if (s->look < LOOK_MOST)
            s->look *= 2;
        if (n > 0 && priority == 0 && take(s, (size_t)n, req) == 1)
            return 0;
        if (n > 0 && !look)
            continue;
        err = check_queue(s);
        if (err != 0)
            return err;
        posix_look_around(s);
        if (s->more) /* a stranger can go on for ever: are we to end? */
            return -EINTR;
    }
}

static int
msgq_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct server *s = srv;
    int slot = sessions_slot(&s->sessions, req->reply_to);

    if (slot == -1)
        return -EPIPE;
    if (msg != NULL &&
        mq_send(s->clients[slot].queue, msg->buf, msg->len, 0) == 0)
        return 0;
    /* EAGAIN: it does not collect its replies. */
    posix_disconnect(s, slot);
    return msg == NULL ? 0 : -EPIPE;
}

static int
msgq_pollfd(void *srv)
{
    return ((struct server *)srv)->both;
}

/* -- client ---------------------------------------------------------------- */

static int
msgq_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int err = posix_find_server(c, where);

    if (err != 0)
        return err;
    c->buf = malloc(c->size);
    err = c->buf == NULL ? -ENOMEM : posix_join(c);
    if (err == 0)
        return 0;
    free(c->buf);
    mq_close(c->channel.requests);
    registry_close(&c->channel.server);
    return err;
}

static int
msgq_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    if (msg->len > c->size - PREFIX)
        return -EMSGSIZE;
    if (c->channel.cut_off)
        return -EPIPE;
    memcpy(c->buf + PREFIX, msg->buf, msg->len);
    return posix_send(&c->channel, c->buf, PREFIX + msg->len,
                      deadline_in(timeout_ns));
}

static int
msgq_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    ssize_t n =
        posix_receive(&c->channel, msg->buf, msg->cap, deadline_in(timeout_ns));

    msg->fd = -1;
    if (n < 0)
        return (int)n;
    msg->len = (size_t)n;
    return 0;
}

static void
msgq_forget(void *cli)
{
    struct client_end *c = cli;

    alarm_forget(&c->channel.alarm);
    mq_close(c->channel.replies);
    mq_close(c->channel.requests);
    registry_close(&c->channel.server);
    free(c->buf);
}

/* Our queue counts against our user's limit until the server closes it, too: so
 * tell it.  If there is no room, it finds out. */
static void
msgq_close(void *cli)
{
    struct client_end *c = cli;

    posix_send(&c->channel, c->buf, PREFIX, 0);
    alarm_free(&c->channel.alarm);
    msgq_forget(c);
}

/* -- sweep, limits --------------------------------------------------------- */

/* Only a name that we could have made is removed because it stands in a
 * file. */
static int
msgq_sweep(const char *name)
{
    char queue_name[ENDPOINT_SIZE];
    int err = endpoint_lookup(name, "queue", queue_name, sizeof queue_name);
    int removed = posix_sweep_dead(), join = registrar_sweep(name);

    if (err == -EPERM || join < 0)
        return join < 0 ? join : err;
    if (err == 0 && endpoint_is_fresh(name, queue_name))
        removed |= mq_unlink(queue_name) == 0;
    /* An activator's, unless it is there to remove it itself. */
    if (endpoint_flat(name, queue_name) == 0 && !activation_owns(queue_name))
        removed |= mq_unlink(queue_name) == 0;
    return swept_both(endpoint_sweep(name), removed || join);
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
    .proof =
        "owner of the reply queue, and the nonce only its owner can read there",
    .wire = POSIX_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_BESIDE | IPC_USES_QUEUE | IPC_USES_CLAIM | IPC_USES_OBJECT,
    .uid_from = IPC_UID_OBJECT,
    .reads =
        "/dev/mqueue", /* its queues are files, of the file system mqueue */
    .floor = "floor/posix-queue",
    .samples = IPC_SAMPLE_CLIENTS,
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
    .forget = msgq_forget,
    .sweep = msgq_sweep,
};

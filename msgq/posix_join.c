/*
 * posix_join.c - who is a client of msgq/posix.
 *
 *      client                                       server
 *      mq_open(".../4711.1", 0600)
 *      registers: 4711.1, uid        ----------->   fstat: whose queue is that?
 *      the nonce, in 4711.1          <-----------   its own: it can read it
 *      mq_unlink(".../4711.1")
 *      { 4711.1, nonce, frame }      ----------->   so this is from it
 *
 * The owner proves nothing about who wrote a request; the nonce does
 * (core/owner.h).
 */
#define _GNU_SOURCE /* getrandom */
#include "posix.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* -- server ---------------------------------------------------------------- */

/* Tells the client, if it is still there, that it is one no more; if its queue
 * is full, one of the replies it did not collect gives way. */
static void
say_no(struct server *s, mqd_t queue)
{
    if (mq_send(queue, "", 0, 0) == -1 && errno == EAGAIN &&
        mq_receive(queue, (char *)s->buf, s->size, NULL) != -1)
        mq_send(queue, "", 0, 0);
    mq_close(queue);
}

void
posix_disconnect(struct server *s, int slot)
{
    say_no(s, s->clients[slot].queue);
    sessions_leave(&s->sessions, (unsigned)slot);
}

int
posix_find(const struct server *s, uint32_t pid, uint32_t serial)
{
    for (unsigned i = 0; i < s->sessions.top; i++)
        if (sessions_is_in(&s->sessions, i) && s->clients[i].pid == pid &&
            s->clients[i].serial == serial)
            return (int)i;
    return -1;
}

/* Nobody tells a queue that its reader has died.  So the client keeps its queue
 * locked. */
static void
reap(struct server *s)
{
    int slot;

    while ((slot = sessions_reap(&s->sessions)) != -1)
        if (posix_is_abandoned(s->clients[slot].queue))
            posix_disconnect(s, slot);
}

/* Takes the client in, and leaves a fresh nonce in its queue. */
static int
take_in(struct server *s, mqd_t queue, const struct registration *r,
        const struct ipc_peer *peer)
{
    int64_t now = now_ns();
    int slot = sessions_choose(&s->sessions, peer->uid, now);
    uint8_t nonce[NONCE_SIZE];

    if (slot < 0 || nonce_make(nonce) != 0 ||
        mq_send(queue, (char *)nonce, NONCE_SIZE, 0) == -1)
        return -EAGAIN;
    sessions_take(&s->sessions, (unsigned)slot, peer, now);
    memcpy(s->sessions.slot[slot].nonce, nonce, NONCE_SIZE);
    /* At once: not one request is believed that does not carry the nonce. */
    sessions_admit(&s->sessions, (unsigned)slot);
    s->clients[slot] = (struct client_of){queue, r->pid, r->serial};
    return 0;
}

/* Whoever wrote this says that the queue is its own.  If not: not a word, and a
 * client who meant it times out in open().  Did it have to be opened? */
static bool
admit(struct server *s, const struct registration *r)
{
    char name[ENDPOINT_SIZE];
    struct ipc_peer peer;
    mqd_t queue;

    /* One that has joined already is left alone: this may be a third party, and
     * the owner has its nonce. */
    /* NOLINTNEXTLINE(bugprone-posix-return): it is ours */
    if (posix_find(s, r->pid, r->serial) != -1)
        return false;
    posix_reply_name(r->pid, r->serial, name);
    /* For reading too: say_no(). */
    queue = object_open(OBJECT_MQ, s->queue, name, O_RDWR, r->uid);
    if (queue < 0)
        return false;
    if (owner_check_fd(queue, S_IFREG, r->uid, &peer) != 0)
        mq_close(queue);
    else if (take_in(s, queue, r, &peer) != 0)
        say_no(s, queue);
    else
        registrar_joined(r);
    return true;
}

/* Between two messages: each costs a process of the broker's, and every ring in
 * the queue is a turn.  Sixteen of them for each of ten rings kept a request
 * behind them waiting for 200 ms. */
#define NEWCOMERS_A_TURN 3

void
posix_look_around(struct server *s)
{
    struct registration r;
    int opened = 0;

    reap(s);
    for (int i = 0; i < REGISTRATIONS_A_TURN && opened < NEWCOMERS_A_TURN;
         i++) {
        if (registrar_next(&s->registrar, &r) == 0)
            break;
        opened += admit(s, &r);
    }
    s->more = registrar_more(&s->registrar);
}

/* -- client ---------------------------------------------------------------- */

#define AGAIN (10 * NS_PER_MS) /* until one looks again */

/* Opens the request queue, if it is the server's. */
static int
open_requests(struct client_end *c, const char *where, const char *queue_name)
{
    mqd_t queue = mq_open(queue_name, O_WRONLY | O_CLOEXEC);
    struct mq_attr attr;
    struct stat st;
    int err;

    if (queue == -1)
        return -errno;
    if (fstat(queue, &st) == -1 || mq_getattr(queue, &attr) == -1)
        err = -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err != 0) {
        mq_close(queue);
        return err;
    }
    c->channel.requests = queue;
    c->size = (size_t)attr.mq_msgsize;
    return 0;
}

/* An empty message has systemd start the server. */
static int
start_server(struct client_end *c, const char *where)
{
    char queue_name[ENDPOINT_SIZE];
    int err = endpoint_flat(where, queue_name);

    if (err == 0)
        err = open_requests(c, where, queue_name);
    if (err != 0)
        return err;
    posix_ring(&c->channel);
    mq_close(c->channel.requests);
    return -ENOENT; /* it is not there yet */
}

/* A server whose queue somebody has removed does not know yet: so wake it. */
static int
find_requests(struct client_end *c, const char *where)
{
    char queue_name[ENDPOINT_SIZE];
    int err = endpoint_lookup(where, "queue", queue_name, sizeof queue_name);

    if (err == 0)
        err = open_requests(c, where, queue_name);
    if (err != -ENOENT)
        return err;
    registry_ring(&c->channel.server);
    if (registration_alive(&c->channel.server) != 0)
        err = -ECONNREFUSED;
    return err;
}

int
posix_find_server(struct client_end *c, const char *where)
{
    int64_t deadline = deadline_in(ipc_open_timeout);

    for (;;) {
        bool activated = endpoint_activated(where);
        struct timespec again = ns_to_timespec(AGAIN);
        int err = 0;

        err = registry_open(&c->channel.server, where);
        if (err == 0) {
            err = find_requests(c, where);
            if (err == 0)
                return 0;
            registry_close(&c->channel.server);
        } else {
            if (!activated)
                return err;
            err = start_server(c, where);
        }
        if (err != -ENOENT || time_left(deadline) == 0)
            return err;
        nanosleep(&again, NULL);
    }
}

/* Makes the reply queue, and locks it as long as we live. */
static int
make_replies(struct client_end *c, struct registration *r,
             char queue_name[ENDPOINT_SIZE])
{
    struct mq_attr attr = {0};
    struct posix_plan p;
    int err = posix_plan(&p);

    if (err != 0)
        return err;
    *r = (struct registration){.uid = geteuid(), .pid = (uint32_t)getpid()};
    if (getrandom(&r->serial, sizeof r->serial, 0) == -1)
        return -errno;
    posix_reply_name(r->pid, r->serial, queue_name);
    attr.mq_maxmsg = p.replies;
    attr.mq_msgsize = (long)p.size - PREFIX; /* what recv()'s caller expects */
    c->channel.replies = mq_open(
        queue_name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
    if (c->channel.replies == -1)
        return -errno;
    err = posix_lock(c->channel.replies);
    if (err == 0 && fchmod(c->channel.replies, 0600) == -1)
        err = -errno; /* whatever the umask */
    if (err == 0)
        return 0;
    mq_close(c->channel.replies);
    mq_unlink(queue_name);
    return err;
}

static void
ring(void *client)
{
    posix_ring(&((struct client_end *)client)->channel);
}

/* "My queue is ..."; and waits for the nonce in it. */
static int
wait_for_nonce(struct client_end *c, const struct registration *r)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    int err = registration_send(&c->channel.server, r, deadline, ring, c);
    ssize_t n;

    if (err != 0)
        return err;
    do {
        int64_t look = deadline_in(LIFE_LOOK);

        posix_ring(&c->channel);
        n = posix_receive(&c->channel, c->buf, c->size,
                          look < deadline ? look : deadline);
    } while (n == -EINTR || (n == -ETIMEDOUT && time_left(deadline) > 0));
    if (n < 0)
        return c->channel.cut_off ? -EAGAIN : (int)n;
    if (n != NONCE_SIZE)
        return -EPIPE;
    memmove(c->buf + 8, c->buf, NONCE_SIZE);
    put32(c->buf, r->pid);
    put32(c->buf + 4, r->serial);
    return 0;
}

int
posix_join(struct client_end *c)
{
    char queue_name[ENDPOINT_SIZE];
    struct registration r;
    int err = make_replies(c, &r, queue_name);

    if (err != 0)
        return err;
    err = wait_for_nonce(c, &r);
    /* Both sides have it open now, or never will; without a name, a crash from
     * here on leaves nothing. */
    mq_unlink(queue_name);
    if (err != 0)
        mq_close(c->channel.replies);
    return err;
}

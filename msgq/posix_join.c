/*
 * posix_join.c - who is a client of msgq/posix, and who it is.
 *
 *      client                                       server
 *      mq_open(".../4711.1", 0600)
 *      JOIN { 4711.1, "I am Alice" } ----------->   fstat: whose queue is that?
 *      the nonce, in 4711.1          <-----------   Alice's: she can read it
 *      mq_unlink(".../4711.1")
 *      MESSAGE { 4711.1, nonce, ... } --------->   so this is from her
 *
 * The owner proves nothing about who wrote a request; the nonce does
 * (core/owner.h).
 *
 * Nobody tells a queue that its reader has died.  So the client locks its queue
 * (fcntl(2), F_OFD_SETLK), and the kernel lets go of the lock when the client
 * dies, however it dies: the server asks for the lock now and then.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, getrandom */
#include "posix.h"

#include "core/clock.h"
#include "core/share.h"
#include "core/wire.h"
#include "posix_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- wire ------------------------------------------------------------------ */

const char posix_wire[] =
    "A FIFO `DIR/msgq-posix.life` is open in the server as long as it "
    "lives: open it for\nreading, non-blocking; end of file (or POLLHUP) "
    "means that it has gone. Requests go\nto the queue "
    "`/ipclab-HASH-msgq-posix`; HASH is the FNV-1a hash (32 bits, 8 hex "
    "digits)\nof the path `DIR/msgq-posix`. Choose a random 32-bit SERIAL "
    "and make the queue\n`/ipclab-HASH-msgq-posix.PID.SERIAL` (decimal) "
    "with mode 0600; take a read lock on it\n(F_OFD_SETLK) and keep it: "
    "without it you count as gone. Then send, with priority 0:\n"
    "\n"
    "| offset | size | |\n"
    "|---|---|---|\n"
    "| 0 | 4 | 1 join, 2 message |\n"
    "| 4 | 4 | PID |\n"
    "| 8 | 4 | SERIAL |\n"
    "| 12 | 16 | join: zero; message: the nonce |\n"
    "| 28 | | join: your effective uid, 4 bytes; message: a frame |\n"
    "\n"
    "First a join. The server answers with the nonce, 16 bytes, in your "
    "queue, or with an\nempty message: it is full; no answer means no. "
    "Then the name may be unlinked. From\nthen on your queue carries "
    "frames; an empty message means that you are cut off.";

void
posix_put_prefix(uint8_t *p, uint32_t kind, const struct client_end *c)
{
    put32(p, kind);
    put32(p + 4, c->id.pid);
    put32(p + 8, c->id.serial);
    memcpy(p + 12, c->nonce, NONCE_SIZE);
}

/* "/ipclab-HASH-msgq-posix" is the server's, with ".PID.SERIAL" a client's. */
static int
reply_name(const char *name, const struct queue_id *id, char queue_name[256])
{
    char flat[ENDPOINT_SIZE];
    int err = endpoint_flat(name, flat);

    if (err == 0)
        snprintf(queue_name, 256, "%s.%" PRIu32 ".%" PRIu32, flat, id->pid,
                 id->serial);
    return err;
}

/* -- server ---------------------------------------------------------------- */

/* If its queue is full, one of the replies it did not collect gives way. */
void
posix_drop(struct server *s, struct session *session)
{
    if (mq_send(session->queue, "", 0, 0) == -1 && errno == EAGAIN &&
        mq_receive(session->queue, (char *)s->buf, s->size, NULL) != -1)
        mq_send(session->queue, "", 0, 0);
    mq_close(session->queue);
    session->queue = 0;
}

struct session *
posix_find(struct server *s, const struct queue_id *id)
{
    for (struct session *i = s->sessions; i < s->sessions + s->max_clients; i++)
        if (i->queue != 0 && i->id.pid == id->pid && i->id.serial == id->serial)
            return i;
    return NULL;
}

/* Nobody holds the lock: the client has closed its queue, or died. */
static bool
is_gone(const struct session *session)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(session->queue, F_OFD_GETLK, &lock) == -1 ||
           lock.l_type == F_UNLCK;
}

struct session *
posix_look_around(struct server *s)
{
    struct session *room = NULL;

    for (struct session *i = s->sessions; i < s->sessions + s->max_clients;
         i++) {
        if (i->queue != 0 && is_gone(i))
            posix_drop(s, i);
        if (i->queue == 0 && room == NULL)
            room = i;
    }
    return room;
}

static bool
has_his_share(const struct server *s, uid_t uid)
{
    size_t has = 0;

    for (size_t i = 0; i < s->max_clients; i++)
        has += s->sessions[i].queue != 0 && s->sessions[i].peer.uid == uid;
    return share_spent(uid, has, s->max_clients);
}

/* Whoever wrote this says that the queue is his.  If not: not a word, and a
 * client who meant it times out in open(). */
void
posix_join(struct server *s, struct queue_id id, uid_t claimed)
{
    struct session new = {.id = id};
    struct session *room = posix_look_around(s);
    char queue_name[256];

    /* One that has joined already is left alone: this may be a third party,
     * and the owner has his nonce. */
    if (posix_find(s, &id) != NULL || reply_name(s->name, &id, queue_name) != 0)
        return;
    /* For reading too: posix_drop(). */
    new.queue = mq_open(queue_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (new.queue == -1)
        return;
    if (owner_check_fd(new.queue, S_IFREG, claimed, &new.peer) != 0)
        goto close_queue;
    if (room == NULL || has_his_share(s, new.peer.uid)) {
        posix_drop(s, &new);
        return;
    }
    if (nonce_make(new.nonce) != 0 ||
        mq_send(new.queue, (char *)new.nonce, NONCE_SIZE, 0) == -1)
        goto close_queue;
    *room = new;
    return;

close_queue:
    mq_close(new.queue);
}

/* -- client ---------------------------------------------------------------- */

int
posix_find_server(struct client_end *c, const char *where)
{
    char queue_name[ENDPOINT_SIZE];
    struct mq_attr attr;
    struct stat st;
    int err = endpoint_flat(where, queue_name);

    if (err != 0)
        return err;
    c->requests = mq_open(queue_name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (c->requests == -1)
        return -errno;
    if (fstat(c->requests, &st) == -1 || mq_getattr(c->requests, &attr) == -1)
        err = -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0) {
        c->size = (size_t)attr.mq_msgsize;
        return 0;
    }
    mq_close(c->requests);
    return err;
}

/* Makes the reply queue, and locks it as long as we live. */
static int
make_replies(struct client_end *c, const char *where, char queue_name[256])
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct mq_attr attr = {0};
    struct posix_plan p;
    int err = posix_plan(&p);

    if (err != 0)
        return err;
    c->id.pid = (uint32_t)getpid();
    if (getrandom(&c->id.serial, sizeof c->id.serial, 0) == -1)
        return -errno;
    err = reply_name(where, &c->id, queue_name);
    if (err != 0)
        return err;
    attr.mq_maxmsg = p.replies;
    attr.mq_msgsize = (long)p.size - PREFIX; /* what recv()'s caller expects */
    c->replies = mq_open(queue_name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                         0600, &attr);
    if (c->replies == -1)
        return -errno;
    if (fcntl(c->replies, F_OFD_SETLK, &lock) == 0 &&
        fchmod(c->replies, 0600) == 0) /* whatever the umask */
        return 0;
    err = -errno;
    mq_close(c->replies);
    mq_unlink(queue_name);
    return err;
}

/* "Answer to my queue"; and waits for the nonce in it. */
static int
knock(struct client_end *c)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    ssize_t n;
    int err;

    posix_put_prefix(c->buf, JOIN, c);
    put32(c->buf + PREFIX, geteuid());
    err = posix_transmit(c, PREFIX + 4, deadline);
    if (err != 0)
        return err;
    do
        n = posix_receive(c, c->buf, c->size, deadline);
    while (n == -EINTR);
    if (n < 0)
        return c->cut_off ? -EAGAIN : (int)n;
    memcpy(c->nonce, c->buf, NONCE_SIZE);
    return n == NONCE_SIZE ? 0 : -EPIPE;
}

int
posix_announce(struct client_end *c, const char *where)
{
    char queue_name[256];
    int err = make_replies(c, where, queue_name);

    if (err != 0)
        return err;
    err = knock(c);
    /* Both sides have it open now, or never will; without a name, a crash from
     * here on leaves nothing. */
    mq_unlink(queue_name);
    if (err == 0 && c->life < 0) { /* we have started it */
        c->life = life_watch(where);
        err = c->life < 0 ? c->life : 0;
    }
    if (err != 0)
        mq_close(c->replies);
    return err;
}

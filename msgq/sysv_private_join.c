/*
 * sysv_private_join.c - who is a client of msgq/sysv-private, and who it is.
 *
 *      client                                       server
 *      msgget(IPC_PRIVATE, 0600) = 4
 *      JOIN { 4, "I am Alice" }     ----------->    IPC_STAT: who made queue 4?
 *      the nonce, in queue 4        <-----------    Alice: then she can read it
 *      MESSAGE { 4, nonce, ... }    ----------->    so this is from her
 *
 * The kernel notes who made a queue: msg_perm.cuid.  (Not .uid: the owner may
 * be changed, even to root.)  That proves nothing about who wrote a request;
 * the nonce does (core/owner.h).
 *
 * Nobody tells a queue that its reader has died, and it stays.  But the kernel
 * notes who last took something out: msg_lrpid.  If there is no such process
 * any more, the server removes the queue.
 */
#define _GNU_SOURCE /* CLOCK_MONOTONIC_COARSE */
#include "sysv_private.h"

#include "core/clock.h"
#include "core/share.h"
#include "core/wire.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* -- wire ------------------------------------------------------------------ */

const char private_wire[] =
    "A FIFO `DIR/msgq-sysv-private.life` is open in the server as long as "
    "it lives: open\nit for reading, non-blocking; end of file means that "
    "it has gone. The first number in\nthe file `DIR/msgq-sysv-private` "
    "is the id of the queue for requests. Make a queue for\nreplies with "
    "IPC_PRIVATE and mode 0600; remove it when you leave. Then send "
    "messages of\ntype 1 (join) or 2 (message), with this text:\n"
    "\n"
    "| offset | size | |\n"
    "|---|---|---|\n"
    "| 0 | 4 | the id of your queue |\n"
    "| 4 | 16 | join: zero; message: the nonce |\n"
    "| 20 | | join: your effective uid, 4 bytes; message: a frame |\n"
    "\n"
    "First a join. The server answers with the nonce, 16 bytes, in your "
    "queue, or with an\nempty message: it is full; no answer means no. "
    "From then on your queue carries frames;\nan empty message, or the "
    "removal of the queue, means that you are cut off.";

void
private_put_prefix(struct sysv_message *m, long type,
                   const struct client_end *c)
{
    m->type = type;
    put32(m->text, (uint32_t)c->replies);
    memcpy(m->text + 4, c->nonce, NONCE_SIZE);
}

/* -- server: is it there? -------------------------------------------------- */

/* Removed, and many queues later, its id may be a stranger's. */
static bool
look_at(const struct session *session, struct msqid_ds *ds)
{
    return msgctl(session->queue, IPC_STAT, ds) == 0 &&
           ds->msg_perm.cuid == session->creator &&
           ds->msg_ctime == session->made;
}

/*
 * How long one look is good for, ns.  An id is a place in the kernel's table
 * and 16 bits that count how often it was given away, so it does not come back
 * before 65,535 others have been made and removed: a hundred ms, or more.  Only
 * root can hurry that (kernel.msg_next_id).
 */
#define LOOK_LASTS (10 * NS_PER_MS)

/* By a clock that is as late as the last tick, but costs a quarter. */
static int64_t
about_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

bool
private_is_there(struct session *session)
{
    int64_t now = about_now();
    struct msqid_ds ds;

    if (now - session->seen < LOOK_LASTS)
        return true;
    session->seen = now;
    return look_at(session, &ds);
}

/* If anybody still waits in the queue, he wakes with EIDRM. */
void
private_drop(struct session *session)
{
    struct msqid_ds ds;

    if (look_at(session, &ds))
        msgctl(session->queue, IPC_RMID, NULL);
    session->used = false;
}

/* It has removed its queue, or there is no such process any more.  (0: in a
 * pid namespace where ours cannot look, or nothing has been taken yet.) */
static bool
is_gone(const struct session *session)
{
    struct msqid_ds ds;

    return !look_at(session, &ds) ||
           (ds.msg_lrpid > 0 && kill(ds.msg_lrpid, 0) == -1 && errno == ESRCH);
}

struct session *
private_look_around(struct server *s)
{
    struct session *room = NULL;

    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++) {
        if (i->used && is_gone(i))
            private_drop(i);
        if (!i->used && room == NULL)
            room = i;
    }
    return room;
}

/* -- server: joining ------------------------------------------------------- */

struct session *
private_find(struct server *s, int queue)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->used && i->queue == queue)
            return i;
    return NULL;
}

static bool
has_his_share(const struct server *s, uid_t uid)
{
    size_t has = 0;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        has += s->sessions[i].used && s->sessions[i].peer.uid == uid;
    return share_spent(uid, has, IPC_MAX_CLIENTS);
}

/* Whoever wrote this says that the queue is his.  If not: not a word, and a
 * client who meant it times out in open(). */
void
private_join(struct server *s, int queue, uid_t claimed)
{
    struct session new = {.used = true, .queue = queue};
    struct session *room = private_look_around(s);
    struct msqid_ds ds;

    /* One that has joined already is left alone: this may be a third party,
     * and the owner has his nonce. */
    if (private_find(s, queue) != NULL || msgctl(queue, IPC_STAT, &ds) == -1 ||
        owner_check_perm(&ds.msg_perm, ds.msg_ctime, claimed, &new.peer) != 0)
        return;
    if (room == NULL || has_his_share(s, new.peer.uid)) {
        sysv_say(queue, JOIN, "", 0);
        return;
    }
    new.creator = ds.msg_perm.cuid;
    new.made = ds.msg_ctime;
    if (nonce_make(new.nonce) != 0 ||
        list_note(s->base.list, 1 + (unsigned)(room - s->sessions), queue) != 0)
        return;
    new.generation = ++s->joined;
    if (sysv_say(queue, JOIN, new.nonce, NONCE_SIZE) == 0)
        *room = new;
}

/* -- client ---------------------------------------------------------------- */

/* "Answer to my queue"; and waits for the nonce in it. */
static int
knock(struct client_end *c)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct sysv_message *buf = c->base.buf;
    ssize_t n;
    int err;

    private_put_prefix(buf, JOIN, c); /* no nonce yet: zeros */
    put32(buf->text + PREFIX, geteuid());
    err = sysv_send(&c->base.wait, c->base.requests, buf, PREFIX + 4, deadline);
    if (err != 0)
        return err;
    do
        n = sysv_answer(&c->base, c->replies, 0, deadline);
    while (n == -EINTR);
    if (n < 0)
        return c->base.cut_off ? -EAGAIN : (int)n;
    memcpy(c->nonce, buf->text, NONCE_SIZE);
    return n == NONCE_SIZE ? 0 : -EPIPE;
}

int
private_announce(struct client_end *c)
{
    int err;

    c->replies = msgget(IPC_PRIVATE, 0600);
    if (c->replies == -1)
        return -errno;
    err = knock(c);
    if (err != 0)
        msgctl(c->replies, IPC_RMID, NULL);
    return err;
}

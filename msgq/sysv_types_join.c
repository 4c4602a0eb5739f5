/*
 * sysv_types_join.c - who is a client of msgq/sysv-types, and who it is.
 *
 *      client                                       server
 *      type A = a random number
 *      JOIN { A, "I am pid 4711" }  ----------->    is there room?
 *                                   <-----------    receipt, one byte
 *      ...
 *      LEAVE { A }                  ----------->    drops its answers
 *
 * A queue does not say who wrote a message, and not that somebody has died.
 * All there is to go by is a pid: the one that the client claims to have.
 */
#define _GNU_SOURCE /* getrandom */
#include "sysv_types.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* -- wire ------------------------------------------------------------------ */

const char types_wire[] =
    "A FIFO `DIR/msgq-sysv-types.life` is open in the server as long as it "
    "lives: open it\nfor reading, non-blocking; end of file means that it "
    "has gone. The first number in the\nfile `DIR/msgq-sysv-types` is the "
    "id of the queue. Choose a random message type TYPE\nabove 1, and send "
    "messages of type 1 with this text:\n"
    "\n"
    "| offset | size | |\n"
    "|---|---|---|\n"
    "| 0 | 8 | TYPE |\n"
    "| 8 | 4 | 1 join, 2 message, 3 leave |\n"
    "| 12 | | join: your pid, 4 bytes; message: a frame; leave: nothing |\n"
    "\n"
    "Answers have the type TYPE: to a join or a notice one byte, to a "
    "request a frame; an\nempty one means that you are not, or no longer, "
    "a client. Take the answer out before\nyou send again: the queue's "
    "room is divided among all.";

void
types_put_prefix(struct sysv_message *m, uint32_t kind, long type)
{
    m->type = REQUESTS;
    put64(m->text, (uint64_t)type);
    put32(m->text + 8, kind);
}

/* -- server ---------------------------------------------------------------- */

void
types_say(struct server *s, long type, size_t len)
{
    (void)sysv_say(s->base.queue, type, "", len);
}

struct session *
types_find(struct server *s, long type)
{
    for (struct session *i = s->sessions; i < s->sessions + s->max_clients; i++)
        if (i->type == type)
            return i;
    return NULL;
}

/* What the client did not collect takes up room of the others. */
void
types_drop(struct server *s, struct session *session)
{
    while (msgrcv(s->base.queue, s->base.buf, s->base.size, session->type,
                  IPC_NOWAIT | MSG_NOERROR) != -1)
        continue;
    session->type = 0;
}

/* Nobody tells us that a client has died; but no process has its pid. */
static bool
is_gone(const struct session *session)
{
    return session->peer.pid > 0 && kill(session->peer.pid, 0) == -1 &&
           errno == ESRCH;
}

void
types_look_around(struct server *s)
{
    for (struct session *i = s->sessions; i < s->sessions + s->max_clients; i++)
        if (i->type != 0 && is_gone(i))
            types_drop(s, i);
}

/* The effective ids of a process, as they are now.  Not the owner of its
 * directory: that is root, as soon as a process may not be traced: proc(5). */
static void
look_up(struct ipc_peer *peer, pid_t pid)
{
    char path[32], line[256];
    unsigned uid, gid;
    FILE *status;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    status = fopen(path, "re");
    if (status == NULL)
        return;
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Uid: %*u %u", &uid) == 1)
            peer->uid = uid;
        else if (sscanf(line, "Gid: %*u %u", &gid) == 1)
            peer->gid = gid;
    fclose(status);
    peer->pid = pid;
}

/*
 * Who sent the message that we have just taken?  If the queue's last sender is
 * the one who this client says it is, we suppose that.  It is a guess: another
 * may have sent since, this one may have been sent by another, and the pid may
 * be somebody else's by now.  Made once, it stands: to make it again for every
 * message would cost a system call each, and it would be as bad a guess.
 */
void
types_infer(struct server *s, struct session *from)
{
    struct msqid_ds ds;

    if (from->peer.pid == -1 && msgctl(s->base.queue, IPC_STAT, &ds) == 0 &&
        ds.msg_lspid == from->claimed)
        look_up(&from->peer, from->claimed);
}

void
types_join(struct server *s, long type, pid_t claimed)
{
    struct session *room;

    types_look_around(s);
    room = types_find(s, 0);
    /* One that has joined already is left alone. */
    if (room == NULL || types_find(s, type) != NULL) {
        types_say(s, type, 0);
        return;
    }
    *room = (struct session){.type = type,
                             .generation = ++s->joined,
                             .claimed = claimed,
                             .peer = IPC_PEER_UNKNOWN};
    room->peer.evidence = IPC_INFERRED;
    types_infer(s, room);
    types_say(s, type, RECEIPT);
}

/* -- client ---------------------------------------------------------------- */

/* A type that is nobody else's: not the pid, which two clients of one process
 * share, and two processes in two pid namespaces. */
static int
choose_type(long *type)
{
    do
        if (getrandom(type, sizeof *type, 0) != sizeof *type)
            return -errno;
    while ((*type &= LONG_MAX) <= REQUESTS);
    return 0;
}

int
types_announce(struct client_end *c)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct sysv_message *buf = c->base.buf;
    int err = choose_type(&c->type);
    ssize_t n;

    if (err != 0)
        return err;
    types_put_prefix(buf, JOIN, c->type);
    put32(buf->text + PREFIX, (uint32_t)getpid());
    err = sysv_send(&c->base.wait, c->base.requests, buf, PREFIX + 4, deadline);
    if (err != 0)
        return err;
    do
        n = sysv_answer(&c->base, c->base.requests, c->type, deadline);
    while (n == -EINTR);
    if (n >= 0)
        return 0;
    if (c->base.cut_off)
        return -EAGAIN;
    types_leave(c); /* the JOIN may yet be taken */
    return (int)n;
}

/* If there is no room for it, is_gone() will find out. */
void
types_leave(struct client_end *c)
{
    types_put_prefix(c->base.buf, LEAVE, c->type);
    sysv_send(&c->base.wait, c->base.requests, c->base.buf, PREFIX, 0);
}

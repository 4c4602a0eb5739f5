/*
 * perclient.c - one well-known FIFO for requests, one reply FIFO per client.
 *
 *      client A  --\                                  server
 *                   >--  NAME  (everybody's requests)  -->  reads them all
 *      client B  --/
 *      client A  <---  NAME.d/PID.SERIAL of A  -----------  writes A's replies
 *      client B  <---  NAME.d/PID.SERIAL of B  -----------  writes B's replies
 *
 * The one idea: a write(2) of at most PIPE_BUF bytes to a FIFO is never mixed
 * with another one's (pipe(7)), so many writers can share the request FIFO, if
 * each request is a single small write.  Replies need a FIFO of their own,
 * because what one reader takes another never sees.
 *
 * Who asks?  The kernel does not say who wrote into a FIFO.  But it does say
 * who made one.  So a client joins: "my reply FIFO is PID.SERIAL".  The server
 * looks who owns that FIFO and writes a random nonce into it, mode 0600, and
 * from then on believes the requests that carry the nonce (core/owner.h).
 */
#define _GNU_SOURCE /* O_CLOEXEC, getrandom */
#include "core/clock.h"
#include "core/frames.h"
#include "core/quota.h"
#include "core/rendezvous.h"
#include "core/rundir.h"
#include "core/sessions.h"
#include "fifo.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct server {
    char name[ENDPOINT_SIZE];
    struct client_dir dir; /* NAME.d, where the reply FIFOs are */
    struct request_fifo fifo;
    struct sessions sessions;
    struct replies {
        int fd; /* write end of the client's reply FIFO */
        struct reply_fifo id;
    } replies[IPC_MAX_CLIENTS]; /* by the session's slot */
};

struct client_end {
    int requests; /* O_NONBLOCK: a full FIFO is waited for with a limit */
    int replies;
    struct frames in;
    uint8_t record[RECORD_MAX]; /* its prefix stays, the message changes */
};

/* -- server: made, removed ------------------------------------------------ */

static int
perclient_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err;

    strcpy(s->name, name);
    sessions_init(&s->sessions, IPC_MAX_CLIENTS, NO_DEADLINE);
    err = client_dir_make(&s->dir, name);
    if (err != 0)
        return err;
    err = request_fifo_make(&s->fifo, name); /* last: now clients find all */
    if (err != 0)
        client_dir_remove(&s->dir, name);
    return err;
}

/* Disconnects a client: it reads an end of file. */
static void
disconnect(struct server *s, int slot)
{
    close(s->replies[slot].fd);
    sessions_leave(&s->sessions, (unsigned)slot);
}

static void
perclient_destroy(void *srv)
{
    struct server *s = srv;
    int slot;

    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        disconnect(s, slot);
    request_fifo_remove(&s->fifo, s->name);
    client_dir_remove(&s->dir, s->name);
}

/* -- server: who joins ---------------------------------------------------- */

/* The client of this reply FIFO, or -1. */
static int
find(const struct server *s, const struct reply_fifo *id)
{
    for (unsigned i = 0; i < s->sessions.top; i++)
        if (sessions_is_in(&s->sessions, i) &&
            s->replies[i].id.pid == id->pid &&
            s->replies[i].id.serial == id->serial)
            return (int)i;
    return -1;
}

/* Those that have gone are noticed when somebody new comes who does own a reply
 * FIFO: one without a reader is POLLERR for its writer. */
static void
reap(struct server *s)
{
    int slot;

    while ((slot = sessions_reap(&s->sessions)) != -1) {
        struct pollfd p = {.fd = s->replies[slot].fd};

        if (poll(&p, 1, 0) == 1)
            disconnect(s, slot);
    }
}

/* Takes the client in, and leaves a fresh nonce in its FIFO.  Writing cannot
 * wait, and 16 bytes are written whole or not at all. */
static int
admit(struct server *s, int fd, const struct reply_fifo *id,
      const struct ipc_peer *peer)
{
    int64_t now = now_ns();
    int slot = sessions_choose(&s->sessions, peer->uid, now);
    uint8_t nonce[NONCE_SIZE];

    if (slot < 0 || nonce_make(nonce) != 0 ||
        write(fd, nonce, NONCE_SIZE) != NONCE_SIZE)
        return -EAGAIN;
    sessions_take(&s->sessions, (unsigned)slot, peer, now);
    memcpy(s->sessions.slot[slot].nonce, nonce, NONCE_SIZE);
    /* At once: not one request is believed that does not carry the nonce. */
    sessions_admit(&s->sessions, (unsigned)slot);
    s->replies[slot] = (struct replies){.fd = fd, .id = *id};
    return 0;
}

/* Whose are registrations that nobody can name: one user's, all of them. */
#define ANYBODY ((uid_t)-1)

/*
 * Anybody can write JOINs for what is not there, a thousand in one turn.  So
 * when they have come to nothing too often, each is worth one look and no more;
 * then make_sure is false.  Who has the FIFO open, as clients do, is seen even
 * so, if nothing disturbs the kernel.
 */
static int
open_replies(const struct server *s, const struct reply_fifo *id, uid_t claimed,
             bool make_sure)
{
    char name[REPLY_NAME_SIZE];
    int err;

    reply_fifo_name(id, name);
    err = object_glance_at(s->dir.fd, name, claimed, make_sure);
    return err != 0
               ? err
               : object_open(OBJECT_AT, s->dir.fd, name, O_WRONLY, claimed);
}

/* A JOIN: opens the reply FIFO, if it is whose the record says.  If not: not a
 * word, and a client who meant it times out in open().  One for whom there is
 * no slot reads an end of file where the nonce should be. */
static void
join_client(struct server *s, const struct record *r)
{
    const uid_t claimed = record_claim(r);
    struct ipc_peer peer;
    bool make_sure;
    int fd;

    /* One that has joined already is left alone: this may be a third party, and
     * the owner has its nonce.  And no FIFO is opened for a user who is kept
     * out. */
    if (find(s, &r->id) != -1 ||
        sessions_barred(&s->sessions, claimed, now_ns()))
        return;
    make_sure = quota_take(ANYBODY, QUOTA_JOINING, 1, now_ns()) == 0;
    fd = open_replies(s, &r->id, claimed, make_sure);
    if (fd < 0)
        return;
    reap(s);
    client_dir_tidy(&s->dir);
    if (owner_check_fd(fd, S_IFIFO, claimed, &peer) != 0 ||
        admit(s, fd, &r->id, &peer) != 0)
        close(fd);
    else if (make_sure)
        quota_give(ANYBODY, QUOTA_JOINING, 1);
}

/* -- server: who wrote this? ---------------------------------------------- */

/* The client who wrote this MESSAGE: the one who could know the nonce in it;
 * or -1. */
static int
claimed_author(const struct server *s, const struct record *r)
{
    int slot = r->type == RECORD_MESSAGE ? find(s, &r->id) : -1;

    return slot != -1 && nonce_equal(r->nonce, s->sessions.slot[slot].nonce)
               ? slot
               : -1;
}

/* Does another one's message begin in this one?  Nobody knows another's nonce,
 * so it was not written there: this one claims to be longer than it is.  end is
 * the end of all that there is, because the other one may end beyond this one.
 * (The price: who passes on bytes in which somebody hid a record of its own is
 * suspected, too.) */
static bool
swallows(const struct server *s, const struct record *r, int from,
         const uint8_t *end)
{
    size_t have = (size_t)(end - r->at), span = r->len + RECORD_PREFIX - 1;
    struct record inner = *r;

    if (s->sessions.count < 2) /* nobody there to be swallowed */
        return false;
    if (span < have) /* as far as the prefix goes of one that begins inside */
        end = r->at + span;
    while (record_find(inner.at + 1, end, &inner)) {
        int who = claimed_author(s, &inner);

        if (who != -1 && who != from)
            return true;
    }
    return false;
}

/* Who wrote this, if it can be believed; or -1.  A length that goes beyond what
 * its author wrote makes another's request part of its own, and an echo of it
 * would tell it that one's nonce.  So a known author of such a record is cut
 * off. */
static int
author(struct server *s, const struct record *r)
{
    const uint8_t *end = s->fifo.in + s->fifo.end;
    int from = claimed_author(s, r);

    if (from == -1 ||
        (r->len <= (size_t)(end - r->at) && !swallows(s, r, from, end)))
        return from;
    sessions_fault(&s->sessions, s->sessions.slot[from].peer.uid, now_ns());
    disconnect(s, from);
    return -1;
}

/* -- server: next, reply -------------------------------------------------- */

/*
 * Takes the next message that can be believed out of the bytes read so far.
 * 1 = got one, 0 = read more.
 *
 * Anybody may write here, so anything may stand here.  A length is believed
 * only if the author is known, or it could swallow the requests behind it; from
 * everything else we go on byte by byte, also from a JOIN.
 */
static int
take_record(struct server *s, struct ipc_request *req)
{
    struct request_fifo *f = &s->fifo;
    struct record r;
    size_t rest;

    while (record_find(f->in + f->start, f->in + f->end, &r)) {
        size_t have = (size_t)(f->in + f->end - r.at);
        int from;

        f->start = f->end - have;
        /* All of it, and of what may begin in it, that there is. */
        if (have < r.len + RECORD_PREFIX && !f->drained)
            return 0;
        if (r.type == RECORD_JOIN && have >= r.len)
            join_client(s, &r);
        from = author(s, &r);
        if (from == -1) {
            f->start++;
            continue;
        }
        f->start += r.len;
        req->msg.len = r.len - RECORD_PREFIX;
        memcpy(req->msg.buf, r.body, req->msg.len);
        req->peer = s->sessions.slot[from].peer;
        req->reply_to = sessions_token(&s->sessions, (unsigned)from);
        return 1;
    }
    /* No record; the beginning of one only if there is more to be read. */
    rest = f->drained ? 0 : RECORD_PREFIX - 1;
    if (f->end - f->start > rest)
        f->start = f->end - rest;
    return 0;
}

/* So often somebody has written what is no request, and then our caller may see
 * whether it is to end: a stranger can go on for ever. */
#define FOR_NOTHING 4

static int
perclient_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    struct server *s = srv;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    for (int i = 0; take_record(s, req) == 0; i++) {
        int err = i == FOR_NOTHING
                      ? -EINTR
                      : request_fifo_read(&s->fifo, time_left(deadline));

        if (err != 0)
            return err;
    }
    return 0;
}

static int
perclient_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg)
{
    struct server *s = srv;
    int slot = sessions_slot(&s->sessions, req->reply_to);

    if (slot == -1)
        return -EPIPE;
    /* At most PIPE_BUF: whole or not at all.  EPIPE: the client has gone.
     * EAGAIN: it does not collect its replies. */
    if (msg != NULL &&
        write(s->replies[slot].fd, msg->buf, msg->len) == (ssize_t)msg->len)
        return 0;
    disconnect(s, slot);
    return msg == NULL ? 0 : -EPIPE;
}

static int
perclient_pollfd(void *srv)
{
    return ((struct server *)srv)->fifo.fd;
}

/* -- client: joins -------------------------------------------------------- */

/* Makes a FIFO in NAME.d of this endpoint and opens it for reading, without
 * waiting.  Returns the descriptor or -errno.  path receives its name, to be
 * unlinked as soon as the server has opened it. */
static int
reply_fifo_make(const char *where, struct reply_fifo *id, char path[PATH_MAX])
{
    char dir[ENDPOINT_SIZE], name[REPLY_NAME_SIZE];
    int fd, err = endpoint_file(where, ".d", dir);

    if (err != 0)
        return err;
    id->pid = (uint32_t)getpid();
    if (getrandom(&id->serial, sizeof id->serial, 0) != sizeof id->serial)
        return -errno;
    reply_fifo_name(id, name);
    snprintf(path, PATH_MAX, "%s/%s", dir, name);
    if (mkfifo(path, 0600) == -1)
        return -errno;
    /* Now, because the server's open(2) for writing needs a reader. */
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    /* A umask of 0777 has made it 0000, which only root opens. */
    if (fd == -1 && errno == EACCES &&
        fchmodat(AT_FDCWD, path, 0600, AT_SYMLINK_NOFOLLOW) == 0)
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1 || fchmod(fd, 0600) == -1) {
        err = -errno;
        unlink(path);
        if (fd != -1)
            close(fd);
        return err;
    }
    return fd;
}

/* Waits for the server, that is, for the nonce.  From then on reading from fd
 * blocks. */
static int
reply_fifo_nonce(int fd, uint8_t nonce[NONCE_SIZE], int64_t deadline)
{
    ssize_t n;
    int err;

    do
        err = wait_for(fd, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    n = read(fd, nonce, NONCE_SIZE);
    if (n == -1)
        return -errno;
    if (n == 0) /* it came, and closed it: it has all the clients it can take */
        return -EAGAIN;
    /* O_NONBLOCK was for the open(2) only.  It belongs to this open file
     * description; the server's end is another one and stays as it is. */
    if (n != NONCE_SIZE || fcntl(fd, F_SETFL, 0) == -1)
        return -EPIPE;
    return 0;
}

/* Announces the reply FIFO and waits for the nonce in it. */
static int
join(struct client_end *c, const struct reply_fifo *id)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    size_t len = record_join(c->record, id, geteuid());
    int err = fifo_write(c->requests, c->record, len, deadline);
    uint8_t nonce[NONCE_SIZE];

    if (err == 0)
        err = reply_fifo_nonce(c->replies, nonce, deadline);
    if (err == 0)
        record_message(c->record, id, nonce);
    return err;
}

static int
perclient_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    char path[PATH_MAX];
    struct reply_fifo id;
    int err;

    c->requests = fifo_open(where, where);
    if (c->requests < 0)
        return c->requests;
    c->replies = reply_fifo_make(where, &id, path);
    if (c->replies < 0) {
        err = c->replies;
        goto close_requests;
    }
    frames_init(&c->in);
    err = join(c, &id);
    /* Both sides have it open now, or never will; without a name, a crash from
     * here on leaves nothing. */
    unlink(path);
    if (err == 0)
        return 0;
    close(c->replies);
close_requests:
    close(c->requests);
    return err;
}

/* -- client: send, receive ------------------------------------------------ */

static int
perclient_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    size_t len = RECORD_PREFIX + msg->len;

    record_set_length(c->record, len);
    memcpy(c->record + RECORD_PREFIX, msg->buf, msg->len);
    return fifo_write(c->requests, c->record, len, deadline_in(timeout_ns));
}

/* With no time limit read(2) itself waits: a system call less.  With one
 * ppoll(2) waits, and after it read(2) does not: nobody else reads here. */
static int
reply_fifo_read(int fd, struct frames *in, struct ipc_message *msg,
                int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    int got = frames_take(in, msg); /* may have come with the one before */

    while (got == 0) {
        int err = timeout_ns < 0 ? 0 : wait_for(fd, POLLIN, deadline);
        size_t room;
        void *to;
        ssize_t n;

        if (err != 0)
            return err;
        to = frames_place(in, msg, &room);
        if (to == NULL)
            return -ENOMEM;
        n = read(fd, to, room);
        if (n == -1)
            return -errno;
        if (n == 0) /* the server closed it, or died */
            return -EPIPE;
        got = frames_cut(in, msg, (size_t)n);
    }
    return got < 0 ? -EPIPE : 0;
}

static int
perclient_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    msg->fd = -1;
    return reply_fifo_read(c->replies, &c->in, msg, timeout_ns);
}

static void
perclient_close(void *cli)
{
    struct client_end *c = cli;

    close(c->requests);
    close(c->replies);
    frames_free(&c->in);
}

/* -- sweep, limits, table ------------------------------------------------- */

static int
perclient_sweep(const char *name)
{
    return swept_both(request_fifo_sweep(name), client_dir_sweep(name));
}

static int
perclient_limits(struct ipc_limits *l)
{
    /* A FIFO holds 16 pages, pipe(7); each record of this size takes one. */
    *l = (struct ipc_limits){.max_msg = RECORD_MAX - RECORD_PREFIX,
                             .max_inflight = 16,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism fifo_perclient = {
    .name = "fifo/perclient",
    .summary = "a well-known FIFO for requests, a reply FIFO per client",
    .proof = "owner of the reply FIFO, and the nonce only its reader can know",
    .wire = RECORD_WIRE, /* record.h */
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_CLAIM | IPC_USES_OBJECT,
    .uid_from = IPC_UID_OBJECT,
    .floor = "floor/fifo",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_SLOW | IPC_SAMPLE_BESIEGED,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = perclient_limits,
    .create = perclient_create,
    .next = perclient_next,
    .reply = perclient_reply,
    .pollfd = perclient_pollfd,
    .destroy = perclient_destroy,
    .open = perclient_open,
    .send = perclient_send,
    .recv = perclient_recv,
    .close = perclient_close,
    .sweep = perclient_sweep,
};

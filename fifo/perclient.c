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
#include "core/clock.h"
#include "core/frames.h"
#include "core/rundir.h"
#include "record.h"
#include "request_fifo.h"
#include "sessions.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct server {
    char name[ENDPOINT_SIZE];
    int dir; /* NAME.d, where the reply FIFOs are */
    struct request_fifo fifo;
    struct sessions sessions;
};

struct client_end {
    int requests; /* O_NONBLOCK: a full FIFO is waited for with a limit */
    int replies;
    struct frames in;
    uint8_t record[RECORD_MAX]; /* its prefix stays, the message changes */
};

/* -- server --------------------------------------------------------------- */

static int
perclient_create(void *srv, const char *name)
{
    struct server *s = srv;

    strcpy(s->name, name);
    s->dir = reply_fifo_make_dir(name);
    if (s->dir < 0)
        return s->dir;
    s->fifo.fd = request_fifo_make(name); /* last: now clients find all */
    if (s->fifo.fd >= 0)
        return 0;
    close(s->dir);
    reply_fifo_remove_all(name);
    return s->fifo.fd;
}

/* Who wrote this, if it can be believed.  A length that goes beyond what its
 * author wrote makes another's request part of his own, and an echo of it would
 * tell him that one's nonce.  So a known author of such a record is cut off. */
static struct session *
author(struct server *s, const struct record *r)
{
    const uint8_t *end = s->fifo.in + s->fifo.end;
    struct session *from = sessions_author(&s->sessions, r);

    if (from == NULL || (r->len <= (size_t)(end - r->at) &&
                         !sessions_swallowed(&s->sessions, r, end)))
        return from;
    sessions_drop(&s->sessions, from);
    return NULL;
}

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
        struct session *from;

        f->start = f->end - have;
        /* All of it, and of what may begin in it, that there is. */
        if (have < r.len + RECORD_PREFIX && !f->drained)
            return 0;
        if (r.type == RECORD_JOIN && have >= r.len)
            sessions_join(&s->sessions, s->dir, &r);
        from = author(s, &r);
        if (from == NULL) {
            f->start++;
            continue;
        }
        f->start += r.len;
        req->msg.len = r.len - RECORD_PREFIX;
        memcpy(req->msg.buf, r.body, req->msg.len);
        req->peer = from->peer;
        req->reply_to = (uint64_t)from->id.pid << 32 | from->id.serial;
        return 1;
    }
    /* No record; the beginning of one only if there is more to be read. */
    rest = f->drained ? 0 : RECORD_PREFIX - 1;
    if (f->end - f->start > rest)
        f->start = f->end - rest;
    return 0;
}

static int
perclient_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    struct server *s = srv;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    while (take_record(s, req) == 0) {
        int err = request_fifo_read(&s->fifo, time_left(deadline));

        if (err != 0)
            return err;
    }
    return 0;
}

static int
perclient_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg)
{
    const struct reply_fifo id = {.pid = (uint32_t)(req->reply_to >> 32),
                                  .serial = (uint32_t)req->reply_to};
    struct server *s = srv;
    struct session *to = sessions_find(&s->sessions, &id);

    if (to == NULL)
        return -EPIPE;
    if (msg != NULL && msg->fd != -1)
        return -EOPNOTSUPP;
    /* At most PIPE_BUF: whole or not at all.  EPIPE: the client has gone.
     * EAGAIN: it does not collect its replies. */
    if (msg != NULL && write(to->fd, msg->buf, msg->len) == (ssize_t)msg->len)
        return 0;
    sessions_drop(&s->sessions, to);
    return msg == NULL ? 0 : -EPIPE;
}

static int
perclient_pollfd(void *srv)
{
    return ((struct server *)srv)->fifo.fd;
}

static void
perclient_destroy(void *srv)
{
    struct server *s = srv;

    sessions_drop_all(&s->sessions);
    close(s->fifo.fd);
    close(s->dir);
    request_fifo_remove(s->name);
    reply_fifo_remove_all(s->name);
}

/* -- client --------------------------------------------------------------- */

/* Announces the reply FIFO and waits for the nonce in it. */
static int
join(struct client_end *c, const struct reply_fifo *id)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    size_t len = record_join(c->record, id, geteuid());
    int err = request_fifo_write(c->requests, c->record, len, deadline);
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

    c->requests = request_fifo_open(where);
    if (c->requests < 0)
        return c->requests;
    c->replies = reply_fifo_make(where, &id, path, sizeof path);
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

static int
perclient_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    size_t len = RECORD_PREFIX + msg->len;

    if (len > RECORD_MAX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    record_set_length(c->record, len);
    memcpy(c->record + RECORD_PREFIX, msg->buf, msg->len);
    return request_fifo_write(c->requests, c->record, len,
                              deadline_in(timeout_ns));
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
    int fifo = request_fifo_remove(name), dir;

    if (fifo < 0)
        return fifo;
    dir = reply_fifo_remove_all(name);
    return dir < 0 ? dir : fifo || dir;
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

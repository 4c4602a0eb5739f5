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
#define _GNU_SOURCE /* O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW */
#include "core/clock.h"
#include "core/frames.h"
#include "core/rundir.h"
#include "core/wire.h"
#include "reply_fifo.h"
#include "request_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct session {
    int fd; /* write end of the client's reply FIFO; 0: free */
    struct reply_fifo id;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct server {
    char name[ENDPOINT_SIZE], dir_name[ENDPOINT_SIZE];
    int fd;  /* the request FIFO */
    int dir; /* NAME.d */
    struct session sessions[IPC_MAX_CLIENTS];
    uint8_t in[FIFO_CAPACITY];
    size_t start, end; /* not yet looked at */
};

struct client_end {
    int requests, replies; /* both O_NONBLOCK */
    struct frames in;
    uint8_t record[PIPE_BUF]; /* its prefix stays, the message changes */
};

/* -- wire: records in the request FIFO -----------------------------------------
 *
 *      0       4     6      8     12       16            32
 *      +-------+-----+------+-----+--------+-------------+------------
 *      | FIFO  | len | type | pid | serial |    nonce    | body
 *      +-------+-----+------+-----+--------+-------------+------------
 *
 * JOIN's body is the uid that the client claims, MESSAGE's is a frame. */

#define PREFIX     32
#define RECORD_MAX PIPE_BUF
#define JOIN       1
#define MESSAGE    2
#define JOIN_LEN   (PREFIX + 4)

static const uint8_t mark[4] = {'F', 'I', 'F', 'O'};

/* All but the length of a message, which differs, and the nonce. */
static void
put_prefix(uint8_t *p, uint16_t type, size_t len, const struct reply_fifo *id)
{
    memcpy(p, mark, sizeof mark);
    put16(p + 4, (uint16_t)len);
    put16(p + 6, type);
    put32(p + 8, id->pid);
    put32(p + 12, id->serial);
    memset(p + 16, 0, NONCE_SIZE);
}

/* -- server --------------------------------------------------------------------- */

static int
perclient_sweep(const char *name)
{
    char dir_name[ENDPOINT_SIZE];
    int fifo = request_fifo_remove(name), dir;
    int err = endpoint_file(name, ".d", dir_name);

    if (fifo < 0 || err != 0)
        return fifo < 0 ? fifo : err;
    dir = reply_fifo_remove_all(dir_name);
    return dir < 0 ? dir : fifo || dir;
}

static int
perclient_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err = perclient_sweep(name);

    if (err < 0)
        return err;
    strcpy(s->name, name);
    endpoint_file(name, ".d", s->dir_name);
    if (mkdir(s->dir_name, 0700) == -1)
        return -errno;
    s->dir = open(s->dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir == -1) {
        err = -errno;
        goto remove_directory;
    }
    /* Only root can open other users' 0600 FIFOs, so only root invites them.
     * Sticky: nobody removes or renames another's, inode(7). */
    if (geteuid() == 0 && fchmod(s->dir, 01777) == -1) {
        err = -errno;
        goto close_directory;
    }
    s->fd = request_fifo_make(name); /* last: now clients find everything */
    if (s->fd >= 0)
        return 0;
    err = s->fd;
close_directory:
    close(s->dir);
remove_directory:
    rmdir(s->dir_name);
    return err;
}

static void
drop(struct session *session)
{
    close(session->fd); /* the client reads an end of file */
    session->fd = 0;
}

static struct session *
find_session(struct server *s, uint32_t pid, uint32_t serial)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->fd != 0 && i->id.pid == pid && i->id.serial == serial)
            return i;
    return NULL;
}

/* A place for one more client.  Those that have gone are noticed here: a FIFO
 * without a reader is POLLERR for its writer. */
static struct session *
free_session(struct server *s)
{
    struct session *room = NULL;

    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++) {
        struct pollfd p = {.fd = i->fd};

        if (i->fd != 0 && poll(&p, 1, 0) == 1)
            drop(i);
        if (i->fd == 0)
            room = i;
    }
    return room;
}

/* Whoever wrote this says that the reply FIFO is his.  If not: not a word, and
 * a client who meant it times out in open(). */
static void
join(struct server *s, const uint8_t *record)
{
    struct session new = {.id = {get32(record + 8), get32(record + 12)}};
    struct session *room = free_session(s);

    /* One that has joined already is left alone: this may be a third party,
     * and the owner has his nonce. */
    if (room == NULL || find_session(s, new.id.pid, new.id.serial) != NULL)
        return;
    new.fd = reply_fifo_check(s->dir, &new.id, get32(record + PREFIX),
                              new.nonce, &new.peer);
    if (new.fd >= 0)
        *room = new;
}

/*
 * Takes the next message that can be believed out of the bytes read so far.
 * 1 = got one, 0 = read more.
 *
 * Anybody may write here, so anything may stand here.  What is not a record is
 * stepped over byte by byte; and a record's length is believed only if its
 * nonce is right, or a forged one could swallow the requests behind it.
 */
static int
take_record(struct server *s, struct ipc_request *req)
{
    while (s->end - s->start >= PREFIX) {
        const uint8_t *p = s->in + s->start;
        size_t have = s->end - s->start, len = get16(p + 4);
        unsigned type = get16(p + 6);
        struct session *from;

        if (memcmp(p, mark, sizeof mark) != 0) {
            s->start++;
            continue;
        }
        if (type == JOIN && len == JOIN_LEN) {
            if (have < len)
                return 0;
            join(s, p);
            s->start += len;
            continue;
        }
        from = find_session(s, get32(p + 8), get32(p + 12));
        if (type != MESSAGE || from == NULL || len < PREFIX ||
            len > RECORD_MAX || !nonce_equal(p + 16, from->nonce)) {
            s->start++;
            continue;
        }
        if (have < len)
            return 0;
        s->start += len;
        req->msg.len = len - PREFIX;
        memcpy(req->msg.buf, p + PREFIX, req->msg.len);
        req->peer = from->peer;
        req->reply_to = (uint64_t)from->id.pid << 32 | from->id.serial;
        return 1;
    }
    return 0;
}

static int
perclient_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    ssize_t n;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    while (take_record(s, req) == 0) {
        memmove(s->in, s->in + s->start, s->end - s->start);
        s->end -= s->start;
        s->start = 0;
        /* With no time limit read(2) itself waits: a system call less. */
        if (timeout_ns >= 0) {
            int err = wait_for(s->fd, POLLIN, deadline);

            if (err != 0)
                return err;
        }
        n = read(s->fd, s->in + s->end, sizeof s->in - s->end);
        if (n == -1)
            return -errno;
        s->end += (size_t)n;
    }
    return 0;
}

static int
perclient_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg)
{
    struct server *s = srv;
    struct session *to = find_session(s, (uint32_t)(req->reply_to >> 32),
                                      (uint32_t)req->reply_to);

    if (to == NULL)
        return -EPIPE;
    if (msg == NULL) {
        drop(to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    /* At most PIPE_BUF: whole or not at all.  EPIPE: the client has gone.
     * EAGAIN: it does not collect its replies. */
    if (write(to->fd, msg->buf, msg->len) == (ssize_t)msg->len)
        return 0;
    drop(to);
    return -EPIPE;
}

static int
perclient_pollfd(void *srv)
{
    return ((struct server *)srv)->fd;
}

static void
perclient_destroy(void *srv)
{
    struct server *s = srv;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->sessions[i].fd != 0)
            drop(&s->sessions[i]);
    close(s->fd);
    close(s->dir);
    perclient_sweep(s->name);
}

/* -- client --------------------------------------------------------------------- */

/* Announces the reply FIFO and waits for the nonce in it. */
static int
announce(struct client_end *c, const struct reply_fifo *id)
{
    int64_t deadline = deadline_in(IPC_OPEN_TIMEOUT);
    int err;

    put_prefix(c->record, JOIN, JOIN_LEN, id);
    put32(c->record + PREFIX, geteuid());
    err = request_fifo_write(c->requests, c->record, JOIN_LEN, deadline);
    if (err != 0)
        return err;
    do
        err = wait_for(c->replies, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    put_prefix(c->record, MESSAGE, 0, id);
    if (read(c->replies, c->record + 16, NONCE_SIZE) != NONCE_SIZE)
        return -EPIPE;
    return 0;
}

static int
perclient_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    char dir[ENDPOINT_SIZE], path[PATH_MAX];
    struct reply_fifo id;
    int err = endpoint_file(where, ".d", dir);

    if (err != 0)
        return err;
    c->requests = request_fifo_open(where);
    if (c->requests < 0)
        return c->requests;
    c->replies = reply_fifo_make(dir, &id, path, sizeof path);
    if (c->replies < 0) {
        err = c->replies;
        goto close_requests;
    }
    frames_init(&c->in);
    err = announce(c, &id);
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
    size_t len = PREFIX + msg->len;

    if (len > RECORD_MAX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    put16(c->record + 4, (uint16_t)len);
    memcpy(c->record + PREFIX, msg->buf, msg->len);
    return request_fifo_write(c->requests, c->record, len,
                              deadline_in(timeout_ns));
}

static int
perclient_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int got, err;

    msg->fd = -1;
    while ((got = frames_take(&c->in, msg)) == 0) {
        size_t room;
        void *to = frames_space(&c->in, &room);
        ssize_t n;

        if (to == NULL)
            return -ENOMEM;
        err = wait_for(c->replies, POLLIN, deadline);
        if (err != 0)
            return err;
        n = read(c->replies, to, room);
        if (n == -1 && errno != EAGAIN)
            return -errno;
        if (n == 0) /* the server closed it, or died */
            return -EPIPE;
        if (n > 0)
            frames_add(&c->in, (size_t)n);
    }
    return got < 0 ? -EPIPE : 0;
}

static void
perclient_close(void *cli)
{
    struct client_end *c = cli;

    close(c->requests);
    close(c->replies);
    frames_free(&c->in);
}

/* -- limits, table -------------------------------------------------------------- */

static int
perclient_limits(struct ipc_limits *l)
{
    /* A FIFO holds 16 pages, pipe(7); each record of this size takes one. */
    *l = (struct ipc_limits){.max_msg = RECORD_MAX - PREFIX,
                             .max_inflight = 16,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism fifo_perclient = {
    .name = "fifo/perclient",
    .summary = "a well-known FIFO for requests, a reply FIFO per client",
    .proof = "owner of the reply FIFO, and the nonce only its reader can know",
    .wire =
        "`DIR/fifo-perclient` is a FIFO for requests, `DIR/fifo-perclient.d/` "
        "a directory for\nreply FIFOs. Choose a random 32-bit SERIAL, make the "
        "FIFO `PID.SERIAL` (decimal)\nthere with mode 0600, and open it for "
        "reading, non-blocking. Then write records to\nthe request FIFO, each "
        "with one write(2) of at most 4096 bytes:\n"
        "\n"
        "| offset | size | |\n"
        "|---|---|---|\n"
        "| 0 | 4 | the bytes `F` `I` `F` `O` |\n"
        "| 4 | 2 | length of the whole record |\n"
        "| 6 | 2 | 1 join, 2 message |\n"
        "| 8 | 4 | PID |\n"
        "| 12 | 4 | SERIAL |\n"
        "| 16 | 16 | join: zero; message: the nonce |\n"
        "| 32 | | join: your effective uid, 4 bytes; message: a frame |\n"
        "\n"
        "First a join. The server answers with the nonce, 16 bytes, in the "
        "reply FIFO; no\nanswer means no. Then the name may be unlinked. From "
        "then on the reply FIFO carries\nframes, one after the other, and its "
        "end of file means that the server has gone.",
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

/*
 * textbook.c - the protocol over FIFOs as books teach it (TLPI 44.8, APUE 15.5,
 * UNPv2 4.8), for honest peers who do not die.
 *
 *      client A  --\                                   server
 *                   >--  NAME  (everybody's requests) --> reads them all
 *      client B  --/
 *      client A  <---  NAME.PID.N  (A's own)  ---------- opens, writes, closes
 *
 * The one idea: a name is enough to meet.  Requests go into one FIFO that all
 * know; each says in which FIFO its answer is awaited.  What this form does not
 * withstand stands in README.md; perclient.c is what withstands it.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "core/clock.h"
#include "core/ipc.h"
#include "core/rundir.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct server {
    char name[ENDPOINT_SIZE];
    int requests; /* the FIFO that all write to */
};

/*
 * A record in the request FIFO, integers in the machine's order.  A write(2) of
 * at most PIPE_BUF bytes goes in whole, or not at all: pipe(7).  So many
 * clients may write into one FIFO, and a record whose beginning is there is
 * there.
 */
struct record {
    uint64_t reply_to; /* PID << 32 | N: so it says, and is believed */
    uint32_t length;   /* of the frame, bytes */
    uint8_t frame[PIPE_BUF - 12];
};

#define PREFIX offsetof(struct record, frame)

struct client_end {
    char name[ENDPOINT_SIZE]; /* of its own FIFO */
    struct record r;          /* the next request */
    int requests, replies;
};

static void
reply_name(char path[ENDPOINT_SIZE], const char *name, uint64_t reply_to)
{
    snprintf(path, ENDPOINT_SIZE, "%.80s.%u.%u", name,
             (unsigned)(reply_to >> 32), (unsigned)reply_to);
}

/* -- server ---------------------------------------------------------------- */

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;

    strcpy(s->name, name);
    /* block create: make the FIFO that everybody knows, and open it */
    unlink(name); /* a dead server's */
    if (mkfifo(name, 0600) == -1)
        return -errno;
    /* For reading *and* writing: open(2) does not wait for a writer then, and
     * read(2) never finds that the last writer has gone, since we are one. */
    s->requests = open(name, O_RDWR | O_CLOEXEC);
    return s->requests == -1 ? -errno : 0;
    /* end: return -ENOSYS; */
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    struct record r;
    int err;

    /* block next: wait for a record, read it, note where the answer goes */
    err = wait_for(s->requests, POLLIN, deadline_in(timeout_ns));
    if (err != 0)
        return err; /* -ETIMEDOUT, -EINTR */
    /* A FIFO is bytes: how many belong to this record only its length says. */
    if (read(s->requests, &r, PREFIX) != PREFIX || r.length > sizeof r.frame ||
        read(s->requests, req->msg.buf, r.length) != (ssize_t)r.length)
        return -EBADMSG; /* then nobody knows where the next one begins */
    req->msg.len = r.length;
    req->reply_to = r.reply_to;
    req->peer = IPC_PEER_UNKNOWN; /* a FIFO does not say who wrote into it */
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct server *s = srv;
    char path[ENDPOINT_SIZE];
    ssize_t n;
    int fd;

    if (msg == NULL)
        return 0; /* nobody to cut off: there are no connections */
    /* block reply: open the client's FIFO, write the frame, close it */
    reply_name(path, s->name, req->reply_to);
    /* The client has it open for reading.  If it has gone this is ENXIO, where
     * without O_NONBLOCK we would wait for a reader for ever. */
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return -EPIPE;
    n = write(fd, msg->buf, msg->len); /* EAGAIN: it does not read them */
    close(fd);
    return n == (ssize_t)msg->len ? 0 : -EPIPE;
    /* end: return -ENOSYS; */
}

static int
textbook_pollfd(void *srv)
{
    return ((struct server *)srv)->requests;
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    /* block destroy: close it, remove the name */
    close(s->requests);
    unlink(s->name);
    /* end: */
}

/* -- client ---------------------------------------------------------------- */

static int
textbook_open(void *cli, const char *where)
{
    static _Atomic uint32_t opened; /* one process may have several clients */
    struct client_end *c = cli;
    int err;

    c->r.reply_to = (uint64_t)getpid() << 32 | atomic_fetch_add(&opened, 1);
    reply_name(c->name, where, c->r.reply_to);
    /* block open: open the request FIFO; make a FIFO for replies, and open it.
     * O_NONBLOCK: ENXIO at once if nobody reads there, instead of waiting. */
    c->requests = open(where, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (c->requests == -1)
        return errno == ENXIO ? -ECONNREFUSED : -errno;
    if (mkfifo(c->name, 0600) == -1 || /* the umask takes bits away */
        chmod(c->name, 0600) == -1) {
        err = -errno;
        goto close_requests;
    }
    /* Both ends of it: the server closes its own after each answer, and without
     * another writer that would be the end of file. */
    c->replies = open(c->name, O_RDWR | O_CLOEXEC);
    if (c->replies == -1) {
        err = -errno;
        goto remove_name;
    }
    return 0;

remove_name:
    unlink(c->name);
close_requests:
    close(c->requests);
    return err;
    /* end: return -ENOSYS; */
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    int err;

    /* block send: write the record, whole; wait as long as the FIFO is full */
    c->r.length = (uint32_t)msg->len;
    memcpy(c->r.frame, msg->buf, msg->len);
    while (write(c->requests, &c->r, PREFIX + msg->len) == -1) {
        if (errno != EAGAIN)
            return -errno; /* EPIPE: nobody reads any more */
        err = wait_for(c->requests, POLLOUT, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    uint8_t *to = msg->buf;
    struct wire_header h;
    int err;

    msg->fd = -1;
    /* block recv: wait for a reply, read it: its header says how long it is */
    err = wait_for(c->replies, POLLIN, deadline_in(timeout_ns));
    if (err != 0)
        return err;
    if (read(c->replies, to, WIRE_HEADER) != WIRE_HEADER ||
        wire_decode_header(to, &h) != 0 || h.length > msg->cap - WIRE_HEADER ||
        read(c->replies, to + WIRE_HEADER, h.length) != (ssize_t)h.length)
        return -EBADMSG;
    msg->len = WIRE_HEADER + h.length;
    return 0;
    /* end: return -ENOSYS; */
}

static void
textbook_close(void *cli)
{
    struct client_end *c = cli;

    /* block close: close both, remove the name of one's own */
    close(c->requests);
    close(c->replies);
    unlink(c->name);
    /* end: */
}

/* -- limits, table --------------------------------------------------------- */

static int
textbook_limits(struct ipc_limits *l)
{
    /* A FIFO holds 16 pages, pipe(7); each record of this size takes one. */
    *l = (struct ipc_limits){.max_msg = PIPE_BUF - PREFIX,
                             .max_inflight = 16,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism fifo_textbook = {
    .name = "fifo/textbook",
    .summary = "as books teach it: one FIFO for requests, one per pid for "
               "replies",
    .proof = "nothing: the request says whose it is",
    .wire =
        "`DIR/fifo-textbook` is a FIFO, and its server's user's alone. Open it "
        "for writing. Make the\nFIFO `DIR/fifo-textbook.PID.N`, mode 0600, N "
        "any number of 32 bits, and open it for reading\nand writing. Write "
        "records into the first, each with one write(2) of at most 4096 "
        "bytes,\nintegers in the machine's order: PID << 32 | N (u64), the "
        "length of the frame (u32), the\nframe. Replies are frames, one after "
        "the other, in the second. Remove it in the end.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS | IPC_TRUSTING |
            IPC_TEXTBOOK,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_PATH,
    .floor = "floor/fifo",
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .pollfd = textbook_pollfd,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
    .sweep = endpoint_sweep, /* what a killed server leaves, not a client */
};

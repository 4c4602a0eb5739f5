/*
 * oneway.c - the print spooler's form: requests go in, nothing comes back.
 *
 *      client A  --\                                  server
 *                   >--  NAME  (everybody's requests)  -->  reads them all
 *      client B  --/
 *
 * The one idea: if no answer is needed, a single FIFO will do, and a client is
 * as simple as `echo > NAME`.  That is how lp(1) talked to lpsched: the job
 * goes in, and whether it worked you see at the printer.
 *
 * Nobody knows who wrote what: evidence K0, the request says so, and what needs
 * more is refused (core/ipc.h).  Compare with perclient.c, where the way back
 * is also what makes it possible to find out who asks.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "core/clock.h"
#include "core/rundir.h"
#include "core/wire.h"
#include "fifo.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct server {
    char name[ENDPOINT_SIZE];
    struct request_fifo fifo;
};

struct client_end {
    int requests;             /* O_NONBLOCK */
    uint8_t record[PIPE_BUF]; /* its mark stays, the message changes */
};

/* -- wire: records in the request FIFO ----------------------------------------
 *
 *      0       4     6      8
 *      +-------+-----+------+-------
 *      | FIFO  | len | zero | frame
 *      +-------+-----+------+-------  */

#define PREFIX     8
#define RECORD_MAX PIPE_BUF

static const uint8_t mark[4] = {'F', 'I', 'F', 'O'};

/* -- server --------------------------------------------------------------- */

static int
oneway_create(void *srv, const char *name)
{
    struct server *s = srv;

    strcpy(s->name, name);
    return request_fifo_make(&s->fifo, name);
}

/*
 * Takes the next record out of the bytes read so far.  1 = got one, 0 = read
 * more.
 *
 * Anybody may write here, so anything may stand here.  What is not a record is
 * stepped over byte by byte.  A record that is not whole, although the FIFO
 * was empty after it, is none either: an honest one was written whole.  But a
 * forged length can swallow what has come behind it by then: nothing here says
 * whose bytes those are (perclient.c can tell).
 */
static int
take_record(struct request_fifo *f, struct ipc_message *msg)
{
    while (f->end - f->start >= PREFIX) {
        const uint8_t *p = f->in + f->start;
        size_t have = f->end - f->start, len = get16(p + 4);
        bool good = memcmp(p, mark, sizeof mark) == 0 && len >= PREFIX &&
                    len <= RECORD_MAX && get16(p + 6) == 0;

        if (good && len <= have) {
            msg->len = len - PREFIX;
            memcpy(msg->buf, p + PREFIX, msg->len);
            f->start += len;
            return 1;
        }
        if (good && !f->drained)
            return 0;
        f->start++;
    }
    if (f->drained)
        f->start = f->end;
    return 0;
}

static int
oneway_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    struct server *s = srv;

    /* Served in the order of arrival: one queue for all is fair by itself. */
    while (take_record(&s->fifo, &req->msg) == 0) {
        int err = request_fifo_read(&s->fifo, time_left(deadline));

        if (err != 0)
            return err;
    }
    req->peer = IPC_PEER_UNKNOWN; /* whoever it was */
    req->reply_to = 0;
    return 0;
}

/* There is nobody to answer, and nobody to cut off. */
static int
oneway_reply(void *srv, const struct ipc_request *req,
             const struct ipc_message *msg)
{
    (void)srv;
    (void)req;
    return msg == NULL ? 0 : -EPIPE;
}

static int
oneway_pollfd(void *srv)
{
    return ((struct server *)srv)->fifo.fd;
}

static void
oneway_destroy(void *srv)
{
    struct server *s = srv;

    request_fifo_remove(&s->fifo, s->name);
}

/* -- client --------------------------------------------------------------- */

static int
oneway_open(void *cli, const char *where)
{
    struct client_end *c = cli;

    c->requests = fifo_open(where, where);
    if (c->requests < 0)
        return c->requests;
    memcpy(c->record, mark, sizeof mark);
    put16(c->record + 6, 0);
    return 0;
}

static int
oneway_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    size_t len = PREFIX + msg->len;

    put16(c->record + 4, (uint16_t)len);
    memcpy(c->record + PREFIX, msg->buf, msg->len);
    return fifo_write(c->requests, c->record, len, deadline_in(timeout_ns));
}

static int
oneway_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    (void)cli;
    (void)msg;
    (void)timeout_ns;
    return -EOPNOTSUPP; /* nothing will ever come */
}

static void
oneway_close(void *cli)
{
    struct client_end *c = cli;

    close(c->requests);
}

/* -- sweep, limits, table ------------------------------------------------- */

static int
oneway_sweep(const char *name)
{
    return request_fifo_sweep(name);
}

static int
oneway_limits(struct ipc_limits *l)
{
    /* A FIFO holds 16 pages, pipe(7); each record of this size takes one. */
    *l = (struct ipc_limits){.max_msg = RECORD_MAX - PREFIX,
                             .max_inflight = 16,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism fifo_oneway = {
    .name = "fifo/oneway",
    .summary = "a well-known FIFO for requests, and no way back",
    .proof = "nothing: anybody may have written it",
    .wire =
        "`DIR/fifo-oneway` is a FIFO. Open it for writing, non-blocking "
        "(ENXIO: "
        "no server;\nEAGAIN from write(2): it is full), and write records, "
        "each with one write(2) of at\nmost 4096 bytes: the bytes `F` `I` `F` "
        "`O`, the length of the whole record (u16),\nzero (u16), then a frame, "
        "a notice. There are no replies.",
    .caps = IPC_PIPELINED | IPC_POLLABLE | IPC_PERSISTS | IPC_ONEWAY,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_PATH,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = oneway_limits,
    .create = oneway_create,
    .next = oneway_next,
    .reply = oneway_reply,
    .pollfd = oneway_pollfd,
    .destroy = oneway_destroy,
    .open = oneway_open,
    .send = oneway_send,
    .recv = oneway_recv,
    .close = oneway_close,
    .sweep = oneway_sweep,
};

/*
 * textbook.c - the protocol over a mapped file and record locks as books teach
 * them (TLPI 49 and 55, APUE 14.3 and 14.8, UNPv2 9 and 12), for honest peers
 * who do not die.
 *
 *      client A                    NAME, a file                   server
 *      writes the request  --->  [ slot of A | slot of B | ... ]
 *      lock, "REQUEST", unlock
 *                                lock, REQUEST? "SERVERS", unlock
 *                                [ slot of A | slot of B | ... ] --> reads it
 *                                [ slot of A | slot of B | ... ] <-- the reply
 *                                lock, "CLIENTS", unlock
 *      lock, CLIENTS? unlock
 *      reads the reply     <---  [ slot of A | slot of B | ... ]
 *
 * The one idea: what several processes look at and change - here, whose a slot
 * is - they do under a lock on just those bytes; the rest of the slot is then
 * touched by one of them alone.  The lock keeps out only who asks for it, too
 * (it is "advisory"), and it does not tell that something has changed: who
 * waits sleeps 1 ms and looks again, nap(), which an answer costs, too.  What
 * this form does not withstand stands in README.md.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* F_OFD_SETLKW */
#include "core/textbook.h"
#include "core/rundir.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_MSG ((size_t)64 * 1024) /* bytes, our choice */
#define SLOTS   16 /* clients at once; each costs the server two calls */

struct slot { /* all zeroes in the beginning */
    enum { FREE, CLIENTS, REQUEST, SERVERS, LEFT } state; /* whose it is */
    uint32_t length; /* of the frame, bytes; 0: cut off, no reply */
    uint8_t frame[MAX_MSG];
};

#define FILE_SIZE (SLOTS * sizeof(struct slot))

struct end { /* of either side */
    int fd;
    struct slot *slot;
    unsigned n; /* client: its own; server: the one it served last */
};

struct server {
    struct end end;
    char name[ENDPOINT_SIZE];
};

struct client_end {
    struct end end;
    enum { MINE, THEIRS, DUE } turn; /* DUE: theirs, with a reply to come */
};

/* Opens and maps the file; with O_CREAT makes it.  A new file has no bytes, and
 * to touch a page of the mapping that the file does not have is a SIGBUS. */
static int
map_file(struct end *e, const char *name, int flags)
{
    int err;

    e->fd = open(name, O_RDWR | O_CLOEXEC | flags, 0600);
    if (e->fd == -1)
        return -errno;
    if ((flags & O_CREAT) == 0 || ftruncate(e->fd, FILE_SIZE) == 0) {
        e->slot =
            mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd, 0);
        /* The mapping would do without the descriptor; the locks do not. */
        if (e->slot != MAP_FAILED)
            return 0;
    }
    err = -errno;
    close(e->fd);
    return err;
}

static void
unmap_file(void *end)
{
    struct end *e = end;

    munmap(e->slot, FILE_SIZE);
    close(e->fd);
}

/*
 * If the slot is what we think, it is `to` now: to look and to change it is one
 * step, for nobody else can lock it meanwhile.
 *
 * The books have F_SETLKW, whose locks are the process's, and gone when it
 * closes *any* descriptor of that file.  These are the open file's.  The wait
 * for a lock has no time limit, so nobody keeps one while waiting for anything.
 */
static bool
change(const struct end *e, unsigned n, unsigned from, unsigned to)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)(n * sizeof(struct slot)),
                         .l_len = sizeof(struct slot)};
    bool is;

    while (fcntl(e->fd, F_OFD_SETLKW, &lock) == -1 && errno == EINTR)
        continue;
    is = e->slot[n].state == from;
    if (is)
        e->slot[n].state = to;
    lock.l_type = F_UNLCK;
    fcntl(e->fd, F_OFD_SETLK, &lock);
    return is;
}

/* -- server ------------------------------------------------------------ */

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err;

    stpcpy(s->name, name);
    /* block create: make the file, map it */
    unlink(name); /* a dead server's */
    err = map_file(&s->end, name, O_CREAT | O_EXCL);
    if (err != 0)
        unlink(name);
    return err;
    /* end: return -ENOSYS; */
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct end *e = &((struct server *)srv)->end;
    int err;

    /* block next: look at slot after slot until there is a request, copy it */
    for (unsigned looks = 1;; looks++) {
        /* On behind the last one served: else the first clients would keep the
         * others waiting. */
        struct slot *slot;

        e->n = (e->n + 1) % SLOTS;
        slot = &e->slot[e->n];
        if (change(e, e->n, REQUEST, SERVERS)) {
            req->reply_to = e->n;
            req->peer = IPC_PEER_UNKNOWN; /* a file does not say who wrote */
            req->msg.len = slot->length;
            memcpy(req->msg.buf, slot->frame, slot->length);
            if (!wire_wants_reply(&req->msg))
                change(e, e->n, SERVERS, CLIENTS);
            return 0;
        }
        err = looks % SLOTS == 0 ? nap(deadline) : 0;
        if (err != 0)
            return err;
    }
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    const unsigned n = (unsigned)req->reply_to;
    struct end *e = &((struct server *)srv)->end;

    /* block reply: write it into the slot, which is then the client's */
    e->slot[n].length = msg != NULL ? (uint32_t)msg->len : 0;
    if (msg != NULL)
        memcpy(e->slot[n].frame, msg->buf, msg->len);
    if (change(e, n, SERVERS, CLIENTS))
        return 0;
    change(e, n, LEFT, FREE);
    return -EPIPE;
    /* end: return -ENOSYS; */
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    /* block destroy: unmap and close the file, remove its name */
    unmap_file(&s->end);
    unlink(s->name);
    /* end: */
}

/* -- client ------------------------------------------------------------ */

static int
textbook_open(void *cli, const char *where)
{
    struct end *e = cli;
    int err;

    /* block open: map the file, take a slot that is free */
    err = map_file(e, where, 0);
    if (err != 0)
        return err; /* -ENOENT: no server */
    for (e->n = 0; e->n < SLOTS; e->n++)
        if (change(e, e->n, FREE, CLIENTS))
            return 0;
    unmap_file(e);
    return -EAGAIN;
    /* end: return -ENOSYS; */
}

/* Looks until our slot is ours again. */
static int
come_back(struct client_end *c, int64_t deadline)
{
    int err = 0;

    while (err == 0 && c->turn != MINE)
        if (change(&c->end, c->end.n, CLIENTS, CLIENTS))
            c->turn = MINE;
        else
            err = nap(deadline);
    return err;
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    struct slot *slot = &c->end.slot[c->end.n];
    int err;

    if (c->turn == DUE)
        return -EBUSY;
    /* block send: wait until the slot is ours, write the request, say so */
    do
        err = come_back(c, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    /* No lock for these: as long as the slot is ours nobody else touches it. */
    memcpy(slot->frame, msg->buf, msg->len);
    slot->length = (uint32_t)msg->len;
    c->turn = wire_wants_reply(msg) ? DUE : THEIRS;
    change(&c->end, c->end.n, CLIENTS, REQUEST);
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    const struct slot *slot = &c->end.slot[c->end.n];
    int err;

    msg->fd = -1;
    if (c->turn != DUE) /* nothing is to come */
        return wait_for(-1, 0, deadline);
    /* block recv: wait until the slot comes back, copy the reply */
    err = come_back(c, deadline);
    if (err == -ETIMEDOUT)
        c->turn = THEIRS; /* given up: send() will throw it away */
    if (err != 0)
        return err;
    msg->len = slot->length;
    memcpy(msg->buf, slot->frame, msg->len);
    return msg->len > 0 ? 0 : -EPIPE;
    /* end: return -ENOSYS; */
}

static void
textbook_close(void *cli)
{
    struct end *e = cli;

    /* block close: give the slot up */
    /* While the request is being answered the slot is still the server's: the
     * next client would get our reply. */
    while (!change(e, e->n, SERVERS, LEFT) && !change(e, e->n, REQUEST, FREE) &&
           !change(e, e->n, CLIENTS, FREE))
        continue;
    /* end: */
    unmap_file(e);
}

/* -- limits, table ------------------------------------------------------ */

static int
textbook_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = MAX_MSG, .max_inflight = 1, .max_clients = SLOTS};
    return 0;
}

const struct ipc_mechanism mmap_textbook = {
    .name = "mmap/textbook",
    .summary = "as books teach it: a mapped file and record locks",
    .proof = "nothing: who may open the file may write into any slot",
    .wire = "For honest processes of the server's own user. Open "
            "`DIR/mmap-textbook`: 16 times\n`struct slot` of mmap/textbook.c. "
            "Who looks at a state or changes it has locked that\nslot "
            "(fcntl(2)). One that is FREE becomes yours as CLIENTS. To send, "
            "write length and\nframe and make it REQUEST; it is yours again "
            "when it is CLIENTS.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING | IPC_TEXTBOOK,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_PATH,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
    .forget = unmap_file,
    .sweep = endpoint_sweep,
};

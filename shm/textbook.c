/*
 * textbook.c - the protocol over shared memory as books teach it (TLPI 53 and
 * 54, APUE 15.9 and 15.10, UNPv2 10 and 13), for honest peers who do not die:
 * a segment, and two semaphores for a client and its server.
 *
 *      client                        the segment                server
 *      writes the request ------->  [ slot of A ]
 *      post(requests) - - - - - - - - - - - - - - - - - - ->  wait(requests)
 *                                   [ slot of A ] --------->  reads it
 *                                   [ slot of A ] <---------  writes the reply
 *      wait(back of A) <- - - - - - - - - - - - - - - - - -  post(back of A)
 *      reads the reply   <--------  [ slot of A ]
 *
 * The one idea: memory says what, a semaphore says when.  A slot belongs to one
 * side at a time, and a post gives it to the other; a post is kept, if nobody
 * waits yet.  What this form does not withstand stands in README.md.
 *
 * What stands between "block" and "end" is what a student writes.
 */
#define _GNU_SOURCE /* sem_clockwait */
#include "core/textbook.h"
#include "core/rundir.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_MSG ((size_t)64 * 1024) /* bytes, our choice */

/* -- wire: the segment, all zeroes in the beginning -------------------- */

struct slot {
    atomic_bool taken;   /* by a client */
    atomic_bool request; /* one is there, and the server has not seen it */
    sem_t back;          /* 1: the server has given the slot back */
    uint32_t length;     /* of the frame, bytes; 0: cut off, no reply */
    uint8_t frame[MAX_MSG];
};

struct segment {
    sem_t requests; /* how many there are, in all slots */
    struct slot slot[IPC_MAX_CLIENTS];
};

struct server {
    char name[ENDPOINT_SIZE];
    struct segment *seg;
    unsigned last; /* the slot that was served */
};

struct client_end {
    struct segment *seg;
    struct slot *slot;
    enum { MINE, THEIRS, DUE } turn; /* DUE: theirs, with a reply to come */
};

static struct segment *
map_segment(const char *name, int flags)
{
    struct segment *seg = MAP_FAILED;
    int fd = shm_open(name, O_RDWR | flags, 0600);

    if (fd == -1)
        return MAP_FAILED;
    /* A new one has no byte, and to touch what is not there is a SIGBUS. */
    if (!(flags & O_CREAT) || ftruncate(fd, sizeof *seg) == 0)
        seg =
            mmap(NULL, sizeof *seg, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd); /* the mapping stays */
    return seg;
}

/* -- server ------------------------------------------------------------ */

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err = endpoint_flat(name, s->name);

    if (err != 0)
        return err;
    /* block create: make the segment and the semaphores in it */
    shm_unlink(s->name); /* a dead server's */
    s->seg = map_segment(s->name, O_CREAT | O_EXCL);
    if (s->seg == MAP_FAILED) {
        err = -errno;
        shm_unlink(s->name);
        return err;
    }
    /* 1: between processes.  With 0 a post wakes nobody in another one. */
    sem_init(&s->seg->requests, 1, 0);
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
        sem_init(&s->seg->slot[i].back, 1, 0);
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    struct slot *slot;

    /* block next: wait until there is one, find it, copy it */
    int err = sem_until(&s->seg->requests, deadline_in(timeout_ns));

    if (err != 0)
        return err;
    /* Whose, the semaphore does not say: one cannot wait for many, so all post
     * the same.  We look behind the last one first, or the first clients would
     * keep the others waiting. */
    do
        slot = &s->seg->slot[++s->last % IPC_MAX_CLIENTS];
    while (!atomic_exchange(&slot->request, false));
    req->reply_to = s->last % IPC_MAX_CLIENTS;
    req->peer = IPC_PEER_UNKNOWN; /* memory does not say who wrote it */
    req->msg.len = slot->length;
    memcpy(req->msg.buf, slot->frame, slot->length);
    if (!wire_wants_reply(&req->msg))
        sem_post(&slot->back); /* at once */
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct slot *slot = &((struct server *)srv)->seg->slot[req->reply_to];

    /* block reply: write it into the slot, give that back */
    slot->length = msg != NULL ? (uint32_t)msg->len : 0;
    if (msg != NULL)
        memcpy(slot->frame, msg->buf, msg->len);
    sem_post(&slot->back); /* last: from here on it is the client's */
    return 0;
    /* end: return -ENOSYS; */
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    /* block destroy: unmap the segment, remove its name */
    munmap(s->seg, sizeof *s->seg); /* what clients have mapped stays */
    shm_unlink(s->name);
    /* end: */
}

/* -- client ------------------------------------------------------------ */

static int
textbook_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    char name[ENDPOINT_SIZE];
    int err = endpoint_flat(where, name);

    if (err != 0)
        return err;
    /* block open: map the segment, take a slot */
    c->seg = map_segment(name, 0);
    if (c->seg == MAP_FAILED)
        return -errno; /* ENOENT: no server */
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++) {
        c->slot = &c->seg->slot[i];
        /* To look and to take it in one step: or two would see it free. */
        if (!atomic_exchange(&c->slot->taken, true))
            return 0;
    }
    munmap(c->seg, sizeof *c->seg);
    return -EAGAIN;
    /* end: return -ENOSYS; */
}

static int
textbook_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    int err;

    if (c->turn == DUE)
        return -EBUSY;
    /* block send: wait until the slot is ours, write the request, say so */
    do
        err = c->turn == MINE ? 0 : sem_until(&c->slot->back, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    memcpy(c->slot->frame, msg->buf, msg->len);
    c->slot->length = (uint32_t)msg->len;
    c->turn = wire_wants_reply(msg) ? DUE : THEIRS;
    atomic_store(&c->slot->request, true);
    sem_post(&c->seg->requests);
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    const int64_t deadline = deadline_in(timeout_ns);
    struct client_end *c = cli;
    int err;

    msg->fd = -1;
    if (c->turn != DUE) /* nothing is to come */
        return wait_for(-1, 0, deadline);
    /* block recv: wait until the slot comes back, copy the reply */
    err = sem_until(&c->slot->back, deadline);
    if (err == -ETIMEDOUT)
        c->turn = THEIRS; /* given up: send() will throw it away */
    if (err != 0)
        return err;
    c->turn = MINE;
    msg->len = c->slot->length;
    memcpy(msg->buf, c->slot->frame, msg->len);
    return msg->len > 0 ? 0 : -EPIPE;
    /* end: return -ENOSYS; */
}

/* For a process that was forked: the slot remains its parent's. */
static void
textbook_forget(void *cli)
{
    munmap(((struct client_end *)cli)->seg, sizeof(struct segment));
}

static void
textbook_close(void *cli)
{
    struct client_end *c = cli;

    /* block close: give the slot back, empty */
    /* Not while the server has it: the next client would get our reply. */
    if (c->turn == MINE ||
        sem_until(&c->slot->back, deadline_in(ipc_open_timeout)) == 0)
        atomic_store(&c->slot->taken, false);
    /* end: */
    textbook_forget(c);
}

/* -- sweep, limits, table ---------------------------------------------- */

static int
textbook_sweep(const char *name)
{
    char flat[ENDPOINT_SIZE];

    return endpoint_flat(name, flat) == 0 && shm_unlink(flat) == 0;
}

static int
textbook_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = MAX_MSG, .max_inflight = 1, .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism shm_textbook = {
    .name = "shm/textbook",
    .summary = "as books teach it: a segment and two semaphores",
    .proof = "nothing: who has mapped the segment may write into any slot",
    .wire = "For honest processes of the server's own user. Map the segment, "
            "`struct segment` of\nshm/textbook.c, by the name "
            "`/ipclab-HASH-shm-textbook` (shm_open(3)). Set `taken` of\na slot "
            "that was not. To send, write into it, set `request`, post "
            "`requests`; it is\nyours again when you have waited on `back`.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING | IPC_TEXTBOOK,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_SHM,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = no_dev_shm,
    .limits = textbook_limits,
    .create = textbook_create,
    .next = textbook_next,
    .reply = textbook_reply,
    .destroy = textbook_destroy,
    .open = textbook_open,
    .send = textbook_send,
    .recv = textbook_recv,
    .close = textbook_close,
    .forget = textbook_forget,
    .sweep = textbook_sweep,
};

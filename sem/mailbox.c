/*
 * mailbox.c - a box for one letter, guarded by two POSIX named semaphores.
 *
 *      client                    the box                     server
 *      puts a letter in  --->  NAME.d/UID.PID.SERIAL  --->  takes it out
 *      takes it out      <---  (a file)               <---  puts a letter in
 *
 *      waits on `back`   <---  sem_post(back)         <---
 *                        --->  sem_post(full)         --->  looks at all `full`
 *                        --->  sem_post(bell)         --->  waits on `bell`
 *
 * The one idea: `full` and `back` are never both 1.  Who has taken one of them
 * has the box to himself, until he posts the other one; so the letter needs no
 * further lock.  The server cannot wait on many semaphores at once, so all
 * clients also post one, the bell.
 *
 * A POSIX semaphore is a word of memory that its users share, and a named one
 * is a file, /dev/shm/sem.NAME.  That makes it fast - post and trywait are no
 * system calls - and leaves the kernel out of it:
 *  - It does not notice when a holder dies: there is no SEM_UNDO.  So who has
 *    to be known to be alive holds a record lock: the client on byte 0 of its
 *    letter, the server on byte 1, and the other one looks now and then.
 *  - Who may post may write the file, and so may also cut it short, and then
 *    the next post or wait on it is a SIGBUS.  A guard for that signal does
 *    not help: inside futex(2) it is an EFAULT, and glibc aborts.  The
 *    permissions know no "may post"; a semaphore is among friends.  Hence
 *    IPC_TRUSTING: a hostile client can kill this server, and ipcd serves its
 *    own user only with what is privileged.  The letter is not to blame: it is
 *    read and written by system calls, and its owner is known (owner.h).
 */
#include "boxes.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <string.h>

/* How often a waiting client looks whether the server is alive, and the server
 * whether its clients are, in ns. */
#define LOOK (20 * NS_PER_MS)
#define TICK (100 * NS_PER_MS)

struct server {
    struct boxes boxes;
    size_t last; /* served */
};

struct client_end {
    struct box box;
    sem_t *bell;
    enum { MINE, NOTICE_OUT, REPLY_DUE, GIVEN_UP } turn;
};

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* -- server --------------------------------------------------------------- */

static int
mailbox_create(void *srv, const char *name)
{
    return boxes_make(&((struct server *)srv)->boxes, name);
}

/* Looks into all boxes, first the one after the last it took a letter from. */
static int
take_request(struct server *s, struct ipc_request *req)
{
    for (size_t n = 1; n <= IPC_MAX_CLIENTS; n++) {
        size_t at = (s->last + n) % IPC_MAX_CLIENTS;
        struct session *i = &s->boxes.sessions[at];
        struct letter_head head;

        if (i->box.fd == 0 || sem_trywait(i->box.full) == -1)
            continue;
        if (letter_get(i->box.fd, &head, req->msg.buf) != 0 ||
            head.mark != LETTER_REQUEST || head.len > BODY_MAX ||
            !nonce_equal(head.nonce, i->box.nonce)) {
            boxes_drop(i);
            continue;
        }
        req->msg.len = head.len;
        req->peer = i->peer;
        req->reply_to = (uint64_t)i->generation << 32 | at;
        s->last = at;
        /* The box of a notice goes back at once. */
        if (!wire_wants_reply(&req->msg))
            sem_post(i->box.back);
        return 1;
    }
    return 0;
}

static int
mailbox_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    for (;;) {
        int err = bell_wait(s->boxes.bell, earlier(deadline, now_ns() + TICK));

        if (err != 0 && err != -ETIMEDOUT)
            return err;
        if (sem_trywait(s->boxes.knock) == 0)
            boxes_admit(&s->boxes);
        if (take_request(s, req) == 1)
            return 0;
        boxes_reap(&s->boxes);
        if (err != 0 && time_left(deadline) == 0)
            return err;
    }
}

static int
mailbox_reply(void *srv, const struct ipc_request *req,
              const struct ipc_message *msg)
{
    struct server *s = srv;
    struct session *to = &s->boxes.sessions[(uint32_t)req->reply_to];
    struct letter_head head = {.mark = LETTER_REPLY};

    if (to->box.fd == 0 || to->generation != req->reply_to >> 32)
        return -EPIPE;
    if (msg == NULL) {
        boxes_drop(to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    head.len = (uint32_t)msg->len;
    if (letter_put(to->box.fd, &head, msg->buf) == 0 &&
        sem_post(to->box.back) == 0)
        return 0;
    boxes_drop(to);
    return -EPIPE;
}

static void
mailbox_destroy(void *srv)
{
    boxes_remove(&((struct server *)srv)->boxes);
}

/* -- client --------------------------------------------------------------- */

static int
mailbox_open(void *cli, const char *where)
{
    struct client_end *c = cli;

    return box_join(&c->box, where, &c->bell);
}

/* Waits for `back`.  -EPIPE: the server has let go of the letter. */
static int
wait_back(struct client_end *c, int64_t deadline)
{
    for (;;) {
        int err = bell_wait(c->box.back, earlier(deadline, now_ns() + LOOK));

        if (err != -ETIMEDOUT)
            return err;
        if (!life_locked(c->box.fd, SERVER)) /* after his last reply, perhaps */
            return sem_trywait(c->box.back) == 0 ? 0 : -EPIPE;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

/* Waits until the letter is back.  A post by itself says little: it may be the
 * last one of a server that lets go. */
static int
take_back(struct client_end *c, struct letter_head *head, void *body,
          int64_t deadline)
{
    for (;;) {
        int err = wait_back(c, deadline);

        if (err == 0)
            err = letter_get(c->box.fd, head, body);
        if (err != 0)
            return err;
        if (c->turn == NOTICE_OUT ||
            (c->turn != MINE && head->mark == LETTER_REPLY)) {
            c->turn = MINE;
            return 0;
        }
        if (!life_locked(c->box.fd, SERVER))
            return -EPIPE;
    }
}

static int
mailbox_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct letter_head head;
    int64_t deadline = deadline_in(timeout_ns);
    int err = 0;

    if (msg->len > BODY_MAX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->turn == REPLY_DUE)
        return -EBUSY;
    while (c->turn != MINE && (err == 0 || err == -EINTR))
        err = take_back(c, &head, NULL, deadline);
    if (err != 0)
        return err;
    head =
        (struct letter_head){.mark = LETTER_REQUEST, .len = (uint32_t)msg->len};
    memcpy(head.nonce, c->box.nonce, NONCE_SIZE);
    err = letter_put(c->box.fd, &head, msg->buf);
    if (err != 0)
        return err;
    c->turn = wire_wants_reply(msg) ? REPLY_DUE : NOTICE_OUT;
    sem_post(c->box.full);
    sem_post(c->bell);
    return 0;
}

static int
mailbox_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct letter_head head;
    int64_t deadline = deadline_in(timeout_ns);
    bool due;
    int err;

    msg->fd = -1;
    do { /* a notice's letter is no reply */
        due = c->turn == REPLY_DUE || c->turn == GIVEN_UP;
        err = take_back(c, &head, msg->buf, deadline);
    } while (err == 0 && !due);
    if (err != 0 && err != -EINTR && due)
        c->turn = GIVEN_UP;
    if (err == 0)
        msg->len = head.len;
    return err;
}

static void
mailbox_close(void *cli)
{
    struct client_end *c = cli;

    sem_post(c->bell); /* the server sees that the lock is gone */
    bell_close(c->bell);
    box_close(&c->box);
}

static void
mailbox_forget(void *cli)
{
    struct client_end *c = cli;

    bell_close(c->bell);
    box_close(&c->box);
}

/* -- limits, table -------------------------------------------------------- */

static int
mailbox_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = BODY_MAX, .max_inflight = 1, .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism sem_mailbox = {
    .name = "sem/mailbox",
    .summary = "a one-letter mailbox guarded by POSIX named semaphores",
    .proof = "owner of the letter's file, and the nonce only he can read",
    .wire = MAILBOX_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = bell_unavailable,
    .limits = mailbox_limits,
    .create = mailbox_create,
    .next = mailbox_next,
    .reply = mailbox_reply,
    .destroy = mailbox_destroy,
    .open = mailbox_open,
    .send = mailbox_send,
    .recv = mailbox_recv,
    .close = mailbox_close,
    .forget = mailbox_forget,
    .sweep = boxes_sweep,
};

/*
 * textbook.c - the protocol with POSIX named semaphores as books teach them
 * (TLPI 53, APUE 15.10, UNPv2 10), for honest peers who do not die: a mailbox
 * for one message, two semaphores that say what is in it, and one for whose
 * turn it is.
 *
 *      client                         NAME, a file              server
 *      wait(turn): nobody else
 *      writes the request  ------->  [ a message ]
 *      post(full)  - - - - - - - - - - - - - - - - - - - - ->  wait(full)
 *                                    [ a message ]  ------->  reads it
 *                                    [ a message ]  <-------  writes the reply
 *      wait(back)  <- - - - - - - - - - - - - - - - - - - - -  post(back)
 *      reads the reply  <----------  [ a message ]
 *      post(turn): the next one
 *
 * The one idea: a number that one can wait for does two jobs.  `full` and
 * `back` begin as 0, and who posts is not who waits: an event.  `turn` begins
 * as 1, and who has taken it posts it: mutual exclusion.  What this form does
 * not withstand stands in README.md; mailbox.c withstands the deaths.
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
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- wire: a message is all of the file -------------------------------- */

enum { TURN, FULL, BACK, SEMAPHORES };

static const char *const what[SEMAPHORES] = {"turn", "full", "back"};

struct mailbox {
    int file; /* NAME */
    sem_t *sem[SEMAPHORES];
};

struct server {
    struct mailbox box;
    char name[ENDPOINT_SIZE];
};

struct client_end {
    struct mailbox box;
    enum { OTHERS, LATE, DUE } turn; /* or ours, with a reply to come */
};

/* "/ipclab-HASH-sem-textbook.full", which is a file in /dev/shm. */
static const char *
sem_name(const char *name, int i, char full[ENDPOINT_SIZE + 8])
{
    char flat[ENDPOINT_SIZE] = "";

    endpoint_flat(name, flat);
    snprintf(full, ENDPOINT_SIZE + 8, "%s.%s", flat, what[i]);
    return full;
}

/* Closes it; the names stay. */
static void
close_mailbox(void *end)
{
    struct mailbox *box = end;

    for (int i = 0; i < SEMAPHORES; i++)
        if (box->sem[i] != NULL)
            sem_close(box->sem[i]);
    close(box->file);
}

/* Opens it, or makes it: a semaphore is made *with* its value, in one step, so
 * nobody finds one that has none yet. */
static int
open_mailbox(struct mailbox *box, const char *name, int flags)
{
    char full[ENDPOINT_SIZE + 8];

    box->file = open(name, O_RDWR | O_CLOEXEC | flags, 0600);
    for (int i = 0; box->file != -1 && i < SEMAPHORES; i++) {
        sem_t *sem =
            sem_open(sem_name(name, i, full), flags, 0600, i == TURN ? 1 : 0);

        if (sem == SEM_FAILED) {
            int err = -errno;

            close_mailbox(box);
            return err;
        }
        box->sem[i] = sem;
    }
    return box->file == -1 ? -errno : 0;
}

/* -- sweep ------------------------------------------------------------- */

static int
textbook_sweep(const char *name)
{
    char full[ENDPOINT_SIZE + 8];
    int removed = endpoint_sweep(name); /* or what could not be */

    for (int i = 0; i < SEMAPHORES; i++)
        if (sem_unlink(sem_name(name, i, full)) == 0 && removed == 0)
            removed = 1;
    return removed;
}

/* -- server ------------------------------------------------------------ */

static int
textbook_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err;

    stpcpy(s->name, name);
    /* block create: make the file and the semaphores */
    textbook_sweep(name); /* a dead server's, of who knows which values */
    err = open_mailbox(&s->box, name, O_CREAT | O_EXCL);
    if (err != 0)
        textbook_sweep(name);
    return err;
    /* end: return -ENOSYS; */
}

static int
textbook_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    const struct mailbox *box = &((struct server *)srv)->box;
    int err;

    /* block next: wait for a message, read it */
    err = sem_until(box->sem[FULL], deadline_in(timeout_ns));
    if (err == 0)
        err = get_message(box->file, &req->msg);
    if (err != 0)
        return err;
    req->peer = IPC_PEER_UNKNOWN; /* a file does not say who wrote into it */
    req->reply_to = 0;            /* there is only one */
    /* Who wants no answer does not wait to pass the turn on. */
    if (!wire_wants_reply(&req->msg))
        sem_post(box->sem[TURN]);
    return 0;
    /* end: return -ENOSYS; */
}

static int
textbook_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    const struct mailbox *box = &((struct server *)srv)->box;
    int err;

    (void)req;
    /* block reply: write it where the request was, say so */
    err = msg != NULL ? put_message(box->file, msg->buf, msg->len)
                      : put_message(box->file, "", 0); /* "cut off" */
    sem_post(box->sem[BACK]); /* last: from here on it is the client's */
    return err;
    /* end: return -ENOSYS; */
}

static void
textbook_destroy(void *srv)
{
    struct server *s = srv;

    /* block destroy: close all, remove the names */
    close_mailbox(&s->box);
    textbook_sweep(s->name);
    /* end: */
}

/* -- client ------------------------------------------------------------ */

static int
textbook_open(void *cli, const char *where)
{
    struct client_end *c = cli;

    /* block open: open the file and the semaphores */
    return open_mailbox(&c->box, where, 0);
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
    /* block send: wait for the turn, write the message, say so */
    do /* ours it is again when the reply that we gave up has come, too */
        err = sem_until(c->box.sem[c->turn == LATE ? BACK : TURN], deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    err = put_message(c->box.file, msg->buf, msg->len);
    if (err != 0) {
        c->turn = OTHERS;
        sem_post(c->box.sem[TURN]);
        return err;
    }
    c->turn = wire_wants_reply(msg) ? DUE : OTHERS;
    sem_post(c->box.sem[FULL]);
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
    if (c->turn != DUE) /* nothing is to come: `back` is for somebody else */
        return wait_for(-1, 0, deadline);
    /* block recv: wait for the reply, read it, pass the turn on */
    err = sem_until(c->box.sem[BACK], deadline);
    if (err == -ETIMEDOUT)
        c->turn = LATE; /* the turn is still ours: nobody may write now */
    if (err != 0)
        return err;
    err = get_message(c->box.file, msg);
    c->turn = OTHERS;
    sem_post(c->box.sem[TURN]);
    return err == 0 && msg->len == 0 ? -EPIPE : err;
    /* end: return -ENOSYS; */
}

static void
textbook_close(void *cli)
{
    struct client_end *c = cli;

    /* block close: if the turn is ours, pass it on; close all */
    /* Not before the reply is there: the next client would take it for its
     * own.  Whose server does not answer at all keeps the turn. */
    if (c->turn != OTHERS &&
        sem_until(c->box.sem[BACK], deadline_in(ipc_open_timeout)) == 0)
        sem_post(c->box.sem[TURN]);
    close_mailbox(&c->box);
    /* end: */
}

/* -- limits, table ----------------------------------------------------- */

static int
textbook_limits(struct ipc_limits *l)
{
    /* All together have one message under way, so any number will do. */
    *l = (struct ipc_limits){.max_msg = IPC_MAX_MSG,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism sem_textbook = {
    .name = "sem/textbook",
    .summary = "as books teach it: a mailbox for one message, named semaphores",
    .proof = "nothing: who may post may also write the message",
    .wire = "For honest processes of the server's own user. Open the file "
            "`DIR/sem-textbook` and\nthe semaphores "
            "`/ipclab-HASH-sem-textbook.turn`, `.full` and `.back` "
            "(sem_open(3)).\nTo send, wait on `turn`, make the frame all there "
            "is in the file, post `full`. To\nreceive, wait on `back`, read "
            "the file, post `turn`. After a notice the server posts\n`turn`.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING | IPC_TEXTBOOK,
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_PATH | IPC_USES_SHM,
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
    .forget = close_mailbox,
    .sweep = textbook_sweep,
};

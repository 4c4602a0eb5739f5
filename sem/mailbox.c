/*
 * mailbox.c - a mailbox for one message, guarded by two POSIX semaphores.
 *
 *      client                    the mailbox, a file         server
 *      puts a message in --->  /dev/shm/BASE.PID.SERIAL ---> takes it out
 *      takes it out      <---                           <--- puts a message in
 *
 *      waits on `back`   <---  sem_post(back)           <---
 *                        --->  sem_post(full)           ---> looks at all `full`
 *                        --->  sem_post(doorbell)       ---> waits on `doorbell`
 *
 * The one idea: `full` and `back` are never both 1.  Who has taken one of them
 * has the mailbox to itself, until it posts the other one; so the message needs
 * no further lock.  The server cannot wait on many semaphores at once, so all
 * clients also post one, the doorbell.
 *
 * POSIX has two kinds.  A named one is found by its name, as a stranger must
 * find it: the doorbell, sem_open(3).  An unnamed one is where its users put
 * it, in memory that they share: `full` and `back`, sem_init(3), on the first
 * page of the mailbox.  Both are a word of memory, and a named one is a file,
 * /dev/shm/sem.NAME.  That makes them fast - post and trywait are no system
 * calls - and leaves the kernel out of it:
 *  - It does not notice when a holder dies: there is no SEM_UNDO.  So who has
 *    to be known to be alive holds a record lock: the client on byte 0 of the
 *    file, the server on byte 1, and the other one looks now and then.
 *  - Who may post may write the memory, and so may also cut the file short, and
 *    then the next post or wait is a SIGBUS.  A guard for that signal does
 *    not help: inside futex(2) it is an EFAULT, and glibc aborts.  The
 *    permissions know no "may post"; a semaphore is among friends.  Hence
 *    IPC_TRUSTING, and everything here has mode 0600, also when root serves:
 *    the server's own user and nobody else is admitted.
 */
#include "mailbox.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* How often a waiting client looks whether the server is alive, ns. */
#define LOOK (20 * NS_PER_MS)

/* While there are always requests, the server looks at least once in so many
 * who comes and who goes. */
#define TURNS 64

/* -- server --------------------------------------------------------------- */

/* This client's request, if there is one. */
static int
take(struct mailbox_server *s, unsigned slot, struct ipc_request *req)
{
    struct mailbox_session *c = &s->clients[slot];
    struct slot_head head;

    if (c->due || sem_trywait(&c->mailbox.sems->full) == -1)
        return 0;
    if (slot_get(c->mailbox.fd, &head, req->msg.buf) != 0 ||
        head.mark != SLOT_REQUEST || head.len > BODY_MAX ||
        !nonce_equal(head.nonce, s->sessions.slot[slot].nonce)) {
        mailbox_disconnect(s, slot);
        return 0;
    }
    req->msg.len = head.len;
    req->peer = s->sessions.slot[slot].peer;
    req->reply_to = sessions_token(&s->sessions, slot);
    c->due = wire_wants_reply(&req->msg);
    if (!c->due) /* the mailbox of a notice goes back at once */
        sem_post(&c->mailbox.sems->back);
    return 1;
}

/* Looks into all mailboxes, first the one after the last it took from. */
static int
take_request(struct mailbox_server *s, struct ipc_request *req)
{
    const unsigned n = s->sessions.count;
    int slot = s->last;

    for (unsigned i = 0; i < n; i++) {
        slot = sessions_next(&s->sessions, slot);
        if (slot == -1)
            return 0;
        if (take(s, (unsigned)slot, req) == 1) {
            s->last = slot;
            return 1;
        }
    }
    return 0;
}

/* Without clients it sleeps until one registers, with clients until somebody
 * rings; a post is never lost, so neither has a time limit of its own. */
static int
wait_for_somebody(struct mailbox_server *s, int64_t deadline)
{
    if (registrar_more(&s->registrar))
        return 0;
    if (s->sessions.count == 0)
        return wait_for(s->registrar.fd, POLLIN, deadline);
    return sem_wait_until(s->doorbell, deadline);
}

static int
mailbox_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct mailbox_server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    for (;;) {
        int err = wait_for_somebody(s, deadline);

        if (err != 0 && err != -ETIMEDOUT)
            return err;
        if (++s->turns < TURNS && take_request(s, req) == 1)
            return 0;
        mailbox_look_around(s);
        if (take_request(s, req) == 1)
            return 0;
        if (err != 0 && time_left(deadline) == 0)
            return err;
    }
}

static int
mailbox_reply(void *srv, const struct ipc_request *req,
              const struct ipc_message *msg)
{
    struct mailbox_server *s = srv;
    struct slot_head head = {.mark = SLOT_REPLY};
    int slot = sessions_slot(&s->sessions, req->reply_to);
    struct mailbox_session *c;

    if (slot == -1)
        return -EPIPE;
    if (msg == NULL) {
        mailbox_disconnect(s, (unsigned)slot);
        return 0;
    }
    c = &s->clients[slot];
    c->due = false;
    head.len = (uint32_t)msg->len;
    if (slot_put(c->mailbox.fd, &head, msg->buf) == 0 &&
        sem_post(&c->mailbox.sems->back) == 0)
        return 0;
    mailbox_disconnect(s, (unsigned)slot);
    return -EPIPE;
}

/* -- client --------------------------------------------------------------- */

/* Waits for `back`.  -EPIPE: the server has let go of the slot. */
static int
wait_back(const struct mailbox_client *c, int64_t deadline)
{
    for (;;) {
        int64_t look = now_ns() + LOOK;
        int err = sem_wait_until(&c->mailbox.sems->back,
                                 look < deadline ? look : deadline);

        if (err != -ETIMEDOUT)
            return err;
        if (!life_locked(c->mailbox.fd,
                         SERVER)) /* after its last reply, perhaps */
            return sem_trywait(&c->mailbox.sems->back) == 0 ? 0 : -EPIPE;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

/* Waits until the slot is back, and reads it.  A post by itself says little: it
 * may be the last one of a server that lets go. */
static int
come_back(void *cli, int64_t deadline)
{
    struct mailbox_client *c = cli;

    for (;;) {
        int err = wait_back(c, deadline);

        if (err == 0)
            err = slot_get(c->mailbox.fd, &c->head, c->into);
        if (err != 0)
            return err;
        if (c->turn.state == TURN_NOTICE_OUT ||
            (!turn_is_mine(&c->turn) && c->head.mark == SLOT_REPLY))
            return 0;
        if (!life_locked(c->mailbox.fd, SERVER))
            return -EPIPE;
    }
}

static int
mailbox_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct mailbox_client *c = cli;
    struct slot_head head = {.mark = SLOT_REQUEST, .len = (uint32_t)msg->len};
    int err = turn_may_send(&c->turn);

    if (err == 0)
        err = turn_take(&c->turn, come_back, c, deadline_in(timeout_ns));
    if (err != 0)
        return err;
    memcpy(head.nonce, c->nonce, NONCE_SIZE);
    err = slot_put(c->mailbox.fd, &head, msg->buf);
    if (err != 0)
        return err;
    turn_sent(&c->turn, msg);
    sem_post(&c->mailbox.sems->full);
    sem_post(c->doorbell);
    return 0;
}

static int
mailbox_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct mailbox_client *c = cli;
    int err;

    msg->fd = -1;
    c->into = msg->buf;
    err = turn_reply(&c->turn, come_back, c, deadline_in(timeout_ns));
    c->into = NULL;
    if (err == 0)
        msg->len = c->head.len;
    return err;
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
    .summary = "a mailbox for one message, guarded by POSIX semaphores",
    .proof = "owner of the slot's file, and the nonce only it can read",
    .wire = MAILBOX_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_SHM | IPC_USES_CLAIM | IPC_USES_OBJECT,
    .pid_from = IPC_PID_CLAIMED,
    .uid_from = IPC_UID_OBJECT,
    .server_size = sizeof(struct mailbox_server),
    .client_size = sizeof(struct mailbox_client),
    .unavailable = mailbox_unavailable,
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
    .sweep = mailbox_sweep,
};

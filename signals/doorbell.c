/*
 * doorbell.c - a signal is the doorbell, a mapped page is the message.
 *
 *      client                                    server: fork, exec
 *      writes the request, rings  --SIGRTMIN-->  copies it
 *      copies the reply  <--client's number---   writes the reply, rings
 *                  \                             /
 *                   one memfd, mapped by both: 1
 *
 * The one idea: let the signal say *that* there is something and memory say
 * *what*.  Then it does not matter that a signal carries next to nothing, may
 * be one for several, or come from a stranger: whoever hears the doorbell looks
 * into the slot, and if there is no new message it waits on.  So this is the
 * one variant that does not ask who rang.
 *
 * The slot is the client's, but the server cannot be hurt with it: page.h.
 */
#include "core/clock.h"
#include "core/turn.h"
#include "core/wire.h"
#include "link.h"
#include "page.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

struct server {
    struct link link;
    struct page *page;
    uint32_t heard, said; /* our own count: theirs may be anything */
    struct ipc_peer peer; /* the only one there will ever be */
    bool client_gone;
};

struct client_end {
    struct link link;
    struct page *page;
    uint32_t heard, said;
    struct turn turn;
};

/* Looks first and then waits for the doorbell: it may have rung already.  And
 * looks again after each ring, whoever rang: a ring may be for nothing. */
static int
wait_for_message(const struct link *l, struct slot *slot, uint32_t *heard,
                 struct ipc_message *msg, int64_t deadline)
{
    int err;

    for (;;) {
        err = slot_take(slot, heard, msg);
        if (err != 0)
            return err < 0 ? err : 0;
        err = link_wait(l, NULL, deadline);
        if (err < 0)
            return err;
    }
}

static void
prepare(struct link *l)
{
    l->code = ANYBODY; /* may ring */
    sigemptyset(&l->set);
}

/* -- server --------------------------------------------------------------- */

static int
doorbell_create(void *srv, const char *name)
{
    const struct ipc_message ready = {.len = 0};
    struct server *s = srv;
    int err = page_take_over(STDOUT_FILENO, &s->page);

    (void)name;
    if (err != 0)
        return err;
    /* First the page: once the client's signals are accepted it may ring, and
     * there must be something to look into. */
    prepare(&s->link);
    err = link_accept(&s->link, &s->peer);
    if (err != 0)
        goto unmap;
    /* From here on a doorbell does not kill us any more: the default action of
     * a real-time signal is to end the process, signal(7). */
    slot_post(&s->page->reply, &s->said, &ready);
    err = link_send(&s->link, s->link.number, NULL);
    if (err == 0)
        return 0;

unmap:
    page_unmap(s->page);
    return err;
}

static int
doorbell_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int err;

    if (s->client_gone)
        return -EPIPE;
    err = wait_for_message(&s->link, &s->page->request, &s->heard, &req->msg,
                           deadline_in(timeout_ns));
    if (err != 0)
        return err;
    req->peer = s->peer;
    req->reply_to = 0;
    /* No reply will tell that the slot is free again. */
    if (!wire_wants_reply(&req->msg))
        return link_send(&s->link, s->link.number, NULL);
    return 0;
}

static int
doorbell_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct server *s = srv;

    (void)req;
    if (msg == NULL) {
        s->client_gone = true;
        return 0;
    }
    /* One slot: who asks again without having taken this out will not read
     * it.  It is the client's own loss. */
    slot_post(&s->page->reply, &s->said, msg);
    return link_send(&s->link, s->link.number, NULL);
}

static void
doorbell_destroy(void *srv)
{
    struct server *s = srv;

    page_unmap(s->page);
}

/* -- client --------------------------------------------------------------- */

static int
wait_for_reply(struct client_end *c, struct ipc_message *msg, int64_t deadline)
{
    return wait_for_message(&c->link, &c->page->reply, &c->heard, msg,
                            deadline);
}

/* turn.h: the next message, which nobody wants to read: "ready", or a reply
 * that was given up.  It comes all the same, and comes first. */
static int
discard(void *cli, int64_t deadline)
{
    return wait_for_reply(cli, NULL, deadline);
}

static int
doorbell_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int err, memfd = page_make(&c->page);

    if (memfd < 0)
        return memfd;
    prepare(&c->link);
    err = link_open(&c->link, where, "signals/doorbell", memfd);
    close(memfd); /* the mappings remain */
    if (err != 0)
        goto unmap;
    c->turn.state = TURN_GIVEN_UP; /* "ready" comes as if it were a reply */
    err = turn_take(&c->turn, discard, c, deadline_in(ipc_open_timeout));
    if (err == 0)
        return 0;
    link_close(&c->link);
unmap:
    page_unmap(c->page);
    return err == -EPIPE ? -ECONNREFUSED : err; /* it ended at once */
}

/* Waits until the slot is empty: only a notice can still be there. */
static int
wait_for_free_slot(struct client_end *c, int64_t deadline)
{
    int err = 0;

    while (err >= 0 || err == -EINTR) {
        if (atomic_load_explicit(&c->page->request.taken,
                                 memory_order_acquire) == c->said)
            return 0;
        err = link_wait(&c->link, NULL, deadline);
    }
    return err;
}

static int
doorbell_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err = turn_may_send(&c->turn);

    if (err == 0)
        err = turn_take(&c->turn, discard, c, deadline);
    if (err == 0)
        err = wait_for_free_slot(c, deadline);
    if (err != 0)
        return err;
    slot_post(&c->page->request, &c->said, msg);
    /* Not before the message is in the slot: the server looks once for each
     * ring, and would not look again. */
    err = link_send(&c->link, LINK_TO_SERVER, NULL);
    if (err == 0 && wire_wants_reply(msg))
        turn_sent(&c->turn, msg);
    return err;
}

static int
doorbell_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int err = wait_for_reply(c, msg, deadline_in(timeout_ns));

    msg->fd = -1;
    if (err != 0)
        return turn_failed(&c->turn, err);
    turn_back(&c->turn);
    return 0;
}

static void
doorbell_close(void *cli)
{
    struct client_end *c = cli;

    link_close(&c->link);
    page_unmap(c->page);
}

static void
doorbell_forget(void *cli)
{
    struct client_end *c = cli;

    link_forget(&c->link);
    page_unmap(c->page);
}

/* -- limits, table -------------------------------------------------------- */

static int
doorbell_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = IPC_MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

const struct ipc_mechanism signals_doorbell = {
    .name = "signals/doorbell",
    .summary = "a signal as the doorbell, a mapped page as the message",
    .proof = "the real uid the server was exec'd with",
    .wire = PAGE_WIRE,
    .caps = IPC_SPAWNED | IPC_BOUNDARIES,
    .evidence = IPC_PEER,
    .uses = IPC_USES_SIGNALS,
    .pid_from = IPC_PID_PARENT,
    .uid_from = IPC_UID_PROCESS,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = link_unavailable,
    .limits = doorbell_limits,
    .create = doorbell_create,
    .next = doorbell_next,
    .reply = doorbell_reply,
    .destroy = doorbell_destroy,
    .open = doorbell_open,
    .send = doorbell_send,
    .recv = doorbell_recv,
    .close = doorbell_close,
    .forget = doorbell_forget,
};

/*
 * set_client.c - the client of a server of System V objects: makes its set and
 * its slot, joins, and hands the slot over (set_sessions.h; the picture is in
 * set_server.c).
 */
#define _GNU_SOURCE /* getrandom */
#include "set_sessions.h"

#include "clock.h"
#include "object.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- waiting --------------------------------------------------------------- */

/* How long nothing comes back before one rings a second time, ns.  A ring that
 * finds the server asleep wakes it, and nobody can undo that.  One that finds
 * it awake is a number, which a stranger may set to 0 before it is looked
 * at. */
#define RING_AGAIN (20 * NS_PER_MS)
#define RING_MOST  NS_PER_SEC /* between two rings */

/* Waits until the slot is back.  Even when the server is dead it may be: its
 * last. */
static int
take_back(const struct set_client *c, int64_t deadline)
{
    struct sembuf ops[] = {{SERVER_DEAD, 0, IPC_NOWAIT}, {BACK, -1, 0}};
    struct sembuf last = {BACK, -1, IPC_NOWAIT};
    int err = set_wait(c->set.id, ops, 2, deadline);

    if (err == -EPIPE && semop(c->set.id, &last, 1) == 0)
        err = 0;
    return err;
}

static int
come_back(void *cli, int64_t deadline)
{
    const struct set_client *c = cli;

    for (int64_t rest = RING_AGAIN;;
         rest = rest < RING_MOST ? 2 * rest : rest) {
        int64_t again = deadline_in(rest);
        int err = take_back(c, again < deadline ? again : deadline);

        if (err != -ETIMEDOUT || time_left(deadline) == 0)
            return err;
        set_post(c->server.id, DOORBELL);
    }
}

/* -- open ------------------------------------------------------------------ */

int
set_server_find(const char *where, struct set *server)
{
    struct object_sysv found;
    struct ipc_perm perm;
    char text[16];
    int err = endpoint_lookup(where, "set", text, sizeof text);

    if (err != 0)
        return err;
    err = object_sysv_look(OBJECT_SET, atoi(text), &found, &perm);
    if (err != 0)
        return err == -EINVAL || err == -EIDRM ? -ECONNREFUSED : err;
    *server = (struct set){.id = found.id,
                           .key = perm.__key,
                           .creator = perm.cuid,
                           .sems = SERVER_SEMS};
    if (found.size != SERVER_SEMS)
        return -EPERM;
    return endpoint_trusted(where, perm.cuid);
}

/* How soon one rings for the first answer again, ns: a server that has clients
 * does not look who has registered until somebody rings, and it may have been
 * awake, and have just looked.  Twice as long each time, so often. */
#define JOIN_AGAIN   (NS_PER_MS / 20)
#define JOIN_DOUBLES 9u /* then it is 26 ms */

/* After so many rings one registers once more: the server may have been short
 * of something just then. */
#define REGISTER_AGAIN 16u

static void
ring(void *client)
{
    set_post(((struct set_client *)client)->server.id, DOORBELL);
}

/* Registers, and waits for what the server writes into the slot.  There is no
 * will yet of a server that has not seen us: NAME.life tells whether it
 * lives. */
static int
wait_for_answer(struct set_client *c, const struct registry *registry,
                const struct registration *r, int64_t deadline)
{
    for (unsigned i = 0;; i++) {
        int64_t again =
            deadline_in(JOIN_AGAIN << (i < JOIN_DOUBLES ? i : JOIN_DOUBLES));
        int err = 0;

        if (i % REGISTER_AGAIN == 0)
            err = registration_send(registry, r, deadline, ring, c);
        if (err != 0)
            return err == -EPIPE ? -ECONNREFUSED : err;
        ring(c);
        err = take_back(c, again < deadline ? again : deadline);
        if (err == -EPIPE || (err != 0 && registration_alive(registry) != 0))
            return -ECONNREFUSED;
        if (err != -ETIMEDOUT && err != -EINTR)
            return err;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

/* Joins, with set and slot made. */
static int
join(struct set_client *c, const struct registry *registry, int64_t deadline)
{
    const struct registration r = {
        .uid = geteuid(),
        .pid = (uint32_t)getpid(),
        .id = {(uint32_t)c->set.id, (uint32_t)c->slot.id}};
    struct slot_head head = {.mark = SLOT_JOIN};
    int err;

    put32(head.nonce, r.id[0]);
    err = c->kind->put(&c->slot, &head, NULL);
    if (err == 0)
        err = wait_for_answer(c, registry, &r, deadline);
    if (err == 0)
        err = c->kind->get(&c->slot, &head, NULL);
    if (err != 0)
        return err;
    if (head.mark != SLOT_REPLY)
        return head.mark == SLOT_FULL ? -EAGAIN : -EPIPE;
    memcpy(c->nonce, head.nonce, NONCE_SIZE);
    return 0;
}

/* Not if the server is gone, and the id perhaps another's. */
static void
ring_for_leaving(const struct set_client *c)
{
    if (set_same(&c->server) == 0)
        will_revoke(c->server.id, DOORBELL);
}

static int
make_and_join(struct set_client *c, const char *where,
              const struct registry *registry)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    uid_t server;
    int err = endpoint_server(where, &server);

    if (err == 0)
        err = set_make(&c->set, CLIENT_SEMS);
    if (err != 0)
        return err;
    err = c->kind->make(&c->slot, &c->set, server);
    if (err == 0) {
        /* A server that cannot use it will not answer. */
        set_give(&c->set, server, SET_MODE_KEPT);
        err = join(c, registry, deadline);
        if (err == 0)
            return 0;
        c->kind->drop(&c->slot);
    }
    set_remove_both(&c->set);
    return err;
}

int
set_client_open(struct set_client *c, const char *where,
                const struct slot_kind *kind)
{
    struct registry registry;
    int err = registry_open(&registry, where);

    if (err != 0)
        return err;
    c->kind = kind;
    err = set_server_find(where, &c->server);
    if (err != 0)
        goto close_registry;
    /* Our death rings.  The first will of all, so that it is the last to be
     * carried out: who hears it finds that of our set opened. */
    err = will_make(c->server.id, DOORBELL);
    if (err != 0) {
        err = err == -EINVAL || err == -EIDRM ? -ECONNREFUSED : err;
        goto close_registry;
    }
    sets_reap(); /* of those of our user's who were killed while they joined */
    err = make_and_join(c, where, &registry);
    if (err != 0)
        ring_for_leaving(c);
close_registry:
    registry_close(&registry); /* the server's will tells from now on */
    return err;
}

/* -- send, recv, close ----------------------------------------------------- */

int
set_client_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct set_client *c = cli;
    struct sembuf over[] = {{SERVER_DEAD, 0, IPC_NOWAIT}, {REQUEST, +1, 0}};
    struct slot_head head = {.mark = SLOT_REQUEST, .len = (uint32_t)msg->len};
    int err = turn_may_send(&c->turn);

    if (err == 0)
        err = turn_take(&c->turn, come_back, c, deadline_in(timeout_ns));
    if (err != 0)
        return err;
    memcpy(head.nonce, c->nonce, NONCE_SIZE);
    err = c->kind->put(&c->slot, &head, msg->buf);
    if (err == 0)
        err = set_wait(c->set.id, over, 2, NO_DEADLINE);
    if (err != 0)
        return err;
    turn_sent(&c->turn, msg);
    /* Should it fail (ERANGE: somebody has rung 32767 times), it rings. */
    set_post(c->server.id, DOORBELL);
    return 0;
}

int
set_client_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct set_client *c = cli;
    struct slot_head head;
    int err;

    msg->fd = -1;
    err = turn_reply(&c->turn, come_back, c, deadline_in(timeout_ns));
    if (err == 0)
        err = c->kind->get(&c->slot, &head, msg->buf);
    if (err != 0)
        return err;
    msg->len = head.len;
    return head.mark == SLOT_REPLY ? 0 : -EPIPE;
}

/* How long close() waits for the server to read a last notice, ns: what is
 * removed before, is lost. */
#define LAST_NOTICE (100 * NS_PER_MS)

void
set_client_close(void *cli)
{
    struct set_client *c = cli;

    if (c->turn.state == TURN_NOTICE_OUT)
        turn_take(&c->turn, come_back, c, deadline_in(LAST_NOTICE));
    c->kind->drop(&c->slot);
    set_remove_both(&c->set);
    ring_for_leaving(c);
}

/* In a child of the client's process: the memory is a copy, the objects are
 * not, and wills are not inherited. */
void
set_client_forget(void *cli)
{
    struct set_client *c = cli;

    c->kind->drop(&c->slot);
}

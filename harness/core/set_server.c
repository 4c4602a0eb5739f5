/*
 * set_server.c - the server of System V objects: who comes, who goes, and whose
 * slot is next (set_sessions.h).
 *
 *      client                                  server
 *      NAME: which set?
 *      a set and a slot of its own
 *      NAME.join: their ids
 *      server's: DOORBELL +1 ------------->    DOORBELL -1, or poll(2) if it has
 *                                              no clients: looks at them,
 *      own: BACK -1          <-------------    leaves the nonce in the slot
 *
 *      put the request
 *      own: REQUEST +1
 *      server's: DOORBELL +1 ------------->    DOORBELL -1
 *                                              each REQUEST -1, or not
 *                                              get the request ... put the reply
 *      own: BACK -1          <-------------    BACK +1
 *      get the reply
 *
 * One process cannot wait for many sets, so all clients ring one doorbell, and
 * the server looks at every client's set.  Anybody may ring it, or silence it:
 * a set that strangers may post on, strangers may set to 0.  But whoever sleeps
 * in semop(2) is woken by the +1 itself, before anybody can do anything about
 * it; if nobody has slept there longer, for which the server looks (CROWD).  So
 * only a ring that finds the server awake can be lost, and who gets no answer
 * rings again.  Nothing but sleep depends on the server's set: what is in a
 * client's nobody else can touch.
 */
#define _GNU_SOURCE /* the calls of sets.h */
#include "set_sessions.h"

#include "clock.h"
#include "defence.h"
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* While there are always requests, it looks at least once in so many who comes
 * and who goes. */
#define TURNS 64

/* -- create, destroy ------------------------------------------------------- */

static int
publish(struct set_server *s)
{
    /* Not all can use what the server's user makes for itself: only root
     * invites them. */
    const bool everybody = geteuid() == 0;
    char id[16];
    uid_t user;
    int err;

    snprintf(id, sizeof id, "%d", s->set.id);
    err = endpoint_publish(s->name, "set", id, &s->endpoint);
    if (err == 0)
        err = endpoint_server(s->name, &user);
    /* Whoever we shall be when root is given up can still remove it.  Now that
     * it is written down: what others may write to, sets_reap() cannot
     * believe. */
    if (err == 0)
        err = set_give(&s->set, user, everybody ? 0666 : 0600);
    if (err != 0)
        endpoint_unlink(s->name, "", &s->endpoint);
    return err;
}

int
set_server_create(struct set_server *s, const char *name,
                  const struct slot_kind *kind)
{
    int err = set_server_sweep(name);

    if (err < 0)
        return err;
    s->kind = kind;
    s->last = -1;
    strcpy(s->name, name);
    sessions_init(&s->sessions, IPC_MAX_CLIENTS, NO_DEADLINE);
    err = set_make(&s->set, SERVER_SEMS);
    if (err != 0)
        return err;
    err = registrar_make(&s->registrar, name, geteuid() == 0);
    if (err != 0)
        goto remove_set;
    err = publish(s);
    if (err == 0)
        return 0;
    registrar_remove(&s->registrar, name);
remove_set:
    set_remove(&s->set);
    return err;
}

/* The client is told that we are dead, to it; it may still take what it has
 * been sent.  The objects are its own to remove. */
static void
disconnect(struct set_server *s, unsigned slot)
{
    struct set_session *c = &s->clients[slot];

    if (set_same(&c->set) == 0)
        set_post(c->set.id, SERVER_DEAD);
    s->kind->drop(&c->slot);
    sessions_leave(&s->sessions, slot);
}

/* From the kernel; by their ids, for a confined server may not ask for keys. */
static void
remove_objects(const struct set_session *c)
{
    if (c->slot.set.sems != 0)
        set_remove(&c->slot.set);
    set_remove(&c->set);
}

void
set_server_destroy(void *srv)
{
    struct set_server *s = srv;
    int slot, err;

    while ((slot = sessions_next(&s->sessions, -1)) != -1) {
        const struct set_session c = s->clients[slot];

        disconnect(s, (unsigned)slot);
        if (semctl(c.set.id, SET_DEAD, GETVAL) > 0)
            remove_objects(&c);
    }
    registrar_remove(&s->registrar, s->name);
    /* The set first, for the file says which one it is: what we cannot remove
     * sweep() still finds. */
    err = set_remove(&s->set);
    if (err == 0 || err == -EIDRM)
        endpoint_unlink(s->name, "", &s->endpoint);
}

int
set_server_sweep(const char *name)
{
    int sets = swept_both(sets_reap(), registrar_sweep(name));
    struct set set;

    if (set_server_find(name, &set) == 0 && set_remove(&set) == -EPERM)
        return -EPERM; /* the file stays, by which it is found */
    return swept_both(endpoint_sweep(name), sets);
}

/* -- who comes, who goes --------------------------------------------------- */

static bool
is_known(const struct set_server *s, int id)
{
    for (unsigned i = 0; i < s->sessions.top; i++)
        if (s->sessions.slot[i].state != SESSION_FREE &&
            s->clients[i].set.id == id)
            return true;
    return false;
}

/* Those that have died (their will) or left (no set: -1).  Nobody else will
 * remove what a dead one had. */
static void
reap(struct set_server *s)
{
    int slot;

    while ((slot = sessions_reap(&s->sessions)) != -1) {
        struct set_session *c = &s->clients[slot];

        if (set_same(&c->set) == 0 && semctl(c->set.id, SET_DEAD, GETVAL) == 0)
            continue;
        s->kind->drop(&c->slot);
        remove_objects(c);
        sessions_leave(&s->sessions, (unsigned)slot);
    }
}

/* Answers a newcomer: with the nonce, or slot -EAGAIN: no room. */
static int
answer(struct set_server *s, struct set_session *new, int slot,
       const struct ipc_peer *peer)
{
    struct slot_head head = {.mark = SLOT_FULL};
    int err = 0;

    if (slot >= 0) {
        head.mark = SLOT_REPLY;
        err = nonce_make(head.nonce);
        if (err == 0)
            err = will_make(new->set.id, SERVER_DEAD);
    }
    if (err == 0)
        err = s->kind->put(&new->slot, &head, NULL);
    if (err == 0)
        err = set_post(new->set.id, BACK);
    if (err != 0 || slot < 0)
        return -EAGAIN;
    sessions_take(&s->sessions, (unsigned)slot, peer, now_ns());
    memcpy(s->sessions.slot[slot].nonce, head.nonce, NONCE_SIZE);
    /* At once: not one request is believed that does not carry the nonce. */
    sessions_admit(&s->sessions, (unsigned)slot);
    s->clients[slot] = *new;
    return 0;
}

/* Does it wait to join, and with this set?  Else somebody could name a set and
 * a slot of Alice's that do not belong together. */
static bool
wants_to_join(const struct set_server *s, const struct set_session *new)
{
    struct slot_head head;

    return s->kind->get(&new->slot, &head, NULL) == 0 &&
           head.mark == SLOT_JOIN &&
           DEFENCE("owner", get32(head.nonce) == (uint32_t) new->set.id, true);
}

/*
 * Somebody says that these are its set and its slot.  Anybody can say so, of
 * anybody's objects; so nothing is changed in them before it is clear that they
 * are of the right kind, belong to one who is who it says it is, and wait to
 * join.
 */
static void
admit(struct set_server *s, const struct registration *r)
{
    struct set_session new = {.slot.id = (int)r->id[1]};
    struct ipc_peer peer, slot_peer;
    int pid;

    if (is_known(s, (int)r->id[0]) ||
        set_prove(&new.set, (int)r->id[0], CLIENT_SEMS, r->uid, &peer) != 0)
        return;
    /* Who changed this one last: the client, making its will. */
    pid = semctl(new.set.id, SET_DEAD, GETPID);
    peer.pid = pid > 0 ? pid : -1;
    if (s->kind->take(&new.slot, r->uid, &slot_peer) != 0)
        return;
    if (semctl(new.set.id, SET_DEAD, GETVAL) > 0) { /* killed while it joined */
        remove_objects(&new);
        s->kind->drop(&new.slot);
        return;
    }
    if (!wants_to_join(s, &new) ||
        answer(s, &new, sessions_choose(&s->sessions, peer.uid, now_ns()),
               &peer) != 0)
        s->kind->drop(&new.slot);
    else
        registrar_joined(r);
}

static void
look_who_comes_and_goes(struct set_server *s)
{
    struct registration r;

    s->turns = 0;
    reap(s);
    for (int i = 0; i < REGISTRATIONS_A_TURN; i++) {
        if (registrar_next(&s->registrar, &r) == 0)
            return;
        admit(s, &r);
    }
}

/* -- next, reply ----------------------------------------------------------- */

/* This client's request, if there is one.  To look at a semaphore changes
 * nothing, whoever's it is by now; to take from it does. */
static int
take(struct set_server *s, unsigned slot, struct ipc_request *req)
{
    struct set_session *c = &s->clients[slot];
    struct sembuf take = {REQUEST, -1, IPC_NOWAIT};
    struct slot_head head;
    int err;

    if (c->due || semctl(c->set.id, REQUEST, GETVAL) <= 0)
        return 0; /* nothing; or no set: reap() sees to it */
    if (set_same(&c->set) != 0 || semop(c->set.id, &take, 1) == -1)
        return 0;
    err = s->kind->get(&c->slot, &head, req->msg.buf);
    if (err == 0 && (head.mark != SLOT_REQUEST ||
                     !nonce_equal(head.nonce, s->sessions.slot[slot].nonce)))
        err = -EBADMSG;
    if (err == -EBADMSG) /* its fault, and not, say, that we have no memory */
        sessions_fault(&s->sessions, s->sessions.slot[slot].peer.uid, now_ns());
    if (err != 0) {
        disconnect(s, slot);
        return 0;
    }
    req->msg.len = head.len;
    req->peer = s->sessions.slot[slot].peer;
    req->reply_to = sessions_token(&s->sessions, slot);
    c->due = wire_wants_reply(&req->msg);
    if (!c->due) /* the slot of a notice goes back at once */
        set_post(c->set.id, BACK);
    return 1;
}

/* Looks at all clients' sets, first at the one after the last it took from. */
static int
take_request(struct set_server *s, struct ipc_request *req)
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

/* Who may ring may also wait for rings, and the kernel gives each to whoever
 * has waited longest.  So if anybody waits there before us, we look by
 * ourselves after so many ns.  (Who comes between this look and our sleep is
 * woken by the first ring, and then waits behind us; the second one is
 * ours.) */
#define CROWD (2 * NS_PER_MS)

/* Without clients it sleeps on NAME.join, which nobody can silence; nor does it
 * wake up before somebody comes.  With clients it sleeps on the doorbell. */
static int
wait_for_somebody(struct set_server *s, int64_t deadline)
{
    struct sembuf ring = {DOORBELL, -1, 0};
    int64_t soon;

    if (registrar_more(&s->registrar))
        return 0;
    if (s->sessions.count == 0)
        return wait_for(s->registrar.fd, POLLIN, deadline);
    if (DEFENCE("crowd", semctl(s->set.id, DOORBELL, GETNCNT) > 0, false)) {
        soon = now_ns() + CROWD;
        deadline = soon < deadline ? soon : deadline;
    }
    return set_wait(s->set.id, &ring, 1, deadline);
}

/* So often somebody has rung for nothing, and then our caller may see whether
 * it is to end: a stranger can go on for ever. */
#define FOR_NOTHING 1000

int
set_server_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct set_server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    for (int i = 0; i < FOR_NOTHING; i++) {
        int err = wait_for_somebody(s, deadline);

        if (err != 0 && err != -ETIMEDOUT)
            return err;
        if (++s->turns < TURNS && take_request(s, req) == 1)
            return 0;
        /* There are as many rings as requests, so this one was a newcomer's or
         * a dead one's; or nobody has rung. */
        look_who_comes_and_goes(s);
        if (take_request(s, req) == 1)
            return 0;
        if (err != 0 && time_left(deadline) == 0)
            return err;
    }
    return -EINTR;
}

int
set_server_reply(void *srv, const struct ipc_request *req,
                 const struct ipc_message *msg)
{
    struct set_server *s = srv;
    struct slot_head head = {.mark = SLOT_REPLY};
    int slot = sessions_slot(&s->sessions, req->reply_to), err;
    struct set_session *c;

    if (slot == -1)
        return -EPIPE;
    if (msg == NULL) {
        disconnect(s, (unsigned)slot);
        return 0;
    }
    c = &s->clients[slot];
    c->due = false;
    head.len = (uint32_t)msg->len;
    err = set_same(&c->set);
    if (err == 0)
        err = s->kind->put(&c->slot, &head, msg->buf);
    if (err == 0)
        err = set_post(c->set.id, BACK);
    return err == 0 || err == -EMSGSIZE ? err : -EPIPE;
}

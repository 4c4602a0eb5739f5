/*
 * turnfile_server.c - one thread and many files with turns: who comes, whose
 * turn it is, who goes.  The picture is in turnfile_client.c.
 *
 *      client                                  server
 *      makes the file, locks bytes
 *      0 and 2, writes the head
 *      registers             ------------->    opens it, looks whose it is,
 *                                              locks byte 1
 *      reads the head        <-------------    nonce, then verdict
 */
#define _GNU_SOURCE /* O_NOFOLLOW */
#include "turnfile.h"

#include "clock.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* LOCKS.  The kernel keeps a file's locks in a list, as many as anybody likes,
 * and goes through it for each question, and for each close(2): a hundred
 * thousand cost it some 20 ms.  A client where a look takes longer than SLOW
 * ns, so often that it cannot be chance (the processor given to somebody else
 * just then), is disconnected; that counts as a fault of its user. */
#define SLOW       (NS_PER_MS / 4)
#define SLOW_TIMES 4

/* -- create, destroy, sweep ------------------------------------------------ */

static bool
has_dir(const struct turnfile_server *s)
{
    return s->kind->memory == &client_files;
}

static int
open_register(struct turnfile_server *s)
{
    int err = registrar_make(&s->registrar, s->name, geteuid() == 0);

    if (err == 0)
        alarm_listen(&s->alarm, s->registrar.fd);
    return err;
}

int
turnfile_create(void *srv, const char *name, const struct turnfile_kind *kind)
{
    struct turnfile_server *s = srv;
    int err = guard_install();

    s->kind = kind;
    s->alarm.lazy = true;
    s->noticed = s->last = s->dir.fd = -1;
    strcpy(s->name, name);
    sessions_init(&s->sessions, IPC_MAX_CLIENTS, NO_DEADLINE);
    if (err == 0)
        err = has_dir(s) ? client_dir_make(&s->dir, name) : object_prepare();
    if (err != 0)
        return err;
    err = open_register(s); /* last: now clients find all */
    if (err != 0 && has_dir(s))
        client_dir_remove(&s->dir, name);
    return err;
}

static void
disconnect(struct turnfile_server *s, int slot)
{
    uid_t uid = s->sessions.slot[slot].peer.uid;

    /* The last one to close a file without a name waits until all of it is
     * gone. */
    stall_begin(&s->stall);
    turnfile_let_go(&s->slots[slot].file);
    stall_end(&s->stall, &s->sessions, uid);
    sessions_leave(&s->sessions, (unsigned)slot);
    if (s->noticed == slot)
        s->noticed = -1;
}

void
turnfile_destroy(void *srv)
{
    struct turnfile_server *s = srv;
    int slot;

    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        disconnect(s, slot);
    guard_watch(NULL, 0);
    alarm_free(&s->alarm);
    registrar_remove(&s->registrar, s->name);
    if (has_dir(s))
        client_dir_remove(&s->dir, s->name);
}

int
turnfile_sweep(const char *name)
{
    return swept_both(client_dir_sweep(name), registrar_sweep(name));
}

/* -- who comes ------------------------------------------------------------- */

/* Has a living client of that uid prepared this for us?  Then the second place
 * at its hand-off is ours; if it had been taken in before, somebody has
 * that. */
static bool
is_ready(int fd, const struct registration *r, struct handoff *handoff)
{
    struct turnfile_head head;

    return pread(fd, &head, sizeof head, 0) == sizeof head &&
           head.mark == TURNFILE_MARK && head.uid == r->uid &&
           head.serial == r->serial && head.verdict == TURNFILE_NOT_YET &&
           handoff_second(handoff, fd) == 0;
}

static int
find_slot(struct turnfile_server *s, uid_t uid)
{
    int slot = sessions_choose(&s->sessions, uid, now_ns()), next;

    if (slot >= 0)
        return slot;
    while ((next = sessions_reap(&s->sessions)) != -1)
        if (!handoff_peer_lives(&s->slots[next].handoff))
            disconnect(s, next);
    return sessions_choose(&s->sessions, uid, now_ns());
}

/* Takes the client in: leaves the nonce there, and then the verdict; who has
 * read that can read the other. */
static int
take_in(struct turnfile_server *s, int slot, int fd,
        const struct handoff *handoff, const struct ipc_peer *peer)
{
    const struct client_memory *memory = s->kind->memory;
    const uint32_t admitted = TURNFILE_ADMITTED;
    struct session *session = &s->sessions.slot[slot];
    struct turnfile_slot *t = &s->slots[slot];
    int err;

    *t = (struct turnfile_slot){.file = {.fd = fd, .map = &s->maps[slot]},
                                .handoff = *handoff};
    err = turnfile_hold(s->kind, &t->file);
    if (err != 0)
        return err;
    sessions_take(&s->sessions, (unsigned)slot, peer, now_ns());
    err = nonce_make(session->nonce);
    if (err == 0)
        err = memory->write(fd, offsetof(struct turnfile_head, nonce),
                            session->nonce, NONCE_SIZE);
    if (err == 0)
        err = memory->write(fd, offsetof(struct turnfile_head, verdict),
                            &admitted, sizeof admitted);
    if (err != 0) {
        disconnect(s, slot);
        return 0; /* closed */
    }
    /* At once: not one request is believed that does not carry the nonce. */
    sessions_admit(&s->sessions, (unsigned)slot);
    return 0;
}

static void
admit(struct turnfile_server *s, const struct registration *r)
{
    const uint32_t full = TURNFILE_FULL;
    struct handoff handoff;
    struct ipc_peer peer;
    int fd, slot;

    /* Nothing is opened for a user who would not get in. */
    if (sessions_barred(&s->sessions, r->uid, now_ns()))
        return;
    stall_begin(&s->stall);
    fd = s->kind->memory->open(&s->dir, r);
    if (fd < 0)
        return;
    if (s->kind->memory->check(fd, turnfile_size(s->kind), r->uid, &peer) !=
            0 ||
        !is_ready(fd, r, &handoff)) {
        close(fd);
        return;
    }
    slot = find_slot(s, peer.uid);
    if (slot >= 0 && take_in(s, slot, fd, &handoff, &peer) == 0) {
        registrar_joined(r);
        if (stall_end(&s->stall, &s->sessions, peer.uid))
            disconnect(s, slot);
        return;
    }
    s->kind->memory->write(fd, offsetof(struct turnfile_head, verdict), &full,
                           sizeof full);
    close(fd);
    stall_end(&s->stall, &s->sessions, peer.uid);
}

/* Takes newcomers in, a bounded number; says when to look again. */
static void
look_around(struct turnfile_server *s, int64_t now)
{
    struct registration r[OBJECT_CLAIMS];
    unsigned before = s->sessions.count, n;
    uint32_t may_be;

    n = registrar_take(&s->registrar, r, OBJECT_CLAIMS);
    may_be = n > 0 ? s->kind->memory->glance(r, n) : 0;
    for (unsigned i = 0; i < n; i++)
        if (may_be >> i & 1)
            admit(s, &r[i]);
    client_dir_tidy(&s->dir);
    if (s->active || s->sessions.count > before)
        s->slice = TURNFILE_SLICE;
    else
        s->slice = ever_more_rarely(s->slice);
    s->active = false;
    /* There may be more. */
    s->next_look = n < OBJECT_CLAIMS ? now + s->slice : now;
}

/* -- next ------------------------------------------------------------------ */

/* Its turn is ours: takes the request, if there is one. */
static bool
take(struct turnfile_server *s, int slot, struct ipc_request *req)
{
    struct turnfile_slot *t = &s->slots[slot];
    struct session *session = &s->sessions.slot[slot];
    struct turnfile_note note;
    int err;

    stall_begin(&s->stall);
    err = s->kind->get(&t->file, TURNFILE_AREA, &note, req->msg.buf,
                       req->msg.cap);
    /* The second: it has died, or left.  The others: nonsense. */
    if (stall_end(&s->stall, &s->sessions, session->peer.uid) || err != 0 ||
        note.done != t->handoff.turn ||
        !nonce_equal(note.nonce, session->nonce)) {
        disconnect(s, slot);
        return false;
    }
    req->msg.len = note.len;
    req->peer = session->peer;
    req->reply_to = sessions_token(&s->sessions, (unsigned)slot);
    s->last = slot;
    t->owed = wire_wants_reply(&req->msg);
    if (!t->owed)
        s->noticed = slot;
    if (s->slice > TURNFILE_SLICE) /* the others will not be silent either */
        s->next_look = 0;
    s->active = true;
    return true;
}

/* One look: is it our turn there? */
static bool
is_ours(struct turnfile_server *s, int slot)
{
    struct turnfile_slot *t = &s->slots[slot];
    int64_t begin = now_ns();
    int err = handoff_try(&t->handoff);

    t->slow = now_ns() - begin > SLOW ? t->slow + 1 : 0;
    if (t->slow < SLOW_TIMES)
        return err == 0;
    sessions_fault(&s->sessions, s->sessions.slot[slot].peer.uid, begin);
    disconnect(s, slot);
    return false;
}

/* Goes round once, beginning behind the one served last. */
static bool
look(struct turnfile_server *s, struct ipc_request *req)
{
    int slot = s->last;

    for (unsigned i = 0, n = s->sessions.count; i < n; i++) {
        slot = sessions_next(&s->sessions, slot);
        if (slot != -1 && !s->slots[slot].owed && is_ours(s, slot) &&
            take(s, slot, req))
            return true;
    }
    return false;
}

/* The one it pays to wait for: who has asked last will ask next.  -1: we owe
 * all of them a reply. */
static int
favourite(const struct turnfile_server *s)
{
    int slot = s->last;

    if (slot != -1 && sessions_is_in(&s->sessions, (unsigned)slot) &&
        !s->slots[slot].owed)
        return slot;
    for (unsigned i = 0; i < s->sessions.count; i++) {
        slot = sessions_next(&s->sessions, slot);
        if (slot != -1 && !s->slots[slot].owed)
            return slot;
    }
    return -1;
}

/* For a newcomer, or a ring; 0 or -EINTR. */
static int
sleep_for_a_ring(struct turnfile_server *s, int64_t deadline)
{
    int err = wait_for(s->registrar.fd, POLLIN, deadline);

    if (err == 0)
        s->next_look = 0;
    return err == -EINTR ? err : 0;
}

/* Sleeps until there is something to do, or only something to look after.
 * 0, and *slot, if not -1, whose turn is ours now; or -EINTR. */
static int
sleep_for_one(struct turnfile_server *s, int64_t deadline, int *slot)
{
    int one = favourite(s), err;

    *slot = -1;
    if (deadline > s->next_look)
        deadline = s->next_look;
    if (one == -1)
        return sleep_for_a_ring(s, deadline);
    err = handoff_wait(&s->slots[one].handoff, &s->alarm, deadline);
    if (err == 0)
        *slot = one;
    /* A signal, or our own alarm, set for an earlier slice, or a ring? */
    if (err == -EINTR)
        return s->alarm.fires > now_ns() && !s->alarm.rang ? err : 0;
    /* No timer or no lock to be had: we look around, and hear who rings. */
    return err == 0 || err == -ETIMEDOUT ? 0 : sleep_for_a_ring(s, deadline);
}

/* There is no client.  0 or -errno. */
static int
wait_for_newcomer(struct turnfile_server *s, int64_t deadline)
{
    int err = 0;

    alarm_free(&s->alarm); /* it would disturb this sleep */
    s->next_look = 0;
    if (!registrar_more(&s->registrar))
        err = wait_for(s->registrar.fd, POLLIN, deadline);
    return err == -ETIMEDOUT ? 0 : err;
}

/* Passes the turn back to its client. */
static int
give_back(struct turnfile_server *s, int slot, const void *message, size_t len)
{
    struct turnfile_slot *t = &s->slots[slot];
    const struct turnfile_note note = {.done = t->handoff.turn + 1,
                                       .len = (uint32_t)len};
    int err;

    t->owed = false;
    if (s->noticed == slot)
        s->noticed = -1;
    stall_begin(&s->stall);
    err = s->kind->put(&t->file, turnfile_replies(s->kind), &note, message);
    if (err == 0)
        err = handoff_pass(&t->handoff);
    if (!stall_end(&s->stall, &s->sessions, s->sessions.slot[slot].peer.uid) &&
        err == 0)
        return 0;
    disconnect(s, slot);
    return -EPIPE;
}

int
turnfile_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns), now;
    struct turnfile_server *s = srv;
    bool waited = false;
    int err, slot = -1;

    guard_watch(s->maps, IPC_MAX_CLIENTS);
    /* That was a notice: there will be no reply. */
    if (s->noticed != -1)
        give_back(s, s->noticed, NULL, 0);
    for (;;) {
        now = now_ns();
        if (alarm_rang(&s->alarm) || now >= s->next_look)
            look_around(s, now);
        /* For a single client one need not look before one waits: the wait is
         * a look, too.  But after a wait for nothing one does (LOCKS). */
        if ((s->sessions.count != 1 || waited || now >= deadline) &&
            look(s, req))
            return 0;
        if (now >= deadline)
            return -ETIMEDOUT;
        /* Our own alarm may have come with somebody else's signal: the caller
         * may see whether it is to end. */
        if (waited && deadline == NO_DEADLINE)
            return -EINTR;
        err = s->sessions.count == 0 ? wait_for_newcomer(s, deadline)
                                     : sleep_for_one(s, deadline, &slot);
        waited = true;
        if (err == 0 && slot != -1 && take(s, slot, req))
            return 0;
        slot = -1;
        if (err != 0)
            return err;
    }
}

int
turnfile_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    struct turnfile_server *s = srv;
    int slot = sessions_slot(&s->sessions, req->reply_to);

    if (slot == -1)
        return -EPIPE;
    if (msg == NULL) {
        disconnect(s, slot);
        return 0;
    }
    if (!s->slots[slot].owed)
        return -EPIPE;
    guard_watch(s->maps, IPC_MAX_CLIENTS);
    return give_back(s, slot, msg->buf, msg->len);
}

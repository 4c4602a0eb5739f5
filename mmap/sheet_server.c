/*
 * sheet_server.c - one thread and many sheets: whose turn it is.  The picture
 * is in sheet.c; who comes and who goes, sheet_seats.c.
 */
#include "sheet.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LOCKS.  The kernel keeps a file's locks in a list, as many as anybody likes,
 * and goes through it for each question, and for each close(2): a hundred
 * thousand cost it some 20 ms.  A client where a look takes longer than SLOW
 * ns, so often that it cannot be chance (the processor given to somebody else
 * just then), is shown the door. */
#define SLOW       (NS_PER_MS / 4)
#define SLOW_TIMES 4

/* -- sweep, create --------------------------------------------------------- */

int
sheet_sweep(const char *name, const struct sheet_kind *kind)
{
    int removed = store_sweep(kind->store, name);

    return removed < 0 ? removed : life_sweep(name) || removed;
}

int
sheet_create(void *srv, const char *name, const struct sheet_kind *kind)
{
    struct sheet_server *s = srv;
    int err = kind->store->names(name, &s->names);

    /* Only root can open other users' 0600 sheets, so only root invites them.
     * Sticky: nobody removes or renames another's (inode(7)). */
    s->everybody = geteuid() == 0;
    if (err == 0)
        err = guard_install();
    if (err == 0)
        err = sheet_sweep(name, kind);
    if (err < 0)
        return err;
    s->kind = kind;
    s->alarm.lazy = true;
    strcpy(s->name, name);
    if (kind->store->own_dir && mkdir(s->names.dir, 0700) == -1)
        return errno == EEXIST ? -EPERM : -errno; /* not one of ours */
    if (kind->store->own_dir && s->everybody &&
        chmod(s->names.dir, 01777) == -1) {
        err = -errno;
        goto sweep;
    }
    s->life = life_make(name); /* last: now clients find everything */
    if (s->life < 0) {
        err = s->life;
        goto sweep;
    }
    if (s->everybody || fchmod(s->life, 0600) == 0)
        return 0;
    err = -errno;
    close(s->life);
sweep:
    sheet_sweep(name, kind);
    return err;
}

/* -- next ------------------------------------------------------------------ */

/* Its turn is ours: takes the request, if there is one. */
static bool
take(struct sheet_server *s, struct sheet_seat *seat, struct ipc_request *req)
{
    struct sheet_note note;
    int err = s->kind->get(&seat->sheet, SHEET_AREA, &note, req->msg.buf,
                           req->msg.cap);

    /* The first: it has died, or left.  The others: nonsense. */
    if (err != 0 || note.done != seat->baton.turn ||
        !nonce_equal(note.nonce, seat->nonce)) {
        sheet_leave(s, seat);
        return false;
    }
    req->msg.len = note.len;
    req->peer = seat->peer;
    req->reply_to =
        (uint64_t)seat->generation << 32 | (uint64_t)(seat - s->seats);
    s->last = seat;
    seat->owed = wire_wants_reply(&req->msg);
    if (!seat->owed)
        s->noticed = seat;
    return true;
}

/* One look: is it our turn there? */
static bool
is_ours(struct sheet_server *s, struct sheet_seat *seat)
{
    int64_t begin = now_ns();
    int err = baton_try(&seat->baton);

    seat->slow = now_ns() - begin > SLOW ? seat->slow + 1 : 0;
    if (seat->slow == SLOW_TIMES) {
        sheet_leave(s, seat);
        return false;
    }
    return err == 0;
}

/* Goes round once, beginning behind the one served last. */
static bool
look(struct sheet_server *s, struct ipc_request *req)
{
    size_t begin = s->last == NULL ? 0 : (size_t)(s->last - s->seats);

    for (size_t i = 1; i <= IPC_MAX_CLIENTS; i++) {
        struct sheet_seat *seat = &s->seats[(begin + i) % IPC_MAX_CLIENTS];

        if (seat->used && !seat->owed && is_ours(s, seat) && take(s, seat, req))
            return true;
    }
    return false;
}

/* The one it pays to wait for: who has asked last will ask next. */
static struct sheet_seat *
favourite(struct sheet_server *s)
{
    if (s->last != NULL && s->last->used && !s->last->owed)
        return s->last;
    for (struct sheet_seat *i = s->seats; i < s->seats + IPC_MAX_CLIENTS; i++)
        if (i->used && !i->owed)
            return i;
    return NULL;
}

/* Sleeps until there is something to do, or only something to look after.
 * 0, and *seat, if not NULL, whose turn is ours now; or -EINTR. */
static int
sleep_for_one(struct sheet_server *s, int64_t deadline,
              struct sheet_seat **seat)
{
    struct sheet_seat *one = favourite(s);
    int err;

    *seat = NULL;
    if (one == NULL) {
        alarm_free(&s->alarm); /* it would disturb this sleep */
        err = poll_until(NULL, 0, deadline);
        return err == -EINTR ? err : 0;
    }
    err = baton_wait(&one->baton, &s->alarm, deadline);
    if (err == 0)
        *seat = one;
    /* A signal, or our own alarm, set for an earlier slice? */
    if (err == -EINTR)
        return s->alarm.fires > now_ns() ? err : 0;
    /* No timer or no lock to be had: then we only look around. */
    if (err != 0 && err != -ETIMEDOUT)
        err = poll_until(NULL, 0, deadline);
    return err == -EINTR ? err : 0;
}

/* Passes the turn back to its client. */
static int
give_back(struct sheet_server *s, struct sheet_seat *seat, const void *message,
          size_t len)
{
    const struct sheet_note note = {.done = seat->baton.turn + 1,
                                    .len = (uint32_t)len};
    int err =
        s->kind->put(&seat->sheet, sheet_replies(s->kind), &note, message);

    seat->owed = false;
    if (s->noticed == seat)
        s->noticed = NULL;
    if (err == 0)
        err = baton_pass(&seat->baton);
    if (err == 0)
        return 0;
    sheet_leave(s, seat);
    return -EPIPE;
}

int
sheet_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct sheet_server *s = srv;
    int64_t deadline = deadline_in(timeout_ns), now;
    struct sheet_seat *seat;
    bool waited = false;
    int err;

    guard_watch(s->maps, IPC_MAX_CLIENTS);
    /* That was a notice: there will be no reply. */
    if (s->noticed != NULL)
        give_back(s, s->noticed, NULL, 0);
    for (;;) {
        now = now_ns();
        if (now >= s->next_scan)
            sheet_scan(s);
        /* For a single client one need not look before one waits: the wait is
         * a look, too.  But after a wait for nothing one does (LOCKS). */
        if ((s->seated != 1 || waited || now >= deadline) && look(s, req))
            return 0;
        if (now >= deadline)
            return -ETIMEDOUT;
        err = sleep_for_one(
            s, deadline < now + SHEET_SLICE ? deadline : now + SHEET_SLICE,
            &seat);
        waited = true;
        if (seat != NULL && take(s, seat, req))
            return 0;
        if (err != 0)
            return err;
    }
}

int
sheet_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct sheet_server *s = srv;
    struct sheet_seat *seat = &s->seats[(uint32_t)req->reply_to];

    if (!seat->used || seat->generation != req->reply_to >> 32)
        return -EPIPE;
    if (msg == NULL) {
        sheet_leave(s, seat);
        return 0;
    }
    if (!seat->owed)
        return -EPIPE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    guard_watch(s->maps, IPC_MAX_CLIENTS);
    return give_back(s, seat, msg->buf, msg->len);
}

void
sheet_destroy(void *srv)
{
    struct sheet_server *s = srv;

    for (struct sheet_seat *i = s->seats; i < s->seats + IPC_MAX_CLIENTS; i++)
        if (i->used)
            sheet_leave(s, i);
    guard_watch(NULL, 0);
    alarm_free(&s->alarm);
    sheet_sweep(s->name, s->kind);
    close(s->life);
}

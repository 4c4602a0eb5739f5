/*
 * sheet_server.c - one thread and many sheets: who comes, who goes, and whose
 * turn it is.  The picture is in sheet.c.
 */
#define _GNU_SOURCE /* O_NOFOLLOW, fstatat */
#include "sheet.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long the server sleeps for one client before it looks at the others, and
 * for newcomers, ns.  So late a request of another one can be found; an idle
 * server wakes 500 times a second. */
#define SLICE (2 * NS_PER_MS)

/* How long newcomers may have to wait at most, ns; IPC_OPEN_TIMEOUT is 2 s. */
#define REST_MAX (100 * NS_PER_MS)

/* LOCKS.  The kernel keeps a file's locks in a list, as many as anybody likes,
 * and goes through it for each question, and for each close(2): a hundred
 * thousand cost it some 20 ms.  A client where a look takes longer than SLOW
 * ns, so often that it cannot be chance (the processor given to somebody else
 * just then), is shown the door. */
#define SLOW       (NS_PER_MS / 4)
#define SLOW_TIMES 4

/* -- server: newcomers and leavers ----------------------------------------- */

int
sheet_sweep(const char *name, const struct sheet_kind *kind)
{
    int removed = meet_sweep(kind->store, name);

    return removed < 0 ? removed : life_sweep(name) || removed;
}

int
sheet_create(void *srv, const char *name, const struct sheet_kind *kind)
{
    /* Only root can open other users' 0600 sheets, so only root invites them.
     * Sticky: nobody removes or renames another's (inode(7)). */
    const bool everybody = geteuid() == 0;
    struct sheet_server *s = srv;
    int err = kind->store->names(name, &s->names);

    if (err == 0)
        err = guard_install();
    if (err == 0)
        err = sheet_sweep(name, kind);
    if (err < 0)
        return err;
    s->kind = kind;
    strcpy(s->name, name);
    if (kind->store->own_dir && mkdir(s->names.dir, 0700) == -1)
        return errno == EEXIST ? -EPERM : -errno; /* not one of ours */
    if (kind->store->own_dir && everybody && chmod(s->names.dir, 01777) == -1) {
        err = -errno;
        goto sweep;
    }
    s->life = life_make(name); /* last: now clients find everything */
    if (s->life < 0) {
        err = s->life;
        goto sweep;
    }
    if (everybody || fchmod(s->life, 0600) == 0)
        return 0;
    err = -errno;
    close(s->life);
sweep:
    sheet_sweep(name, kind);
    return err;
}

static void
leave(struct sheet_server *s, struct sheet_seat *seat)
{
    sheet_let_go(&seat->sheet);
    seat->used = false;
    if (s->asked == seat)
        s->asked = NULL;
}

static struct sheet_seat *
free_seat(struct sheet_server *s)
{
    for (struct sheet_seat *i = s->seats; i < s->seats + IPC_MAX_CLIENTS; i++)
        if (!i->used)
            return i;
    return NULL;
}

/* Is this a sheet that a living client of that uid has prepared for us?  Then
 * the second place at its baton is ours. */
static bool
is_proper(const struct sheet_server *s, int fd, struct sheet_seat *new)
{
    struct sheet_head head;
    struct stat st;

    /* A file that is mapped must be there to its end. */
    return fstat(fd, &st) == 0 &&
           (s->kind->hold == NULL ||
            st.st_size == (off_t)sheet_size(s->kind)) &&
           pread(fd, &head, sizeof head, 0) == sizeof head &&
           head.mark == SHEET_MARK &&
           owner_check_fd(fd, S_IFREG, head.uid, &new->peer) == 0 &&
           baton_second(&new->baton, fd) == 0;
}

/* The nonce, and then the verdict: who has read that can read the other. */
static int
answer(int fd, const struct sheet_seat *seat)
{
    const uint32_t verdict = seat != NULL ? SHEET_WELCOME : SHEET_FULL;

    if (seat != NULL &&
        !sheet_write_head(fd, offsetof(struct sheet_head, nonce), seat->nonce,
                          NONCE_SIZE))
        return -EIO;
    if (!sheet_write_head(fd, offsetof(struct sheet_head, verdict), &verdict,
                          sizeof verdict))
        return -EIO;
    return seat != NULL ? 0 : -EAGAIN;
}

/* Could it be one?  A client sets mode 0600 when all is ready, so others are
 * not even opened: there is no telling what that costs (LOCKS). */
static bool
looks_ready(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600 &&
           (geteuid() == 0 || st.st_uid == geteuid());
}

static void
admit(struct sheet_server *s, const char *name)
{
    struct sheet_seat *seat = free_seat(s), new = {.used = true};
    /* Whatever it may be by now, opening it does not make us wait: not for a
     * FIFO's other end, nor for a lease that its owner has taken (fcntl(2)). */
    int fd = s->kind->store->open(
        name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    int err;

    if (fd == -1)
        return;
    new.sheet = (struct sheet){.fd = fd};
    if (seat != NULL)
        new.sheet.map = s->maps + (seat - s->seats);
    err = is_proper(s, fd, &new) ? 0 : -EPERM;
    /* Both have it open, nobody else is to find it: neither we, at the next
     * look, nor the next server, should we all crash.  And what is not proper
     * need not be looked at twice. */
    s->kind->store->unlink(name);
    if (err == 0 && seat != NULL)
        err = sheet_hold(s->kind, &new.sheet);
    if (err == 0)
        err = nonce_make(new.nonce);
    if (err == 0)
        err = answer(fd, seat != NULL ? &new : NULL);
    if (err == 0 && seat != NULL)
        *seat = new;
    else
        sheet_let_go(&new.sheet);
}

static void
scan(struct sheet_server *s)
{
    size_t len = strlen(s->names.prefix);
    char name[ENDPOINT_SIZE + NAME_MAX + 1];
    int64_t begin = now_ns(), rest;
    struct dirent *entry;
    DIR *dir = opendir(s->names.dir);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, s->names.prefix, len) != 0 ||
            !looks_ready(dirfd(dir), entry->d_name))
            continue;
        snprintf(name, sizeof name, "%s%s", s->names.base, entry->d_name + len);
        admit(s, name);
    }
    if (dir != NULL)
        closedir(dir);
    /* At most a twentieth of our time, even if somebody has put a million
     * names there; but nobody may make the others wait at the door until they
     * go. */
    rest = SLICE + 20 * (now_ns() - begin);
    s->next_scan = now_ns() + (rest < REST_MAX ? rest : REST_MAX);
}

/* -- server: turns --------------------------------------------------------- */

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
        leave(s, seat);
        return false;
    }
    req->msg.len = note.len;
    req->peer = seat->peer;
    req->reply_to = (uint64_t)(seat - s->seats);
    s->last = s->asked = seat;
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
        leave(s, seat);
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

        if (seat->used && is_ours(s, seat) && take(s, seat, req))
            return true;
    }
    return false;
}

/* The one it pays to wait for: who has asked last will ask next. */
static struct sheet_seat *
favourite(struct sheet_server *s)
{
    if (s->last != NULL && s->last->used)
        return s->last;
    for (struct sheet_seat *i = s->seats; i < s->seats + IPC_MAX_CLIENTS; i++)
        if (i->used)
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

    s->asked = NULL;
    if (err == 0)
        err = baton_pass(&seat->baton);
    if (err == 0)
        return 0;
    leave(s, seat);
    return -EPIPE;
}

int
sheet_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct sheet_server *s = srv;
    int64_t deadline = deadline_in(timeout_ns), now;
    struct sheet_seat *seat;
    int err;

    guard_watch(s->maps, IPC_MAX_CLIENTS);
    /* That was a notice: there will be no reply. */
    if (s->asked != NULL)
        give_back(s, s->asked, NULL, 0);
    for (;;) {
        now = now_ns();
        if (now >= s->next_scan)
            scan(s);
        if (look(s, req))
            return 0;
        if (now >= deadline)
            return -ETIMEDOUT;
        err = sleep_for_one(s, deadline < now + SLICE ? deadline : now + SLICE,
                            &seat);
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
    struct sheet_seat *seat = &s->seats[req->reply_to];

    if (msg == NULL) {
        if (seat->used)
            leave(s, seat);
        return 0;
    }
    if (seat != s->asked)
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
            leave(s, i);
    guard_watch(NULL, 0);
    alarm_free(&s->alarm);
    sheet_sweep(s->name, s->kind);
    close(s->life);
}

/*
 * sheet.c - the protocol over a sheet and a baton for each client.
 *
 *      client                                   server
 *      put the request
 *      pass            --- byte t free --->     try (or wait): the turn is ours
 *      wait                                     get the request ... put the
 *                                               reply
 *      the turn is     <-- byte t+1 free --     pass
 *      ours: get it
 */
#define _GNU_SOURCE /* getrandom */
#include "sheet.h"

#include "core/clock.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the areas ------------------------------------------------------------- */

/* Bytes of an area: whole pages. */
static size_t
area(const struct sheet_kind *kind)
{
    size_t size = sizeof(struct sheet_note) + kind->max;

    return (size + SHEET_AREA - 1) / SHEET_AREA * SHEET_AREA;
}

off_t
sheet_replies(const struct sheet_kind *kind)
{
    return SHEET_AREA + (off_t)area(kind);
}

size_t
sheet_size(const struct sheet_kind *kind)
{
    return SHEET_AREA + 2 * area(kind);
}

int
sheet_hold(const struct sheet_kind *kind, struct sheet *sheet)
{
    return kind->hold == NULL ? 0 : kind->hold(sheet, sheet_size(kind));
}

void
sheet_let_go(struct sheet *sheet)
{
    if (sheet->map != NULL && sheet->map->memory != NULL) {
        munmap(sheet->map->memory, sheet->map->size);
        *sheet->map = (struct guarded){.memory = NULL};
    }
    close(sheet->fd); /* and with it all our locks */
}

bool
sheet_write_head(int fd, size_t at, const void *what, size_t size)
{
    return pwrite(fd, what, size, (off_t)at) == (ssize_t)size;
}

/* -- client ---------------------------------------------------------------- */

/* Makes a sheet that was not there, our turn.  name: to be unlinked.  Until all
 * is ready it has mode 0. */
static int
make_sheet(struct sheet_client *c, const struct meet_names *names,
           char name[ENDPOINT_SIZE + 32])
{
    const struct meet_store *store = c->kind->store;
    struct sheet_head head = {.mark = SHEET_MARK, .uid = geteuid()};
    uint32_t serial;
    int fd, err;

    /* Random, so that nobody can take the name before us. */
    if (getrandom(&serial, sizeof serial, 0) != sizeof serial)
        return -errno;
    snprintf(name, ENDPOINT_SIZE + 32, "%s%u.%u", names->base,
             (unsigned)getpid(), serial);
    fd = store->open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0);
    if (fd == -1)
        return -errno;
    c->sheet = (struct sheet){.fd = fd, .map = &c->map};
    /* Memory has to be there from the beginning: a file of holes on a full
     * file system is a SIGBUS, later; this is an ENOSPC, now. */
    do
        err = c->kind->hold == NULL
                  ? 0
                  : -posix_fallocate(fd, 0, (off_t)sheet_size(c->kind));
    while (err == -EINTR);
    if (err == 0)
        err = sheet_hold(c->kind, &c->sheet);
    if (err == 0)
        err = baton_first(&c->baton, fd);
    errno = EIO; /* not written whole */
    if (err == 0 && !sheet_write_head(fd, 0, &head, sizeof head))
        err = -errno;                       /* EFBIG, ENOSPC */
    if (err == 0 && fchmod(fd, 0600) == -1) /* now the server may take it */
        err = -errno;
    if (err != 0) {
        store->unlink(name);
        sheet_let_go(&c->sheet);
    }
    return err;
}

/* Our sheet will have mode 0600: only we, and root, can open it. */
static int
can_be_served(int life)
{
    struct stat st;

    if (fstat(life, &st) == -1)
        return -errno;
    return st.st_uid == 0 || st.st_uid == geteuid() ? 0 : -EACCES;
}

/* Waits until the server has found the sheet.  A lock cannot tell: it is the
 * server who takes one. */
static int
wait_for_verdict(struct sheet_client *c, int life)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct sheet_head head;
    int err;

    for (;;) {
        if (pread(c->sheet.fd, &head, sizeof head, 0) != sizeof head)
            return -EIO;
        if (head.verdict == SHEET_WELCOME)
            break;
        if (head.verdict == SHEET_FULL)
            return -EAGAIN;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        err = wait_for(life, 0, now_ns() + NS_PER_MS);
        if (err == 0) /* POLLHUP: it has died */
            return -ECONNREFUSED;
        if (err != -ETIMEDOUT && err != -EINTR)
            return err;
    }
    if (pread(c->sheet.fd, c->nonce, NONCE_SIZE,
              offsetof(struct sheet_head, nonce)) != NONCE_SIZE)
        return -EIO;
    return 0;
}

int
sheet_open(void *cli, const char *where, const struct sheet_kind *kind)
{
    struct sheet_client *c = cli;
    char name[ENDPOINT_SIZE + 32];
    struct meet_names names;
    int life, err = kind->store->names(where, &names);

    c->kind = kind;
    if (err != 0)
        return err;
    life = life_watch(where);
    if (life < 0)
        return life;
    err = can_be_served(life);
    if (err == 0)
        err = make_sheet(c, &names, name);
    if (err != 0)
        goto close_life;
    err = wait_for_verdict(c, life);
    if (err != 0) {
        kind->store->unlink(name);
        sheet_let_go(&c->sheet);
    }
close_life:
    close(life); /* from now on the baton tells */
    return err;
}

/* Waits until our turn has come back, perhaps with a message. */
static int
come_back(struct sheet_client *c, struct ipc_message *msg, int64_t deadline)
{
    struct sheet_note note;
    int err = baton_wait(&c->baton, &c->alarm, deadline);

    if (err != 0)
        return err;
    c->turn = LOST;
    if (c->kind->get(&c->sheet, sheet_replies(c->kind), &note, msg->buf,
                     msg->cap) != 0 ||
        note.done != c->baton.turn)
        return -EPIPE; /* it has died, or shown us the door */
    msg->len = note.len;
    c->turn = MINE;
    return 0;
}

int
sheet_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct sheet_client *c = cli;
    struct sheet_note note = {.len = (uint32_t)msg->len};
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    if (msg->len > c->kind->max)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->turn == LOST)
        return -EPIPE;
    if (c->turn == REPLY_DUE)
        return -EBUSY;
    while (c->turn != MINE) {
        struct ipc_message late = {.buf = NULL, .cap = c->kind->max};

        err = come_back(c, &late, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    note.done = c->baton.turn + 1;
    memcpy(note.nonce, c->nonce, NONCE_SIZE);
    err = c->kind->put(&c->sheet, SHEET_AREA, &note, msg->buf);
    if (err == 0)
        err = baton_pass(&c->baton);
    if (err == 0)
        c->turn = wire_wants_reply(msg) ? REPLY_DUE : NOTICE_OUT;
    return err;
}

int
sheet_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct sheet_client *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    msg->fd = -1;
    while (c->turn != MINE && c->turn != LOST) {
        err = come_back(c, msg, deadline);
        if (err == -ETIMEDOUT && c->turn == REPLY_DUE)
            c->turn = GIVEN_UP;
        if (err != 0)
            return err;
        if (msg->len > 0) /* otherwise a notice's turn, which is no reply */
            return 0;
    }
    /* Nothing is due.  But the server may leave. */
    err = c->turn == LOST ? 0 : baton_watch(&c->baton, &c->alarm, deadline);
    if (err == 0)
        c->turn = LOST;
    return err == 0 ? -EPIPE : err;
}

void
sheet_forget(void *cli)
{
    struct sheet_client *c = cli;

    /* The locks are the open file's, which the parent still has. */
    alarm_forget(&c->alarm);
    sheet_let_go(&c->sheet);
}

void
sheet_close(void *cli)
{
    struct sheet_client *c = cli;

    alarm_free(&c->alarm);
    sheet_let_go(&c->sheet);
}

/*
 * turnfile_client.c - the client's side of a file with turns.
 *
 *      client                                   server
 *      put the request
 *      pass            --- byte t free --->     try (or wait): the turn is ours
 *      wait                                     get the request ... put the
 *                                               reply
 *      the turn is     <-- byte t+1 free --     pass
 *      ours: get it
 */
#define _GNU_SOURCE /* the calls of client_memory */
#include "turnfile.h"

#include "clock.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* -- the areas, the mapping ------------------------------------------------ */

/* Bytes of an area: whole pages. */
static size_t
area(const struct turnfile_kind *kind)
{
    size_t size = sizeof(struct turnfile_note) + kind->max;

    return (size + TURNFILE_AREA - 1) / TURNFILE_AREA * TURNFILE_AREA;
}

off_t
turnfile_replies(const struct turnfile_kind *kind)
{
    return TURNFILE_AREA + (off_t)area(kind);
}

size_t
turnfile_size(const struct turnfile_kind *kind)
{
    return kind->mapped ? TURNFILE_AREA + 2 * area(kind) : 0;
}

int
turnfile_hold(const struct turnfile_kind *kind, struct turnfile *f)
{
    const size_t size = turnfile_size(kind);
    void *memory;

    if (!kind->mapped)
        return 0;
    memory = memory_map(f->fd, size, PROT_READ | PROT_WRITE);
    if (memory == NULL)
        return -errno;
    *f->map = (struct guarded){.memory = memory, .size = size};
    return 0;
}

void
turnfile_let_go(struct turnfile *f)
{
    if (f->map != NULL && f->map->memory != NULL) {
        munmap(f->map->memory, f->map->size);
        *f->map = (struct guarded){.memory = NULL};
    }
    close(f->fd); /* and with it all our locks */
}

/* -- joining --------------------------------------------------------------- */

/* A new file, our turn. */
static int
make_file(struct turnfile_client *c, const char *where, struct registration *r,
          char path[PATH_MAX])
{
    const struct client_memory *memory = c->kind->memory;
    struct turnfile_head head = {.mark = TURNFILE_MARK, .uid = r->uid};
    int err = registration_begin(r, r->uid);

    if (err != 0)
        return err;
    c->file.fd = memory->make(where, turnfile_size(c->kind), r, path);
    if (c->file.fd < 0)
        return c->file.fd;
    c->file.map = &c->map;
    head.serial = r->serial;
    err = turnfile_hold(c->kind, &c->file);
    if (err == 0)
        err = handoff_first(&c->handoff, c->file.fd);
    if (err == 0)
        err = memory->write(c->file.fd, 0, &head, sizeof head);
    if (err != 0) {
        if (path[0] != '\0')
            unlink(path);
        turnfile_let_go(&c->file);
    }
    return err;
}

/* Waits until the server has found the file.  A lock cannot tell: it is the
 * server who takes one.  So it looks again, soon at first. */
static int
wait_for_verdict(struct turnfile_client *c, int64_t deadline)
{
    int64_t rest = NS_PER_MS / 20;
    struct turnfile_head head;
    int err;

    for (;;) {
        if (pread(c->file.fd, &head, sizeof head, 0) != sizeof head)
            return -EIO;
        if (head.verdict != TURNFILE_NOT_YET)
            break;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        err = wait_for(c->server.life, 0, now_ns() + rest);
        if (err == 0) /* POLLHUP: it has died */
            return -ECONNREFUSED;
        if (err != -ETIMEDOUT && err != -EINTR)
            return err;
        rest = rest < NS_PER_MS ? 2 * rest : rest;
    }
    if (head.verdict == TURNFILE_FULL)
        return -EAGAIN;
    /* It was there before the verdict; what we have read may be older. */
    return pread(c->file.fd, c->nonce, NONCE_SIZE,
                 offsetof(struct turnfile_head, nonce)) == NONCE_SIZE
               ? 0
               : -EIO;
}

int
turnfile_open(void *cli, const char *where, const struct turnfile_kind *kind)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct registration r = {.uid = geteuid()};
    struct turnfile_client *c = cli;
    char path[PATH_MAX] = "";
    int err;

    c->kind = kind;
    err = registry_open(&c->server, where);
    if (err != 0)
        return err;
    err = make_file(c, where, &r, path);
    if (err != 0)
        goto close_registry;
    err = registration_send(&c->server, &r, deadline, NULL, NULL);
    if (err == 0)
        err = wait_for_verdict(c, deadline);
    /* Both have it open now, or never will: a crash from here on leaves
     * nothing. */
    if (path[0] != '\0')
        unlink(path);
    c->heard = now_ns();
    if (err == 0)
        return 0;
    turnfile_let_go(&c->file);
close_registry:
    registry_close(&c->server);
    return err;
}

/* -- send, recv, close ----------------------------------------------------- */

/* Waits until our turn has come back, perhaps with a reply; or, if it is ours,
 * until the server leaves. */
static int
come_back(void *cli, int64_t deadline)
{
    struct turnfile_client *c = cli;
    struct turnfile_note note;
    int err;

    if (turn_is_mine(&c->turn)) {
        err = handoff_watch(&c->handoff, &c->alarm, deadline);
        return err == 0 ? -EPIPE : err;
    }
    err = handoff_wait(&c->handoff, &c->alarm, deadline);
    if (err != 0)
        return err;
    if (c->kind->get(&c->file, turnfile_replies(c->kind), &note,
                     c->into != NULL ? c->into->buf : NULL,
                     c->into != NULL ? c->into->cap : c->kind->max) != 0 ||
        note.done != c->handoff.turn)
        return -EPIPE; /* it has died, or disconnected us */
    if (c->into != NULL)
        c->into->len = note.len;
    c->heard = now_ns();
    return 0;
}

int
turnfile_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct turnfile_client *c = cli;
    struct turnfile_note note = {.len = (uint32_t)msg->len};
    int err = turn_may_send(&c->turn);

    c->into = NULL;
    if (err == 0)
        err = turn_take(&c->turn, come_back, c, deadline_in(timeout_ns));
    if (err != 0)
        return err;
    note.done = c->handoff.turn + 1;
    memcpy(note.nonce, c->nonce, NONCE_SIZE);
    err = c->kind->put(&c->file, TURNFILE_AREA, &note, msg->buf);
    if (err == 0)
        err = handoff_pass(&c->handoff);
    if (err != 0)
        return err;
    turn_sent(&c->turn, msg);
    if (now_ns() - c->heard > TURNFILE_QUIET)
        registry_ring(&c->server);
    return 0;
}

int
turnfile_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct turnfile_client *c = cli;

    msg->fd = -1;
    c->into = msg;
    return turn_reply(&c->turn, come_back, c, deadline_in(timeout_ns));
}

void
turnfile_forget(void *cli)
{
    struct turnfile_client *c = cli;

    /* The locks are the open file's, which the parent still has. */
    alarm_forget(&c->alarm);
    turnfile_let_go(&c->file);
    registry_close(&c->server);
}

void
turnfile_close(void *cli)
{
    struct turnfile_client *c = cli;

    alarm_free(&c->alarm);
    turnfile_let_go(&c->file);
    registry_close(&c->server);
}

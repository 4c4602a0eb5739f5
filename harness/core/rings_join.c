/*
 * rings_join.c - who comes and who goes: how a client and a server that share
 * no memory yet come to share some, and see whether the other still lives
 * (rings.h).
 */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "rings.h"

#include "defence.h"
#include "futex.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Does its maker still have it open?  The kernel lets go of the lock however it
 * dies. */
static bool
is_held(int fd)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* -- server: made, removed ------------------------------------------------- */

/* Only root can open other users' objects, so only root invites them. */
static int
map_page(struct rings_server *s)
{
    s->server_page =
        memory_map(s->page.fd, sizeof *s->server_page, PROT_READ | PROT_WRITE);
    if (s->server_page == NULL)
        return -errno;
    if (geteuid() == 0 && fchmod(s->page.fd, 0644) == -1) {
        int err = -errno;

        munmap(s->server_page, sizeof *s->server_page);
        return err;
    }
    return 0;
}

/* The register comes last: now clients find all. */
static int
open_register(struct rings_server *s)
{
    int err = 0;

    if (s->memory == &rings_shm)
        err = shared_page_publish(&s->page, s->name);
    if (err == 0)
        err = registrar_make(&s->registrar, s->name, geteuid() == 0);
    if (err == 0)
        alarm_listen(&s->alarm, s->registrar.fd);
    return err;
}

int
rings_create(void *srv, const char *name, const struct rings_memory *memory,
             const struct rings_waiting *waiting)
{
    struct rings_server *s = srv;
    int err = DEFENCE("guard", guard_install(), 0);

    strcpy(s->name, name);
    s->memory = memory;
    s->waiting = waiting;
    sessions_init(&s->sessions, IPC_MAX_CLIENTS, NO_DEADLINE);
    if (err == 0)
        err = memory->sweep(name);
    if (err >= 0)
        err = memory->make_page(s);
    if (err != 0)
        return err;
    err = map_page(s);
    if (err != 0)
        goto remove_page;
    err = open_register(s);
    if (err == 0)
        return 0;
    munmap(s->server_page, sizeof *s->server_page);
remove_page:
    memory->remove_page(s);
    return err;
}

void
rings_destroy(void *srv)
{
    struct rings_server *s = srv;
    int slot;

    guard_watch(s->segments, IPC_MAX_CLIENTS);
    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        rings_disconnect(s, (unsigned)slot);
    alarm_free(&s->alarm);
    registrar_remove(&s->registrar, s->name);
    munmap(s->server_page, sizeof *s->server_page);
    s->memory->remove_page(s);
    guard_watch(NULL, 0);
}

/* -- server: who comes ----------------------------------------------------- */

/* Is this a segment that a living client has prepared for us? */
static bool
is_ready(int fd, const struct registration *r)
{
    struct rings_head head;

    /* pread(2), not a mapping: nothing is ours to be careful about yet. */
    return pread(fd, &head, sizeof head, 0) == sizeof head &&
           head.ready == RINGS_READY && head.verdict == RINGS_NOT_YET &&
           head.uid == r->uid && head.serial == r->serial && is_held(fd);
}

static bool
is_known(const struct rings_server *s, const struct object_id *id)
{
    for (unsigned i = 0; i < s->sessions.top; i++)
        if (s->segments[i].memory != NULL && s->slots[i].id.dev == id->dev &&
            s->slots[i].id.ino == id->ino)
            return true;
    return false;
}

/* Takes the client in: maps its segment and leaves the nonce there. */
static int
take_in(struct rings_server *s, unsigned slot, int fd,
        const struct object_id *id, const struct ipc_peer *peer)
{
    struct rings_head *head;
    uint8_t nonce[NONCE_SIZE];
    int err = nonce_make(nonce);

    if (err != 0)
        return err;
    head = memory_map(fd, sizeof(struct rings_segment), PROT_READ | PROT_WRITE);
    if (head == NULL)
        return -errno;
    sessions_take(&s->sessions, slot, peer, now_ns());
    memcpy(s->sessions.slot[slot].nonce, nonce, NONCE_SIZE);
    s->slots[slot] = (struct rings_slot){.fd = fd, .id = *id};
    s->segments[slot] =
        (struct guarded){.memory = head, .size = sizeof(struct rings_segment)};
    memcpy(head->nonce, nonce, NONCE_SIZE);
    /* Pairs with the load in wait_for_verdict(): the nonce is there. */
    atomic_store(&head->verdict, RINGS_ADMITTED);
    futex_wake(&head->verdict);
    return 0;
}

/* Is there nobody at the other end?  What a dead one said before is still
 * heard. */
static bool
is_gone(const struct rings_server *s, unsigned slot)
{
    if (s->segments[slot].bitten ||
        sessions_overdue(&s->sessions, slot, now_ns()))
        return true;
    return !is_held(s->slots[slot].fd) &&
           !(sessions_is_in(&s->sessions, slot) && ring_peek(&s->in[slot]));
}

static int
find_slot(struct rings_server *s, uid_t uid)
{
    int slot = sessions_choose(&s->sessions, uid, now_ns()), next;

    if (slot >= 0)
        return slot;
    while ((next = sessions_reap(&s->sessions)) != -1)
        if (is_gone(s, (unsigned)next))
            rings_disconnect(s, (unsigned)next);
    return sessions_choose(&s->sessions, uid, now_ns());
}

static void
admit(struct rings_server *s, const struct registration *r)
{
    const struct client_memory *segments = s->memory->segments;
    const uint32_t full = RINGS_FULL;
    struct object_id id = {0};
    struct ipc_peer peer;
    int fd, slot;

    /* Nothing is opened for a user who would not get in. */
    if (sessions_barred(&s->sessions, r->uid, now_ns()))
        return;
    stall_begin(&s->stall);
    fd = segments->open(&s->dir, r);
    if (fd < 0)
        return;
    if (segments->check(fd, sizeof(struct rings_segment), r->uid, &peer) != 0 ||
        !is_ready(fd, r) || object_id_of(fd, &id) != 0 || is_known(s, &id)) {
        close(fd);
        return;
    }
    slot = find_slot(s, peer.uid);
    if (slot >= 0 && take_in(s, (unsigned)slot, fd, &id, &peer) == 0) {
        registrar_joined(r);
        if (stall_end(&s->stall, &s->sessions, peer.uid))
            rings_disconnect(s, (unsigned)slot);
        return;
    }
    /* If that fails it will give up by itself. */
    segments->write(fd, offsetof(struct rings_head, verdict), &full,
                    sizeof full);
    close(fd);
    stall_end(&s->stall, &s->sessions, peer.uid);
}

void
rings_look_around(struct rings_server *s)
{
    struct registration r[OBJECT_CLAIMS];
    int slot = sessions_reap(&s->sessions);
    uint32_t may_be;
    unsigned n;

    if (slot != -1 && is_gone(s, (unsigned)slot))
        rings_disconnect(s, (unsigned)slot);
    s->turns = 0;
    n = registrar_take(&s->registrar, r, OBJECT_CLAIMS);
    may_be = n > 0 ? s->memory->segments->glance(r, n) : 0;
    for (unsigned i = 0; i < n; i++)
        if (may_be >> i & 1)
            admit(s, &r[i]);
    s->crowd = registrar_more(&s->registrar);
    if (n > 0)
        s->look = 0;
    client_dir_tidy(&s->dir);
}

int
rings_wait_for_newcomer(struct rings_server *s, int64_t deadline)
{
    alarm_free(&s->alarm); /* it would disturb this sleep */
    if (registrar_more(&s->registrar))
        return 0;
    return wait_for(s->registrar.fd, POLLIN, deadline);
}

/* -- server: who is in, who goes ------------------------------------------- */

bool
rings_answered(struct rings_server *s, unsigned slot)
{
    struct rings_segment *p = rings_segment(s, slot);
    uint8_t answer[NONCE_SIZE];

    /* Pairs with the store in rings_join(). */
    if (atomic_load(&p->head.answered) == 0)
        return false;
    memcpy(answer, p->head.answer, NONCE_SIZE);
    if (!nonce_equal(answer, s->sessions.slot[slot].nonce) ||
        s->segments[slot].bitten) {
        rings_disconnect(s, slot);
        return false;
    }
    sessions_admit(&s->sessions, slot);
    s->in[slot] = (struct ring_reader){.ring = &p->requests};
    s->out[slot] = (struct ring_writer){.ring = &p->replies};
    return true;
}

void
rings_disconnect(struct rings_server *s, unsigned slot)
{
    struct rings_segment *p = rings_segment(s, slot);

    if (sessions_is_in(&s->sessions, slot)) {
        atomic_store(&p->head.verdict, RINGS_OVER);
        ring_end(&s->out[slot]);
        if (s->waiting->wake_client != NULL)
            s->waiting->wake_client(p, false);
    }
    munmap(p, sizeof *p);
    close(s->slots[slot].fd);
    s->segments[slot] = (struct guarded){.memory = NULL};
    sessions_leave(&s->sessions, slot);
}

/* -- client ---------------------------------------------------------------- */

/* How long to wait for the verdict before one rings a second time, ns: some
 * wake-ups.  Nobody is harmed by a ring too many; one that was not heard costs
 * us this long. */
#define RING_AGAIN (NS_PER_MS / 20)

static int
open_page(struct rings_client *c, const char *where,
          const struct rings_memory *memory)
{
    int fd = memory->open_page(where);

    if (fd < 0)
        return fd;
    c->server_page = memory_map(fd, sizeof *c->server_page, PROT_READ);
    close(fd);
    return c->server_page == NULL ? -errno : 0;
}

/* Makes the segment, all but its registration. */
static int
make_segment(struct rings_client *c, const char *where,
             const struct rings_memory *memory, struct registration *r,
             char path[PATH_MAX])
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int err = registration_begin(r, r->uid);

    if (err != 0)
        return err;
    c->segment_fd = memory->segments->make(where, sizeof *c->segment, r, path);
    if (c->segment_fd < 0)
        return c->segment_fd;
    if (fcntl(c->segment_fd, F_OFD_SETLK, &lock) == -1 ||
        (c->segment = memory_map(c->segment_fd, sizeof *c->segment,
                                 PROT_READ | PROT_WRITE)) == NULL) {
        err = -errno;
        if (path[0] != '\0')
            unlink(path);
        close(c->segment_fd);
        return err;
    }
    c->segment->head.uid = r->uid;
    c->segment->head.serial = r->serial;
    atomic_store(&c->segment->head.ready, RINGS_READY);
    return 0;
}

static void
wake_server(void *client)
{
    struct rings_client *c = client;

    c->rung = 0; /* whomever we woke last time, it did not help */
    if (c->waiting->wake_server != NULL)
        c->waiting->wake_server(c, false);
}

/* Waits until the server has found our segment. */
static int
wait_for_verdict(struct rings_client *c, int64_t deadline)
{
    struct rings_head *head = &c->segment->head;
    int64_t rest = RING_AGAIN;

    /* It may be awake, and have just looked: then it has not heard us.  So we
     * ring again, soon at first. */
    while (atomic_load(&head->verdict) == RINGS_NOT_YET) {
        if (registration_alive(&c->server) != 0)
            return -ECONNREFUSED;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        wake_server(c);
        futex_wait(&head->verdict, RINGS_NOT_YET, now_ns() + rest);
        rest = rest < RINGS_SLICE / 2 ? 2 * rest : RINGS_SLICE;
    }
    return atomic_load(&head->verdict) == RINGS_FULL ? -EAGAIN : 0;
}

int
rings_join(struct rings_client *c, const char *where,
           const struct rings_memory *memory, uid_t claimed)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct registration r = {.uid = claimed};
    char path[PATH_MAX] = "";
    int err;

    err = registry_open(&c->server, where);
    if (err != 0)
        return err;
    err = open_page(c, where, memory);
    if (err != 0)
        goto close_registry;
    err = make_segment(c, where, memory, &r, path);
    if (err != 0)
        goto unmap_page;
    err = registration_send(&c->server, &r, deadline, wake_server, c);
    if (err == 0)
        err = wait_for_verdict(c, deadline);
    /* Both sides have it open now, or never will; a crash from here on leaves
     * nothing. */
    if (path[0] != '\0')
        unlink(path);
    if (err != 0)
        goto close_segment;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): it is mapped */
    memcpy(c->segment->head.answer, c->segment->head.nonce, NONCE_SIZE);
    /* Pairs with the load in rings_answered(). */
    c->said = &c->segment->head.answered;
    atomic_store(c->said, 1);
    wake_server(c);
    return 0;

close_segment:
    munmap(c->segment, sizeof *c->segment);
    close(c->segment_fd);
unmap_page:
    munmap((void *)(uintptr_t)c->server_page, sizeof *c->server_page);
close_registry:
    registry_close(&c->server);
    return err;
}

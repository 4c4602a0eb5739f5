/*
 * rings_join.c - who comes and who goes: how a client and a server that share no
 * memory yet come to share some, and see whether the other still lives
 * (rings.h).
 */
#define _GNU_SOURCE /* F_OFD_SETLK, MAP_POPULATE, RUSAGE_THREAD, getrandom */
#include "rings.h"

#include "core/defence.h"
#include "park.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Maps it with all its pages there, so that nobody pays for the first touch in
 * the middle of a conversation. */
static void *
map(int fd, size_t size, int prot)
{
    void *memory = mmap(NULL, size, prot, MAP_SHARED | MAP_POPULATE, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Does its maker still have it open?  The kernel lets go of the lock however it
 * dies. */
static bool
is_held(int fd)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* -- server: made, removed ------------------------------------------------- */

static int
map_board(struct rings_server *s)
{
    int err = object_id_of(s->board_fd, &s->board_id);

    if (err == 0)
        err = -posix_fallocate(s->board_fd, 0, sizeof *s->board);
    if (err != 0)
        return err;
    s->board = map(s->board_fd, sizeof *s->board, PROT_READ | PROT_WRITE);
    if (s->board == NULL)
        return -errno;
    /* Only root can open other users' objects, so only root invites them. */
    if (geteuid() == 0 && fchmod(s->board_fd, 0644) == -1) {
        err = -errno;
        munmap(s->board, sizeof *s->board);
    }
    return err;
}

/* The register comes last: now clients find all. */
static int
open_register(struct rings_server *s)
{
    int err = 0;

    if (s->memory == &rings_shm)
        err = endpoint_publish(s->name, "name", s->board_name, &s->endpoint_id);
    if (err == 0)
        err = registrar_make(&s->registrar, s->name);
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
        err = memory->make_board(s);
    if (err != 0)
        return err;
    err = map_board(s);
    if (err != 0)
        goto remove_board;
    err = open_register(s);
    if (err == 0)
        return 0;
    munmap(s->board, sizeof *s->board);
remove_board:
    memory->remove_board(s);
    close(s->board_fd);
    return err;
}

void
rings_destroy(void *srv)
{
    struct rings_server *s = srv;
    int slot;

    guard_watch(s->places, IPC_MAX_CLIENTS);
    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        rings_disconnect(s, (unsigned)slot);
    registrar_remove(&s->registrar, s->name);
    munmap(s->board, sizeof *s->board);
    s->memory->remove_board(s);
    close(s->board_fd);
    guard_watch(NULL, 0);
}

/* -- server: who comes ----------------------------------------------------- */

/* A client's own file can make us wait, while its owner has the kernel do
 * something to it that takes long (a gigabyte of it punched out: 1.5 s); whose
 * files do so is kept out for a while, ns.  Long enough to be no busy machine's
 * fault, on which we wait too, but for the processor. */
#define TOO_LONG (500 * NS_PER_MS)

/* How often this thread has gone to sleep by itself, as for a lock. */
static long
sleeps(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

/* Is this a place that a living client has prepared for us? */
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
        if (s->places[i].memory != NULL && s->slots[i].id.dev == id->dev &&
            s->slots[i].id.ino == id->ino)
            return true;
    return false;
}

/* Takes the client in: maps its place and leaves the nonce there. */
static int
take_in(struct rings_server *s, unsigned slot, int fd,
        const struct object_id *id, const struct ipc_peer *peer)
{
    struct rings_head *head;
    uint8_t nonce[NONCE_SIZE];
    int err = nonce_make(nonce);

    if (err != 0)
        return err;
    head = map(fd, sizeof(struct rings_place), PROT_READ | PROT_WRITE);
    if (head == NULL)
        return -errno;
    sessions_take(&s->sessions, slot, peer, now_ns());
    memcpy(s->sessions.slot[slot].nonce, nonce, NONCE_SIZE);
    s->slots[slot] = (struct rings_slot){.fd = fd, .id = *id};
    s->places[slot] =
        (struct guarded){.memory = head, .size = sizeof(struct rings_place)};
    memcpy(head->nonce, nonce, NONCE_SIZE);
    /* Pairs with the load in wait_for_verdict(): the nonce is there. */
    atomic_store(&head->verdict, RINGS_WELCOME);
    futex_wake(&head->verdict);
    return 0;
}

/* Is there nobody at the other end?  What a dead one said before is still
 * heard. */
static bool
is_gone(const struct rings_server *s, unsigned slot)
{
    if (s->places[slot].bitten ||
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
    const uint32_t full = RINGS_FULL;
    int64_t start = now_ns();
    long before = sleeps();
    int fd = s->memory->open_place(s, r), slot;
    struct object_id id = {0};
    struct ipc_peer peer;
    ssize_t told;

    if (fd < 0)
        return;
    if (s->memory->check_place(fd, r->uid, &peer) != 0 || !is_ready(fd, r) ||
        object_id_of(fd, &id) != 0 || is_known(s, &id))
        goto close_place;
    slot = find_slot(s, peer.uid);
    if (slot >= 0 && take_in(s, (unsigned)slot, fd, &id, &peer) == 0) {
        if (now_ns() - start > TOO_LONG && sleeps() != before &&
            s->memory == &rings_files)
            sessions_bar(&s->sessions, peer.uid, now_ns());
        return;
    }
    told = pwrite(fd, &full, sizeof full, offsetof(struct rings_head, verdict));
    (void)told; /* if not, it will give up by itself */
close_place:
    close(fd);
}

void
rings_look_around(struct rings_server *s)
{
    struct registration r;
    int slot = sessions_reap(&s->sessions);

    if (slot != -1 && is_gone(s, (unsigned)slot))
        rings_disconnect(s, (unsigned)slot);
    s->turns = 0;
    s->crowd++;
    for (int i = 0; i < REGISTRATIONS_A_TURN; i++) {
        if (registrar_next(&s->registrar, &r) == 0) {
            s->crowd = 0;
            break;
        }
        admit(s, &r);
    }
    client_dir_tidy(&s->dir);
}

int
rings_wait_for_newcomer(struct rings_server *s, int64_t deadline)
{
    if (registrar_pending(&s->registrar))
        return 0;
    return wait_for(s->registrar.fd, POLLIN, deadline);
}

/* -- server: who is in, who goes ------------------------------------------- */

bool
rings_answered(struct rings_server *s, unsigned slot)
{
    struct rings_place *p = rings_place(s, slot);
    uint8_t answer[NONCE_SIZE];

    /* Pairs with the store in rings_join(). */
    if (atomic_load(&p->head.answered) == 0)
        return false;
    memcpy(answer, p->head.answer, NONCE_SIZE);
    if (!nonce_equal(answer, s->sessions.slot[slot].nonce) ||
        s->places[slot].bitten) {
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
    struct rings_place *p = rings_place(s, slot);

    if (sessions_is_in(&s->sessions, slot)) {
        atomic_store(&p->head.verdict, RINGS_OVER);
        ring_end(&s->out[slot]);
        if (s->waiting->wake_client != NULL)
            s->waiting->wake_client(p, false);
    }
    munmap(p, sizeof *p);
    close(s->slots[slot].fd);
    s->places[slot] = (struct guarded){.memory = NULL};
    sessions_leave(&s->sessions, slot);
}

/* -- client ---------------------------------------------------------------- */

/* How long to wait for the verdict before one rings a second time, ns: some
 * wake-ups.  Nobody is harmed by a ring too many; one that was not heard costs us
 * this long. */
#define RING_AGAIN (NS_PER_MS / 20)

static int
open_board(struct rings_client *c, const char *where,
           const struct rings_memory *memory)
{
    int err = 0, fd = memory->open_board(where);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_size != sizeof *c->board)
        err = -EPERM;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0) {
        c->board = map(fd, sizeof *c->board, PROT_READ);
        err = c->board == NULL ? -errno : 0;
    }
    close(fd);
    return err;
}

/* Makes the place, all but its registration. */
static int
make_place(struct rings_client *c, const char *where,
           const struct rings_memory *memory, struct registration *r,
           char path[PATH_MAX])
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int err = 0;

    r->pid = (uint32_t)getpid();
    if (getrandom(&r->serial, sizeof r->serial, 0) != sizeof r->serial)
        return -errno;
    c->place_fd = memory->make_place(where, r, path);
    if (c->place_fd < 0)
        return c->place_fd;
    if (fcntl(c->place_fd, F_OFD_SETLK, &lock) == -1 ||
        (c->place = map(c->place_fd, sizeof *c->place,
                        PROT_READ | PROT_WRITE)) == NULL) {
        err = -errno;
        if (path[0] != '\0')
            unlink(path);
        close(c->place_fd);
        return err;
    }
    c->place->head.uid = r->uid;
    c->place->head.serial = r->serial;
    atomic_store(&c->place->head.ready, RINGS_READY);
    return 0;
}

/* Waits until the server has found our place. */
static int
wait_for_verdict(struct rings_client *c, int64_t deadline)
{
    struct rings_head *head = &c->place->head;
    int64_t rest = RING_AGAIN;

    /* It may be awake, and have just looked: then it has not heard us.  So we
     * ring again, soon at first. */
    while (atomic_load(&head->verdict) == RINGS_NOT_YET) {
        if (registration_alive(c->life) != 0)
            return -ECONNREFUSED;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        c->rung = 0; /* whomever we woke last time, it did not help */
        if (c->waiting->wake_server != NULL)
            c->waiting->wake_server(c, false);
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

    c->life = registration_open(where);
    if (c->life < 0)
        return c->life;
    err = open_board(c, where, memory);
    if (err != 0)
        goto close_life;
    err = make_place(c, where, memory, &r, path);
    if (err != 0)
        goto unmap_board;
    err = registration_send(c->life, &r, deadline);
    if (err == 0)
        err = wait_for_verdict(c, deadline);
    /* Both sides have it open now, or never will; a crash from here on leaves
     * nothing. */
    if (path[0] != '\0')
        unlink(path);
    if (err != 0)
        goto close_place;
    memcpy(c->place->head.answer, c->place->head.nonce, NONCE_SIZE);
    /* Pairs with the load in rings_answered(). */
    atomic_store(&c->place->head.answered, 1);
    c->rung = 0;
    if (c->waiting->wake_server != NULL)
        c->waiting->wake_server(c, false);
    return 0;

close_place:
    munmap(c->place, sizeof *c->place);
    close(c->place_fd);
unmap_board:
    munmap((void *)(uintptr_t)c->board, sizeof *c->board);
close_life:
    close(c->life);
    return err;
}

/*
 * meet_server.c - the server's side of the meeting: it makes the board, finds
 * newcomers, proves them, and sees who has gone (meet.h).
 */
#define _GNU_SOURCE /* O_NOFOLLOW, syscall */
#include "meet.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/share.h"
#include "park.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- make, remove --------------------------------------------------------- */

int
meet_create(struct meet_server *s, const struct meet_store *store,
            const char *endpoint, size_t board_size, size_t place_size)
{
    int err = store->names(endpoint, &s->names);

    s->store = store;
    s->board_size = board_size;
    s->place_size = place_size;
    if (err == 0)
        err = DEFENCE("guard", guard_install(), 0);
    if (err == 0)
        err = store_sweep(store, endpoint);
    if (err < 0)
        return err;
    if (store->own_dir && mkdir(s->names.dir, 0700) == -1)
        return errno == EEXIST ? -EPERM : -errno;
    err = store_make(store, s->names.board, board_size, &s->fd, &s->board);
    if (err != 0 && store->own_dir)
        rmdir(s->names.dir);
    return err;
}

int
meet_open_house(struct meet_server *s, mode_t mode)
{
    /* Only root can open other users' 0600 objects, so only root invites them.
     * Sticky: nobody removes or renames another's (inode(7)). */
    if (geteuid() != 0)
        return 0;
    if (s->store->own_dir && chmod(s->names.dir, 01777) == -1)
        return -errno;
    return fchmod(s->fd, mode) == -1 ? -errno : 0;
}

void
meet_destroy(struct meet_server *s)
{
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->places[i].memory != NULL)
            meet_leave(s, i);
    munmap(s->board, s->board_size);
    s->store->unlink(s->names.board);
    if (s->store->own_dir)
        rmdir(s->names.dir);
    close(s->fd);
    guard_watch(NULL, 0);
}

/* -- who comes ------------------------------------------------------------ */

/* How long after a look the next one is due if nobody has knocked, ns. */
#define UNASKED (5 * NS_PER_MS)

/* After so much time of taking people in, ns, those who are in come first. */
#define SEATING_MAX NS_PER_MS

/* Is this a place that a living client of that uid has prepared for us? */
static bool
is_proper(const struct meet_server *s, int fd, const struct stat *st,
          struct ipc_peer *peer)
{
    struct meet_head head;

    /* pread(2), not a mapping: nothing is ours to be careful about yet. */
    return st->st_size == (off_t)s->place_size &&
           pread(fd, &head, sizeof head, 0) == sizeof head &&
           head.ready == MEET_READY &&
           owner_check_fd(fd, S_IFREG, head.uid, peer) == 0 && store_held(fd);
}

static bool
has_his_share(const struct meet_server *s, uid_t uid)
{
    size_t has = 0;

    for (unsigned i = 0; i < s->top; i++)
        has += s->places[i].memory != NULL && s->guests[i].peer.uid == uid;
    return share_spent(uid, has, IPC_MAX_CLIENTS);
}

static unsigned
free_seat(const struct meet_server *s)
{
    unsigned seat = 0;

    while (seat < IPC_MAX_CLIENTS && s->places[seat].memory != NULL)
        seat++;
    return seat;
}

/* ns of processor time that this thread has had: what a look costs us, however
 * long the others keep us from going on with it. */
static int64_t
time_spent(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

/* Takes the client in: maps its place and leaves the nonce there. */
static int
seat_guest(struct meet_server *s, unsigned seat, int fd, const struct stat *st,
           const struct ipc_peer *peer)
{
    struct meet_guest *g = &s->guests[seat];
    struct meet_head *head;
    void *memory;
    int64_t start = time_spent();
    int err = nonce_make(g->nonce);

    if (err == 0)
        err = store_map(fd, s->place_size, PROT_READ | PROT_WRITE, &memory);
    if (err != 0)
        return err;
    g->fd = fd;
    g->since = now_ns();
    g->dev = st->st_dev;
    g->ino = st->st_ino;
    g->peer = *peer;
    s->places[seat] = (struct guarded){.memory = memory, .size = s->place_size};
    if (s->top <= seat)
        s->top = seat + 1;
    head = memory;
    memcpy(head->nonce, g->nonce, NONCE_SIZE);
    /* Pairs with the load in wait_for_verdict(): the nonce is there. */
    atomic_store(&head->verdict, MEET_WELCOME);
    futex_wake(&head->verdict);
    s->seating += time_spent() - start;
    return 0;
}

static bool
admit(const char *name, void *arg)
{
    const uint32_t full = MEET_FULL;
    struct meet_server *s = arg;
    unsigned seat = free_seat(s);
    struct ipc_peer peer;
    struct stat st;
    ssize_t told;
    /* O_NONBLOCK: whatever it may be, opening it does not make us wait. */
    int fd =
        s->store->open(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

    if (fd == -1)
        return true;
    if (fstat(fd, &st) == -1)
        goto close_file;
    /* We may meet it again before it has removed its name. */
    for (unsigned i = 0; i < s->top; i++)
        if (s->places[i].memory != NULL && s->guests[i].dev == st.st_dev &&
            s->guests[i].ino == st.st_ino)
            goto close_file;
    if (!is_proper(s, fd, &st, &peer))
        goto close_file;
    if (seat < IPC_MAX_CLIENTS && !has_his_share(s, peer.uid) &&
        seat_guest(s, seat, fd, &st, &peer) == 0)
        return s->seating < SEATING_MAX;
    told = pwrite(fd, &full, sizeof full, offsetof(struct meet_head, verdict));
    (void)told; /* if not, it will give up by itself */
close_file:
    close(fd);
    return true;
}

/* Admits newcomers, if it is time to look again: looking must not become the
 * server's main business, however much there is to see, however often somebody
 * knocks. */
static void
scan(struct meet_server *s, int64_t now)
{
    int64_t start;

    if (now < s->next_scan + (s->knocked ? 0 : UNASKED))
        return;
    start = time_spent();
    s->seating = 0;
    store_each(&s->names, admit, s);
    /* It looks for at most a twentieth of our time, even if somebody has put a
     * million names there.  To take in who was found is no looking, but work
     * like a request; for that, half of our time at most. */
    s->next_scan =
        now + 20 * (time_spent() - start - s->seating) + 2 * s->seating;
    s->knocked = s->seating >= SEATING_MAX; /* there may be more */
}

int64_t
meet_bedtime(const struct meet_server *s, int64_t deadline)
{
    return s->knocked && s->next_scan < deadline ? s->next_scan : deadline;
}

/* -- who is in, who goes -------------------------------------------------- */

bool
meet_answered(struct meet_server *s, unsigned seat)
{
    struct meet_head *head = s->places[seat].memory;
    struct meet_guest *g = &s->guests[seat];
    uint8_t answer[NONCE_SIZE];

    /* Pairs with the store in meet_join(). */
    if (atomic_load(&head->answered) == 0)
        return false;
    memcpy(answer, head->answer, NONCE_SIZE);
    if (nonce_equal(answer, g->nonce) && !s->places[seat].bitten)
        g->admitted = true;
    else
        meet_leave(s, seat);
    return g->admitted;
}

/* Looks after the next guest (all, if there is no free seat): the seat of one
 * that has died or does not answer its nonce; or -1. */
static int
patrol(struct meet_server *s, int64_t now)
{
    for (unsigned i = 0; i < s->top; i++) {
        const struct meet_guest *g;

        s->patrol = (s->patrol + 1) % IPC_MAX_CLIENTS;
        if (s->places[s->patrol].memory == NULL)
            continue;
        g = &s->guests[s->patrol];
        if (s->places[s->patrol].bitten || !store_held(g->fd) ||
            (!g->admitted && now - g->since > ipc_open_timeout))
            return (int)s->patrol;
        /* One at a time, unless somebody needs the seats. */
        if (free_seat(s) < IPC_MAX_CLIENTS)
            break;
    }
    return -1;
}

void
meet_leave(struct meet_server *s, unsigned seat)
{
    struct meet_guest *g = &s->guests[seat];

    munmap(s->places[seat].memory, s->places[seat].size);
    close(g->fd);
    s->places[seat] = (struct guarded){.memory = NULL};
    *g = (struct meet_guest){.turn = g->turn + 1};
    while (s->top > 0 && s->places[s->top - 1].memory == NULL)
        s->top--;
}

void
meet_look_after(struct meet_server *s,
                bool (*unheard)(const struct meet_server *s, unsigned seat))
{
    int64_t now = now_ns();
    int gone;

    while ((gone = patrol(s, now)) != -1) {
        if (s->guests[gone].admitted && !s->places[gone].bitten &&
            unheard(s, (unsigned)gone))
            break;
        meet_leave(s, (unsigned)gone);
    }
    scan(s, now);
}

uint64_t
meet_token(const struct meet_server *s, unsigned seat)
{
    return (uint64_t)s->guests[seat].turn << 32 | seat;
}

int
meet_seat(const struct meet_server *s, uint64_t token)
{
    unsigned seat = (uint32_t)token;

    if (seat >= s->top || s->places[seat].memory == NULL ||
        s->guests[seat].turn != token >> 32)
        return -1;
    return (int)seat;
}

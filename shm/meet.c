/* meet.c - how a client and a server come to share memory. */
#define _GNU_SOURCE /* F_OFD_SETLK, getrandom, syscall */
#include "meet.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- POSIX shared memory -------------------------------------------------------
 *
 * A flat space of names that all processes share, shm_overview(7).  In Linux it
 * is a directory. */

#define SHM_DIR "/dev/shm"

static int
shm_names(const char *endpoint, struct meet_names *n)
{
    int err = endpoint_flat(endpoint, n->board);

    if (err == 0)
        err = endpoint_file(n->board, ".", n->base);
    strcpy(n->dir, SHM_DIR);
    n->prefix = n->base + 1;
    return err;
}

const struct meet_store meet_shm = {
    .names = shm_names, .open = shm_open, .unlink = shm_unlink};

const char *
meet_shm_unavailable(void)
{
    static char reason[128];
    char name[32];
    int fd;

    snprintf(name, sizeof name, "/ipclab-try-%d", (int)getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1) {
        snprintf(reason, sizeof reason, "shm_open: %s; is " SHM_DIR " mounted?",
                 strerror(errno));
        return reason;
    }
    close(fd);
    shm_unlink(name);
    return NULL;
}

/* -- small things -------------------------------------------------------------- */

int
futex_wait(const _Atomic uint32_t *word, uint32_t value, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    /* Not FUTEX_PRIVATE_FLAG: the other one is in another process.  BITSET, for
     * a point in time instead of a length; CLOCK_MONOTONIC's, futex(2). */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value,
                deadline == NO_DEADLINE ? NULL : &t, NULL,
                FUTEX_BITSET_MATCH_ANY) == -1)
        return -errno;
    return 0;
}

int
futex_wake(const _Atomic uint32_t *word)
{
    /* All of them: one alone might be a stranger who only wants us to believe
     * that we have woken somebody. */
    return (int)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int
hold_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &lock) == -1 ? -errno : 0;
}

/* Does its maker still hold it?  "Would a read lock be refused?": to ask that,
 * a descriptor for reading is enough. */
static bool
is_held(int fd)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Maps it with all its pages there, so that nobody pays for the first touch in
 * the middle of a conversation. */
static int
map(int fd, size_t size, int prot, void **memory)
{
    *memory = mmap(NULL, size, prot, MAP_SHARED | MAP_POPULATE, fd, 0);
    return *memory == MAP_FAILED ? -errno : 0;
}

/* Makes an object that was not there, locked, of zeros, and maps it. */
static int
make(const struct meet_store *store, const char *name, size_t size, int *fd,
     void **memory)
{
    int err;

    *fd = store->open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                      0600);
    if (*fd == -1)
        return errno == EEXIST ? -EPERM : -errno; /* not one of ours */
    /* Whatever the umask.  posix_fallocate, not ftruncate: a file of holes on
     * a full file system is a SIGBUS, later; this is an ENOSPC, now. */
    err = hold_lock(*fd);
    if (err == 0 && fchmod(*fd, 0600) == -1)
        err = -errno;
    while (err == 0 && (err = -posix_fallocate(*fd, 0, (off_t)size)) == -EINTR)
        err = 0;
    if (err == 0)
        err = map(*fd, size, PROT_READ | PROT_WRITE, memory);
    if (err != 0) {
        store->unlink(name);
        close(*fd);
    }
    return err;
}

/* -- server --------------------------------------------------------------------- */

/* Calls f for the name of each place that is there; f says when to stop. */
static void
each_place(const struct meet_names *n, bool (*f)(const char *name, void *arg),
           void *arg)
{
    size_t len = strlen(n->prefix);
    DIR *dir = opendir(n->dir);
    char name[ENDPOINT_SIZE + NAME_MAX + 1];
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, n->prefix, len) != 0 ||
            entry->d_name[len] == '.' || entry->d_name[len] == '\0')
            continue;
        snprintf(name, sizeof name, "%s%s", n->base, entry->d_name + len);
        if (!f(name, arg))
            break;
    }
    closedir(dir);
}

struct sweeping {
    const struct meet_store *store;
    int removed;
};

static bool
sweep_one(const char *name, void *arg)
{
    struct sweeping *sweeping = arg;

    if (sweeping->store->unlink(name) == 0)
        sweeping->removed = 1;
    return true;
}

int
meet_sweep(const struct meet_store *store, const char *endpoint)
{
    struct sweeping sweeping = {.store = store};
    struct meet_names n;
    int err = store->names(endpoint, &n);

    if (err != 0)
        return err;
    sweep_one(n.board, &sweeping);
    each_place(&n, sweep_one, &sweeping);
    if (store->own_dir && rmdir(n.dir) == 0)
        sweeping.removed = 1;
    return sweeping.removed;
}

int
meet_create(struct meet_server *s, const struct meet_store *store,
            const char *endpoint, size_t board_size, size_t place_size)
{
    int err = store->names(endpoint, &s->names);

    s->store = store;
    s->board_size = board_size;
    s->place_size = place_size;
    if (err == 0)
        err = guard_install();
    if (err == 0)
        err = meet_sweep(store, endpoint);
    if (err < 0)
        return err;
    if (store->own_dir && mkdir(s->names.dir, 0700) == -1)
        return errno == EEXIST ? -EPERM : -errno;
    err = make(store, s->names.board, board_size, &s->fd, &s->board);
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
           owner_check_fd(fd, S_IFREG, head.uid, peer) == 0 && is_held(fd);
}

static unsigned
free_seat(const struct meet_server *s)
{
    unsigned seat = 0;

    while (seat < IPC_MAX_CLIENTS && s->places[seat].memory != NULL)
        seat++;
    return seat;
}

/* Takes the client in: maps its place and leaves the nonce there. */
static int
seat_guest(struct meet_server *s, unsigned seat, int fd, const struct stat *st,
           const struct ipc_peer *peer)
{
    struct meet_guest *g = &s->guests[seat];
    struct meet_head *head;
    void *memory;
    int err = nonce_make(g->nonce);

    if (err == 0)
        err = map(fd, s->place_size, PROT_READ | PROT_WRITE, &memory);
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
    if (seat < IPC_MAX_CLIENTS && seat_guest(s, seat, fd, &st, &peer) == 0)
        return true;
    told = pwrite(fd, &full, sizeof full, offsetof(struct meet_head, verdict));
    (void)told; /* if not, it will give up by itself */
close_file:
    close(fd);
    return true;
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

bool
meet_scan(struct meet_server *s, int64_t now)
{
    int64_t start;

    if (now < s->next_scan)
        return false;
    start = time_spent();
    each_place(&s->names, admit, s);
    /* Each 5 ms, and at most a twentieth of our time even if somebody has put
     * a million names there. */
    s->next_scan = now + 5 * NS_PER_MS + 20 * (time_spent() - start);
    return true;
}

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

int
meet_patrol(struct meet_server *s, int64_t now)
{
    for (unsigned i = 0; i < s->top; i++) {
        const struct meet_guest *g;

        s->patrol = (s->patrol + 1) % IPC_MAX_CLIENTS;
        if (s->places[s->patrol].memory == NULL)
            continue;
        g = &s->guests[s->patrol];
        if (s->places[s->patrol].bitten || !is_held(g->fd) ||
            (!g->admitted && now - g->since > IPC_OPEN_TIMEOUT))
            return (int)s->patrol;
        /* One at a time, unless somebody needs the seats. */
        if (free_seat(s) < IPC_MAX_CLIENTS)
            break;
    }
    return -1;
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

/* -- client --------------------------------------------------------------------- */

bool
meet_server_lives(const struct meet_client *c)
{
    return is_held(c->board_fd);
}

static int
open_board(struct meet_client *c, const struct meet_store *store,
           const char *where, const char *name, int prot)
{
    int flags = prot & PROT_WRITE ? O_RDWR : O_RDONLY, err = 0;
    struct stat st;

    c->board_fd =
        store->open(name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (c->board_fd == -1)
        return -errno;
    if (fstat(c->board_fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = -EPERM;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0 && !meet_server_lives(c))
        err = -ECONNREFUSED;
    if (err == 0 && st.st_size != (off_t)c->board_size)
        err = -EPERM;
    if (err == 0)
        err = map(c->board_fd, c->board_size, prot, &c->board);
    if (err != 0)
        close(c->board_fd);
    return err;
}

/* Waits until the server has found our place. */
static int
wait_for_verdict(struct meet_client *c, void (*knock)(struct meet_client *))
{
    int64_t deadline = deadline_in(IPC_OPEN_TIMEOUT);
    struct meet_head *head = c->place;

    /* It may have just looked; so we knock again. */
    while (atomic_load(&head->verdict) == MEET_NOT_YET) {
        if (!meet_server_lives(c))
            return -ECONNREFUSED;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        knock(c);
        futex_wait(&head->verdict, MEET_NOT_YET, now_ns() + MEET_SLICE);
    }
    return atomic_load(&head->verdict) == MEET_FULL ? -EAGAIN : 0;
}

int
meet_join(struct meet_client *c, const struct meet_store *store,
          const char *where, const struct meet_manners *manners, uid_t claimed)
{
    char name[ENDPOINT_SIZE + 32];
    struct meet_names n;
    struct meet_head *head;
    uint32_t serial;
    int err = store->names(where, &n);

    c->board_size = manners->board_size;
    c->place_size = manners->place_size;
    if (err == 0)
        err = open_board(c, store, where, n.board, manners->board_prot);
    if (err != 0)
        return err;
    /* Random, so that nobody can take the name before us. */
    if (getrandom(&serial, sizeof serial, 0) != sizeof serial) {
        err = -errno;
        goto close_board;
    }
    snprintf(name, sizeof name, "%s%u.%u", n.base, (unsigned)getpid(), serial);
    err = make(store, name, c->place_size, &c->fd, &c->place);
    if (err != 0)
        goto close_board;
    head = c->place;
    head->uid = claimed;
    err = manners->prepare != NULL ? manners->prepare(c->place) : 0;
    if (err == 0) {
        atomic_store(&head->ready, MEET_READY);
        err = wait_for_verdict(c, manners->knock);
    }
    /* Both sides have it open now, or never will; a crash from here on leaves
     * nothing. */
    store->unlink(name);
    if (err != 0)
        goto close_place;
    memcpy(head->answer, head->nonce, NONCE_SIZE);
    /* Pairs with the load in meet_answered(). */
    atomic_store(&head->answered, 1);
    manners->knock(c);
    return 0;

close_place:
    munmap(c->place, c->place_size);
    close(c->fd);
close_board:
    munmap(c->board, c->board_size);
    close(c->board_fd);
    return err;
}

void
meet_part(struct meet_client *c)
{
    munmap(c->place, c->place_size);
    close(c->fd);
    munmap(c->board, c->board_size);
    close(c->board_fd);
}

/*
 * meet_client.c - the client's side of the meeting: it looks for the board,
 * makes its place, and answers the nonce (meet.h).
 */
#define _GNU_SOURCE /* O_NOFOLLOW, getrandom, syscall */
#include "meet.h"

#include "core/clock.h"
#include "park.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long to wait for the verdict before one knocks a second time, ns: some
 * wake-ups.  Nobody is harmed by a knock too many; one that was not heard costs
 * us this long. */
#define KNOCK_AGAIN (NS_PER_MS / 20)

bool
meet_server_lives(const struct meet_client *c)
{
    return store_held(c->board_fd);
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
        err = store_map(c->board_fd, c->board_size, prot, &c->board);
    if (err != 0)
        close(c->board_fd);
    return err;
}

/* Waits until the server has found our place. */
static int
wait_for_verdict(struct meet_client *c, void (*knock)(struct meet_client *))
{
    int64_t deadline = deadline_in(ipc_open_timeout), rest = KNOCK_AGAIN;
    struct meet_head *head = c->place;

    /* It may be awake, and have just looked: then it has not heard us.  So we
     * knock again, soon at first. */
    while (atomic_load(&head->verdict) == MEET_NOT_YET) {
        if (!meet_server_lives(c))
            return -ECONNREFUSED;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        knock(c);
        futex_wait(&head->verdict, MEET_NOT_YET, now_ns() + rest);
        rest = rest < MEET_SLICE / 2 ? 2 * rest : MEET_SLICE;
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
    err = store_make(store, name, c->place_size, &c->fd, &c->place);
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

/*
 * meet.h - how a client and a server that share no memory yet come to share
 * some: the part that all variants with named objects have in common.
 *
 *      the board       made by the server; says where it sleeps (futex.c)
 *      PID.SERIAL      made by each client, mode 0600: its place, where it and
 *                      the server talk.  The name goes as soon as both have it
 *                      open
 *
 * Who can write into an object can also shrink it, or scribble on it.  So
 * nobody may write on the board but the server, and nobody into a client's
 * place but that client and the server.  What everybody may do is to create a
 * file in the directory where the places are, which is sticky: it is there
 * that the server finds newcomers.
 *
 * Each side holds a lock on the object that it made, for as long as it lives;
 * the kernel lets go of it however its holder dies.  So the other side can ask
 * whether there is anybody left to wait for.
 *
 * Who asks?  A request lies in memory that only its owner can write, and the
 * kernel says who that owner is.  The nonce proves the rest: that the owner is
 * there, and that this is not an old file of his that somebody else has moved
 * here.
 */
#ifndef SHM_MEET_H
#define SHM_MEET_H

#include "core/guard.h"
#include "core/ipc.h"
#include "core/owner.h"
#include "core/rundir.h"
#include "store.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long anybody sleeps before it looks whether the other side still lives,
 * in ns. */
#define MEET_SLICE (20 * NS_PER_MS)

/* -- the head of a client's place ----------------------------------------- */

#define MEET_READY 0x314d4853U /* "SHM1" */

enum meet_verdict {
    MEET_NOT_YET,
    MEET_WELCOME, /* the nonce is there */
    MEET_FULL,
    MEET_OVER, /* shown the door */
};

struct meet_head {
    _Atomic uint32_t ready;    /* client: MEET_READY, when all else is */
    uint32_t uid;              /* client: who it says it is */
    _Atomic uint32_t verdict;  /* server; the client waits on it (futex) */
    _Atomic uint32_t answered; /* client: 1, the answer is there */
    uint8_t nonce[NONCE_SIZE]; /* server */
    uint8_t answer[NONCE_SIZE];
};

/* -- server --------------------------------------------------------------- */

struct meet_guest {
    int fd;        /* of its place; to ask whether it lives */
    uint32_t turn; /* how often this seat has been given away, for tokens */
    bool admitted; /* it has answered the nonce */
    int64_t since; /* when it came, ns */
    dev_t dev;
    ino_t ino;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct meet_server {
    const struct meet_store *store;
    struct meet_names names;
    int fd; /* the board; locked */
    void *board;
    size_t board_size, place_size;
    struct guarded places[IPC_MAX_CLIENTS]; /* .memory NULL: a free seat */
    struct meet_guest guests[IPC_MAX_CLIENTS];
    unsigned top; /* seats from here on are free */
    unsigned patrol;
    bool knocked; /* there may be a newcomer, whom we have not looked for */
    int64_t next_scan; /* not before that, ns */
    int64_t seating;   /* ns of the last look that went into taking people in */
};

/* Makes the board, of zeros; mode is what others get of it if the server is
 * root.  meet_open_house() lets them in, when what is on it is ready. */
int meet_create(struct meet_server *s, const struct meet_store *store,
                const char *endpoint, size_t board_size, size_t place_size);
int meet_open_house(struct meet_server *s, mode_t mode);
void meet_destroy(struct meet_server *s);

/* Admits newcomers, and lets those go who have died or do not answer their
 * nonce.  What a dead one said before is still heard: unheard() says whether
 * there is anything.  Newcomers are looked for every 5 ms at most, or sooner if
 * the variant has set `knocked`, because somebody woke it for nothing. */
void meet_look_after(struct meet_server *s,
                     bool (*unheard)(const struct meet_server *s,
                                     unsigned seat));

/* Till when the server may sleep: whoever knocked just after a look does not
 * wait for the deadline. */
int64_t meet_bedtime(const struct meet_server *s, int64_t deadline);

/* Has the guest in this seat answered?  Then it is admitted. */
bool meet_answered(struct meet_server *s, unsigned seat);

void meet_leave(struct meet_server *s, unsigned seat);

/* A token for ipc_request.reply_to, and the seat it stands for: -1, it has
 * changed hands. */
uint64_t meet_token(const struct meet_server *s, unsigned seat);
int meet_seat(const struct meet_server *s, uint64_t token);

/* -- client --------------------------------------------------------------- */

struct meet_client {
    int board_fd, fd; /* its place; locked */
    void *board, *place;
    size_t board_size, place_size;
};

/* What a variant does to its place before the server sees it, and to tell a
 * server that may be asleep to look for newcomers. */
struct meet_manners {
    size_t board_size, place_size;
    int board_prot; /* PROT_READ, or also PROT_WRITE */
    int (*prepare)(void *place);
    void (*knock)(struct meet_client *c);
};

/* The whole of ipc.h's open().  claimed: geteuid(), unless in a test that
 * lies. */
int meet_join(struct meet_client *c, const struct meet_store *store,
              const char *where, const struct meet_manners *manners,
              uid_t claimed);
void meet_part(struct meet_client *c);
bool meet_server_lives(const struct meet_client *c);

#endif

/*
 * rings.h - the protocol over two rings per client, whatever the memory is and
 * however one waits: shm/futex, shm/spin and mmap/file are this, with one of
 * two kinds of memory (meet.h) and one of two ways to wait (below).
 *
 *      the board, 0644, everybody reads       a client's place, 0600
 *      +-------------------+                  +-------------------------+
 *      | bell: odd = the   |                  | head: uid, nonce (meet) |
 *      |   server sleeps   |                  | cpu, sleeps             |
 *      | cpu: it runs there|                  | ring of requests  --->  |
 *      +-------------------+                  | ring of replies   <---  |
 *                                             +-------------------------+
 */
#ifndef SHM_RINGS_H
#define SHM_RINGS_H

#include "meet.h"
#include "ring.h"

#include <assert.h>

/* -- wire ----------------------------------------------------------------- */

struct rings_board {
    _Atomic uint32_t bell; /* odd: the server is asleep on it */
    _Atomic uint32_t cpu;  /* where the server was last seen */
};

/* What a client waits for when it sleeps. */
enum { AWAKE, FOR_REPLY, FOR_ROOM };

struct rings_place {
    struct meet_head head;
    alignas(CACHE_LINE) _Atomic uint32_t sleeps; /* the client; enum above */
    _Atomic uint32_t cpu; /* where the client was last seen */
    struct ring requests, replies;
};

/* What PROTOCOL.md says. */
static_assert(sizeof(struct rings_board) == 8, "board");
static_assert(offsetof(struct rings_place, sleeps) == 64, "sleeps");
static_assert(offsetof(struct rings_place, requests) == 128, "requests");
static_assert(offsetof(struct rings_place, replies) == 262336, "replies");
static_assert(sizeof(struct rings_place) == 524544, "place");

/* The same in words, for a client in another language: a page of PROTOCOL.md.
 * Where it says shm-futex, the others have their own names. */
#define RINGS_WIRE \
    "`/ipclab-HASH-shm-futex`, shm_open(3), is the board: read-only, 8 " \
    "bytes. HASH is the\n32-bit FNV-1a of DIR/shm-futex, 8 hexadecimal " \
    "digits. All integers are 32 bits, in the\nmachine's own byte order; " \
    "those that both sides use are loaded and stored\natomically, " \
    "sequentially consistent.\n" \
    "\n" \
    "| board | |\n" \
    "|---|---|\n" \
    "| 0 | bell: odd, the server sleeps on it (futex) |\n" \
    "| 4 | cpu: where the server was last seen |\n" \
    "\n" \
    "The server holds a write lock (F_OFD_SETLK) on the board; no lock, no " \
    "server. Choose a\nrandom 32-bit SERIAL and make the object " \
    "`/ipclab-HASH-shm-futex.PID.SERIAL` (decimal),\nmode 0600, 524544 " \
    "bytes, all zero; hold a write lock (F_OFD_SETLK) on it as long as " \
    "you\nlive.\n" \
    "\n" \
    "| place | |\n" \
    "|---|---|\n" \
    "| 0 | ready: store the bytes `S` `H` `M` `1` here when the rest is " \
    "there |\n" \
    "| 4 | your effective uid |\n" \
    "| 8 | verdict, by the server (futex): 0 not yet, 1 welcome, 2 full, 3 " \
    "over |\n" \
    "| 12 | answered: store 1 here when the answer is there |\n" \
    "| 16 | nonce, 16 bytes, by the server |\n" \
    "| 32 | answer, 16 bytes: copy the nonce here when you are welcome |\n" \
    "| 64 | sleeps: 1, you sleep on it (futex) for a reply; 2, for room; " \
    "0, you are awake |\n" \
    "| 68 | cpu: where you were last seen |\n" \
    "| 128 | ring of requests: you write |\n" \
    "| 262336 | ring of replies: you read |\n" \
    "\n" \
    "A ring is its head, and from offset 64 on 262144 bytes. At a multiple " \
    "of 64 there stands\na word, and 8 bytes after the word's beginning " \
    "the frame: 0, nothing yet; 0x80000000 |\nlength, a frame; 1, it " \
    "stands at the beginning of the ring, for here it would not fit;\n2, " \
    "good-bye. The next word is at the next multiple of 64 behind the " \
    "frame. The writer\nstores 0 there first, then the frame, last the " \
    "word. The reader stores in head how many\nbytes of the ring it has " \
    "left behind since the beginning, modulo 2^32; the writer never\ngets " \
    "further ahead of that than 262144 - 64.\n" \
    "\n" \
    "The server looks for places when it is woken, so ring until there is " \
    "a verdict. After\nstoring something for the server load the bell; if " \
    "it is odd, FUTEX_WAKE on it\n(a read-only mapping will do), again and " \
    "again until somebody is woken or the bell has\nchanged. To wait, " \
    "store the reason in sleeps, look once more, then FUTEX_WAIT."

/* -- the protocol --------------------------------------------------------- */

struct rings_server {
    struct meet_server meet;
    const struct rings_waiting *waiting;
    struct ring_reader in[IPC_MAX_CLIENTS];
    struct ring_writer out[IPC_MAX_CLIENTS];
    unsigned last;  /* the seat served last: the others come first now */
    unsigned turns; /* since the house was looked after */
};

struct rings_client {
    struct meet_client meet;
    const struct rings_waiting *waiting;
    struct ring_writer out;
    struct ring_reader in;
    uint32_t rung; /* the bell, when we last woke the server by it */
};

/* How one waits. */
struct rings_waiting {
    /* memory_order_release if nobody ever sleeps, memory_order_seq_cst if the
     * store of a message must come before the look at who sleeps. */
    memory_order publish;

    /* Waits for a message (server), or for a reply or room (client).
     *   0        there may be something
     *   -EAGAIN  not yet, but it is time to see who still lives
     *   -EINTR, -ETIMEDOUT */
    int (*server)(struct rings_server *s, int64_t deadline);
    int (*client)(struct rings_client *c, size_t room, int64_t deadline);

    /* After something has been put where the other one may be waiting for
     * it; NULL: nobody sleeps.  no_reply: the client is not going to wait,
     * and cannot knock again. */
    void (*wake_server)(struct rings_client *c, bool no_reply);
    void (*wake_client)(struct rings_place *p, bool for_room);
};

extern const struct rings_waiting futex_waiting; /* futex.c */
extern const struct rings_waiting spin_waiting;  /* spin.c */

/* Is any client that is in, is the server on another processor than we?  If
 * not, it cannot do anything as long as we spin. */
bool rings_clients_elsewhere(const struct rings_server *s);
bool rings_server_elsewhere(const struct rings_client *c);

/* Is there something for the waiting one?  room: of a message that the client
 * wants to send; 0: it waits for a reply. */
bool rings_server_ready(const struct rings_server *s);
bool rings_client_ready(struct rings_client *c, size_t room);

int rings_create(void *srv, const char *endpoint,
                 const struct meet_store *store,
                 const struct rings_waiting *waiting);
int rings_next(void *srv, struct ipc_request *req, int64_t timeout_ns);
int rings_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg);
void rings_destroy(void *srv);

int rings_open(void *cli, const char *where, const struct meet_store *store,
               const struct rings_waiting *waiting);
int rings_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns);
int rings_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns);
void rings_close(void *cli);
int rings_limits(struct ipc_limits *l);

#endif

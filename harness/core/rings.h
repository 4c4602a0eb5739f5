/*
 * rings.h - the protocol over two rings per client, whatever the memory is and
 * however one waits: shm/futex, shm/spin and mmap/file are this, with one of
 * two kinds of memory and one of two ways to wait (both below).
 *
 *      the server's page, 0644                a client's segment, 0600
 *      +-------------------+                  +-------------------------+
 *      | doorbell: odd =   |                  | head: uid, nonce (meet) |
 *      |   server sleeps   |                  | cpu, sleeps             |
 *      | cpu: it runs there|                  | ring of requests  --->  |
 *      +-------------------+                  | ring of replies   <---  |
 *                                             +-------------------------+
 *
 * Who can write into an object can also scribble on it.  So nobody may write on
 * the server's page but the server, and nobody into a client's segment but that
 * client and the server.  A client makes its segment, and registers
 * (core/rendezvous.h); the kernel says whose the segment is, and the nonce in
 * it that its owner is there.
 *
 * Each client holds a lock on its segment for as long as it lives; the kernel
 * lets go of it however its holder dies.  That the server lives the register
 * says.
 */
#ifndef RINGS_H
#define RINGS_H

#include "alarm.h"
#include "clock.h"
#include "guard.h"
#include "memory.h"
#include "ring.h"
#include "sessions.h"
#include "stall.h"

#include <assert.h>

/* How long a client sleeps before it looks whether the server still lives, in
 * ns. */
#define RINGS_SLICE (20 * NS_PER_MS)

/* -- wire ----------------------------------------------------------------- */

struct rings_page {
    _Atomic uint32_t doorbell; /* odd: the server is asleep on it */
    _Atomic uint32_t cpu;      /* where the server was last seen */
};

/* What a client waits for when it sleeps. */
enum { AWAKE, FOR_REPLY, FOR_ROOM };

#define RINGS_READY 0x314d4853U /* "SHM1" */

enum rings_verdict { RINGS_NOT_YET, RINGS_ADMITTED, RINGS_FULL, RINGS_OVER };

struct rings_head {
    _Atomic uint32_t ready;    /* client: RINGS_READY, when all else is */
    uint32_t uid;              /* client: who it says it is */
    _Atomic uint32_t verdict;  /* server; the client waits on it (futex) */
    _Atomic uint32_t answered; /* client: 1, the answer is there */
    uint8_t nonce[NONCE_SIZE]; /* server */
    uint8_t answer[NONCE_SIZE];
    uint32_t serial; /* client: as in its registration.  Who cannot read this
                      * segment cannot register it in its owner's name */
};

struct rings_segment {
    struct rings_head head;
    alignas(CACHE_LINE) _Atomic uint32_t sleeps; /* the client; enum above */
    _Atomic uint32_t cpu; /* where the client was last seen */
    struct ring requests, replies;
};

/* What PROTOCOL.md says. */
static_assert(sizeof(struct rings_page) == 8, "page");
static_assert(offsetof(struct rings_head, serial) == 48, "serial");
static_assert(offsetof(struct rings_segment, sleeps) == 64, "sleeps");
static_assert(offsetof(struct rings_segment, requests) == 128, "requests");
static_assert(offsetof(struct rings_segment, replies) == 262336, "replies");
static_assert(sizeof(struct rings_segment) == 524544, "segment");

/* The same in words, for a client in another language: a page of PROTOCOL.md.
 * Where it says shm-futex, the others have their own names. */
#define RINGS_WIRE \
    "`DIR/shm-futex` is a file with a line `name /NAME`: shm_open(3) that, " \
    "read-only, 8\nbytes: the server's page. Its name is another one at each " \
    "start of the server; a dead one's may\nbe anybody's by now, so it has " \
    "to belong to the owner of DIR. All integers in memory\nare 32 bits, in " \
    "the machine's own byte order; those that both sides use are loaded " \
    "and\nstored atomically, sequentially consistent. Futexes are shared: " \
    "without\nFUTEX_PRIVATE_FLAG.\n" \
    "\n" \
    "| the server's page | |\n" \
    "|---|---|\n" \
    "| 0 | doorbell: odd, the server sleeps on it (futex) |\n" \
    "| 4 | cpu: where the server was last seen |\n" \
    "\n" \
    "Make your segment with memfd_create(2) (MFD_ALLOW_SEALING), mode 0600, " \
    "524544 bytes, all\nzero, seals F_SEAL_SHRINK and F_SEAL_GROW; hold a " \
    "write lock (F_OFD_SETLK) on it as\nlong as you live. The server opens " \
    "it through /proc/PID/fd, so it has to be in your\nPID namespace or one " \
    "above, and you must not have changed your user by exec(2).\n" \
    "\n" \
    "| your segment | |\n" \
    "|---|---|\n" \
    "| 0 | ready: store the bytes `S` `H` `M` `1` here when the rest is " \
    "there |\n" \
    "| 4 | your effective uid |\n" \
    "| 8 | verdict, by the server (futex): 0 not yet, 1 admitted, 2 full, 3 " \
    "over |\n" \
    "| 12 | answered: store 1 here when the answer is there |\n" \
    "| 16 | nonce, 16 bytes, by the server |\n" \
    "| 32 | answer, 16 bytes: copy the nonce here when you are admitted |\n" \
    "| 48 | SERIAL, a random number |\n" \
    "| 64 | sleeps: 1, you sleep on it (futex) for a reply; 2, for room; " \
    "0, you are awake |\n" \
    "| 68 | cpu: where you were last seen |\n" \
    "| 128 | ring of requests: you write |\n" \
    "| 262336 | ring of replies: you read |\n" \
    "\n" REGISTRATION_WIRE \
    " Here DIR/NAME is\n`DIR/shm-futex`, and the first id is the number of " \
    "the descriptor that is your\nsegment (second: zero). Then ring, until " \
    "there is a verdict.\n" \
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
    "To ring: after storing something for the server load the doorbell; if " \
    "it is odd,\nFUTEX_WAKE on it (a read-only mapping will do), a few " \
    "times, until somebody is woken\nor the doorbell has changed: a server " \
    "that is about to sleep looks once more. If no answer\ncomes, FUTEX_WAKE " \
    "the word that you changed last, too: strangers may have moved " \
    "the\nserver away from the doorbell. To wait,\nstore the reason in " \
    "sleeps, look once more, then FUTEX_WAIT.\n" \
    "\n" \
    "To leave, write a good-bye and ring. The server's good-bye means that " \
    "it ends, or has\ndisconnected you."

struct rings_server;
struct rings_waiting;

/* -- the protocol --------------------------------------------------------- */

/* Where the memory is that the two share. */
struct rings_memory {
    const struct client_memory *segments;

    /* server: makes the server's page, of zeros, mode 0600, in s->page, and
     * whatever else clients need before they can register; and removes it.
     * sweep() removes what is left of a dead one. */
    int (*make_page)(struct rings_server *s);
    void (*remove_page)(struct rings_server *s);
    int (*sweep)(const char *name);

    /* client: a descriptor of the server's page, for reading. */
    int (*open_page)(const char *where);
};

extern const struct rings_memory rings_shm;   /* shared memory */
extern const struct rings_memory rings_files; /* files of the run directory */

struct rings_server {
    char name[ENDPOINT_SIZE];
    const struct rings_memory *memory;
    const struct rings_waiting *waiting;
    struct sessions sessions;
    struct registrar registrar;
    struct alarm alarm;    /* a newcomer interrupts a long sleep */
    int64_t look;          /* how long the last one was, ns; 0: not yet */
    struct client_dir dir; /* rings_files: NAME.d */
    struct shared_page
        page; /* the server's page; rings_files: it has no other name */
    struct stall stall;
    struct rings_page *server_page;
    struct guarded segments[IPC_MAX_CLIENTS]; /* by the session's slot */
    struct rings_slot {
        int fd; /* of its segment; to ask whether it lives */
        struct object_id id;
    } slots[IPC_MAX_CLIENTS];
    struct ring_reader in[IPC_MAX_CLIENTS];
    struct ring_writer out[IPC_MAX_CLIENTS];
    unsigned last;  /* the slot served last: the others come first now */
    unsigned turns; /* since the register was looked at */
    bool crowd; /* the last turn was not enough for all who had registered */
};

struct rings_client {
    const struct rings_waiting *waiting;
    struct registry server; /* how one registers, and its sign of life */
    int segment_fd;
    const struct rings_page *server_page;
    struct rings_segment *segment;
    struct ring_writer out;
    struct ring_reader in;
    uint32_t rung; /* the doorbell, when we last woke the server by it */
    _Atomic uint32_t *said; /* the word that we changed last for the server */
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
     * and cannot ring again. */
    void (*wake_server)(struct rings_client *c, bool no_reply);
    void (*wake_client)(struct rings_segment *p, bool for_room);
};

/* Sleeps until somebody rings, or until there is, or already was, something in
 * one of the rings.  0, -EAGAIN, -EINTR, -ETIMEDOUT (shm/futex.c). */
int rings_sleep(struct rings_server *s, uint32_t doorbell, int64_t deadline);

extern const struct rings_waiting futex_waiting; /* shm/futex.c */
extern const struct rings_waiting spin_waiting;  /* shm/spin.c */

/* Is any client that is in, is the server on another processor than we?  If
 * not, it cannot do anything as long as we spin. */
bool rings_clients_elsewhere(const struct rings_server *s);
bool rings_server_elsewhere(const struct rings_client *c);

/* Is there something for the waiting one?  room: of a message that the client
 * wants to send; 0: it waits for a reply. */
bool rings_server_ready(const struct rings_server *s);
bool rings_client_ready(struct rings_client *c, size_t room);

/* -- rings_join.c: who comes, who goes -- */

static inline struct rings_segment *
rings_segment(const struct rings_server *s, unsigned slot)
{
    return s->segments[slot].memory;
}

int rings_create(void *srv, const char *name, const struct rings_memory *memory,
                 const struct rings_waiting *waiting);
void rings_destroy(void *srv);

/* Takes newcomers in, a bounded number; looks whether the next client still
 * lives. */
void rings_look_around(struct rings_server *s);

/* Waits for a newcomer, while there is no client at all.  0, -ETIMEDOUT,
 * -EINTR. */
int rings_wait_for_newcomer(struct rings_server *s, int64_t deadline);

/* Has the client in this slot answered its nonce?  Then it is in. */
bool rings_answered(struct rings_server *s, unsigned slot);

/* Ends a session.  Behind the last reply stands that it was the last. */
void rings_disconnect(struct rings_server *s, unsigned slot);

/* The whole of ipc.h's open().  claimed: geteuid(), unless in a test that
 * lies. */
int rings_join(struct rings_client *c, const char *where,
               const struct rings_memory *memory, uid_t claimed);

/* -- rings_server.c, rings_client.c -- */

int rings_next(void *srv, struct ipc_request *req, int64_t timeout_ns);
int rings_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg);

/* A message from this length on, in bytes, is made in the ring.  For shorter
 * ones it is better to write the cache line with the word last, and once:
 * ring_copy(). */
#define RINGS_IN_PLACE 2048

void *rings_reply_space(void *srv, const struct ipc_request *req, size_t len);
void *rings_send_space(void *cli, size_t len);

int rings_open(void *cli, const char *where, const struct rings_memory *memory,
               const struct rings_waiting *waiting);
int rings_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns);
int rings_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns);
void rings_close(void *cli);
void rings_forget(void *cli);
int rings_limits(struct ipc_limits *l);

#endif

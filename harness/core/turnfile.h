/*
 * turnfile.h - each client and the server have a file between them, and a lock
 * hand-off (handoff.h) that says who may write into it.
 *
 *      client A --- file of A ---\
 *                                 server: one thread, many files
 *      client B --- file of B ---/
 *
 *      offset 0          4096                4096 + one area
 *      +------+---------+-------------------+-------------------+
 *      | head |         | done len nonce    | done len          |
 *      |      |         |   a request       |   a reply         |
 *      +------+---------+-------------------+-------------------+
 *                         the client's        the server's
 *
 * The one idea: a lock can be waited for, so a lock can say "it is your turn".
 * What one has written counts as soon as one has let go of a byte, and not
 * before.
 *
 * The other idea is what locks cannot do.  One can wait until *all* of many
 * bytes are free: a lock may be a range.  One cannot wait until *any* of many
 * is.  (A semaphore, a condition variable, poll(2) are the answers to this
 * question.)  So one thread with many clients sleeps for the one that it has
 * served last, and looks what the others do at the end of each slice.  Slices
 * get longer while nothing happens.  A client that has been silent for a while
 * does not know how long they are, and rings: an empty message where it has
 * registered, which interrupts the server (alarm_listen()).
 *
 * Who asks?  A file is made by its client, mode 0600, and the kernel says who
 * that is.  The nonce proves the rest: that the owner is there, and that this
 * is not an old file of its that somebody else has brought here.
 */
#ifndef TURNFILE_H
#define TURNFILE_H

#include "guard.h"
#include "handoff.h"
#include "ipc.h"
#include "memory.h"
#include "sessions.h"
#include "stall.h"
#include "turn.h"

#include <stdbool.h>
#include <stdint.h>

/* -- what stands in it; numbers in the machine's own order ----------------- */

#define TURNFILE_MARK 0x314e5254U /* "TRN1" */

enum turnfile_verdict { TURNFILE_NOT_YET, TURNFILE_ADMITTED, TURNFILE_FULL };

struct turnfile_head {
    uint32_t mark;    /* client: TURNFILE_MARK */
    uint32_t uid;     /* client: who it says it is */
    uint32_t verdict; /* server */
    uint32_t serial;  /* client: as in its registration.  Who cannot read
                                * this file cannot register it for its owner */
    uint8_t nonce[NONCE_SIZE]; /* server; there before the verdict is */
};

/* Before each request and each reply. */
struct turnfile_note {
    uint64_t done; /* so many turns are over, this one included */
    uint32_t len;  /* of the message, bytes; 0: only the turn comes back */
    uint32_t zero;
    uint8_t nonce[NONCE_SIZE]; /* client */
};

#define TURNFILE_AREA 4096 /* where the request begins: on a page of its own */

/* -- what differs between the variants ------------------------------------- */

struct turnfile {
    int fd;
    struct guarded *map; /* where it is mapped, if it is */
};

struct turnfile_kind {
    const struct client_memory *memory; /* how it is made and opened */
    size_t max;                         /* bytes of a message */
    bool mapped; /* it is, whole; and so it has all its bytes from the start */

    /* get() copies it out, once, and only then looks at it; without a message
     * it gets the note alone.  -EBADMSG: longer than cap, or not there. */
    int (*put)(const struct turnfile *f, off_t at,
               const struct turnfile_note *note, const void *message);
    int (*get)(const struct turnfile *f, off_t at, struct turnfile_note *note,
               void *message, size_t cap);
};

/* -- the mechanism: see ipc.h ---------------------------------------------- */

struct turnfile_server {
    const struct turnfile_kind *kind;
    char name[ENDPOINT_SIZE];
    struct client_dir dir; /* client_files: NAME.d */
    struct registrar registrar;
    struct sessions sessions;
    struct turnfile_slot {
        struct turnfile file;
        struct handoff handoff;
        bool owed;     /* its turn is ours: it has asked, and gets a reply */
        unsigned slow; /* so often in a row a look at its locks took too long */
    } slots[IPC_MAX_CLIENTS];
    struct guarded maps[IPC_MAX_CLIENTS];
    struct alarm alarm;
    struct stall stall;
    int last;    /* the slot served last: the others come first now */
    int noticed; /* the slot whose turn goes back without a reply; -1: none */
    bool active; /* something has happened since the last look around */
    int64_t slice, next_look; /* ns */
};

struct turnfile_client {
    const struct turnfile_kind *kind;
    struct registry server; /* how one registers, and rings */
    struct turnfile file;
    struct guarded map;
    struct handoff handoff;
    struct alarm alarm;
    struct turn turn;
    struct ipc_message *into; /* where a reply is to go; NULL: nowhere */
    int64_t heard;            /* when the turn came back last, ns */
    uint8_t nonce[NONCE_SIZE];
};

int turnfile_create(void *srv, const char *name,
                    const struct turnfile_kind *kind);
int turnfile_next(void *srv, struct ipc_request *req, int64_t timeout_ns);
int turnfile_reply(void *srv, const struct ipc_request *req,
                   const struct ipc_message *msg);
void turnfile_destroy(void *srv);
int turnfile_open(void *cli, const char *where,
                  const struct turnfile_kind *kind);
int turnfile_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns);
int turnfile_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns);
void turnfile_close(void *cli);
void turnfile_forget(void *cli);
int turnfile_sweep(const char *name);

/* How long the server sleeps for one client before it looks at the others, ns:
 * the first slice after something has happened; then ever_more_rarely(). */
#define TURNFILE_SLICE (2 * NS_PER_MS)

/* A client that has not had its turn for so long, ns, rings: until then the
 * server's slices are no longer than this. */
#define TURNFILE_QUIET (2 * TURNFILE_SLICE)

/* -- for both sides (turnfile_client.c) */

/* Bytes of the whole, if they have to be there; where the replies begin. */
size_t turnfile_size(const struct turnfile_kind *kind);
off_t turnfile_replies(const struct turnfile_kind *kind);

/* Maps it, if this kind is mapped; 0 or -errno.  let_go: closes it, too. */
int turnfile_hold(const struct turnfile_kind *kind, struct turnfile *f);
void turnfile_let_go(struct turnfile *f);

/* What the variants' `wire` texts have in common. */
#define TURNFILE_WIRE(make, replies) \
    make \
        "\nLock its bytes 0 and 2 for writing (fcntl(2), F_OFD_SETLK) and " \
        "write these numbers\ninto it, in the machine's own order:\n" \
        "\n" \
        "| offset | size | |\n" \
        "|---|---|---|\n" \
        "| 0 | 4 | 0x314e5254 |\n" \
        "| 4 | 4 | your effective uid |\n" \
        "| 8 | 4 | zero; server: 1 admitted, 2 full |\n" \
        "| 12 | 4 | SERIAL |\n" \
        "| 16 | 16 | zero; server: the nonce |\n" \
        "\n" REGISTRATION_WIRE "\n" \
        "\n" \
        "Look again until the server has written its part; it has locked " \
        "byte 1 by then. What is\nnot as described here is not answered, and " \
        "stays where it is.\n" \
        "\n" \
        "Turns are counted from 0: even ones are yours, odd ones the " \
        "server's, and turn t goes\nwith byte t mod 3. In your turn t, write " \
        "at offset 4096:\n" \
        "\n" \
        "| offset | size | |\n" \
        "|---|---|---|\n" \
        "| 0 | 8 | t+1 |\n" \
        "| 8 | 4 | length of the frame |\n" \
        "| 12 | 4 | zero |\n" \
        "| 16 | 16 | the nonce |\n" \
        "| 32 | | a frame |\n" \
        "\n" \
        "and unlock the byte of t. If the turn before was more than 4 ms " \
        "ago, send an empty\nmessage to NAME.join: it wakes the server. " \
        "Lock the " \
        "byte of t+1 (F_OFD_SETLKW): the turn\nis yours again, and at " \
        "offset " replies \
        " stands the server's part, made alike, without\nthe nonce. A " \
        "length of 0: that was a notice, and there is no reply. Not t+2: the " \
        "server\nhas died, or has disconnected you. To leave, close the file."

#endif

/*
 * sheet.h - each client and the server have a sheet of paper between them,
 * with a baton (baton.h) that says who may write.
 *
 *      client A --- sheet of A ---\
 *                                  server: one thread, many sheets
 *      client B --- sheet of B ---/
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
 * is, nor can a stranger be woken who waits for somebody else's byte.  So one
 * thread with many clients has to look around; it sleeps for the one it has
 * served last, and every SHEET_SLICE it looks what the others do.  (A
 * semaphore, a condition variable, poll(2) are the answers to this question.)
 *
 * Who asks?  A sheet is made by its client, mode 0600, and the kernel says who
 * that is.  The nonce proves the rest: that the owner is there, and that this
 * is not an old sheet of his that somebody else has brought here.
 */
#ifndef SHEET_H
#define SHEET_H

#include "../shm/guard.h"
#include "../shm/meet.h"
#include "baton.h"

#include "core/ipc.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <stdbool.h>
#include <stdint.h>

/* -- what stands on it; numbers in the machine's own order ----------------- */

#define SHEET_MARK 0x31544853U /* "SHT1" */

enum sheet_verdict { SHEET_NOT_YET, SHEET_WELCOME, SHEET_FULL };

struct sheet_head {
    uint32_t mark;    /* client: SHEET_MARK */
    uint32_t uid;     /* client: who it says it is */
    uint32_t verdict; /* server */
    uint32_t zero;
    uint8_t nonce[NONCE_SIZE]; /* server; there before the verdict is */
};

/* Before each request and each reply. */
struct sheet_note {
    uint64_t done; /* so many turns are over, this one included */
    uint32_t len;  /* of the message, bytes; 0: only the turn comes back */
    uint32_t zero;
    uint8_t nonce[NONCE_SIZE]; /* client */
};

#define SHEET_AREA 4096 /* where the request begins: on a page of its own */

/* -- what differs between the variants ------------------------------------- */

struct sheet {
    int fd;
    struct guarded *map; /* where it is mapped, if it is */
};

struct sheet_kind {
    const struct meet_store *store; /* how it is called, made and removed */
    size_t max;                     /* bytes of a message */

    /* After it has been opened, by either side: maps it.  NULL: need not. */
    int (*hold)(struct sheet *s, size_t size);

    /* get() copies it out, once, and only then looks at it; without a message
     * it gets the note alone.  -EBADMSG: longer than cap, or not there. */
    int (*put)(const struct sheet *s, off_t at, const struct sheet_note *note,
               const void *message);
    int (*get)(const struct sheet *s, off_t at, struct sheet_note *note,
               void *message, size_t cap);
};

/* -- the mechanism: see ipc.h ---------------------------------------------- */

struct sheet_seat {
    bool used;
    bool owed;           /* its turn is ours: it has asked, and gets a reply */
    uint32_t generation; /* how many have left this slot */
    struct sheet sheet;
    struct baton baton;
    unsigned slow; /* how often in a row a look at its locks took too long */
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct sheet_server {
    const struct sheet_kind *kind;
    char name[ENDPOINT_SIZE];
    struct meet_names names;
    bool everybody; /* may come, not only who has our uid */
    int life;
    struct alarm alarm;
    struct sheet_seat seats[IPC_MAX_CLIENTS];
    unsigned seated; /* so many of them are used */
    struct guarded maps[IPC_MAX_CLIENTS];
    struct sheet_seat *last;    /* served; the next look begins behind it */
    struct sheet_seat *noticed; /* its turn goes back without a reply */
    int64_t next_scan;
};

struct sheet_client {
    const struct sheet_kind *kind;
    struct sheet sheet;
    struct guarded map;
    struct baton baton;
    struct alarm alarm;
    uint8_t nonce[NONCE_SIZE];
    enum { MINE, NOTICE_OUT, REPLY_DUE, GIVEN_UP, LOST } turn;
};

int sheet_create(void *srv, const char *name, const struct sheet_kind *kind);
int sheet_next(void *srv, struct ipc_request *req, int64_t timeout_ns);
int sheet_reply(void *srv, const struct ipc_request *req,
                const struct ipc_message *msg);
void sheet_destroy(void *srv);
int sheet_open(void *cli, const char *where, const struct sheet_kind *kind);
int sheet_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns);
int sheet_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns);
void sheet_close(void *cli);
void sheet_forget(void *cli);
int sheet_sweep(const char *name, const struct sheet_kind *kind);

/* -- for the server: who comes, who goes (sheet_seats.c) */

/* How long the server sleeps for one client before it looks at the others, and
 * for newcomers, ns.  So late a request of another one can be found; an idle
 * server wakes 500 times a second. */
#define SHEET_SLICE (2 * NS_PER_MS)

/* Takes newcomers in, or turns them away; says when to look again. */
void sheet_scan(struct sheet_server *s);
void sheet_leave(struct sheet_server *s, struct sheet_seat *seat);

/* -- for both sides */

/* Bytes of the whole; where the replies begin. */
size_t sheet_size(const struct sheet_kind *kind);
off_t sheet_replies(const struct sheet_kind *kind);

/* Maps it, if this kind is mapped.  let_go: closes it, too. */
int sheet_hold(const struct sheet_kind *kind, struct sheet *sheet);
void sheet_let_go(struct sheet *sheet);

/* Writes a part of the head; not through a mapping, for there may be none. */
bool sheet_write_head(int fd, size_t at, const void *what, size_t size);

/* What the variants' `wire` texts have in common. */
#define SHEET_WIRE(life, object, replies) \
    "Open the FIFO " life " for reading, non-blocking: as long as\nread(2) " \
    "says EAGAIN, and not end of file, there is a server. Make\n" object \
    "\nwith mode 0 (PID yours, SERIAL random, both decimal). Lock its bytes " \
    "0 and 2 for writing\n(fcntl(2), F_OFD_SETLK), write the first two of " \
    "these numbers, in the machine's own\norder, and then change the mode " \
    "to 0600:\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | 4 | 0x31544853 |\n" \
    "| 4 | 4 | your effective uid |\n" \
    "| 8 | 4 | server: 0 not yet, 1 welcome, 2 full |\n" \
    "| 12 | 4 | zero |\n" \
    "| 16 | 16 | server: the nonce |\n" \
    "\n" \
    "Look again until the server has written its part; it has locked byte 1 " \
    "by then and\nremoved the name. Turns are counted from 0: even ones are " \
    "yours, odd ones the\nserver's, and turn t goes with byte t mod 3. In " \
    "your turn t, write at offset 4096:\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | 8 | t+1 |\n" \
    "| 8 | 4 | length of the frame |\n" \
    "| 12 | 4 | zero |\n" \
    "| 16 | 16 | the nonce |\n" \
    "| 32 | | a frame |\n" \
    "\n" \
    "and unlock the byte of t. Lock the byte of t+1 (F_OFD_SETLKW): the turn " \
    "is yours again,\nand at offset " replies " stands the server's part, " \
    "made alike, without the nonce. A\nlength of 0: that was a notice, and " \
    "there is no reply. Not t+2: the server has died,\nor has cut you off. " \
    "To leave, close the file."

#endif

/*
 * hall.h - where the clients and the server of System V objects meet, hand
 * letters to and fro, and learn of each other's death.
 *
 *      the hall, the server's set         a door, one set for each client
 *        BELL   "look around"               REQUEST  the letter is the server's
 *        DEAD   1: no server any more       BACK     the letter is the client's
 *        BOARD  mutex of the row below      SERVER_DEAD, CLIENT_DEAD
 *        KNOCK  the row is filled in
 *        ROW    "my door is set 17 ..."   a letter, one for each client:
 *                                           sem/values: one more set
 *                                           shm/sysv:   a segment
 *
 * System V objects have no names in the file system, and their 32-bit keys can
 * be taken by anybody: ftok(3) makes them of 16 bits of the inode number and 8
 * of the device.  So every object here is IPC_PRIVATE, and what says where the
 * hall is, is a file in the server's own directory.
 *
 * Each side leaves its will with the other one (sets.h), so that both learn of
 * a death at once, and no sleeper is left to sleep.
 */
#ifndef HALL_H
#define HALL_H

#include "sets.h"

#include "core/ipc.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <stdbool.h>

/* Semaphores of the hall.  The row: door, letter and uid, 15 bits to a value,
 * since none is ever above 32767 (semop(2), SEMVMX). */
enum { BELL, DEAD, BOARD, KNOCK, ROW, HALL_SEMS = ROW + 9 };

/* Semaphores of a door.  REQUEST and BACK are never both 1: there is one
 * letter, and either has it. */
enum { REQUEST, BACK, SERVER_DEAD, CLIENT_DEAD, DOOR_SEMS };

/* -- the letter --------------------------------------------------------------
 *
 * It goes to the server as a request and comes back as a reply, or, if it was
 * a notice, as it was. */

#define LETTER_JOIN    0x4a01 /* client: I would like to join */
#define LETTER_REQUEST 0x4a02
#define LETTER_REPLY   0x4a03
#define LETTER_FULL    0x4a04 /* server: no room for you */

struct letter_head {
    uint32_t mark, len; /* of the body, bytes */
    uint8_t nonce[NONCE_SIZE];
};

struct letter {
    int id;     /* of the System V object */
    void *at;   /* where it is attached, if it is memory */
    size_t max; /* bytes of the body; for make() and take() to fill in */
};

/* What differs between the variants.  0 or -errno. */
struct letter_kind {
    /* Client: makes it, mode 0600. */
    int (*make)(struct letter *l);

    /* Server: takes hold of what a client says is its letter, if it has the
     * right size and belongs to that uid: owner_check_perm(). */
    int (*take)(struct letter *l, uid_t claimed, struct ipc_peer *peer);

    /* get() copies it out, as it is at this moment, and only then looks at it:
     * *head and, in body, at most l->max bytes.  -EBADMSG: longer than that. */
    int (*put)(const struct letter *l, const struct letter_head *head,
               const void *body);
    int (*get)(const struct letter *l, struct letter_head *head, void *body);

    /* Lets go of it; detaches it. */
    void (*drop)(struct letter *l);

    /* Removes it from the kernel, as set_remove(); NULL: goes by itself. */
    int (*remove)(int id, uid_t owner);
};

/* What a client says of itself at the board. */

struct knock {
    int door, letter; /* ids */
    uid_t uid;
};

/* -- the hall (hall.c) ---------------------------------------------------- */

/* Server: makes the file and the set, and opens the file: its id.  */
int hall_make(const char *name, int *file);

/* Writes down who is in, for hall_sweep(): line 1 to IPC_MAX_CLIENTS; 0 is the
 * hall's own. */
int hall_note(int file, size_t line, int set, int letter, uid_t owner);

/* What stands in the row, if anybody has knocked. */
bool hall_hear(int hall, struct knock *k);

/* The id of the hall at this endpoint.  -ENOENT, -EACCES, -EPERM;
 * -ECONNREFUSED: it is not quite there. */
int hall_find(const char *where);

/* Takes the board, fills in the row and knocks; the board has to be given back
 * once the server has answered. */
int hall_knock(int hall, const struct knock *k, int64_t deadline);
int hall_leave_board(int hall);

/* -- the mechanism: see ipc.h --------------------------------------------- */

struct session {
    bool used, cut; /* cut: it broke the rules, nothing is taken from it */
    int door;
    struct letter letter;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
    uint32_t generation; /* how many have left this place */
};

struct hall_server {
    const struct letter_kind *kind;
    char name[ENDPOINT_SIZE];
    int file, hall;
    struct session sessions[IPC_MAX_CLIENTS];
    size_t last;        /* served */
    int64_t next_knock; /* when to ask for newcomers at the latest, ns */
};

struct hall_client {
    const struct letter_kind *kind;
    int hall, door;
    struct letter letter;
    uint8_t nonce[NONCE_SIZE];
    enum { MINE, NOTICE_OUT, REPLY_DUE, GIVEN_UP } turn;
};

int hall_create(struct hall_server *s, const char *name,
                const struct letter_kind *kind);
int hall_next(void *srv, struct ipc_request *req, int64_t timeout_ns);
int hall_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg);
void hall_destroy(void *srv);
int hall_open(struct hall_client *c, const char *where,
              const struct letter_kind *kind);
int hall_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns);
int hall_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns);
void hall_close(void *cli);
void hall_forget(void *cli);
int hall_sweep(const char *name, const struct letter_kind *kind);

/* What the variants' `wire` texts have in common: all but the letter. */
#define HALL_WIRE(file) \
    "The file `DIR/" file \
    "` begins with the id of a System V semaphore set,\n" \
    "the hall: 0 bell, 1 dead, 2 board, 3 knock, 4 to 12 the row. Make a\n" \
    "set of four, mode 0600, your door: 0 request, 1 back, 2 server dead,\n" \
    "3 client dead. Make a letter (below), marked JOIN. Each of these lines\n" \
    "is one semop(2):\n" \
    "\n" \
    "    door: client dead +1, client dead -1 with SEM_UNDO\n" \
    "    hall: dead 0 without waiting, board -1 with SEM_UNDO\n" \
    "    (SETVAL the row: the ids of door and letter, your effective uid;\n" \
    "     each as 15, 15 and 2 bits, the lowest first)\n" \
    "    hall: knock +1, bell +1\n" \
    "    door: server dead 0 without waiting, back -1\n" \
    "    (the letter is a REPLY and has the nonce, or it is marked FULL)\n" \
    "    hall: board +1 with SEM_UNDO\n" \
    "    hall: bell +1, bell -1 with SEM_UNDO\n" \
    "\n" \
    "To send, write the letter, a REQUEST with the nonce; then\n" \
    "\n" \
    "    door: server dead 0 without waiting, request +1\n" \
    "    hall: bell +1 without waiting; it may fail\n" \
    "\n" \
    "To receive\n" \
    "\n" \
    "    door: server dead 0 without waiting, back -1\n" \
    "    (read the letter; after a notice it is as it was)\n" \
    "\n" \
    "EAGAIN, or no such set: the server is gone, or has cut you off; a last\n" \
    "letter may still be taken with back -1. To leave, remove your sets;\n" \
    "then\n" \
    "\n" \
    "    hall: bell +1 with SEM_UNDO\n" \
    "\n"

#endif

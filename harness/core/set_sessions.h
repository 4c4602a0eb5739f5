/*
 * set_sessions.h - clients and a server of System V objects: how they come to
 * share some, whose turn it is, and how each learns of the other's death.  For
 * sem/values and shm/sysv.
 *
 *      the server's set                  a client's set, one for each
 *        DEAD      the server's will       DEAD         the client's will
 *        DOORBELL  "look around"           REQUEST      the slot is the server's
 *                                          BACK         the slot is the client's
 *                                          SERVER_DEAD  the server's will
 *
 *      the message slot, one for each client
 *        sem/values: one more set       shm/sysv: a segment
 *
 * System V objects have no names in the file system, and their 32-bit keys can
 * be taken by anybody: ftok(3) makes them of 16 bits of the inode number and 8
 * of the device.  So what says where the server's set is, is a file in the
 * server's own directory, and a client says by its registration (rendezvous.h)
 * which objects are its own.
 *
 * Each side leaves its will with the other one (sets.h), so that both learn of
 * a death at once, and no sleeper is left to sleep.
 */
#ifndef SET_SESSIONS_H
#define SET_SESSIONS_H

#include "ipc.h"
#include "rendezvous.h"
#include "sessions.h"
#include "sets.h"
#include "turn.h"

#include <stdbool.h>

/* Semaphores of the server's set, and of a client's.  REQUEST and BACK are
 * never both 1: there is one slot, and either has it. */
enum { DOORBELL = SET_DEAD + 1, SERVER_SEMS };
enum { REQUEST = SET_DEAD + 1, BACK, SERVER_DEAD, CLIENT_SEMS };

/* -- the message slot --------------------------------------------------------
 *
 * It goes to the server as a request and comes back as a reply, or, if it was
 * a notice, as it was. */

#define SLOT_JOIN    0x4a01 /* client: I would like to join */
#define SLOT_REQUEST 0x4a02
#define SLOT_REPLY   0x4a03
#define SLOT_FULL    0x4a04 /* server: no room for you */

struct slot_head {
    uint32_t mark, len;        /* of the body, bytes */
    uint8_t nonce[NONCE_SIZE]; /* JOIN: begins with the id of the client's set,
                                * little-endian, and then is zeros */
};

struct slot {
    int id;         /* of the System V object */
    size_t max;     /* bytes of the body; for make() and take() to fill in */
    void *at;       /* where it is attached, if it is memory */
    struct set set; /* what it is, if it is a set */
};

/* What differs between the variants.  0 or -errno. */
struct slot_kind {
    /* Client: makes it, mode 0600, for this client's set, and gives it to the
     * server's user. */
    int (*make)(struct slot *l, const struct set *client, uid_t server);

    /* Server: takes hold of what a client says is its slot, if it has the
     * right size and belongs to that uid: owner_check_perm(). */
    int (*take)(struct slot *l, uid_t claimed, struct ipc_peer *peer);

    /* get() copies it out, as it is at this moment, and only then looks at it:
     * *head and, in body, at most l->max bytes.  -EBADMSG: longer than that.
     * -EIDRM, -EPIPE: it is not there any more, or another one.  put():
     * -EMSGSIZE, it has no room for that. */
    int (*put)(const struct slot *l, const struct slot_head *head,
               const void *body);
    int (*get)(const struct slot *l, struct slot_head *head, void *body);

    /* Lets go of it; detaches it.  From the kernel it goes by itself, or with
     * the client's set: set_remove_both(). */
    void (*drop)(struct slot *l);
};

/* -- the mechanism: see ipc.h --------------------------------------------- */

struct set_session {
    struct set set;
    struct slot slot;
    bool due; /* it waits for a reply: nothing more is taken from it */
};

struct set_server {
    const struct slot_kind *kind;
    char name[ENDPOINT_SIZE];
    struct object_id endpoint; /* NAME, the file */
    struct set set;
    struct registrar registrar;
    struct sessions sessions;
    struct set_session clients[IPC_MAX_CLIENTS]; /* by the session's slot */
    int last;                                    /* served */
    unsigned turns; /* since it looked who comes and who goes */
};

struct set_client {
    const struct slot_kind *kind;
    struct set server; /* its set */
    struct set set;
    struct slot slot;
    uint8_t nonce[NONCE_SIZE];
    struct turn turn;
};

int set_server_create(struct set_server *s, const char *name,
                      const struct slot_kind *kind);
int set_server_next(void *srv, struct ipc_request *req, int64_t timeout_ns);
int set_server_reply(void *srv, const struct ipc_request *req,
                     const struct ipc_message *msg);
void set_server_destroy(void *srv);
int set_server_sweep(const char *name);

int set_client_open(struct set_client *c, const char *where,
                    const struct slot_kind *kind);
int set_client_send(void *cli, const struct ipc_message *msg,
                    int64_t timeout_ns);
int set_client_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns);
void set_client_close(void *cli);
void set_client_forget(void *cli);

/* The server's set at this endpoint.  0, or
 *   -ENOENT, -ECONNREFUSED  no server
 *   -EPERM, -EACCES         not the run directory's owner's; not for us */
int set_server_find(const char *where, struct set *server);

/* What the variants' `wire` texts have in common: all but the slot. */
#define SET_SESSIONS_WIRE(file) \
    "The file `DIR/" file \
    "` has a line \"set ID\": a System V semaphore set, the\n" \
    "server's, of two semaphores: 0 its will, 1 the doorbell. Make a set of " \
    "four, mode\n0600, yours: 0 your will, 1 request, 2 back, 3 server dead; " \
    "its key is any even\nnumber from 0x1bc00000 to 0x1bcffffe. Make a slot " \
    "(below), marked JOIN, in\nwhich the nonce begins with the id of your " \
    "set, little-endian. Give both\nto the server's user (IPC_SET, uid): " \
    "the " \
    "number in `DIR/" file ".user`, or else\nthe owner of DIR. Each of these " \
    "lines is one semop(2):\n" \
    "\n" \
    "    server's: doorbell +1, doorbell -1 with SEM_UNDO\n" \
    "    yours: will +1, will -1 with SEM_UNDO\n" \
    "\n" REGISTRATION_WIRE "\n" \
    "\n" \
    "The first id is that of your set, the second of the slot. Then\n" \
    "\n" \
    "    server's: doorbell +1\n" \
    "    yours: server dead 0 without waiting, back -1\n" \
    "    (the slot is a REPLY and has the nonce, or it is marked FULL)\n" \
    "\n" \
    "Ring again if nothing comes. Both can be closed now. To send, write " \
    "the slot, a\nREQUEST with the nonce; then\n" \
    "\n" \
    "    yours: server dead 0 without waiting, request +1\n" \
    "    server's: doorbell +1 without waiting; it may fail\n" \
    "\n" \
    "To receive\n" \
    "\n" \
    "    yours: server dead 0 without waiting, back -1\n" \
    "    (read the slot; after a notice it is as it was)\n" \
    "\n" \
    "Ring again after 20 ms without it, and after twice as long each time: a " \
    "stranger may\nhave silenced the doorbell. EAGAIN, or no such set: the " \
    "server is gone, or has\ndisconnected you; a last message may still be " \
    "taken with back -1. To leave, remove\nyour sets; then\n" \
    "\n" \
    "    server's: doorbell +1 with SEM_UNDO\n" \
    "\n"

#endif

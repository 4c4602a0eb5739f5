/*
 * mailbox.h - sem/mailbox: the parts of a mailbox, and how a client's gets to
 * the server.
 *
 *      mailbox.c         whose turn it is: requests and replies
 *      mailbox_join.c    who comes and who goes, both sides
 *      mailbox_parts.c   a file: the semaphores in it, the slot, the locks on it
 *                        that say who is alive
 *
 * All of it has mode 0600: a mailbox is among processes of one user, for who
 * may post a named semaphore may also destroy it (mailbox.c).
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include "core/ipc.h"
#include "core/owner.h"
#include "core/rendezvous.h"
#include "core/sessions.h"
#include "core/turn.h"

#include <limits.h>
#include <semaphore.h>
#include <stdbool.h>

/* -- the slot -------------------------------------------------------------- */

/* Bytes of a message: 64 KiB and what frames it. */
#define BODY_MAX (65536 + 64)

#define SLOT_JOIN    0x4d00
#define SLOT_REQUEST 0x4d01
#define SLOT_REPLY   0x4d02
#define SLOT_FULL    0x4d03 /* no room for one more client */

struct slot_head {
    uint32_t mark, len; /* of the body, bytes */
    uint8_t nonce[NONCE_SIZE];
};

/* The file begins with the two semaphores of this mailbox: unnamed ones, of
 * sem_init(3), shared by those who map the page.  The slot is on the next. */
struct mailbox_sems {
    sem_t full, back;
};

#define SLOT_AT 4096 /* offset */

/* What a client in another language must know: it is a page of PROTOCOL.md. */
#define MAILBOX_WIRE \
    "For processes of the server's own user only. The file `DIR/sem-mailbox` " \
    "has a line\n\"name /BASE\", and one \"word N\": the bytes of a long in " \
    "the server, which have to be\nyours, too. Choose a random 32-bit " \
    "SERIAL. Make a file " \
    "in /dev/shm without a\nname (O_TMPFILE), mode 0600, of 4096 bytes; take " \
    "an open file description lock for\nwriting on its byte 0. It begins " \
    "with two semaphores, `full` and `back`\n(sem_init(3), shared, of value " \
    "0). Write the slot (below), marked JOIN, and give the\nfile the name " \
    "`/dev/shm/BASE.PID.SERIAL` (decimal; linkat(2)).\n" \
    "\n" REGISTRATION_WIRE "\n" \
    "\n" \
    "The ids are zero. Post the semaphore `/BASE` (sem_open(3)), the " \
    "doorbell, and wait on\n`back`. The slot is now a REPLY and has the " \
    "nonce, or it is marked FULL; remove the\nname, if the server has not. " \
    "Both can be closed. To send, write the slot, a\nREQUEST with the " \
    "nonce, post `full`, post the doorbell. To receive, wait on `back`\nand " \
    "read the slot; after a notice it comes back as it was. If nobody holds " \
    "a lock\non byte 1, the server is gone, or has disconnected you. Numbers " \
    "are in the machine's\nown order:\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | | `full`, and behind it `back` |\n" \
    "| 4096 | 4 | mark: JOIN 0x4d00, REQUEST 0x4d01, REPLY 0x4d02, FULL " \
    "0x4d03 |\n" \
    "| 4100 | 4 | length of the frame |\n" \
    "| 4104 | 16 | the nonce |\n" \
    "| 4120 | | a frame |"

/* All or nothing: -ENOSPC. */
int slot_put(int fd, const struct slot_head *head, const void *body);

/* body: NULL, or BODY_MAX bytes.  -EBADMSG: it is shorter than it says. */
int slot_get(int fd, struct slot_head *head, void *body);

/* -- who is alive ---------------------------------------------------------- */

/* Byte of a file whose lock says so. */
enum { CLIENT, SERVER };

/* Ours, until we close fd or die.  -EAGAIN: somebody else's. */
int life_lock(int fd, off_t byte);
bool life_locked(int fd, off_t byte);

/* -- semaphores ------------------------------------------------------------ */

/* Server: makes the named one, of value 0; -EEXIST: the name is taken. */
int doorbell_make(sem_t **sem, const char *name, mode_t mode);

/* 0, -ETIMEDOUT, -EINTR. */
int sem_wait_until(sem_t *sem, int64_t deadline);

/* NULL, or why there are no named semaphores here. */
const char *mailbox_unavailable(void);

/* -- a mailbox ------------------------------------------------------------- */

struct mailbox {
    int fd;
    struct mailbox_sems *sems;
};

/* Maps the semaphores of a file that is open; 0 or -errno.  Closes both. */
int mailbox_map(struct mailbox *mailbox);
void mailbox_let_go(struct mailbox *mailbox);

/* "/BASE.PID.SERIAL", for shm_open(3). */
#define MAILBOX_NAME (ENDPOINT_SIZE + 32)
void mailbox_name(char name[MAILBOX_NAME], const char *base, uint32_t pid,
                  uint32_t serial);

struct mailbox_client {
    struct mailbox mailbox;
    sem_t *doorbell;
    uint8_t nonce[NONCE_SIZE];
    struct turn turn;
    struct slot_head head; /* of what has come back last */
    void *into;            /* where its body goes; NULL: nowhere */
};

struct mailbox_session {
    struct mailbox mailbox;
    bool due; /* it waits for a reply: nothing more is taken from it */
};

struct mailbox_server {
    char name[ENDPOINT_SIZE], base[ENDPOINT_SIZE];
    uid_t owner; /* whose clients are admitted */
    sem_t *doorbell;
    struct object_id endpoint; /* NAME, the file */
    struct registrar registrar;
    struct sessions sessions;
    struct mailbox_session clients[IPC_MAX_CLIENTS]; /* by slot */
    int last;                                        /* served */
    unsigned turns; /* since it looked who comes and who goes */
};

/* -- who comes and who goes (mailbox_join.c) ------------------------------- */

int mailbox_create(void *srv, const char *name);
void mailbox_destroy(void *srv);
int mailbox_sweep(const char *name);

/* Takes in, or turns away, who has registered; lets go of those who have
 * died. */
void mailbox_look_around(struct mailbox_server *s);

/* With the descriptor goes our lock; then the client is woken to see it. */
void mailbox_disconnect(struct mailbox_server *s, unsigned slot);

int mailbox_open(void *cli, const char *where);
void mailbox_close(void *cli);
void mailbox_forget(void *cli);

#endif

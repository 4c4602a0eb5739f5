/*
 * box.h - one box and its parts: the letter, a file; the locks on it that say
 * who is alive; the POSIX semaphores, and their names.
 */
#ifndef BOX_H
#define BOX_H

#include "core/ipc.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <semaphore.h>
#include <stdbool.h>

/* -- the letter ----------------------------------------------------------- */

/* Bytes of a message: 64 KiB and what frames it. */
#define BODY_MAX (65536 + 64)

#define LETTER_REQUEST 0x4d01
#define LETTER_REPLY   0x4d02
#define LETTER_FULL    0x4d03 /* no room for one more client */

struct letter_head {
    uint32_t mark, len; /* of the body, bytes */
    uint8_t nonce[NONCE_SIZE];
};

/* What a client in another language must know: it is a page of PROTOCOL.md. */
#define MAILBOX_WIRE \
    "Choose a random 32-bit SERIAL and make the letter, the file\n" \
    "`DIR/sem-mailbox.d/.UID.PID.SERIAL` (decimal; your effective uid),\n" \
    "mode 0600. Take an open file description lock for writing on its\n" \
    "byte 0. Make two POSIX semaphores of value 0 and mode 0600,\n" \
    "`/ipclab-HASH-sem-mailbox.UID.PID.SERIAL.full` and `.back`; HASH is\n" \
    "FNV-1a (32 bits, 8 hex digits) of the path `DIR/sem-mailbox`. Rename\n" \
    "the letter: without the dot. Post `/ipclab-HASH-sem-mailbox.knock`\n" \
    "and `.bell`, wait on `back`. The letter is now a REPLY and has the\n" \
    "nonce, or it is marked FULL; its name and those of the semaphores\n" \
    "are gone. To send, write the letter, post `full`, post `.bell`. To\n" \
    "receive, wait on `back` and read the letter; after a notice it comes\n" \
    "back as it was. If nobody holds a lock on its byte 1, the server is\n" \
    "gone, or has cut you off. Its numbers are in the machine's own order:\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | 4 | mark: REQUEST 0x4d01, REPLY 0x4d02, FULL 0x4d03 |\n" \
    "| 4 | 4 | length of the frame |\n" \
    "| 8 | 16 | the nonce |\n" \
    "| 24 | | a frame |"

/* All or nothing: -ENOSPC. */
int letter_put(int fd, const struct letter_head *head, const void *body);

/* body: NULL, or BODY_MAX bytes.  -EBADMSG: it is shorter than it says. */
int letter_get(int fd, struct letter_head *head, void *body);

/* -- who is alive --------------------------------------------------------- */

/* Byte of a file whose lock says so. */
enum { CLIENT, SERVER };

/* Ours, until we close fd or die.  -EAGAIN: somebody else's. */
int life_lock(int fd, off_t byte);
bool life_locked(int fd, off_t byte);

/* -- semaphores --------------------------------------------------------------
 *
 * Called /ipclab-HASH-sem-mailbox.WHICH, or .FILE.WHICH if they belong to a
 * letter; file is "" otherwise.  SEM_FAILED and errno. */

sem_t *bell_make(const char *endpoint, const char *file, const char *which,
                 mode_t mode);
sem_t *bell_open(const char *endpoint, const char *file, const char *which);
void bell_close(sem_t *sem); /* harmless on SEM_FAILED */

/* 1 = it was there. */
int bell_unlink(const char *endpoint, const char *file, const char *which);

/* 0, -ETIMEDOUT, -EINTR. */
int bell_wait(sem_t *sem, int64_t deadline);

/* NULL, or why there are no named semaphores here. */
const char *bell_unavailable(void);

/* -- one box, as either side has it --------------------------------------- */

struct box {
    int fd; /* the letter */
    sem_t *full, *back;
    uint8_t nonce[NONCE_SIZE];
};

/* Client: makes a box, posts knock and bell, and waits until the server has
 * taken it over (boxes.h).  *bell: for every request to come.  As ipc.h's
 * open(). */
int box_join(struct box *box, const char *where, sem_t **bell);

void box_close(struct box *box);

/* Takes the names away: of a letter in that directory, of its semaphores. */
void box_remove_names(const char *endpoint, int dir, const char *file);

#endif

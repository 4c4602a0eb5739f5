/*
 * box.h - a mailbox's parts: the letter, a file; the locks on it that say who
 * is alive; the POSIX semaphores, and their names.
 */
#ifndef BOX_H
#define BOX_H

#include "core/ipc.h"
#include "core/owner.h"
#include "core/rundir.h"

#include <semaphore.h>
#include <stdbool.h>

/* -- the letter ------------------------------------------------------------- */

/* Bytes of a message: 64 KiB and what frames it. */
#define BODY_MAX (65536 + 64)

#define LETTER_REQUEST 0x4d01
#define LETTER_REPLY   0x4d02
#define LETTER_FULL    0x4d03 /* no room for one more client */

struct letter_head {
    uint32_t mark, len; /* of the body, bytes */
    uint8_t nonce[NONCE_SIZE];
};

/* All or nothing: -ENOSPC. */
int letter_put(int fd, const struct letter_head *head, const void *body);

/* body: NULL, or BODY_MAX bytes.  -EBADMSG: it is shorter than it says. */
int letter_get(int fd, struct letter_head *head, void *body);

/* -- who is alive ------------------------------------------------------------ */

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

#endif

/*
 * owner.h - who owns this object?  Evidence K2.
 *
 * A mechanism that does not tell the server who sent a message can still tell
 * who *made* an object.  So the client makes a reply object that only it can
 * read, and the server (1) checks that object's owner, then (2) leaves a
 * random number in it, the nonce, and believes only requests that carry it.
 *
 * Step 1 alone is the classic technique (APUE 15.11, "client-server
 * properties"), and it is not enough: it proves who made the reply object, not
 * who wrote the request that names it.  Anybody can write "my reply FIFO is
 * Alice's".  Only Alice can read what the server then puts there.
 *
 * Each check can be left out (defence.h), to see what it is good for.
 */
#ifndef OWNER_H
#define OWNER_H

#include "ipc.h"

#include <stdbool.h>
#include <sys/ipc.h>

#define NONCE_SIZE 16 /* bytes; not to be guessed */

/* How old a reply object may be, in seconds: the client has just made it.
 * Hygiene, not proof; the owner can set most time stamps. */
#define OWNER_MAX_AGE 30

/*
 * Checks the object behind fd (which may be O_PATH): of this type (S_IFIFO
 * ...), mode 0600, one name only, just made, and owned by the uid that the
 * request claims.  Fills in *peer: K2 and the uid; the pid stays unknown.
 *
 * The group is the one that /etc/passwd says is that user's, or -1.  The
 * object's own is no evidence: in a set-group-ID directory, which anybody may
 * have made, a new file gets the directory's group, and keeps it when it is
 * moved here.
 *   -EPERM  it is not such an object; *peer is IPC_PEER_UNKNOWN
 */
int owner_check_fd(int fd, mode_t type, uid_t claimed, struct ipc_peer *peer);

/* The same for a memfd (memfd_create(2)) of this size, sealed: neither its
 * owner nor anybody else can make it larger or smaller (F_SEAL_GROW,
 * F_SEAL_SHRINK). */
int owner_check_memfd(int fd, size_t size, uid_t claimed,
                      struct ipc_peer *peer);

/* The same for a System V object: its creator (cuid; the owner, uid, can be
 * given away by IPC_SET, even to root) and its last change. */
int owner_check_perm(const struct ipc_perm *perm, time_t changed, uid_t claimed,
                     struct ipc_peer *peer);

/* Fresh random bytes, by getrandom(2). */
int nonce_make(uint8_t nonce[NONCE_SIZE]);

/* Compares in a time that does not tell where they differ. */
bool nonce_equal(const uint8_t a[NONCE_SIZE], const uint8_t b[NONCE_SIZE]);

#endif

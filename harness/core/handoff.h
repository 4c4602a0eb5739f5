/*
 * handoff.h - lock hand-off: two processes take turns, by record locks alone.
 *
 * With a record lock (fcntl(2)) one can wait for exactly one thing: that
 * somebody else lets go of a byte.  Not that somebody takes one; so whoever is
 * to be waited for must hold its byte before the other begins to wait.  Three
 * bytes are enough.  Turn t belongs to byte t mod 3; even turns are the
 * client's, odd ones the server's:
 *
 *      turn  whose     byte 0   byte 1   byte 2    who waits
 *      0     client    client   server   client    the server, for 0
 *      1     server    server   server   client    the client, for 1
 *      2     client    server   client   client    the server, for 2
 *      3     server    server   client   server    the client, for 0
 *      4     client    client   client   server    the server, for 1
 *      5     server    client   server   server    the client, for 2
 *      6     as 0
 *
 * From each line to the next one byte changes hands, the turn's own: that is
 * the hand-off.  Whose turn it is holds that byte t, and t-1, by which the turn
 * came to it; the other one holds t+1 and waits for t.
 *
 *  - No deadlock: of the two only the one whose turn it is not waits.
 *  - No lost turn: before t is let go, the other one already has t+1, which is
 *    what the next wait will be for.  Nothing has to be taken in a hurry.
 *    (With two bytes it would: who has passed byte 0 must get hold of it again
 *    before the other one, with byte 1, is done.  If it is late, the other one
 *    finds 0 free and takes a turn that nobody gave to it.)
 *  - No wait for the dead: the kernel lets go of all that a process held,
 *    however it died.  So to have got the byte does not mean that the other one
 *    has finished its turn: what it writes down has to say so too (turnfile.h).
 *  - What one wrote before it let go, the other sees when it has it: the
 *    kernel's own lock around its list of locks is a barrier on both sides.
 *
 * These are open file description locks.  The older record locks belong to the
 * process: its threads do not exclude each other, and closing any descriptor
 * of the file, perhaps in a library, loses all of them.
 *
 * The bytes that are locked are only numbers; what stands there does not
 * matter, nor whether the file is that long.
 */
#ifndef HANDOFF_H
#define HANDOFF_H

#include "core/alarm.h"

#include <stdbool.h>
#include <stdint.h>

struct handoff {
    int fd;        /* of the file, for reading and writing */
    uint64_t turn; /* the number of the turn that is on now */
};

/* The client makes the beginning: the file is new, turn 0 is its own. */
int handoff_first(struct handoff *h, int fd);

/* The server comes in.
 *   -EPIPE   the client is not there (any more)
 *   -EAGAIN  another server is */
int handoff_second(struct handoff *h, int fd);

/* Ends one's own turn. */
int handoff_pass(struct handoff *h);

/* Waits for one's turn; or tries, and gets -EAGAIN.  0: it is our turn, if what
 * the other one has written says that its own is done; otherwise it is dead.
 *   -ETIMEDOUT, -EINTR
 * a  for the time limit, which fcntl(2) does not have */
int handoff_wait(struct handoff *h, struct alarm *a, int64_t deadline);
int handoff_try(struct handoff *h);

/* While it is one's own turn: waits until the other one dies, 0. */
int handoff_watch(const struct handoff *h, struct alarm *a, int64_t deadline);

/* Does the other one hold any byte still?  The living do, whoever's turn it
 * is. */
bool handoff_peer_lives(const struct handoff *h);

/* Whether this kernel has such locks: NULL, or why not. */
const char *handoff_unavailable(void);

#endif

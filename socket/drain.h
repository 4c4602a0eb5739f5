/*
 * drain.h - closes what may hold up who closes it.
 *
 * Where the kernel cannot be told that no descriptors are wanted (before Linux
 * 6.16: ancillary.h), a stranger can put one beside any message.  Whoever takes
 * the message has a file that must be closed; whoever closes a socket with the
 * message unread drops the file all the same; and how long that takes is the
 * file's business: 1 GiB of memory half a second, a TCP socket as long as its
 * owner has set SO_LINGER to, a file of the owner's own file system (FUSE) for
 * ever, if it is closed by close(2).
 *
 * So such a message is never received by a thread that serves somebody: it is
 * recognized by a look (ancillary_look()), and a thread of its own, which serves
 * nobody, closes the connection, or takes the datagram out of the queue.  The
 * descriptor itself gets no number in our table: the kernel drops it, which
 * unlike close(2) does not ask a FUSE file system (flush).
 *
 * A thread that is held up is left alone.  It is counted for the user who did it
 * (QUOTA_CLOSING), and who has his part is not taken as a client until one ends.
 */
#ifndef DRAIN_H
#define DRAIN_H

#include <stdbool.h>
#include <sys/types.h>

/* close(2), elsewhere if it may take long.  uid: who sent what is in there. */
void drain_close(int fd, uid_t uid);

/* Takes one datagram out of this socket's queue, and drops it.  Returns when it
 * is out; who took it may still be held up. */
void drain_datagram(int socket, uid_t uid);

/* Has this user as many such threads as one may have? */
bool drain_is_full(uid_t uid);

#endif

/*
 * ancillary.h - messages through sockets, and what can travel beside their
 * bytes: descriptors and the sender's ids (ancillary data, cmsg(3), unix(7)).
 */
#ifndef ANCILLARY_H
#define ANCILLARY_H

#include "core/ipc.h"

#include <stdbool.h>
#include <sys/socket.h>

/* Our errno for "it did not work": -EPIPE if it says in any way that the peer
 * is gone, else -error. */
int socket_error(int error);

/* send(2), or sendmsg(2), that does not wait.  fd (or -1) travels beside the
 * first byte.  Bytes sent, or -errno. */
ssize_t ancillary_send(int socket, struct iovec *data, size_t pieces, int fd);

/* What came beside the bytes. */
struct ancillary {
    int fd;           /* a descriptor, the receiver's now; or -1 */
    bool refused;     /* more than one, or they did not fit; all closed */
    bool stamped;     /* who is valid; SO_PASSCRED asks for it */
    struct ucred who; /* the process that sent this message */
};

/* recvmsg(2) with room for everything that may come beside the bytes.  msg says
 * where they go.  The first does not wait, the second does.  Bytes received, or
 * -errno. */
ssize_t ancillary_receive(int socket, struct msghdr *msg, struct ancillary *a);
ssize_t ancillary_await(int socket, struct msghdr *msg, struct ancillary *a);

/*
 * From now on the kernel lets nobody send a descriptor to this socket, or to
 * the connections that it accepts: EPERM, to the sender.  One that has come
 * must be closed, and its sender decides how long that takes: a file of its own
 * file system (FUSE) for ever, and no signal helps; 1 GiB of memory half a
 * second.
 *   -ENOPROTOOPT  a kernel before Linux 6.16: they come (drain_close())
 */
int ancillary_refuse_descriptors(int socket);

/* Has the kernel not been able to promise that? */
bool ancillary_descriptors_come(void);

/*
 * Looks at what is to be received next (MSG_PEEK), where descriptors may come:
 * is there one beside it?  Then it should not be received here.  Where none can
 * come no call is made, and the answer is no.
 *   a  NULL; or, if the socket has SO_PASSCRED, who sent it, if the answer is yes
 * If it is no, what msg has room for is cut to what has been looked at, if it
 * is one piece: a stream goes on, and its next bytes have not been seen.
 */
bool ancillary_look(int socket, struct msghdr *msg, struct ancillary *a);

/* Closes a descriptor that a stranger sent. */
void ancillary_discard(int fd);

/* -- closing what may hold up who closes it -------------------------------- */

/*
 * Where the kernel cannot be told that no descriptors are wanted (before Linux
 * 6.16: see above), a stranger can put one beside any message.  Whoever takes
 * the message has a file that must be closed; whoever closes a socket with the
 * message unread drops the file all the same; and how long that takes is the
 * file's business: 1 GiB of memory half a second, a TCP socket as long as its
 * owner has set SO_LINGER to, a file of the owner's own file system (FUSE) for
 * ever, if it is closed by close(2).
 *
 * So such a message is never received by a thread that serves somebody: it is
 * recognized by a look (ancillary_look()), and a thread of its own, which
 * serves nobody, closes the connection, or takes the datagram out of the queue.
 * The descriptor itself gets no number in our table: the kernel drops it,
 * which unlike close(2) does not ask a FUSE file system (flush).
 *
 * A thread that is held up is left alone.  It is counted for the user who did
 * it (QUOTA_CLOSING), and a user with that many is not taken as a client until
 * one ends.
 */

/* close(2), elsewhere if it may take long.  uid: who sent what is in there. */
void drain_close(int fd, uid_t uid);

/* Takes one datagram out of this socket's queue, and drops it.  Returns when it
 * is out; who took it may still be held up. */
void drain_datagram(int socket, uid_t uid);

/* Has this user as many such threads as one may have? */
bool drain_is_full(uid_t uid);

#endif

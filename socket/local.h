/*
 * local.h - AF_UNIX sockets: addresses, joining a server, and who is at the
 * other end.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "core/ipc.h"
#include "core/object.h"
#include "core/rundir.h"

#include <sys/socket.h>
#include <sys/un.h>

/* An address as text: '@' and a name of 107 bytes, or a path, and the NUL. */
#define ADDRESS_SIZE (ENDPOINT_SIZE + 1)

/* -- addresses ------------------------------------------------------------ */

/* The address of a path, or of an abstract name.  Returns its length. */
socklen_t local_path(struct sockaddr_un *address, const char *path);
socklen_t local_abstract(struct sockaddr_un *address, const char *name);

/* "/run/x", "@name", or "unnamed", as a socket is that nobody bound. */
void local_text(const struct sockaddr_un *address, socklen_t len,
                char text[ADDRESS_SIZE]);

/* The server's socket at this address: bound, in the place of a leftover, and
 * unless it is for datagrams, listening.  It is open to all users.  Records are
 * stamped with who sent them (SO_PASSCRED).  Returns a descriptor that does not
 * wait, or -errno. */
int local_listen(int type, const struct sockaddr_un *address, socklen_t len);

/* destroy(): removes that file, if it still is the one that was bound, which
 * object_id_at() said then, and no activator's. */
void local_remove(const char *path, const struct object_id *id);

/* sweep() of ipc.h, where the endpoint's file is all that a crash leaves. */
int local_sweep(const char *name);

/* -- the handshake, here and of TCP ---------------------------------------- */

/*
 * A server takes a client with one byte, or turns it away with an end of file:
 * connect(2) has succeeded as soon as the kernel has put the connection into
 * the listener's queue.  Without a word from the server its client would not
 * know whether anybody will ever take it from there.
 */
#define HANDSHAKE_TAKEN '+' /* the byte */

/* accept4(2): the connection, or -1.  When there are no descriptors left, gives
 * *spare up for a moment to turn the client away. */
int handshake_accept(int listener, int *spare);

/* Says it.  0, or -EPIPE. */
int handshake_say(int socket);

/* The client waits for it.  -EAGAIN: turned away.  -EPERM: that is not our
 * server.  -ETIMEDOUT. */
int handshake_wait(int socket, int64_t deadline);

/* -- who is there --------------------------------------------------------- */

/* What the kernel said, as a peer.  Nobody, if it said "not known" in one of
 * its ways. */
struct ipc_peer local_peer(const struct ucred *who, enum ipc_evidence evidence);

/* Whose connection this is, for telling one user from another: also where that
 * is no identity, as it has no pid here.  (uid_t)-1: the kernel does not tell
 * this user from others. */
uid_t local_owner(int socket);

/* Who called connect(2), by effective uid, fixed at that moment; and the
 * address that it had bound, if any. */
int local_identify(int socket, struct ipc_peer *peer,
                   char address[ADDRESS_SIZE]);

/*
 * Joins a server that listens at this address: connects, checks that it
 * belongs to the owner of the endpoint `where`, and waits for its handshake.
 * Takes at most ipc_open_timeout.  Returns the socket, or the errors of open()
 * in ipc.h.
 */
int local_join(int type, const struct sockaddr_un *address, socklen_t len,
               const char *where);

#endif

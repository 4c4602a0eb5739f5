/*
 * inet.h - IPv4 sockets: addresses as text, the endpoint's file that says where
 * the server is, and who owns the socket at the other end.
 */
#ifndef INET_H
#define INET_H

#include "core/object.h"

#include "core/ipc.h"

#include <netinet/in.h>
#include <stdbool.h>

#define INET_TEXT sizeof "255.255.255.255:65535"

void inet_text(const struct sockaddr_in *address, char text[INET_TEXT]);

/* Where to listen: $IPCLAB_LISTEN, else 127.0.0.1 and a port that the kernel
 * chooses (0).  -EINVAL. */
int inet_listen_at(struct sockaddr_in *address);

/* Writes the address that the socket is bound to into the endpoint's file,
 * which *file says again later.  A leftover makes way. */
int inet_publish(const char *name, int socket, struct object_id *file);

/*
 * Where the server is: "HOST:PORT", or in the endpoint's file, if where has a
 * slash; then the file must belong to the owner of its directory.
 *   -ENOENT, -EACCES, -EPERM, -ECONNREFUSED (nothing in the file)
 *   -EINVAL  that is no HOST:PORT
 */
int inet_find(const char *where, struct sockaddr_in *address);

/*
 * Who made the socket that is bound to `at`, and (TCP) connected to `peer`;
 * both as that socket sees it.  Asks the kernel of this machine, this network
 * namespace: sock_diag(7).  *inode tells sockets apart.
 *   -ENOENT  no such socket here, or nobody has it open any more
 */
int inet_owner(int protocol, const struct sockaddr_in *at,
               const struct sockaddr_in *peer, uid_t *uid, uint32_t *inode);

/* Is the server that this socket is connected to the one that the endpoint's
 * file should lead to?  Whoever takes a dead server's port is somebody else.
 * Nothing can be said, 0, if where is a HOST:PORT.  -EPERM. */
int inet_check_server(int protocol, int socket, const char *where);

/* unavailable() of ipc.h. */
const char *inet_unavailable(void);

#endif

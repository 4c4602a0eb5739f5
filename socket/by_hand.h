/*
 * by_hand.h - what the tests of this directory do to a server without its
 * client: sockets made, bound and connected by hand.
 */
#ifndef SOCKET_BY_HAND_H
#define SOCKET_BY_HAND_H

#include "inet.h"
#include "local.h"

#include "test/test.h"

#include <sys/types.h>

/* -1, and this errno. */
void expect_error(ssize_t result, int error);

/* Connected to one of our servers; AF_UNIX, with a path.  Taken, if its kind
 * has connections. */
int connect_to(const char *where, int type);

/* The same for any, by its mechanism; the handshake is to come. */
int connect_only(const struct ipc_mechanism *m, const char *where);

/* Bound there; with connections, it listens. */
int bind_to(const struct sockaddr_un *address, socklen_t len, int type);
int bind_path(const char *path, int type);

/* The address in a server's file. */
struct sockaddr_in server_address(const char *where);

#endif

/*
 * handshake.h - a server takes a client with one byte, or turns it away with an
 * end of file.
 *
 * connect(2) has succeeded as soon as the kernel has put the connection into
 * the listener's queue.  Without a word from the server its client would not
 * know whether anybody will ever take it from there.
 */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include <stdint.h>

#define HANDSHAKE_TAKEN '+' /* the byte */

/* accept4(2): the connection, or -1.  When there are no descriptors left, gives
 * *spare up for a moment to turn the client away. */
int handshake_accept(int listener, int *spare);

/* Says it.  0, or -EPIPE. */
int handshake_say(int socket);

/* The client waits for it.  -EAGAIN: turned away.  -EPERM: that is not our
 * server.  -ETIMEDOUT. */
int handshake_wait(int socket, int64_t deadline);

#endif

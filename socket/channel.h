/*
 * channel.h - a reply channel: the way back for one who can only send.
 *
 *      client                                  server
 *      pair[0]  <======= replies ===========   pair[1], which the client sent
 *
 * An open descriptor leads to the same place for everybody.  A name does not:
 * it means what the reader's mount or network namespace says it means.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The client makes a pair, sends one end of it to the server beside size zero
 * bytes, and waits for the server's first record in it: size bytes, which go to
 * welcome.  Takes at most ipc_open_timeout.  Returns the other end, or the
 * errors of open() in ipc.h.
 */
int channel_open(int socket, uint8_t *welcome, size_t size);

/* The server: is this a pair that this client made?  Prepares it for long
 * records.  0, or -EPERM. */
int channel_check(int fd, uid_t client);

#endif

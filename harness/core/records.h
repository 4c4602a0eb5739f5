/*
 * records.h - messages through sockets that keep them apart: AF_UNIX of the
 * types SOCK_SEQPACKET and SOCK_DGRAM, and UDP.
 *
 * The kernel takes a record whole or not at all, so there is nothing to put
 * together here; what is asked is how large one may be.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "ipc.h"

#include <sys/socket.h>

/* Sends one, waiting for room until the deadline (clock.h).  0 or -errno;
 * signals do not interrupt it. */
int record_send(int socket, struct iovec *data, size_t pieces, int fd,
                int64_t deadline);

/* Receives one from a server: recv() of ipc.h. */
int record_receive(int socket, struct ipc_message *msg, int64_t deadline);

/* Makes a socket take records as large as it can be made to, and says how
 * large that is. */
int record_widen(int socket);
int record_max(size_t *size);

#endif

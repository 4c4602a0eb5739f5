/*
 * streams.h - the server of many stream sockets, AF_UNIX or TCP: which client's
 * request is next.
 *
 * Bytes become messages in core/stream.h; who the clients are is in clients.h.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "clients.h"

/* next() of ipc.h, for a struct clients. */
int streams_next(void *srv, struct ipc_request *req, int64_t timeout_ns);

#endif

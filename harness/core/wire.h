/*
 * wire.h - the frame: 32 bytes of header, then the payload.
 *
 *      0        4 5 6    8        12       16               24   26         32
 *      +--------+-+-+----+--------+--------+----------------+----+----------+
 *      | magic  |v|k|meth| length | status |       id       |nfds| reserved |
 *      +--------+-+-+----+--------+--------+----------------+----+----------+
 *
 * Little-endian, written and read byte by byte: a struct laid over the buffer
 * would bring padding, alignment and the host's byte order with it, and a
 * buffer that the peer can still change would be read twice.
 */
#ifndef WIRE_H
#define WIRE_H

#include "ipc.h"

#include <stdbool.h>

#define WIRE_HEADER  32 /* bytes */
#define WIRE_VERSION 1

enum wire_kind {
    WIRE_REQUEST = 0, /* wants a reply */
    WIRE_REPLY = 1,
    WIRE_NOTICE = 2, /* a request that gets no reply, not even an error */
};

/* Status of a reply. */
enum wire_status {
    WIRE_OK = 0,
    WIRE_OS_ERROR = 1,    /* a system call failed; errno is in the payload */
    WIRE_DENIED = 2,      /* not for this caller */
    WIRE_NO_METHOD = 3,   /* no such method */
    WIRE_BAD_ARGS = 4,    /* the arguments do not decode, or are out of range */
    WIRE_BAD_VERSION = 5, /* the server speaks another version of the frame */
    WIRE_TOO_LARGE = 6,   /* the result does not fit this mechanism */
    WIRE_BUSY = 7,        /* this user's quota is spent, or all there is */
    WIRE_STATUSES
};

struct wire_header {
    enum wire_kind kind;
    uint16_t method;
    uint32_t length; /* of the payload, bytes */
    uint32_t status; /* enum wire_status; 0 in a request */
    uint64_t id;     /* chosen by the client, echoed by the server */
    unsigned nfds;   /* 0 or 1 descriptors travel along */
};

/* Writes the header into the first 32 bytes of buf. */
void wire_encode(const struct wire_header *h, uint8_t *buf);

/*
 * Reads a header.  The one decoder: pure, and it looks at each byte once.
 *   0                 *h is valid
 *   -EPROTONOSUPPORT  another version; only id and kind of *h are valid
 *   -EBADMSG          anything else: magic, kind, nfds, reserved bytes, a
 *                     status in a request
 */
int wire_decode_header(const uint8_t buf[WIRE_HEADER], struct wire_header *h);

/*
 * Reads a whole message: the header as above, and then -EBADMSG also for a
 * payload that is not as long as the header says, and for a descriptor that
 * came unannounced or was announced and did not come (has_fd).
 */
int wire_decode(const void *buf, size_t len, int has_fd, struct wire_header *h);

/* Does this frame of ours want a reply?  For mechanisms that hold one message
 * at a time and must know whether the answer is still to come. */
bool wire_wants_reply(const struct ipc_message *msg);

/* Why wire_decode() refused it, for messages and the log. */
const char *wire_explain(const void *buf, size_t len, int has_fd);

/* -- little-endian integers, byte by byte -------------------------------------
 *
 * Here, because a compiler that sees the whole of it makes one load or store of
 * it where the machine is little-endian. */

static inline void
put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void
put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)v);
    put16(p + 2, (uint16_t)(v >> 16));
}

static inline void
put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t
get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t
get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* What a header says about the length of its payload, if it is one. */
static inline uint32_t
wire_length(const uint8_t header[WIRE_HEADER])
{
    return get32(header + 8);
}

#endif

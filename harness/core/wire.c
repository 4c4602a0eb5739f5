/* wire.c - the frame's header, to bytes and back. */
#include "wire.h"

#include <errno.h>
#include <string.h>

static const uint8_t magic[4] = {'I', 'P', 'C', '1'};

void
wire_encode(const struct wire_header *h, uint8_t *buf)
{
    memcpy(buf, magic, sizeof magic);
    buf[4] = WIRE_VERSION;
    buf[5] = (uint8_t)h->kind;
    put16(buf + 6, h->method);
    put32(buf + 8, h->length);
    put32(buf + 12, h->status);
    put64(buf + 16, h->id);
    put16(buf + 24, (uint16_t)h->nfds);
    memset(buf + 26, 0, 6);
}

/* NULL when the header is good; *err as wire_decode_header() returns it. */
static const char *
check_header(const uint8_t *buf, struct wire_header *h, int *err)
{
    unsigned kind = buf[5];

    *err = -EBADMSG;
    if (memcmp(buf, magic, sizeof magic) != 0)
        return "no magic number";
    if (kind > WIRE_NOTICE)
        return "unknown kind";
    h->kind = (enum wire_kind)kind;
    h->id = get64(buf + 16);
    if (buf[4] != WIRE_VERSION) {
        *err = -EPROTONOSUPPORT;
        return "unknown version";
    }
    h->method = get16(buf + 6);
    h->length = get32(buf + 8);
    h->status = get32(buf + 12);
    h->nfds = get16(buf + 24);
    if (h->nfds > 1)
        return "more than one descriptor";
    if (get16(buf + 26) != 0 || get32(buf + 28) != 0)
        return "reserved bytes are not zero";
    if (h->kind != WIRE_REPLY && h->status != 0)
        return "a status in a request";
    *err = 0;
    return NULL;
}

static const char *
check(const void *buf, size_t len, int has_fd, struct wire_header *h, int *err)
{
    const char *why;

    *err = -EBADMSG;
    if (len < WIRE_HEADER)
        return "shorter than a header";
    why = check_header(buf, h, err);
    if (why != NULL)
        return why;
    *err = -EBADMSG;
    if (h->length != len - WIRE_HEADER)
        return "length is not the payload's";
    if (h->nfds != (has_fd ? 1u : 0u))
        return "descriptor announced and missing, or the other way round";
    *err = 0;
    return NULL;
}

int
wire_decode_header(const uint8_t buf[WIRE_HEADER], struct wire_header *h)
{
    int err;

    check_header(buf, h, &err);
    return err;
}

int
wire_decode(const void *buf, size_t len, int has_fd, struct wire_header *h)
{
    int err;

    check(buf, len, has_fd, h, &err);
    return err;
}

bool
wire_wants_reply(const struct ipc_message *msg)
{
    return msg->len > 5 && ((const uint8_t *)msg->buf)[5] == WIRE_REQUEST;
}

const char *
wire_explain(const void *buf, size_t len, int has_fd)
{
    struct wire_header h;
    int err;

    return check(buf, len, has_fd, &h, &err);
}

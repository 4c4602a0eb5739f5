/* frames.c - cuts a stream of bytes back into messages. */
#include "frames.h"

#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one read(2) brings at most while no long message is announced: small
 * messages come several at a time. */
#define FIRST_SIZE 8192

/* What a client may gather that sends on and on and takes no reply. */
#define MOST ((size_t)16 * IPC_MAX_MSG)

void
frames_init(struct frames *f)
{
    *f = (struct frames){0};
}

void
frames_free(struct frames *f)
{
    free(f->buf);
    frames_init(f);
}

/* The length of the message at the front: 0 = not known yet, or -EBADMSG. */
static ssize_t
frame_length(const struct frames *f)
{
    struct wire_header h;
    int err;

    if (f->end - f->start < WIRE_HEADER)
        return 0;
    err = wire_decode_header(f->buf + f->start, &h);
    if (err == -EPROTONOSUPPORT) /* of what follows we know nothing */
        return WIRE_HEADER;
    if (err != 0 || h.length > IPC_MAX_MSG - WIRE_HEADER)
        return -EBADMSG;
    return (ssize_t)(WIRE_HEADER + h.length);
}

void *
frames_space(struct frames *f, size_t *room)
{
    ssize_t want = frame_length(f);
    size_t need = want > FIRST_SIZE ? (size_t)want : FIRST_SIZE;

    if (f->start > 0) { /* the part of a message moves to the front */
        memmove(f->buf, f->buf + f->start, f->end - f->start);
        f->end -= f->start;
        f->start = 0;
    }
    if (f->end == f->cap && need <= f->cap) /* whole messages, not yet taken */
        need = 2 * f->cap;
    if (need > MOST)
        return NULL;
    if (f->cap < need) {
        uint8_t *bigger = realloc(f->buf, need);

        if (bigger == NULL)
            return NULL;
        f->buf = bigger;
        f->cap = need;
    }
    *room = f->cap - f->end;
    return f->buf + f->end;
}

void
frames_add(struct frames *f, size_t n)
{
    f->end += n;
}

int
frames_take(struct frames *f, struct ipc_message *msg)
{
    ssize_t len = frame_length(f);

    if (len < 0 || (size_t)len > msg->cap)
        return -EBADMSG;
    if (len == 0 || f->end - f->start < (size_t)len)
        return 0;
    msg->len = (size_t)len;
    memcpy(msg->buf, f->buf + f->start, msg->len);
    f->start += msg->len;
    if (f->start == f->end)
        f->start = f->end = 0;
    return 1;
}

size_t
frames_missing(const struct frames *f)
{
    ssize_t len = frame_length(f);

    if (len <= 0 || f->end - f->start >= (size_t)len)
        return 0;
    return (size_t)len - (f->end - f->start);
}

/* frames.c - cuts a stream of bytes back into messages. */
#include "frames.h"

#include "defence.h"
#include "wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one read(2) brings at most while no long message is announced: small
 * messages come several at a time.  As much as a pipe holds, pipe(7): who reads
 * less is woken again for what has been there already.  Of the memory only what
 * has been read into is really there. */
#define FIRST_SIZE 65536

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

/* The length of the message with this header, or -EBADMSG. */
static ssize_t
length_at(const uint8_t header[WIRE_HEADER])
{
    struct wire_header h;
    int err = wire_decode_header(header, &h);

    if (err == -EPROTONOSUPPORT) /* of what follows we know nothing */
        return WIRE_HEADER;
    if (err != 0 ||
        DEFENCE("length", h.length > IPC_MAX_MSG - WIRE_HEADER, false))
        return -EBADMSG;
    return (ssize_t)(WIRE_HEADER + h.length);
}

/* Of the message at the front: 0 = not known yet, or -EBADMSG. */
static ssize_t
frame_length(const struct frames *f)
{
    if (f->end - f->start < WIRE_HEADER)
        return 0;
    return length_at(f->buf + f->start);
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
    if (DEFENCE("length", need > MOST, false))
        return NULL;
    if (f->cap < need) {
        uint8_t *bigger = ipc_buffer(need);

        if (bigger == NULL)
            return NULL;
        if (f->end > 0)
            memcpy(bigger, f->buf, f->end);
        free(f->buf);
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

/* Its header, for who wants to say what is wrong with it. */
static int
refuse(const uint8_t *header, struct ipc_message *msg)
{
    msg->len = WIRE_HEADER;
    memmove(msg->buf, header, WIRE_HEADER);
    return -EBADMSG;
}

int
frames_take(struct frames *f, struct ipc_message *msg)
{
    ssize_t len = frame_length(f);

    if (len < 0 || (size_t)len > msg->cap)
        return refuse(f->buf + f->start, msg);
    if (len == 0 || f->end - f->start < (size_t)len)
        return 0;
    msg->len = (size_t)len;
    memcpy(msg->buf, f->buf + f->start, msg->len);
    f->start += msg->len;
    if (f->start == f->end)
        f->start = f->end = 0;
    return 1;
}

/* Nothing gathered, and nothing long has come yet: what is long comes in
 * pieces, and those are better gathered in one place from the first on. */
static bool
is_direct(const struct frames *f)
{
    return f->start == f->end && f->cap == FIRST_SIZE;
}

void *
frames_place(struct frames *f, const struct ipc_message *msg, size_t *room)
{
    void *own = frames_space(f, room); /* also for what will be left over */

    if (own == NULL || !is_direct(f))
        return own;
    if (*room > msg->cap)
        *room = msg->cap;
    return msg->buf;
}

/* Is this one message, all of it and nothing else, if it is any?  Who takes it
 * decodes its header, so it need not be done here as well. */
static bool
is_whole(const uint8_t *from, size_t n)
{
    return n >= WIRE_HEADER && wire_length(from) == n - WIRE_HEADER;
}

int
frames_cut(struct frames *f, struct ipc_message *msg, size_t n)
{
    const uint8_t *from = msg->buf;
    ssize_t len = 0;

    if (!is_direct(f)) {
        frames_add(f, n);
        return frames_take(f, msg);
    }
    if (is_whole(from, n)) {
        msg->len = n;
        return 1;
    }
    if (n >= WIRE_HEADER)
        len = length_at(from);
    if (len < 0 || (size_t)len > msg->cap)
        return refuse(from, msg);
    if ((size_t)len > n) /* the rest will follow */
        len = 0;
    msg->len = (size_t)len;
    f->start = 0;
    f->end = n - msg->len;
    memcpy(f->buf, from + len, f->end);
    return len > 0;
}

size_t
frames_missing(const struct frames *f)
{
    ssize_t len = frame_length(f);

    if (len <= 0 || f->end - f->start >= (size_t)len)
        return 0;
    return (size_t)len - (f->end - f->start);
}

/*
 * frames.h - cuts a stream of bytes back into messages.
 *
 * A pipe or a stream socket does not keep messages apart: one read(2) may
 * bring half a message or three of them.  The bytes are gathered here until
 * the header says that a message is whole.
 *
 *      while ((got = frames_take(&in, msg)) == 0) {
 *          void *to = frames_space(&in, &room);
 *          n = read(fd, to, room);
 *          frames_add(&in, n);
 *      }
 */
#ifndef FRAMES_H
#define FRAMES_H

#include "ipc.h"

struct frames {
    uint8_t *buf;      /* bytes start..end are not yet taken */
    size_t start, end; /* offsets in buf */
    size_t cap;
};

/* No allocation until the first byte is expected. */
void frames_init(struct frames *f);
void frames_free(struct frames *f);

/*
 * Where the next bytes go, and how many (*room, at least 1).  The buffer grows
 * to the size of the message that has been announced, and beyond only if whole
 * messages are not taken.  NULL: out of memory, or far too many not taken.
 */
void *frames_space(struct frames *f, size_t *room);
void frames_add(struct frames *f, size_t n);

/*
 * 1          a message was copied into msg->buf, its length is in msg->len
 * 0          not whole yet
 * -EBADMSG   not our protocol, or longer than msg->cap: there is no way to
 *            find the next message, so the connection must go; its header is
 *            in msg
 * (A frame of another version is handed on as it is, for the error reply.)
 */
int frames_take(struct frames *f, struct ipc_message *msg);

/*
 * The same with a copy less, for one who takes each message as soon as it is
 * there:
 *
 *      got = frames_take(&in, msg);
 *      while (got == 0) {
 *          void *to = frames_place(&in, msg, &room);
 *          n = read(fd, to, room);
 *          got = frames_cut(&in, msg, n);
 *      }
 *
 * As long as nothing is gathered the place is msg->buf itself: the message
 * that one read(2) brings, whole, stays where it is, and only what came beyond
 * it is gathered.  frames_cut() returns what frames_take() does.
 */
void *frames_place(struct frames *f, const struct ipc_message *msg,
                   size_t *room);
int frames_cut(struct frames *f, struct ipc_message *msg, size_t n);

/* Bytes still missing from the message that has begun; 0 if none has, or if
 * its header is not there yet. */
size_t frames_missing(const struct frames *f);

#endif

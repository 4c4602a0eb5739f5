/*
 * chunk.h - the bytes of a message in the values of signals: signals/rt's wire.
 *
 *      0           1                                       8 (4 on 32 bits)
 *      +-----------+----------------------------------------+
 *      | 0         | u16 length of the message, word, zeros |
 *      | 1 ... 255 | bytes of the message                   |
 *      +-----------+----------------------------------------+
 *
 * After 255 comes 1.  A gap would mean that somebody else has spoken.  word:
 * how many bytes the value has, 8 or 4, in the server's first message; those of
 * the other size would never come to an end.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include "core/ipc.h"
#include "core/wire.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define MAX_MSG 4096 /* bytes: 586 signals; a page, as a pipe's packet */

/* What a value holds of the message. */
#define CHUNK (sizeof(union sigval) - 1)

/* The same in words, for a client in another language: see PROTOCOL.md. */
#define CHUNK_WIRE \
    "Choose a free real-time signal number, not SIGRTMIN, and block it. " \
    "Make a pidfd of\nyourself, store the number in it with " \
    "fcntl(F_SETSIG), fork, and exec the server\nwith that pidfd as " \
    "descriptors 0 and 1. Send SIGRTMIN, receive the number, both\nwith " \
    "sigqueue(3): the server looks at si_code (SI_QUEUE) and si_pid (its " \
    "parent).\nA message is a row of signals; the value of each is the " \
    "bytes of a pointer in\nmemory order. Byte 0 counts: 0 in the first, " \
    "then 1 to 255, and 1 again. The first\nholds the length of the frame " \
    "(u16, then zeros), the others the bytes of the\nframe. An empty " \
    "message from the server says that it is ready; send nothing\nbefore. " \
    "Byte 3 of that is the number of bytes that its values have, which has " \
    "to be\nyours, too. EAGAIN: the queue is full, try again. One request " \
    "at a time. SIGHUP\nends the server."

struct incoming {
    uint8_t bytes[MAX_MSG + CHUNK];
    size_t got, want;
    uint8_t expected; /* number of the next chunk; 0: a message begins */
    uint8_t word;
};

static inline uint8_t
chunk_after(uint8_t number)
{
    return number == UINT8_MAX ? 1 : (uint8_t)(number + 1);
}

/* 1: a message is whole.  0: not yet.  -EPIPE: this is not our protocol. */
static inline int
chunk_add(struct incoming *in, const union sigval *value)
{
    uint8_t chunk[sizeof *value];

    memcpy(chunk, value, sizeof chunk);
    if (chunk[0] != in->expected)
        return -EPIPE;
    if (chunk[0] == 0) {
        in->got = 0;
        in->want = get16(chunk + 1);
        in->word = chunk[3];
        if (in->want > MAX_MSG)
            return -EPIPE;
    } else {
        memcpy(in->bytes + in->got, chunk + 1, CHUNK);
        in->got += CHUNK;
    }
    in->expected = in->got < in->want ? chunk_after(chunk[0]) : 0;
    return in->expected == 0;
}

static inline void
chunk_hand_over(const struct incoming *in, struct ipc_message *msg)
{
    memcpy(msg->buf, in->bytes, in->want);
    msg->len = in->want;
}

#endif

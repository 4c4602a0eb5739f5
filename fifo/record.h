/*
 * record.h - what a client of perclient.c writes into the request FIFO, each
 * time with a single write(2):
 *
 *      0       4     6      8     12       16            32
 *      +-------+-----+------+-----+--------+-------------+------------
 *      | FIFO  | len | type | pid | serial |    nonce    | body
 *      +-------+-----+------+-----+--------+-------------+------------
 *
 * pid and serial name the writer's reply FIFO.  A frame says neither where it
 * came from nor, after a few stray bytes, where it begins; so it travels in a
 * record's body.
 */
#ifndef FIFO_RECORD_H
#define FIFO_RECORD_H

#include "core/owner.h"
#include "core/wire.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* The same for the protocol page, for clients in another language. */
#define RECORD_WIRE \
    "`DIR/fifo-perclient` is a FIFO for requests, `DIR/fifo-perclient.d/` a " \
    "directory for\nreply FIFOs. Choose a random 32-bit SERIAL, make the " \
    "FIFO `PID.SERIAL` (decimal)\nthere with mode 0600, and open it for " \
    "reading, non-blocking. Open the request\nFIFO for writing, " \
    "non-blocking (ENXIO: no server; EAGAIN from write(2): it is full),\n" \
    "and write records to it, each with one write(2) of at most 4096 " \
    "bytes:\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | 4 | the bytes `F` `I` `F` `O` |\n" \
    "| 4 | 2 | length of the whole record |\n" \
    "| 6 | 2 | 1 join, 2 message |\n" \
    "| 8 | 4 | PID |\n" \
    "| 12 | 4 | SERIAL |\n" \
    "| 16 | 16 | join: zero; message: the nonce |\n" \
    "| 32 | | join: your effective uid, 4 bytes; message: a frame |\n" \
    "\n" \
    "First a join. The server answers with the nonce, 16 bytes, in the reply " \
    "FIFO; an\nend of file instead means that it has all the clients it can " \
    "take, no answer means\nno. Wait with poll(2): before the server has " \
    "opened the FIFO a read is an end of file,\ntoo, and poll(2) says " \
    "nothing yet. Then the name may be unlinked. From then on the\nreply " \
    "FIFO carries frames, one after the other, and its end of file means " \
    "that the\nserver has gone, or has disconnected you. To leave, close " \
    "both."

#define RECORD_PREFIX 32
#define RECORD_MAX    PIPE_BUF /* what the kernel does not mix: pipe(7) */

#define RECORD_JOIN_LEN (RECORD_PREFIX + 4)

enum record_type { RECORD_JOIN = 1, RECORD_MESSAGE = 2 };

/* Which reply FIFO: made by process pid; serial is random, so that nobody can
 * take the name before its owner does. */
struct reply_fifo {
    uint32_t pid, serial;
};

#define REPLY_NAME_SIZE 32 /* "PID.SERIAL" */
static inline void
reply_fifo_name(const struct reply_fifo *id, char name[REPLY_NAME_SIZE])
{
    snprintf(name, REPLY_NAME_SIZE, "%u.%u", id->pid, id->serial);
}

static const uint8_t record_mark[4] = {'F', 'I', 'F', 'O'};

/* -- client: writes them -------------------------------------------------- */

static inline void
record_set_length(uint8_t record[RECORD_MAX], size_t len)
{
    put16(record + 4, (uint16_t)len);
}

static inline void
record_put_prefix(uint8_t *p, enum record_type type,
                  const struct reply_fifo *id)
{
    memcpy(p, record_mark, sizeof record_mark);
    put16(p + 6, (uint16_t)type);
    put32(p + 8, id->pid);
    put32(p + 12, id->serial);
}

/* JOIN: "the reply FIFO id is mine, and I am uid".  Returns its length. */
static inline size_t
record_join(uint8_t record[RECORD_MAX], const struct reply_fifo *id, uid_t uid)
{
    record_put_prefix(record, RECORD_JOIN, id);
    record_set_length(record, RECORD_JOIN_LEN);
    memset(record + 16, 0, NONCE_SIZE);
    put32(record + RECORD_PREFIX, uid);
    return RECORD_JOIN_LEN;
}

/* MESSAGE: all of the prefix that is the same in each; the length is not. */
static inline void
record_message(uint8_t record[RECORD_MAX], const struct reply_fifo *id,
               const uint8_t nonce[NONCE_SIZE])
{
    record_put_prefix(record, RECORD_MESSAGE, id);
    memcpy(record + 16, nonce, NONCE_SIZE);
}

/* -- server: finds them --------------------------------------------------- */

/* Something that looks like a record; anybody may have written it. */
struct record {
    const uint8_t *at, *nonce, *body;
    size_t len; /* as it says itself: its end need not be there */
    enum record_type type;
    struct reply_fifo id;
};

/* A pure function of the 32 bytes at p. */
static inline bool
record_parse(const uint8_t *p, struct record *r)
{
    unsigned type = get16(p + 6);

    if (memcmp(p, record_mark, sizeof record_mark) != 0)
        return false;
    *r = (struct record){
        .at = p,
        .nonce = p + 16,
        .body = p + RECORD_PREFIX,
        .len = get16(p + 4),
        .type = (enum record_type)type,
        .id = {.pid = get32(p + 8), .serial = get32(p + 12)},
    };
    if (type == RECORD_JOIN)
        return r->len == RECORD_JOIN_LEN;
    return type == RECORD_MESSAGE && r->len >= RECORD_PREFIX &&
           r->len <= RECORD_MAX;
}

/* The first place between p and end where a record could begin, and all of
 * whose prefix is there. */
static inline bool
record_find(const uint8_t *p, const uint8_t *end, struct record *r)
{
    while (end - p >= RECORD_PREFIX) {
        p = memchr(p, record_mark[0], (size_t)(end - p) - (RECORD_PREFIX - 1));
        if (p == NULL)
            return false;
        if (record_parse(p, r))
            return true;
        p++;
    }
    return false;
}

/* Who joins says who it is. */
static inline uid_t
record_claim(const struct record *join)
{
    return get32(join->body);
}

#endif

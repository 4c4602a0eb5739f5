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
#ifndef RECORD_H
#define RECORD_H

#include "reply_fifo.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same for the protocol page, for clients in another language. */
#define RECORD_WIRE \
    "`DIR/fifo-perclient` is a FIFO for requests, `DIR/fifo-perclient.d/` a " \
    "directory for\nreply FIFOs. Choose a random 32-bit SERIAL, make the " \
    "FIFO `PID.SERIAL` (decimal)\nthere with mode 0600, and open it for " \
    "reading, non-blocking. Then write records to\nthe request FIFO, each " \
    "with one write(2) of at most 4096 bytes:\n" \
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
    "FIFO; no\nanswer means no. Then the name may be unlinked. From then on " \
    "the reply FIFO carries\nframes, one after the other, and its end of " \
    "file means that the server has gone."

#define RECORD_PREFIX 32
#define RECORD_MAX    PIPE_BUF /* what the kernel does not mix: pipe(7) */

enum record_type { RECORD_JOIN = 1, RECORD_MESSAGE = 2 };

/* -- client: writes them -------------------------------------------------- */

/* JOIN: "the reply FIFO id is mine, and I am uid".  Returns its length. */
size_t record_join(uint8_t record[RECORD_MAX], const struct reply_fifo *id,
                   uid_t uid);

/* MESSAGE: all of the prefix that is the same in each; the length is not. */
void record_message(uint8_t record[RECORD_MAX], const struct reply_fifo *id,
                    const uint8_t nonce[NONCE_SIZE]);
void record_set_length(uint8_t record[RECORD_MAX], size_t len);

/* -- server: finds them --------------------------------------------------- */

/* Something that looks like a record; anybody may have written it. */
struct record {
    const uint8_t *at, *nonce, *body;
    size_t len; /* as it says itself: its end need not be there */
    enum record_type type;
    struct reply_fifo id;
};

/* The first place between p and end where a record could begin, and all of
 * whose prefix is there. */
bool record_find(const uint8_t *p, const uint8_t *end, struct record *r);

/* Who joins says who he is. */
uid_t record_claim(const struct record *join);

#endif

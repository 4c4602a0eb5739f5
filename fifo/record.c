/* record.c - records of the request FIFO, to bytes and back. */
#include "record.h"

#include "core/wire.h"

#include <string.h>

#define JOIN_LEN (RECORD_PREFIX + 4)

static const uint8_t mark[4] = {'F', 'I', 'F', 'O'};

static void
put_prefix(uint8_t *p, enum record_type type, const struct reply_fifo *id)
{
    memcpy(p, mark, sizeof mark);
    put16(p + 6, (uint16_t)type);
    put32(p + 8, id->pid);
    put32(p + 12, id->serial);
}

size_t
record_join(uint8_t record[RECORD_MAX], const struct reply_fifo *id, uid_t uid)
{
    put_prefix(record, RECORD_JOIN, id);
    record_set_length(record, JOIN_LEN);
    memset(record + 16, 0, NONCE_SIZE);
    put32(record + RECORD_PREFIX, uid);
    return JOIN_LEN;
}

void
record_message(uint8_t record[RECORD_MAX], const struct reply_fifo *id,
               const uint8_t nonce[NONCE_SIZE])
{
    put_prefix(record, RECORD_MESSAGE, id);
    memcpy(record + 16, nonce, NONCE_SIZE);
}

void
record_set_length(uint8_t record[RECORD_MAX], size_t len)
{
    put16(record + 4, (uint16_t)len);
}

/* A pure function of the 32 bytes at p. */
static bool
parse_prefix(const uint8_t *p, struct record *r)
{
    unsigned type = get16(p + 6);

    if (memcmp(p, mark, sizeof mark) != 0)
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
        return r->len == JOIN_LEN;
    return type == RECORD_MESSAGE && r->len >= RECORD_PREFIX &&
           r->len <= RECORD_MAX;
}

bool
record_find(const uint8_t *p, const uint8_t *end, struct record *r)
{
    while (end - p >= RECORD_PREFIX) {
        p = memchr(p, mark[0], (size_t)(end - p) - (RECORD_PREFIX - 1));
        if (p == NULL)
            return false;
        if (parse_prefix(p, r))
            return true;
        p++;
    }
    return false;
}

uid_t
record_claim(const struct record *join)
{
    return get32(join->body);
}

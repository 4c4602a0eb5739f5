/* cookie.c - proof that an address receives: SipHash-2-4 (Aumasson, Bernstein,
 * 2012), made for keyed hashes of a few bytes. */
#define _GNU_SOURCE /* getrandom */
#include "cookie.h"

#include "core/defence.h"

#include <errno.h>
#include <sys/random.h>

int
cookie_key_make(struct cookie_key *key)
{
    return getrandom(key, sizeof *key, 0) == sizeof *key ? 0 : -errno;
}

static uint64_t
rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void
mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void
absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

uint64_t
siphash_words(const struct cookie_key *key, uint64_t a, uint64_t b)
{
    uint64_t v[4] = {
        key->half[0] ^ UINT64_C(0x736f6d6570736575),
        key->half[1] ^ UINT64_C(0x646f72616e646f6d),
        key->half[0] ^ UINT64_C(0x6c7967656e657261),
        key->half[1] ^ UINT64_C(0x7465646279746573),
    };

    absorb(v, a);
    absorb(v, b);
    absorb(v, UINT64_C(16) << 56); /* so many bytes, and none left over */
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
cookie_make(const struct cookie_key *key, uint64_t address, int64_t now)
{
    return siphash_words(key, address, (uint64_t)(now / COOKIE_STEP));
}

bool
cookie_good(const struct cookie_key *key, uint64_t address, int64_t now,
            uint64_t cookie)
{
    return DEFENCE("cookie",
                   cookie == cookie_make(key, address, now) ||
                       cookie == cookie_make(key, address, now - COOKIE_STEP),
                   true);
}

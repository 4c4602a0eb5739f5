/*
 * cookie.h - proof that an address receives what is sent to it.
 *
 * A datagram's sender is whatever somebody has written there.  Who answers at
 * length to any address is a gun for hire: 40 bytes in the victim's name, and
 * 65,000 go to the victim.  So the server first sends a few bytes, no more than
 * it was sent, that only who receives at that address can know, and answers
 * whoever repeats them; as DTLS (RFC 9147, 5.1) and QUIC (RFC 9000, 8.1) do.
 *
 * It keeps nothing for that, or strangers would fill it: the cookie is a keyed
 * hash of the address and of the time, in steps of COOKIE_STEP.  It proves that
 * somebody receives there, not who.
 */
#ifndef COOKIE_H
#define COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#define COOKIE_SIZE 8                     /* bytes */
#define COOKIE_STEP INT64_C(120000000000) /* ns; good for one or two */

struct cookie_key {
    uint64_t half[2];
};

/* 0 or -errno. */
int cookie_key_make(struct cookie_key *key);

/* SipHash-2-4 of 16 bytes, as two little-endian words. */
uint64_t siphash_words(const struct cookie_key *key, uint64_t a, uint64_t b);

/* Of this address, at the time now (now_ns()). */
uint64_t cookie_make(const struct cookie_key *key, uint64_t address,
                     int64_t now);
bool cookie_good(const struct cookie_key *key, uint64_t address, int64_t now,
                 uint64_t cookie);

#endif

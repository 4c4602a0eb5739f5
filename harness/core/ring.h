/*
 * ring.h - messages from one writer to one reader through shared memory,
 * without a lock and without a system call.
 *
 *      0                                                         RING_SIZE
 *      +--------+----------------+-----+---------------------------+
 *      | free   | w | message    | w|m | 0 |         free          |
 *      +--------+----------------+-----+---------------------------+
 *               ^ reader.at            ^ writer.at
 *
 * The one idea: each message is preceded by a word w that is zero until the
 * message is complete.  The reader looks at that word and at nothing else, so
 * with the word comes, in the same cache line, the beginning of the message.
 * (The usual ring publishes the writer's position instead: another cache line
 * to fetch from the other processor, and then the message after it.)
 *
 * The writer has to see to it that behind its last message there always stands
 * a zero; it puts the next one down before it fills in the word in front of
 * it.  A message that would not fit before the end goes to the beginning, and
 * the word WRAP where it would have stood says so.
 *
 * What the reader has done with it reports in `head`, which the writer looks at
 * only when it seems to run out of room.
 *
 * Nothing in shared memory is trusted: positions are private, each word is
 * loaded once, and the message is copied once, before anybody looks at it.
 */
#ifndef RING_H
#define RING_H

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of a cache line on the machines we know: what two processors do not
 * share should not share one either. */
#define CACHE_LINE 64

/* A power of two.  Two of them fit into the second level cache of a core, and
 * 64 clients into the 64 MiB that a container gets as /dev/shm. */
#define RING_SIZE (256 * 1024)

/* The word in front of a message. */
#define RING_NOTHING 0U          /* not yet */
#define RING_MESSAGE 0x80000000U /* | length in bytes */
#define RING_WRAP    1U          /* it stands at the beginning of the ring */
#define RING_END     2U          /* nothing will come any more: good-bye */

#define RING_WORD 8 /* bytes before the message: the word, and alignment */

/* Half the ring, so that also a message that wraps finds room in an empty
 * one. */
#define RING_MAX_MESSAGE (64 * 1024 + 128)

struct ring {
    alignas(CACHE_LINE) _Atomic uint32_t head; /* the reader is here */
    alignas(CACHE_LINE) uint8_t bytes[RING_SIZE];
};

/* Positions count bytes and never go back; modulo RING_SIZE they are a place
 * in the ring. */
struct ring_writer {
    struct ring *ring;
    uint32_t at;
    uint32_t head; /* as last seen */
};

struct ring_reader {
    struct ring *ring;
    uint32_t at;
};

static inline _Atomic uint32_t *
ring_word(struct ring *ring, uint32_t at)
{
    return (_Atomic uint32_t *)(void *)&ring->bytes[at % RING_SIZE];
}

/* A record takes whole cache lines, so that every word stands at the beginning
 * of one. */
static inline uint32_t
ring_record(size_t len)
{
    return ((uint32_t)len + RING_WORD + CACHE_LINE - 1) &
           ~(uint32_t)(CACHE_LINE - 1);
}

/* Bytes that would be lost at the end of the ring. */
static inline uint32_t
ring_skip(uint32_t at, uint32_t need)
{
    uint32_t rest = RING_SIZE - at % RING_SIZE;

    return need > rest ? rest : 0;
}

/* Is there room for a message of len bytes?  0, -EAGAIN, or -EPROTO: a reader
 * that says it has read more than was written. */
static inline int
ring_room(struct ring_writer *w, size_t len)
{
    uint32_t need = ring_record(len);
    /* And a zero behind it. */
    uint32_t want = ring_skip(w->at, need) + need + CACHE_LINE;

    if (RING_SIZE - (w->at - w->head) >= want)
        return 0;
    /* Pairs with the store in ring_take(): the reader's loads from there are
     * over before ours overwrite it.  seq_cst for the writer who has just said
     * that it will wait for room (shm/futex.c). */
    w->head = atomic_load(&w->ring->head);
    if (w->at - w->head > RING_SIZE)
        return -EPROTO;
    return RING_SIZE - (w->at - w->head) >= want ? 0 : -EAGAIN;
}

/* Copies a message behind its word: the end first, then what lies in the cache
 * line of the word.  That is the line the reader keeps looking at, and each
 * look takes it away from us; so it is written last, once, with the word. */
static inline void
ring_copy(uint8_t *to, const uint8_t *message, size_t len)
{
    size_t first = len < CACHE_LINE - RING_WORD ? len : CACHE_LINE - RING_WORD;

    memcpy(to + first, message + first, len - first);
    memcpy(to, message, first);
}

/* Where a message of len bytes will stand if it is put into the ring next;
 * NULL: there is no room for it now.  Who makes it there saves a copy. */
static inline void *
ring_place(struct ring_writer *w, size_t len)
{
    uint32_t at = w->at + ring_skip(w->at, ring_record(len));

    return ring_room(w, len) != 0 ? NULL
                                  : &w->ring->bytes[at % RING_SIZE + RING_WORD];
}

/*
 * Puts a message into the ring, unless it has been made at its place.  0,
 * -EAGAIN, -EPROTO as above.
 *
 * publish  memory_order_release, if the reader finds it by looking;
 *          memory_order_seq_cst, if the reader may be asleep and the writer's
 *          next step is to look whether it is (shm/futex.c).
 */
static inline int
ring_put(struct ring_writer *w, const void *message, size_t len,
         memory_order publish)
{
    uint32_t need = ring_record(len), skip = ring_skip(w->at, need);
    uint32_t at = w->at + skip, word = RING_MESSAGE | (uint32_t)len;
    uint8_t *to = &w->ring->bytes[at % RING_SIZE + RING_WORD];
    int err = ring_room(w, len);

    if (err != 0)
        return err;
    /* Nobody looks at these before the word in front of them is there. */
    atomic_store_explicit(ring_word(w->ring, at + need), RING_NOTHING,
                          memory_order_relaxed);
    if (message != to)
        ring_copy(to, message, len);
    if (skip != 0) {
        atomic_store_explicit(ring_word(w->ring, at), word,
                              memory_order_relaxed);
        word = RING_WRAP;
    }
    /* At least release: pairs with the acquire in ring_peek().  Who sees the
     * word sees the message behind it. */
    atomic_store_explicit(ring_word(w->ring, w->at), word, publish);
    w->at = at + need;
    return 0;
}

/* Says that nothing more will come.  There is always room: it takes the place
 * of the zero. */
static inline void
ring_end(struct ring_writer *w)
{
    atomic_store(ring_word(w->ring, w->at), RING_END);
}

/* Is there something to take?  Pairs with the store in ring_put().  seq_cst (on
 * x86 a load like any other) for the reader that has just said that it is
 * going to sleep (shm/futex.c). */
static inline bool
ring_peek(const struct ring_reader *r)
{
    return atomic_load(ring_word(r->ring, r->at)) != RING_NOTHING;
}

/*
 * Takes the next message out.
 *   -EAGAIN  there is none
 *   -EPIPE   the writer has said good-bye
 *   -EPROTO  what stands there is not of our making
 */
static inline int
ring_take(struct ring_reader *r, void *message, size_t cap, size_t *len)
{
    uint32_t at = r->at;
    uint32_t word =
        atomic_load_explicit(ring_word(r->ring, at), memory_order_acquire);

    if (word == RING_WRAP) {
        at += RING_SIZE - at % RING_SIZE;
        word =
            atomic_load_explicit(ring_word(r->ring, at), memory_order_acquire);
        if (word == RING_NOTHING) /* it must have been there before */
            return -EPROTO;
    }
    if (word == RING_NOTHING)
        return -EAGAIN;
    if (word == RING_END)
        return -EPIPE;
    /* One load, then only the copy is looked at. */
    *len = word & ~RING_MESSAGE;
    if ((word & RING_MESSAGE) == 0 || *len > RING_MAX_MESSAGE || *len > cap ||
        ring_skip(at, ring_record(*len)) != 0)
        return -EPROTO;
    memcpy(message, &r->ring->bytes[at % RING_SIZE + RING_WORD], *len);
    r->at = at + ring_record(*len);
    return 0;
}

/* Gives the room of what has been taken back to the writer.  Pairs with the
 * load in ring_room(). */
static inline void
ring_release(const struct ring_reader *r, memory_order order)
{
    atomic_store_explicit(&r->ring->head, r->at, order);
}

#endif

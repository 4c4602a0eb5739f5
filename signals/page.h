/*
 * page.h - a page that both processes map, with a slot for one message each
 * way: signals/doorbell's wire.
 *
 *      0        4        8     12        64                      1048704
 *      +--------+--------+-----+---------+------------------------+
 *      | posted | taken  | len | nothing | bytes                  | request
 *      +--------+--------+-----+---------+------------------------+
 *      | the same once more                                       | reply
 *      +----------------------------------------------------------+
 *
 * posted counts the messages that were put in, taken those that were taken out.
 * Each is written by one side only.
 *
 * The page is the client's, but the server cannot be hurt with it.  A mapping
 * of a file that shrinks is a SIGBUS at the next touch; the memfd is sealed
 * against that, and the server looks at the seal.  And as the client can write
 * at any time, nothing is looked at in a slot: it is copied, once, and the copy
 * is checked.
 */
#ifndef PAGE_H
#define PAGE_H

#include "core/ipc.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

struct slot {
    _Atomic uint32_t posted, taken, len;
    alignas(64) uint8_t bytes[IPC_MAX_MSG];
};

struct page {
    struct slot request, reply;
};
_Static_assert(sizeof(struct page) == 2097408, "the wire says so");

/* The same in words, for a client in another language: see PROTOCOL.md. */
#define PAGE_WIRE \
    "Choose a free real-time signal number, not SIGRTMIN, and block it. " \
    "Make a pidfd of\nyourself, store the number in it with " \
    "fcntl(F_SETSIG); make a memfd of 2097408\nbytes, seal it " \
    "(F_SEAL_SHRINK, F_SEAL_GROW) and map it shared; fork, and exec the\n" \
    "server with the pidfd as descriptor 0 and the memfd as 1. Two slots, " \
    "for requests\nat offset 0 and for replies at 1048704: u32 posted, u32 " \
    "taken, u32 length, in the\nhost's byte order, and from offset 64 the " \
    "frame. To send, write frame and length,\nthen add 1 to posted and " \
    "ring (kill(2) with SIGRTMIN). Posted has changed: there is\na message; " \
    "copy it, then set taken to posted. Without news, wait for the " \
    "number.\nThe first reply is empty and says that the server is ready; " \
    "do not ring before.\nOne request at a time; after a notice wait until " \
    "it is taken. SIGHUP ends the\nserver."

/* Client: makes one and maps it.  A descriptor, to hand on, or -errno. */
int page_make(struct page **page);

/* Server: maps it, if it will never be smaller than we need; -EPERM. */
int page_take_over(int memfd, struct page **page);

void page_unmap(struct page *page);

/* Puts a message in.  *said: how many we have, the number of this one. */
void slot_post(struct slot *slot, uint32_t *said,
               const struct ipc_message *msg);

/* 1: there was a message.  0: there is none.  -EPIPE: nonsense.  With msg NULL
 * it is thrown away.  *heard: the number of the last one. */
int slot_take(struct slot *slot, uint32_t *heard, struct ipc_message *msg);

#endif

/*
 * nonsense.h - what a client can do that knows nothing about the server: bytes
 * by chance, into whatever it has open or mapped, and its objects changed and
 * removed.  What it has, /proc tells.  No assertions: see requests.h.
 */
#ifndef NONSENSE_H
#define NONSENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same for the same seed: xorshift64.  Below `below`, which is not 0. */
void chance_seed(uint64_t seed);
uint32_t chance(uint32_t below);
void nonsense(uint8_t *to, size_t n);

/* A good frame of which some bytes, or its length, are others.  Its length, at
 * most room. */
size_t mutated_frame(uint8_t *frame, size_t room);

/* Each of these does something once; true: the kernel let it. */

/* To a file that it has open: cut, holes, mode, lease. */
bool spoil_file(int fd);

/* To whatever it has open: a file, a FIFO, a socket. */
bool spoil_descriptor(void);

/* Into memory that it shares; look for it again after each open.  Not into the
 * one at `spared`. */
void find_maps(const void *spared);
bool scribble(void);

/* To System V objects, whose ever they are; the kernel decides. */
bool spoil_set(void);
bool spoil_queue(void);
bool remove_segment(void);

/* Where clients come in. */
bool register_nonsense(const char *where);

#endif

/*
 * peer.h - another program's number among ours: `ipcbench run --peer
 * 'NAME=COMMAND'`.
 *
 *      --peer 'pipe-lat=pipe_lat 64 100000 | awk "/latency/ {print 2*\$3, \$4}"'
 *
 * The command is the shell's.  It is run once a round, as a cell among the
 * others, at each placement, and prints one number with its unit: "5.06 us" is
 * a round trip, "210000 messages/s" what goes one way.  What it measures, and
 * how well, is its own affair; what is ours is that it is measured at the same
 * time, on the same CPUs.
 */
#ifndef PEER_H
#define PEER_H

#include "bench/plan.h"

#define PEER_PREFIX "peer/"

/* What a command printed: the row's kind and numbers.  The number has to be the
 * only one that has a unit.  0, or -EBADMSG and reason says what was wrong. */
int peer_read(const char *text, struct row *r, char *reason, size_t size);

/* Runs c->command; of a cell, as measure_rtt(). */
int measure_peer(struct bench *b, struct cell *c, struct row *r);

/* Is this the name of a peer? */
bool is_peer(const char *mechanism);

#endif

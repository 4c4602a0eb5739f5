/*
 * eight.h - one question, "who am I?", by each of the eight mechanisms
 * (hello.c).
 */
#ifndef EIGHT_H
#define EIGHT_H

#include <sys/types.h>

struct answer {
    pid_t pid; /* -1: the server cannot know */
    uid_t uid;
};

/* Starts a server, asks it by this mechanism and returns its answer; 0 or
 * -errno. */
struct way {
    const char *mechanism;
    const char *how; /* does the server know who asks? */
    int (*ask)(struct answer *answer);
};

extern const struct way eight_ways[]; /* ended by mechanism NULL */

#endif

/*
 * hand.h - a client by hand, of a server that anybody may write to: what is
 * said, and whose the replies are, he chooses himself (requests.h).
 */
#ifndef HAND_H
#define HAND_H

#include "test/attack/attack.h"

#include <limits.h>

/* Shared by those who act. */
struct hand {
    struct request request;    /* of whom he speaks, and how */
    char where[ENDPOINT_SIZE]; /* the server's endpoint */
    char path[PATH_MAX];       /* of the replies, unless they have an id */
    int replies; /* a descriptor or id, for whoever has made them */
    uid_t claim;
    bool joined, fell; /* see owns_the_replies() */
};

/* For the server of this mechanism in run_dir; its replies are 4711.1. */
struct hand *make_hand(const char *mechanism, uid_t claim);

/* A FIFO or queue for replies, as any client makes it. */
void make_replies(struct hand *h);

/* "The replies are mine, and I am .claim."  "Who am I?"  Both. */
void say_join(const struct hand *h);
void say_whoami(const struct hand *h);
void join_and_ask(void *hand);

/* What has come by now: a nonce, which is kept; and whom the server takes us
 * for, -2: it says nothing. */
bool take_nonce(struct hand *h);
int64_t take_uid(const struct hand *h);

/* May we not read the replies, which are another's, nor (a queue) the requests?
 * EACCES. */
bool is_closed_to_us(const struct hand *h);

/* An actor: has replies, makes a step, and looks then whether the server has
 * left a nonce in them (.joined), and answered him, who has asked nothing: then
 * it fell. */
void owns_the_replies(struct actor *self, void *hand);

/* The server's request queue: System V's id, and POSIX's name; and the id of
 * its semaphore set. */
int queue_of(const char *where);
int set_of(const char *where);
const char *queue_name(const char *where);

#endif

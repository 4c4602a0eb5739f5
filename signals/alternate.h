/*
 * alternate.h - one bit there and one back, over a channel that loses: the
 * alternating bit protocol (Bartlett, Scantlebury and Wilkinson, 1969), the
 * ancestor of TCP's sequence numbers.
 *
 *      asker (the client)                        answerer (the server)
 *      turn 0   SIGUSR1 = 0, SIGUSR2 = 1  --->
 *               <---------------------------     SIGUSR1 = 0, SIGUSR2 = 1
 *      turn 1   SIGURG = 0,  SIGIO = 1    --->
 *               <---------------------------     SIGURG = 0,  SIGIO = 1
 *      no answer in time: the same once more
 *
 * Of the two the asker alone looks at the clock.  A question of the turn that
 * has been answered already is one whose answer was lost, so the answer is
 * given again; a question of the other turn is a new one, and says that the
 * last answer has arrived.
 */
#ifndef ALTERNATE_H
#define ALTERNATE_H

#include "link.h"

#include "core/clock.h"

#include <stdbool.h>

/* No answer for so long: it, or the question, was lost; ns.  A round trip takes
 * some 10 us. */
#define ASK_AGAIN (20 * NS_PER_MS)

/* The wire of signals/bits in words, for a client in another language: see
 * PROTOCOL.md. */
#define BITS_WIRE \
    "Block SIGUSR1, SIGUSR2, SIGURG and SIGIO. Make a pidfd of yourself, " \
    "fork, and exec\nthe server with it as descriptors 0 and 1. All " \
    "signals are sent with kill(2): the\nserver looks at si_code (SI_USER) " \
    "and si_pid (its parent). The client asks and the\nserver answers, one " \
    "bit each, in turns: SIGUSR1 = 0 and SIGUSR2 = 1 in one,\nSIGURG = 0 " \
    "and SIGIO = 1 in the next. Wait for SIGUSR1 (ready), then ask a 0 in " \
    "the\nturn of SIGURG. Before a new question throw away what is " \
    "pending. No answer of the\nsame turn within 20 ms: ask the same " \
    "again. To send a frame, ask its length (u16)\nand its bytes, the " \
    "least significant bit first; each is answered with 0. To\nreceive " \
    "one, ask a 0 for each bit of the same, and one more when you have it " \
    "all.\nOne request at a time. SIGHUP ends the server."

struct asker {
    struct link link;
    int turn;
    int question; /* that is not yet answered; 0: none */
};

struct answerer {
    struct link link;
    int turn;   /* of the last question */
    int answer; /* to it: a signal number */
};

/* Which signals, and from whom; before link_open() or link_accept(). */
void alternate_prepare(struct link *l);

/* The bit of the answer, or -errno; after that, call again with the same bit
 * and it goes on. */
int alternate_ask(struct asker *a, bool bit, int64_t deadline);

/* The bit of the next question, or -errno. */
int alternate_hear(struct answerer *a, int64_t deadline);

/* Answers it; 0 or -errno. */
int alternate_answer(struct answerer *a, bool bit);

#endif

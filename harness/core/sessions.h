/*
 * sessions.h - the clients of one server: who they are, and in which slot.
 *
 *      slot    0        1        2        3   ...  limit - 1
 *           +--------+--------+--------+--------+
 *           | IN     | FREE   | JOINING| IN     |     one struct session each
 *           +--------+--------+--------+--------+
 *           | the variant's own array, by the same index: descriptors, rings |
 *
 * Where the kernel knows no connections the server has to remember its clients
 * itself.  What that takes is the same for all mechanisms and stands here:
 * slots are given out by quota; a token tells whether a slot still belongs to
 * the same client; each client gets its turn; a user whose client makes the
 * server wait is barred for a while.  These are pure functions of numbers, the
 * time among them, so that a test can say what time it is.
 *
 *      FREE --sessions_take--> JOINING --sessions_admit--> IN
 *        ^                        |                         |
 *        +----------------- sessions_leave -----------------+
 *
 * JOINING: the server has left its nonce where only the client can read it, and
 * has not got it back yet (owner.h).
 *
 * For one thread; allocates nothing.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "ipc.h"
#include "owner.h"

#include <stdbool.h>

/* A client that has been silent for so long, ns, can lose its slot to a
 * newcomer that finds none free; only in a variant that asks for that, and
 * keeps `heard`. */
#define SESSIONS_IDLE (INT64_C(30) * 1000000000)

enum session_state { SESSION_FREE, SESSION_JOINING, SESSION_IN };

struct session {
    enum session_state state;
    uint32_t generation; /* how often the slot has been given away */
    struct ipc_peer peer;
    uint8_t nonce[NONCE_SIZE];
    int64_t joined; /* when it took the slot, ns of CLOCK_MONOTONIC */
    int64_t heard;  /* when it last said something, or NO_DEADLINE: it is being
                     * served and cannot */
};

/* Whose clients are kept out, and until when. */
#define SESSIONS_BARS 64
struct session_bar {
    uid_t uid;
    unsigned times;  /* barred so often; 0: this line is free */
    unsigned faults; /* since the last time */
    int64_t until, last;
};

struct sessions {
    unsigned limit;      /* slots; at most IPC_MAX_CLIENTS */
    unsigned top;        /* slots from here on are free */
    unsigned count;      /* slots that are not */
    int64_t evict_after; /* silent so long, a client can be put out; ns */
    unsigned reaped;     /* the slot looked at last, sessions_reap() */
    struct session slot[IPC_MAX_CLIENTS];
    struct session_bar bars[SESSIONS_BARS];
};

/* evict_after: SESSIONS_IDLE, or NO_DEADLINE (clock.h): nobody is put out. */
void sessions_init(struct sessions *s, unsigned limit, int64_t evict_after);

/* -- slots ----------------------------------------------------------------- */

/*
 * The slot for one more client of this user, whose uid is proven (quota.h; all
 * clients without a known uid are one user).  If the slot is not free,
 * disconnect the client that has it first, with sessions_leave().
 *   -EAGAIN  no slot, or this user's quota is used up
 *   -EACCES  this user is barred
 */
int sessions_choose(const struct sessions *s, uid_t uid, int64_t now);

/* The slot is this client's from now on: JOINING. */
void sessions_take(struct sessions *s, unsigned slot,
                   const struct ipc_peer *peer, int64_t now);

/* The client has shown that it knows the nonce (or needs none): IN. */
void sessions_admit(struct sessions *s, unsigned slot);

/* The slot is free; tokens for it are void. */
void sessions_leave(struct sessions *s, unsigned slot);

static inline bool
sessions_is_in(const struct sessions *s, unsigned slot)
{
    return s->slot[slot].state == SESSION_IN;
}

/* A token for ipc_request.reply_to, and the slot it stands for: -1, the slot
 * has changed hands.  Any 64 bits may be asked about. */
uint64_t sessions_token(const struct sessions *s, unsigned slot);
int sessions_slot(const struct sessions *s, uint64_t token);

/* -- turns ----------------------------------------------------------------- */

/*
 * The next slot behind `after`, round and round, that is not free; -1: all are.
 * Everybody gets a turn if one begins after the slot served last:
 *
 *      for (i = 0, slot = last; i < s->count; i++) {
 *          slot = sessions_next(s, slot);
 */
static inline int
sessions_next(const struct sessions *s, int after)
{
    for (unsigned i = 0; i < s->top; i++) {
        if ((unsigned)++after >= s->top)
            after = 0;
        if (s->slot[after].state != SESSION_FREE)
            return after;
    }
    return -1;
}

/*
 * The next slot that is to be looked at for signs of life, so that in the end
 * all are; -1, all have been looked at since the last -1.  A server looks at
 * one now and then, and at all when a newcomer finds no slot:
 *
 *      while ((slot = sessions_reap(s)) != -1)
 *          if (is_gone(slot) || sessions_overdue(s, slot, now))
 *              drop(slot);
 */
int sessions_reap(struct sessions *s);

/* Has this one had the nonce for longer than joining may take? */
bool sessions_overdue(const struct sessions *s, unsigned slot, int64_t now);

/* The next wake-up of a server that has no requests, ns: when the next client
 * that is joining will be overdue.  NO_DEADLINE: nobody is joining. */
int64_t sessions_next_wakeup(const struct sessions *s);

/* -- who is kept out ------------------------------------------------------- */

/*
 * A client of this user broke the rules.  Once is a mistake; the third time
 * within a minute its user is barred: it can open no more sessions, for a
 * second at first, and twice as long each time, up to ten minutes.  What it has
 * it keeps.  After ten quiet minutes all is forgotten.
 *
 * Only for a uid that is proven: else Bob could have Alice kept out.  Root, the
 * owner, and users whom nobody can name are never barred.
 */
void sessions_fault(struct sessions *s, uid_t uid, int64_t now);

/* A client of this user made the server wait, or so it seems (stall.h): a
 * fault, but who has been barred before is barred at once. */
void sessions_stall(struct sessions *s, uid_t uid, int64_t now);

void sessions_bar(struct sessions *s, uid_t uid, int64_t now);

bool sessions_barred(const struct sessions *s, uid_t uid, int64_t now);

#endif

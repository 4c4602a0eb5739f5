/*
 * by_hand.h - messages of all three variants, written by hand: what one does
 * who knows the formats and does not keep to the rules.
 */
#ifndef MSGQ_BY_HAND_H
#define MSGQ_BY_HAND_H

#include "test/both/requests.h"
#include "test/test.h"

#include "core/rundir.h"

#include <stdbool.h>
#include <sys/msg.h>

/* Reasons, or NULL. */
const char *need_sysv(void);
const char *need_posix(void);
const char *need_sysv_root(void);

/* -- System V queues ------------------------------------------------------ */

struct message {
    long type;
    uint8_t text[8192];
};

extern struct message message; /* the last one that came or went */

int make_queue(void);
void remove_queue(int queue);
struct msqid_ds look_at(int queue);

/* Do not wait.  put(): 0 or errno; get(): the length or -errno. */
int put(int queue, long type, const void *text, size_t len);
ssize_t get(int queue, size_t size, long type, int flags);

/* -- the server, and what is sent to it ----------------------------------- */

/* The names of the variants: two of System V, one of POSIX. */
extern const char *const all[];

/* What one who knows the formats has; shared with the children that do. */
struct hand {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    int queue; /* System V: of the requests */
    int reply; /* System V: somebody's reply queue */
};

struct hand *make_hand(const struct ipc_mechanism *m, const char *where);

/* (A struct hand.) Fills the System V queue of requests, with messages to
 * nobody; takes all out; makes a queue and says which. */
void fill(void *arg);
void take_all(void *arg);
void make_reply(void *arg);

/* The name of the POSIX request queue. */
const char *queue_name(const char *where);

/* Is it asleep?  proc(5), stat, field 3. */
bool is_asleep(pid_t pid);

/* The place of a mechanism in the registry. */
int place(const char *name);

#endif

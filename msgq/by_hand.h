/*
 * by_hand.h - messages of all three variants, written by hand: what one does
 * who knows the formats and does not keep to the rules.
 */
#ifndef MSGQ_BY_HAND_H
#define MSGQ_BY_HAND_H

#include "test/test.h"

#include "core/rundir.h"

#include <stdbool.h>
#include <sys/msg.h>

/* Reasons, or NULL. */
const char *need_sysv(void);
const char *need_posix(void);
const char *need_sysv_root(void);

/* -- System V queues ------------------------------------------------------- */

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

/* -- the server, and what is sent to it ------------------------------------ */

/* The names of the variants: two of System V, one of POSIX. */
extern const char *const all[];

/* What one who knows the formats writes; shared with the children that do. */
struct hand {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    int queue; /* System V: of the requests */
    int reply; /* System V: somebody's reply queue */
    uid_t claim;
    bool fell; /* the attack succeeded */
};

struct hand *make_hand(const struct ipc_mechanism *m, const char *where,
                       uid_t claim);

/* Memory that is shared with children. */
void *shared(size_t size);

/* The id in this line of the list: 0 the server's, then the clients'. */
int listed_queue(const char *where, int line);

/* (A struct hand.) Fills the System V queue of requests, with messages to
 * nobody; takes all out; makes a queue and says which. */
void fill(void *arg);
void take_all(void *arg);
void make_reply(void *arg);

/* The name of the POSIX request queue (""), or of another. */
const char *queue_name(const char *where, const char *suffix);

void start_server(struct host *s, const char *mechanism, const char *program);

/* Until it is stopped, not only told so: it may be just about to receive. */
void stop_server(const struct host *s);

/* All that was sent before has been dealt with: there is one queue. */
void wait_for_the_server(struct host *s);

/* Is it asleep?  proc(5), stat, field 3. */
bool is_asleep(pid_t pid);

/* The place of a mechanism in the registry. */
int place(const char *name);

/* The kinds of message, in all three formats; and the frame of a request. */
enum { JOIN = 1, MESSAGE = 2, LEAVE = 3 };

size_t whoami_frame(uint8_t frame[WIRE_HEADER]);

/* What the server thinks of the sender: in the reply to whoami the mechanism's
 * name, a string; then pid and uid. */
int64_t uid_in(const uint8_t *reply);

#endif

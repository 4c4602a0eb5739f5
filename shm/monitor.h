/*
 * monitor.h - the board of shm/mutex, and the lock on it: a monitor (Hoare,
 * 1974) whose mutex and conditions lie in shared memory.
 *
 * A lock in shared memory outlives its holder.  A robust mutex tells the next
 * one that asks: EOWNERDEAD, "it is yours, but its last holder died in the
 * middle".  Nothing needs repair here, because a message is complete before
 * `state` says that it is there; so saying pthread_mutex_consistent(3) is all.
 *
 * And neither a mutex nor a condition tells that a signal came, or that the
 * other process has died.  So nobody waits for longer than a slice, and then
 * looks up: monitor_tired().
 */
#ifndef SHM_MONITOR_H
#define SHM_MONITOR_H

#include "held.h"
#include "meet.h"

#include <pthread.h>

/* -- wire ----------------------------------------------------------------- */

/* As long as that of the siblings, so that the sizes can be compared. */
#define MAX_MESSAGE (64 * 1024 + 128)

struct board {
    pthread_mutex_t lock;
    pthread_cond_t work;
};

enum place_state { EMPTY, REQUEST, REPLY };

struct place {
    struct meet_head head;
    pthread_cond_t answered;
    enum place_state state;
    uint32_t len;
    uint8_t bytes[MAX_MESSAGE];
};

/* The same in words, for a client in another language: see PROTOCOL.md. */
#define MUTEX_WIRE \
    "As shm/futex until you are welcome, with `shm-mutex` in the names. " \
    "But the board is\nwritable and 88 bytes long, a place 65768; and in " \
    "both there are objects of the C\nlibrary, so client and server have " \
    "to use the same one (glibc, x86-64).\n" \
    "\n" \
    "| board | |\n" \
    "|---|---|\n" \
    "| 0 | lock: pthread_mutex_t, shared and robust |\n" \
    "| 40 | work: pthread_cond_t, shared; the server waits on it |\n" \
    "\n" \
    "| place | |\n" \
    "|---|---|\n" \
    "| 48 | answered: pthread_cond_t, shared; make it before you are " \
    "ready, and wait on it |\n" \
    "| 96 | state: 0 empty, 1 request, 2 reply |\n" \
    "| 100 | length of the frame |\n" \
    "| 104 | the frame |\n" \
    "\n" \
    "Touch the place only with the lock held. When you have the lock and " \
    "state is not 1:\nput the frame there, set state to 1, signal work. " \
    "Wait on answered until state is 2,\ntake the reply, set state to 0. " \
    "To knock, signal work. EOWNERDEAD: call\npthread_mutex_consistent(3) " \
    "and go on."

/* -- the monitor ----------------------------------------------------------- */

/* Server: makes the board.  Client: joins, ipc.h's open(). */
int monitor_create(struct meet_server *s, const char *name);
int monitor_join(struct meet_client *c, const char *where);

/* 0: it is ours.  A deadline even for the lock: its holder may have been
 * stopped. */
int monitor_lock(struct board *b, int64_t deadline);
void monitor_unlock(struct board *b);

/* Gives the lock back, sleeps until cond is signalled, and takes it again: it
 * is ours after 0, and also after -ETIMEDOUT. */
int monitor_wait(struct board *b, pthread_cond_t *cond, int64_t deadline);

/* The end of the slice that begins now. */
int64_t monitor_slice(int64_t deadline);

/* What the end of a slice means: 0, go on; -ETIMEDOUT; -EINTR. */
int monitor_tired(struct held *held, int64_t deadline);

/* Client: waits until there is a reply in its place; until there is no request
 * there.  The lock is ours after 0.
 *   -EPIPE  the server is dead, or has shown us the door
 *   -ETIMEDOUT, -EINTR */
int monitor_lock_reply(struct meet_client *c, int64_t deadline);
int monitor_lock_free(struct meet_client *c, int64_t deadline);

#endif

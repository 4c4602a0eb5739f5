/*
 * sets.h - System V semaphore sets: waiting with a deadline, wills, and knowing
 * a set again.
 *
 * The one idea is the will.  SEM_UNDO was made to give back what a dead holder
 * took, but it can do more: one semop(2) that adds 1, and takes 1 back with
 * SEM_UNDO, changes nothing - until the process is gone, however it ended.
 * Then the kernel undoes the taking back, and the semaphore is 1.
 *
 *      {sem, +1, 0}, {sem, -1, SEM_UNDO}      now: +1 -1 = 0
 *                                             at exit: +1
 *
 * So two processes that leave such wills with each other need not poll for a
 * death:
 *
 *      semop(set, {{SERVER_DEAD, 0, IPC_NOWAIT}, {BACK, -1, 0}})
 *
 * sleeps until BACK can be taken, and fails with EAGAIN at the moment the
 * server dies: the kernel tries all of it again whenever one of the values
 * changes, and the first operation may not wait.
 */
#ifndef SETS_H
#define SETS_H

#include "owner.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/sem.h>
#include <sys/types.h>

/* The fourth argument of semctl(2); <sys/sem.h> leaves it to us to declare. */
union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

/* -- operations ------------------------------------------------------------ */

/*
 * semop(2) until a deadline (clock.h); its own timeout is relative.  If the
 * first operation is {n, 0, IPC_NOWAIT}, n is somebody's will.
 *   -ETIMEDOUT, -EINTR
 *   -EPIPE  the set has been removed, or n is not 0: that one is dead
 */
int set_wait(int set, struct sembuf *ops, size_t n, int64_t deadline);

/* Adds 1, without waiting. */
int set_post(int set, unsigned short sem);

/* A will: this semaphore goes up by one when this process ends.  It is the
 * process's, all its threads', but not inherited by fork(2).  Of several sets,
 * the one that first had a will of this process has its carried out last. */
int will_make(int set, unsigned short sem);

/* Posts it, and takes the will back: a plain +1 with SEM_UNDO. */
void will_revoke(int set, unsigned short sem);

/* NULL, or why there can be no set of so many semaphores: for
 * ipc_mechanism.unavailable. */
const char *sets_unavailable(int sems);

/* -- knowing a set again -----------------------------------------------------
 *
 * An id is a number.  Whoever removes a set can have the number come back,
 * after some million tries, which take seconds, for a set of any size; and sets
 * are removed by crashes, too.  So remember more than the id, and look again
 * before each use.  Not the time of change: SETALL and SETVAL change it. */

struct set {
    int id;
    key_t key;     /* random: set_make() */
    uid_t creator; /* cuid, which cannot be given away */
    unsigned sems;
};

/* 0: it is still that one.  -EIDRM: it is not. */
int set_same(const struct set *s);

/* As owner_check_perm(): is there such a set, and of the user who is claimed to
 * be its owner?  *peer: K2, no pid. */
int set_prove(struct set *s, int id, unsigned sems, uid_t claimed,
              struct ipc_peer *peer);

/* Removes it from the kernel, if it is still that one.  0 or -errno; -EIDRM: it
 * is not there any more. */
int set_remove(const struct set *s);

/* -- making a set that is found again ----------------------------------------
 *
 * A set has no name, and is not closed when its maker dies.  So that one that
 * is left behind can be found, it has a key of which twelve bits are always the
 * same, and its first semaphore is its maker's will.  (With IPC_PRIVATE the key
 * would be 0.  By its key a set can be found, not used: that is for the mode to
 * say.) */

#define SET_DEAD 0 /* semaphore: 1, its maker is dead */

/* Mode 0600, the will made.  0 or -errno; *s as left by it. */
int set_make(struct set *s, unsigned sems);

/* A second object of the same maker, found by the first one: a set, or a
 * segment that it makes with that key, exclusively.  It has no will; it goes
 * with the first one. */
int set_make_beside(struct set *s, const struct set *first, unsigned sems);
key_t set_key_beside(const struct set *first);

/* Removes what is beside it, if there is anything, and then the first. */
int set_remove_both(const struct set *first);

/* Gives a set to another user, who may then use and remove it as we may, with
 * no right above those of an ordinary user; who made it remains as it is.  And
 * the mode, if that is not 0. */
#define SET_MODE_KEPT 0
int set_give(const struct set *s, uid_t uid, unsigned short mode);

/*
 * Removes what this user (root: what anybody) has left: sets of the form above
 * whose maker is dead.  Returns how many.  Looks at all sets there are, so it
 * is for who begins, and for sweep(): never for a server that serves.
 */
int sets_reap(void);

/* How old a set must be, in s, whose maker has not put its will in: it has died
 * between two system calls.  By the wall clock, for the kernel keeps no other;
 * not a constant, for tests. */
extern int sets_will_within;

#endif

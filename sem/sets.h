/*
 * sets.h - System V semaphore sets: waiting with a deadline, and wills.
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

/*
 * semop(2) until a deadline (clock.h); its own timeout is relative.  If the
 * first operation is {n, 0, IPC_NOWAIT}, n is somebody's will.
 *   -ETIMEDOUT, -EINTR
 *   -EPIPE  the set has been removed, or n is not 0: he is dead
 */
int set_wait(int set, struct sembuf *ops, size_t n, int64_t deadline);

/* Adds 1, without waiting. */
int set_post(int set, unsigned short sem);

/* A will: this semaphore goes up by one when this process ends.  It is the
 * process's, all its threads', but not inherited by fork(2).  A plain +1 with
 * SEM_UNDO takes it back. */
int will_make(int set, unsigned short sem);

/* Removes a set if it is still the one: ids are used again.  1 = did. */
int set_remove(int set, uid_t owner, unsigned sems);

/* NULL, or why there can be no set of so many semaphores: for
 * ipc_mechanism.unavailable. */
const char *sets_unavailable(int sems);

#endif

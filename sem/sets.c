/* sets.c - System V semaphore sets: waiting with a deadline, and wills. */
#define _GNU_SOURCE /* semtimedop */
#include "sets.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
set_wait(int set, struct sembuf *ops, size_t n, int64_t deadline)
{
    for (;;) {
        int64_t left = time_left(deadline);
        struct timespec t = ns_to_timespec(left < 0 ? 0 : left);

        if (semtimedop(set, ops, n, left < 0 ? NULL : &t) == 0)
            return 0;
        if (errno == EIDRM || errno == EINVAL)
            return -EPIPE;
        if (errno != EAGAIN)
            return -errno;
        /* EAGAIN is the time being up, and IPC_NOWAIT not being possible. */
        if ((ops[0].sem_flg & IPC_NOWAIT) != 0 &&
            semctl(set, ops[0].sem_num, GETVAL) != 0)
            return -EPIPE;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

int
set_post(int set, unsigned short sem)
{
    struct sembuf op = {sem, +1, IPC_NOWAIT};

    return semop(set, &op, 1) == -1 ? -errno : 0;
}

/* The order matters: a -1 that came first would have to wait. */
int
will_make(int set, unsigned short sem)
{
    struct sembuf ops[] = {{sem, +1, 0}, {sem, -1, SEM_UNDO}};

    return semop(set, ops, 2) == -1 ? -errno : 0;
}

int
set_remove(int set, uid_t owner, unsigned sems)
{
    struct semid_ds ds;

    if (semctl(set, 0, IPC_STAT, (union semun){.buf = &ds}) == -1 ||
        ds.sem_perm.cuid != owner || ds.sem_nsems != sems)
        return 0;
    return semctl(set, 0, IPC_RMID) == 0;
}

const char *
sets_unavailable(int sems)
{
    static char reason[120];
    int set = semget(IPC_PRIVATE, sems, 0600);

    if (set == -1) {
        snprintf(reason, sizeof reason,
                 "semget(2) of %d semaphores: %s; `ipcs -s -l` prints the "
                 "limits",
                 sems, strerror(errno));
        return reason;
    }
    semctl(set, 0, IPC_RMID);
    return NULL;
}

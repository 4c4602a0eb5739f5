/* sets.c - System V semaphore sets: waiting with a deadline, wills, and knowing
 * a set again. */
#define _GNU_SOURCE /* semtimedop, SEM_STAT, getrandom */
#include "sets.h"

#include "clock.h"
#include "defence.h"
#include "object.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

/* -- operations ------------------------------------------------------------ */

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

/* +1 first, for a -1 that came first would have to wait; but not beyond what a
 * semaphore holds. */
int
will_make(int set, unsigned short sem)
{
    const short undo = DEFENCE("undo", SEM_UNDO, 0);
    struct sembuf ops[] = {{sem, +1, 0}, {sem, -1, undo}};
    struct sembuf full[] = {{sem, -1, (short)(undo | IPC_NOWAIT)},
                            {sem, +1, 0}};

    if (semop(set, ops, 2) == 0 ||
        (errno == ERANGE && semop(set, full, 2) == 0))
        return 0;
    return -errno;
}

void
will_revoke(int set, unsigned short sem)
{
    struct sembuf op = {sem, +1, SEM_UNDO | IPC_NOWAIT};
    struct sembuf full[] = {{sem, -1, IPC_NOWAIT}, {sem, +1, SEM_UNDO}};

    if (semop(set, &op, 1) == -1 && errno == ERANGE)
        semop(set, full, 2);
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

/* -- knowing a set again --------------------------------------------------- */

static int
look(struct set *s, int id, struct object_sysv *now, struct ipc_perm *perm)
{
    int err = object_sysv_look(OBJECT_SET, id, now, perm);

    if (err == 0)
        *s = (struct set){.id = id,
                          .key = perm->__key,
                          .creator = perm->cuid,
                          .sems = (unsigned)now->size};
    return err;
}

int
set_same(const struct set *s)
{
    struct object_sysv found;
    struct ipc_perm perm;
    struct set now;
    bool same;

    if (look(&now, s->id, &found, &perm) != 0)
        return -EIDRM;
    same =
        now.key == s->key && now.creator == s->creator && now.sems == s->sems;
    return DEFENCE("same", same, true) ? 0 : -EIDRM;
}

int
set_prove(struct set *s, int id, unsigned sems, uid_t claimed,
          struct ipc_peer *peer)
{
    struct object_sysv found;
    struct ipc_perm perm;
    int err = look(s, id, &found, &perm);

    *peer = IPC_PEER_UNKNOWN;
    if (err != 0)
        return err;
    if (s->sems != sems)
        return -EPERM;
    return owner_check_perm(&perm, (time_t)found.created, claimed, peer);
}

int
set_remove(const struct set *s)
{
    int err = set_same(s);

    if (err == 0 && semctl(s->id, 0, IPC_RMID) == -1)
        err = errno == EINVAL ? -EIDRM : -errno;
    return err;
}

/* -- making a set that is found again -------------------------------------- */

/* Twelve bits that say it is one of these, 19 that are random, and 0: the first
 * of two.  So many tries find a free one, though somebody had made all the sets
 * that the kernel allows. */
#define MARK      0x1bc00000
#define MARK_MASK 0x7ff00000
#define BESIDE    1
#define TRIES     100

static int
make(struct set *s, key_t key, unsigned sems)
{
    *s = (struct set){.key = key, .creator = geteuid(), .sems = sems};
    /* On Linux all values are 0: semget(2), NOTES. */
    s->id = semget(key, (int)sems,
                   IPC_CREAT | IPC_EXCL | DEFENCE("mode", 0600, 0666));
    return s->id == -1 ? -errno : 0;
}

int
set_make(struct set *s, unsigned sems)
{
    uint32_t random;
    int err = -EEXIST;

    for (int i = 0; i < TRIES && err == -EEXIST; i++) {
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return -errno;
        err = make(s,
                   (key_t)(MARK | (random & ~(uint32_t)MARK_MASK & INT32_MAX &
                                   ~(uint32_t)BESIDE)),
                   sems);
    }
    if (err == 0 && (err = will_make(s->id, SET_DEAD)) != 0)
        semctl(s->id, 0, IPC_RMID);
    return err;
}

key_t
set_key_beside(const struct set *first)
{
    return first->key | BESIDE;
}

int
set_make_beside(struct set *s, const struct set *first, unsigned sems)
{
    return make(s, set_key_beside(first), sems);
}

/* Is it a second object of the same maker? */
static bool
is_beside(enum object_sysv_kind kind, int id, const struct set *first)
{
    struct object_sysv found;

    return id != -1 && object_sysv_look(kind, id, &found, NULL) == 0 &&
           found.creator == first->creator;
}

/* The first one last: it is how the other is found. */
int
set_remove_both(const struct set *first)
{
    const key_t key = set_key_beside(first);
    int set, segment;

    if ((first->key & MARK_MASK) == MARK) {
        set = semget(key, 0, 0);
        if (is_beside(OBJECT_SET, set, first))
            semctl(set, 0, IPC_RMID);
        segment = shmget(key, 0, 0);
        if (is_beside(OBJECT_SEGMENT, segment, first))
            shmctl(segment, IPC_RMID, NULL);
    }
    return set_remove(first);
}

int
set_give(const struct set *s, uid_t uid, unsigned short mode)
{
    struct semid_ds ds;

    if (semctl(s->id, 0, IPC_STAT, (union semun){.buf = &ds}) == -1)
        return -errno;
    if (mode == SET_MODE_KEPT)
        mode = (unsigned short)ds.sem_perm.mode;
    if (ds.sem_perm.uid == uid && ds.sem_perm.mode == mode)
        return 0;
    ds.sem_perm.uid = uid;
    ds.sem_perm.mode = mode;
    return semctl(s->id, 0, IPC_SET, (union semun){.buf = &ds}) == -1 ? -errno
                                                                      : 0;
}

int sets_will_within = 10;

/* One of ours, and nobody's any more?  What others may write to, they may have
 * written: that is not looked at. */
static bool
is_left_behind(int id, const struct semid_ds *ds)
{
    const struct ipc_perm *perm = &ds->sem_perm;

    if ((perm->__key & MARK_MASK) != MARK || (perm->__key & BESIDE) != 0 ||
        (perm->mode & 077) != 0 || (geteuid() != 0 && perm->cuid != geteuid()))
        return false;
    if (ds->sem_otime == 0)
        return time(NULL) - ds->sem_ctime >= sets_will_within;
    return semctl(id, SET_DEAD, GETVAL) > 0;
}

int
sets_reap(void)
{
    struct seminfo info;
    struct semid_ds ds;
    int removed = 0;
    int last = semctl(0, 0, SEM_INFO, (union semun){.info = &info});

    for (int i = 0; i <= last; i++) {
        int id = semctl(i, 0, SEM_STAT, (union semun){.buf = &ds});
        struct set s;

        if (id == -1 || !is_left_behind(id, &ds))
            continue;
        s = (struct set){.id = id,
                         .key = ds.sem_perm.__key,
                         .creator = ds.sem_perm.cuid,
                         .sems = (unsigned)ds.sem_nsems};
        removed += set_remove_both(&s) == 0;
    }
    return removed;
}

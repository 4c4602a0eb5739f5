/*
 * why_objects.c - waiting for System V semaphores and queues, and for words in
 * memory (futex(2)): POSIX semaphores, mutexes, condition variables.
 */
#define _GNU_SOURCE /* MSG_COPY */
#include "lab/why_says.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* "last operated by": the other side, dead or alive. */
static void
last_one(struct why_wait *w, pid_t pid, const char *did, bool by_sem)
{
    if (pid == 0) {
        why_say(w, "Nobody has %s yet.", did);
        if (w->cause == WHY_UNKNOWN)
            w->cause = WHY_NOBODY;
    } else if (pid == w->pid) {
        why_say(w, "The last that %s was pid %d itself.", did, (int)pid);
    } else if (procfs_lives(pid)) {
        why_say(w, "The last that %s was %s.", did, why_who(w, pid));
        why_depends(w, pid);
        w->cause = WHY_OTHERS;
    } else {
        why_say(w, "The last that %s was pid %d, which is dead%s.", did,
                (int)pid, by_sem ? " and did not use SEM_UNDO" : "");
        w->cause = WHY_DEAD_HOLDER;
    }
}

/* -- semaphores: semop(2) ------------------------------------------------- */

union semun {
    int val;
    struct semid_ds *buf;
};

/* The first operation that cannot be done, as the kernel looks for it. */
static int
blocked_at(int id, const struct sembuf *ops, int n, int *value)
{
    for (int i = 0; i < n; i++) {
        *value = semctl(id, ops[i].sem_num, GETVAL);
        if (*value == -1)
            return -1;
        if (ops[i].sem_op == 0 ? *value != 0
                               : ops[i].sem_op < 0 && *value < -ops[i].sem_op)
            return i;
    }
    return -1;
}

void
why_semop(struct why_wait *w, const struct procfs_call *c)
{
    const int id = (int)c->args[0];
    const int n = c->args[2] > 64 ? 64 : (int)c->args[2];
    struct sembuf ops[64];
    int at, value = 0;

    if (!procfs_memory(w->pid, c->args[1], ops, (size_t)n * sizeof *ops)) {
        why_call(w, "semop(set %d)", id);
        return;
    }
    at = blocked_at(id, ops, n, &value);
    if (at == -1) {
        why_call(w, "semop(set %d, %d operations)", id, n);
        why_say(w, "The set cannot be read from here (%s).", strerror(errno));
        return;
    }
    why_call(w, "semop(set %d, semaphore %d, op %d)", id, ops[at].sem_num,
             ops[at].sem_op);
    if (ops[at].sem_op == 0)
        why_say(w, "It waits for zero; the value is %d.", value);
    else
        why_say(w, "The value is %d, it wants %d.", value, -ops[at].sem_op);
    last_one(w, semctl(id, ops[at].sem_num, GETPID), "operated it", true);
}

/* -- queues: msgrcv(2), msgsnd(2) ----------------------------------------- */

#define TYPES 16

/* The types of the messages that wait in a queue: MSG_COPY takes none away. */
static int
types_in(int id, unsigned long count, long types[TYPES])
{
    static struct {
        long type;
        char text[65536]; /* a copy has to fit whole: msgrcv(2) */
    } m;
    int n = 0;

    for (unsigned long i = 0; i < count && n < TYPES; i++) {
        if (msgrcv(id, &m, sizeof m.text, (long)i,
                   MSG_COPY | IPC_NOWAIT | MSG_NOERROR) == -1)
            break;
        types[n++] = m.type;
    }
    return n;
}

void
why_msgrcv(struct why_wait *w, const struct procfs_call *c)
{
    const int id = (int)c->args[0];
    const long wanted = (long)c->args[3];
    struct msqid_ds q;
    long types[TYPES];
    char list[160] = "";
    size_t used = 0;
    int n;

    why_call(w, "msgrcv(queue %d, type %ld)", id, wanted);
    if (msgctl(id, IPC_STAT, &q) == -1) {
        why_say(w, "The queue cannot be read from here (%s).", strerror(errno));
        return;
    }
    if (q.msg_qnum == 0) {
        why_say(w, "The queue is empty.");
        last_one(w, q.msg_lspid, "sent to it", false);
        if (w->cause == WHY_DEAD_HOLDER) /* it took nothing along */
            w->cause = WHY_NOBODY;
        return;
    }
    n = types_in(id, q.msg_qnum, types);
    for (int i = 0; i < n && used < sizeof list - 24; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%ld",
                                 i == 0 ? "" : ", ", types[i]);
    why_say(w, "The queue holds %lu message(s), none of that type: %s.",
            (unsigned long)q.msg_qnum, n > 0 ? list : "types unknown");
    last_one(w, q.msg_lspid, "sent to it", false);
    w->cause = WHY_WRONG_KIND;
}

void
why_msgsnd(struct why_wait *w, const struct procfs_call *c)
{
    const int id = (int)c->args[0];
    struct msqid_ds q;

    why_call(w, "msgsnd(queue %d, %lu bytes)", id, c->args[2]);
    if (msgctl(id, IPC_STAT, &q) == -1) {
        why_say(w, "The queue cannot be read from here (%s).", strerror(errno));
        return;
    }
    why_say(w, "The queue is full: %lu message(s), it takes %lu bytes at most.",
            (unsigned long)q.msg_qnum, (unsigned long)q.msg_qbytes);
    last_one(w, q.msg_lrpid, "received from it", false);
    if (w->cause == WHY_DEAD_HOLDER)
        w->cause = WHY_NOBODY;
}

/* -- words in memory: futex(2)
 * ------------------------------------------------------
 *
 * The kernel knows an address and no more.  What lies there is recognised by
 * its looks, as the C library lays it out (pthread_mutex_t: lock, count, owner,
 * ...; sem_t: value, how many wait), and said as a guess where it is one.
 */

/* glibc's first three words of a mutex. */
struct mutex_looks {
    uint32_t lock, count, owner;
};

/* Which thread holds it, if it looks like a mutex; else 0. */
static pid_t
mutex_owner(const struct mutex_looks *m)
{
    const uint32_t holder = m->lock & FUTEX_TID_MASK;

    if (m->owner == 0 || m->owner > (1U << 22))
        return 0;
    /* Plain: 1 locked, 2 locked and waited for.  Robust: the holder's
     * number. */
    return m->lock == 1 || m->lock == 2 || holder == m->owner ? (pid_t)m->owner
                                                              : 0;
}

/* Of a thread: whose is it?  0: nobody's, it is dead. */
static pid_t
process_of(pid_t tid)
{
    char text[2048];
    const char *at;

    if (procfs_text(tid, "status", text, sizeof text) <= 0 ||
        (at = strstr(text, "Tgid:")) == NULL || !procfs_lives(tid))
        return 0;
    return (pid_t)strtol(at + 5, NULL, 10);
}

static void
held_mutex(struct why_wait *w, pid_t owner)
{
    const pid_t holder = process_of(owner);

    if (holder == 0) {
        w->cause = WHY_DEAD_HOLDER;
        why_say(w,
                "It looks like a mutex held by thread %d, which is dead: "
                "nobody will unlock it. PTHREAD_MUTEX_ROBUST tells the next "
                "one (EOWNERDEAD).",
                (int)owner);
        return;
    }
    why_depends(w, holder);
    w->cause = owner == w->tid ? WHY_ITSELF : WHY_OTHERS;
    if (owner == w->tid)
        why_say(w, "It looks like a mutex that this thread itself holds: it "
                   "locks it for the second time.");
    else
        why_say(w, "It looks like a mutex held by thread %d of %s.", (int)owner,
                why_who(w, holder));
}

void
why_futex(struct why_wait *w, const struct procfs_call *c)
{
    const unsigned long at = c->args[0];
    const bool is_private = (c->args[1] & FUTEX_PRIVATE_FLAG) != 0;
    struct mutex_looks looks = {0};
    char path[200];
    const bool is_shared = procfs_is_shared(w->pid, at, path, sizeof path);
    pid_t owner;

    procfs_memory(w->pid, at, &looks, sizeof looks);
    why_call(w, "futex(%#lx in %s%.60s, wait while %u)", at,
             is_shared ? "shared memory " : "private memory", path,
             (unsigned)c->args[2]);
    owner = mutex_owner(&looks);
    if (owner != 0) {
        held_mutex(w, owner);
    } else if (looks.lock == 0 && looks.count > 0 && looks.count < 4096) {
        w->cause = WHY_NOBODY;
        why_say(w,
                "It looks like a semaphore: its value is 0, %u wait. Nobody "
                "has posted.",
                looks.count);
    } else if (looks.lock != (uint32_t)c->args[2]) {
        w->cause = WHY_NOBODY;
        why_say(w,
                "The word is %u by now: it was changed and nobody called "
                "FUTEX_WAKE.",
                looks.lock);
    } else {
        why_say(w,
                "The word is still %u: who changes it has to call "
                "FUTEX_WAKE.",
                looks.lock);
        w->cause = WHY_NOBODY;
    }
    if (is_shared && is_private) {
        w->cause = WHY_WRONG_KIND;
        why_say(w, "The wait is private to this process, the memory is shared: "
                   "no other process can wake it (pshared was 0, or "
                   "PTHREAD_PROCESS_SHARED was not set).");
    }
}

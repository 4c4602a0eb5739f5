/* monitor.c - a robust mutex and conditions in shared memory. */
#define _GNU_SOURCE /* pthread_mutex_clocklock, pthread_cond_clockwait */
#include "monitor.h"

#include "core/clock.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* ThreadSanitizer (of gcc 12 and clang 14) does not know this call, and would
 * take what it has locked for unlocked. */
#ifdef IPCLAB_TSAN
#define pthread_mutex_clocklock(m, clock, t) ((void)(t), pthread_mutex_lock(m))
#endif

/* -- lock and wait -------------------------------------------------------- */

/* What lock and wait have in common: the lock is ours after 0, and also after
 * -ETIMEDOUT from a wait. */
static int
owned(struct board *b, int err)
{
    return err == EOWNERDEAD ? -pthread_mutex_consistent(&b->lock) : -err;
}

int
monitor_lock(struct board *b, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    return owned(b, pthread_mutex_clocklock(&b->lock, CLOCK_MONOTONIC, &t));
}

void
monitor_unlock(struct board *b)
{
    pthread_mutex_unlock(&b->lock);
}

int
monitor_wait(struct board *b, pthread_cond_t *cond, int64_t deadline)
{
    struct timespec t = ns_to_timespec(deadline);

    return owned(b,
                 pthread_cond_clockwait(cond, &b->lock, CLOCK_MONOTONIC, &t));
}

int64_t
monitor_slice(int64_t deadline)
{
    int64_t end = now_ns() + MEET_SLICE;

    return end < deadline ? end : deadline;
}

int
monitor_tired(struct held *held, int64_t deadline)
{
    if (time_left(deadline) == 0)
        return -ETIMEDOUT;
    /* Waiting for a condition is not ended by a signal. */
    if (signals_came(held))
        return -EINTR;
    signals_hold(held);
    return 0;
}

/* The lock, as soon as the place is as it should be. */
static int
lock_when(struct meet_client *c, bool (*right)(const struct place *),
          int64_t deadline)
{
    struct board *b = c->board;
    struct place *p = c->place;
    struct held held = {.holding = false};
    int err = 0;

    while (err == 0) {
        int64_t until = monitor_slice(deadline);

        err = monitor_lock(b, until);
        if (err == 0) {
            if (right(p))
                break;
            if (atomic_load(&p->head.verdict) == MEET_OVER)
                err = -EPIPE;
            else
                err = monitor_wait(b, &p->answered, until);
            if (err == 0 && right(p))
                break;
            monitor_unlock(b);
        }
        if (err == -ETIMEDOUT)
            err =
                meet_server_lives(c) ? monitor_tired(&held, deadline) : -EPIPE;
    }
    signals_release(&held);
    return err;
}

static bool
has_reply(const struct place *p)
{
    return p->state == REPLY;
}

int
monitor_lock_reply(struct meet_client *c, int64_t deadline)
{
    return lock_when(c, has_reply, deadline);
}

static bool
is_free(const struct place *p)
{
    return p->state != REQUEST;
}

int
monitor_lock_free(struct meet_client *c, int64_t deadline)
{
    return lock_when(c, is_free, deadline);
}

/* -- the board, and how to get there -------------------------------------- */

static int
make_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int err;

    pthread_condattr_init(&attr);
    /* Without it the C library uses futexes that only threads of one process
     * can find each other by. */
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    err = -pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return err;
}

static int
make_board(struct board *b)
{
    pthread_mutexattr_t attr;
    int err;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    err = -pthread_mutex_init(&b->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return err != 0 ? err : make_cond(&b->work);
}

static int
make_place(void *place)
{
    return make_cond(&((struct place *)place)->answered);
}

int
monitor_create(struct meet_server *s, const char *name)
{
    int err = meet_create(s, &meet_shm, name, sizeof(struct board),
                          sizeof(struct place));

    if (err != 0)
        return err;
    err = make_board(s->board);
    if (err == 0)
        err = meet_open_house(s, 0666);
    if (err != 0)
        meet_destroy(s);
    return err;
}

/* The server may be waiting for work; a newcomer is some. */
static void
knock(struct meet_client *c)
{
    struct board *b = c->board;

    if (monitor_lock(b, now_ns() + MEET_SLICE) == 0) {
        pthread_cond_signal(&b->work);
        monitor_unlock(b);
    }
}

int
monitor_join(struct meet_client *c, const char *where)
{
    static const struct meet_manners manners = {
        .board_size = sizeof(struct board),
        .place_size = sizeof(struct place),
        .board_prot = PROT_READ | PROT_WRITE,
        .prepare = make_place,
        .knock = knock,
    };

    return meet_join(c, &meet_shm, where, &manners, geteuid());
}

/*
 * trips.c - how long 64 bytes take there and back (trips.h): through a pair of
 * pipes; through shared memory, with semaphores to wait by; and through shared
 * memory with both looking at it all the time.
 */
#define _GNU_SOURCE /* sched_setaffinity, pipe2 */
#include "trips.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct link {
    enum carrier carrier;
    int there[2], back[2];
    struct common {
        sem_t asked, answered;
        atomic_uint turn; /* odd: the server's */
        char letter[TRIP_BYTES];
    } * common;
};

int
trip_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* Onto the nth processor of those that we may use. */
static void
pin(const cpu_set_t *may, int nth)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, may) && nth-- == 0)
            CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static int64_t
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* -- one side -------------------------------------------------------------- */

static int
wait_for(sem_t *s)
{
    while (sem_wait(s) == -1)
        if (errno != EINTR)
            return -1;
    return 0;
}

/* Acquire: the letter is read after it is known to be there. */
static void
spin_until(struct common *c, unsigned parity)
{
    while ((atomic_load_explicit(&c->turn, memory_order_acquire) & 1) != parity)
        continue;
}

/* Release: whoever sees the turn has the letter, too. */
static void
pass_turn(struct common *c)
{
    atomic_fetch_add_explicit(&c->turn, 1, memory_order_release);
}

static int
trip(struct link *l, char *letter)
{
    struct common *c = l->common;

    if (l->carrier == BY_PIPE)
        return write(l->there[1], letter, TRIP_BYTES) == TRIP_BYTES &&
                       read(l->back[0], letter, TRIP_BYTES) == TRIP_BYTES
                   ? 0
                   : -1;
    memcpy(c->letter, letter, TRIP_BYTES);
    if (l->carrier == BY_SPINNING) {
        pass_turn(c);
        spin_until(c, 0);
    } else if (sem_post(&c->asked) == -1 || wait_for(&c->answered) == -1)
        return -1;
    memcpy(letter, c->letter, TRIP_BYTES);
    return 0;
}

static void
serve(struct link *l)
{
    struct common *c = l->common;
    char letter[TRIP_BYTES];

    for (;;) {
        if (l->carrier == BY_PIPE) {
            if (read(l->there[0], letter, TRIP_BYTES) != TRIP_BYTES ||
                write(l->back[1], letter, TRIP_BYTES) != TRIP_BYTES)
                return;
            continue;
        }
        if (l->carrier == BY_SPINNING)
            spin_until(c, 1);
        else if (wait_for(&c->asked) == -1)
            return;
        memcpy(letter, c->letter, TRIP_BYTES);
        letter[0]++; /* it has been looked at */
        memcpy(c->letter, letter, TRIP_BYTES);
        if (l->carrier == BY_SPINNING)
            pass_turn(c);
        else
            sem_post(&c->answered);
    }
}

/* -- both ------------------------------------------------------------------ */

static int
make_link(struct link *l)
{
    l->common = mmap(NULL, sizeof *l->common, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l->common == MAP_FAILED || pipe2(l->there, O_CLOEXEC) == -1 ||
        pipe2(l->back, O_CLOEXEC) == -1)
        return -1;
    return sem_init(&l->common->asked, 1, 0) == -1 ||
                   sem_init(&l->common->answered, 1, 0) == -1
               ? -1
               : 0;
}

static void
remove_link(struct link *l)
{
    for (int i = 0; i < 2; i++) {
        close(l->there[i]);
        close(l->back[i]);
    }
    munmap(l->common, sizeof *l->common);
}

static double
cpu_seconds(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Whole round trips until the time is up, in ns each; -1. */
static double
go_on_for(struct link *l, int ms)
{
    const int64_t begun = now(), end = begun + ms * INT64_C(1000000);
    char letter[TRIP_BYTES] = "who am I?";
    int64_t at = begun;
    long n = 0;

    if (trip(l, letter) == -1)
        return -1;
    for (n = 1; at < end; n++) {
        if (trip(l, letter) == -1)
            return -1;
        if (n % 16 == 0 || at - begun > n * INT64_C(100000))
            at = now(); /* a clock costs as much as a spinning trip */
    }
    return (double)(now() - begun) / (double)n;
}

double
trip_time(enum carrier carrier, int two_cpus, int ms, double *busy)
{
    struct link l = {.carrier = carrier};
    cpu_set_t may;
    double ns, used, begun;
    pid_t server;

    sched_getaffinity(0, sizeof may, &may);
    if (make_link(&l) == -1 || (server = fork()) == -1)
        return -1;
    if (server == 0) {
        pin(&may, two_cpus);
        serve(&l);
        _exit(0);
    }
    pin(&may, 0);
    used = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN);
    begun = (double)now();
    ns = go_on_for(&l, ms);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    used = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN) - used;
    *busy = 100 * used / (((double)now() - begun) / 1e9);
    sched_setaffinity(0, sizeof may, &may);
    remove_link(&l);
    return ns;
}

/*
 * demos_waiting.c - demonstrations of what waiting costs (demo.h).
 */
#define _GNU_SOURCE /* sched_setaffinity, clock_getcpuclockid */
#include "demo.h"
#include "trips.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"pipes", "memory, semaphores",
                                    "memory, spinning"};

static void
chart_trips(const char *where, int two_cpus)
{
    double us[CARRIERS], busy, most = 0;

    tell("%s, one round trip of %d bytes:", where, TRIP_BYTES);
    for (int i = 0; i < CARRIERS; i++) {
        us[i] = trip_time((enum carrier)i, two_cpus, 300, &busy) / 1000;
        most = us[i] > most ? us[i] : most;
    }
    for (int i = 0; i < CARRIERS; i++)
        bar(names[i], us[i], most, "us");
}

static void
waiting(void)
{
    chart_trips("Both processes on one processor", 0);
    if (trip_cpus() > 1)
        chart_trips("Each on its own", 1);
    tell(
        "The first two do the same: they sleep, and are woken. What they carry "
        "the bytes in makes little of it. The third never sleeps; where both "
        "need the same processor it waits for the end of its own time slice.");
}

static int64_t
cpu_ns(pid_t pid)
{
    struct timespec t = {0, 0};
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) == 0)
        clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void *
common(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    need("memory", at == MAP_FAILED ? -1 : 0);
    return at;
}

static void
spin_cost(void)
{
    sem_t *s = common(sizeof *s);
    atomic_int *flag = common(sizeof *flag);
    pid_t sleeper, spinner;

    need("sem_init", sem_init(s, 1, 0));
    sleeper = start();
    if (sleeper == 0)
        _exit(sem_wait(s));
    spinner = start();
    while (spinner == 0 && atomic_load(flag) == 0)
        continue;
    if (spinner == 0)
        _exit(0);
    tell("Two processes wait a second for the same thing: one in sem_wait(), "
         "one in a loop that looks at memory.");
    work_ms(1000);
    bar("in sem_wait()", (double)cpu_ns(sleeper) / 1e6, 1000, "ms");
    bar("in a loop", (double)cpu_ns(spinner) / 1e6, 1000, "ms");
    atomic_store(flag, 1);
    sem_post(s);
    tell(
        "That is processor time. Who spins is there at once when it comes, and "
        "until then nobody else has that processor.");
}

enum { TIMES = 20000000 };

/* Onto the nth processor that we may use. */
static void
pin(int nth)
{
    cpu_set_t may, one;

    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof may, &may);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &may) && nth-- == 0)
            CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
}

struct sums {
    atomic_int ready;
    volatile long plain;
    atomic_long atomic;
};

static void
add_up(struct sums *s, int cpu)
{
    pin(cpu);
    atomic_fetch_add(&s->ready, 1);
    while (atomic_load(&s->ready) < 2)
        sched_yield();
    for (int i = 0; i < TIMES; i++)
        s->plain = s->plain + 1;
    for (int i = 0; i < TIMES / 10; i++)
        atomic_fetch_add(&s->atomic, 1);
}

static void
race_on(const char *where, int second)
{
    struct sums *s = common(sizeof *s);

    for (int i = 0; i < 2; i++)
        if (start() == 0) {
            add_up(s, i == 0 ? 0 : second);
            _exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    tell("%s:", where);
    result("n = n + 1: lost", "%ld of %d", 2L * TIMES - s->plain, 2 * TIMES);
    result("atomic, a tenth as often: lost", "%ld of %d",
           2L * (TIMES / 10) - atomic_load(&s->atomic), 2 * (TIMES / 10));
    munmap(s, sizeof *s);
}

static void
race(void)
{
    race_on("Two processes, each adds 1 twenty million times, on one processor",
            0);
    if (trip_cpus() > 1)
        race_on("The same, each on its own", 1);
    tell(
        "n = n + 1 is loading, adding, storing. Whoever is interrupted between "
        "loading and storing stores an old sum over all that the other has "
        "done meanwhile: on one processor that is a whole time slice. On two "
        "both may be in it at the same moment.");
}

struct shop {
    int clients;
    pthread_mutex_t counter;
    int one_thread;
};

static void *
slow_request(void *arg)
{
    struct shop *s = arg;

    if (s->one_thread)
        pthread_mutex_lock(&s->counter); /* the only one who serves */
    work_ms(100);
    if (s->one_thread)
        pthread_mutex_unlock(&s->counter);
    return NULL;
}

static double
serve_ten(int one_thread)
{
    struct shop s = {.counter = PTHREAD_MUTEX_INITIALIZER,
                     .one_thread = one_thread};
    const int64_t begun = now_ns();
    pthread_t threads[10];

    for (int i = 0; i < 10; i++)
        need("a thread",
             pthread_create(&threads[i], NULL, slow_request, &s) ? -1 : 0);
    for (int i = 0; i < 10; i++)
        pthread_join(threads[i], NULL);
    return (double)(now_ns() - begun) / 1e6;
}

static void
threads(void)
{
    const double one = serve_ten(1), ten = serve_ten(0);

    tell("Ten requests come at once, and each takes 100 ms (it waits for a "
         "disk, say). Until the last one is served:");
    bar("by one thread", one, one, "ms");
    bar("by a thread for each", ten, one, "ms");
    tell("What waits can wait together. socket/threads is such a server, "
         "socket/stream has one thread: build/release/ipcctl -m ... sleep 100");
}

const struct demo demos_waiting[] = {
    {"waiting", "64 bytes there and back: pipe, or shared memory?", waiting},
    {"spin-cost", "how much processor time does waiting take?", spin_cost},
    {"race", "two add 1 twenty million times: what is the sum?", race},
    {"threads", "ten requests of 100 ms each: how long in all?", threads},
    {.name = NULL}};

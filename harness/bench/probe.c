/*
 * probe.c - how far apart two CPUs are: the time a cache line takes there and
 * back.
 *
 *      client                          server
 *      there = 1      ------------->   sees 1
 *      sees 1         <-------------   back = 1
 *
 * One word each way, on a line of its own, written by one side only: a load
 * until it has changed, and a store.  Nothing that goes through memory between
 * two CPUs is faster than this, so it is the floor of all that spins.  And it
 * moves: a host may put a virtual CPU onto another core at any moment, and a
 * line takes twice or ten times as long from then on.  So it is looked at
 * before and after the cell that is compared with it.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, clock_gettime */
#include "bench/measure.h"

#include "core/clock.h"
#include "core/cpu_relax.h"
#include "core/parent.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROBE_NS (3 * NS_PER_MS)
#define BATCH    64
#define LEAST    16 /* batches, unless they take more than this: */
#define MOST_NS  (30 * NS_PER_MS)
#define MOST     1024 /* batches */

struct lines {
    _Alignas(64) _Atomic uint32_t there;
    _Alignas(64) _Atomic uint32_t back;
};

static _Noreturn void
answer(struct lines *l, int cpu, pid_t parent)
{
    uint32_t last = 0, word;

    end_with_parent(parent, SIGKILL);
    if (pin_to(cpu) != 0)
        _exit(1);
    for (;;) {
        word = atomic_load_explicit(&l->there, memory_order_acquire);
        if (word == last) {
            cpu_relax();
            continue;
        }
        last = word;
        atomic_store_explicit(&l->back, word, memory_order_release);
    }
}

/* ns per round trip: what a quarter of the batches stay below.  The others may
 * have been interrupted, on either side; the way itself is no slower for it. */
static double
ask(const struct bench *b, struct lines *l)
{
    double batches[MOST], q;
    int64_t start = now_ns(), from = start, to = start;
    uint32_t word = 0;
    size_t n = 0;

    while (n < MOST && to - start < (n < LEAST ? MOST_NS : PROBE_NS)) {
        for (int i = 0; i < BATCH; i++) {
            atomic_store_explicit(&l->there, ++word, memory_order_release);
            while (atomic_load_explicit(&l->back, memory_order_acquire) != word)
                if (*b->stop)
                    return NAN;
                else
                    cpu_relax();
        }
        to = now_ns();
        batches[n++] = (double)(to - from) / BATCH;
        from = to;
    }
    q = median(batches, n); /* sorts them */
    return n >= 4 ? batches[n / 4] : q;
}

int
probe_line(const struct bench *b, const struct placement *p, double *ns)
{
    struct lines *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid(), pid;
    int err = 0;

    if (l == MAP_FAILED)
        return -errno;
    pid = fork();
    if (pid == 0)
        answer(l, p->server, parent);
    if (pid == -1) {
        err = -errno;
    } else {
        *ns = ask(b, l);
        kill(pid, SIGKILL); /* it has nothing to lose */
        while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
            continue;
    }
    munmap(l, sizeof *l);
    return err != 0 ? err : *b->stop ? -EINTR : 0;
}

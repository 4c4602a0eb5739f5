/*
 * ring.c - one way through shared memory, and nothing else: the floors of those
 * that send messages through a ring.
 *
 *      floor/ring   sender: memcpy into a slot.  receiver: memcpy out of it
 *      floor/copy   the source is cold, and the receiver only looks: one copy,
 *                   of bytes that are nobody's yet into lines that the other
 *                   CPU has had
 *
 * Slots of one message each; how many were filled, and how many were emptied,
 * are a word each, on lines of their own, written by one side only.  Either
 * side remembers what it last saw of the other's word and looks again only when
 * that is used up: with room ahead a message costs its own lines and no other.
 * As many bytes as the protocol sends: header and payload.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, syscall, clock_gettime */
#include "bench/measure.h"

#include "core/clock.h"
#include "core/cpu_relax.h"
#include "core/parent.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_BYTES  ((size_t)512 * 1024) /* of a ring of small messages */
#define LEAST_SLOTS 4
#define MOST_SLOTS  1024
#define COLD_BYTES \
    ((size_t)16 * 1024 * 1024) /* more than the caches near a core */
#define BATCH 32

/* A count, and whether the other side sleeps until it changes. */
struct count {
    _Alignas(64) _Atomic uint32_t n;
    _Atomic uint32_t awaited;
};

struct shared {
    struct count filled, emptied;
    _Alignas(64) char slots[];
};

struct ring {
    struct shared *s;
    size_t length, stride, slots, bytes;
    bool together;  /* both sides share a CPU: sleep, do not spin */
    bool look;      /* the receiver only looks */
    uint32_t here;  /* filled or emptied by this side */
    uint32_t there; /* what was last seen of the other side's */
    const char *from;
    size_t cold, at; /* bytes of the source, and where in there */
    char *to;
};

/* -- counts ---------------------------------------------------------------- */

static void
publish(struct ring *r, struct count *c)
{
    atomic_store_explicit(&c->n, ++r->here, memory_order_release);
    if (!r->together)
        return;
    /* Either we see that it sleeps, or it sees the count: never neither. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&c->awaited, memory_order_relaxed) == 0)
        return;
    atomic_store_explicit(&c->awaited, 0, memory_order_relaxed);
    syscall(SYS_futex, &c->n, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Until the count is another than r->there. */
static void
await(struct ring *r, struct count *c)
{
    uint32_t n;

    while ((n = atomic_load_explicit(&c->n, memory_order_acquire)) ==
           r->there) {
        if (!r->together) {
            cpu_relax();
            continue;
        }
        atomic_store_explicit(&c->awaited, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        syscall(SYS_futex, &c->n, FUTEX_WAIT, n, NULL, NULL, 0);
    }
    r->there = n;
}

static char *
slot(const struct ring *r)
{
    return r->s->slots + r->stride * (r->here % r->slots);
}

/* -- the two sides --------------------------------------------------------- */

static int
put(void *arg)
{
    struct ring *r = arg;

    while (r->here - r->there == r->slots)
        await(r, &r->s->emptied);
    memcpy(slot(r), r->from + r->at, r->length);
    if (r->cold > 0) {
        r->at += r->stride;
        r->at = r->at + r->length <= r->cold ? r->at : 0;
    }
    publish(r, &r->s->filled);
    return 0;
}

static void
look_at(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        (void)*(const volatile char *)(bytes + i);
}

static void
take(struct ring *r)
{
    while (r->there == r->here)
        await(r, &r->s->filled);
    if (r->look)
        look_at(slot(r), r->length);
    else
        memcpy(r->to, slot(r), r->length);
    __asm__ volatile("" : : "r"(r->to) : "memory"); /* somebody might read it */
    publish(r, &r->s->emptied);
}

static _Noreturn void
receiver(struct ring *r, int cpu, pid_t parent)
{
    end_with_parent(parent, SIGKILL);
    if (pin_to(cpu) != 0)
        _exit(1);
    for (;;)
        take(r);
}

/* -- measured -------------------------------------------------------------- */

/* Until all that was sent is taken. */
static void
drain(struct ring *r)
{
    while (r->there != r->here)
        await(r, &r->s->emptied);
}

static int
timed(struct bench *b, struct ring *r, struct row *row)
{
    int64_t from, to, until;
    long n = 0;

    for (int i = 0; i < BATCH; i++)
        put(r);
    drain(r);
    from = to = now_ns();
    for (until = from + b->cell_ns; to < until; to = now_ns()) {
        if (*b->stop)
            return -EINTR;
        for (int i = 0; i < (r->length > 65536 ? 1 : BATCH); i++, n++)
            put(r);
    }
    drain(r);
    row->n = n;
    row->seconds = (double)(now_ns() - from) / 1e9;
    return 0;
}

static int
with_receiver(struct bench *b, struct cell *c, struct row *row, struct ring *r)
{
    pid_t parent = getpid(), pid = fork();
    struct cost from[2], to[2];
    int err;

    if (pid == -1)
        return -errno;
    if (pid == 0)
        receiver(r, c->placement->server, parent);
    b->page->server = pid;
    cost_read(pid, &from[0], &from[1]);
    err = timed(b, r, row);
    cost_read(pid, &to[0], &to[1]);
    kill(pid, SIGKILL); /* it has nothing to lose */
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    b->page->server = 0;
    if (err != 0)
        return err;
    row->mode = ROW_PIPELINED;
    row->mean_ns = row->seconds * 1e9 / (double)row->n;
    row->per_second = (double)row->n / row->seconds;
    row->bytes_per_second = row->per_second * (double)c->size;
    measure_cost(row, from, to);
    return 0;
}

static size_t
slots_of(size_t stride)
{
    size_t n = RING_BYTES / stride;

    return n < LEAST_SLOTS ? LEAST_SLOTS : n > MOST_SLOTS ? MOST_SLOTS : n;
}

static int
one_way(struct bench *b, struct cell *c, struct row *row, bool look)
{
    struct ring r = {.length = PAIR_OVERHEAD + c->size,
                     .together = c->placement->together,
                     .look = look,
                     .from = (const char *)b->data,
                     .to = (char *)b->scratch};
    char *cold = NULL;
    int err;

    r.stride = (r.length + 63) / 64 * 64;
    r.slots = slots_of(r.stride);
    r.bytes = sizeof *r.s + r.slots * r.stride;
    if (look) {
        cold = malloc(COLD_BYTES);
        if (cold == NULL)
            return -ENOMEM;
        memset(cold, 'x', COLD_BYTES);
        r.from = cold;
        r.cold = COLD_BYTES;
    }
    r.s = mmap(NULL, r.bytes, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    err = r.s == MAP_FAILED ? -errno : with_receiver(b, c, row, &r);
    if (r.s != MAP_FAILED)
        munmap(r.s, r.bytes);
    free(cold);
    return err;
}

int
floor_ring(struct bench *b, struct cell *c, struct row *r)
{
    return one_way(b, c, r, false);
}

int
floor_copy(struct bench *b, struct cell *c, struct row *r)
{
    return one_way(b, c, r, true);
}

/*
 * cpu_hint.h - on which processor one runs.
 *
 * Spinning for somebody is worth while only if it can get something done
 * meanwhile, that is, if it runs on another processor.  So each side says in
 * shared memory where it runs (the C library knows without a system call,
 * rseq(2), in some 2 ns), and the other one compares that with its own.
 * It is a hint: the scheduler may move either of them at any time.
 *
 * To be included after _GNU_SOURCE.
 */
#ifndef CPU_HINT_H
#define CPU_HINT_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Stored only when it has changed: a store takes the cache line away from its
 * readers. */
static inline void
cpu_publish(_Atomic uint32_t *cpu)
{
    uint32_t here = (uint32_t)sched_getcpu();

    if (atomic_load_explicit(cpu, memory_order_relaxed) != here)
        atomic_store_explicit(cpu, here, memory_order_relaxed);
}

/* Was it, when it last said so, on another one than we are now? */
static inline bool
cpu_elsewhere(const _Atomic uint32_t *cpu)
{
    return atomic_load_explicit(cpu, memory_order_relaxed) !=
           (uint32_t)sched_getcpu();
}

#endif

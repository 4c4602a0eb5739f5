/* cpu_relax.h - what a processor does while it spins. */
#ifndef CPU_RELAX_H
#define CPU_RELAX_H

/* Tells the processor that this is a loop of waiting: it saves power, leaves
 * the core to its other thread, and does not run ahead with loads that it must
 * take back when the word changes at last. */
static inline void
cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

#endif

/*
 * trace.h - which system calls a round trip takes: both sides run under
 * ptrace(2), and every entry into the kernel between two marks is counted.
 *
 *      ipcbench                  cell's process      server
 *      PTRACE_SEIZE --------->   fork, exec ------>  (traced as well)
 *                                warm up
 *      count from here  <-----   mark
 *      client: 1 write  <-----   write
 *      server: 1 read   <-------------------------   read
 *                       ...      200 times
 *      up to here       <-----   mark
 *
 * It is what `strace -f -c` counts, and was checked against it; done here
 * because strace(1) cannot be told where a benchmark's loop begins.  Nothing is
 * timed meanwhile: a traced call takes ten times as long.  That has a price: a
 * mechanism that spins a little before it sleeps sleeps more often under a
 * tracer.
 */
#ifndef TRACE_H
#define TRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TRACE_NUMBERS 512 /* system calls have numbers below this */

enum trace_side { TRACE_CLIENT, TRACE_SERVER, TRACE_SIDES };

struct tally {
    bool step; /* one instruction after the other, instead of the calls */
    int marks;
    long calls[TRACE_SIDES][TRACE_NUMBERS];
    long instructions[TRACE_SIDES];
};

/* Called by the traced one, at the beginning and the end of what counts. */
void trace_mark(void);

/*
 * The instructions that either side executes outside the kernel can be counted
 * the same way, if the processor stops after each (t->step): no counter of the
 * hardware is needed, which virtual machines seldom have, and the number is
 * exact; but for a few of the marks'.  It takes some microseconds for each.
 */

/*
 * Traces root, a child that waits to be let go on (it reads one byte from the
 * other end of go), and all that it starts, until root has ended.  *stop ends
 * it early.  *t but t->step is cleared before.  0, or -errno: -EPERM where
 * tracing is not allowed.
 */
int trace_run(pid_t root, int go, const volatile sig_atomic_t *stop,
              struct tally *t);

/* The calls of one side, per operation. */
double trace_calls(const struct tally *t, enum trace_side side, long n);

/* The instructions of one side, per operation. */
double trace_instructions(const struct tally *t, enum trace_side side, long n);

/* "client: 1 read, 1 write; server: 1 read, 1 write": what happens at least
 * every twentieth time. */
void trace_text(const struct tally *t, long n, char *text, size_t size);

#endif

/* trace.c - which system calls a round trip takes. */
#define _GNU_SOURCE /* syscall numbers, PTRACE_GET_SYSCALL_INFO */
#include "bench/trace.h"

#include <errno.h>
#include <math.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
     PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

/* A question that nobody else asks, whose answer is of no interest; and a
 * signal that nobody waits for: where single instructions are counted, calls
 * are not seen. */
#define MARK SIGWINCH

void
trace_mark(void)
{
    prctl(PR_GET_TIMERSLACK);
    raise(MARK);
}

/* A process has stopped at a system call: on its way in, it is counted. */
static void
count(pid_t pid, pid_t root, struct tally *t)
{
    struct __ptrace_syscall_info info = {.op = PTRACE_SYSCALL_INFO_NONE};
    enum trace_side side = pid == root ? TRACE_CLIENT : TRACE_SERVER;
    uint64_t nr;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    nr = info.entry.nr;
    if (nr == SYS_prctl && info.entry.args[0] == PR_GET_TIMERSLACK)
        t->marks += !t->step;
    else if (t->marks == 1 && nr < TRACE_NUMBERS)
        t->calls[side][nr]++;
}

/* Counting instructions: between two marks each is a stop of its own. */
static bool
steps(const struct tally *t)
{
    return t->step && t->marks == 1;
}

static void
count_step(pid_t pid, pid_t root, int sig, struct tally *t)
{
    if (t->step && sig == MARK && pid == root)
        t->marks++;
    else if (steps(t) && sig == SIGTRAP)
        t->instructions[pid == root ? TRACE_CLIENT : TRACE_SERVER]++;
}

/* Lets a stopped process go on.  A signal that was meant for it is handed on;
 * the stops of the tracing itself are not signals. */
static void
go_on(pid_t pid, int status, const struct tally *t)
{
    int event = status >> 16, sig = WSTOPSIG(status);

    if (event != 0 || sig == (SIGTRAP | 0x80) || sig == MARK ||
        (t->step && sig == SIGTRAP))
        sig = 0;
    ptrace(steps(t) ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, pid, NULL,
           (void *)(intptr_t)sig);
}

/* Until root has ended, and those whom it started. */
static int
watch(pid_t root, const volatile sig_atomic_t *stop, struct tally *t)
{
    bool root_lives = true;
    int status, others = 0;

    while (root_lives || others > 0) {
        pid_t pid = waitpid(-1, &status, __WALL);

        if (pid == -1 && errno == EINTR && !*stop)
            continue;
        if (pid == -1)
            return errno == ECHILD && !root_lives ? 0 : -errno;
        if (!WIFSTOPPED(status)) {
            root_lives = root_lives && pid != root;
            others -= pid != root;
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            count(pid, root, t);
        else if (status >> 16 == PTRACE_EVENT_FORK ||
                 status >> 16 == PTRACE_EVENT_VFORK ||
                 status >> 16 == PTRACE_EVENT_CLONE)
            others++;
        else if (status >> 16 == 0)
            count_step(pid, root, WSTOPSIG(status), t);
        go_on(pid, status, t);
    }
    return 0;
}

int
trace_run(pid_t root, int go, const volatile sig_atomic_t *stop,
          struct tally *t)
{
    int err;

    *t = (struct tally){.step = t->step};
    if (ptrace(PTRACE_SEIZE, root, NULL, (void *)OPTIONS) == -1)
        return -errno;
    if (write(go, "", 1) != 1 || ptrace(PTRACE_INTERRUPT, root, 0, 0) == -1)
        return -errno;
    err = watch(root, stop, t);
    return err == 0 && t->marks != 2 ? -ENODATA : err;
}

double
trace_instructions(const struct tally *t, enum trace_side side, long n)
{
    return (double)t->instructions[side] / (double)n;
}

/* -- as text --------------------------------------------------------------- */

#define RARE 0.05 /* calls an operation: those of a timer, of a look around */

/* The server may already, or still, be waiting when a mark is set: its first or
 * last call then falls on the other side of it.  One call more or less in all
 * is none more or less an operation. */
static double
per_operation(long calls, long n)
{
    double v = (double)calls / (double)n;

    return fabs(v - round(v)) * (double)n < 1.5 ? round(v) : v;
}

double
trace_calls(const struct tally *t, enum trace_side side, long n)
{
    double sum = 0;

    for (size_t i = 0; i < TRACE_NUMBERS; i++)
        sum += per_operation(t->calls[side][i], n);
    return sum;
}

/* Each processor has its own numbers; libseccomp knows them. */
static void
put_name(FILE *f, int number)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    if (name != NULL)
        fputs(name, f);
    else
        fprintf(f, "call %d", number);
    free(name);
}

void
trace_text(const struct tally *t, long n, char *text, size_t size)
{
    static const char *const sides[] = {"client", "server"};
    FILE *f = fmemopen(text, size, "w");

    if (f == NULL)
        return;
    for (int side = 0; side < TRACE_SIDES; side++) {
        const char *between = ": ";

        fprintf(f, "%s%s", side == 0 ? "" : "; ", sides[side]);
        for (int i = 0; i < TRACE_NUMBERS; i++) {
            double calls = per_operation(t->calls[side][i], n);

            if (calls < RARE)
                continue;
            fprintf(f, "%s%.3g ", between, calls);
            put_name(f, i);
            between = ", ";
        }
        if (between[0] == ':')
            fputs(": none", f);
    }
    fclose(f);
}

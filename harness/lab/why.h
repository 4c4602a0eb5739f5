/*
 * why.h - why does this process make no progress?
 *
 * A process that hangs sleeps in a system call, and /proc says in which, with
 * what arguments.  From there one can go on: from a descriptor to its pipe and
 * to who else holds an end of it; from a semaphore to the process that last
 * changed it, and whether that one still lives; from a lock to its holder.  So
 * a hang has a reason that can be told:
 *
 *      read(fd 3 -> pipe:[78291]): waits for a byte or for end of file.
 *      End of file cannot come: pid 812 itself holds the write end, fd 4.
 *
 * Nothing is stopped or traced; it takes milliseconds.  One can ask about one's
 * own processes only (ptrace(2), "Ptrace access mode checking"); root about
 * all.  Where Yama restricts ptrace, about one's own descendants only.
 */
#ifndef WHY_H
#define WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What stands behind the wait.  A grader goes by it, a reader by the text. */
enum why_cause {
    WHY_UNKNOWN,     /* nothing can be said but the call */
    WHY_RUNS,        /* it does not wait at all: it is using a processor */
    WHY_CLOCK,       /* it waits for a while only: it will go on by itself */
    WHY_OUTSIDE,     /* for a terminal, a network, a file system */
    WHY_OTHERS,      /* for processes that could, and do not (why_wait.on) */
    WHY_ITSELF,      /* for what it alone could do */
    WHY_NOBODY,      /* for what no process could do */
    WHY_DEAD_HOLDER, /* for what a dead process has taken with it */
    WHY_WRONG_KIND,  /* what it waits for comes, but in another shape: another
                      * message type, a private futex in shared memory */
    WHY_ENDED,       /* a zombie: it has ended, its parent does not look */
    WHY_STOPPED,     /* by a signal or a tracer */
};

#define WHY_ON_MAX 16 /* others whom a wait is told to depend on */

/* One thread's wait. */
struct why_wait {
    pid_t pid, tid;
    char name[16]; /* of the program, as in /proc/PID/comm */
    enum why_cause cause;
    bool limited;   /* by a timeout */
    char call[160]; /* "read(fd 3 -> pipe:[78291])" */
    char
        because[1024]; /* whole sentences; '\n' between them, none at the end */
    pid_t on[WHY_ON_MAX]; /* who could end it, where that can be said */
    int on_count;
};

/*
 * What each thread of a process waits for; at most max of them.  Returns how
 * many, or
 *   -ESRCH   there is no such process
 *   -EPERM   it is not for us to look into it
 */
int why_look(pid_t pid, struct why_wait *waits, int max);

/*
 * A circle of processes each of which waits, without a limit, for the next one
 * only, beginning with one of those given: their pids go to circle, and their
 * number is returned; 0: there is none, somebody can go on.  Looks at the
 * others itself.
 */
int why_circle(pid_t pid, pid_t *circle, int max);

/*
 * Prints all that for a process: 0, or as why_look().
 *   -ETIMEDOUT  what stands in its memory, or a file that it has open, has not
 *               come within that time, ns
 */
extern int64_t why_timeout;
int why_print(pid_t pid);

#endif

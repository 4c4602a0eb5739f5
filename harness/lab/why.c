/* why.c - why does this process make no progress? (why.h) */
#define _GNU_SOURCE /* syscall numbers, pipe2 */
#include "lab/why.h"

#include "lab/why_says.h"

#include "core/clock.h"
#include "core/defence.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* -- putting sentences together -------------------------------------------- */

/* Names of files may hold anything, ESC and newlines too, and whose process it
 * is has chosen them: they are not to be said to a terminal as they are. */
static void
make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (DEFENCE("printable", !isprint((unsigned char)*text), false))
            *text = '?';
}

void
why_call(struct why_wait *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->call, sizeof w->call, format, args);
    va_end(args);
    make_printable(w->call);
}

void
why_say(struct why_wait *w, const char *format, ...)
{
    const size_t used = strlen(w->because);
    char *to = w->because + used;
    size_t size = sizeof w->because - used;
    va_list args;

    if (used > 0 && size > 1) {
        *to++ = '\n';
        *to = '\0';
        size--;
    }
    va_start(args, format);
    vsnprintf(to, size, format, args);
    va_end(args);
    make_printable(to);
}

void
why_depends(struct why_wait *w, pid_t pid)
{
    for (int i = 0; i < w->on_count; i++)
        if (w->on[i] == pid)
            return;
    if (pid != w->pid && w->on_count < WHY_ON_MAX)
        w->on[w->on_count++] = pid;
}

const char *
why_who(const struct why_wait *w, pid_t pid)
{
    static char text[4][48];
    static unsigned turn;
    char *to = text[turn++ % 4], name[16];

    if (pid == w->pid) {
        snprintf(to, sizeof text[0], "pid %d itself", (int)pid);
    } else {
        procfs_name(pid, name);
        snprintf(to, sizeof text[0], "pid %d (%s)", (int)pid, name);
    }
    return to;
}

/* -- which part knows which call ------------------------------------------- */

/* Where a call says how long it will wait at most. */
enum limit {
    NONE,     /* it does not */
    MILLIS,   /* a number of ms; negative: for ever */
    TIMESPEC, /* a pointer; NULL: for ever */
    ALWAYS,   /* it waits for a time and nothing else */
};

static const struct known {
    long number;
    why_part *part;
    enum limit limit;
    int argument; /* which one the limit is */
} table[] = {
    {SYS_read, why_reading, NONE, 0},
    {SYS_readv, why_reading, NONE, 0},
    {SYS_recvfrom, why_reading, NONE, 0},
    {SYS_recvmsg, why_reading, NONE, 0},
    {SYS_write, why_writing, NONE, 0},
    {SYS_writev, why_writing, NONE, 0},
    {SYS_sendto, why_writing, NONE, 0},
    {SYS_sendmsg, why_writing, NONE, 0},
    {SYS_openat, why_opening, NONE, 0},
#ifdef SYS_open
    {SYS_open, why_opening, NONE, 0},
#endif
    {SYS_accept4, why_accepting, NONE, 0},
#ifdef SYS_accept
    {SYS_accept, why_accepting, NONE, 0},
#endif
    {SYS_connect, why_connecting, NONE, 0},
#ifdef SYS_poll
    {SYS_poll, why_polling, MILLIS, 2},
#endif
    {SYS_ppoll, why_polling, TIMESPEC, 2},
#ifdef SYS_ppoll_time64
    {SYS_ppoll_time64, why_polling, TIMESPEC, 2},
#endif
#ifdef SYS_select
    {SYS_select, why_selecting, TIMESPEC, 4},
#endif
#ifdef SYS__newselect
    {SYS__newselect, why_selecting, TIMESPEC, 4},
#endif
    {SYS_pselect6, why_selecting, TIMESPEC, 4},
#ifdef SYS_pselect6_time64
    {SYS_pselect6_time64, why_selecting, TIMESPEC, 4},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, why_epoll, MILLIS, 3},
#endif
    {SYS_epoll_pwait, why_epoll, MILLIS, 3},
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, why_epoll, TIMESPEC, 3},
#endif
    {SYS_mq_timedreceive, why_queue_receive, TIMESPEC, 4},
    {SYS_mq_timedsend, why_queue_send, TIMESPEC, 4},
#ifdef SYS_mq_timedreceive_time64
    {SYS_mq_timedreceive_time64, why_queue_receive, TIMESPEC, 4},
    {SYS_mq_timedsend_time64, why_queue_send, TIMESPEC, 4},
#endif
#ifdef SYS_semop
    {SYS_semop, why_semop, NONE, 0},
#endif
#ifdef SYS_semtimedop
    {SYS_semtimedop, why_semop, TIMESPEC, 3},
#endif
#ifdef SYS_semtimedop_time64
    {SYS_semtimedop_time64, why_semop, TIMESPEC, 3},
#endif
#ifdef SYS_msgrcv
    {SYS_msgrcv, why_msgrcv, NONE, 0},
    {SYS_msgsnd, why_msgsnd, NONE, 0},
#endif
    {SYS_futex, why_futex, TIMESPEC, 3},
#ifdef SYS_futex_time64
    {SYS_futex_time64, why_futex, TIMESPEC, 3},
#endif
    {SYS_fcntl, why_fcntl, NONE, 0},
#ifdef SYS_fcntl64
    {SYS_fcntl64, why_fcntl, NONE, 0},
#endif
    {SYS_flock, why_flock, NONE, 0},
    {SYS_wait4, why_child, NONE, 0},
    {SYS_waitid, why_child, NONE, 0},
    {SYS_rt_sigsuspend, why_signal, NONE, 0},
#ifdef SYS_pause
    {SYS_pause, why_signal, NONE, 0},
#endif
    {SYS_rt_sigtimedwait, why_signal, TIMESPEC, 2},
#ifdef SYS_rt_sigtimedwait_time64
    {SYS_rt_sigtimedwait_time64, why_signal, TIMESPEC, 2},
#endif
    {SYS_nanosleep, why_sleep, ALWAYS, 0},
    {SYS_clock_nanosleep, why_sleep, ALWAYS, 0},
#ifdef SYS_clock_nanosleep_time64
    {SYS_clock_nanosleep_time64, why_sleep, ALWAYS, 0},
#endif
};

static bool
has_limit(const struct known *k, const struct procfs_call *c)
{
    switch (k->limit) {
    case MILLIS:
        return (int)c->args[k->argument] >= 0;
    case TIMESPEC:
        return c->args[k->argument] != 0;
    case ALWAYS:
        return true;
    case NONE:
    default:
        return false;
    }
}

/* A call that no part knows: its name, at least. */
static void
name_of_call(struct why_wait *w, long number)
{
    char *name =
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);

    if (name != NULL)
        why_call(w, "%s()", name);
    else
        why_call(w, "system call %ld", number);
    free(name);
}

static void
explain_call(struct why_wait *w, const struct procfs_call *c)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].number == c->number) {
            w->limited = has_limit(&table[i], c);
            table[i].part(w, c);
            return;
        }
    name_of_call(w, c->number);
}

/* -- one thread ------------------------------------------------------------ */

/* What its state says already; false: there is more to look at. */
static bool
state_says_it(struct why_wait *w, char state)
{
    char stat[512];
    const char *after;
    int parent = 0;

    switch (state) {
    case 'Z':
        w->cause = WHY_ENDED;
        why_call(w, "nothing: it has ended");
        if (procfs_text(w->pid, "stat", stat, sizeof stat) > 0 &&
            (after = strrchr(stat, ')')) != NULL)
            parent = (int)strtol(after + 4, NULL, 10);
        why_say(w, "A zombie: its parent, %s, has not called waitpid().",
                why_who(w, parent));
        return true;
    case 'T':
    case 't':
        w->cause = WHY_STOPPED;
        why_call(w, "nothing: it is stopped");
        why_say(w, "By a signal (SIGCONT lets it go on) or by a debugger.");
        return true;
    case 'R':
        w->cause = WHY_RUNS;
        why_call(w, "nothing: it runs");
        why_say(w, "It does not wait in the kernel; if it gets nowhere, it "
                   "goes round in a loop of its own.");
        return true;
    default:
        return false;
    }
}

/* 0, or -errno. */
static int
look_at_thread(struct why_wait *w, pid_t pid, pid_t tid)
{
    const char state = procfs_state(pid, tid);
    struct procfs_call call;
    int err;

    memset(w, 0, sizeof *w);
    w->pid = pid;
    w->tid = tid;
    procfs_name(pid, w->name);
    if (state == 0)
        return -ESRCH;
    if (state == 'Z') {
        state_says_it(w, state);
        return 0;
    }
    err = procfs_call(pid, tid, &call); /* first: may we look at all? */
    if (err != 0)
        return err == -EACCES ? -EPERM : err;
    if (state_says_it(w, state))
        return 0;
    if (call.number == PROCFS_RUNS) {
        state_says_it(w, 'R');
    } else if (call.number == PROCFS_NO_CALL) {
        why_call(w, "no system call");
        why_say(w, "It sleeps in the kernel, for memory or for a tracer.");
    } else {
        explain_call(w, &call);
        /* Who waits for a while goes on by itself, whatever it waits for. */
        if (w->cause == WHY_UNKNOWN && w->limited)
            w->cause = WHY_CLOCK;
    }
    return 0;
}

int
why_look(pid_t pid, struct why_wait *waits, int max)
{
    pid_t tids[64];
    const int threads = procfs_threads(pid, tids, max < 64 ? max : 64);
    int n = 0, err = -ESRCH;

    for (int i = 0; i < threads; i++) {
        err = look_at_thread(&waits[n], pid, tids[i]);
        if (err == 0)
            n++;
        else if (err == -EPERM)
            return err;
    }
    return n > 0 ? n : err;
}

/* -- who waits for whom ------------------------------------------------------
 *
 * A process can go on if one of its threads can: if it runs, or waits with a
 * limit, or for something outside, or for a process that can go on.  What is
 * left when all these are taken away, waits for ever.
 */

#define CROWD 64

struct crowd {
    int count;
    struct {
        pid_t pid;
        pid_t on[WHY_ON_MAX];
        int on_count;
        bool goes_on;
    } of[CROWD];
};

static int
add_to_crowd(struct crowd *crowd, pid_t pid)
{
    static struct why_wait waits[16];
    int n, at = crowd->count;

    for (int i = 0; i < crowd->count; i++)
        if (crowd->of[i].pid == pid)
            return i;
    if (at == CROWD)
        return -1;
    crowd->count++;
    memset(&crowd->of[at], 0, sizeof crowd->of[at]);
    crowd->of[at].pid = pid;
    n = why_look(pid, waits, 16);
    crowd->of[at].goes_on = n <= 0; /* nothing is known: it may */
    for (int i = 0; i < n; i++) {
        const struct why_wait *w = &waits[i];

        if (w->limited || w->cause == WHY_RUNS || w->cause == WHY_CLOCK ||
            w->cause == WHY_OUTSIDE || w->cause == WHY_UNKNOWN)
            crowd->of[at].goes_on = true;
        for (int k = 0; k < w->on_count; k++)
            if (crowd->of[at].on_count < WHY_ON_MAX)
                crowd->of[at].on[crowd->of[at].on_count++] = w->on[k];
    }
    return at;
}

static bool
one_of_them_goes_on(struct crowd *crowd, int at)
{
    for (int k = 0; k < crowd->of[at].on_count; k++) {
        const int other = add_to_crowd(crowd, crowd->of[at].on[k]);

        if (other == -1 || crowd->of[other].goes_on)
            return true;
    }
    return false;
}

int
why_circle(pid_t pid, pid_t *circle, int max)
{
    static struct crowd crowd;
    bool changed = true;
    int at, n = 0;

    crowd.count = 0;
    add_to_crowd(&crowd, pid);
    for (int i = 0; i < crowd.count; i++) /* grows meanwhile */
        for (int k = 0; k < crowd.of[i].on_count; k++)
            add_to_crowd(&crowd, crowd.of[i].on[k]);
    while (changed) {
        changed = false;
        for (int i = 0; i < crowd.count; i++)
            if (!crowd.of[i].goes_on && one_of_them_goes_on(&crowd, i))
                changed = crowd.of[i].goes_on = true;
    }
    /* From one to the first that it waits for, until one comes again: since
     * none goes on, one does. */
    for (at = 0; n < max && n < crowd.count; n++) {
        for (int i = 0; i < n; i++)
            if (circle[i] == crowd.of[at].pid) {
                memmove(circle, circle + i, (size_t)(n - i) * sizeof *circle);
                return n - i;
            }
        if (crowd.of[at].goes_on || crowd.of[at].on_count == 0)
            return 0;
        circle[n] = crowd.of[at].pid;
        at = add_to_crowd(&crowd, crowd.of[at].on[0]);
        if (at == -1)
            return 0;
    }
    return n > 0 && at != -1 && crowd.of[at].pid == circle[0] ? n : 0;
}

/* -- for a reader ---------------------------------------------------------- */

static void
print_wait(const struct why_wait *w, bool thread)
{
    const char *line = w->because;

    printf("pid %d (%s)", (int)w->pid, w->name);
    if (thread)
        printf(" thread %d", (int)w->tid);
    printf(": %s%s\n", w->call, w->limited ? ", with a time limit" : "");
    while (*line != '\0') {
        const int length = (int)strcspn(line, "\n");

        printf("    %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
}

static int
look_and_print(pid_t pid)
{
    static struct why_wait waits[32];
    pid_t circle[CROWD];
    const int n = why_look(pid, waits, 32),
              round = why_circle(pid, circle, CROWD);

    for (int i = 0; i < n; i++)
        print_wait(&waits[i], n > 1);
    if (n > 0 && round > 1) {
        printf("    Nobody of these can go on, each waits for the next:");
        for (int i = 0; i < round; i++)
            printf(" %d ->", (int)circle[i]);
        printf(" %d\n", (int)circle[0]);
    }
    return n < 0 ? n : 0;
}

/*
 * Whose process it is may keep us waiting: a page of its memory comes from a
 * file system or a userfaultfd(2) of its own; a file that it has open, too; and
 * such a wait may not end by a signal.  So a child looks, and nobody waits for
 * it longer than that, ns; not even for its end.
 */
int64_t why_timeout = 5 * NS_PER_SEC;

int
why_print(pid_t pid)
{
    struct pollfd end = {.events = POLLIN};
    int ends[2], status = 0;
    pid_t child;

    if (DEFENCE("childlooks", false, true))
        return look_and_print(pid);
    if (pipe2(ends, O_CLOEXEC) == -1)
        return -errno;
    fflush(NULL); /* or it would be printed twice */
    child = fork();
    if (child == -1)
        return -errno;
    if (child == 0) {
        status = -look_and_print(pid);
        exit(status); /* not _exit(2): what cannot be printed is said then */
    }
    close(ends[1]);
    end.fd = ends[0];
    status =
        poll_until(&end, 1, deadline_in(why_timeout)); /* POLLHUP: it ends */
    close(ends[0]);
    if (status != 0) {
        kill(child, SIGKILL);
        return -ETIMEDOUT;
    }
    while (waitpid(child, &status, 0) == -1 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EX_IOERR)
        exit(EX_IOERR); /* it has said so: core/program.h */
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* processes.c - what another process is doing: proc(5). */
#define _GNU_SOURCE /* the "e" of fopen(3) */
#include "test/both/processes.h"

#include "test/both/calls.h"
#include "test/both/must.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Enough for any machine. */
#define STOP_TIMEOUT (30 * NS_PER_SEC)

/* Calls f for each entry of /proc/PID/WHAT, with its path, as long as f returns
 * true.  Returns for how many, or -1: there is no such process. */
static int
each(pid_t pid, const char *what, bool (*f)(const char *path, void *arg),
     void *arg)
{
    char path[PATH_MAX];
    struct dirent *e;
    int n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    dir = opendir(path);
    if (dir == NULL)
        return -1;
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/%s/%.20s", (int)pid, what,
                 e->d_name);
        if (!f(path, arg))
            break;
        n++;
    }
    closedir(dir);
    return n;
}

/* -- states ---------------------------------------------------------------- */

struct state {
    char expected;
    bool all;
};

/* The letter behind the name, which may hold anything. */
static bool
is_expected(const char *thread, void *arg)
{
    struct state *s = arg;
    char path[PATH_MAX], text[512];
    const char *after;
    FILE *in;

    snprintf(path, sizeof path, "%.100s/stat", thread);
    in = fopen(path, "re");
    if (in == NULL)
        return true; /* it has just ended */
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    after = strrchr(text, ')');
    s->all = after != NULL && strlen(after) > 2 && after[2] == s->expected;
    return s->all;
}

bool
all_threads_are(pid_t pid, char state)
{
    struct state s = {.expected = state, .all = true};

    MUST(each(pid, "task", is_expected, &s) != -1);
    return s.all;
}

/* Not when the signal has been sent: a thread that has not had a processor
 * since then still takes what comes meanwhile. */
void
process_stop(pid_t pid)
{
    const int64_t deadline = deadline_in(STOP_TIMEOUT);

    MUST(kill(pid, SIGSTOP) == 0);
    while (!all_threads_are(pid, 'T')) {
        MUST(time_left(deadline) > 0);
        sched_yield();
    }
}

/* -- system calls ---------------------------------------------------------- */

struct call {
    long number;
    const unsigned long *timeout; /* NULL: any */
    bool found;
};

/* Of one thread: "running", or the number of the system call that it sleeps in,
 * and what was given to it, hexadecimal. */
static bool
is_not_in(const char *thread, void *arg)
{
    struct call *c = arg;
    unsigned long fds, n, given = 0;
    char path[PATH_MAX];
    long number = -1;
    FILE *in;
    int read;

    snprintf(path, sizeof path, "%.100s/syscall", thread);
    in = fopen(path, "re");
    if (in == NULL)
        return true;
    read = fscanf(in, "%ld %lx %lx %lx", &number, &fds, &n, &given);
    fclose(in);
    c->found = read == 4 && number == c->number &&
               (c->timeout == NULL || given == *c->timeout);
    return !c->found;
}

bool
is_in_call(pid_t pid, long call)
{
    struct call c = {.number = call};

    each(pid, "task", is_not_in, &c);
    return c.found;
}

bool
is_stopped_at_rest(pid_t pid)
{
    long number = -1;
    char path[64];
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    in = fopen(path, "re");
    if (in == NULL)
        return true;
    if (fscanf(in, "%ld", &number) != 1)
        number = errno == EACCES || errno == EPERM ? 0 : -1;
    fclose(in);
#ifdef SYS_fcntl64
    if (number == SYS_fcntl64)
        return false;
#endif
    return number >= 0 && number != SYS_fcntl;
}

bool
waits_without_a_timer(pid_t pid)
{
    const unsigned long none = 0;
    struct call c = {.number = CALL_PPOLL, .timeout = &none};

    each(pid, "task", is_not_in, &c);
    return c.found;
}

/* -- descriptors ----------------------------------------------------------- */

static bool
counts(const char *descriptor, void *arg)
{
    (void)descriptor, (void)arg;
    return true;
}

int
open_descriptors(pid_t pid)
{
    return each(pid, "fd", counts, NULL);
}

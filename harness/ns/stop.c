/*
 * stop.c - nslab is told to end: first its child, then itself (nslab.h).
 *
 *   ^C --> nslab --> child                   by clone()
 *   ^C --> nslab --> go-between --> child    by unshare() and fork()
 */
#define _GNU_SOURCE /* ppoll, SYS_pidfd_open, CLONE_NEWPID */
#include "ns/nslab.h"

#include "core/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t stopped; /* the signal */
static bool catching;
static sigset_t outside; /* the signal mask that we were started with */

static void
stop(int number)
{
    stopped = number;
}

/* They are blocked, but for the wait itself: one that came just before it would
 * go unheard.  Not those that nohup(1) wants to be ignored. */
void
stop_catch(void)
{
    const struct sigaction sa = {.sa_handler = stop};
    struct sigaction now;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            sigaction(ends[i], &sa, NULL);
            sigaddset(&set, ends[i]);
        }
    sigprocmask(SIG_BLOCK, &set, &outside);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigdelset(&outside, ends[i]); /* or nothing would end us */
    catching = true;
}

void
stop_release(void)
{
    sigprocmask(SIG_SETMASK, &outside, NULL);
}

int
stop_number(void)
{
    return stopped;
}

#define GRACE NS_PER_SEC /* for the child to end by the signal that we got */

/* Would this signal, of which it takes no notice, end it?  "SigCgt: 0000...": a
 * bit for each (proc(5)).  false also where nobody can say. */
static bool
is_unprepared(pid_t pid, int number)
{
    uintmax_t blocked = 0, ignored = 0, caught = 0;
    char path[32], line[128];
    bool known = false;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        sscanf(line, "SigBlk: %jx", &blocked);
        sscanf(line, "SigIgn: %jx", &ignored);
        known = sscanf(line, "SigCgt: %jx", &caught) == 1 || known;
    }
    if (in != NULL)
        fclose(in);
    return known && ((blocked | ignored | caught) >> (number - 1) & 1) == 0;
}

/* The kernel keeps from who is 1 in a pid namespace every signal that it has no
 * handler for (pid_namespaces(7)): what would have ended another is for us to
 * do. */
int
wait_for_child(const struct lab *lab, pid_t pid)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0),
                         .events = POLLIN};
    int status = 0;

    while (!stopped && end.fd != -1 &&
           ppoll(&end, 1, NULL, catching ? &outside : NULL) == -1 &&
           errno == EINTR)
        continue;
    if (stopped) {
        kill(pid, stopped);
        if (((lab->flags & CLONE_NEWPID) && is_unprepared(pid, stopped)) ||
            wait_for(end.fd, POLLIN, deadline_in(GRACE)) != 0)
            kill(pid, SIGKILL);
    }
    if (end.fd != -1)
        close(end.fd);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    return status;
}

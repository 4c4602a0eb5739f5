/* why_processes.c - waiting for a child, for a signal, for a time. */
#define _GNU_SOURCE /* sigabbrev_np */
#include "lab/why_says.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

void
why_child(struct why_wait *w, const struct procfs_call *c)
{
    pid_t children[WHY_ON_MAX];
    const int n = procfs_children(w->pid, children, WHY_ON_MAX);
    const bool by_id = c->number == SYS_waitid;
    const pid_t wanted = by_id ? (c->args[0] == P_PID ? (pid_t)c->args[1] : -1)
                               : (pid_t)(int)c->args[0];

    why_call(w, by_id ? "waitid()" : "waitpid(%d)", (int)wanted);
    w->cause = WHY_OTHERS;
    for (int i = 0; i < n; i++) {
        if (wanted > 0 && children[i] != wanted)
            continue;
        why_depends(w, children[i]);
        why_say(w, "Its child %s has not ended.", why_who(w, children[i]));
    }
}

static uint64_t
signals_in(pid_t pid, pid_t tid, const char *key)
{
    char file[48], text[4096];
    const char *at;

    snprintf(file, sizeof file, "task/%d/status", (int)tid);
    if (procfs_text(pid, file, text, sizeof text) <= 0 ||
        (at = strstr(text, key)) == NULL)
        return 0;
    return strtoull(at + strlen(key), NULL, 16);
}

/* "USR1 INT RTMIN+2"; at most eight. */
static void
list_signals(uint64_t set, char *text, size_t size)
{
    size_t used = 0;
    int n = 0;

    text[0] = '\0';
    for (int s = 1; s <= 64 && n < 8 && used < size; s++) {
        const char *name = sigabbrev_np(s);

        if ((set >> (s - 1) & 1) == 0)
            continue;
        if (name != NULL)
            used += (size_t)snprintf(text + used, size - used, " SIG%s", name);
        else
            used += (size_t)snprintf(text + used, size - used, " SIGRTMIN+%d",
                                     s - SIGRTMIN);
        n++;
    }
}

/* All of these are blocked while it waits for others: the mask of sigsuspend()
 * is its own, and the set of sigwait() is what it wants. */
void
why_signal(struct why_wait *w, const struct procfs_call *c)
{
    const uint64_t pending = signals_in(w->pid, w->tid, "SigPnd:") |
                             signals_in(w->pid, w->tid, "ShdPnd:");
    const uint64_t caught = signals_in(w->pid, w->tid, "SigCgt:");
    uint64_t set = 0;
    char names[160];

    w->cause = WHY_OTHERS;
    if (c->number == SYS_rt_sigtimedwait) {
        procfs_memory(w->pid, c->args[0], &set, sizeof set);
        list_signals(set, names, sizeof names);
        why_call(w, "sigwait(%s)", names[0] == ' ' ? names + 1 : names);
        why_say(w, "It waits for one of these signals; none has come.");
    } else {
        list_signals(caught, names, sizeof names);
        why_call(w,
                 c->number == SYS_rt_sigsuspend ? "sigsuspend()" : "pause()");
        why_say(w, "It waits for any signal that it catches:%s.",
                names[0] == '\0' ? " there is none" : names);
        if (c->number != SYS_rt_sigsuspend)
            why_say(w, "If that signal came just before pause(), it is over: "
                       "block it, look, and wait in sigsuspend().");
    }
    list_signals(pending & ~set, names, sizeof names);
    if (names[0] != '\0')
        why_say(w, "Pending, but blocked:%s.", names);
}

void
why_sleep(struct why_wait *w, const struct procfs_call *c)
{
    why_call(w,
             c->number == SYS_nanosleep ? "nanosleep()" : "clock_nanosleep()");
    w->cause = WHY_CLOCK;
    why_say(w, "It sleeps for a time, whatever happens.");
}

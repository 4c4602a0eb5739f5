/*
 * why_locks.c - waiting for a lock on a file.  /proc/locks lists each lock, and
 * under it, marked "->", who waits for it:
 *
 *      7: POSIX  ADVISORY  WRITE 812 00:2a:4711 0 EOF
 *      7: -> POSIX  ADVISORY  WRITE 815 00:2a:4711 0 EOF
 */
#define _GNU_SOURCE /* F_OFD_SETLKW */
#include "lab/why_says.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define TRIES 100

struct lock_line {
    long number;
    bool waits;
    char kind[16], how[16], where[64]; /* POSIX, FLOCK, OFDLCK; WRITE, READ */
    int pid;                           /* -1: of an open file description */
};

static bool
parse(const char *line, struct lock_line *l)
{
    const char *rest = strchr(line, ':');

    if (rest == NULL || sscanf(line, "%ld", &l->number) != 1)
        return false;
    rest++;
    rest += strspn(rest, " ");
    l->waits = strncmp(rest, "->", 2) == 0;
    if (l->waits)
        rest += 2;
    return sscanf(rest, "%15s %*s %15s %d %63s", l->kind, l->how, &l->pid,
                  l->where) == 4;
}

/* The lock that this process waits for: the one with its number. */
static bool
find_holder(pid_t waiter, const char *kind, struct lock_line *held)
{
    FILE *f = fopen("/proc/locks", "re");
    struct lock_line l;
    char line[256];
    bool found = false;

    if (f == NULL)
        return false;
    while (!found && fgets(line, sizeof line, f) != NULL) {
        if (!parse(line, &l))
            continue;
        if (!l.waits)
            *held = l;
        else
            found = l.number == held->number && strcmp(l.kind, kind) == 0 &&
                    (l.pid == waiter || l.pid == -1);
    }
    fclose(f);
    return found;
}

/* The kernel gives out the list page by page, and when a lock has gone
 * meanwhile, by which the rest has moved up, a line is missing.  It waits, so
 * it is there. */
static bool
holder_of(pid_t waiter, const char *kind, struct lock_line *held)
{
    bool found = false;

    for (int i = 0; !found && i < TRIES; i++)
        found = find_holder(waiter, kind, held);
    return found;
}

static void
explain(struct why_wait *w, int fd, const char *kind)
{
    struct lock_line held = {.number = -1};
    char link[PROCFS_LINK];

    procfs_link(w->pid, fd, link);
    w->cause = WHY_OTHERS;
    if (!holder_of(w->pid, kind, &held)) {
        why_say(w, "It waits for a lock on %s.", link);
    } else if (held.pid > 0) {
        why_depends(w, held.pid);
        why_say(w, "%s holds a lock (%s) on %s.", why_who(w, held.pid),
                held.how, link);
        if (held.pid == w->pid && strcmp(kind, "FLOCK") == 0) {
            w->cause = WHY_ITSELF;
            why_say(w, "Two opens of a file are two owners for flock(2), also "
                       "in one process.");
        }
    } else {
        why_say(w,
                "An open file description holds a lock on %s; whoever has "
                "it open can let go.",
                link);
    }
}

void
why_fcntl(struct why_wait *w, const struct procfs_call *c)
{
    const int fd = (int)c->args[0], command = (int)c->args[1];
    const bool description = command == F_OFD_SETLKW;
    char link[PROCFS_LINK];

    procfs_link(w->pid, fd, link);
    why_call(w, "fcntl(fd %d -> %.80s, %s)", fd, link,
             description ? "F_OFD_SETLKW" : "F_SETLKW");
    explain(w, fd, description ? "OFDLCK" : "POSIX");
}

void
why_flock(struct why_wait *w, const struct procfs_call *c)
{
    const int fd = (int)c->args[0];
    char link[PROCFS_LINK];

    procfs_link(w->pid, fd, link);
    why_call(w, "flock(fd %d -> %.80s)", fd, link);
    explain(w, fd, "FLOCK");
}

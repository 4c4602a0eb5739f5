/* within.c - what is to be known from within namespaces only (within.h). */
#define _GNU_SOURCE /* setns, CLONE_NEW..., pipe2 */
#include "lab/within.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- entering -------------------------------------------------------------- */

static void
enter(pid_t pid, const char *space, int flag)
{
    char path[64];
    struct stat ours, theirs;
    int fd;

    snprintf(path, sizeof path, "/proc/self/ns/%s", space);
    if (stat(path, &ours) == -1)
        return;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, space);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd != -1 && fstat(fd, &theirs) == 0 && ours.st_ino != theirs.st_ino)
        (void)!setns(fd, flag);
    if (fd != -1)
        close(fd);
}

void
within_enter(pid_t pid)
{
    if (geteuid() != 0)
        enter(pid, "user", CLONE_NEWUSER);
    enter(pid, "ipc", CLONE_NEWIPC);
}

/* -- counting -------------------------------------------------------------- */

struct segments {
    size_t all, most; /* bytes; those of one maker */
    pid_t maker;
};

#define MOST_MAKERS 256
#define MOST_SPACES 64

/* Each line of /proc/sysvipc/shm, which is of the namespace that one is in, and
 * has pids as they are here: the 5th word is who made it, the 15th and 16th are
 * the bytes that it has in memory and in swap (sysvipc(7)). */
static void
count_segments(struct segments *s)
{
    struct {
        pid_t pid;
        size_t bytes;
    } makers[MOST_MAKERS];
    FILE *f = fopen("/proc/sysvipc/shm", "re");
    size_t rss, swap;
    char line[512];
    int known = 0, pid, i;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line,
                   "%*d %*d %*o %*u %d %*d %*u %*u %*u %*u %*u %*u %*u %*u %zu "
                   "%zu",
                   &pid, &rss, &swap) != 3)
            continue; /* the heading */
        s->all += rss + swap;
        for (i = 0; i < known && makers[i].pid != pid; i++)
            continue;
        if (i == MOST_MAKERS)
            continue;
        if (i == known) {
            makers[known].pid = pid;
            makers[known++].bytes = 0;
        }
        makers[i].bytes += rss + swap;
        if (makers[i].bytes > s->most) {
            s->most = makers[i].bytes;
            s->maker = pid;
        }
    }
    if (f != NULL)
        fclose(f);
}

/* 0: it has just ended. */
static ino_t
ipc_space(pid_t pid)
{
    char path[48];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d/ns/ipc", (int)pid);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Of a namespace into which we are not let we know nothing: what is counted then
 * are our own. */
static struct segments
segments_within(pid_t pid, ino_t space)
{
    struct segments s = {.all = 0};
    pid_t child;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return s;
    child = fork();
    if (child == 0) {
        within_enter(pid);
        if (ipc_space(getpid()) == space)
            count_segments(&s);
        _exit(write(ends[1], &s, sizeof s) == sizeof s ? 0 : 1);
    }
    close(ends[1]);
    if (child != -1) {
        if (read(ends[0], &s, sizeof s) != sizeof s)
            s = (struct segments){.all = 0};
        waitpid(child, NULL, 0);
    }
    close(ends[0]);
    return s;
}

size_t
within_segments(const pid_t *pids, int count, pid_t *maker)
{
    ino_t seen[MOST_SPACES] = {ipc_space(getpid())};
    size_t all = 0, most = 0;
    int known = 1;

    *maker = 0;
    for (int i = 0; i < count && known < MOST_SPACES; i++) {
        const ino_t space = ipc_space(pids[i]);
        struct segments s;
        int k = 0;

        while (k < known && seen[k] != space)
            k++;
        if (k < known || space == 0)
            continue;
        seen[known++] = space;
        s = segments_within(pids[i], space);
        all += s.all;
        if (s.most > most) {
            most = s.most;
            *maker = s.maker;
        }
    }
    return all;
}

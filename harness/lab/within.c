/* within.c - what is to be known from within namespaces only (within.h). */
#define _GNU_SOURCE /* setns, CLONE_NEW... */
#include "lab/within.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

/*
 * evidence.c - what there is when a test fails (evidence.h).
 *
 *      pid 812 (ipcd): 0 -> /dev/null, 4 -> /tmp/x/fifo-work, 5 -> pipe:[9128]
 *      System V msg:
 *             key      msqid perms ...
 *      /dev/shm: ipclab-8133adca-shm-work
 */
#define _GNU_SOURCE /* dprintf */
#include "lab/evidence.h"

#include "lab/procfs.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CHILDREN 64

static void
print_descriptors(int out, pid_t pid)
{
    char path[64], name[16], link[PROCFS_LINK];
    const struct dirent *e;
    const char *between = ": ";
    DIR *d;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    d = opendir(path);
    if (d == NULL)
        return;
    procfs_name(pid, name);
    dprintf(out, "pid %d (%s)", (int)pid, name);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        procfs_link(pid, atoi(e->d_name), link);
        dprintf(out, "%s%s -> %s", between, e->d_name, link);
        between = ", ";
    }
    closedir(d);
    dprintf(out, "\n");
}

static void
print_all(int out, pid_t pid, int depth)
{
    pid_t children[MOST_CHILDREN];
    const int n = procfs_children(pid, children, MOST_CHILDREN);

    print_descriptors(out, pid);
    for (int i = 0; i < n && depth > 0; i++)
        print_all(out, children[i], depth - 1);
}

/* The heading is a line, too: alone it says nothing. */
static void
print_sysv(int out, const char *kind)
{
    char path[64], line[512], heading[512] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/sysvipc/%s", kind);
    f = fopen(path, "re");
    if (f != NULL && fgets(heading, sizeof heading, f) != NULL)
        while (fgets(line, sizeof line, f) != NULL) {
            if (heading[0] != '\0')
                dprintf(out, "System V %s:\n%s", kind, heading);
            heading[0] = '\0';
            dprintf(out, "%s", line);
        }
    if (f != NULL)
        fclose(f);
}

static void
print_names(int out, const char *dir)
{
    const struct dirent *e;
    bool any = false;
    DIR *d = opendir(dir);

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        dprintf(out, "%s%s%s", any ? " " : dir, any ? "" : ": ", e->d_name);
        any = true;
    }
    if (any)
        dprintf(out, "\n");
    if (d != NULL)
        closedir(d);
}

void
evidence_print(int fd, pid_t pid)
{
    dprintf(fd, "(what there was when it failed)\n");
    print_all(fd, pid, 8);
    print_sysv(fd, "msg");
    print_sysv(fd, "sem");
    print_sysv(fd, "shm");
    print_names(fd, "/dev/shm");
    print_names(fd, "/dev/mqueue");
    dprintf(fd, "(end of what there was)\n");
}

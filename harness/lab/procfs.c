/* procfs.c - what /proc says about another process (procfs.h). */
#define _GNU_SOURCE /* process_vm_readv */
#include "lab/procfs.h"

#include "core/defence.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int
procfs_text(pid_t pid, const char *file, char *text, size_t size)
{
    char path[96];
    size_t used = 0;
    ssize_t n = 0;
    int fd;

    text[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/%.60s", (int)pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return -errno;
    while (used < size - 1) {
        n = read(fd, text + used, size - 1 - used);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    n = n == -1 ? -errno : (ssize_t)used;
    close(fd);
    text[used] = '\0';
    return (int)n;
}

/* -- processes ------------------------------------------------------------- */

char
procfs_state(pid_t pid, pid_t tid)
{
    char file[48], text[512];
    const char *after;

    snprintf(file, sizeof file, "task/%d/stat", (int)tid);
    if (procfs_text(pid, file, text, sizeof text) <= 0)
        return 0;
    after = strrchr(text, ')'); /* the name before it may hold anything */
    if (after == NULL || after[1] != ' ')
        return 0;
    return after[2];
}

bool
procfs_lives(pid_t pid)
{
    const char state = procfs_state(pid, pid);

    return state != 0 && state != 'Z' && state != 'X';
}

void
procfs_name(pid_t pid, char name[16])
{
    int n = procfs_text(pid, "comm", name, 16);

    if (n > 0 && name[n - 1] == '\n')
        name[n - 1] = '\0';
    for (char *c = name; *c != '\0'; c++) /* it may hold anything, too */
        if (!isprint((unsigned char)*c))
            *c = '?';
}

int
procfs_call(pid_t pid, pid_t tid, struct procfs_call *call)
{
    char file[48], text[256], *rest = text;
    int n;

    snprintf(file, sizeof file, "task/%d/syscall", (int)tid);
    n = procfs_text(pid, file, text, sizeof text);
    if (n < 0)
        return n;
    if (n == 0)
        return -ESRCH;
    memset(call, 0, sizeof *call);
    if (strncmp(text, "running", 7) == 0) {
        call->number = PROCFS_RUNS;
        return 0;
    }
    call->number = strtol(text, &rest, 10);
    if (call->number >= 0)
        for (int i = 0; i < 6; i++)
            call->args[i] = strtoul(rest, &rest, 16);
    return 0;
}

static int
by_number(const void *a, const void *b)
{
    const pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

/* The numbers that are names in a directory, in order. */
static int
numbers_in(const char *path, pid_t *numbers, int max)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    int n = 0;

    if (dir == NULL)
        return 0;
    while (n < max && (e = readdir(dir)) != NULL)
        if (isdigit((unsigned char)e->d_name[0]))
            numbers[n++] = (pid_t)strtol(e->d_name, NULL, 10);
    closedir(dir);
    qsort(numbers, (size_t)n, sizeof *numbers, by_number);
    return n;
}

int
procfs_threads(pid_t pid, pid_t *tids, int max)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    return numbers_in(path, tids, max);
}

int
procfs_children(pid_t pid, pid_t *pids, int max)
{
    pid_t tids[64];
    char file[48], text[1024], *at, *rest;
    int n = 0, threads = procfs_threads(pid, tids, 64);

    for (int i = 0; i < threads; i++) {
        snprintf(file, sizeof file, "task/%d/children", (int)tids[i]);
        if (procfs_text(pid, file, text, sizeof text) <= 0)
            continue;
        for (at = text; n < max; at = rest) {
            const pid_t child = (pid_t)strtol(at, &rest, 10);

            if (rest == at)
                break;
            pids[n++] = child;
        }
    }
    return n;
}

int
procfs_descendants(pid_t pid, pid_t *pids, int max)
{
    int n = procfs_children(pid, pids, max);

    for (int i = 0; i < n; i++) /* theirs, and those they had in turn */
        n += procfs_children(pids[i], pids + n, max - n);
    return n;
}

/* -- memory ---------------------------------------------------------------- */

/* Bytes, of a line "RssAnon:    1234 kB". */
static size_t
bytes_in(const char *text, const char *line)
{
    const char *at = strstr(text, line);

    return at != NULL ? strtoul(at + strlen(line), NULL, 10) * 1024 : 0;
}

size_t
procfs_used(pid_t pid, bool exactly)
{
    char text[4096];

    if (exactly && procfs_text(pid, "smaps_rollup", text, sizeof text) > 0)
        return bytes_in(text, "\nPss_Anon:") + bytes_in(text, "\nPss_Shmem:");
    if (procfs_text(pid, "status", text, sizeof text) <= 0)
        return 0;
    return bytes_in(text, "\nRssAnon:") + bytes_in(text, "\nRssShmem:");
}

bool
procfs_memory(pid_t pid, unsigned long at, void *buf, size_t size)
{
    struct iovec here = {buf, size}, there = {NULL, size};

    memcpy(&there.iov_base, &at, sizeof there.iov_base);
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* One line of /proc/PID/maps:
 * "7f16b000-7f16c000 rw-s 00000000 00:01 4097    /dev/shm/x" */
static bool
line_has(const char *line, unsigned long at, bool *is_shared, const char **path)
{
    char *rest;
    const unsigned long from = strtoul(line, &rest, 16);
    const unsigned long to = *rest == '-' ? strtoul(rest + 1, &rest, 16) : 0;

    if (at < from || at >= to || strlen(rest) < 5)
        return false;
    *is_shared = rest[4] == 's';
    *path = strchr(rest, '/');
    return true;
}

bool
procfs_is_shared(pid_t pid, unsigned long at, char *path, size_t size)
{
    char name[64], line[512];
    const char *found = NULL;
    bool is_shared = false;
    FILE *f;

    snprintf(path, size, "%s", "");
    snprintf(name, sizeof name, "/proc/%d/maps", (int)pid);
    f = fopen(name, "re");
    if (f == NULL)
        return false;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line_has(line, at, &is_shared, &found))
            break;
        found = NULL;
    }
    fclose(f);
    if (found != NULL)
        snprintf(path, size, "%.200s", found);
    return is_shared;
}

/* -- descriptors ----------------------------------------------------------- */

void
procfs_link(pid_t pid, int fd, char link[PROCFS_LINK])
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    n = readlink(path, link, PROCFS_LINK - 1);
    link[n < 0 ? 0 : n] = '\0';
}

int
procfs_flags(pid_t pid, int fd)
{
    char file[48], text[512];
    const char *flags;

    snprintf(file, sizeof file, "fdinfo/%d", fd);
    if (procfs_text(pid, file, text, sizeof text) <= 0)
        return -1;
    flags = strstr(text, "flags:");
    return flags == NULL ? -1 : (int)strtol(flags + 6, NULL, 8);
}

/* Who it is that has started it: of a set-user-ID program, too. */
static uid_t
real_uid(pid_t pid)
{
    char text[1024];
    const char *line;

    if (procfs_text(pid, "status", text, sizeof text) <= 0)
        return (uid_t)-1;
    line = strstr(text, "\nUid:");
    return line != NULL ? (uid_t)strtoul(line + 5, NULL, 10) : (uid_t)-1;
}

#define USERS 64

struct share {
    uid_t uid;
    unsigned left; /* descriptors that may be looked at */
};

/* Of each user; those for whom there is no room have the last one together.
 * Who asks has as many as he likes. */
static struct share *
share_of(struct share *shares, uid_t uid)
{
    struct share *s = shares;

    while (s < shares + USERS - 1 && s->uid != uid && s->uid != (uid_t)-1)
        s++;
    if (s->uid == (uid_t)-1)
        *s = (struct share){uid, DEFENCE("share", uid != geteuid(), false)
                                     ? PROCFS_SHARE
                                     : UINT_MAX};
    return s;
}

/* false: enough. */
static bool
holders_in(pid_t pid, const char *link, struct share *share,
           procfs_visit *visit, void *arg)
{
    char path[64], at[PROCFS_LINK];
    DIR *dir;
    struct dirent *e;
    bool more = true;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path); /* another user's: no */
    if (dir == NULL)
        return true;
    while (more && share->left > 0 && (e = readdir(dir)) != NULL) {
        const int fd = (int)strtol(e->d_name, NULL, 10);

        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        share->left--;
        procfs_link(pid, fd, at);
        if (strcmp(at, link) == 0)
            more = visit(pid, fd, procfs_flags(pid, fd), arg);
    }
    closedir(dir);
    return more;
}

uid_t
procfs_holders(const char *link, procfs_visit *visit, void *arg)
{
    static pid_t pids[65536];
    const int n = numbers_in("/proc", pids, 65536);
    struct share shares[USERS];

    memset(shares, 0xff, sizeof shares); /* nobody's */
    for (int i = 0; i < n && link[0] != '\0'; i++)
        if (!holders_in(pids[i], link, share_of(shares, real_uid(pids[i])),
                        visit, arg))
            break;
    for (int i = 0; i < USERS; i++)
        if (shares[i].left == 0)
            return shares[i].uid;
    return (uid_t)-1;
}

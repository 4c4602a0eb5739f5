/*
 * views.c - what a process sees: one row for each thing that some namespace
 * can make look different.
 */
#define _GNU_SOURCE /* CLONE_NEW... */
#include "ns/nslab.h"
#include "ns/spaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* -- rows ------------------------------------------------------------------ */

static struct view_row *__attribute__((format(printf, 4, 5)))
add(struct view *v, const char *space, const char *title, const char *format,
    ...)
{
    struct view_row *row = &v->row[v->n++];
    va_list args;

    row->title = title;
    row->space = space;
    row->drifts = false;
    va_start(args, format);
    vsnprintf(row->text, sizeof row->text, format, args);
    va_end(args);
    return row;
}

/* The first line of a file, blanks squeezed. */
static const char *
first_line(const char *path, char *buf, int size)
{
    FILE *f = fopen(path, "re");
    char line[256], *save = NULL;
    size_t len = 0;

    buf[0] = '\0';
    if (f == NULL)
        return strerrorname_np(errno);
    if (fgets(line, sizeof line, f) != NULL)
        for (char *w = strtok_r(line, " \t\n", &save); w != NULL;
             w = strtok_r(NULL, " \t\n", &save))
            len += (size_t)snprintf(buf + len, (size_t)size - len, "%s%s",
                                    len > 0 ? " " : "", w);
    fclose(f);
    return buf[0] != '\0' ? buf : "empty";
}

static long
lines(const char *path)
{
    FILE *f = fopen(path, "re");
    long n = 0;

    if (f == NULL)
        return 0;
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static void
see_processes(struct view *v)
{
    char buf[64];

    add(v, "pid", "process, its parent", "%d, %d", (int)getpid(),
        (int)getppid());
    add(v, "pid", "process 1 in /proc", "%s",
        first_line("/proc/1/comm", buf, sizeof buf));
}

static void
see_names(struct view *v)
{
    struct utsname u;

    uname(&u);
    add(v, "uts", "host name", "%s", u.nodename);
    add(v, "uts", "domain name", "%s", u.domainname);
    add(v, "uts", "kernel", "%s", u.release);
}

static const char *
found(bool made, bool there)
{
    if (!made)
        return NOT_MADE;
    return there ? "found" : strerrorname_np(errno);
}

static void
see_objects(struct view *v, const struct marks *m)
{
    mqd_t mq;
    int shm;

    add(v, "ipc", "our System V queue", "%s",
        found(m->sysv != -1, msgget(m->key, 0) != -1));
    add(v, "ipc", "System V objects", "%ld",
        lines("/proc/sysvipc/msg") + lines("/proc/sysvipc/sem") +
            lines("/proc/sysvipc/shm") - 3 /* headings */)
        ->drifts = true;
    mq = mq_open(m->name, O_RDONLY);
    add(v, "ipc", "our POSIX queue", "%s", found(m->mq != -1, mq != (mqd_t)-1));
    if (mq != (mqd_t)-1)
        mq_close(mq);
    shm = shm_open(m->name, O_RDONLY, 0);
    add(v, "mnt", "our shared memory", "%s", found(m->shm != -1, shm != -1));
    if (shm != -1)
        close(shm);
    add(v, "mnt", "file systems mounted", "%ld", lines("/proc/self/mountinfo"));
}

static void
see_network(struct view *v, const struct marks *m)
{
    struct if_nameindex *all = if_nameindex();
    char names[200] = "";

    for (struct if_nameindex *i = all; i != NULL && i->if_name != NULL; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                 i != all ? " " : "", i->if_name);
    if (all != NULL)
        if_freenameindex(all);
    add(v, "net", "network devices", "%s", names);
    add(v, "net", "our TCP port", "%s", marks_try_port(m));
    add(v, "net", "our abstract socket", "%s", marks_try_abstract(m));
}

static void
see_user(struct view *v)
{
    char buf[64];
    FILE *f = fopen("/proc/self/status", "re");
    char line[256], caps[32] = "";

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        sscanf(line, "CapEff: %31s", caps);
    if (f != NULL)
        fclose(f);
    add(v, "user", "user, group", "%u, %u", geteuid(), getegid());
    add(v, "user", "uid_map", "%s",
        first_line("/proc/self/uid_map", buf, sizeof buf));
    add(v, "user", "gid_map", "%s",
        first_line("/proc/self/gid_map", buf, sizeof buf));
    add(v, "user", "setgroups", "%s",
        first_line("/proc/self/setgroups", buf, sizeof buf));
    add(v, "user", "capabilities", "%s", caps);
}

/* In the hierarchy (version 1 has many) where it is deepest. */
static void
see_cgroup(struct view *v)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX + 64], deepest[PATH_MAX + 64] = "";

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *path = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        if (path != NULL && strlen(path) > strlen(deepest))
            strcpy(deepest, path);
    }
    if (f != NULL)
        fclose(f);
    add(v, "cgroup", "control group", "%s", deepest);
}

static void
see_clock(struct view *v, const struct marks *m)
{
    const int64_t second = 1000000000;
    int64_t off = marks_skew() - m->skew;

    /* Rounded: the two clocks are not read at the same moment. */
    off = (off + (off < 0 ? -second : second) / 2) / second;
    add(v, "time", "monotonic clock", "%+ld s", (long)off);
}

/* Each namespace has a number, and /proc/self/ns says which are ours. */
static void
see_numbers(struct view *v)
{
    char path[64];
    struct stat st;

    for (int i = 0; i < SPACES; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i].name);
        if (stat(path, &st) == 0)
            add(v, spaces[i].name, "its number", "[%lu]",
                (unsigned long)st.st_ino);
        else
            add(v, spaces[i].name, "its number", "%s", strerrorname_np(errno));
    }
}

void
view_take(struct view *v, const struct marks *m)
{
    v->n = 0;
    see_processes(v);
    see_names(v);
    see_objects(v, m);
    see_network(v, m);
    see_user(v);
    see_cgroup(v);
    see_clock(v, m);
    see_numbers(v);
}

/*
 * leftovers.c - what is there, and what has come since the test began (test.h):
 * descriptors, the kernel's objects, files.
 *
 *      /proc/PID/fd          descriptors
 *      /proc/sysvipc/...     System V queues, semaphores, segments
 *      /dev/mqueue           POSIX queues, or where the test's own can be seen
 *      /dev/shm              POSIX shared memory and semaphores
 *      run_dir               everything that has a name
 *
 * Where these are not the test's own (here.h), only names of its endpoints
 * count.  No name says whose a System V object is: all of this user's are taken
 * for the test's while it runs (test programs take turns then), and when it is
 * over, what the mechanisms' sweep() finds is.
 */
#define _GNU_SOURCE /* nftw, open_memstream */
#include "test.h"

#include "test/here.h"

#include "core/rundir.h"
#include "server/settings.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- objects --------------------------------------------------------------- */

static FILE *listing; /* for nftw(3), which takes no argument */

static int
list_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)type;
    /* There from the start of a server that later could not make it. */
    if (st->st_size == 0 && (strcmp(path + at->base, SETTINGS_LOG) == 0 ||
                             strcmp(path + at->base, SETTINGS_TRAY) == 0))
        return 0;
    if (at->level > 0)
        fprintf(listing, "%s\n", path);
    return 0;
}

/* Has it the name of an endpoint of this run? */
static bool
is_of_this_run(const char *path)
{
    char name[ENDPOINT_SIZE], flat[ENDPOINT_SIZE];

    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (endpoint_name(ipc_registry[i], run_dir, name) == 0 &&
            endpoint_flat(name, flat) == 0 && strstr(path, flat + 1) != NULL)
            return true;
    return false;
}

/* Where others have objects too. */
static int
list_own_entry(const char *path, const struct stat *st, int type,
               struct FTW *at)
{
    return is_of_this_run(path) ? list_entry(path, st, type, at) : 0;
}

static void
list_shared(const char *dir, bool own)
{
    nftw(dir, own ? list_entry : list_own_entry, 8, FTW_PHYS);
}

/* The second column is the id; which one has the owner, differs. */
static void
list_sysv(FILE *out, const char *kind, int uid_column)
{
    char path[64], line[512];
    FILE *in;

    snprintf(path, sizeof path, "/proc/sysvipc/%s", kind);
    in = fopen(path, "re");
    if (in == NULL)
        return;
    (void)!fgets(line, sizeof line, in); /* the heading */
    while (fgets(line, sizeof line, in) != NULL) {
        char *save = NULL, *word = strtok_r(line, " ", &save), *id = word;

        for (int i = 1; i <= uid_column && word != NULL; i++) {
            word = strtok_r(NULL, " ", &save);
            if (i == 1)
                id = word;
        }
        if (word != NULL && (own_sysv() || (uid_t)atol(word) == geteuid()))
            fprintf(out, "System V %s %s\n", kind, id);
    }
    fclose(in);
}

static char *
list_objects(void)
{
    char *text = NULL;
    size_t size;

    listing = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(listing);
    nftw(run_dir, list_entry, 8, FTW_PHYS);
    list_shared("/dev/shm", own_shm());
    list_shared(own_queues() != NULL ? own_queues() : "/dev/mqueue",
                own_queues() != NULL);
    list_sysv(listing, "msg", 7);
    list_sysv(listing, "sem", 4);
    list_sysv(listing, "shm", 7);
    fclose(listing);
    return text;
}

static char *objects_before;

static bool
has_line(const char *text, const char *line, size_t len)
{
    for (; *text != '\0'; text = strchr(text, '\n') + 1)
        if (strncmp(text, line, len) == 0 && text[len] == '\n')
            return true;
    return false;
}

/* Every server has them, whatever its mechanism: rundir.h. */
static bool
is_lock(const char *line, size_t len)
{
    const size_t n = strlen(".lock"); /* and of ".user" */

    return len > n && (strncmp(line + len - n, ".lock", n) == 0 ||
                       strncmp(line + len - n, ".user", n) == 0);
}

/* Nobody knows whose it is. */
static bool
may_be_anybodys(const char *line)
{
    return !own_sysv() && strncmp(line, "System V", 8) == 0;
}

static void
list_new(bool all, FILE *out)
{
    char *now = list_objects();

    for (char *line = now, *end; *line != '\0'; line = end + 1) {
        size_t len;

        end = strchr(line, '\n');
        len = (size_t)(end - line);
        if (!has_line(objects_before, line, len) &&
            (all ? !may_be_anybodys(line) : !is_lock(line, len)))
            fprintf(out, "%.*s\n", (int)len, line);
    }
    free(now);
}

/* -- descriptors ----------------------------------------------------------- */

/* Calls f for each open descriptor of ours. */
static void
each_descriptor(void (*f)(int fd, void *arg), void *arg)
{
    struct dirent *e;
    DIR *dir = opendir("/proc/self/fd");

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL) {
        int fd = atoi(e->d_name);

        if (e->d_name[0] != '.' && fd != dirfd(dir))
            f(fd, arg);
    }
    closedir(dir);
}

static fd_set descriptors_before;

static void
remember(int fd, void *arg)
{
    FD_SET(fd, (fd_set *)arg);
}

static void
name_if_new(int fd, void *arg)
{
    char path[64], what[PATH_MAX];
    ssize_t n;

    if (FD_ISSET(fd, &descriptors_before))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, what, sizeof what - 1);
    what[n < 0 ? 0 : n] = '\0';
    fprintf(arg, "descriptor %d -> %s\n", fd, what);
}

static void
close_if_new(int fd, void *keep)
{
    const struct actor *c = keep;

    if (fd > 2 && fd != c->in && fd != c->out &&
        !FD_ISSET(fd, &descriptors_before))
        close(fd);
}

void
close_descriptors(const struct actor *keep)
{
    struct actor c = *keep;

    each_descriptor(close_if_new, &c);
}

/* -- before and after ------------------------------------------------------ */

void
leftovers_begin(void)
{
    FD_ZERO(&descriptors_before);
    each_descriptor(remember, &descriptors_before);
    objects_before = list_objects();
}

static void
list_swept(FILE *out)
{
    char name[ENDPOINT_SIZE];

    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (ipc_registry[i]->sweep != NULL &&
            endpoint_name(ipc_registry[i], run_dir, name) == 0 &&
            ipc_registry[i]->sweep(name) == 1)
            fprintf(out, "objects of %s\n", ipc_registry[i]->name);
}

static const char *
what_is_left(bool all)
{
    static char left[4096];
    FILE *out = fmemopen(left, sizeof left, "w");

    ck_assert_ptr_nonnull(out);
    left[0] = '\0';
    if (all)
        each_descriptor(name_if_new, out);
    list_new(all, out);
    if (all && !own_sysv())
        list_swept(out);
    fclose(out);
    return left;
}

const char *
objects_left(void)
{
    return what_is_left(false);
}

const char *
leftovers_end(void)
{
    const char *left = what_is_left(true);

    free(objects_before);
    objects_before = NULL;
    return left;
}

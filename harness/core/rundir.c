/* rundir.c - where things are. */
#define _GNU_SOURCE /* F_OFD_SETLK, O_CLOEXEC, secure_getenv */
#include "rundir.h"

#include "defence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* snprintf() that fails instead of cutting a path short. */
static int __attribute__((format(printf, 3, 4)))
path_printf(char *path, size_t size, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(path, size, format, args);
    va_end(args);
    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int
rundir_default(char dir[ENDPOINT_SIZE])
{
    /* A set-user-ID server does not let its caller's environment say where
     * its files are. */
    const char *given = secure_getenv("IPCLAB_DIR");
    const char *xdg = secure_getenv("XDG_RUNTIME_DIR");

    if (given != NULL && *given != '\0')
        return path_printf(dir, ENDPOINT_SIZE, "%s", given);
    if (geteuid() == 0)
        return path_printf(dir, ENDPOINT_SIZE, "/run/ipclab");
    if (xdg != NULL && *xdg == '/')
        return path_printf(dir, ENDPOINT_SIZE, "%s/ipclab", xdg);
    return path_printf(dir, ENDPOINT_SIZE, "/tmp/ipclab-%ju",
                       (uintmax_t)geteuid());
}

int
rundir_own(const char *dir)
{
    struct stat st;

    if (lstat(dir, &st) == -1)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    if (DEFENCE("rundir",
                st.st_uid != geteuid() ||
                    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0,
                false))
        return -EPERM;
    return 0;
}

int
rundir_make(const char *dir)
{
    int made = 1, err;

    /* 0711: other users must get in to reach the endpoints, whose names they
     * know.  Not list it: getdents(2) has the directory locked while it writes
     * into the caller's memory, and who sees to it that this memory never comes
     * (FUSE) keeps everybody else from making or removing a name here.  Set by
     * chmod, whatever the umask; but only if it is ours. */
    if (mkdir(dir, 0700) == -1) {
        if (errno != EEXIST)
            return -errno;
        made = 0;
    } else if (chmod(dir, DEFENCE("search", 0711, 0755)) == -1) {
        return -errno;
    }
    err = rundir_own(dir);
    return err != 0 ? err : made;
}

int
rundir_spell(char dir[ENDPOINT_SIZE])
{
    char canonical[PATH_MAX];

    if (realpath(dir, canonical) == NULL)
        return -errno;
    if (strlen(canonical) < ENDPOINT_SIZE)
        strcpy(dir, canonical);
    return rundir_own(dir);
}

bool
rundir_in_memory(const char *dir)
{
    struct statfs fs;

    return statfs(dir, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

int
rundir_trusted(const char *dir, uid_t *owner)
{
    struct stat st;

    *owner = (uid_t)-1;
    if (stat(dir, &st) == -1)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    *owner = st.st_uid;
    return DEFENCE("rundir",
                   (st.st_uid == 0 || st.st_uid == geteuid()) &&
                       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0,
                   true)
               ? 0
               : -EPERM;
}

int
endpoint_name(const struct ipc_mechanism *m, const char *dir,
              char name[ENDPOINT_SIZE])
{
    char canonical[PATH_MAX];
    int err;

    if (realpath(dir, canonical) != NULL)
        dir = canonical;
    err = path_printf(name, ENDPOINT_SIZE, "%s/%s", dir, m->name);
    if (err != 0 || strlen(name) + ENDPOINT_SUFFIX >= ENDPOINT_SIZE)
        return -ENAMETOOLONG;
    *strrchr(name, '/') = '-';
    return 0;
}

int
endpoint_file(const char *name, const char *suffix, char path[ENDPOINT_SIZE])
{
    return path_printf(path, ENDPOINT_SIZE, "%s%s", name, suffix);
}

int
endpoint_sweep(const char *path)
{
    if (unlink(path) == -1)
        return errno == ENOENT ? 0 : -errno;
    return 1;
}

int
swept_both(int one, int other)
{
    if (one < 0 || other < 0)
        return one < 0 ? one : other;
    return one || other;
}

int
endpoint_flat(const char *name, char flat[ENDPOINT_SIZE])
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a, 32 bits */
    const char *last = strrchr(name, '/');

    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * UINT32_C(16777619);
    return path_printf(flat, ENDPOINT_SIZE, "/ipclab-%08" PRIx32 "-%s", hash,
                       last != NULL ? last + 1 : name);
}

/* The number that the file holds, a pid or a uid; -1. */
static int64_t
read_number(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    if (n <= 0)
        return -1;
    text[n] = '\0';
    return strtoll(text, NULL, 10);
}

/* Is NAME and suffix still what is open as fd? */
static bool
is_own(const char *name, const char *suffix, int fd, char path[ENDPOINT_SIZE])
{
    struct stat ours, theirs;

    return endpoint_file(name, suffix, path) == 0 && fstat(fd, &ours) == 0 &&
           lstat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

/* Removes it, if it is.  Between the look and the removal only a process of
 * ours could change it: nobody else may write in the directory. */
static int
remove_own(const char *name, const char *suffix, int fd)
{
    char path[ENDPOINT_SIZE];

    return is_own(name, suffix, fd, path) && unlink(path) == 0;
}

static void
forget_user(const char *name)
{
    char path[ENDPOINT_SIZE];

    if (endpoint_file(name, ".user", path) == 0)
        unlink(path);
}

int
endpoint_lock(const char *name, pid_t *holder)
{
    /* An open file description lock: unlike the older record lock it is not
     * lost when some other part of the program closes the same file. */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[ENDPOINT_SIZE];
    struct stat ours, theirs;
    int err = endpoint_file(name, ".lock", path);
    int fd;

    if (err != 0)
        return err;
again:
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return -errno;
    if (fcntl(fd, F_OFD_SETLK, &lock) == -1) {
        err = errno == EAGAIN || errno == EACCES ? -EEXIST : -errno;
        if (holder != NULL)
            *holder = (pid_t)read_number(fd);
        goto close_file;
    }
    /* The last holder unlinked the file before it let go; if that happened
     * between our open and our lock, we hold a file nobody else will find. */
    if (fstat(fd, &ours) == -1) {
        err = -errno;
        goto close_file;
    }
    if (stat(path, &theirs) == -1 || ours.st_ino != theirs.st_ino) {
        close(fd);
        goto again;
    }
    if (ftruncate(fd, 0) == -1 ||
        dprintf(fd, "%jd\n", (intmax_t)getpid()) < 0) {
        err = -errno;
        goto close_file;
    }
    forget_user(name); /* the last server's, if it was killed */
    return fd;

close_file:
    close(fd);
    return err;
}

int
endpoint_relock(const char *name, int lock)
{
    char path[ENDPOINT_SIZE];
    int fresh;

    if (is_own(name, ".lock", lock, path))
        return lock;
    fresh = endpoint_lock(name, NULL);
    if (fresh >= 0)
        close(lock);
    return fresh;
}

void
endpoint_unlock(const char *name, int lock)
{
    /* Who has become whom belongs to whoever holds the lock that is there. */
    if (remove_own(name, ".lock", lock))
        forget_user(name);
    close(lock);
}

int
endpoint_becomes(const char *name, uid_t uid)
{
    char path[ENDPOINT_SIZE];
    int fd, err = endpoint_file(name, ".user", path);

    if (err != 0)
        return err;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd == -1)
        return -errno;
    if (fchmod(fd, 0644) == -1 || dprintf(fd, "%ju\n", (uintmax_t)uid) < 0)
        err = -errno;
    close(fd);
    return err;
}

/* Who the owner of the directory says that the server has become: nobody else
 * can write there.  -1: nobody. */
static int64_t
user_of(const char *name)
{
    char path[ENDPOINT_SIZE];
    int64_t uid;
    int fd;

    if (endpoint_file(name, ".user", path) != 0)
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1)
        return -1;
    uid = read_number(fd);
    close(fd);
    return uid;
}

int
endpoint_server(const char *name, uid_t *uid)
{
    char path[ENDPOINT_SIZE];
    int64_t user = user_of(name);
    struct stat st;
    int err = path_printf(path, sizeof path, "%s", name);

    if (err == 0 && stat(dirname(path), &st) == -1)
        err = -errno;
    if (err == 0)
        *uid = user > 0 && user < UINT32_MAX ? (uid_t)user : st.st_uid;
    return err;
}

int
endpoint_trusted(const char *name, uid_t object_owner)
{
    char path[ENDPOINT_SIZE];
    bool owns, alone;
    struct stat st;
    int err = path_printf(path, sizeof path, "%s", name);

    if (err != 0)
        return err;
    if (stat(dirname(path), &st) == -1)
        return -errno;
    owns = st.st_uid == object_owner || user_of(name) == (int64_t)object_owner;
    alone = (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    return DEFENCE("server", owns && alone, true) ? 0 : -EPERM;
}

bool
endpoint_activated(const char *name)
{
    char path[ENDPOINT_SIZE];

    return endpoint_file(name, ".activator", path) == 0 &&
           access(path, F_OK) == 0;
}

int
life_make(const char *name, bool everybody)
{
    char path[ENDPOINT_SIZE];
    int fd, err = endpoint_file(name, ".life", path);

    if (err != 0)
        return err;
    life_sweep(name);
    if (mkfifo(path, 0600) == -1)
        return -errno;
    /* Both ends, so that this does not wait for a reader: fifo(7). */
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd == -1) {
        err = -errno;
        goto remove_fifo;
    }
    /* Now that there is a writer; and never for writing: a client that held a
     * write end would keep the dead alive. */
    if (fchmod(fd, everybody ? DEFENCE("life", 0644, 0666) : 0600) == -1) {
        err = -errno;
        goto close_fifo;
    }
    return fd;

close_fifo:
    close(fd);
remove_fifo:
    unlink(path);
    return err;
}

int
life_watch(const char *name)
{
    char path[ENDPOINT_SIZE];
    struct stat st;
    int fd, err = endpoint_file(name, ".life", path);

    if (err != 0)
        return err;
    /* O_NONBLOCK: do not wait for a writer, there may be none any more. */
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISFIFO(st.st_mode))
        err = -EPERM;
    else
        err = endpoint_trusted(name, st.st_uid);
    /* poll(2) reports a hang-up only to those who saw the writer; who comes
     * later must be turned away here. */
    if (err == 0 && life_check(fd) != 0)
        err = -ECONNREFUSED;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

int
life_check(int life)
{
    char byte;

    /* No byte ever comes: end of file (0) without a writer, else EAGAIN. */
    return read(life, &byte, 1) == 0 ? -EPIPE : 0;
}

void
life_end(const char *name, int life)
{
    remove_own(name, ".life", life);
    close(life);
}

int
life_sweep(const char *name)
{
    char path[ENDPOINT_SIZE];

    return endpoint_file(name, ".life", path) == 0 && unlink(path) == 0;
}

/* Remembered, since after unshare(CLONE_NEWNS) in a chroot the link does not
 * say the path any more that leads there. */
int
program_path(const char *program, char *path, size_t size)
{
    const char *given = secure_getenv("IPCLAB_BIN");
    static char self[PATH_MAX]; /* asked once */
    char here[PATH_MAX];
    ssize_t n;

    if (given != NULL && *given != '\0')
        return path_printf(path, size, "%s/%s", given, program);
    if (self[0] == '\0') {
        n = readlink("/proc/self/exe", here, sizeof here - 1);
        if (n == -1)
            return -errno;
        here[n] = '\0';
        strcpy(self, dirname(here));
    }
    return path_printf(path, size, "%s/%s", self, program);
}

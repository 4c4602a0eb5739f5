/* object.c - opening what a client has made. */
#define _GNU_SOURCE /* O_PATH, O_NOFOLLOW, statx, memfd_create, union semun */
#include "object.h"

#include "defence.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/sysmacros.h>
#include <unistd.h>

object_opener_function *object_opener = object_open_here;

int
object_open(enum object_space space, int dir, const char *name, int flags,
            uid_t uid)
{
    if (!object_name_is_proper(space, name))
        return -EINVAL;
    return object_opener(space, dir, name, flags & O_ACCMODE, uid);
}

/* -- names ----------------------------------------------------------------- */

/* One component, that neither stays where it is nor goes up. */
static bool
is_component(const char *name)
{
    return *name != '\0' && strlen(name) <= NAME_MAX &&
           strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* Digits of a number that is no longer than an int's. */
static size_t
digits(const char *text)
{
    size_t n = strspn(text, "0123456789");

    return n <= 10 ? n : 0;
}

static bool
is_proc_fd(const char *name)
{
    size_t pid = digits(name), fd;

    if (pid == 0 || name[pid] != '/')
        return false;
    fd = digits(name + pid + 1);
    return fd != 0 && name[pid + 1 + fd] == '\0';
}

bool
object_name_is_proper(enum object_space space, const char *name)
{
    switch (space) {
    case OBJECT_AT:
        return is_component(name);
    case OBJECT_SHM:
    case OBJECT_MQ:
        return *name == '/' && is_component(name + 1);
    case OBJECT_PROC_FD:
        return is_proc_fd(name);
    }
    return false;
}

/* -- memory that a process has open ------------------------------------------
 *
 * Behind /proc/PID/fd/N may be anything that the client could open, also a file
 * of a file system that is the client's own program (FUSE) and never answers
 * whoever opens, or even looks at, its files.  But a memfd is in a tmpfs of the
 * kernel's that nobody can mount: so its device number, which statx(2) tells
 * without asking the file system when told not to, says that it is one. */

static dev_t memfd_device;
static int memfd_error;

static void
look_at_a_memfd(void)
{
    int fd = memfd_create("ipclab-device", MFD_CLOEXEC);
    struct stat st;

    if (fd == -1 || fstat(fd, &st) == -1)
        memfd_error = -errno;
    else
        memfd_device = st.st_dev;
    if (fd != -1)
        close(fd);
}

int
object_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, look_at_a_memfd);
    return memfd_error;
}

static int
check_memfd(int path_fd, uid_t uid)
{
    struct statx st;
    int err = object_prepare();

    if (err != 0)
        return err;
    if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_UID,
              &st) == -1)
        return -errno;
    if (DEFENCE("memfd",
                makedev(st.stx_dev_major, st.stx_dev_minor) != memfd_device,
                false))
        return -EPERM;
    return DEFENCE("owner", st.stx_uid != uid, false) ? -EPERM : 0;
}

static int
open_proc_fd(const char *name, int flags, uid_t uid)
{
    char path[64], again[64];
    const char *slash = strchr(name, '/');
    int path_fd, fd, err;

    snprintf(path, sizeof path, "/proc/%.*s/fd/%s", (int)(slash - name), name,
             slash + 1);
    /* O_PATH takes hold of it and does not open it: so what is looked at is
     * what is opened. */
    path_fd = open(path, O_PATH | O_CLOEXEC);
    if (path_fd == -1)
        return -errno;
    err = check_memfd(path_fd, uid);
    if (err == 0) {
        snprintf(again, sizeof again, "/proc/self/fd/%d", path_fd);
        /* O_NONBLOCK: a memfd can be leased, too, and open(2) then waits for
         * its owner, 45 s: F_SETLEASE, fcntl(2). */
        fd = open(again, flags | O_CLOEXEC | DEFENCE("lease", O_NONBLOCK, 0));
        err = fd == -1 ? -errno : fd;
    }
    close(path_fd);
    return err;
}

/* -- here ------------------------------------------------------------------ */

/*
 * A file in a directory that strangers may write to: again O_PATH first, for a
 * FIFO or device there does something when it is opened, and a socket cannot be.
 * O_NONBLOCK: a FIFO that nobody reads is ENXIO instead of waiting for ever.
 */
static int
open_at(int dir, const char *name, int flags, uid_t uid)
{
    char again[64];
    struct stat st;
    int path_fd, fd, err = 0;

    path_fd = openat(dir, name,
                     O_PATH | O_CLOEXEC | DEFENCE("nofollow", O_NOFOLLOW, 0));
    if (path_fd == -1)
        return -errno;
    if (fstat(path_fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        err = S_ISLNK(st.st_mode) ? -ELOOP : -EPERM;
    else if (DEFENCE("owner", st.st_uid != uid, false))
        err = -EPERM;
    if (err == 0) {
        snprintf(again, sizeof again, "/proc/self/fd/%d", path_fd);
        fd = open(again, flags | O_NONBLOCK | O_CLOEXEC);
        err = fd == -1 ? -errno : fd;
    }
    close(path_fd);
    return err;
}

int
object_open_here(enum object_space space, int dir, const char *name, int flags,
                 uid_t uid)
{
    int fd = -1;

    switch (space) {
    case OBJECT_AT:
        return open_at(dir, name, flags, uid);
    case OBJECT_PROC_FD:
        return open_proc_fd(name, flags, uid);
    case OBJECT_SHM:
        /* In Linux a directory of a tmpfs, /dev/shm, shm_overview(7): all that
         * holds of files there holds of these. */
        fd = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd != -1) {
            int found = open_at(fd, name + 1, flags, uid);

            close(fd);
            return found;
        }
        break;
    case OBJECT_MQ:
        fd = mq_open(name, flags | O_NONBLOCK | O_CLOEXEC);
        break;
    }
    return fd == -1 ? -errno : fd;
}

/* -- is it still the same? ------------------------------------------------- */

int
object_id_of(int fd, struct object_id *id)
{
    struct stat st;

    if (fstat(fd, &st) == -1)
        return -errno;
    *id = (struct object_id){.dev = st.st_dev, .ino = st.st_ino};
    return 0;
}

int
object_id_at(const char *path, struct object_id *id)
{
    struct stat st;

    if (lstat(path, &st) == -1)
        return -errno;
    *id = (struct object_id){.dev = st.st_dev, .ino = st.st_ino};
    return 0;
}

int
object_unlink(int dir, const char *name, const struct object_id *id)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return errno == ENOENT ? 0 : -errno;
    if (st.st_dev != id->dev || st.st_ino != id->ino)
        return 0;
    if (unlinkat(dir, name, 0) == -1)
        return errno == ENOENT ? 0 : -errno;
    return 1;
}

int
object_shm_unlink(const char *name, const struct object_id *id)
{
    int dir = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC), removed;

    if (dir == -1)
        return -errno;
    removed = object_unlink(dir, name + 1, id);
    close(dir);
    return removed;
}

/* -- System V -------------------------------------------------------------- */

union semun { /* semctl(2): the caller must define it */
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

int
object_sysv_look(enum object_sysv_kind kind, int id, struct object_sysv *now,
                 struct ipc_perm *perm)
{
    struct ipc_perm found = {.cuid = (uid_t)-1};
    int err = -1;

    *now = (struct object_sysv){.id = id, .creator = (uid_t)-1};
    switch (kind) {
    case OBJECT_QUEUE: {
        struct msqid_ds q;

        err = msgctl(id, IPC_STAT, &q);
        if (err == 0) {
            found = q.msg_perm;
            now->created = q.msg_ctime;
        }
        break;
    }
    case OBJECT_SET: {
        struct semid_ds set;

        err = semctl(id, 0, IPC_STAT, (union semun){.buf = &set});
        if (err == 0) {
            found = set.sem_perm;
            now->created = set.sem_ctime;
            now->size = set.sem_nsems;
        }
        break;
    }
    case OBJECT_SEGMENT: {
        struct shmid_ds segment;

        err = shmctl(id, IPC_STAT, &segment);
        if (err == 0) {
            found = segment.shm_perm;
            now->created = segment.shm_ctime;
            now->size = segment.shm_segsz;
        }
        break;
    }
    }
    err = err == -1 ? -errno : 0;
    now->creator = found.cuid;
    if (perm != NULL)
        *perm = found;
    return err;
}

int
object_sysv_same(enum object_sysv_kind kind, const struct object_sysv *before)
{
    struct object_sysv now;

    if (object_sysv_look(kind, before->id, &now, NULL) != 0)
        return -EIDRM;
    return DEFENCE("same",
                   now.creator == before->creator &&
                       now.created == before->created &&
                       now.size == before->size,
                   true)
               ? 0
               : -EIDRM;
}

/* object.c - opening what a client has made. */
#define _GNU_SOURCE /* O_PATH, O_NOFOLLOW, statx, memfd_create, union semun */
#include "object.h"

#include "defence.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

object_opener_function *object_opener = object_open_here;
object_glancer_function *object_glancer;

static int glance_at_listed(int queue, const char *name, uid_t uid);

int
object_open(enum object_space space, int dir, const char *name, int flags,
            uid_t uid)
{
    int err = 0;

    if (!object_name_is_proper(space, name))
        return -EINVAL;
    /* Everybody may look at these, so the opener need not be asked. */
    if (space == OBJECT_AT || space == OBJECT_SHM)
        err = object_glance(space, dir, name, uid);
    if (space == OBJECT_MQ && dir != -1)
        err = glance_at_listed(dir, name, uid);
    return err != 0 ? err
                    : object_opener(space, dir, name, flags & O_ACCMODE, uid);
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
    if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
              STATX_UID | STATX_MODE, &st) == -1)
        return -errno;
    if (DEFENCE("memfd",
                makedev(st.stx_dev_major, st.stx_dev_minor) != memfd_device,
                false))
        return -EPERM;
    /* memfd_create(2) makes it 0777, and so is that of other programs, which
     * nobody has brought to us. */
    if (DEFENCE("brought", (st.stx_mode & 07777) != (S_IRUSR | S_IWUSR), false))
        return -EPERM;
    return DEFENCE("owner", st.stx_uid != uid, false) ? -EPERM : 0;
}

/* O_PATH takes hold of it and does not open it: so what is looked at is what is
 * opened, if it is.  A descriptor or -errno, as of the functions below. */
static int
hold_proc_fd(const char *name, uid_t uid)
{
    char path[64];
    const char *slash = strchr(name, '/');
    int held, err;

    snprintf(path, sizeof path, "/proc/%.*s/fd/%s", (int)(slash - name), name,
             slash + 1);
    held = open(path, O_PATH | O_CLOEXEC);
    if (held == -1)
        return -errno;
    err = check_memfd(held, uid);
    if (err == 0)
        return held;
    close(held);
    return err;
}

/* -- here ------------------------------------------------------------------ */

/* A file in a directory that strangers may write to: again O_PATH first, for a
 * FIFO or device there does something when it is opened, and a socket cannot
 * be. */
static int
hold_at(int dir, const char *name, uid_t uid)
{
    struct stat st;
    int held, err = 0;

    held = openat(dir, name,
                  O_PATH | O_CLOEXEC | DEFENCE("nofollow", O_NOFOLLOW, 0));
    if (held == -1)
        return -errno;
    if (fstat(held, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        err = S_ISLNK(st.st_mode) ? -ELOOP : -EPERM;
    else if (DEFENCE("owner", st.st_uid != uid, false))
        err = -EPERM;
    if (err == 0)
        return held;
    close(held);
    return err;
}

/* In Linux a directory of a tmpfs, shm_overview(7): all that holds of files
 * there holds of shared memory. */
static int
hold_shm(const char *name, uid_t uid)
{
    int held, dir = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir == -1)
        return -errno;
    held = hold_at(dir, name + 1, uid);
    close(dir);
    return held;
}

static int
hold(enum object_space space, int dir, const char *name, uid_t uid)
{
    switch (space) {
    case OBJECT_AT:
        return hold_at(dir, name, uid);
    case OBJECT_PROC_FD:
        return hold_proc_fd(name, uid);
    case OBJECT_SHM:
        return hold_shm(name, uid);
    case OBJECT_MQ: /* no path leads there */
        break;
    }
    return -EINVAL;
}

/* O_NONBLOCK: a FIFO that nobody reads is ENXIO, a lease EWOULDBLOCK, instead
 * of waiting for ever. */
static int
open_held(int held, int flags)
{
    char again[64];
    int fd;

    if (held < 0)
        return held;
    snprintf(again, sizeof again, "/proc/self/fd/%d", held);
    fd = open(again, flags | O_CLOEXEC | DEFENCE("lease", O_NONBLOCK, 0));
    if (fd == -1)
        fd = -errno;
    close(held);
    return fd;
}

/*
 * To look a name up the kernel takes its directory's lock, unless it finds the
 * name in its cache.  And strangers can keep that lock, where they may list the
 * directory or remove a name of theirs: getdents(2) has it while it writes into
 * memory that never comes (FUSE), unlink(2) while it waits for the lock of a
 * file whose owner is in such a write(2).  So only the cache is asked.  There
 * is all that is in a file system that has no other place for names; of another
 * one nothing is known, -EAGAIN, and a worker has to see, who has a deadline.
 */
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

static int
hold_cached(int dir, const char *name, bool make_sure)
{
    const struct open_how how = {
        .flags =
            O_PATH | O_CLOEXEC | (uint64_t)DEFENCE("nofollow", O_NOFOLLOW, 0),
        .resolve = DEFENCE("cached", RESOLVE_CACHED, 0),
    };
    struct statfs fs;
    int held, tries = make_sure ? 8 : 1;

    /* EAGAIN is also for who is disturbed: a rename(2) or mount(2) anywhere is
     * enough. */
    do
        held = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
    while (held == -1 && errno == EAGAIN && --tries > 0);
    if (held == -1 && errno == EINVAL) /* before Linux 5.12 */
        held = openat(dir, name, (int)how.flags);
    if (held != -1 || errno != EAGAIN)
        return held != -1 ? held : -errno;
    if (!make_sure)
        return -ENOENT;
    if (fstatfs(dir, &fs) == -1)
        return -EAGAIN;
    switch ((unsigned long)fs.f_type) { /* signed, and of any size: statfs(2) */
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case MQUEUE_MAGIC:
        return -ENOENT;
    default:
        return -EAGAIN;
    }
}

int
object_glance_at(int dir, const char *name, uid_t uid, bool make_sure)
{
    int err = 0, held = hold_cached(dir, name, make_sure);
    struct stat st;

    if (held < 0)
        return held == -ENOENT ? held : 0;
    if (fstat(held, &st) == 0 && DEFENCE("owner", st.st_uid != uid, false))
        err = -EPERM;
    close(held);
    return err;
}

static int
glance_at(int dir, const char *name, uid_t uid)
{
    return object_glance_at(dir, name, uid, true);
}

/* Where the queues have a file system that can be seen; or -errno. */
static int
open_queues(void)
{
    int dir = open("/dev/mqueue", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return dir == -1 ? -errno : dir;
}

/* If it is the one that this queue is in, and not another namespace's. */
static int
glance_at_listed(int queue, const char *name, uid_t uid)
{
    int err = 0, dir = open_queues();
    struct stat ours, there;

    if (dir < 0)
        return 0;
    if (fstat(queue, &ours) == 0 && fstat(dir, &there) == 0 &&
        DEFENCE("cached", ours.st_dev == there.st_dev, false))
        err = glance_at(dir, name + 1, uid);
    close(dir);
    return err;
}

/* mq_open(3) has the lock of that directory.  Where nobody can list it nobody
 * can keep it. */
static bool
are_listed(void)
{
    int dir = open_queues();
    struct statfs fs;
    bool listed;

    if (dir < 0)
        return false;
    listed = fstatfs(dir, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
    close(dir);
    return listed;
}

static int
glance_at_queue(const char *name, uid_t uid)
{
    struct stat st;
    int err = 0, fd;

    if (DEFENCE("cached", are_listed(), false))
        return 0;
    fd = mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return errno == ENOENT ? -ENOENT : 0;
    if (fstat(fd, &st) == 0 && DEFENCE("owner", st.st_uid != uid, false))
        err = -EPERM;
    mq_close(fd);
    return err;
}

static int
glance_at_shm(const char *name, uid_t uid)
{
    int err, dir = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir == -1)
        return 0;
    err = glance_at(dir, name + 1, uid);
    close(dir);
    return err;
}

static int
glance_at_memory(const char *name, uid_t uid)
{
    int held = hold_proc_fd(name, uid);

    if (held >= 0)
        close(held);
    return held == -ENOENT || held == -EPERM ? held : 0;
}

int
object_glance(enum object_space space, int dir, const char *name, uid_t uid)
{
    switch (space) {
    case OBJECT_AT:
        return glance_at(dir, name, uid);
    case OBJECT_SHM:
        return glance_at_shm(name, uid);
    case OBJECT_MQ:
        return glance_at_queue(name, uid);
    case OBJECT_PROC_FD:
        return glance_at_memory(name, uid);
    }
    return 0;
}

uint32_t
object_glance_here(const struct object_claim *claims, unsigned n)
{
    uint32_t may_be = 0;
    char name[32];

    for (unsigned i = 0; i < n && i < OBJECT_CLAIMS; i++) {
        snprintf(name, sizeof name, "%u/%u", claims[i].pid, claims[i].fd);
        if (glance_at_memory(name, claims[i].uid) == 0)
            may_be |= UINT32_C(1) << i;
    }
    return may_be;
}

uint32_t
object_glance_at_all(const struct object_claim *claims, unsigned n)
{
    return object_glancer == NULL || n < 2 ? UINT32_MAX
                                           : object_glancer(claims, n);
}

int
object_open_here(enum object_space space, int dir, const char *name, int flags,
                 uid_t uid)
{
    int fd;

    if (space != OBJECT_MQ)
        return open_held(hold(space, dir, name, uid), flags);
    fd = mq_open(name, flags | O_NONBLOCK | O_CLOEXEC);
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

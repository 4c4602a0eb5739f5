/*
 * object.h - opening what a client has made, and finding out whether it is
 * still the same.
 *
 * A client makes its object for itself alone, mode 0600, and names it to the
 * server.  The name comes from a stranger: it may lead to a file of root's, to
 * a FIFO that nobody reads, to a device that does something when it is opened.
 * So it is opened here and nowhere else, in a way that neither follows a link
 * nor waits, and, where the server has a process for that, with the client's
 * own rights: then it can be nothing that the client could not open itself.
 */
#ifndef OBJECT_H
#define OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/stat.h>
#include <sys/types.h>

enum object_space {
    OBJECT_AT,      /* a file: name is one component, in the directory dir */
    OBJECT_SHM,     /* POSIX shared memory: "/NAME"; a semaphore: "/sem.NAME" */
    OBJECT_MQ,      /* a POSIX queue: "/NAME" */
    OBJECT_PROC_FD, /* memory that a process has open, memfd_create(2):
                     * "PID/FD", decimal */
};

/*
 * Opens it.  dir: a descriptor for OBJECT_AT; for OBJECT_MQ any queue that is
 * open, or -1; else -1.  flags: O_RDONLY, O_WRONLY or O_RDWR.  uid: the claimed
 * owner; the object is opened with that user's rights, if we can take them.
 * Never creates, never follows a link, never waits (O_NONBLOCK, which stays
 * set), close-on-exec.
 *
 * Returns a descriptor, which is the caller's, or
 *   -EINVAL  that is no name of this space
 *   -EPERM   it is not that user's; or not a plain file, a FIFO, a queue; or,
 *            for OBJECT_PROC_FD, not a memfd.  It has not been opened at all
 *   -errno   of open(2), mq_open(3)
 * What it is, and whose, has still to be looked at: owner_check_fd().
 */
int object_open(enum object_space space, int dir, const char *name, int flags,
                uid_t uid);

/* How that is done: here, or by whom the server asks to.  ipcd sets it, to its
 * broker, before any endpoint is served. */
typedef int object_opener_function(enum object_space space, int dir,
                                   const char *name, int flags, uid_t uid);
extern object_opener_function *object_opener;

/* The first of them: in this process, with the rights that it has.  The broker
 * calls it, with the client's. */
object_opener_function object_open_here;

/*
 * Can it be ruled out at once that there is such an object of that user's?
 * This costs little and never waits, not even for a directory's lock, so that
 * strangers who claim many things cost little.
 *   0                no: it may be there; or we may not look
 *   -ENOENT, -EPERM  as object_open() would say
 */
int object_glance(enum object_space space, int dir, const char *name,
                  uid_t uid);

/* The same in OBJECT_AT.  Not to make sure costs one system call: then -ENOENT
 * is also for what the kernel has not in its cache, where the name of a file is
 * that somebody has open; and for one name in a hundred, if somebody mounts
 * something all the time meanwhile. */
int object_glance_at(int dir, const char *name, uid_t uid, bool make_sure);

/* The same for several in OBJECT_PROC_FD, at which only few may look: bit i of
 * the result is 0 if the i-th is surely not that user's.  At most
 * OBJECT_CLAIMS.  Asks object_glancer; NULL: nobody is there to ask, and all
 * may be. */
#define OBJECT_CLAIMS 30
struct object_claim {
    uint32_t uid, pid, fd;
};
uint32_t object_glance_at_all(const struct object_claim *claims, unsigned n);

typedef uint32_t object_glancer_function(const struct object_claim *claims,
                                         unsigned n);
extern object_glancer_function *object_glancer;
object_glancer_function object_glance_here;

/* What OBJECT_PROC_FD has to know of the kernel.  0 or -errno.  Call it before
 * system calls are filtered, memfd_create(2) for one. */
int object_prepare(void);

/* Is that a name of this space?  A pure function; whoever is asked to open
 * something by another process asks this first. */
bool object_name_is_proper(enum object_space space, const char *name);

/* -- is it still the same? ------------------------------------------------- */

/* A file, by device and inode.  A name may have become another's since. */
struct object_id {
    dev_t dev;
    ino_t ino;
};

int object_id_of(int fd, struct object_id *id); /* 0 or -errno */
int object_id_at(const char *path, struct object_id *id);

/* Removes the name, if it is still that of this object.  1 = removed, 0 = it is
 * not there any more, or another's, -errno. */
int object_unlink(int dir, const char *name, const struct object_id *id);
int object_shm_unlink(const char *name, const struct object_id *id);

/*
 * A System V object, which only has a number: whoever removes it can have the
 * number come back, after some million tries, for an object of any size.  So
 * look at it again before each call that lets the kernel write into memory of
 * ours.  Remember what it was when it was proven:
 */
struct object_sysv {
    int id;
    uid_t creator;
    int64_t
        created;   /* xxx_ctime: also changed by IPC_SET, so look after that */
    uint64_t size; /* semaphores, bytes of a segment; a queue: 0 */
};

enum object_sysv_kind { OBJECT_QUEUE, OBJECT_SET, OBJECT_SEGMENT };

/* What is there under this id, by IPC_STAT: fills in *now and, unless NULL,
 * *perm.  0 or -errno. */
int object_sysv_look(enum object_sysv_kind kind, int id,
                     struct object_sysv *now, struct ipc_perm *perm);

/* 0: it is still that one.  -EIDRM: it is not. */
int object_sysv_same(enum object_sysv_kind kind,
                     const struct object_sysv *before);

#endif

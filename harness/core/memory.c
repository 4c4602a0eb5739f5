/* memory.c - bytes that a client and a server have in common. */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS, posix_fallocate, O_NOFOLLOW */
#include "memory.h"

#include "defence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int
registration_begin(struct registration *r, uid_t claimed)
{
    *r = (struct registration){.uid = claimed, .pid = (uint32_t)getpid()};
    /* Random, so that nobody can take the name before us. */
    return getrandom(&r->serial, sizeof r->serial, 0) == sizeof r->serial
               ? 0
               : -errno;
}

void *
memory_map(int fd, size_t size, int prot)
{
    void *memory = mmap(NULL, size, prot, MAP_SHARED | MAP_POPULATE, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Not by ftruncate(2): a file of holes on a full file system is a SIGBUS,
 * later; this is an ENOSPC, now. */
static int
fill(int fd, size_t size)
{
    int err;

    do
        err = DEFENCE("fallocate", posix_fallocate(fd, 0, (off_t)size),
                      ftruncate(fd, (off_t)size) == -1 ? errno : 0);
    while (err == EINTR);
    return -err;
}

/* -- sealed ----------------------------------------------------------------
 *
 * Without a name: a crash leaves nothing.  Sealed: its size stays what it is,
 * so that neither of the two can ever find memory missing, or wait for the
 * kernel to take some away. */

static int
sealed_make(const char *where, size_t size, struct registration *r,
            char path[PATH_MAX])
{
    int fd = memfd_create("ipclab-client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int err;

    (void)where;
    path[0] = '\0';
    if (fd == -1)
        return -errno;
    r->id[0] = (uint32_t)fd;
    err = fill(fd, size);
    if (err == 0 && (fchmod(fd, 0600) == -1 ||
                     fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1))
        err = -errno;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

static uint32_t
sealed_glance(const struct registration *r, unsigned n)
{
    struct object_claim claims[OBJECT_CLAIMS];

    for (unsigned i = 0; i < n; i++)
        claims[i] = (struct object_claim){r[i].uid, r[i].pid, r[i].id[0]};
    return object_glance_at_all(claims, n);
}

static int
sealed_open(const struct client_dir *dir, const struct registration *r)
{
    char name[32];

    (void)dir;
    snprintf(name, sizeof name, "%u/%u", r->pid, r->id[0]);
    return object_open(OBJECT_PROC_FD, -1, name, O_RDWR, r->uid);
}

/* By a mapping: for write(2) the kernel takes the inode's lock, and its owner
 * can keep that.  A page that is there can be stored into. */
static int
sealed_write(int fd, size_t at, const void *what, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = memory_map(fd, page, PROT_READ | PROT_WRITE);

    if (memory == NULL)
        return -errno;
    memcpy(memory + at, what, size);
    munmap(memory, page);
    return 0;
}

const struct client_memory sealed_memory = {.make = sealed_make,
                                            .glance = sealed_glance,
                                            .open = sealed_open,
                                            .check = owner_check_memfd,
                                            .write = sealed_write};

/* -- files ---------------------------------------------------------------- */

static int
file_make(const char *where, size_t size, struct registration *r,
          char path[PATH_MAX])
{
    int fd, err;

    snprintf(path, PATH_MAX, "%s.d/%u.%u", where, r->pid, r->serial);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        return errno == EEXIST ? -EPERM : -errno; /* not one of ours */
    err = fchmod(fd, 0600) == -1 ? -errno : 0;    /* whatever the umask */
    if (err == 0 && size > 0)
        err = fill(fd, size);
    if (err == 0)
        return fd;
    unlink(path);
    close(fd);
    return err;
}

/* object_open() does, and costs no more. */
static uint32_t
file_glance(const struct registration *r, unsigned n)
{
    (void)r, (void)n;
    return UINT32_MAX;
}

static int
file_open(const struct client_dir *dir, const struct registration *r)
{
    char name[32];

    snprintf(name, sizeof name, "%u.%u", r->pid, r->serial);
    return object_open(OBJECT_AT, dir->fd, name, O_RDWR, r->uid);
}

static int
file_check(int fd, size_t size, uid_t claimed, struct ipc_peer *peer)
{
    struct stat st;
    int err = owner_check_fd(fd, S_IFREG, claimed, peer);

    if (err == 0 && fstat(fd, &st) == -1)
        err = -errno;
    if (err == 0 && size > 0 && st.st_size != (off_t)size)
        err = -EPERM;
    return err;
}

static int
file_write(int fd, size_t at, const void *what, size_t size)
{
    ssize_t n = pwrite(fd, what, size, (off_t)at);

    if (n == -1)
        return -errno;
    return (size_t)n == size ? 0 : -ENOSPC;
}

const struct client_memory client_files = {.make = file_make,
                                           .glance = file_glance,
                                           .open = file_open,
                                           .check = file_check,
                                           .write = file_write};

/* -- a page of the server's ----------------------------------------------- */

const char *
shm_unavailable(void)
{
    static char reason[128];
    char name[ENDPOINT_SIZE];
    int fd;

    if (endpoint_probe(name, 0) != 0)
        return "getrandom(2) fails";
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1) {
        snprintf(reason, sizeof reason, "shm_open: %s; is /dev/shm mounted?",
                 strerror(errno));
        return reason;
    }
    close(fd);
    shm_unlink(name);
    return NULL;
}

/* Tries again, should there be one of that name: not one of ours. */
static int
open_fresh(struct shared_page *p, const char *endpoint)
{
    int err = 0;

    for (int tries = 0; err == 0 && tries < 8; tries++) {
        err = endpoint_fresh(endpoint, p->name);
        if (err != 0)
            return err;
        p->fd = shm_open(p->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        if (p->fd != -1)
            return 0;
        err = errno == EEXIST ? 0 : -errno;
    }
    return err != 0 ? err : -EEXIST;
}

int
shared_page_make(struct shared_page *p, const char *endpoint, size_t size)
{
    int err = open_fresh(p, endpoint);

    if (err != 0)
        return err;
    err = object_id_of(p->fd, &p->id);
    if (err == 0 && fchmod(p->fd, 0600) == -1) /* whatever the umask */
        err = -errno;
    if (err == 0)
        err = fill(p->fd, size);
    if (err != 0) {
        shm_unlink(p->name);
        close(p->fd);
    }
    return err;
}

int
shared_page_publish(struct shared_page *p, const char *endpoint)
{
    return endpoint_publish(endpoint, "name", p->name, &p->endpoint_id);
}

/* A server that has become another user may not be able to: then the file
 * stays, by which whoever sweeps finds the page. */
void
shared_page_remove(struct shared_page *p, const char *endpoint)
{
    if (object_shm_unlink(p->name, &p->id) >= 0)
        endpoint_unlink(endpoint, "", &p->endpoint_id);
    close(p->fd);
}

/* What stands in the file is removed only if it can be of our making: a name of
 * that shape, of the user whose the file is. */
int
shared_page_sweep(const char *endpoint)
{
    char object[ENDPOINT_SIZE];
    struct object_id id;
    struct stat st;
    int fd, removed = 0;

    if (endpoint_lookup(endpoint, "name", object, sizeof object) == 0 &&
        endpoint_is_fresh(endpoint, object) &&
        (fd = shm_open(object, O_RDONLY | O_NOFOLLOW, 0)) != -1) {
        if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
            object_id_of(fd, &id) == 0)
            removed = object_shm_unlink(object, &id);
        close(fd);
    }
    return swept_both(endpoint_sweep(endpoint), removed);
}

int
shared_page_open(const char *where, int flags, size_t size)
{
    char name[ENDPOINT_SIZE];
    struct stat st;
    int fd, err = endpoint_lookup(where, "name", name, sizeof name);

    if (err != 0)
        return err;
    fd = shm_open(name, flags | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_size != (off_t)size)
        err = -EPERM;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

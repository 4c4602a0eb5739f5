/* store.c - objects with a name and a size that processes can map. */
#define _GNU_SOURCE /* F_OFD_SETLK, MAP_POPULATE */
#include "store.h"

#include "core/defence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- POSIX shared memory -----------------------------------------------------
 *
 * A flat space of names that all processes share, shm_overview(7).  In Linux it
 * is a directory. */

#define SHM_DIR "/dev/shm"

static int
shm_names(const char *endpoint, struct meet_names *n)
{
    int err = endpoint_flat(endpoint, n->board);

    if (err == 0)
        err = endpoint_file(n->board, ".", n->base);
    strcpy(n->dir, SHM_DIR);
    n->prefix = n->base + 1;
    return err;
}

const struct meet_store meet_shm = {
    .names = shm_names, .open = shm_open, .unlink = shm_unlink};

/* -- files, beside the endpoint ------------------------------------------- */

static int
file_names(const char *endpoint, struct meet_names *n)
{
    int err = endpoint_file(endpoint, "", n->board);

    if (err == 0)
        err = endpoint_file(endpoint, ".d", n->dir);
    if (err == 0)
        err = endpoint_file(n->dir, "/", n->base);
    n->prefix = "";
    return err;
}

static int
file_open(const char *name, int flags, mode_t mode)
{
    return open(name, flags, mode);
}

const struct meet_store meet_files = {
    .names = file_names, .open = file_open, .unlink = unlink, .own_dir = true};

/* -- any kind ------------------------------------------------------------- */

static int
hold_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &lock) == -1 ? -errno : 0;
}

/* "Would a read lock be refused?": to ask that, a descriptor for reading is
 * enough. */
bool
store_held(int fd)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int
store_map(int fd, size_t size, int prot, void **memory)
{
    *memory = mmap(NULL, size, prot, MAP_SHARED | MAP_POPULATE, fd, 0);
    return *memory == MAP_FAILED ? -errno : 0;
}

int
store_make(const struct meet_store *store, const char *name, size_t size,
           int *fd, void **memory)
{
    int err;

    *fd = store->open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                      0600);
    if (*fd == -1)
        return errno == EEXIST ? -EPERM : -errno; /* not one of ours */
    /* Whatever the umask.  posix_fallocate, not ftruncate: a file of holes on
     * a full file system is a SIGBUS, later; this is an ENOSPC, now. */
    err = hold_lock(*fd);
    if (err == 0 && fchmod(*fd, 0600) == -1)
        err = -errno;
    while (err == 0 &&
           (err = -DEFENCE("fallocate", posix_fallocate(*fd, 0, (off_t)size),
                           ftruncate(*fd, (off_t)size))) == -EINTR)
        err = 0;
    if (err == 0)
        err = store_map(*fd, size, PROT_READ | PROT_WRITE, memory);
    if (err != 0) {
        store->unlink(name);
        close(*fd);
    }
    return err;
}

void
store_each(const struct meet_names *n, bool (*f)(const char *name, void *arg),
           void *arg)
{
    size_t len = strlen(n->prefix);
    DIR *dir = opendir(n->dir);
    char name[ENDPOINT_SIZE + NAME_MAX + 1];
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, n->prefix, len) != 0 ||
            entry->d_name[len] == '.' || entry->d_name[len] == '\0')
            continue;
        snprintf(name, sizeof name, "%s%s", n->base, entry->d_name + len);
        if (!f(name, arg))
            break;
    }
    closedir(dir);
}

struct sweeping {
    const struct meet_store *store;
    int removed;
};

static bool
sweep_one(const char *name, void *arg)
{
    struct sweeping *sweeping = arg;

    if (sweeping->store->unlink(name) == 0)
        sweeping->removed = 1;
    return true;
}

int
store_sweep(const struct meet_store *store, const char *endpoint)
{
    struct sweeping sweeping = {.store = store};
    struct meet_names n;
    int err = store->names(endpoint, &n);

    if (err != 0)
        return err;
    sweep_one(n.board, &sweeping);
    store_each(&n, sweep_one, &sweeping);
    if (store->own_dir && rmdir(n.dir) == 0)
        sweeping.removed = 1;
    return sweeping.removed;
}

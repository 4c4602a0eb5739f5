/*
 * rings_memory.c - where the memory is that a client and a server share: the two
 * kinds of it (rings.h).
 *
 *                   the board                    a client's place
 *      rings_shm    shm_open(3), a random name   memfd_create(2): no name at all
 *      rings_files  NAME                         NAME.d/PID.SERIAL, for a moment
 */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS, posix_fallocate, O_NOFOLLOW */
#include "rings.h"

#include "core/defence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- POSIX shared memory, memfds ------------------------------------------- */

/* The endpoint file says what the board is called.  Nobody can have made it
 * before us, for nobody knew the name. */
static int
shm_make_board(struct rings_server *s)
{
    int err = object_prepare();

    s->dir.fd = -1;
    for (int tries = 0; err == 0 && tries < 8; tries++) {
        err = endpoint_fresh(s->name, s->board_name);
        if (err != 0)
            return err;
        s->board_fd = shm_open(s->board_name,
                               O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        if (s->board_fd != -1)
            return 0;
        err = errno == EEXIST ? 0 : -errno;
    }
    return err != 0 ? err : -EEXIST;
}

/* A server that has become another user may not be able to: then the file stays,
 * by which whoever sweeps finds the board. */
static void
shm_remove_board(struct rings_server *s)
{
    if (object_shm_unlink(s->board_name, &s->board_id) >= 0)
        endpoint_unlink(s->name, "", &s->endpoint_id);
}

/* What stands in the file is removed only if it can be of our making: a name of
 * that shape, of the user whose the file is. */
static int
shm_sweep(const char *name)
{
    char board[ENDPOINT_SIZE];
    struct object_id id;
    struct stat st;
    int fd, removed = 0, err;

    err = endpoint_lookup(name, "name", board, sizeof board);
    if (err == 0 && endpoint_is_fresh(name, board) &&
        (fd = shm_open(board, O_RDONLY | O_NOFOLLOW, 0)) != -1) {
        if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
            object_id_of(fd, &id) == 0)
            removed = object_shm_unlink(board, &id);
        close(fd);
    }
    if (unlink(name) == 0)
        removed = 1;
    err = registrar_sweep(name);
    return err != 0 ? err : removed;
}

static int
shm_open_board(const char *where)
{
    char name[ENDPOINT_SIZE];
    int fd, err = endpoint_lookup(where, "name", name, sizeof name);

    if (err != 0)
        return err;
    fd = shm_open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    return fd == -1 ? -errno : fd;
}

/*
 * Without a name: a crash leaves nothing.  Sealed: its size stays what it is, so
 * that neither of the two can ever find memory missing, or wait for the kernel to
 * take some away.
 */
static int
shm_make_place(const char *where, struct registration *r, char path[PATH_MAX])
{
    int fd = memfd_create("ipclab-place", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int err;

    (void)where;
    path[0] = '\0';
    if (fd == -1)
        return -errno;
    r->id[0] = (uint32_t)fd;
    err = -posix_fallocate(fd, 0, sizeof(struct rings_place));
    if (err == 0 && (fchmod(fd, 0600) == -1 ||
                     fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1))
        err = -errno;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

static int
shm_open_place(struct rings_server *s, const struct registration *r)
{
    char name[32];

    (void)s;
    snprintf(name, sizeof name, "%u/%u", r->pid, r->id[0]);
    return object_open(OBJECT_PROC_FD, -1, name, O_RDWR, r->uid);
}

static int
shm_check_place(int fd, uid_t claimed, struct ipc_peer *peer)
{
    return owner_check_memfd(fd, sizeof(struct rings_place), claimed, peer);
}

const struct rings_memory rings_shm = {
    .make_board = shm_make_board,
    .remove_board = shm_remove_board,
    .sweep = shm_sweep,
    .open_board = shm_open_board,
    .make_place = shm_make_place,
    .open_place = shm_open_place,
    .check_place = shm_check_place,
};

/* -- files ----------------------------------------------------------------- */

static int
files_make_board(struct rings_server *s)
{
    int err = client_dir_make(&s->dir, s->name);

    if (err != 0)
        return err;
    strcpy(s->board_name, s->name);
    unlink(s->name);
    s->board_fd =
        open(s->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->board_fd != -1)
        return 0;
    err = -errno;
    client_dir_remove(&s->dir, s->name);
    return err;
}

static void
files_remove_board(struct rings_server *s)
{
    endpoint_unlink(s->name, "", &s->board_id);
    client_dir_remove(&s->dir, s->name);
}

static int
files_sweep(const char *name)
{
    int board = unlink(name) == 0, dir = client_dir_sweep(name),
        join = registrar_sweep(name);

    if (dir < 0 || join < 0)
        return dir < 0 ? dir : join;
    return board || dir || join;
}

static int
files_open_board(const char *where)
{
    int fd = open(where, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd == -1 ? -errno : fd;
}

/* Not by ftruncate(2): a file of holes on a full file system is a SIGBUS, later;
 * this is an ENOSPC, now. */
static int
fill(int fd)
{
    const off_t size = sizeof(struct rings_place);
    int err;

    do
        err = DEFENCE("fallocate", posix_fallocate(fd, 0, size),
                      ftruncate(fd, size) == -1 ? errno : 0);
    while (err == EINTR);
    return -err;
}

static int
files_make_place(const char *where, struct registration *r, char path[PATH_MAX])
{
    int fd, err;

    snprintf(path, PATH_MAX, "%s.d/%u.%u", where, r->pid, r->serial);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        return errno == EEXIST ? -EPERM : -errno;     /* not one of ours */
    err = fchmod(fd, 0600) == -1 ? -errno : fill(fd); /* whatever the umask */
    if (err == 0)
        return fd;
    unlink(path);
    close(fd);
    return err;
}

static int
files_open_place(struct rings_server *s, const struct registration *r)
{
    char name[32];

    snprintf(name, sizeof name, "%u.%u", r->pid, r->serial);
    return object_open(OBJECT_AT, s->dir.fd, name, O_RDWR, r->uid);
}

static int
files_check_place(int fd, uid_t claimed, struct ipc_peer *peer)
{
    struct stat st;
    int err = owner_check_fd(fd, S_IFREG, claimed, peer);

    if (err == 0 && fstat(fd, &st) == -1)
        err = -errno;
    if (err == 0 && st.st_size != sizeof(struct rings_place))
        err = -EPERM;
    return err;
}

const struct rings_memory rings_files = {
    .make_board = files_make_board,
    .remove_board = files_remove_board,
    .sweep = files_sweep,
    .open_board = files_open_board,
    .make_place = files_make_place,
    .open_place = files_open_place,
    .check_place = files_check_place,
};

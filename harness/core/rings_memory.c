/*
 * rings_memory.c - where the memory is that a client and a server share: the
 * two kinds of it (rings.h).
 *
 *                   the server's page            a client's segment
 *      rings_shm    shm_open(3), a random name   memfd_create(2): no name at all
 *      rings_files  NAME                         NAME.d/PID.SERIAL, for a moment
 */
#define _GNU_SOURCE /* posix_fallocate, O_NOFOLLOW */
#include "rings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- POSIX shared memory, memfds ------------------------------------------- */

static int
shm_make_page(struct rings_server *s)
{
    int err = object_prepare();

    s->dir.fd = -1;
    return err != 0
               ? err
               : shared_page_make(&s->page, s->name, sizeof *s->server_page);
}

static void
shm_remove_page(struct rings_server *s)
{
    shared_page_remove(&s->page, s->name);
}

static int
shm_sweep(const char *name)
{
    return swept_both(shared_page_sweep(name), registrar_sweep(name));
}

static int
shm_open_page(const char *where)
{
    return shared_page_open(where, O_RDONLY, sizeof(struct rings_page));
}

const struct rings_memory rings_shm = {
    .segments = &sealed_memory,
    .make_page = shm_make_page,
    .remove_page = shm_remove_page,
    .sweep = shm_sweep,
    .open_page = shm_open_page,
};

/* -- files ----------------------------------------------------------------- */

static int
fill_page(struct rings_server *s)
{
    int err = object_id_of(s->page.fd, &s->page.id);

    return err != 0 ? err
                    : -posix_fallocate(s->page.fd, 0, sizeof *s->server_page);
}

static int
files_make_page(struct rings_server *s)
{
    int err = client_dir_make(&s->dir, s->name);

    if (err != 0)
        return err;
    unlink(s->name);
    s->page.fd =
        open(s->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    err = s->page.fd == -1 ? -errno : fill_page(s);
    if (err == 0)
        return 0;
    if (s->page.fd != -1) {
        unlink(s->name);
        close(s->page.fd);
    }
    client_dir_remove(&s->dir, s->name);
    return err;
}

static void
files_remove_page(struct rings_server *s)
{
    endpoint_unlink(s->name, "", &s->page.id);
    close(s->page.fd);
    client_dir_remove(&s->dir, s->name);
}

static int
files_sweep(const char *name)
{
    int files = swept_both(client_dir_sweep(name), registrar_sweep(name));

    return swept_both(endpoint_sweep(name), files);
}

static int
files_open_page(const char *where)
{
    int fd = open(where, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err;
    struct stat st;

    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_size != sizeof(struct rings_page))
        err = -EPERM;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

const struct rings_memory rings_files = {
    .segments = &client_files,
    .make_page = files_make_page,
    .remove_page = files_remove_page,
    .sweep = files_sweep,
    .open_page = files_open_page,
};

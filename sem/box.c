/* box.c - one box and its parts. */
#define _GNU_SOURCE /* sem_clockwait, F_OFD_SETLK, preadv, getrandom */
#include "box.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* -- the letter ----------------------------------------------------------- */

int
letter_put(int fd, const struct letter_head *head, const void *body)
{
    struct letter_head copy = *head;
    struct iovec part[] = {
        {.iov_base = &copy, .iov_len = sizeof copy},
        {.iov_base = (void *)(uintptr_t)body, .iov_len = head->len},
    };
    ssize_t n = pwritev(fd, part, 2, 0);

    if (n == -1)
        return -errno;
    return (size_t)n == sizeof copy + head->len ? 0 : -ENOSPC;
}

int
letter_get(int fd, struct letter_head *head, void *body)
{
    struct iovec part[] = {
        {.iov_base = head, .iov_len = sizeof *head},
        {.iov_base = body, .iov_len = BODY_MAX},
    };
    ssize_t n = preadv(fd, part, body != NULL ? 2 : 1, 0);

    if (n == -1)
        return -errno;
    if ((size_t)n < sizeof *head ||
        (body != NULL && head->len > (size_t)n - sizeof *head))
        return -EBADMSG;
    return 0;
}

/* -- who is alive --------------------------------------------------------- */

/* An open file description lock: like the older record lock it ends with its
 * holder, but it also tells two clients in one process apart. */
int
life_lock(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock) == -1 ? -errno : 0;
}

/* Asking for a read lock: only a write lock is in its way, and that needs a
 * descriptor open for writing.  So nobody else can pretend to be the server. */
bool
life_locked(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_RDLCK, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* -- semaphores ----------------------------------------------------------- */

#define BELL_NAME (ENDPOINT_SIZE + NAME_MAX) /* bytes */

static void
bell_name(char name[BELL_NAME], const char *endpoint, const char *file,
          const char *which)
{
    char flat[ENDPOINT_SIZE] = "";

    endpoint_flat(endpoint, flat);
    snprintf(name, BELL_NAME, "%s.%s%s%s", flat, file, *file != '\0' ? "." : "",
             which);
}

/* O_EXCL: without it a semaphore that somebody has put there is taken for ours,
 * sticky directory or not. */
sem_t *
bell_make(const char *endpoint, const char *file, const char *which,
          mode_t mode)
{
    char name[BELL_NAME];

    bell_name(name, endpoint, file, which);
    return sem_open(name, O_CREAT | O_EXCL, mode, 0);
}

sem_t *
bell_open(const char *endpoint, const char *file, const char *which)
{
    char name[BELL_NAME];

    bell_name(name, endpoint, file, which);
    return sem_open(name, 0);
}

void
bell_close(sem_t *sem)
{
    if (sem != SEM_FAILED)
        sem_close(sem);
}

int
bell_unlink(const char *endpoint, const char *file, const char *which)
{
    char name[BELL_NAME];

    bell_name(name, endpoint, file, which);
    return sem_unlink(name) == 0;
}

/* sem_timedwait(3) would go by the wall clock, which may be set. */
int
bell_wait(sem_t *sem, int64_t deadline)
{
    struct timespec at = ns_to_timespec(deadline);

    return sem_clockwait(sem, CLOCK_MONOTONIC, &at) == -1 ? -errno : 0;
}

/* Named semaphores need a tmpfs at /dev/shm: sem_overview(7). */
const char *
bell_unavailable(void)
{
    static char reason[80];
    char name[64];
    sem_t *probe;

    snprintf(name, sizeof name, "/ipclab-probe-%d", (int)getpid());
    probe = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    if (probe == SEM_FAILED) {
        snprintf(reason, sizeof reason, "sem_open(3): %s; is /dev/shm there?",
                 strerror(errno));
        return reason;
    }
    sem_unlink(name);
    bell_close(probe);
    return NULL;
}

/* -- one box -------------------------------------------------------------- */

void
box_close(struct box *box)
{
    bell_close(box->full);
    bell_close(box->back);
    if (box->fd != -1)
        close(box->fd);
}

void
box_remove_names(const char *endpoint, int dir, const char *file)
{
    unlinkat(dir, file, 0);
    if (*file == '.') /* not finished: make_box() */
        file++;
    bell_unlink(endpoint, file, "full");
    bell_unlink(endpoint, file, "back");
}

/* Is there a server, and is it the right one? */
static int
look_for_server(const char *where)
{
    struct stat st;
    int err, fd = open(where, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0 && !life_locked(fd, SERVER))
        err = -ECONNREFUSED;
    close(fd);
    return err;
}

/* Knocks, and waits for what the server writes into the letter. */
static int
announce(struct box *box, const char *where, sem_t *bell)
{
    struct letter_head head;
    int64_t deadline = deadline_in(ipc_open_timeout);
    sem_t *knock = bell_open(where, "", "knock");
    int err;

    if (knock == SEM_FAILED)
        return errno == ENOENT ? -ECONNREFUSED : -errno;
    sem_post(knock);
    sem_post(bell);
    bell_close(knock);
    do
        err = bell_wait(box->back, deadline);
    while (err == -EINTR);
    if (err == 0)
        err = letter_get(box->fd, &head, NULL);
    if (err == 0 && head.mark != LETTER_REPLY)
        err = head.mark == LETTER_FULL ? -EAGAIN : -EPIPE;
    if (err == 0)
        memcpy(box->nonce, head.nonce, NONCE_SIZE);
    return err;
}

/* Makes letter and semaphores in dir; hidden is the letter's name with a dot in
 * front, so that the server does not see it before all is there and locked. */
static int
make_box(struct box *box, const char *where, int dir, const char *hidden)
{
    const char *file = hidden + 1;
    int err;

    /* The letter first: sweep() finds the semaphores by it. */
    box->fd = openat(dir, hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (box->fd == -1)
        return -errno;
    err = life_lock(box->fd, CLIENT);
    if (err != 0)
        return err;
    box->full = bell_make(where, file, "full", 0600);
    box->back = bell_make(where, file, "back", 0600);
    if (box->full == SEM_FAILED || box->back == SEM_FAILED ||
        renameat(dir, hidden, dir, file) == -1)
        return -errno;
    return 0;
}

int
box_join(struct box *box, const char *where, sem_t **bell)
{
    char dir_name[ENDPOINT_SIZE], hidden[64];
    uint32_t serial;
    int dir, err = look_for_server(where);

    if (err == 0)
        err = endpoint_file(where, ".d", dir_name);
    if (err != 0)
        return err;
    /* Random, so that nobody can take the names before us. */
    if (getrandom(&serial, sizeof serial, 0) != sizeof serial)
        return -errno;
    snprintf(hidden, sizeof hidden, ".%u.%u.%u", geteuid(), (unsigned)getpid(),
             serial);
    dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir == -1)
        return -errno;
    *box = (struct box){.fd = -1, .full = SEM_FAILED, .back = SEM_FAILED};
    *bell = bell_open(where, "", "bell");
    if (*bell == SEM_FAILED) {
        err = -errno;
    } else {
        err = make_box(box, where, dir, hidden);
        if (err == 0)
            err = announce(box, where, *bell);
    }
    box_remove_names(where, dir, hidden);
    unlinkat(dir, hidden + 1, 0); /* if the server has not */
    close(dir);
    if (err != 0) {
        bell_close(*bell);
        box_close(box);
    }
    return err;
}

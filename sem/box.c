/* box.c - a mailbox's parts. */
#define _GNU_SOURCE /* sem_clockwait, F_OFD_SETLK, preadv */
#include "box.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/uio.h>

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

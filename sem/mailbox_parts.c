/* mailbox_parts.c - what a mailbox is made of. */
#define _GNU_SOURCE /* sem_clockwait, F_OFD_SETLK, preadv */
#include "mailbox.h"

#include "core/clock.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* -- the slot -------------------------------------------------------------- */

int
slot_put(int fd, const struct slot_head *head, const void *body)
{
    struct slot_head copy = *head;
    struct iovec part[] = {
        {.iov_base = &copy, .iov_len = sizeof copy},
        {.iov_base = (void *)(uintptr_t)body, .iov_len = head->len},
    };
    ssize_t n = pwritev(fd, part, 2, SLOT_AT);

    if (n == -1)
        return -errno;
    return (size_t)n == sizeof copy + head->len ? 0 : -ENOSPC;
}

int
slot_get(int fd, struct slot_head *head, void *body)
{
    struct iovec part[] = {
        {.iov_base = head, .iov_len = sizeof *head},
        {.iov_base = body, .iov_len = BODY_MAX},
    };
    ssize_t n = preadv(fd, part, body != NULL ? 2 : 1, SLOT_AT);

    if (n == -1)
        return -errno;
    if ((size_t)n < sizeof *head ||
        (body != NULL && head->len > (size_t)n - sizeof *head))
        return -EBADMSG;
    return 0;
}

/* -- who is alive ---------------------------------------------------------- */

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

/* -- semaphores ------------------------------------------------------------ */

/* O_EXCL: without it a semaphore that somebody has put there is taken for ours,
 * sticky directory or not. */
int
doorbell_make(sem_t **sem, const char *name, mode_t mode)
{
    mode_t mask = umask(0);

    *sem = sem_open(name, O_CREAT | O_EXCL, mode, 0);
    umask(mask);
    return *sem == SEM_FAILED ? -errno : 0;
}

/* sem_timedwait(3) would go by the wall clock, which may be set. */
int
sem_wait_until(sem_t *sem, int64_t deadline)
{
    struct timespec at = ns_to_timespec(deadline);
    int done = deadline == NO_DEADLINE
                   ? sem_wait(sem)
                   : sem_clockwait(sem, CLOCK_MONOTONIC, &at);

    return done == -1 ? -errno : 0;
}

/* Named semaphores need a tmpfs at /dev/shm: sem_overview(7). */
const char *
mailbox_unavailable(void)
{
    static char reason[80];
    char name[ENDPOINT_SIZE];
    sem_t *probe;
    int err = endpoint_probe(name, 0);

    if (err == 0)
        err = doorbell_make(&probe, name, 0600);
    if (err != 0) {
        snprintf(reason, sizeof reason, "sem_open(3): %s; is /dev/shm there?",
                 strerror(-err));
        return reason;
    }
    sem_unlink(name);
    sem_close(probe);
    return NULL;
}

/* -- a mailbox ------------------------------------------------------------- */

int
mailbox_map(struct mailbox *mailbox)
{
    struct stat st;

    if (fstat(mailbox->fd, &st) == -1)
        return -errno;
    if (st.st_size < SLOT_AT) /* else to touch it would be a SIGBUS */
        return -EPERM;
    mailbox->sems = mmap(NULL, sizeof *mailbox->sems, PROT_READ | PROT_WRITE,
                         MAP_SHARED, mailbox->fd, 0);
    return mailbox->sems == MAP_FAILED ? -errno : 0;
}

void
mailbox_let_go(struct mailbox *mailbox)
{
    munmap(mailbox->sems, sizeof *mailbox->sems);
    close(mailbox->fd);
}

void
mailbox_name(char name[MAILBOX_NAME], const char *base, uint32_t pid,
             uint32_t serial)
{
    snprintf(name, MAILBOX_NAME, "%.*s.%u.%u", ENDPOINT_SIZE - 1, base, pid,
             serial);
}

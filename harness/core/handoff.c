/* handoff.c - two processes take turns, by record locks alone. */
#define _GNU_SOURCE /* F_OFD_SETLK, memfd_create */
#include "handoff.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES 3

/* F_OFD_SETLK, _SETLKW or _GETLK for the byte of this turn.  0 or -errno. */
static int
lock(int fd, int command, short type, uint64_t turn)
{
    struct flock l = {.l_type = type,
                      .l_whence = SEEK_SET,
                      .l_start = (off_t)(turn % BYTES),
                      .l_len = 1};

    if (fcntl(fd, command, &l) == -1)
        return errno == EACCES ? -EAGAIN : -errno; /* POSIX allows either */
    return command == F_OFD_GETLK && l.l_type == F_UNLCK ? -EPIPE : 0;
}

/* Line 0 of the table in handoff.h: byte 0 is the turn, and byte 2 is what the
 * other one will wait for in its second wait.  Both before anybody else knows
 * of the file, so nobody can be there first. */
int
handoff_first(struct handoff *h, int fd)
{
    int err = lock(fd, F_OFD_SETLK, F_WRLCK, 0);

    if (err == 0)
        err = lock(fd, F_OFD_SETLK, F_WRLCK, 2);
    *h = (struct handoff){.fd = fd};
    return err;
}

/* Byte 1, for which the first will wait when it has passed byte 0.  Taken
 * before the look: a first that dies between the two is seen to be dead, by its
 * byte. */
int
handoff_second(struct handoff *h, int fd)
{
    int err = lock(fd, F_OFD_SETLK, F_WRLCK, 1);

    *h = (struct handoff){.fd = fd};
    if (err != 0)
        return err;
    err = lock(fd, F_OFD_GETLK, F_WRLCK, 0);
    /* To close fd would not do: who has opened it for us may have it open for a
     * moment more, and the lock is the open file's. */
    if (err != 0)
        (void)lock(fd, F_OFD_SETLK, F_UNLCK, 1);
    return err;
}

int
handoff_pass(struct handoff *h)
{
    /* To unlock never waits, and wakes who waits for this byte: fcntl(2). */
    int err = lock(h->fd, F_OFD_SETLK, F_UNLCK, h->turn);

    h->turn++;
    return err;
}

/* We have the byte: the other one has let go of it, or is dead.  Which of the
 * two, only what it has written can tell (handoff.h). */
int
handoff_try(struct handoff *h)
{
    int err = lock(h->fd, F_OFD_SETLK, F_WRLCK, h->turn);

    h->turn += err == 0;
    return err;
}

/* F_OFD_SETLKW has no time limit; a signal ends it, EINTR, and the alarm sends
 * one at the deadline.  So EINTR means either that, or somebody else's signal:
 * which one it was, the clock tells. */
static int
wait_for_byte(int fd, uint64_t turn, struct alarm *a, int64_t deadline)
{
    int err = alarm_arm(a, deadline);

    if (err == -ETIMEDOUT) { /* one look is free */
        err = lock(fd, F_OFD_SETLK, F_WRLCK, turn);
        return err == -EAGAIN ? -ETIMEDOUT : err;
    }
    if (err == 0)
        err = lock(fd, F_OFD_SETLKW, F_WRLCK, turn);
    alarm_rest(a);
    return err == -EINTR && time_left(deadline) == 0 ? -ETIMEDOUT : err;
}

int
handoff_wait(struct handoff *h, struct alarm *a, int64_t deadline)
{
    int err = wait_for_byte(h->fd, h->turn, a, deadline);

    h->turn += err == 0;
    return err;
}

int
handoff_watch(const struct handoff *h, struct alarm *a, int64_t deadline)
{
    /* It lets go of that after its next turn, and will not have one. */
    return wait_for_byte(h->fd, h->turn + 1, a, deadline);
}

/* F_OFD_GETLK says which lock would keep us out; our own never do.  If it
 * cannot be asked, nobody is declared dead. */
bool
handoff_peer_lives(const struct handoff *h)
{
    struct flock any = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = BYTES};

    return fcntl(h->fd, F_OFD_GETLK, &any) == -1 || any.l_type != F_UNLCK;
}

const char *
handoff_unavailable(void)
{
    static char reason[128];
    int fd = memfd_create("handoff", MFD_CLOEXEC);
    int err = fd == -1 ? -errno : lock(fd, F_OFD_SETLK, F_WRLCK, 0);

    if (fd != -1)
        close(fd);
    if (err == 0)
        return NULL;
    snprintf(reason, sizeof reason,
             "no open file description locks (F_OFD_SETLK): %s",
             strerror(-err));
    return reason;
}

/* lines.c - files that only grow, a line at a time. */
#define _GNU_SOURCE /* pipe2, setresuid, O_NOFOLLOW, gmtime_r */
#include "server/lines.h"

#include "core/defence.h"
#include "core/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Looked at through the descriptor: the name may lead elsewhere by now.  One
 * name only, or it could be a hard link to somebody's precious file. */
static int
check_file(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == -1)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
        (st.st_uid != geteuid() && st.st_uid != 0) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return -EPERM;
    return 0;
}

/* At once, as others see it: no line finds the file closed. */
static void
replace(struct lines *l, int fd)
{
    pthread_mutex_lock(&l->lock);
    if (l->fd != -1)
        close(l->fd);
    l->fd = fd;
    pthread_mutex_unlock(&l->lock);
}

/* Locked, so that lines_remove_empty() sees that it is in use.  Who has it
 * locked against us is about to remove it, and then we make another; or is a
 * stranger who may read it, and does not keep us. */
int
lines_open(struct lines *l, const char *path)
{
    struct stat st;
    int fd;

    for (int tries = 0;; tries++) {
        fd = open(path, LINES_FLAGS, 0600);
        if (fd == -1)
            return -errno;
        if ((flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
             st.st_nlink > 0) ||
            tries == 100)
            return lines_take(l, fd);
        close(fd);
        sched_yield();
    }
}

bool
lines_remove_empty(const char *path)
{
    int fd = open(path, LINES_FLAGS & ~O_CREAT);
    struct stat st;
    bool removed;

    if (fd == -1)
        return false;
    removed = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
              st.st_size == 0 && check_file(fd) == 0 && unlink(path) == 0;
    close(fd);
    return removed;
}

int
lines_take(struct lines *l, int fd)
{
    struct rlimit limit;
    int err = check_file(fd);

    if (err != 0) {
        close(fd);
        return err;
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0) /* confined: as it was before */
        l->most = limit.rlim_cur;
    replace(l, fd);
    return 0;
}

void
lines_close(struct lines *l)
{
    replace(l, -1);
}

int
lines_publish(struct lines *l)
{
    return fchmod(l->fd, 0644) == -1 ? -errno : 0;
}

void
lines_bound(struct lines *l, off_t most)
{
    struct stat st;

    pthread_mutex_lock(&l->lock);
    if (l->fd != -1 && fstat(l->fd, &st) == 0 && st.st_size > most &&
        ftruncate(l->fd, 0) == -1)
        st.st_size = 0; /* it stays as it is, and longer */
    pthread_mutex_unlock(&l->lock);
}

/* -- one line ------------------------------------------------------------- */

/* Does the file end in the middle of a line?  Whoever wrote that had no room,
 * or was killed: a signal that kills ends write(2) at the border of a page. */
static bool
is_torn(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* What does not fit under RLIMIT_FSIZE is not begun (SIGXFSZ is ignored).  A
 * full device takes the part that fits, and that stays, without a newline:
 * cutting it off again could take along what another process wrote.  So the
 * next line begins with one, in the same write(2). */
static int
append(const struct lines *l, const char *line, size_t len)
{
    struct iovec parts[2] = {{.iov_len = 0}, {.iov_len = len}};
    static char newline = '\n';
    struct stat st;
    ssize_t n;

    if (fstat(l->fd, &st) == -1)
        return -errno;
    parts[0].iov_base = &newline;
    parts[0].iov_len = DEFENCE("newline", is_torn(l->fd, st.st_size), false);
    memcpy(&parts[1].iov_base, &line, sizeof line); /* is only read */
    len += parts[0].iov_len;
    if (DEFENCE("room",
                l->most != RLIM_INFINITY && (rlim_t)st.st_size + len > l->most,
                false))
        return -EFBIG;
    do
        n = writev(l->fd, parts, 2);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        return -errno;
    return (size_t)n < len ? -ENOSPC : 0;
}

struct outcome {
    int err;
    off_t end; /* where the line ends */
};

/* An appending write leaves our offset behind what it wrote, whoever else
 * appends: write(2). */
static struct outcome
append_here(const struct lines *l, const char *line, size_t len)
{
    struct outcome o = {.err = append(l, line, len)};

    if (o.err == 0) {
        o.end = lseek(l->fd, 0, SEEK_CUR);
        o.err = o.end == -1 ? -errno : 0;
    }
    return o;
}

/*
 * Our client may kill a set-user-ID server, whose real uid is its own, in the
 * middle of a write(2), or stop it.  So a child that is nobody's but the
 * owner's writes: whoever waits for it may be killed, and the line is whole.
 */
static struct outcome
append_out_of_reach(const struct lines *l, const char *line, size_t len)
{
    struct outcome o = {.err = -EIO};
    const uid_t uid = geteuid();
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) == -1)
        return (struct outcome){.err = -errno};
    pid = fork();
    if (pid == 0) {
        setsid(); /* what a terminal sends goes to everybody there */
        if (setresuid(uid, uid, uid) == 0)
            o = append_here(l, line, len);
        _exit(write(ends[1], &o, sizeof o) != sizeof o);
    }
    if (pid == -1)
        o.err = -errno;
    close(ends[1]);
    while (pid != -1 && read(ends[0], &o, sizeof o) == -1 && errno == EINTR)
        continue;
    close(ends[0]);
    while (pid != -1 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    return o;
}

int
lines_append(struct lines *l, const char *line, size_t len, uint64_t *offset)
{
    struct outcome o = {.err = -EBADF};

    pthread_mutex_lock(&l->lock);
    if (l->fd != -1)
        o = DEFENCE("writer", geteuid() != getuid(), false)
                ? append_out_of_reach(l, line, len)
                : append_here(l, line, len);
    pthread_mutex_unlock(&l->lock);
    if (o.err == 0 && offset != NULL)
        *offset = (uint64_t)o.end - len;
    return o.err;
}

/* -- quoting -------------------------------------------------------------- */

static bool
is_harmless(uint32_t code)
{
    return utf8_is_harmless(code) && code != '"' && code != '\\';
}

void
quote(FILE *out, const char *at, size_t len, size_t most)
{
    const unsigned char *s = (const unsigned char *)at;
    size_t shown = len < most ? len : most;

    fputc('"', out);
    for (size_t i = 0, n; i < shown; i += n) {
        uint32_t code = 0;

        n = utf8_decode(s + i, shown - i, &code);
        if (DEFENCE("quote", n > 0 && is_harmless(code), n > 0)) {
            fwrite(s + i, 1, n, out);
            continue;
        }
        n = n > 0 ? n : 1;
        for (size_t k = 0; k < n; k++)
            fprintf(out, "\\x%02x", s[i + k]);
    }
    fputc('"', out);
    if (shown < len)
        fprintf(out, "...(%zu bytes)", len);
}

void
time_of_day(char text[TIME_SIZE])
{
    struct timespec now;
    struct tm tm;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, TIME_SIZE - n, ".%06ldZ", now.tv_nsec / 1000);
}

/* lines.c - files that only grow, a line at a time. */
#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW, gmtime_r */
#include "server/lines.h"

#include "core/defence.h"
#include "core/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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
    l->torn = false;
    pthread_mutex_unlock(&l->lock);
}

int
lines_open(struct lines *l, const char *path)
{
    int fd = open(path, LINES_FLAGS, 0600);

    return fd == -1 ? -errno : lines_take(l, fd);
}

int
lines_take(struct lines *l, int fd)
{
    int err = check_file(fd);

    if (err != 0) {
        close(fd);
        return err;
    }
    replace(l, fd);
    return 0;
}

void
lines_close(struct lines *l)
{
    replace(l, -1);
}

/* A full device takes the part that fits.  That part stays, without a newline:
 * cutting it off again could take along what another process wrote. */
static int
append(struct lines *l, const char *line, size_t len)
{
    ssize_t n;

    if (l->fd == -1)
        return -EBADF;
    if (l->torn && write(l->fd, "\n", 1) != 1)
        return -ENOSPC;
    l->torn = false;
    do
        n = write(l->fd, line, len);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        return -errno;
    l->torn = (size_t)n < len;
    return l->torn ? -ENOSPC : 0;
}

int
lines_append(struct lines *l, const char *line, size_t len, uint64_t *offset)
{
    off_t end;
    int err;

    pthread_mutex_lock(&l->lock);
    err = append(l, line, len);
    /* An appending write leaves our offset behind what it wrote, whoever else
     * appends: write(2). */
    if (err == 0 && offset != NULL) {
        end = lseek(l->fd, 0, SEEK_CUR);
        if (end == -1)
            err = -errno;
        *offset = (uint64_t)end - len;
    }
    pthread_mutex_unlock(&l->lock);
    return err;
}

/* -- quoting ------------------------------------------------------------------- */

/* Would it end the line, or make a terminal show what is not there?  C0, C1
 * (0x9b begins a command, as ESC [ does), line and paragraph separator, the
 * directions of writing. */
static bool
is_harmless(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code >= 0xa0) && code != '"' &&
           code != '\\' && code != 0x061c && code != 0x200e && code != 0x200f &&
           (code < 0x2028 || code > 0x202e) && (code < 0x2066 || code > 0x2069);
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

/*
 * system_log.c - lines for the system log, and whether they got there.
 *
 * syslog(3) does not say whether the line went anywhere, and we must know.  Its
 * protocol is one datagram: "<priority>time name[pid]: text".
 */
#define _GNU_SOURCE /* secure_getenv, localtime_r, SOCK_CLOEXEC */
#include "server/system_log.h"

#include "core/defence.h"

#include "server/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static enum { NOWHERE, STDERR, DEV_LOG } place;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_socket = -1;

/* systemd says in $JOURNAL_STREAM which file it reads our output from; a
 * redirected standard error is another one: systemd.exec(5). */
static bool
journal_reads_stderr(void)
{
    const char *stream = secure_getenv("JOURNAL_STREAM");
    uintmax_t dev, ino;
    struct stat st;

    return stream != NULL &&
           sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
           st.st_ino == ino;
}

static int
connect_log(void)
{
    const struct sockaddr_un log = {.sun_family = AF_UNIX,
                                    .sun_path = "/dev/log"};
    const struct timeval timeout = {.tv_sec = 1}; /* a full queue may drain */
    int err;

    if (log_socket != -1)
        close(log_socket);
    log_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (log_socket == -1)
        return -errno;
    if (setsockopt(log_socket, SOL_SOCKET, SO_SNDTIMEO, &timeout,
                   sizeof timeout) == 0 &&
        connect(log_socket, (const struct sockaddr *)&log, sizeof log) == 0)
        return 0;
    err = -errno;
    close(log_socket);
    log_socket = -1;
    return err;
}

/* It was full, and we have waited in vain.  All clients have waited along, and
 * whoever fills it, for anybody may write there, would have them wait again
 * with each request: so we do not, until something has been taken. */
static bool was_full;

static int
send_log(int priority, const char *line, int len)
{
    char when[32], text[LINES_SIZE + 64];
    time_t now = time(NULL);
    struct tm tm;
    int n, err = log_socket == -1 ? connect_log() : 0;
    int flags =
        MSG_NOSIGNAL | (DEFENCE("logfull", was_full, false) ? MSG_DONTWAIT : 0);

    strftime(when, sizeof when, "%b %e %T", localtime_r(&now, &tm));
    n = snprintf(text, sizeof text, "<%d>%s ipcd[%jd]: %.*s", priority, when,
                 (intmax_t)getpid(), len, line);
    /* The log has been started anew since: once more, to the new one. */
    for (int tries = 0; err == 0 && tries < 2; tries++) {
        if (send(log_socket, text, (size_t)n, flags) == n) {
            was_full = false;
            return 0;
        }
        was_full = errno == EAGAIN;
        err =
            errno == ECONNREFUSED || errno == ENOTCONN ? connect_log() : -errno;
    }
    return err != 0 ? err : -ECONNREFUSED;
}

int
system_log_write(int level, const char *line, size_t len)
{
    char text[LINES_SIZE + 16];
    int n, err;

    if (place == NOWHERE)
        return -EBADF;
    if (place == STDERR) {
        /* The level only: with a facility the journal takes it for text. */
        n = snprintf(text, sizeof text, "<%d>%.*s\n", level, (int)len, line);
        return write(STDERR_FILENO, text, (size_t)n) == n ? 0 : -EIO;
    }
    pthread_mutex_lock(&lock);
    err = send_log(LOG_AUTHPRIV | level, line, (int)len);
    pthread_mutex_unlock(&lock);
    return err;
}

int
system_log_open(void)
{
    int err = 0;

    place = journal_reads_stderr() ? STDERR : DEV_LOG;
    if (place == DEV_LOG) {
        pthread_mutex_lock(&lock);
        err = connect_log();
        pthread_mutex_unlock(&lock);
    }
    return err;
}

void
system_log_close(void)
{
    place = NOWHERE;
    if (log_socket != -1)
        close(log_socket);
    log_socket = -1;
}

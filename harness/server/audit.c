/* audit.c - one line for each decision. */
#define _GNU_SOURCE /* secure_getenv, localtime_r, SOCK_CLOEXEC, fmemopen */
#include "server/audit.h"

#include "core/clock.h"
#include "server/handover.h"
#include "server/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Bytes: of a line; of an argument that is text, or only bytes.  Escaped, a
 * byte has four. */
#define LINE_SIZE  4096
#define TEXT_SHOWN 256
#define DATA_SHOWN 32

atomic_bool audit_is_on;
static atomic_uint_fast64_t next_seq = 1;
static struct lines file = LINES_CLOSED;
static atomic_bool to_file;

/* -- the system log ------------------------------------------------------------
 *
 * syslog(3) does not say whether the line went anywhere, and we must know.  Its
 * protocol is one datagram: "<priority>time name[pid]: text". */

static enum { NOWHERE, STDERR, DEV_LOG } system_log;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
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
    const struct timeval patience = {.tv_sec = 1}; /* a full queue may drain */
    int err;

    if (log_socket != -1)
        close(log_socket);
    log_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (log_socket == -1)
        return -errno;
    if (setsockopt(log_socket, SOL_SOCKET, SO_SNDTIMEO, &patience,
                   sizeof patience) == 0 &&
        connect(log_socket, (const struct sockaddr *)&log, sizeof log) == 0)
        return 0;
    err = -errno;
    close(log_socket);
    log_socket = -1;
    return err;
}

static int
send_log(int priority, const char *line, int len)
{
    char when[32], text[LINE_SIZE + 64];
    time_t now = time(NULL);
    struct tm tm;
    int n, err = log_socket == -1 ? connect_log() : 0;

    strftime(when, sizeof when, "%b %e %T", localtime_r(&now, &tm));
    n = snprintf(text, sizeof text, "<%d>%s ipcd[%jd]: %.*s", priority, when,
                 (intmax_t)getpid(), len, line);
    /* The log has been started anew since: once more, to the new one. */
    for (int tries = 0; err == 0 && tries < 2; tries++) {
        if (send(log_socket, text, (size_t)n, MSG_NOSIGNAL) == n)
            return 0;
        err =
            errno == ECONNREFUSED || errno == ENOTCONN ? connect_log() : -errno;
    }
    return err != 0 ? err : -ECONNREFUSED;
}

/* len bytes, without a newline. */
static int
to_system_log(int level, const char *line, size_t len)
{
    char text[LINE_SIZE + 16];
    int n, err;

    if (system_log == STDERR) {
        n = snprintf(text, sizeof text, "<%d>%.*s\n", LOG_AUTHPRIV | level,
                     (int)len, line);
        return write(STDERR_FILENO, text, (size_t)n) == n ? 0 : -EIO;
    }
    pthread_mutex_lock(&log_lock);
    err = send_log(LOG_AUTHPRIV | level, line, (int)len);
    pthread_mutex_unlock(&log_lock);
    return err;
}

/* -- where it goes --------------------------------------------------------------- */

int
audit_to_file(const char *path)
{
    int fd = handover_open(HANDOVER_AUDIT, path);
    int err = fd == -1 ? -errno : lines_take(&file, fd);

    if (err == 0)
        to_file = audit_is_on = true;
    return err;
}

int
audit_to_system_log(void)
{
    int err = 0;

    system_log = journal_reads_stderr() ? STDERR : DEV_LOG;
    if (system_log == DEV_LOG) {
        pthread_mutex_lock(&log_lock);
        err = connect_log();
        pthread_mutex_unlock(&log_lock);
    }
    audit_is_on = true;
    return err;
}

void
audit_off(void)
{
    to_file = audit_is_on = false;
    system_log = NOWHERE;
    lines_close(&file);
    if (log_socket != -1)
        close(log_socket);
    log_socket = -1;
}

/* line has len bytes and a newline after them. */
static int
emit(int level, const char *line, size_t len)
{
    int in_file = -EBADF, in_log = -EBADF;

    if (to_file)
        in_file = lines_append(&file, line, len + 1, NULL);
    if (system_log != NOWHERE)
        in_log = to_system_log(level, line, len);
    /* The file was asked for: a line that is only in the log is not enough. */
    return to_file ? in_file : in_log;
}

/* -- the line ----------------------------------------------------------------------- */

static void
print_argument(FILE *out, enum api_type type, const struct api_value *v)
{
    switch (type) {
    case API_U32:
        fprintf(out, "%" PRIu32, v->u32);
        break;
    case API_U64:
        fprintf(out, "%" PRIu64, v->u64);
        break;
    case API_I32:
        fprintf(out, "%" PRId32, v->i32);
        break;
    case API_I64:
        fprintf(out, "%" PRId64, v->i64);
        break;
    case API_STRING:
        quote(out, v->at, v->len, TEXT_SHOWN);
        break;
    case API_BYTES:
        quote(out, v->at, v->len, DATA_SHOWN);
        break;
    case API_FD:
    case API_END:
        break;
    }
}

static void
print_call(FILE *out, const struct audit_record *r)
{
    if (r->method == NULL) {
        fprintf(out, " method=%u(?)", r->number);
        return;
    }
    fprintf(out, " method=%s(", r->method->name);
    if (r->args == NULL)
        fputc('?', out);
    else
        for (size_t i = 0; r->method->args[i].type != API_END; i++) {
            fprintf(out, "%s%s=", i == 0 ? "" : ", ", r->method->args[i].name);
            print_argument(out, r->method->args[i].type, &r->args[i]);
        }
    fputc(')', out);
}

static void
print_clocks(FILE *out, uint64_t seq, int64_t mono)
{
    char when[TIME_SIZE];

    time_of_day(when);
    fprintf(out, "seq=%" PRIu64 " ipcd=%jd time=%s mono=%" PRId64 ".%06" PRId64,
            seq, (intmax_t)getpid(), when, mono / NS_PER_SEC,
            mono % NS_PER_SEC / 1000);
}

/* -1 as -1, whatever the type. */
static intmax_t
id(uint32_t n)
{
    return n == UINT32_MAX ? -1 : (intmax_t)n;
}

/* Ends the line and sends it off; fmemopen(3) cuts off what is too long, and
 * the newline must not be that. */
static int
finish(FILE *out, char *line, int level)
{
    size_t len;

    fclose(out);
    len = strlen(line);
    line[len] = '\n';
    return emit(level, line, len);
}

void
audit_begin(struct audit_record *r)
{
    r->seq = atomic_fetch_add(&next_seq, 1);
    r->start = now_ns();
}

int
audit_write(const struct audit_record *r, const char *status)
{
    char line[LINE_SIZE] = "";
    int64_t now = now_ns();
    FILE *out = fmemopen(line, sizeof line - 1, "w");

    if (out == NULL)
        return -errno;
    print_clocks(out, r->seq, now);
    fprintf(out, " mechanism=%s evidence=%s uid=%jd gid=%jd pid=%jd",
            r->m->name, ipc_evidence_name(r->peer->evidence), id(r->peer->uid),
            id(r->peer->gid), (intmax_t)r->peer->pid);
    print_call(out, r);
    fprintf(out, " decision=%s rule=", r->allowed ? "allow" : "deny");
    quote(out, r->rule, strlen(r->rule), LINE_SIZE / 4);
    fprintf(out, " status=%s", status);
    if (strcmp(status, "begun") != 0)
        fprintf(out, " usec=%" PRId64, (now - r->start) / 1000);
    return finish(out, line, r->allowed ? LOG_INFO : LOG_NOTICE);
}

int
audit_note(const char *what, const char *text)
{
    char line[LINE_SIZE] = "";
    FILE *out;

    if (!audit_is_on)
        return 0;
    out = fmemopen(line, sizeof line - 1, "w");
    if (out == NULL)
        return -errno;
    print_clocks(out, atomic_fetch_add(&next_seq, 1), now_ns());
    fprintf(out, " event=%s text=", what);
    quote(out, text, strlen(text), LINE_SIZE / 8);
    return finish(out, line, LOG_NOTICE);
}

/*
 * methods_files.c - the open server, the log, and the printer.
 *
 * A file is opened, and read, with the caller's rights, by a process that
 * serves nobody else (broker.h): whose file system it is on may answer when it
 * likes.  Only what these rights do not reach, and a rule with path= grants, is
 * opened with the server's.
 */
#define _GNU_SOURCE /* open_memstream, with lines.h */
#include "server/confine.h"
#include "server/lines.h"
#include "server/methods.h"
#include "server/settings.h"

#include "core/clock.h"
#include "core/quota.h"
#include "core/rundir.h"
#include "core/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EOF_FLAG 4 /* bytes of read_file's second result */

/* A worker counts until it has ended, which on a busy machine is a while after
 * its answer: who asks for one file after the other may find that all it may
 * have are still going.  So it is looked again, after 2, 4 .. 64 ms, before
 * somebody is told to come later. */
#define ASK_TRIES 6
#define ASK_PAUSE (2 * NS_PER_MS)

/* Why not, in words. */
static const char *
reason(const struct call *c, int err)
{
    switch (err) {
    case -EINVAL:
        return "give an absolute path";
    case -ENXIO:
        return "not a regular file";
    case -EOPNOTSUPP:
        return "only read_file reads from there";
    case -EPERM: /* open(2) itself says EACCES */
        return c->peer.uid < SYSTEM_IDS
                   ? "this server has given root up, and opens nothing as root "
                     "or a user of the system (ipcd --keep-root does)"
                   : strerror(EPERM);
    default:
        return strerror(-err);
    }
}

static uint32_t ask_again(struct call *c), answered(struct call *c);

/* What the caller asks for, args[0] being the path, put to the broker. */
static uint32_t
ask(struct call *c, bool by_rule)
{
    const bool reads = c->method->number == API_read_file;
    struct broker_request r;
    int err = broker_request(&r, reads ? BROKER_READ : BROKER_OPEN, &c->peer,
                             c->args[0].at, c->args[0].len);

    r.by_rule = by_rule;
    if (reads) {
        r.offset = c->args[1].u64;
        r.count = c->args[2].u32;
        if (r.count > c->room - EOF_FLAG)
            r.count = (uint32_t)(c->room - EOF_FLAG);
    }
    if (err == 0)
        err = broker_ask(&c->broker, &r);
    if (err == -EAGAIN && c->tries < ASK_TRIES) {
        c->resume = ask_again;
        c->due = now_ns() + (ASK_PAUSE << c->tries++);
        return CALL_LATER;
    }
    if (err != 0)
        return call_fail(c, err == -EAGAIN ? WIRE_BUSY : WIRE_OS_ERROR, -err,
                         "cannot get at files: %s", reason(c, err));
    c->resume = answered;
    c->due = c->broker.deadline;
    return CALL_LATER;
}

static uint32_t
ask_again(struct call *c)
{
    return ask(c, c->second);
}

/* What the caller may not open, a rule may let it have. */
static bool
is_granted(struct call *c)
{
    char path[PATH_MAX];
    const char *rest, *rule;

    memcpy(path, c->args[0].at, c->args[0].len);
    path[c->args[0].len] = '\0';
    if (policy_grant(c->policy, &c->peer, c->method, path, &rest, &rule) < 0)
        return false;
    c->rule = rule;
    return true;
}

/* Takes what has been read out of the broker's memory. */
static uint32_t
read_result(struct call *c, const struct broker_answer *a)
{
    ssize_t n = pread(a->fd, c->scratch, (size_t)a->number, 0);

    close(a->fd);
    if (n != a->number)
        return call_fail(c, WIRE_OS_ERROR, EIO, "what was read is not there");
    c->results[0].at = (char *)c->scratch;
    c->results[0].len = (size_t)n;
    c->results[1].u32 = c->args[2].u32 > 0 && n == 0;
    return WIRE_OK;
}

static uint32_t
answered(struct call *c)
{
    struct broker_answer a;
    int err = broker_take(&c->broker, &a);

    if (err == -EAGAIN)
        return CALL_LATER;
    if (err == 0)
        err = a.result;
    if ((err == -EACCES || err == -EPERM) && !c->second && is_granted(c)) {
        c->second = true;
        broker_end(&c->broker);
        return ask(c, true);
    }
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "%.*s: %s",
                         (int)utf8_fit(c->args[0].at, c->args[0].len, 100),
                         c->args[0].at, reason(c, err));
    if (c->method->number == API_read_file)
        return read_result(c, &a);
    c->fd = a.fd;
    return WIRE_OK;
}

static uint32_t
begin(struct call *c)
{
    size_t len = c->args[0].len;

    if (len == 0 || len >= PATH_MAX)
        return call_fail(c, WIRE_BAD_ARGS, 0, "path: 1 to %d bytes",
                         PATH_MAX - 1);
    if (c->args[0].at[0] != '/')
        return call_fail(c, WIRE_BAD_ARGS, EINVAL,
                         "path: give an absolute path");
    return ask(c, false);
}

uint32_t
do_read_file(struct call *c)
{
    if (c->args[1].u64 > INT64_MAX)
        return call_fail(c, WIRE_BAD_ARGS, 0, "offset is too large");
    return begin(c);
}

uint32_t
do_open_file(struct call *c)
{
    if (!(c->service->m->caps & IPC_PASSES_FD))
        return call_fail(c, WIRE_OS_ERROR, EOPNOTSUPP,
                         "no descriptor can travel by %s; use read_file",
                         c->service->m->name);
    return begin(c);
}

/* -- the log and the tray ------------------------------------------------- */

#define LOG_TEXT 1024 /* bytes; four times as many when all are escaped */

/* Anybody may print, known or not, and so no user has a quota of it: the tray is
 * emptied when it is full.  Who prints a lot makes others' lines go. */
#define TRAY_SIZE (64 << 10) /* bytes */

struct written {
    struct lines file;
    const char *name; /* in the run directory */
    bool is_open, is_public;
};

static struct written log_file = {LINES_CLOSED, SETTINGS_LOG, false, false};
static struct written tray = {LINES_CLOSED, SETTINGS_TRAY, false, true};

static int
open_now(struct written *w, const char *path)
{
    int err = lines_open(&w->file, path);

    if (err == 0 && w->is_public)
        err = lines_publish(&w->file);
    w->is_open = err == 0;
    return err;
}

/* When first needed, so that a server that nobody asks leaves no file. */
static int
open_written(struct written *w, char path[PATH_MAX])
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char dir[ENDPOINT_SIZE];
    int err = 0;

    pthread_mutex_lock(&lock);
    if (path[0] == '\0') { /* no daemon: nobody has made it */
        err = rundir_default(dir);
        if (err == 0)
            err = rundir_make(dir);
        if (err >= 0)
            snprintf(path, PATH_MAX, "%s/%s", dir, w->name);
    }
    if (err >= 0 && !w->is_open)
        err = open_now(w, path);
    pthread_mutex_unlock(&lock);
    return err < 0 ? err : 0;
}

int
log_open(void)
{
    return open_written(&log_file, settings.log);
}

int
tray_open(void)
{
    return open_written(&tray, settings.tray);
}

void
methods_close_log(void)
{
    lines_close(&log_file.file);
    lines_close(&tray.file);
    log_file.is_open = tray.is_open = false;
}

/* The text, and by whom: a line to be freed, or NULL. */
static char *
stamped(const struct call *c, size_t *size)
{
    const struct ipc_peer *p = &c->peer;
    char when[TIME_SIZE], *line = NULL;
    FILE *out = open_memstream(&line, size);

    if (out == NULL)
        return NULL;
    time_of_day(when);
    fprintf(out, "%s uid=%jd gid=%jd evidence=%s mechanism=%s text=", when,
            p->uid == (uid_t)-1 ? -1 : (intmax_t)p->uid,
            p->gid == (gid_t)-1 ? -1 : (intmax_t)p->gid,
            ipc_evidence_name(p->evidence), c->service->m->name);
    quote(out, c->args[0].at, c->args[0].len, LOG_TEXT);
    fputc('\n', out);
    if (fclose(out) == 0)
        return line;
    free(line);
    return NULL;
}

static bool
is_a_line(const struct call *c)
{
    return c->args[0].len > 0 && c->args[0].len <= LOG_TEXT;
}

static int
append_stamped(struct call *c, uint64_t *offset)
{
    size_t size = 0;
    char *line = stamped(c, &size);
    int err = line != NULL ? 0 : -ENOMEM;

    if (err == 0)
        err = quota_take(c->peer.uid, QUOTA_LOG, size, now_ns());
    if (err == 0)
        err = lines_append(&log_file.file, line, size, offset);
    free(line);
    return err;
}

uint32_t
do_append_log(struct call *c)
{
    int err;

    if (!is_a_line(c))
        return call_fail(c, WIRE_BAD_ARGS, 0, "text: 1 to %d bytes", LOG_TEXT);
    err = log_open();
    if (err == 0)
        err = append_stamped(c, &c->results[0].u64);
    if (err == -EDQUOT || err == -EAGAIN)
        return call_fail(c, WIRE_BUSY, EAGAIN,
                         "of one user the log takes %ju bytes, and %ju more a "
                         "second",
                         (uintmax_t)quota_kinds[QUOTA_LOG].per_user,
                         (uintmax_t)quota_kinds[QUOTA_LOG].per_second);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "the server's log, %.150s: %s",
                         settings.log, strerror(-err));
    return WIRE_OK;
}

static int
print_stamped(const struct call *c)
{
    size_t size = 0;
    char *line = stamped(c, &size);
    int err = -ENOMEM;

    if (line != NULL) {
        lines_bound(&tray.file, TRAY_SIZE - (off_t)size);
        err = lines_append(&tray.file, line, size, NULL);
    }
    free(line);
    return err;
}

/* A notice: who asked does not hear of a failure, but the audit does. */
uint32_t
do_print(struct call *c)
{
    int err;

    if (!is_a_line(c))
        return call_fail(c, WIRE_BAD_ARGS, 0, "text: 1 to %d bytes", LOG_TEXT);
    err = tray_open();
    if (err == 0)
        err = print_stamped(c);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "the tray, %.150s: %s",
                         settings.tray, strerror(-err));
    return WIRE_OK;
}

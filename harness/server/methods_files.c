/*
 * methods_files.c - the open server, and the log.
 *
 * A file is opened with the caller's rights (open_as.h).  Only what these do not
 * reach, and a rule with path= grants, is opened with ours.
 */
#define _GNU_SOURCE /* open_memstream, with lines.h */
#include "server/lines.h"
#include "server/methods.h"
#include "server/open_as.h"
#include "server/settings.h"

#include "core/rundir.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the caller may not open, a rule may let him have; refused, if none
 * does. */
static int
open_by_rule(struct call *c, const char *path, int refused)
{
    const char *rest, *rule;
    int dir = policy_grant(c->policy, &c->peer, c->method, path, &rest, &rule);

    if (dir < 0)
        return refused;
    c->rule = rule;
    return open_beneath(dir, rest);
}

/* Opens args[0] as the caller; -1 when it failed and c says why. */
static int
open_argument(struct call *c, uint32_t *status)
{
    char path[PATH_MAX];
    size_t len = c->args[0].len;
    int fd;

    if (len == 0 || len >= sizeof path) {
        *status = call_fail(c, WIRE_BAD_ARGS, 0, "path: 1 to %zu bytes",
                            sizeof path - 1);
        return -1;
    }
    memcpy(path, c->args[0].at, len);
    path[len] = '\0';
    fd = open_as(&c->peer, path);
    if (fd == -EACCES || fd == -EPERM)
        fd = open_by_rule(c, path, fd);
    if (fd >= 0)
        return fd;
    *status = call_fail(c, WIRE_OS_ERROR, -fd, "%.100s: %s", path,
                        fd == -EINVAL  ? "give an absolute path"
                        : fd == -ENXIO ? "not a regular file"
                                       : strerror(-fd));
    return -1;
}

uint32_t
do_read_file(struct call *c)
{
    const size_t eof_flag = 4; /* bytes of the second result */
    size_t count = c->args[2].u32;
    uint32_t status = WIRE_OK;
    int fd = open_argument(c, &status);
    ssize_t n;

    if (fd == -1)
        return status;
    if (c->args[1].u64 > INT64_MAX) {
        close(fd);
        return call_fail(c, WIRE_BAD_ARGS, 0, "offset is too large");
    }
    if (count > c->room - eof_flag)
        count = c->room - eof_flag;
    n = pread(fd, c->scratch, count, (off_t)c->args[1].u64);
    if (n == -1)
        status =
            call_fail(c, WIRE_OS_ERROR, errno, "pread: %s", strerror(errno));
    close(fd);
    if (n == -1)
        return status;
    c->results[0].at = (char *)c->scratch;
    c->results[0].len = (size_t)n;
    c->results[1].u32 = count > 0 && n == 0;
    return WIRE_OK;
}

uint32_t
do_open_file(struct call *c)
{
    uint32_t status = WIRE_OK;

    if (!(c->service->m->caps & IPC_PASSES_FD))
        return call_fail(c, WIRE_OS_ERROR, EOPNOTSUPP,
                         "no descriptor can travel by %s; use read_file",
                         c->service->m->name);
    c->fd = open_argument(c, &status);
    return status;
}

/* -- the log --------------------------------------------------------------------- */

#define LOG_TEXT 1024 /* bytes; four times as many when all are escaped */

static struct lines log_file = LINES_CLOSED;
static bool log_is_open;

/* When first needed, so that a server that nobody asks leaves no file. */
int
log_open(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char dir[ENDPOINT_SIZE];
    int err = 0;

    pthread_mutex_lock(&lock);
    if (settings.log[0] == '\0') { /* no daemon: nobody has made it */
        err = rundir_default(dir);
        if (err == 0)
            err = rundir_make(dir);
        if (err >= 0)
            snprintf(settings.log, sizeof settings.log, "%s/append.log", dir);
    }
    if (err >= 0 && !log_is_open) {
        err = lines_open(&log_file, settings.log);
        log_is_open = err == 0;
    }
    pthread_mutex_unlock(&lock);
    return err < 0 ? err : 0;
}

void
methods_close_log(void)
{
    lines_close(&log_file);
    log_is_open = false;
}

static int
append_stamped(struct call *c, uint64_t *offset)
{
    const struct ipc_peer *p = &c->peer;
    char when[TIME_SIZE], *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    int err;

    if (out == NULL)
        return -errno;
    time_of_day(when);
    fprintf(out, "%s uid=%ju gid=%jd evidence=%s mechanism=%s text=", when,
            (uintmax_t)p->uid, p->gid == (gid_t)-1 ? -1 : (intmax_t)p->gid,
            ipc_evidence_name(p->evidence), c->service->m->name);
    quote(out, c->args[0].at, c->args[0].len, LOG_TEXT);
    fputc('\n', out);
    err = fclose(out) == 0 ? 0 : -ENOMEM;
    if (err == 0)
        err = lines_append(&log_file, line, size, offset);
    free(line);
    return err;
}

uint32_t
do_append_log(struct call *c)
{
    int err;

    if (c->args[0].len == 0 || c->args[0].len > LOG_TEXT)
        return call_fail(c, WIRE_BAD_ARGS, 0, "text: 1 to %d bytes", LOG_TEXT);
    err = log_open();
    if (err == 0)
        err = append_stamped(c, &c->results[0].u64);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "the server's log, %.150s: %s",
                         settings.log, strerror(-err));
    return WIRE_OK;
}

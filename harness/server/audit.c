/* audit.c - one line for each decision. */
#define _GNU_SOURCE /* fmemopen */
#include "server/audit.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/quota.h"
#include "server/denials.h"
#include "server/handover.h"
#include "server/lines.h"
#include "server/system_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* Bytes of an argument that is text, or only bytes. */
#define TEXT_SHOWN 256
#define DATA_SHOWN 32

atomic_bool audit_is_on;
static atomic_uint_fast64_t next_seq = 1;
static struct lines file = LINES_CLOSED;
static atomic_bool to_file;
static struct denials denials = DENIALS_NONE;

/* -- where it goes -------------------------------------------------------- */

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
    int err = system_log_open();

    audit_is_on = true;
    return err;
}

/* line has len bytes and a newline after them. */
static int
emit(int level, const char *line, size_t len)
{
    int in_file = to_file ? lines_append(&file, line, len + 1, NULL) : 0;
    int in_log = system_log_write(level, line, len);

    /* The file was asked for: a line that is only in the log is not enough. */
    return to_file ? in_file : in_log;
}

/* -- the line ------------------------------------------------------------- */

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

/* Of those who have stopped asking for what they may not have. */
static void
settle(int64_t now)
{
    uint64_t omitted;
    char text[64];
    uid_t uid;

    while (denials_over(&denials, now, &uid, &omitted)) {
        snprintf(text, sizeof text, "uid=%jd, omitted=%" PRIu64, id(uid),
                 omitted);
        audit_note("lines-omitted", text);
    }
}

/* May this line be written?  To what has begun there is an end. */
static int
pay(const struct audit_record *r, size_t len, int64_t now)
{
    int err;

    if (!r->allowed) /* has paid otherwise: denials_write() */
        return 0;
    err = DEFENCE("audit", quota_take(r->peer->uid, QUOTA_AUDIT, len, now), 0);
    return r->begun ? 0 : err;
}

int
audit_write(const struct audit_record *r, const char *status)
{
    char line[LINES_SIZE] = "";
    int64_t now = now_ns();
    uint64_t omitted = 0;
    FILE *out;
    int err;

    settle(now);
    if (!r->allowed && !denials_write(&denials, r->peer->uid, now, &omitted))
        return 0;
    out = fmemopen(line, sizeof line - 1, "w");
    if (out == NULL)
        return -errno;
    print_clocks(out, r->seq, now);
    fprintf(out, " mechanism=%s evidence=%s uid=%jd gid=%jd pid=%jd",
            r->m->name, ipc_evidence_name(r->peer->evidence), id(r->peer->uid),
            id(r->peer->gid), (intmax_t)r->peer->pid);
    print_call(out, r);
    fprintf(out, " decision=%s rule=", r->allowed ? "allow" : "deny");
    quote(out, r->rule, strlen(r->rule), LINES_SIZE / 4);
    fprintf(out, " status=%s", status);
    if (strcmp(status, "begun") != 0)
        fprintf(out, " usec=%" PRId64, (now - r->start) / 1000);
    fflush(out);
    err = pay(r, strlen(line), now);
    if (err != 0) {
        fclose(out);
        if (strcmp(status, "begun") == 0)
            return err;
        denials_omit(&denials, r->peer->uid, now);
        return 0;
    }
    if (r->allowed)
        omitted = denials_omitted(&denials, r->peer->uid);
    if (omitted > 0)
        fprintf(out, " omitted=%" PRIu64, omitted);
    return finish(out, line, r->allowed ? LOG_INFO : LOG_NOTICE);
}

int
audit_note(const char *what, const char *text)
{
    char line[LINES_SIZE] = "";
    FILE *out;

    if (!audit_is_on)
        return 0;
    out = fmemopen(line, sizeof line - 1, "w");
    if (out == NULL)
        return -errno;
    print_clocks(out, atomic_fetch_add(&next_seq, 1), now_ns());
    fprintf(out, " event=%s text=", what);
    quote(out, text, strlen(text), LINES_SIZE / 8);
    return finish(out, line, LOG_NOTICE);
}

void
audit_off(void)
{
    settle(INT64_MAX);
    to_file = audit_is_on = false;
    lines_close(&file);
    system_log_close();
}

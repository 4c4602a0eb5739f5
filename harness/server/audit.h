/*
 * audit.h - one line for each decision of the server:
 *
 *   seq=7 ipcd=790 time=2026-11-22T13:45:01.123456Z mono=4711.000321
 *   mechanism=socket/stream evidence=K3 uid=10001 gid=10001 pid=812
 *   method=set_hostname(name="web1") decision=allow
 *   rule="policy.conf:7 allow set_hostname uid=10001 min=K3" status=ok usec=42
 *
 * (all in one line).  What a caller had a hand in stands in quotes, escaped
 * (lines.h): nobody writes a line of his own into the audit.  Unknown ids are
 * -1.  seq counts in each ipcd by itself.  Two clocks: the time of day can be
 * set, the monotonic one cannot.
 *
 * A method that writes (api.def) has two lines with the same seq: one before,
 * status=begun, and one after.  If the first one cannot be written the method
 * is not carried out.
 *
 * Of many lines of one user not all are written (denials.h): omitted=1234 says
 * how many before that line are not there, and where no other line of his
 * follows, one with event=lines-omitted does.
 *
 * The audit is off until one of the two is called that turn it on.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "core/api.h"
#include "core/ipc.h"
#include "server/policy.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Also writes to this file (lines_open()); called again, to it from now on. */
int audit_to_file(const char *path);

/* Also writes to the system log, facility authpriv: to standard error if
 * systemd reads that, else to /dev/log.  0, or why neither is there: it is
 * tried again for each line. */
int audit_to_system_log(void);

/* Writes what is still to be said, and ends it. */
void audit_off(void);

extern atomic_bool audit_is_on;

/* What there is to say.  The status is filled in when the method is done. */
struct audit_record {
    const struct ipc_mechanism *m;
    const struct ipc_peer *peer;
    uint16_t number;                 /* of the method asked for */
    const struct api_method *method; /* NULL: there is none of that number */
    const struct api_value *args;    /* NULL: they do not decode */
    bool allowed;
    bool begun; /* it writes, and the first of its two lines is written */
    const char *rule;
    uint64_t seq;  /* audit_begin() */
    int64_t start; /* the same, ns of now_ns() */
};

/* Numbers the record and starts its clock. */
void audit_begin(struct audit_record *r);

/* Writes the line: status is a word, "ok", "begun"; usec is shown unless it has
 * only begun.  0 when the file has it, or, without a file, the system log, or
 * if it is one too many of those that only ask; else -errno: -EDQUOT, -EAGAIN
 * when this user's quota of the audit is spent. */
int audit_write(const struct audit_record *r, const char *status);

/* Something about the server itself: "policy_reloaded", and a text. */
int audit_note(const char *what, const char *text);

#endif

/*
 * ipcctl.h - the parts of ipcctl: its command line (ipcctl.c), the call and
 * what is printed of it (ipcctl_call.c), the methods and their description
 * (ipcctl_describe.c), what a server has done and who has what of it
 * (ipcctl_stats.c).
 */
#ifndef IPCCTL_H
#define IPCCTL_H

#include "core/client.h"

#include <stdbool.h>
#include <stdio.h>

/* Exit status, beside 0 and 64 (usage). */
enum { SAID_NO = 1, CANNOT_TALK = 2 };

/* What the command line says. */
struct ctl_options {
    const struct ipc_mechanism *m;
    const char *dir, *server, *at;
    int64_t timeout_ns;
    bool page, trace;
    char **words; /* method and arguments */
    int word_count;
};

extern struct ctl_options options;

/* Says what is wrong with the command line, and ends the program. */
void __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *format, ...);

/* -- ipcctl_call.c --------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP end a call, and we go home by the usual way.  To
 * be called before anything is made: ipc_unavailable() makes objects to try. */
void ctl_catch_signals(void);

/* Opens, calls, prints, closes.  The exit status. */
int ctl_call(const struct api_method *method, const struct api_value *args);

/* What a server says goes to somebody's terminal: no control characters. */
void print_text(FILE *out, const struct api_value *v);

/* A reply of any status; closes its descriptor.  The exit status. */
int print_reply(const struct api_method *method, const struct reply *r);

/* -- ipcctl_describe.c ----------------------------------------------------- */

/* The methods of this build; or, asked for them one by one, the server's:
 * client_call()'s error, or the exit status. */
int describe_own(void);
int describe_theirs(struct client *c, const struct api_method *method);

/* -- ipcctl_stats.c -------------------------------------------------------- */

/* What has been done, and who has what of what is counted: several calls, as
 * describe_theirs(). */
int stats_of(struct client *c, const struct api_method *method);

/* -- ipcctl_trace.c -------------------------------------------------------- */

/* client.h, watch: a line on standard error for each frame. */
void trace_frame(const struct ipc_message *msg, bool sent, const char *why);

#endif

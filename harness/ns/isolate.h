/*
 * isolate.h - `ipcbench isolate`: which mechanism still connects when client
 * and server no longer share a namespace?
 *
 *                       ipc  net  mnt  mnt+fs  pid  user ...
 *      pipe/packet      a cell: one server, one client, one of the two in a
 *      fifo/perclient   new namespace of that kind, a call of `whoami`
 *      ...
 *
 * Every cell is run, twice: with the client inside and with the server inside.
 * What ought to happen follows from what a mechanism uses (its table) and what
 * each namespace takes away (isolate_expect.c), and what did happen is held
 * against it.
 */
#ifndef ISOLATE_H
#define ISOLATE_H

#include "core/ipc.h"

#include <stdbool.h>
#include <stdio.h>

/* -- the columns ----------------------------------------------------------- */

enum {
    FORM_NONE, /* for comparison: nothing in between */
    FORM_IPC,
    FORM_NET,
    FORM_MNT,
    FORM_MNT_FS, /* and empty file systems over its directories */
    FORM_PID,
    FORM_USER,
    FORM_USER_NEW, /* and another number for the same user */
    FORM_UTS,
    FORM_CGROUP,
    FORM_TIME,
    FORMS
};

struct isolate_form {
    const char *name;
    int flags;       /* for unshare(2) */
    bool covered;    /* an empty file system over run directory and /dev/shm */
    bool renumbered; /* the user has another uid inside */
};

extern const struct isolate_form isolate_forms[FORMS];

enum isolate_side { CLIENT_INSIDE, SERVER_INSIDE, SIDES };

/* -- what happens ---------------------------------------------------------- */

enum isolate_result {
    ISOLATE_CONNECTS,
    ISOLATE_REFUSED, /* .err says how, -ETIMEDOUT: silence */
    ISOLATE_ABSENT,  /* not to be had here: .reason */
};

/* A number that names the client, as whoami returns it. */
enum isolate_seen {
    SEEN_UNKNOWN,    /* -1: this mechanism does not tell */
    SEEN_OWN,        /* as the client itself sees it */
    SEEN_TRANSLATED, /* as it is called in the server's namespace */
    SEEN_LOST,       /* -1, where without namespaces it tells */
    SEEN_OTHER
};

struct isolate_outcome {
    enum isolate_result result;
    int err; /* ISOLATE_REFUSED: -errno */
    enum isolate_seen pid, uid;
};

struct isolate_cell {
    const struct ipc_mechanism *m;
    int form; /* FORM_... */
    enum isolate_side side;
    struct isolate_outcome seen, expected;
    bool known;         /* its table says what it uses */
    bool surprise;      /* they differ */
    const char *why;    /* of the expected outcome: one sentence */
    const char *reason; /* ISOLATE_ABSENT */
    char lacks[128];    /* ... if it turned out only then */
};

/* -- one cell (isolate_cell.c) --------------------------------------------- */

/* What a cell's processes write down. */
struct isolate_notes {
    int err; /* 0, or what open() or the call said; 1: it never came to that */
    char lacks[128]; /* what there was not enough of: the reason; or "" */
    pid_t own_pid, outer_pid;
    uid_t own_uid;
    int64_t seen_pid, seen_uid;
};

/* What this user has to ask unshare(2) for. */
int isolate_flags(const struct isolate_form *f);

/* Enters namespaces of this form, with dir as the run directory to cover: all
 * but that of process ids, which only children enter.  0 or -errno. */
int isolate_enter(const struct isolate_form *f, const char *dir);

/* Runs a cell, in a process of its own; ends it. */
_Noreturn void isolate_cell(const struct isolate_cell *c, const char *dir,
                            struct isolate_notes *notes);

/* What the notes mean. */
struct isolate_outcome isolate_judge(const struct isolate_cell *c,
                                     const struct isolate_notes *notes);

/* `ipcbench --stdio -m NAME`: enters the namespaces of the form in
 * $IPCLAB_ISOLATE and becomes the server.  For spawned mechanisms; returns an
 * exit status if it fails. */
int isolate_stdio(const char *mechanism);

/* -- the whole matrix (isolate_plan.c, isolate_run.c, isolate.c) ----------- */

struct isolate_matrix {
    struct isolate_cell *cells;
    size_t n;
    char *absent[FORMS]; /* why a column cannot be had; or NULL */
};

/* Cells for these mechanisms ("pipe", "pipe/packet"; none: all).  -EINVAL if
 * one names nothing.  To be freed with isolate_free(). */
int isolate_plan(struct isolate_matrix *x, const char *const *mechanisms);
void isolate_free(struct isolate_matrix *x);

/* Runs them.  -EINTR: a signal has ended it. */
int isolate_run(struct isolate_matrix *x);

/* The verb: plan, run, report.  An exit status: 1 if anything was not as
 * expected.  out: the results go into a new directory there; NULL: results/. */
int isolate(const char *const *mechanisms, const char *out);

/* -- expectations (isolate_expect.c) --------------------------------------- */

/* Fills in .expected and .why.  false: the mechanism's table does not say what
 * it uses. */
bool isolate_expect(struct isolate_cell *c);

/* Are they the same? */
bool isolate_same(const struct isolate_outcome *a,
                  const struct isolate_outcome *b);

/* -- report (isolate_report.c) --------------------------------------------- */

/* "yes", "uid", "ENOENT": at most 8 characters. */
const char *isolate_word(const struct isolate_outcome *o);

/* In lines of so many columns (wrap_columns()); what differs in no way has none
 * when there is not room for all. */
void isolate_tables(const struct isolate_matrix *x, int columns, FILE *f);
void isolate_csv(const struct isolate_matrix *x, FILE *f);

#endif

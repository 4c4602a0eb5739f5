/*
 * record.h - what a run leaves: one directory of results, and the raw rows in
 * it.
 *
 *      results/20251122T095300Z-host/
 *          INCOMPLETE        until the run has come to its end
 *          cells.csv         one row per cell and round: struct row
 *          summary.csv       one row per cell: struct line (summary.h)
 *          histograms.csv    every time of every round (distribution.h)
 *          run.json          the machine, the program, the run
 *          latency.svg ...   charts
 *      results/latest        symbolic link to the last complete run
 *
 * Everything that is printed or drawn comes from cells.csv, but for p99.9 and
 * the tails, which come from histograms.csv.
 */
#ifndef RECORD_H
#define RECORD_H

#include "bench/csv.h"
#include "bench/placement.h"

#define RECORD_PATH 512 /* bytes of a path in here, with the NUL */

/* What became of a cell in a round. */
enum status {
    ROW_NO_STATUS,
    ROW_ABSENT, /* cannot be measured here; round is 0 */
    ROW_FAILED,
    ROW_OK,
    ROW_REJECTED, /* measured, but something disturbed it */
    ROW_OTHER_STATUS
};

/* Kinds of cells; in the order of their words, in which files are sorted. */
enum kind {
    ROW_ANY_KIND, /* a reason for all of them */
    ROW_CALLS,    /* system calls of a round trip, counted */
    ROW_CLIENTS,  /* round trips of several clients at once */
    ROW_GAPS,     /* interruptions of a loop that does nothing */
    ROW_LOAD,     /* round trips by a schedule */
    ROW_RTT,      /* echo and back; an operation is a round trip */
    ROW_SETUP,    /* an operation is open() and the first reply */
    ROW_STREAM,   /* one way; an operation is a message */
    ROW_OTHER_KIND
};

enum mode {
    ROW_NO_MODE,
    ROW_CLOSED,     /* a load: the next request when the reply is there */
    ROW_DUE,        /* ... at fixed times, timed from when it was due */
    ROW_ONE_BY_ONE, /* a stream: each acknowledged before the next */
    ROW_PIPELINED,  /* ... sent without waiting */
    ROW_SENT,       /* a load at fixed times, timed from when it was sent */
    ROW_OTHER_MODE
};

/* As they stand in the files. */
extern const char *const status_words[], *const kind_words[],
                                             *const mode_words[];

struct row {
#include "bench/csv_members.h"

#include "bench/row.def"
    /* to the floor, to the bare echo with the same system calls, to the cache
     * line: not in the file, see summary.h */
    double ratio, own_ratio, line_ratio;
};

extern const struct csv_column row_columns[];

/* A row in which nothing has been measured yet: numbers are NAN. */
struct row row_empty(void);

/* -- the directory --------------------------------------------------------- */

struct record {
    char parent[RECORD_PATH]; /* "results" */
    char name[RECORD_PATH];   /* "20251122T095300Z-host" */
    char dir[RECORD_PATH];    /* both */
    FILE *cells;
};

/* Makes the directory, INCOMPLETE and cells.csv.  parent NULL: results, if the
 * current directory is our source tree or has one, else ipclab-results. */
int record_open(struct record *rec, const char *parent);

/* Appends to cells.csv; record_flush() brings it to the disk's notice. */
int record_row(struct record *rec, const struct row *row);
int record_flush(struct record *rec);

/* Closes cells.csv. */
int record_close(struct record *rec);

/* Declares the run complete: removes INCOMPLETE; if it measured something
 * (latest_one), `latest` is this one from now on. */
int record_complete(const struct record *rec, bool latest_one);

/* Makes the directory of another kind of run, parent/TIME-HOST-what.  parent
 * NULL: results/ in the source tree, elsewhere ipclab-results/. */
int record_directory(const char *parent, const char *what,
                     char dir[RECORD_PATH]);

/* The directory of a run, given that or the cells.csv in it.  -ENAMETOOLONG. */
int record_of(const char *path, char dir[RECORD_PATH]);

/* dir/file.  -ENAMETOOLONG. */
int record_path(const char *dir, const char *file, char path[RECORD_PATH]);

/* Writes dir/file anew: put(what, f), 0 or -errno, writes what is in it.  0;
 * put's error; or what the system said, of a full disk for example. */
int record_file(const char *dir, const char *file,
                int (*put)(const void *what, FILE *f), const void *what);

/* Is the run in dir marked incomplete? */
int record_incomplete(const char *dir);

/* All rows of dir/cells.csv; *rows is to be freed.  -EBADMSG: line *bad is not
 * a row. */
int record_read(const char *dir, struct row **rows, size_t *n, unsigned *bad);

#endif

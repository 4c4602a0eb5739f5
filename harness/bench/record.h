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
 * Everything that is printed or drawn comes from cells.csv, but for p99.9 and the
 * tails, which come from histograms.csv.
 */
#ifndef RECORD_H
#define RECORD_H

#include "bench/csv.h"

#define RECORD_PATH 512 /* bytes of a path in here, with the NUL */

/* What became of a cell in a round. */
#define ROW_OK       "ok"
#define ROW_REJECTED "rejected" /* measured, but something disturbed it */
#define ROW_FAILED   "failed"
#define ROW_ABSENT   "absent" /* cannot be measured here; round is 0 */

/* Kinds of cells. */
#define ROW_RTT     "rtt"     /* echo and back; an operation is a round trip */
#define ROW_STREAM  "stream"  /* one way; an operation is a message */
#define ROW_SETUP   "setup"   /* an operation is open() and the first reply */
#define ROW_CLIENTS "clients" /* round trips of several clients at once */
#define ROW_LOAD    "load"    /* round trips by a schedule */
#define ROW_CALLS   "calls"   /* system calls of a round trip, counted */
#define ROW_GAPS    "gaps"    /* interruptions of a loop that does nothing */

#define ROW_PIPELINED  "pipelined"  /* sent without waiting */
#define ROW_ONE_BY_ONE "one by one" /* each acknowledged before the next */

/* Modes of a load. */
#define ROW_CLOSED "closed" /* the next request when the reply is there */
#define ROW_SENT   "sent"   /* at fixed times, timed from when it was sent */
#define ROW_DUE    "due"    /* ... from when it should have been sent */

struct row {
    long round;         /* from 1 */
    char mechanism[40]; /* or floor/pipe, floor/memcpy, floor/clock */
    char placement[24];
    char kind[8];
    char mode[16]; /* of a stream: ROW_PIPELINED, ROW_ONE_BY_ONE */
    long size;     /* payload, bytes */
    long clients;  /* at once */
    long copy;     /* 1: the second of the A/A pair */
    char status[12], reason[160];
    long n, batch;  /* operations; how many per time stamp */
    double seconds; /* for all n */
    /* per operation, ns; of the batches' means where batch > 1 */
    double mean_ns, min_ns, p50_ns, p99_ns, max_ns;
    double per_second, bytes_per_second;
    /* per operation: voluntary and involuntary context switches */
    double client_voluntary, client_involuntary;
    double server_voluntary, server_involuntary;
    double client_cpu, server_cpu;       /* CPU time / time */
    double client_faults, server_faults; /* page faults, minor and major */
    double fairness; /* of several clients: Jain's index of their shares */
    /* ROW_CALLS: system calls of either side, and which: "client: 1 read" */
    double client_calls, server_calls;
    char calls[240];
    /* to the floor, and to the bare echo with the same system calls: not in
     * the file, see summary.h */
    double ratio, own_ratio;
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

/* Declares the run complete: removes INCOMPLETE, turns latest. */
int record_complete(const struct record *rec);

/* Makes the directory of another kind of run, parent/TIME-HOST-what.  parent
 * NULL: results/ in the source tree, elsewhere ipclab-results/. */
int record_directory(const char *parent, const char *what,
                     char dir[RECORD_PATH]);

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

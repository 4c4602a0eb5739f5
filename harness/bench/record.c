/* record.c - the directory of results, and the raw rows in it. */
#define _GNU_SOURCE /* gethostname, symlink */
#include "bench/record.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *const status_words[] = {
    [ROW_NO_STATUS] = "",
    [ROW_ABSENT] = "absent",
    [ROW_FAILED] = "failed",
    [ROW_OK] = "ok",
    [ROW_REJECTED] = "rejected",
    [ROW_OTHER_STATUS] = "other",
    NULL,
};

const char *const kind_words[] = {
    [ROW_ANY_KIND] = "",        [ROW_CALLS] = "calls",
    [ROW_CLIENTS] = "clients",  [ROW_GAPS] = "gaps",
    [ROW_LOAD] = "load",        [ROW_RTT] = "rtt",
    [ROW_SETUP] = "setup",      [ROW_STREAM] = "stream",
    [ROW_OTHER_KIND] = "other", NULL,
};

const char *const mode_words[] = {
    [ROW_NO_MODE] = "",
    [ROW_CLOSED] = "closed",
    [ROW_DUE] = "due",
    [ROW_ONE_BY_ONE] = "one by one",
    [ROW_PIPELINED] = "pipelined",
    [ROW_SENT] = "sent",
    [ROW_OTHER_MODE] = "other",
    NULL,
};

const struct csv_column row_columns[] = {
#define CSV_OF struct row
#include "bench/csv_columns.h"

#include "bench/row.def"
    {.name = NULL},
};

struct row
row_empty(void)
{
    struct row r = {.batch = 1, .clients = 1};

    csv_unknown(row_columns, &r);
    return r;
}

/* -- the directory --------------------------------------------------------- */

static int
is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

#define STAMP 96 /* bytes: a time, at most 64 of a name, the NUL */

/* "20251122T095300Z-host" */
static const char *
time_and_host(char buf[STAMP])
{
    char host[65] = "";
    time_t now = time(NULL);
    struct tm utc;
    size_t n;

    gethostname(host, sizeof host - 1);
    for (char *p = host; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
            *p = '_';
    gmtime_r(&now, &utc);
    n = strftime(buf, STAMP, "%Y%m%dT%H%M%SZ-", &utc);
    snprintf(buf + n, STAMP - n, "%s", host[0] != '\0' ? host : "host");
    return buf;
}

/* With "-2" and so on if there is one already. */
static int
name_run(struct record *rec, int attempt)
{
    char stamp[STAMP], again[16] = "";

    if (attempt > 1)
        snprintf(again, sizeof again, "-%d", attempt);
    snprintf(rec->name, sizeof rec->name, "%s%s", time_and_host(stamp), again);
    return record_path(rec->parent, rec->name, rec->dir);
}

static int
make_directory(struct record *rec)
{
    int err;

    if (mkdir(rec->parent, 0777) == -1 && errno != EEXIST)
        return -errno;
    for (int attempt = 1; attempt < 100; attempt++) {
        err = name_run(rec, attempt);
        if (err != 0)
            return err;
        if (mkdir(rec->dir, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

int
record_directory(const char *parent, const char *what, char dir[RECORD_PATH])
{
    char name[STAMP + 20], stamp[STAMP];
    int err;

    if (parent == NULL)
        parent = access("harness/core/ipc.h", F_OK) == 0 ? "results"
                                                         : "ipclab-results";
    if (mkdir(parent, 0777) == -1 && errno != EEXIST)
        return -errno;
    snprintf(name, sizeof name, "%s-%.16s", time_and_host(stamp), what);
    err = record_path(parent, name, dir);
    if (err == 0 && mkdir(dir, 0777) == -1 && errno != EEXIST)
        err = -errno;
    return err;
}

static int
put_text(const void *text, FILE *f)
{
    return fputs(text, f) == EOF ? -errno : 0;
}

static int
mark_incomplete(const char *dir)
{
    return record_file(
        dir, "INCOMPLETE", put_text,
        "This run did not come to its end: it is still going on, or it was "
        "stopped.\nWhat it measured until then is in cells.csv; "
        "`ipcbench report` draws that.\n");
}

int
record_open(struct record *rec, const char *parent)
{
    char path[RECORD_PATH];
    int err;

    *rec = (struct record){.cells = NULL};
    if (parent == NULL)
        parent = is_there("results") || is_there("harness/core/ipc.h")
                     ? "results"
                     : "ipclab-results";
    if ((size_t)snprintf(rec->parent, sizeof rec->parent, "%s", parent) >=
        sizeof rec->parent)
        return -ENAMETOOLONG;
    err = make_directory(rec);
    if (err == 0)
        err = mark_incomplete(rec->dir);
    if (err == 0)
        err = record_path(rec->dir, "cells.csv", path);
    if (err != 0)
        return err;
    rec->cells = fopen(path, "we");
    if (rec->cells == NULL)
        return -errno;
    err = csv_write_header(rec->cells, row_columns);
    return err != 0 ? err : record_flush(rec);
}

int
record_row(struct record *rec, const struct row *row)
{
    return csv_write(rec->cells, row_columns, row);
}

int
record_flush(struct record *rec)
{
    return fflush(rec->cells) == EOF ? -errno : 0;
}

int
record_close(struct record *rec)
{
    FILE *f = rec->cells;

    rec->cells = NULL;
    return f != NULL && fclose(f) == EOF ? -errno : 0;
}

int
record_complete(const struct record *rec, bool latest_one)
{
    char mark[RECORD_PATH], latest[RECORD_PATH], fresh[RECORD_PATH];
    int err = record_path(rec->dir, "INCOMPLETE", mark);

    if (err == 0)
        err = record_path(rec->parent, "latest", latest);
    if (err == 0)
        err = record_path(rec->parent, ".latest", fresh);
    if (err != 0)
        return err;
    /* Made beside and renamed over: latest always points at something. */
    unlink(fresh);
    if (latest_one &&
        (symlink(rec->name, fresh) == -1 || rename(fresh, latest) == -1))
        return -errno;
    return unlink(mark) == -1 ? -errno : 0;
}

int
record_of(const char *path, char dir[RECORD_PATH])
{
    char *slash;

    if (strcmp(path, "cells.csv") == 0)
        path = "./cells.csv";
    if ((size_t)snprintf(dir, RECORD_PATH, "%s", path) >= RECORD_PATH)
        return -ENAMETOOLONG;
    slash = strrchr(dir, '/');
    if (slash != NULL && strcmp(slash, "/cells.csv") == 0)
        *slash = '\0';
    return 0;
}

int
record_path(const char *dir, const char *file, char path[RECORD_PATH])
{
    int n = snprintf(path, RECORD_PATH, "%s/%s", dir, file);

    return n < RECORD_PATH ? 0 : -ENAMETOOLONG;
}

int
record_file(const char *dir, const char *file,
            int (*put)(const void *what, FILE *f), const void *what)
{
    char path[RECORD_PATH];
    int err = record_path(dir, file, path);
    bool broken;
    FILE *f;

    if (err != 0)
        return err;
    f = fopen(path, "we");
    if (f == NULL)
        return -errno;
    err = put(what, f);
    broken = ferror(f);
    if (fclose(f) == EOF && err == 0) /* knows why, if anybody does */
        err = -errno;
    return err == 0 && broken ? -EIO : err;
}

int
record_incomplete(const char *dir)
{
    char path[RECORD_PATH];

    return record_path(dir, "INCOMPLETE", path) == 0 && is_there(path);
}

int
record_read(const char *dir, struct row **rows, size_t *n, unsigned *bad)
{
    const struct row empty = row_empty();
    char path[RECORD_PATH];
    struct csv_reader r;
    int err = record_path(dir, "cells.csv", path);
    FILE *f;

    *rows = NULL;
    *n = 0;
    *bad = 1;
    if (err != 0)
        return err;
    f = fopen(path, "re");
    if (f == NULL)
        return -errno;
    err = csv_open(&r, f, row_columns);
    if (err == 0)
        *rows = csv_read_all(&r, &empty, sizeof empty, n, &err);
    *bad = r.line;
    fclose(f);
    return err;
}

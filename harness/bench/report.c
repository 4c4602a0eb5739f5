/* report.c - tables and charts of a run, from its directory alone. */
#include "bench/report.h"

#include "bench/distribution.h"
#include "bench/export.h"
#include "bench/page.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void
report_heading(const char *dir, char heading[256], char date[64])
{
    char path[RECORD_PATH];
    json_t *all = NULL;
    const char *text;

    snprintf(heading, 256, "%.250s", dir);
    date[0] = '\0';
    if (record_path(dir, "run.json", path) == 0)
        all = json_load_file(path, 0, NULL);
    text = json_string_value(json_object_get(all, "heading"));
    if (text != NULL)
        snprintf(heading, 256, "%s", text);
    text = json_string_value(
        json_object_get(json_object_get(all, "run"), "ended"));
    if (text != NULL)
        snprintf(date, 64, "%s", text);
    json_decref(all);
}

static void
draw(const struct summary *s, const char *dir)
{
    char heading[256], date[64];
    int err;

    report_heading(dir, heading, date);
    err = charts_draw(s, dir, heading, date);
    if (err == -ENOENT)
        printf("\nNo charts: there is no gnuplot here; `make deps` installs "
               "it, and then\n`ipcbench report %s`\ndraws them.\n",
               dir);
    else if (err != 0)
        printf("\nNo charts, or not all: %s\n", strerror(-err));
}

int
report_unreadable(const char *dir, int err, unsigned line)
{
    if (err == -EBADMSG)
        fprintf(stderr,
                "ipcbench: %s/cells.csv, line %u: not what `ipcbench run` "
                "writes; take it out\n",
                dir, line);
    else if (err == -ENOENT || err == -ENOTDIR)
        fprintf(stderr,
                "ipcbench: there is no %s/cells.csv; give the directory that "
                "`ipcbench run` left,\nor results/latest\n",
                dir);
    else
        fprintf(stderr, "ipcbench: %s/cells.csv: %s\n", dir, strerror(-err));
    return err == -ENOMEM ? EX_OSERR : EX_NOINPUT;
}

/* fresh: by `ipcbench run`, which has an option that `report` has not. */
static int
unwritten(const char *dir, const char *file, bool fresh, int err)
{
    if (err == 0)
        return EX_OK;
    fprintf(stderr, "ipcbench: cannot write %s/%s: %s\n", dir, file,
            strerror(-err));
    if (fresh)
        fprintf(stderr,
                "cells.csv has what was measured: make room, then `ipcbench "
                "report %s`; or next time\nchoose another place with --out "
                "DIR\n",
                dir);
    else
        fprintf(stderr,
                "The charts go beside cells.csv: copy %s to where you may "
                "write, and report that\n",
                dir);
    return EX_CANTCREAT;
}

int
report(const char *path, bool fresh)
{
    char dir[RECORD_PATH];
    bool incomplete;
    struct distributions d = {.n = 0};
    int status, err;
    struct summary s;
    struct row *rows;
    unsigned line = 0;
    size_t n;

    err = record_of(path, dir);
    if (err == 0)
        err = record_read(dir, &rows, &n, &line);
    if (err != 0)
        return report_unreadable(path, err, line);
    err = summarise(rows, n, &s);
    free(rows);
    if (err != 0)
        return report_unreadable(dir, err, 0);
    err = distributions_read(dir, &d);
    if (err != 0) /* the rest does not need them */
        printf("%s/histograms.csv: %s\n", dir, strerror(-err));
    distributions_fill(&d, &s);
    incomplete = !fresh && record_incomplete(dir);
    if (incomplete)
        printf("INCOMPLETE: this run was stopped before its end, or is still "
               "going on\n");
    report_tables(&s, stdout);
    status = unwritten(dir, "summary.csv", fresh, summary_write(&s, dir));
    if (status == EX_OK)
        status = unwritten(dir, "percentiles.csv", fresh,
                           distributions_write_grid(&d, dir));
    if (status == EX_OK)
        draw(&s, dir);
    if (status == EX_OK)
        status = unwritten(dir, "report.html", fresh,
                           page_write(&s, dir, incomplete));
    if (status == EX_OK)
        status = export_write(&s, dir);
    distributions_free(&d);
    summary_free(&s);
    return status;
}

/* report.c - tables and charts of a run, from its directory alone. */
#include "bench/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* The small print of the charts, from run.json; without it the directory's
 * name has to do. */
static void
small_print(const char *dir, char heading[256], char date[64])
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

    small_print(dir, heading, date);
    err = charts_draw(s, dir, heading, date);
    if (err == -ENOENT)
        printf("\nNo charts: there is no gnuplot here (`make deps` installs "
               "it, `ipcbench report %s`\nthen draws them)\n",
               dir);
    else if (err != 0)
        printf("\nNo charts, or not all: %s\n", strerror(-err));
}

static int
unreadable(const char *dir, int err, unsigned line)
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

int
report(const char *dir, bool fresh)
{
    struct summary s;
    struct row *rows;
    unsigned line;
    size_t n;
    int err = record_read(dir, &rows, &n, &line);

    if (err != 0)
        return unreadable(dir, err, line);
    err = summarise(rows, n, &s);
    free(rows);
    if (err != 0)
        return unreadable(dir, err, 0);
    if (!fresh && record_incomplete(dir))
        printf("INCOMPLETE: this run was stopped before its end, or is still "
               "going on\n");
    report_tables(&s, stdout);
    err = summary_write(&s, dir);
    if (err != 0)
        fprintf(stderr, "ipcbench: cannot write %s/summary.csv: %s\n", dir,
                strerror(-err));
    draw(&s, dir);
    summary_free(&s);
    return err != 0 ? EX_CANTCREAT : EX_OK;
}

/*
 * isolate.c - the verb: plan, run, and a directory of results.
 *
 *      results/20251122T095300Z-host-isolate/
 *          isolate.txt       the tables, as they are printed
 *          isolate.csv       one line per cell
 *          isolate.svg .png  the chart
 */
#define _GNU_SOURCE /* gmtime_r */
#include "ns/isolate.h"

#include "bench/charts.h"
#include "bench/machine.h"
#include "bench/record.h"
#include "core/wrap.h"
#include "ns/spaces.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* -- the directory --------------------------------------------------------- */

static int
put_csv(const void *x, FILE *f)
{
    isolate_csv(x, f);
    return 0;
}

static int
put_tables(const void *x, FILE *f)
{
    isolate_tables(x, WRAP_MOST, f);
    return 0;
}

static int
draw(const char *dir)
{
    char machine[200], text[300], date[32];
    const struct chart c = {.name = "isolate",
                            .script = "isolate.gp",
                            .reads = "isolate.csv",
                            .baselines = "",
                            .small_print = text};
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%d", &utc);
    machine_line(machine, sizeof machine);
    snprintf(text, sizeof text, "%s   %s", machine, date);
    return chart_draw(&c, dir);
}

static int
save(const struct isolate_matrix *x, const char *out)
{
    char dir[RECORD_PATH] = "";
    int err = record_directory(out, "isolate", dir);
    int chart = 0;

    if (err == 0)
        err = record_file(dir, "isolate.csv", put_csv, x);
    if (err == 0)
        err = record_file(dir, "isolate.txt", put_tables, x);
    if (err == 0)
        chart = draw(dir);
    if (err != 0)
        fprintf(stderr, "ipcbench: cannot write the results to %s: %s\n",
                *dir != '\0' ? dir : out, strerror(-err));
    else
        printf("\nThe results are in %s: isolate.txt, isolate.csv%s\n", dir,
               chart == 0 ? ", isolate.svg, isolate.png" : "");
    if (chart != 0)
        fprintf(stderr, "ipcbench: no charts: %s\n",
                chart == -ENOENT ? "there is no gnuplot (make deps)"
                                 : strerror(-chart));
    return err;
}

/* -- the verb -------------------------------------------------------------- */

static int
finish(const struct isolate_matrix *x, const char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < x->n; i++)
        n += x->cells[i].surprise;
    isolate_tables(x, wrap_columns(), stdout);
    fflush(stdout); /* what follows may be said by others */
    if (save(x, out) != 0)
        return EX_CANTCREAT;
    if (n > 0)
        printf("%zu of %zu cells are not as expected: see FINDING above.\n", n,
               x->n);
    else
        printf("All cells that were run are as expected.\n");
    return n > 0 ? 1 : EX_OK;
}

static void
enter_own_ipc(void)
{
    int err = spaces_own_ipc();

    if (err != 0)
        fprintf(stderr,
                "ipcbench: not isolated from the System V objects and queues "
                "of others: %s\n",
                strerror(-err));
}

int
isolate(const char *const *mechanisms, const char *out)
{
    struct isolate_matrix x;
    int status, err = isolate_plan(&x, mechanisms);

    if (err == -EINVAL) {
        fprintf(stderr, "ipcbench: no such mechanism to isolate; `ipcbench "
                        "list` shows them (null and thread have both sides in "
                        "one process)\n");
        return EX_USAGE;
    }
    if (err == 0)
        enter_own_ipc();
    if (err == 0)
        err = isolate_run(&x);
    if (err == 0) {
        status = finish(&x, out);
    } else {
        fprintf(stderr, "ipcbench: isolate: %s\n",
                err == -EINTR ? "stopped" : strerror(-err));
        status = err == -EINTR ? 130 : EX_OSERR;
    }
    isolate_free(&x);
    return status;
}

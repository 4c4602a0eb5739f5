/* sweep.c - removes what a killed server left in the run directory. */
#define _GNU_SOURCE /* GLOB_ONLYDIR */
#include "server/ipcd.h"

#include "core/scratch.h"
#include "server/lines.h"
#include "server/settings.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
sweep_endpoint(const struct ipc_mechanism *m, const char *dir,
               char name[ENDPOINT_SIZE])
{
    char path[ENDPOINT_SIZE];
    bool crashed;
    int lock, swept, err = endpoint_name(m, dir, name);

    if (err != 0 || endpoint_file(name, ".lock", path) != 0)
        return 0; /* nobody can have served it here */
    crashed = access(path, F_OK) == 0;
    lock = endpoint_lock(name, NULL);
    if (lock < 0)
        return lock;
    swept = m->sweep != NULL ? m->sweep(name) : 0;
    endpoint_unlock(name, lock);
    return swept != 0 ? swept : crashed;
}

enum outcome { NOTHING, REMOVED, IN_USE, FAILED, OUTCOMES };

/* The same for --sweep, which says what it does. */
static enum outcome
sweep_one(const struct ipc_mechanism *m, const char *dir)
{
    char name[ENDPOINT_SIZE];
    int swept;

    if (endpoint_name(m, dir, name) == 0 && endpoint_activated(name)) {
        printf("ipcd: %s: is systemd's, left alone (systemctl stop its "
               ".socket unit)\n",
               name);
        return IN_USE;
    }
    swept = sweep_endpoint(m, dir, name);
    if (swept == -EEXIST) {
        printf("ipcd: %s: is being served, left alone\n", name);
        return IN_USE;
    }
    if (swept < 0) {
        ipcd_complain(name, "not all that is left can be removed", swept);
        return FAILED;
    }
    if (swept > 0)
        printf("ipcd: removed what was left of %s\n", name);
    return swept > 0 ? REMOVED : NOTHING;
}

/* -- what the runs of other programs have left ---------------------------- */

static void
sweep_all(const char *dir)
{
    char name[ENDPOINT_SIZE];

    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps & (IPC_SPAWNED | IPC_INPROCESS)))
            sweep_endpoint(ipc_registry[i], dir, name);
}

/* Their servers' run directory is that one, or there is one for each cell. */
static void
sweep_scratch(const char *dir)
{
    char pattern[SCRATCH_SIZE + 32];
    glob_t cells;

    sweep_all(dir);
    snprintf(pattern, sizeof pattern, "%.60s/*", dir);
    if (glob(pattern, GLOB_NOSORT | GLOB_ONLYDIR, NULL, &cells) == 0) {
        for (size_t i = 0; i < cells.gl_pathc; i++)
            sweep_all(cells.gl_pathv[i]);
        globfree(&cells);
    }
    printf("ipcd: removed %s, left by a run that was killed\n", dir);
}

void
sweep_scratches(void)
{
    scratch_sweep(sweep_scratch);
}

/* A confined server has them from its start; one in which something stands is a
 * result and stays. */
static int
remove_if_empty(const char *dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!lines_remove_empty(path))
        return 0;
    printf("ipcd: removed the empty %s\n", path);
    return 1;
}

int
sweep_run(char dir[ENDPOINT_SIZE])
{
    int count[OUTCOMES] = {0}, err = rundir_own(dir);

    if (err == 0)
        err = rundir_spell(dir);
    if (err == -ENOENT) {
        printf("ipcd: nothing to sweep: there is no %s\n", dir);
        return EXIT_SUCCESS;
    }
    if (err != 0) {
        ipcd_complain(dir,
                      "not swept, for others can put things there; it must be "
                      "a directory of yours that only you may write to",
                      err);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps & (IPC_SPAWNED | IPC_INPROCESS)))
            count[sweep_one(ipc_registry[i], dir)]++;
    if (count[IN_USE] == 0)
        count[REMOVED] += remove_if_empty(dir, SETTINGS_LOG) +
                          remove_if_empty(dir, SETTINGS_TRAY);
    if (count[REMOVED] == 0 && count[FAILED] == 0)
        printf("ipcd: nothing to sweep in %s\n", dir);
    rmdir(dir); /* stays if anything else is in it */
    return count[FAILED] == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

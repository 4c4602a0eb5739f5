/* isolate_plan.c - the columns of the matrix, its rows, and so its cells. */
#define _GNU_SOURCE /* CLONE_NEW... */
#include "ns/isolate.h"

#include "bench/plan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct isolate_form isolate_forms[FORMS] = {
    [FORM_NONE] = {.name = "none"},
    [FORM_IPC] = {.name = "ipc", .flags = CLONE_NEWIPC},
    [FORM_NET] = {.name = "net", .flags = CLONE_NEWNET},
    [FORM_MNT] = {.name = "mnt", .flags = CLONE_NEWNS},
    [FORM_MNT_FS] = {.name = "mnt+fs", .flags = CLONE_NEWNS, .covered = true},
    [FORM_PID] = {.name = "pid", .flags = CLONE_NEWPID},
    [FORM_USER] = {.name = "user", .flags = CLONE_NEWUSER},
    [FORM_USER_NEW] = {.name = "user+nr",
                       .flags = CLONE_NEWUSER,
                       .renumbered = true},
    [FORM_UTS] = {.name = "uts", .flags = CLONE_NEWUTS},
    [FORM_CGROUP] = {.name = "cgroup", .flags = CLONE_NEWCGROUP},
    [FORM_TIME] = {.name = "time", .flags = CLONE_NEWTIME},
};

/* None: all.  One process with both sides has nothing between them. */
static bool
wanted(const struct ipc_mechanism *m, const char *const *names)
{
    return (names == NULL || plan_chooses(names, m)) &&
           !(m->caps & IPC_INPROCESS);
}

static bool
names_something(const char *name)
{
    const char *const names[] = {name, NULL};

    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (wanted(ipc_registry[i], names))
            return true;
    return false;
}

static void
add_row(struct isolate_matrix *x, const struct ipc_mechanism *m)
{
    for (int side = 0; side < SIDES; side++)
        for (int form = 0; form < FORMS; form++) {
            struct isolate_cell *c = &x->cells[x->n++];

            *c = (struct isolate_cell){
                .m = m, .form = form, .side = (enum isolate_side)side};
            c->known = isolate_expect(c);
        }
}

int
isolate_plan(struct isolate_matrix *x, const char *const *mechanisms)
{
    size_t rows = 0;

    *x = (struct isolate_matrix){.n = 0};
    for (size_t i = 0; mechanisms != NULL && mechanisms[i] != NULL; i++)
        if (!names_something(mechanisms[i]))
            return -EINVAL;
    while (ipc_registry[rows] != NULL)
        rows++;
    x->cells = calloc(rows * FORMS * SIDES + 1, sizeof *x->cells);
    if (x->cells == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < rows; i++)
        if (wanted(ipc_registry[i], mechanisms))
            add_row(x, ipc_registry[i]);
    return 0;
}

void
isolate_free(struct isolate_matrix *x)
{
    for (int i = 0; i < FORMS; i++)
        free(x->absent[i]);
    free(x->cells);
}

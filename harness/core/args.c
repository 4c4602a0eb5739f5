/* args.c - an option's argument, and what is said if it will not do. */
#define _GNU_SOURCE /* argp */
#include "args.h"

const struct ipc_mechanism *
args_mechanism(struct argp_state *state, const char *name, const char *so)
{
    const struct ipc_mechanism *m = ipc_find(name);

    if (m == NULL)
        argp_error(state,
                   "no mechanism is called '%s'; `ipcbench list` names those "
                   "there are",
                   name);
    else if (m->caps & IPC_INPROCESS)
        argp_error(state, "%s is a baseline inside one process; %s", name, so);
    return m;
}

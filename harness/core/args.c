/* args.c - an option's argument, and what is said if it will not do. */
#define _GNU_SOURCE /* argp */
#include "args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

bool
args_address(const char *text, bool to_reach)
{
    const char *colon = strchr(text, ':');
    char *end;
    long port;

    if (colon == NULL)
        return !to_reach && *text != '\0';
    if (colon == text || !isdigit((unsigned char)colon[1]))
        return false;
    port = strtol(colon + 1, &end, 10);
    return *end == '\0' && port >= (to_reach ? 1 : 0) && port <= UINT16_MAX;
}

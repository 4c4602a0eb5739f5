/* ipc.c - looking things up in the table of mechanisms. */
#include "ipc.h"

#include <string.h>

int64_t ipc_open_timeout = INT64_C(2000000000);

/* Not inline: who asks for a name that is in the table need not look for NULL,
 * but a compiler that sees this through (-flto) warns of it. */
__attribute__((noinline)) const struct ipc_mechanism *
ipc_find(const char *name)
{
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (strcmp(ipc_registry[i]->name, name) == 0)
            return ipc_registry[i];
    return NULL;
}

const char *
ipc_unavailable(const struct ipc_mechanism *m)
{
    return m->unavailable != NULL ? m->unavailable() : NULL;
}

const char *
ipc_evidence_name(enum ipc_evidence e)
{
    static const char *const name[] = {"K0", "K1", "K2", "K3", "K4"};

    return name[e];
}

const char *
ipc_cap_name(unsigned mask)
{
    static const char *const name[] = {
        "spawned", "boundaries", "pipelined", "pollable", "passes-fd",
        "spins",   "persists",   "oneway",    "lossy",    "trusting",
        "remote",  "inprocess",  "called",    "threads",
    };

    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        if (mask == 1u << i)
            return name[i];
    return NULL;
}

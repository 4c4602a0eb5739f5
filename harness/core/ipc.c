/* ipc.c - what is the same for all mechanisms: looking them up in their table,
 * and what none of them carries. */
#include "ipc.h"

#include <errno.h>
#include <stdlib.h>
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

static int
refuse(const struct ipc_mechanism *m, const struct ipc_limits *l,
       const struct ipc_message *msg)
{
    if (msg->len > l->max_msg)
        return -EMSGSIZE;
    return msg->fd != -1 && !(m->caps & IPC_PASSES_FD) ? -EOPNOTSUPP : 0;
}

int
ipc_send(const struct ipc_mechanism *m, const struct ipc_limits *l, void *cli,
         const struct ipc_message *msg, int64_t timeout_ns)
{
    int err = refuse(m, l, msg);

    return err != 0 ? err : m->send(cli, msg, timeout_ns);
}

int
ipc_reply(const struct ipc_mechanism *m, const struct ipc_limits *l, void *srv,
          const struct ipc_request *req, const struct ipc_message *msg)
{
    int err = msg != NULL ? refuse(m, l, msg) : 0;

    return err != 0 ? err : m->reply(srv, req, msg);
}

#define PAGE ((size_t)4096)

void *
ipc_buffer(size_t size)
{
    return aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
}

const char *
ipc_strerror(int err)
{
    return err == -ENOSYS ? "not written yet, or this kernel has no such call "
                            "(ENOSYS)"
                          : strerror(-err);
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
        "remote",  "inprocess",  "called",    "threads",  "textbook",
    };

    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        if (mask == 1u << i)
            return name[i];
    return NULL;
}

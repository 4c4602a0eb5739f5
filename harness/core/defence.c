/* defence.c - which defences are left out, in the naive build. */
#define _GNU_SOURCE /* strchrnul */
#include "defence.h"

#include <stdlib.h>
#include <string.h>

#ifdef IPC_NAIVE

static char without[256]; /* "owner,nonce" */

/* Before main(), which in a set-user-ID server clears the environment. */
static void __attribute__((constructor)) read_environment(void)
{
    const char *given = getenv("IPCLAB_WITHOUT");

    if (given != NULL && strlen(given) < sizeof without)
        strcpy(without, given);
}

bool
defence_left_out(const char *name)
{
    size_t len = strlen(name);

    for (const char *at = without; *at != '\0'; at = strchrnul(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && strchr(",", at[len]) != NULL)
            return true;
    }
    return false;
}

#endif

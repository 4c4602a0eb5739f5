/* guard.c - what to do when the memory goes away. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

/* A SIGBUS for a bad access comes to the thread that made it, so each thread
 * can have its own list and no lock is needed. */
static _Thread_local struct guarded *watched;
static _Thread_local unsigned watched_count;

static struct sigaction before;
static int result;

void
guard_watch(struct guarded *maps, unsigned n)
{
    watched = maps;
    watched_count = n;
}

static void
on_sigbus(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;

    (void)number;
    (void)context;
    for (unsigned i = 0; i < watched_count; i++) {
        struct guarded *g = &watched[i];

        if (g->memory == NULL || at < (uintptr_t)g->memory ||
            at - (uintptr_t)g->memory >= g->size)
            continue;
        g->bitten = 1;
        /* mmap(2) is not on the list of signal-safety(7), but in Linux it is
         * a plain system call.  Fixed: in place of what was there. */
        if (mmap(g->memory, g->size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            break;
        return;
    }
    /* Not ours.  The access is repeated, and this time it ends as it would
     * have without us. */
    sigaction(SIGBUS, &before, NULL);
}

static void
install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus,
                               .sa_flags = SA_SIGINFO};

    result = sigaction(SIGBUS, &action, &before) == -1 ? -errno : 0;
}

int
guard_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    return result;
}

/* placement.c - on which CPUs the two sides run. */
#define _GNU_SOURCE /* sched_getaffinity, sched_setaffinity, CPU_SET */
#include "bench/placement.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel's PM QoS interface: while somebody holds this file open with a
 * latency of 0 us written to it, cpuidle uses no state that takes longer than
 * that to leave, so an idle CPU polls
 * (Documentation/power/pm_qos_interface). */
#define DMA_LATENCY "/dev/cpu_dma_latency"

static cpu_set_t original; /* what placement_leave() goes back to */
static int dma_latency = -1;

const char *const where_words[] = {
    [ANYWHERE] = "",
    [ONE_CPU] = "one-cpu",
    [TWO_CPU_AWAKE] = "two-cpu-awake",
    [TWO_CPU] = "two-cpu",
    [UNPINNED] = "free",
    [ELSEWHERE] = "elsewhere",
    NULL,
};

static const struct placement all[PLACEMENTS] = {
    {ONE_CPU, .says = "both sides on one CPU", .together = true},
    {TWO_CPU_AWAKE, .says = "two CPUs, kept from sleeping", .awake = true},
    {TWO_CPU, .says = "two CPUs, includes waking an idle one"},
    {UNPINNED, .says = "not pinned, wherever the scheduler likes"},
};

/* The CPUs that share first's core, as a bit each; 0: not known. */
static cpu_set_t
siblings_of(int cpu, int *known)
{
    char path[96], list[256], *at = list;
    unsigned from, to;
    int used;
    cpu_set_t set;
    FILE *f;

    CPU_ZERO(&set);
    *known = 0;
    snprintf(path, sizeof path,
             "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             cpu);
    f = fopen(path, "re");
    if (f == NULL)
        return set;
    if (fgets(list, sizeof list, f) == NULL)
        *at = '\0';
    fclose(f);
    /* "0,4" or "0-1" */
    while (sscanf(at, "%u%n", &from, &used) == 1) {
        at += used;
        to = from;
        if (sscanf(at, "-%u%n", &to, &used) == 1)
            at += used;
        for (unsigned i = from; i <= to && i < CPU_SETSIZE; i++)
            CPU_SET(i, &set);
        at += *at == ',';
        *known = 1;
    }
    return set;
}

/* The first CPU allowed, and the first that is not its hyper-thread; failing
 * that, any second one.  -1 where there is none. */
static void
choose(struct cpus *cpus, int *first, int *second)
{
    cpu_set_t siblings;
    int known = 0;

    *first = *second = -1;
    CPU_ZERO(&siblings);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET((unsigned)i, &original))
            continue;
        if (*first == -1) {
            *first = i;
            siblings = siblings_of(i, &known);
        } else if (*second == -1 || (CPU_ISSET((unsigned)*second, &siblings) &&
                                     !CPU_ISSET((unsigned)i, &siblings))) {
            *second = i;
        }
    }
    cpus->siblings = -1;
    if (known && *second != -1)
        cpus->siblings = CPU_ISSET((unsigned)*second, &siblings) != 0;
}

static int
hold_awake(void)
{
    int32_t us = 0;

    dma_latency = open(DMA_LATENCY, O_WRONLY | O_CLOEXEC);
    if (dma_latency == -1)
        return -errno;
    if (write(dma_latency, &us, sizeof us) != sizeof us) {
        int err = -errno;

        close(dma_latency);
        dma_latency = -1;
        return err;
    }
    return 0;
}

/* Without a cpuidle driver an idle CPU just halts, whatever anybody holds. */
static bool
idle_has_driver(void)
{
    FILE *f = fopen("/sys/devices/system/cpu/cpuidle/current_driver", "re");
    char name[32] = "none";

    if (f == NULL)
        return false;
    if (fgets(name, sizeof name, f) == NULL)
        strcpy(name, "none");
    fclose(f);
    return strncmp(name, "none", 4) != 0;
}

int
cpus_find(struct cpus *cpus)
{
    int first, second, err;

    if (sched_getaffinity(0, sizeof original, &original) == -1)
        return -errno;
    *cpus = (struct cpus){.allowed = CPU_COUNT(&original)};
    choose(cpus, &first, &second);
    err = hold_awake();
    for (int i = 0; i < PLACEMENTS; i++) {
        struct placement *p = &cpus->placements[i];
        bool free = all[i].where == UNPINNED;

        *p = all[i];
        p->name = where_words[p->where];
        p->client = free ? -1 : first;
        p->server = free ? -1 : p->together ? first : second;
        if (!free && p->server == -1)
            snprintf(p->reason, sizeof p->reason,
                     "this process may use one CPU only");
        else if (p->awake && err != 0)
            snprintf(p->reason, sizeof p->reason,
                     "cannot hold " DMA_LATENCY " at 0: %s%s", strerror(-err),
                     err == -EACCES ? " (root may)" : "");
        else if (p->awake && !idle_has_driver())
            snprintf(p->reason, sizeof p->reason,
                     "no cpuidle driver here that would heed " DMA_LATENCY);
    }
    placement_leave();
    return 0;
}

struct placement *
placement_find(struct cpus *cpus, const char *name)
{
    for (int i = 0; i < PLACEMENTS; i++)
        if (strcmp(cpus->placements[i].name, name) == 0)
            return &cpus->placements[i];
    return NULL;
}

int
pin_to(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == -1 ? -errno : 0;
}

int
placement_enter(const struct placement *p)
{
    int err = p->awake ? hold_awake() : 0;

    if (err == 0)
        err = pin_to(p->client);
    if (err != 0)
        placement_leave();
    return err;
}

void
placement_leave(void)
{
    if (dma_latency != -1)
        close(dma_latency);
    dma_latency = -1;
    sched_setaffinity(0, sizeof original, &original);
}

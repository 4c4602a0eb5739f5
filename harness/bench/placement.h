/*
 * placement.h - on which CPUs the two sides run, and whether idle CPUs sleep.
 *
 *      one-cpu         both on the same one: every message is a switch
 *      two-cpu-awake   one each, and an idle CPU polls instead of sleeping
 *      two-cpu         one each, idle as the system has it: most of what is
 *                      measured is the waking of a sleeping CPU
 *      free            wherever the scheduler puts them: a mixture of the
 *                      above, different each time
 *
 * Placement outweighs the mechanism (a pipe's round trip in a virtual machine:
 * 5, 5, 57 and anything in between, us), so no number is without one.
 */
#ifndef PLACEMENT_H
#define PLACEMENT_H

#include <stdbool.h>

/* In the order of tables and charts: the steadiest first. */
enum where {
    ANYWHERE, /* of a row: a reason for all placements */
    ONE_CPU,
    TWO_CPU_AWAKE,
    TWO_CPU,
    UNPINNED,
    ELSEWHERE /* of a row, by a program that had others */
};
#define PLACEMENTS 4 /* ONE_CPU to UNPINNED */

extern const char *const where_words[]; /* "", "one-cpu" ... */

struct placement {
    enum where where;
    const char *name;
    const char *says;   /* in words, for headings */
    bool together;      /* both sides on one CPU */
    bool awake;         /* holds the CPUs awake meanwhile */
    int client, server; /* CPU numbers; -1: anywhere */
    char reason[120];   /* why it cannot be had here; empty: it can */
};

/* What this process may use, asked once. */
struct cpus {
    struct placement placements[PLACEMENTS];
    int allowed;  /* how many CPUs */
    int siblings; /* the two chosen share a core; -1: not known */
};

/* Fills in *cpus from sched_getaffinity(2), sysfs and /dev/cpu_dma_latency.
 * Call it before the first placement_enter(). */
int cpus_find(struct cpus *cpus);

/* The placement of that name, or NULL. */
struct placement *placement_find(struct cpus *cpus, const char *name);

/* Pins the calling thread to the client's CPU and, if need be, keeps the CPUs
 * awake, until placement_leave().  0 or -errno. */
int placement_enter(const struct placement *p);
void placement_leave(void);

/* Pins the calling thread; -1 leaves it alone. */
int pin_to(int cpu);

#endif

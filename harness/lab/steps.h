/*
 * steps.h - the steps of every lab, as data: steps.def.
 */
#ifndef STEPS_H
#define STEPS_H

#include <stdbool.h>

struct experiment {
    int step;
    const char *name;     /* "crash/a_killed_server_is_a_broken_pipe" */
    const char *checking; /* in a student's words */
    bool bare;            /* without sanitizers */
};

#define STEPS            10
#define HINTS            3
#define MOST_EXPERIMENTS 128

struct step {
    const char *title;
    int points;
    int requires;      /* another step, or 0 */
    const char *calls; /* those to look at: "create destroy" */
    const char *hints[HINTS];
    const char *reading;
};

/* steps_load() fills both, from steps.def; steps[0] is empty. */
void steps_load(void);
extern struct step steps[STEPS + 1];
extern struct experiment experiments[MOST_EXPERIMENTS];
extern int experiment_count;

#endif

/*
 * trial.h - runs experiments: the test program (test/asked.h), in a process of
 * its own, and looks at what its processes do meanwhile.
 *
 * That nobody makes progress any more is not told by a clock, but by what /proc
 * says of each thread: asleep, and not once given a processor since the last
 * looks.  Then `why` is asked of all of them, before they are killed.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include "lab/asked_doing.h"
#include "lab/steps.h"
#include "lab/why.h"

#include <stdbool.h>
#include <sys/types.h>

enum outcome {
    ABSENT, /* the mechanism has no such test */
    PASSED,
    FAILED,
    STUCK,    /* nobody made progress any more; it was ended */
    NOT_HERE, /* cannot run on this machine: text says why */
    BLOCKED,  /* another step comes first */
    BROKEN,   /* the grader itself could not run it */
};

#define MOST_WAITS 24

/* What one of the processes was waiting for. */
struct waiting {
    struct why_wait wait;
    bool is_server;  /* ipcd, by its command line; or a server's function */
    bool is_busy;    /* it has run all the time, and not slept now and then */
    char place[160]; /* in the student's file: "fifo/work/fifo.c:131, in
                      * work_recv()"; or "" */
};

struct result {
    const struct experiment *of;
    enum outcome outcome;
    char where[96]; /* of the assertion, in the tests */
    char did[256], expected[256];
    char saw[1024]; /* for NOT_HERE, BROKEN: the reason */
    char *said;     /* on standard error, with sanitizers' reports; or NULL */
    char *calls;    /* the last system calls: trial_calls(); or NULL */
    struct waiting
        *waits; /* the last look at those that waited long, or NULL */
    int wait_count;
    long ticks;     /* of the processor, that the server had in that time */
    char note[256]; /* what else was seen in its processes; or "" */
    char hungry[80], place[160]; /* who had too much memory, and where; or "" */
};

struct trial {
    const char *check;     /* the test program */
    const char *bare;      /* the same without sanitizers */
    const char *mechanism; /* "fifo/work" */
    const char *source;    /* "fifo/work/fifo.c", for places; or NULL */
    const char *other;     /* "fifo/textbook.c"; or NULL */
};

/* Runs these experiments; each .of says which. */
void trial_run(const struct trial *t, struct result *results, int count);

/* Runs it once more, under strace(1): the last 30 system calls before it
 * failed, or a sentence that says why they are not known.  To be freed. */
char *trial_calls(const struct trial *t, const struct experiment *e);

void results_free(struct result *results, int count);

#endif

/*
 * check.h - a student's form of a mechanism (or another) through the steps of
 * the lab: what came of each, and the points.
 */
#ifndef LAB_CHECK_H
#define LAB_CHECK_H

#include "lab/steps.h"
#include "lab/trial.h"

#include <limits.h>
#include <stdio.h>

struct judged {
    bool asked;        /* for; false: another step was */
    int blocked_by;    /* it requires that one, which is not half done; or 0 */
    int passed, ran;   /* experiments, of those that could be judged */
    int not_here;      /* and so many could not */
    double points, of; /* of: 0, if none of it can be judged here */
};

struct check {
    char target[64];                     /* "fifo", or "fifo/perclient" */
    char lab[32];                        /* "fifo" */
    char mechanism[64 + sizeof "/work"]; /* "fifo/work" */
    char source[160]; /* "fifo/work/fifo.c"; of others "fifo/" */
    char other[64];   /* "fifo/textbook.c" */
    char tests[PATH_MAX], bare[PATH_MAX];
    int only;   /* this step; 0: all */
    bool first; /* none after the first step that fails */
    bool trace; /* the first failure of each step is traced, too */
    struct result results[MOST_EXPERIMENTS];
    int count;
    struct judged steps[STEPS + 1];
    double points, of;
};

/* programs: where its test program is; NULL: where make puts it.
 *   -EINVAL   no such lab or step
 *   -ENOENT   it has not been built */
int check_begin(struct check *c, const char *target, const char *programs);

/* Runs all of it; calls told(c, step, arg) after each step. */
void check_run(struct check *c, void (*told)(struct check *, int, void *),
               void *arg);
void check_end(struct check *c);

/* The experiments of a step: the first, and behind the last. */
struct result *check_first(struct check *c, int step);
struct result *check_last(struct check *c, int step);

/* 0 all passed, 1 something failed, 2 the grader did, 3 nothing could run. */
int check_status(const struct check *c);

bool is_failure(const struct result *r);

#endif

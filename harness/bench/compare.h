/*
 * compare.h - `ipcbench compare OLD NEW`: what has become faster or slower from
 * one run to another.
 *
 *      OLD  round 1: x / floor   round 2: x / floor   ...   median a
 *      NEW  round 1: x / floor   round 2: x / floor   ...   median b
 *                                                   change: b / a - 1
 *
 * Times of two runs say little about each other: the machine was another one
 * meanwhile, even if it is the same.  What is compared is the ratio to the
 * floor that was measured in the same round.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "bench/stats.h"
#include "bench/summary.h"

#include <stdbool.h>

enum verdict {
    COMPARE_NO_VERDICT,
    COMPARE_FASTER,
    COMPARE_SLOWER,
    COMPARE_SAME, /* whatever the change is, it is less than the limit */
    COMPARE_INCONCLUSIVE,
    COMPARE_NO_FLOOR, /* no verdict: nothing to compare it by */
    COMPARE_ONLY_OLD, /* no verdict: there is one side */
    COMPARE_ONLY_NEW
};
extern const char *const verdict_words[];

/*
 * A verdict takes two things.
 *
 * That it is no accident: of everything that is called faster or slower in the
 * table at most the part COMPARE_FALSE is, and in a table in which nothing has
 * changed nothing is at all, but in that part of the tables
 * (discoveries_up_to() in stats.h; under worse skies than its assumptions, up
 * to 0.05: of_many_tables_of_one_build_at_most_one_in_20_has_a_verdict).  Of
 * 400 intervals of 95 % each, 20 would leave out 0 if nothing had changed.
 *
 * And that it is more than two runs of the same program differ by at times.
 * From pairs of runs on a virtual machine: where CPUs stay awake; where an
 * operation is that short, or spins, so that the distance of the caches counts;
 * where it includes waking a CPU, or the scheduler chooses who runs.
 */
#define COMPARE_FALSE       0.03
#define COMPARE_LIMIT_AWAKE 0.03
#define COMPARE_LIMIT_SPINS 0.06
#define COMPARE_LIMIT_SLEEP 0.10
#define COMPARE_SHORT_NS    1000.0

/* By how much a cache line's way between two CPUs may differ from one run to
 * the other. */
#define COMPARE_MOVED 1.25

/* Fewer say too little about how much rounds differ. */
#define COMPARE_LEAST_ROUNDS 5

/* Exit statuses, for scripts. */
#define COMPARE_EXIT_FINE   0 /* nothing is slower */
#define COMPARE_EXIT_SLOWER 1
#define COMPARE_EXIT_CANNOT 2

/* One cell, in both runs. */
struct change {
#include "bench/csv_members.h"

#include "bench/change.def"
    bool itself; /* of the very same rounds */
};

/* Its columns as CSV. */
extern const struct csv_column change_columns[];

struct comparison {
    struct change *changes; /* the largest first, those without one last */
    size_t n;
    bool noisy;    /* either run says so of itself: then nothing is certain */
    long compared; /* the sum of these: */
    long faster, slower, same, inconclusive;
    bool moved[ELSEWHERE + 1]; /* by placement: its CPUs, between the runs */
};

/* The rows of a run and what summarise() made of them. */
struct compared_run {
    struct row *rows;
    size_t n;
    struct summary summary;
};

/* -ENOMEM. */
int compare_runs(const struct compared_run *old, const struct compared_run *new,
                 struct comparison *c);
void comparison_free(struct comparison *c);

/* The verb, in compare_print.c: old and new are results directories, or the
 * cells.csv in them.  Prints the table, or every change as CSV, and what went
 * wrong; one of the exit statuses above. */
int compare(const char *old, const char *new, bool csv);

#endif

/*
 * lanes.h - the cases of all suites, and who runs them: several processes at
 * once, the lanes.  Most tests wait for other processes, and machines have
 * several CPUs.
 *
 *      main()      the suites are made, once; what cannot be run here is counted
 *        |
 *        +--fork-- lane 0   takes the next case and runs it (Check forks for
 *        |                  each test), takes the next ..., reports
 *        +--fork-- lane 1   the same, in a directory of its own (here.h)
 *        |
 *      prints what they report, and the sum of all
 *
 * So many lanes as this program may use CPUs, and one more; CK_LANES=1 in the
 * environment: one, and that is this process.  Only one, too, where tests have
 * no namespaces of their own, under a debugger (CK_FORK=no), and if Check is to
 * write a log (CK_LOG_FILE_NAME, ...), which it would begin anew for each case.
 */
#ifndef LANES_H
#define LANES_H

#include <check.h>

#define LANES 8    /* at most */
#define UNITS 2048 /* at most */

/* A case.  Those of the same suite and name are run together. */
struct unit {
    const char *suite, *name;
};

/* cases.c: those that were asked for (CK_RUN_SUITE, CK_RUN_CASE); how many. */
int units_wanted(const struct unit **all);

struct sum {
    int checks, failures, errors;
};

/* Runs them all, prints what failed and what it said, and returns the sum. */
struct sum lanes_run(SRunner *runner);

/* fixture.c: a lane begins; the janitor knows of it. */
void fixture_lane(int number);

/* What a lane left running that did not end as it should. */
void fixture_kill_lane(int number);

#endif

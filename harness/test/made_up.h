/*
 * made_up.h - runs of `ipcbench run` whose answers are known, since they were
 * made up: so many rounds of so many mechanisms on a machine that changes its
 * speed, one of which can be made slower.
 *
 *      struct recipe slow = usual;
 *      char dir[RECORD_PATH];
 *
 *      slow.slowdown = 1.05;
 *      write_run(&slow, dir);          as `ipcbench run` would
 *      ...
 *      remove_results();
 */
#ifndef MADE_UP_H
#define MADE_UP_H

#include "test/test.h"

#include "bench/record.h"

#include <stdbool.h>

#define ROUNDS     9
#define MECHANISMS 20L /* made/up-0, made/up-1 ... */
#define VICTIM     "made/up-7"

/* What is done to a run. */
struct recipe {
    uint64_t seed;
    enum where placement;
    double p50_ns;   /* of the floor, on an average day */
    double slowdown; /* of VICTIM: 1.05 takes 5 % longer */
    double aa;       /* the second of the A/A pair / the first; 0: no pair */
    bool alone;      /* there is no bare echo but the pipe */
    double apart; /* the CPUs: a cache line's way takes as many times as long */
    double switches; /* of a round trip of VICTIM */
    long rounds;
    bool without; /* VICTIM is missing */
    enum status status;
};

extern const struct recipe usual;

/* A row without numbers. */
struct row made_up(const struct recipe *how, const char *mechanism,
                   enum kind kind, long round);

#define ECHOES    16L /* at most */
#define MOST_ROWS ((size_t)ROUNDS * (2 * (MECHANISMS + 1) + 1 + ECHOES))

/* All rows of a run, of which there is room for MOST_ROWS; how many. */
size_t make_rows(const struct recipe *how, struct row *rows);

/* A results directory with these rows, and its path. */
void write_rows(const struct row *rows, size_t n, char dir[RECORD_PATH]);
void write_run(const struct recipe *how, char dir[RECORD_PATH]);

/* A file in there; and all of them go. */
void write_in(const char *dir, const char *file, const char *text);
void remove_results(void);

#endif

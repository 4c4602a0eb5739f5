/*
 * run_args.h - the options of `ipcbench run`; isolate has two of them, too.
 */
#ifndef RUN_ARGS_H
#define RUN_ARGS_H

#include "bench/run.h"

#include <argp.h>

enum {
    KEY_BUDGET = 256,
    KEY_ROUNDS,
    KEY_SEED,
    KEY_OUT,
    KEY_PLACEMENT,
    KEY_SIZES,
    KEY_CLIENTS,
    KEY_DURATION,
    KEY_FULL,
    KEY_PEER,
    KEY_CSV /* of other verbs */
};

/* What the command line asks for; the seed is the caller's to set before. */
extern struct run_options run_wanted;

extern const struct argp run_argp;

/* --mechanism and --out: a child of run_argp, and of isolate's. */
extern const struct argp_child choice_child[];

#endif

/*
 * ipcbench.c - the comparison.
 *
 *   ipcbench list            what there is
 *   ipcbench run             measure it: tables, charts, results/latest
 *   ipcbench report DIR      the tables and charts of an earlier run
 *   ipcbench compare OLD NEW what has become faster or slower since
 *   ipcbench isolate         which mechanism gets through which namespace
 */
#define _GNU_SOURCE /* getrandom, program_invocation_short_name */
#include "bench/compare.h"
#include "bench/export.h"
#include "bench/list.h"
#include "bench/report.h"
#include "bench/run_args.h"
#include "core/args.h"
#include "core/program.h"
#include "ns/isolate.h"

#include <argp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

const char *argp_program_version = ARGS_VERSION("ipcbench");

static struct options {
    const char *dir; /* report; compare: OLD */
    const char *new; /* compare */
    bool csv;        /* list, compare */
} options;

static int
do_run(void)
{
    return run(&run_wanted);
}

/* -- list ----------------------------------------------------------------- */

static const struct argp_option list_list[] = {
    {"csv", KEY_CSV, NULL, 0, "as CSV, one mechanism a line", 0}, {0}};

static error_t
parse_list(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state, "list takes no argument `%s'", arg);
    if (key != KEY_CSV)
        return ARGP_ERR_UNKNOWN;
    options.csv = true;
    return 0;
}

static const struct argp list_argp = {
    .options = list_list,
    .parser = parse_list,
    .doc = "Lists every mechanism: what it can do, what it proves about its "
           "caller, its limits on this kernel.",
};

static int
do_list(void)
{
    sigset_t ends, before;

    /* Whether a mechanism can run here is tried, with an object that must not
     * be left behind. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, &before);
    list(stdout, options.csv); /* program_begin() sees to the output */
    sigprocmask(SIG_SETMASK, &before, NULL);
    return EX_OK;
}

/* -- report --------------------------------------------------------------- */

static error_t
parse_report(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG && state->arg_num == 0) {
        options.dir = arg;
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        argp_error(state, "one directory only, not `%s' as well", arg);
    if (key == ARGP_KEY_END && options.dir == NULL)
        argp_error(state, "which run? give its directory, such as "
                          "results/latest");
    return ARGP_ERR_UNKNOWN;
}

static const struct argp report_argp = {
    .parser = parse_report,
    .children = export_child,
    .args_doc = "DIR",
    .doc = "Prints the tables and draws the charts of the run in DIR again, "
           "from the cells.csv in it; that file will do as well.",
};

static int
do_report(void)
{
    int status = export_begin();

    return status == EX_OK ? report(options.dir, false) : status;
}

/* -- compare -------------------------------------------------------------- */

static const struct argp_option compare_list[] = {
    {"csv", KEY_CSV, NULL, 0, "every change as CSV, one a line", 0}, {0}};

static error_t
parse_compare(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case KEY_CSV:
        options.csv = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            options.dir = arg;
        else if (state->arg_num == 1)
            options.new = arg;
        else
            argp_error(state, "two runs only, not `%s' as well", arg);
        return 0;
    case ARGP_KEY_END:
        if (options.new == NULL)
            argp_error(state, "which runs? give the directory of the old one, "
                              "then that of the new one");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp compare_argp = {
    .options = compare_list,
    .parser = parse_compare,
    .args_doc = "OLD NEW",
    .doc = "Tells what is faster or slower in the run NEW than in the run OLD: "
           "two directories of results, or the cells.csv in them.\vWhat is "
           "compared are ratios to the floor of the same round.  Exit status: "
           "0 nothing is slower, 1 something is, 2 they cannot be compared, 64 "
           "wrong usage.",
};

static int
do_compare(void)
{
    return compare(options.dir, options.new, options.csv);
}

/* -- isolate -------------------------------------------------------------- */

static error_t
parse_isolate(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state,
                   "isolate takes no argument `%s'; a mechanism is chosen with "
                   "-m %s",
                   arg, arg);
    return ARGP_ERR_UNKNOWN;
}

static const struct argp isolate_argp = {
    .parser = parse_isolate,
    .children = choice_child,
    .doc = "Puts a client, then its server, into a new namespace of each kind "
           "and tries whether they still reach each other, with every "
           "mechanism.  Exit status 1: something was not as expected.",
};

static int
do_isolate(void)
{
    return isolate(run_wanted.plan.mechanisms, run_wanted.out);
}

/* -- verbs ---------------------------------------------------------------- */

static const struct verb {
    const char *name, *title;
    const struct argp *argp;
    int (*act)(void);
} verbs[] = {
    {"list", "ipcbench list", &list_argp, do_list},
    {"run", "ipcbench run", &run_argp, do_run},
    {"report", "ipcbench report", &report_argp, do_report},
    {"compare", "ipcbench compare", &compare_argp, do_compare},
    {"isolate", "ipcbench isolate", &isolate_argp, do_isolate},
    {.name = NULL},
};

static const struct verb *verb;

/* The first word is the verb; what follows is its own business. */
static error_t
parse_verb(int key, char *arg, struct argp_state *state)
{
    char **rest;

    if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "what to do? list, run, report DIR, compare OLD "
                          "NEW or isolate");
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    for (verb = verbs; verb->name != NULL; verb++)
        if (strcmp(verb->name, arg) == 0)
            break;
    if (verb->name == NULL)
        argp_error(state,
                   "there is no verb `%s'; there are list, run, "
                   "report, compare and isolate",
                   arg);
    rest = &state->argv[state->next - 1];
    rest[0] = program_invocation_short_name = (char *)(uintptr_t)verb->title;
    argp_parse(verb->argp, state->argc - state->next + 1, rest, 0, NULL, NULL);
    state->next = state->argc;
    return 0;
}

static const struct argp argp = {
    .parser = parse_verb,
    .args_doc = "list\nrun\nreport DIR\ncompare OLD NEW\nisolate",
    .doc = "Compares the mechanisms of inter-process communication on this "
           "machine.\v`ipcbench VERB --help` tells the options of each.  "
           "Results go into results/, or ipclab-results/ outside the source "
           "tree.",
};

int
main(int argc, char **argv)
{
    program_begin("ipcbench");
    /* As a spawned mechanism's server, for isolate. */
    if (argc == 4 && strcmp(argv[1], "--stdio") == 0)
        return isolate_stdio(argv[3]);
    argp_err_exit_status = EX_USAGE;
    if (getrandom(&run_wanted.seed, 4, 0) != 4) /* four: easier to retype */
        run_wanted.seed = 1;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
    return verb != NULL ? verb->act() : EX_USAGE;
}

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
#include "bench/list.h"
#include "bench/report.h"
#include "bench/run.h"
#include "ns/isolate.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

const char *argp_program_version = "ipcbench (ipclab) 1.0";

#define MOST_NAMES 64

static struct options {
    struct run_options run;
    const char *mechanisms[MOST_NAMES + 1], *placements[MOST_NAMES + 1];
    const char *dir; /* report; compare: OLD */
    const char *new; /* compare */
    bool csv;        /* list, compare */
} options;

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
    KEY_CSV
};

/* -- arguments --------------------------------------------------------------- */

static void
add_name(struct argp_state *state, const char **names, const char *name)
{
    size_t n = 0;

    while (names[n] != NULL)
        n++;
    if (n == MOST_NAMES)
        argp_error(state, "at most %d names", MOST_NAMES);
    names[n] = name;
}

/* A number from lo to hi, or the program ends. */
static double
number(struct argp_state *state, const char *option, const char *text,
       double lo, double hi)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end != '\0' || !(v >= lo && v <= hi))
        argp_error(state, "%s takes a number from %.7g to %.7g, not `%s'",
                   option, lo, hi, text);
    return v;
}

static uint64_t
seed(struct argp_state *state, const char *text)
{
    char *end;
    uint64_t v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || *text == '-')
        argp_error(state, "--seed takes a whole number, not `%s'", text);
    return v;
}

/* -- run ------------------------------------------------------------------------- */

static const struct argp_option run_list[] = {
    {"mechanism", 'm', "NAME", 0,
     "only this one (pipe/packet) or all of this directory (pipe); may be "
     "repeated",
     0},
    {"placement", KEY_PLACEMENT, "NAME", 0,
     "one-cpu, two-cpu-awake (needs root), two-cpu or free; may be repeated "
     "(default: one-cpu, and two-cpu-awake where possible, else two-cpu)",
     0},
    {"budget", KEY_BUDGET, "SECONDS", 0,
     "how long the run may take (default: 5 for each mechanism, at most 90; "
     "with "
     "--full 8 times that)",
     0},
    {"duration", KEY_DURATION, "MS", 0,
     "how long each cell is measured; the budget is of no account then "
     "(default: what the budget allows)",
     0},
    {"rounds", KEY_ROUNDS, "N", 0,
     "how often each cell is measured (default: 9; with --full 25)", 0},
    {"sizes", KEY_SIZES, "BYTES,...", 0,
     "of round trips, beside 64, which is always measured (default: "
     "1024,4096,65536,1048576)",
     0},
    {"clients", KEY_CLIENTS, "N,...", 0,
     "how many at once, beside 1 (default: 2,4,8)", 0},
    {"full", KEY_FULL, NULL, 0,
     "every placement, 11 sizes, up to 16 clients, 25 rounds: about 12 "
     "minutes",
     0},
    {"seed", KEY_SEED, "N", 0, "the order of the cells (default: random)", 0},
    {"out", KEY_OUT, "DIR", 0,
     "put the run's directory there (default: results in the source tree, "
     "elsewhere ipclab-results)",
     0},
    {0},
};

/* "1024,65536" after what is there already, rising. */
static size_t
numbers(struct argp_state *state, const char *option, const char *text,
        double most, size_t *list, size_t room)
{
    size_t n = 1; /* the first is there */

    for (const char *at = text; at != NULL; at = strchr(at, ',')) {
        char one[32];

        at += *at == ',';
        snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ","), at);
        list[n] = (size_t)number(state, option, one, (double)list[0], most);
        if (list[n] == list[0])
            continue;
        if (list[n] < list[n - 1])
            argp_error(state, "%s takes rising numbers, not `%s'", option,
                       text);
        if (++n == room)
            argp_error(state, "%s takes at most %zu numbers", option, room - 2);
    }
    return n;
}

#define MOST_SIZES 32 /* with the one before them and the 0 behind */

static size_t size_list[MOST_SIZES] = {64}, client_list[MOST_SIZES] = {1};

static void
parse_clients(struct argp_state *state, const char *text)
{
    static long clients[MOST_SIZES];
    size_t n = numbers(state, "--clients", text, IPC_MAX_CLIENTS, client_list,
                       MOST_SIZES);

    for (size_t i = 0; i < n; i++)
        clients[i] = (long)client_list[i];
    clients[n] = 0;
    options.run.plan.clients = clients;
}

static error_t
parse_run(int key, char *arg, struct argp_state *state)
{
    struct run_options *o = &options.run;

    switch (key) {
    case 'm':
        add_name(state, options.mechanisms, arg);
        return 0;
    case KEY_PLACEMENT:
        add_name(state, options.placements, arg);
        return 0;
    case KEY_BUDGET:
        o->plan.budget = number(state, "--budget", arg, 0.1, 86400);
        return 0;
    case KEY_ROUNDS:
        o->plan.rounds = (long)number(state, "--rounds", arg, 1, 1000);
        return 0;
    case KEY_DURATION:
        o->plan.duration = number(state, "--duration", arg, 1, 60000) / 1e3;
        return 0;
    case KEY_SIZES:
        size_list[numbers(state, "--sizes", arg, 1048576, size_list,
                          MOST_SIZES)] = 0;
        o->plan.sizes = size_list;
        return 0;
    case KEY_CLIENTS:
        parse_clients(state, arg);
        return 0;
    case KEY_FULL:
        o->plan.full = true;
        return 0;
    case KEY_SEED:
        o->seed = seed(state, arg);
        return 0;
    case KEY_OUT:
        o->out = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state,
                   "run takes no argument `%s'; a mechanism is chosen "
                   "with -m %s",
                   arg, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp run_argp = {
    .options = run_list,
    .parser = parse_run,
    .doc = "Measures every mechanism: round trips, sizes, throughput; prints "
           "the tables and draws the charts.",
};

static int
do_run(void)
{
    options.run.plan.mechanisms = options.mechanisms;
    options.run.plan.placements = options.placements;
    return run(&options.run);
}

/* -- list ------------------------------------------------------------------------- */

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
    int err = list(stdout, options.csv);

    if (err == 0)
        return EX_OK;
    fprintf(stderr, "ipcbench: writing the list: %s\n", strerror(-err));
    return EX_IOERR;
}

/* -- report ------------------------------------------------------------------------- */

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
    .args_doc = "DIR",
    .doc = "Prints the tables and draws the charts of the run in DIR again, "
           "from its cells.csv.",
};

static int
do_report(void)
{
    return report(options.dir, false);
}

/* -- compare ------------------------------------------------------------------------ */

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

/* -- isolate ------------------------------------------------------------------------- */

static const struct argp_option isolate_list[] = {
    {"mechanism", 'm', "NAME", 0,
     "only this one (pipe/packet) or all of this directory (pipe); may be "
     "repeated",
     0},
    {"out", KEY_OUT, "DIR", 0,
     "put the run's directory there (default: results in the source tree, "
     "elsewhere ipclab-results)",
     0},
    {0}};

static error_t
parse_isolate(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state,
                   "isolate takes no argument `%s'; a mechanism is chosen with "
                   "-m %s",
                   arg, arg);
    return key == 'm' || key == KEY_OUT ? parse_run(key, arg, state)
                                        : ARGP_ERR_UNKNOWN;
}

static const struct argp isolate_argp = {
    .options = isolate_list,
    .parser = parse_isolate,
    .doc = "Puts a client, then its server, into a new namespace of each kind "
           "and tries whether they still reach each other, with every "
           "mechanism.  Exit status 1: something was not as expected.",
};

static int
do_isolate(void)
{
    return isolate(options.mechanisms, options.run.out);
}

/* -- verbs --------------------------------------------------------------------------- */

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
    /* As a spawned mechanism's server, for isolate. */
    if (argc == 4 && strcmp(argv[1], "--stdio") == 0)
        return isolate_stdio(argv[3]);
    argp_err_exit_status = EX_USAGE;
    if (getrandom(&options.run.seed, 4, 0) != 4) /* four: easier to retype */
        options.run.seed = 1;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
    return verb != NULL ? verb->act() : EX_USAGE;
}

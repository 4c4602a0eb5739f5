/* run_args.c - the options of `ipcbench run`. */
#define _GNU_SOURCE /* argp */
#include "bench/run_args.h"

#include "bench/export.h"
#include "bench/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NAMES 64

static const char *mechanisms[MOST_NAMES + 1], *placements[MOST_NAMES + 1];

struct run_options run_wanted = {
    .plan = {.mechanisms = mechanisms, .placements = placements},
};

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

static long
whole(struct argp_state *state, const char *option, const char *text, long lo,
      long hi)
{
    double v = number(state, option, text, (double)lo, (double)hi);

    if (v != (double)(long)v)
        argp_error(state, "%s takes a whole number, not `%s'", option, text);
    return (long)v;
}

/* "4096", "4k", "4KiB", "1M": how many bytes. */
static double
bytes(struct argp_state *state, const char *option, const char *text, double lo,
      double hi)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"k", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}};
    char digits[32];
    size_t n = strspn(text, "0123456789");

    snprintf(digits, sizeof digits, "%s", text);
    for (size_t i = 0; n > 0 && i < sizeof units / sizeof *units; i++)
        if (strcasecmp(text + n, units[i].unit) == 0)
            snprintf(digits, sizeof digits, "%.0f",
                     strtod(text, NULL) * (1 << units[i].shift));
    return number(state, option, digits, lo, hi);
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

/* -- what isolate takes, too ---------------------------------------------- */

static const struct argp_option choice_list[] = {
    {"mechanism", 'm', "NAME", 0,
     "only this one (pipe/packet) or all of this directory (pipe); may be "
     "repeated.  A run without it leaves out the textbook forms",
     0},
    {"out", KEY_OUT, "DIR", 0,
     "put the run's directory there (default: results in the source tree, "
     "elsewhere ipclab-results)",
     0},
    {0},
};

static error_t
parse_choice(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'm':
        add_name(state, mechanisms, arg);
        return 0;
    case KEY_OUT:
        run_wanted.out = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp choice_argp = {
    .options = choice_list,
    .parser = parse_choice,
};

const struct argp_child choice_child[] = {{.argp = &choice_argp}, {0}};

/* -- the rest ------------------------------------------------------------- */

static const struct argp_option run_list[] = {
    {"placement", KEY_PLACEMENT, "NAME", 0,
     "one-cpu, two-cpu-awake (needs root), two-cpu or free; may be repeated "
     "(default: one-cpu, and two-cpu-awake where possible, else two-cpu)",
     0},
    {"budget", KEY_BUDGET, "SECONDS", 0,
     "how long the run may take; what there is no time for is left out, and "
     "said (default: 5 for each mechanism, at most 90; with --full 8 times "
     "that)",
     0},
    {"duration", KEY_DURATION, "MS", 0,
     "how long each cell is measured; the budget is of no account then "
     "(default: what the budget allows)",
     0},
    {"rounds", KEY_ROUNDS, "N", 0,
     "how often each cell is measured (default: 9; with --full 25)", 0},
    {"sizes", KEY_SIZES, "BYTES,...", 0,
     "of round trips, beside 64, which is always measured; 4k and 64KiB will "
     "do (default: 1k,4k,64k,1M)",
     0},
    {"clients", KEY_CLIENTS, "N,...", 0,
     "how many at once, beside 1 (default: 2,4,8)", 0},
    {"full", KEY_FULL, NULL, 0,
     "every placement, 11 sizes, up to 16 clients, 25 rounds: about 12 "
     "minutes",
     0},
    {"peer", KEY_PEER, "NAME=COMMAND", 0,
     "measure this program, too, in the same rounds at the same places: it "
     "prints one number, as `5.06 us' for a round trip of 64 bytes or `210000 "
     "messages/s' for one way; may be repeated",
     0},
    {"seed", KEY_SEED, "N", 0, "the order of the cells (default: random)", 0},
    {0},
};

/* "1024,64k" after what is there already, rising. */
static size_t
numbers(struct argp_state *state, const char *option, const char *text,
        double most, size_t *list, size_t room)
{
    size_t n = 1; /* the first is there */

    for (const char *at = text; at != NULL; at = strchr(at, ',')) {
        char one[32];

        at += *at == ',';
        snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ","), at);
        list[n] = (size_t)bytes(state, option, one, (double)list[0], most);
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
    run_wanted.plan.clients = clients;
}

#define MOST_PEERS 16

/* "zmq=remote_lat ... | awk ..." */
static void
add_peer(struct argp_state *state, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    static struct peer peers[MOST_PEERS + 1];
    size_t n = strspn(text, letters), i = 0;
    struct peer new = {.command = text + n + 1};

    if (n == 0 || text[n] != '=' || text[n + strspn(text + n, "= \t")] == '\0')
        argp_error(state,
                   "--peer takes NAME=COMMAND, the name of letters, digits and "
                   "._-, such as 'perf=perf bench sched pipe', not `%s'",
                   text);
    if (n + strlen(PEER_PREFIX) >= sizeof new.name)
        argp_error(state, "--peer takes a name of at most %zu characters",
                   sizeof new.name - 1 - strlen(PEER_PREFIX));
    snprintf(new.name, sizeof new.name, PEER_PREFIX "%.*s", (int)n, text);
    for (; peers[i].command != NULL; i++)
        if (strcmp(peers[i].name, new.name) == 0)
            argp_error(state, "there are two peers called %s", new.name);
    if (i == MOST_PEERS)
        argp_error(state, "at most %d peers", MOST_PEERS);
    peers[i] = new;
    run_wanted.plan.peers = peers;
}

static error_t
parse_run(int key, char *arg, struct argp_state *state)
{
    struct run_options *o = &run_wanted;

    switch (key) {
    case KEY_PLACEMENT:
        add_name(state, placements, arg);
        return 0;
    case KEY_BUDGET:
        o->plan.budget = number(state, "--budget", arg, 0.1, 86400);
        return 0;
    case KEY_ROUNDS:
        o->plan.rounds = whole(state, "--rounds", arg, 1, 1000);
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
    case KEY_PEER:
        add_peer(state, arg);
        return 0;
    case KEY_FULL:
        o->plan.full = true;
        return 0;
    case KEY_SEED:
        o->seed = seed(state, arg);
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

static const struct argp_child run_children[] = {
    {.argp = &choice_argp}, {.argp = &export_argp}, {0}};

const struct argp run_argp = {
    .options = run_list,
    .parser = parse_run,
    .children = run_children,
    .doc = "Measures every mechanism: round trips, sizes, throughput; prints "
           "the tables and draws the charts.",
};

/*
 * ipcctl.c - the control program: one call from the command line.
 *
 *   ipcctl -m socket/stream hello World
 *   ipcctl -m fifo/perclient read_file path=/etc/motd offset=0 count=100
 *
 * Exit status: 0 ok, 1 the server said no, 2 could not talk to it, 64 usage, 74
 * the output could not be written.
 */
#define _GNU_SOURCE /* argp */
#include "client/ipcctl.h"

#include "core/args.h"
#include "core/clock.h"
#include "core/program.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

const char *argp_program_version = ARGS_VERSION("ipcctl");

struct ctl_options options = {.timeout_ns = 5 * NS_PER_SEC};

/* -- command line --------------------------------------------------------- */

enum { KEY_RUN_DIR = 256, KEY_SERVER, KEY_AT, KEY_PAGE, KEY_TRACE };

static const struct argp_option option_list[] = {
    {"mechanism", 'm', "NAME", 0,
     "how to talk: socket/stream, fifo/perclient "
     "...; `ipcbench list` names them",
     0},
    {"run-dir", KEY_RUN_DIR, "DIR", 0,
     "where the server's endpoints are (default: as for ipcd)", 0},
    {"server", KEY_SERVER, "PROGRAM", 0,
     "the ipcd to start, for mechanisms that start one (default: the one "
     "beside ipcctl)",
     0},
    {"at", KEY_AT, "HOST:PORT", 0,
     "the server is there, for mechanisms that reach other hosts", 0},
    {"timeout", 't', "SECONDS", 0, "give up after so long (default: 5)", 0},
    {"trace", KEY_TRACE, NULL, 0,
     "show every frame, both ways, on standard error", 0},
    {"page", KEY_PAGE, NULL, 0, "with `describe`: the whole protocol as a page",
     0},
    {0},
};

static const char args_doc[] = "METHOD [VALUE | NAME=VALUE]...";
static const char doc[] =
    "Calls a method of an ipcd and prints what it returns.\v"
    "`ipcctl describe` lists the methods; with -m it asks the server. A VALUE "
    "of bytes or string that begins with @ is read from that file.\n\n"
    "Exit status: 0 ok, 1 the server said no, 2 could not talk to it, 64 "
    "usage, 74 the output could not be written.";

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    char *end;
    double seconds;

    switch (key) {
    case 'm':
        options.m = args_mechanism(state, arg, "there is nobody to talk to");
        return 0;
    case KEY_RUN_DIR:
        options.dir = arg;
        return 0;
    case KEY_SERVER:
        options.server = arg;
        return 0;
    case KEY_AT:
        if (!args_address(arg, true))
            argp_error(state,
                       "--at=%s: HOST:PORT, IPv4 or a name, a port from 1 to "
                       "65535",
                       arg);
        options.at = arg;
        return 0;
    case KEY_TRACE:
        options.trace = true;
        return 0;
    case KEY_PAGE:
        options.page = true;
        return 0;
    case 't':
        seconds = strtod(arg, &end);
        if (end == arg || *end != '\0' || !(seconds > 0) || seconds > 86400)
            argp_error(state, "--timeout=%s: seconds, more than 0", arg);
        options.timeout_ns = (int64_t)(seconds * (double)NS_PER_SEC);
        return 0;
    case ARGP_KEY_ARG: /* the first word; the rest are not options */
        options.words = state->argv + state->next - 1;
        if (strcmp(arg, "describe") == 0 && state->next < state->argc &&
            strcmp(state->argv[state->next], "--page") == 0) {
            options.word_count = 1;
            return 0;
        }
        options.word_count = state->argc - state->next + 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which method? `ipcctl describe` lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void
usage(const char *format, ...)
{
    va_list args;

    fputs("ipcctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n", stderr);
    exit(EX_USAGE);
}

/* -- arguments ------------------------------------------------------------ */

/* A file's contents; ends the program if they cannot be had.  Each argument has
 * room of its own, since several may come from files. */
static struct api_value
file_contents(const char *path)
{
    static char text[API_MAX_FIELDS][IPC_MAX_MSG];
    static size_t used;
    struct api_value v = {.at = text[used]};
    FILE *f = fopen(path, "re");

    if (f == NULL)
        usage("%s: %s", path, strerror(errno));
    v.len = fread(text[used++], 1, IPC_MAX_MSG, f);
    if (ferror(f))
        usage("%s: %s", path, strerror(errno));
    if (fgetc(f) != EOF)
        usage("%s: larger than a message can be (%d bytes)", path, IPC_MAX_MSG);
    fclose(f);
    return v;
}

/* What api_encode() would refuse with one word for both. */
static void
check_string(const struct api_field *field, const struct api_value *v)
{
    if (v->len > UINT16_MAX)
        usage("%s: a string has at most %d bytes, not %zu", field->name,
              UINT16_MAX, v->len);
    if (memchr(v->at, '\0', v->len) != NULL)
        usage("%s: a string has no byte of 0", field->name);
}

static struct api_value
parse_value(const struct api_field *field, const char *text)
{
    struct api_value v = {.u64 = 0};
    bool negative = *text == '-';
    char *end = NULL;

    errno = 0;
    switch (field->type) {
    case API_U32:
    case API_U64:
        v.u64 = strtoull(text, &end, 0);
        if (negative || (field->type == API_U32 && v.u64 > UINT32_MAX))
            errno = ERANGE;
        if (field->type == API_U32)
            v.u32 = (uint32_t)v.u64;
        break;
    case API_I32:
    case API_I64:
        v.i64 = strtoll(text, &end, 0);
        if (field->type == API_I32 && (v.i64 < INT32_MIN || v.i64 > INT32_MAX))
            errno = ERANGE;
        if (field->type == API_I32)
            v.i32 = (int32_t)v.i64;
        break;
    case API_STRING:
    case API_BYTES:
        v = *text == '@' ? file_contents(text + 1)
                         : (struct api_value){.at = text, .len = strlen(text)};
        if (field->type == API_STRING)
            check_string(field, &v);
        return v;
    case API_FD:
    case API_END:
        break;
    }
    if (end == text || (end != NULL && *end != '\0'))
        usage("%s: '%s' is not a whole number", field->name, text);
    if (errno != 0)
        usage("%s: %s is out of range", field->name, text);
    return v;
}

static size_t
field_count(const struct api_field *fields)
{
    size_t n = 0;

    while (fields[n].type != API_END)
        n++;
    return n;
}

/* The field that "name=..." names, or -1: not a name, a positional value. */
static int
named_field(const struct api_field *fields, const char *word)
{
    const char *equals = strchr(word, '=');

    for (int i = 0; equals != NULL && fields[i].type != API_END; i++)
        if (strlen(fields[i].name) == (size_t)(equals - word) &&
            strncmp(fields[i].name, word, (size_t)(equals - word)) == 0)
            return i;
    return -1;
}

static void
parse_arguments(const struct api_method *method, struct api_value *values)
{
    bool given[API_MAX_FIELDS] = {false}, positional = false;
    size_t n = field_count(method->args), next = 0;
    char signature[256];

    api_signature(method, signature, sizeof signature);
    for (int w = 1; w < options.word_count; w++) {
        const char *word = options.words[w];
        int i = named_field(method->args, word);

        if (i >= 0)
            word = strchr(word, '=') + 1;
        else
            i = (int)next;
        positional = positional || word == options.words[w];
        if ((size_t)i >= n)
            usage("'%s' is one argument too many: %s", word, signature);
        if (given[i])
            usage("%s is given twice: %s", method->args[i].name, signature);
        values[i] = parse_value(&method->args[i], word);
        given[i] = true;
        while (next < n && given[next])
            next++;
    }
    /* Which one is missing only names can tell: without, it may be any. */
    for (size_t i = 0; i < n; i++)
        if (!given[i] && !positional)
            usage("%s is missing: %s", method->args[i].name, signature);
        else if (!given[i])
            usage("%zu arguments are wanted, not %d: %s", n,
                  options.word_count - 1, signature);
}

/* -- main ----------------------------------------------------------------- */

int
main(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse_option, args_doc, doc,
                                     NULL,        NULL,         NULL};
    static struct api_value args[API_MAX_FIELDS]; /* file_contents(): kept */
    const struct api_method *method;
    const char *why;

    program_begin("ipcctl");
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
    if (options.words == NULL) /* cannot be: ARGP_KEY_NO_ARGS */
        return EX_SOFTWARE;
    method = api_by_name(options.words[0]);
    if (method == NULL)
        usage("there is no method '%s'; `ipcctl describe` lists them",
              options.words[0]);
    if (method->number == API_describe && options.word_count == 1 &&
        (options.m == NULL || options.page))
        return describe_own();
    if (method->number != API_describe || options.word_count > 1)
        parse_arguments(method, args);
    if (options.m == NULL)
        usage("by which mechanism? Say -m NAME; `ipcbench list` names them");
    ctl_catch_signals();
    why = ipc_unavailable(options.m);
    if (why != NULL)
        usage("%s cannot be used here: %s", options.m->name, why);
    return ctl_call(method, args);
}

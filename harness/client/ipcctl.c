/*
 * ipcctl.c - the control program: one call from the command line.
 *
 *   ipcctl -m socket/stream hello World
 *   ipcctl -m fifo/perclient read_file path=/etc/motd offset=0 count=100
 *
 * Exit status: 0 ok, 1 the server said no, 2 could not talk to it, 64 usage.
 */
#define _GNU_SOURCE /* strerrorname_np */
#include "core/args.h"
#include "core/client.h"
#include "core/clock.h"
#include "core/rundir.h"

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

const char *argp_program_version = ARGS_VERSION("ipcctl");

enum { SAID_NO = 1, CANNOT_TALK = 2 };

static struct options {
    const struct ipc_mechanism *m;
    const char *dir, *server, *at;
    int64_t timeout_ns;
    bool page;
    char **words; /* method and arguments */
    int word_count;
} options = {.timeout_ns = 5 * NS_PER_SEC};

static volatile sig_atomic_t interrupted;

/* -- command line ----------------------------------------------------------- */

enum { KEY_RUN_DIR = 256, KEY_SERVER, KEY_AT, KEY_PAGE };

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
    "usage.";

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
        options.at = arg;
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

static void __attribute__((noreturn, format(printf, 1, 2)))
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

/* -- arguments ---------------------------------------------------------------- */

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
        if (*text == '@')
            return file_contents(text + 1);
        v.at = text;
        v.len = strlen(text);
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
    bool given[API_MAX_FIELDS] = {false};
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
        if ((size_t)i >= n)
            usage("'%s' is one argument too many: %s", word, signature);
        if (given[i])
            usage("%s is given twice: %s", method->args[i].name, signature);
        values[i] = parse_value(&method->args[i], word);
        given[i] = true;
        while (next < n && given[next])
            next++;
    }
    for (size_t i = 0; i < n; i++)
        if (!given[i])
            usage("%s is missing: %s", method->args[i].name, signature);
}

/* -- output ---------------------------------------------------------------------- */

/* What a server says goes to somebody's terminal: no control characters. */
static void
print_text(FILE *out, const struct api_value *v)
{
    for (size_t i = 0; i < v->len; i++) {
        unsigned char ch = (unsigned char)v->at[i];

        if (ch < 0x20 || ch == 0x7f)
            fprintf(out, "\\x%02x", ch);
        else
            fputc(ch, out);
    }
}

/* A listening socket has no contents, but an address. */
static void
print_address(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    char host[INET_ADDRSTRLEN];

    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
        at.sin_family == AF_INET &&
        inet_ntop(AF_INET, &at.sin_addr, host, sizeof host) != NULL)
        printf("%s:%u, as long as ipcctl lives\n", host, ntohs(at.sin_port));
}

static void
print_contents(int fd)
{
    char buf[65536];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        print_address(fd);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        fwrite(buf, 1, (size_t)n, stdout);
}

/* One result: its value.  Several: name=value, one a line.  Bytes and files
 * come as they are, nothing added. */
static void
print_results(const struct api_field *fields, const struct api_value *v, int fd)
{
    bool alone = fields[0].type == API_END || fields[1].type == API_END;

    if (fields[0].type == API_BYTES) { /* with eof, for scripts, left out */
        fwrite(v->at, 1, v->len, stdout);
        return;
    }
    for (; fields->type != API_END; fields++, v++) {
        if (!alone)
            printf("%s=", fields->name);
        switch (fields->type) {
        case API_U32:
            printf("%" PRIu32, v->u32);
            break;
        case API_U64:
            printf("%" PRIu64, v->u64);
            break;
        case API_I32:
            printf("%" PRId32, v->i32);
            break;
        case API_I64:
            printf("%" PRId64, v->i64);
            break;
        case API_STRING:
        case API_BYTES:
            print_text(stdout, v);
            break;
        case API_FD:
            print_contents(fd);
            continue;
        case API_END:
            break;
        }
        putchar('\n');
    }
}

static int
print_reply(const struct api_method *method, const struct reply *r)
{
    if (r->status == WIRE_OK) {
        print_results(method->results, r->results, r->fd);
    } else {
        fprintf(stderr, "ipcctl: %s: %s", method->name,
                api_status_name(r->status));
        if (r->message.len > 0)
            fputs(": ", stderr);
        print_text(stderr, &r->message);
        if (r->os_error != 0)
            fprintf(stderr, " [%s]", strerrorname_np(r->os_error));
        fputs("\n", stderr);
    }
    if (r->fd != -1)
        close(r->fd);
    if (fflush(stdout) == EOF) {
        fprintf(stderr, "ipcctl: standard output: %s\n", strerror(errno));
        return SAID_NO;
    }
    return r->status == WIRE_OK ? EXIT_SUCCESS : SAID_NO;
}

static void
describe(const struct api_value *signature, const struct api_value *text,
         const struct api_value *needs)
{
    print_text(stdout, signature);
    fputs("\n    ", stdout);
    print_text(stdout, text);
    fputs("\n    needs ", stdout);
    print_text(stdout, needs);
    putchar('\n');
}

static int
describe_own(void)
{
    char buf[256], needs[80];

    if (options.page) {
        api_protocol_page(stdout);
        return EXIT_SUCCESS;
    }
    for (const struct api_method *m = api_methods; m->name != NULL; m++) {
        api_signature(m, buf, sizeof buf);
        api_needs(m, needs, sizeof needs);
        describe(&(struct api_value){.at = buf, .len = strlen(buf)},
                 &(struct api_value){.at = m->doc, .len = strlen(m->doc)},
                 &(struct api_value){.at = needs, .len = strlen(needs)});
    }
    return EXIT_SUCCESS;
}

/* -- talking ------------------------------------------------------------------------ */

/* Says why it did not work and what to do about it. */
static int
cannot_talk(const char *where, int err)
{
    const char *name = options.m->name;
    bool spawned = (options.m->caps & IPC_SPAWNED) != 0;

    fprintf(stderr, "ipcctl: %s: ", name);
    switch (-err) {
    case ENOENT:
    case ECONNREFUSED:
        if (spawned)
            fprintf(stderr, "no server program at %s; say --server PROGRAM",
                    where);
        else
            fprintf(stderr,
                    "no server at %s; start one with `ipcd -m %s`, or say with "
                    "--run-dir or $IPCLAB_DIR where it is",
                    where, name);
        break;
    case EACCES:
        fprintf(stderr, "%s is not for uid %ju", where, (uintmax_t)getuid());
        break;
    case EPERM:
        fprintf(stderr,
                "what stands at %s cannot be trusted: it must belong to the "
                "owner of its directory, and nobody else may write there",
                where);
        break;
    case EAGAIN:
        fprintf(stderr,
                "the server has all the clients it can take; try again");
        break;
    case ETIMEDOUT:
        fprintf(stderr, "no answer within the time (%.3g s)",
                (double)options.timeout_ns / (double)NS_PER_SEC);
        break;
    case EPIPE:
        fprintf(stderr, "the server closed the connection, or died");
        break;
    case EMSGSIZE:
        fprintf(stderr,
                "the arguments are too long for this mechanism: a "
                "message has at most its limit (`ipcbench list`), "
                "header of %zu bytes included",
                (size_t)WIRE_HEADER);
        break;
    case EINTR:
        fprintf(stderr, "interrupted");
        break;
    default:
        fprintf(stderr, "%s", strerror(-err));
    }
    fputs("\n", stderr);
    return CANNOT_TALK;
}

static int
describe_theirs(struct client *c, const struct api_method *method)
{
    struct api_value index = {.u64 = 0};
    uint32_t count = 1;

    for (index.u32 = 0; index.u32 < count; index.u32++) {
        struct reply r;
        int err = client_call(c, method, &index, &r, options.timeout_ns);

        if (err != 0)
            return err;
        if (r.status != WIRE_OK)
            return print_reply(method, &r);
        count = r.results[0].u32;
        describe(&r.results[2], &r.results[3], &r.results[4]);
    }
    return EXIT_SUCCESS;
}

static int
talk(const struct api_method *method, const struct api_value *args,
     const char *where)
{
    bool all = method->number == API_describe && options.word_count == 1 &&
               !(options.m->caps & IPC_ONEWAY);
    struct client c;
    struct reply r;
    int err = client_open(&c, options.m, where);

    if (err != 0)
        return cannot_talk(where, err);
    c.stop = &interrupted;
    if (interrupted) {
        err = -EINTR;
    } else if (all) {
        err = describe_theirs(&c, method);
    } else {
        err = client_call(&c, method, args, &r, options.timeout_ns);
        if (err == 0 && (options.m->caps & IPC_ONEWAY))
            fprintf(stderr, "ipcctl: sent; %s has no way back for an answer\n",
                    options.m->name);
        else if (err == 0)
            err = print_reply(method, &r);
    }
    client_close(&c);
    return err < 0 ? cannot_talk(where, err) : err;
}

static void
interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* Where to find the server: its program, or its endpoint. */
static void
find_server(char *where, size_t size)
{
    char dir[ENDPOINT_SIZE];
    int err = 0;

    if (options.at != NULL && !(options.m->caps & IPC_REMOTE))
        usage("%s does not reach other hosts; leave out --at", options.m->name);
    if (options.at != NULL) {
        snprintf(where, size, "%s", options.at);
    } else if (options.m->caps & IPC_SPAWNED) {
        if (options.server == NULL)
            err = program_path("ipcd", where, size);
        else
            snprintf(where, size, "%s", options.server);
    } else {
        if (options.dir == NULL)
            err = rundir_default(dir);
        if (err == 0)
            err = endpoint_name(options.m,
                                options.dir != NULL ? options.dir : dir, where);
    }
    if (err != 0)
        usage("the path of the run directory is too long");
}

int
main(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse_option, args_doc, doc,
                                     NULL,        NULL,         NULL};
    struct sigaction sa = {.sa_handler = interrupt}; /* no SA_RESTART */
    static struct api_value args[API_MAX_FIELDS];    /* file_contents(): kept */
    const struct api_method *method;
    char where[PATH_MAX];
    const char *why;

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
    why = ipc_unavailable(options.m);
    if (why != NULL)
        usage("%s cannot be used here: %s", options.m->name, why);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    find_server(where, sizeof where);
    return talk(method, args, where);
}

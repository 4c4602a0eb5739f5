/* verbs.c - ipclab check, ipclab hint (verbs.h). */
#define _GNU_SOURCE /* program_invocation_name */
#include "lab/verbs.h"

#include "core/rundir.h"
#include "lab/check.h"
#include "lab/report.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { BAD_GRADER = 2 };

/* -- check ----------------------------------------------------------------- */

enum key {
    TAP = 256,
    JUNIT,
    GRADESCOPE,
    CLASSROOM,
    EVIDENCE,
    PROGRAMS,
    FIRST,
    QUIET
};

static const struct argp_option options[] = {
    {"tap", TAP, "FILE", 0, "write TAP", 0},
    {"junit", JUNIT, "FILE", 0, "write JUnit's XML", 0},
    {"gradescope", GRADESCOPE, "FILE", 0, "write Gradescope's results.json", 0},
    {"classroom", CLASSROOM, "FILE", 0, "write GitHub Classroom's JSON", 0},
    {"evidence", EVIDENCE, "DIR", 0, "write a file for each failure", 0},
    {"programs", PROGRAMS, "DIR", 0, "the test program is there", 0},
    {"first", FIRST, NULL, 0, "end with the first step that fails", 0},
    {"quiet", QUIET, NULL, 0, "say the sum only", 0},
    {0},
};

struct order {
    const char *target, *programs;
    const char *files[PROGRAMS - TAP];
    bool first, quiet;
    bool cannot_write; /* one of the files: that is told once */
};

static error_t
/* NOLINTNEXTLINE(readability-non-const-parameter): argp's type */
parse(int key, char *arg, struct argp_state *state)
{
    struct order *o = state->input;

    switch (key) {
    case TAP:
    case JUNIT:
    case GRADESCOPE:
    case CLASSROOM:
    case EVIDENCE:
        o->files[key - TAP] = arg;
        return 0;
    case PROGRAMS:
        o->programs = arg;
        return 0;
    case FIRST:
        o->first = true;
        return 0;
    case QUIET:
        o->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->target != NULL)
            argp_error(state, "one lab at a time");
        o->target = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "of which lab? LAB or LAB.STEP: fifo, fifo.3");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int (*const writers[])(struct check *, const char *) = {
    report_tap, report_junit, report_gradescope, report_classroom,
    report_evidence};

static void
write_files(struct check *c, struct order *o)
{
    for (size_t i = 0; !o->cannot_write && i < sizeof writers / sizeof *writers;
         i++) {
        const int err = o->files[i] != NULL ? writers[i](c, o->files[i]) : 0;

        if (err == 0)
            continue;
        fprintf(stderr, "ipclab: %s: %s\n", o->files[i], strerror(-err));
        o->cannot_write = true;
    }
}

/* What is written is so far: if time is up in the middle, it is there. */
static void
tell_step(struct check *c, int step, void *order)
{
    struct order *o = order;

    if (!o->quiet)
        report_step(stdout, c, step);
    fflush(stdout);
    write_files(c, o);
}

static int
cannot_begin(const struct check *c, const char *target, int err)
{
    if (err == -EINVAL)
        fprintf(stderr,
                "ipclab: there is no lab `%s': LAB or LAB.STEP, such as fifo "
                "or fifo.3 (1 to %d); LAB/VARIANT for another form\n",
                target, STEPS);
    else
        fprintf(stderr, "ipclab: %s: %s; make check L=%s builds it\n", c->tests,
                strerror(-err), c->lab);
    return err == -EINVAL ? 64 : BAD_GRADER;
}

int
verb_check(struct argp_state *state)
{
    static struct check c;
    const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "LAB[.STEP]"};
    struct order o = {.quiet = false};
    int status, err;

    argp_parse(&argp, state->argc - state->next + 1,
               state->argv + state->next - 1, 0, NULL, &o);
    err = check_begin(&c, o.target, o.programs);
    if (err != 0)
        return cannot_begin(&c, o.target, err);
    c.first = o.first;
    c.trace = o.files[EVIDENCE - TAP] != NULL;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* whose tests are killed, are ours */
    check_run(&c, tell_step, &o);
    report_sum(stdout, &c);
    status = o.cannot_write ? BAD_GRADER : check_status(&c);
    check_end(&c);
    return status;
}

/* -- hint ------------------------------------------------------------------ */

/* How many have been shown: a digit per step, in LAB/work/hints. */
static int
count_hint(const char *lab, int step)
{
    char path[64], shown[STEPS + 1] = "0000000000";
    FILE *f;
    int n;

    snprintf(path, sizeof path, "%.30s/work/hints", lab);
    f = fopen(path, "re");
    if (f != NULL) {
        (void)!fread(shown, 1, STEPS, f);
        fclose(f);
    }
    n = shown[step - 1] - '0';
    n = n >= 0 && n < HINTS ? n + 1 : HINTS;
    shown[step - 1] = (char)('0' + n);
    f = fopen(path, "we"); /* no work/ yet: the first one, each time */
    if (f != NULL) {
        fwrite(shown, 1, STEPS, f);
        fclose(f);
    }
    return n;
}

static void
print_wrapped(const char *text)
{
    int column = 0;

    while (*text != '\0') {
        const int n = (int)strcspn(text, " ");

        if (column > 0 && column + 1 + n > 77) {
            putchar('\n');
            column = 0;
        }
        column += printf("%s%.*s", column > 0 ? " " : "  ", n, text);
        text += n;
        text += *text == ' ';
    }
    putchar('\n');
}

int
verb_hint(struct argp_state *state)
{
    char lab[64];
    const char *arg = state->argv[state->next], *dot;
    int step, n;

    if (state->next + 1 != state->argc)
        argp_error(state, "hint: for which step? such as fifo.3");
    dot = strchr(arg, '.');
    step = dot != NULL ? atoi(dot + 1) : 0;
    snprintf(lab, sizeof lab, "%.*s", (int)strcspn(arg, "."), arg);
    if (step < 1 || step > STEPS ||
        strspn(lab, "abcdefghijklmnopqrstuvwxyz") != strlen(lab))
        argp_error(state, "hint: for which step? such as fifo.3 (1 to %d)",
                   STEPS);
    steps_load();
    n = count_hint(lab, step);
    printf("%s.%d, %s: hint %d of %d\n", lab, step, steps[step].title, n,
           HINTS);
    print_wrapped(steps[step].hints[n - 1]);
    if (n == HINTS)
        printf("  (That was the last one; make diff L=%s shows a solution.)\n",
               lab);
    return EXIT_SUCCESS;
}

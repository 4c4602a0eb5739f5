/*
 * ipclab.c - the course's program.
 *
 *   ipclab check fifo        the student's form through the steps of the lab
 *   ipclab grade fifo DIR... a class, a directory each
 *   ipclab hint fifo.3       the next hint for a step
 *   ipclab why PID...        why does this process make no progress?
 *
 * Exit status: 0 passed, said; 1 failed, there is no such process (any more); 2
 * the grader failed; 3 nothing could be run, it may not be looked at; 64 usage;
 * 74 the output could not be written.
 */
#define _GNU_SOURCE /* argp */
#include "lab/verbs.h"
#include "lab/why.h"

#include "core/args.h"
#include "core/program.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

const char *argp_program_version = ARGS_VERSION("ipclab");

/* -- why ------------------------------------------------------------------- */

enum { NO_PROCESS = 1, NOT_HERE = 3 };

static pid_t
pid_from(struct argp_state *state, const char *text)
{
    char *end;
    long pid;

    errno = 0;
    pid = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || pid < 1 || pid > INT_MAX)
        argp_error(state, "`%s' is not a process number (ps, pgrep)", text);
    return (pid_t)pid;
}

static int
why(struct argp_state *state)
{
    int status = EXIT_SUCCESS;

    if (state->next == state->argc)
        argp_error(state, "why: of which process? (ps, pgrep)");
    for (int i = state->next; i < state->argc; i++)
        pid_from(state, state->argv[i]);
    for (int i = state->next; i < state->argc; i++) {
        const pid_t pid = pid_from(state, state->argv[i]);
        const int err = why_print(pid);

        if (err == -EPERM) {
            fprintf(stderr,
                    "ipclab: pid %d is not yours to look into: ask as its "
                    "user, or as root (ptrace(2))\n",
                    (int)pid);
            status = NOT_HERE;
        } else if (err == -ETIMEDOUT) {
            fprintf(stderr,
                    "ipclab: pid %d cannot be looked into: what stands in its "
                    "memory, or a file that it has open, does not come (its "
                    "own file system? FUSE, userfaultfd)\n",
                    (int)pid);
            status = NOT_HERE;
        } else if (err < 0) {
            fprintf(stderr, "ipclab: there is no process %d (any more)\n",
                    (int)pid);
            if (status == EXIT_SUCCESS)
                status = NO_PROCESS;
        }
    }
    return status;
}

/* -- command line ---------------------------------------------------------- */

static const struct verb {
    const char *name;
    int (*run)(struct argp_state *state);
} verbs[] = {
    {"check", verb_check},
    {"grade", verb_grade},
    {"hint", verb_hint},
    {"why", why},
};

static const char doc[] =
    "The course: what a student needs beside a compiler.\v"
    "check LAB[.STEP]   the student's form through the steps of the lab, "
    "LAB.md (make check L=LAB builds it first); also LAB/VARIANT, another "
    "form. --tap, --junit, --gradescope, --classroom FILE write it for "
    "programs, --evidence DIR what is known of each failure.\n\n"
    "grade LAB DIR...   a class: DIR/LAB.c of each, two at a time, in a cell "
    "with limits; -o DIR keeps the results and summary.csv.\n\n"
    "hint LAB.STEP      the next of three hints.\n\n"
    "why PID...   what each thread of a process waits for, and who could end "
    "that: pipes, FIFOs, queues, semaphores, locks, mutexes, sockets, signals, "
    "children.\n\n"
    "Exit status: 0 passed, or said; 1 failed, or no such process; 2 the "
    "grader failed; 3 nothing could be run, or looked at; 64 usage; 74 the "
    "output could not be written.";

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    int *status = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
            if (strcmp(arg, verbs[i].name) == 0) {
                *status = verbs[i].run(state);
                state->next = state->argc;
                return 0;
            }
        argp_error(state, "there is no `%s'; ipclab --help says what there is",
                   arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "what is to be done? ipclab --help says what there "
                          "is");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Those with options of their own parse what comes after them. */
static unsigned
how_to_parse(const char *verb)
{
    const bool own = verb != NULL &&
                     (strcmp(verb, "check") == 0 || strcmp(verb, "grade") == 0);

    return own ? ARGP_IN_ORDER : 0;
}

int
main(int argc, char **argv)
{
    const struct argp argp = {
        .parser = parse, .args_doc = "VERB [ARGUMENT...]", .doc = doc};
    int status = EXIT_SUCCESS;

    program_begin("ipclab");
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, how_to_parse(argv[1]), NULL, &status);
    return status;
}

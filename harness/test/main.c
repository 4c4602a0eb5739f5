/*
 * main.c - the test program: every suite in one runner.
 *
 *      build/release/check                  all of them (make check)
 *      CK_RUN_CASE=fifo/perclient ...       one mechanism
 *      CK_RUN_SUITE=ctl ...                 one suite
 *      CK_LANES=1 ...                       one test at a time (lanes.h)
 *      IPCLAB_TEST=a_sentence ...           one test (make prove)
 *      CK_FORK=no CK_RUN_CASE=... gdb ...   in one process, for a debugger
 *
 * (asked.h has what a grader asks for.)  It also is a server: `check --stdio -m
 * NAME` is what the test of IPC_POLLABLE has spawned.
 */
#define _GNU_SOURCE /* setenv */
#include "test.h"

#include "test/asked.h"
#include "test/here.h"
#include "test/lanes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The last line, as Check has it. */
static void
print_sum(const struct sum *s)
{
    const int passed = s->checks - s->failures - s->errors;

    printf("%d%%: Checks: %d, Failures: %d, Errors: %d\n",
           s->checks == 0 ? 100 : passed * 100 / s->checks, s->checks,
           s->failures, s->errors);
}

int
main(int argc, char **argv)
{
    const char *tmpdir = getenv("TMPDIR");
    SRunner *runner;
    struct sum sum;
    bool good;

    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "--stdio") == 0)
        return polled_stdio_server(argv[3]);
    if (argc == 2 && strcmp(argv[1], "--who") == 0)
        return here_who();
    if (argc != 1) {
        fprintf(stderr, "check takes no arguments; CK_RUN_CASE=NAME in the "
                        "environment picks one mechanism\n");
        return 64;
    }
    if (tmpdir != NULL) /* Check's name for it */
        setenv("TEMP", tmpdir, 1);
    here_inherit_nothing();
    asked_begin();
    queues_raise_limit();
    /* For ipcd-naive: no other program looks at it. */
    setenv("IPCLAB_WITHOUT", "owner,proper,nonce", 1);
    if (!is_forked() && getenv("CK_RUN_CASE") == NULL) {
        fprintf(stderr, "check: with CK_FORK=no one test's namespaces, limits "
                        "and uids would be the next one's; CK_RUN_CASE=NAME "
                        "picks one case for a debugger\n");
        return 64;
    }
    fixture_begin();
    runner = srunner_create(NULL);
    for (size_t i = 0; suites[i] != NULL; i++)
        if (asked_for_suite(suite_files[i]))
            srunner_add_suite(runner, suites[i]());
    sum = lanes_run(runner);
    srunner_free(runner);
    good = sum.failures + sum.errors == 0;
    if (print_not_run() == 0 && sum.checks == 0) {
        good = false;
        fprintf(stderr, "nothing was run: no suite or case of that name\n");
    }
    print_sum(&sum);
    fixture_end();
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

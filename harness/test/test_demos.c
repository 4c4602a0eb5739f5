/*
 * test_demos.c - the first thing a student reads must work, and with the
 * compiler alone: `cc demo.c && ./a.out`.
 */
#define _GNU_SOURCE /* access, unshare */
#include "test/test.h"

#include "test/here.h"

#include <glob.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h */
#endif

Suite *test_demos(void);

static glob_t demos; /* in all directories that have one */

static void
find_demos(void)
{
    char pattern[PATH_MAX];

    snprintf(pattern, sizeof pattern, "%s/*/demo.c", source_dir());
    if (source_dir() == NULL)
        return;
    glob(pattern, 0, NULL, &demos);
    snprintf(pattern, sizeof pattern, "%s/harness/ns/demo.c", source_dir());
    glob(pattern, GLOB_APPEND, NULL, &demos);
}

/* The names go through the environment, so that there may be blanks in them. */
START_TEST(a_demo_compiles_alone_and_runs)
{
    int status;

    ck_assert_int_eq(chdir(run_dir), 0);
    setenv("BIN", programs_dir(), 1);
    setenv("DEMO", demos.gl_pathv[_i], 1);
    status = system("cc -Wall -Wextra -Werror -o \"$BIN/demo\" \"$DEMO\" && "
                    "timeout 20 \"$BIN/demo\" >demo.out </dev/null");
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "%s: status %d", demos.gl_pathv[_i], status);
    ck_assert_int_eq(system("test -s demo.out && rm demo.out \"$BIN/demo\""),
                     0);
}
END_TEST

START_TEST(a_demo_is_one_page)
{
    const char *path = demos.gl_pathv[_i];
    char line[512];
    int lines = 0;
    FILE *f;

    f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s", path);
    while (fgets(line, sizeof line, f) != NULL) {
        lines++;
        ck_assert_msg(strncmp(line, "#include \"", 10) != 0,
                      "%s needs a header of ours: %s", path, line);
    }
    fclose(f);
    ck_assert_int_le(lines, 80);
}
END_TEST

static bool
may_unshare(void)
{
    return unshare(CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWNET) == 0;
}

Suite *
test_demos(void)
{
    Suite *s = suite_create("demos");

    find_demos();
    for (size_t i = 0; i == 0 || i < demos.gl_pathc; i++) {
        TCase *tc = test_case(s, "demo");

        const char *reason = need_source();

        if (reason == NULL)
            reason = need_programs();
        if (reason == NULL && i < demos.gl_pathc &&
            strstr(demos.gl_pathv[i], "/shm/") != NULL)
            reason = need_dev_shm();
        if (reason == NULL && i < demos.gl_pathc &&
            strstr(demos.gl_pathv[i], "/harness/ns/") != NULL &&
            !here_try(may_unshare))
            reason = "need user namespaces";
        add_loop_test_if(tc, reason, a_demo_compiles_alone_and_runs, (int)i);
        add_loop_test_if(tc, need_source(), a_demo_is_one_page, (int)i);
    }
    return s;
}

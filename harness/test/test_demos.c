/*
 * test_demos.c - the first thing a student reads must work, and with the
 * compiler alone: `cc demo.c && ./a.out`.
 */
#define _GNU_SOURCE /* access */
#include "test/test.h"

#include "test/here.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_demos(void);

static const char *const directories[] = {"pipe", "fifo", "msgq",   "shm",
                                          "sem",  "mmap", "socket", "signals"};

START_TEST(a_demo_compiles_alone_and_runs)
{
    char command[4 * PATH_MAX];
    int status;

    snprintf(command, sizeof command,
             "cd %s && cc -Wall -Wextra -Werror -o %s/demo %s/%s/demo.c && "
             "timeout 20 %s/demo >demo.out </dev/null",
             run_dir, programs_dir(), source_dir(), directories[_i],
             programs_dir());
    status = system(command);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "%s/demo.c: status %d", directories[_i], status);
    snprintf(command, sizeof command,
             "cd %s && test -s demo.out && rm demo.out %s/demo", run_dir,
             programs_dir());
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(a_demo_is_one_page)
{
    char path[PATH_MAX], line[512];
    int lines = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s/demo.c", source_dir(), directories[_i]);
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

Suite *
test_demos(void)
{
    Suite *s = suite_create("demos");

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        TCase *tc = test_case(s, "demo");

        const char *reason = need_source();

        if (reason == NULL)
            reason = need_programs();
        if (reason == NULL && strcmp(directories[i], "shm") == 0)
            reason = need_dev_shm();
        add_loop_test_if(tc, reason, a_demo_compiles_alone_and_runs, (int)i);
        add_loop_test_if(tc, need_source(), a_demo_is_one_page, (int)i);
    }
    return s;
}

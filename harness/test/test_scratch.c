/*
 * test_scratch.c - a run's own directory (core/scratch.h): where it is made,
 * that it goes with the run, and that one that is left is found.
 */
#define _GNU_SOURCE /* setenv, O_DIRECTORY */
#include "test/test.h"

#include "core/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_scratch(void);

static bool
is_in(const char *dir, const char *base)
{
    return strncmp(dir, base, strlen(base)) == 0 && dir[strlen(base)] == '/';
}

START_TEST(it_is_made_in_tmpdir_or_elsewhere_if_that_is_missing)
{
    char dir[SCRATCH_SIZE];
    struct stat st;
    int lock;

    umask(077);
    setenv("TMPDIR", run_dir, 1);
    lock = scratch_make("attack", false, dir);
    ck_assert_int_ge(lock, 0);
    ck_assert_msg(is_in(dir, run_dir), "%s", dir);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0711);
    scratch_remove(dir);
    close(lock);
    setenv("TMPDIR", "/nonexistent", 1);
    lock = scratch_make("attack", false, dir);
    ck_assert_int_ge(lock, 0);
    ck_assert(!is_in(dir, "/nonexistent"));
    scratch_remove(dir);
    close(lock);
}
END_TEST

START_TEST(others_must_be_able_to_go_there)
{
    char dir[SCRATCH_SIZE], closed[ENDPOINT_SIZE + 8];
    int lock;

    snprintf(closed, sizeof closed, "%s/c", run_dir);
    ck_assert_int_eq(mkdir(closed, 0700), 0);
    setenv("TMPDIR", closed, 1);
    lock = scratch_make("attack", true, dir);
    ck_assert_int_ge(lock, 0);
    ck_assert_msg(!is_in(dir, closed), "%s", dir);
    scratch_remove(dir);
    close(lock);
    ck_assert_int_eq(rmdir(closed), 0);
}
END_TEST

/* Its keeper removes it, and with it what is in it. */
START_TEST(who_is_killed_leaves_nothing)
{
    struct scratch scratch;
    char dir[SCRATCH_SIZE] = "", file[SCRATCH_SIZE + 8];
    int up[2], status;
    pid_t pid, keeper;

    setenv("TMPDIR", run_dir, 1);
    ck_assert_int_eq(pipe(up), 0);
    pid = fork();
    if (pid == 0) {
        if (scratch_begin(&scratch, "isolate", false) != 0 ||
            write(up[1], &scratch, sizeof scratch) != sizeof scratch)
            _exit(1);
        pause();
        _exit(0);
    }
    close(up[1]);
    ck_assert_int_eq(read(up[0], &scratch, sizeof scratch), sizeof scratch);
    strcpy(dir, scratch.dir);
    keeper = scratch.keeper;
    snprintf(file, sizeof file, "%s/file", dir);
    fclose(fopen(file, "we"));
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    /* Not its parent, we wait for the keeper by the other end of the pipe,
     * which it holds until it ends; then for what is left, if it has come to
     * us. */
    ck_assert_int_eq(read(up[0], file, 1), 0);
    ck_assert_int_gt(keeper, 0);
    waitpid(keeper, NULL, 0);
    ck_assert_int_eq(access(dir, F_OK), -1);
    close(up[0]);
}
END_TEST

static int swept;

static void
count(const char *dir)
{
    (void)dir;
    swept++;
}

START_TEST(only_what_nobody_works_in_is_swept)
{
    char busy[SCRATCH_SIZE], left[SCRATCH_SIZE];
    int lock, other;

    setenv("TMPDIR", run_dir, 1);
    lock = scratch_make("bench", false, busy);
    other = scratch_make("attack", false, left);
    ck_assert_int_ge(lock, 0);
    ck_assert_int_ge(other, 0);
    close(other); /* as the kernel does for who is killed */
    scratch_sweep(count);
    ck_assert_int_ge(swept, 1);
    ck_assert_int_eq(access(left, F_OK), -1);
    ck_assert_int_eq(access(busy, F_OK), 0);
    scratch_remove(busy);
    close(lock);
}
END_TEST

Suite *
test_scratch(void)
{
    Suite *s = suite_create("scratch");
    TCase *tc = test_case(s, "scratch");

    tcase_add_test(tc, it_is_made_in_tmpdir_or_elsewhere_if_that_is_missing);
    tcase_add_test(tc, others_must_be_able_to_go_there);
    tcase_add_test(tc, who_is_killed_leaves_nothing);
    tcase_add_test(tc, only_what_nobody_works_in_is_swept);
    return s;
}

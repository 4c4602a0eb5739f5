/*
 * test_grader.c - the grader judges what is known as it is known: its table has
 * no gap; a skeleton scores nothing, and is told why; a block that is missing
 * is named; a class is graded, and what it leaves running is ended.
 *
 * The whole of it, for all labs, is `make selfcheck`
 * (harness/lab/selfcheck.sh); here are those of its parts that take seconds,
 * for fifo.
 */
#define _GNU_SOURCE /* unshare, memmem */
#include "core/sanitized.h"
#include "lab/check.h"
#include "lab/report.h"
#include "lab/within.h"
#include "test/files.h"
#include "test/here.h"
#include "test/shell.h"
#include "test/test.h"

#include <jansson.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_grader(void);

/* -- the table ------------------------------------------------------------- */

START_TEST(the_points_are_a_hundred_and_no_word_is_missing)
{
    int points = 0;

    steps_load();
    for (int i = 1; i <= STEPS; i++) {
        const struct step *s = &steps[i];

        points += s->points;
        ck_assert_msg(s->points > 0 && s->title != NULL && s->calls != NULL &&
                          s->reading != NULL && s->requires < i,
                      "step %d", i);
        for (int h = 0; h < HINTS; h++)
            ck_assert_msg(s->hints[h] != NULL && strlen(s->hints[h]) > 40,
                          "step %d has no hint %d", i, h + 1);
    }
    ck_assert_int_eq(points, 100);
    for (int i = 0; i < experiment_count; i++)
        ck_assert_uint_gt(strlen(experiments[i].checking), 20);
}
END_TEST

/* A test that is renamed would be absent everywhere, and nobody miss it. */
START_TEST(each_experiment_is_a_test_that_there_is)
{
    steps_load();
    ck_assert_int_gt(experiment_count, 40);
    for (int i = 0; i < experiment_count; i++)
        ck_assert_msg(shell("grep -qrF 'START_TEST(%s)' harness/test",
                            strchr(experiments[i].name, '/') + 1) == 0,
                      "there is no test %s", experiments[i].name);
}
END_TEST

/* -- the programs ---------------------------------------------------------- */

#define selfcheck(what, ...) \
    shell_in(source_dir(), \
             what " O=build/%s harness/lab/selfcheck.sh " __VA_ARGS__)

/* "release", of the build that is tested. */
static const char *
way(void)
{
    static char path[PATH_MAX];
    char *slash;

    ck_assert_int_eq(program_path("ipclab", path, sizeof path), 0);
    slash = strrchr(path, '/');
    *slash = '\0';
    return strrchr(path, '/') + 1;
}

START_TEST(an_untouched_skeleton_scores_nothing_and_is_told_why)
{
    ck_assert_msg(selfcheck("", "skeleton fifo", way()) == 0, "%s", said);
}
END_TEST

START_TEST(a_block_that_is_missing_is_named)
{
    ck_assert_msg(selfcheck("BLOCKS='destroy recv'", "blocks fifo", way()) == 0,
                  "%s", said);
}
END_TEST

START_TEST(the_textbook_form_fails_in_what_is_said_of_it_and_nothing_else)
{
    ck_assert_msg(selfcheck("", "textbook fifo", way()) == 0, "%s", said);
}
END_TEST

START_TEST(a_hardened_variant_has_all_points)
{
    ck_assert_msg(selfcheck("", "hardened fifo", way()) == 0, "%s", said);
}
END_TEST

/* All of them: selfcheck.sh hunt.  A name that stays, an end that nobody
 * closes, a server that cannot begin again. */
START_TEST(each_bug_of_the_museum_is_told_by_its_cause)
{
    ck_assert_msg(selfcheck("", "hunt 2 8 30", way()) == 0, "%s", said);
}
END_TEST

START_TEST(who_takes_memory_without_end_is_told_so_and_where)
{
    ck_assert_msg(selfcheck("", "hungry", way()) == 0, "%s", said);
}
END_TEST

/* -- what programs read ---------------------------------------------------- */

static const char *
sum_of_scores(const char *path, double *sum)
{
    json_t *all = json_load_file(path, 0, NULL), *test;
    size_t i;

    if (all == NULL)
        return "no JSON";
    *sum = 0;
    json_array_foreach(json_object_get(all, "tests"), i, test)
    {
        const char *status = json_string_value(json_object_get(test, "status"));

        if (!json_is_number(json_object_get(test, "score")) ||
            !json_is_number(json_object_get(test, "max_score")) ||
            status == NULL)
            return "a test without score, max_score or status";
        *sum += json_number_value(json_object_get(test, "score"));
    }
    json_decref(all);
    return NULL;
}

/* Of one step of a variant: that is quick. */
START_TEST(each_format_is_what_its_readers_expect)
{
    double sum = -1;

    ck_assert_msg(
        shell_in(run_dir,
                 "%s/build/%s/ipclab check fifo/textbook.8 --tap t --junit x "
                 "--gradescope g --classroom c --evidence e",
                 source_dir(), way()) == 1,
        "%s", said);
    ck_assert_int_eq(shell_in(run_dir, "head -n 1 t"), 0);
    ck_assert_str_eq(said, "TAP version 13\n");
    ck_assert_int_eq(shell_in(run_dir, "grep -c '^1[.][.][0-9]' t"), 0);
    ck_assert_int_eq(shell_in(run_dir, "grep '<failure message=.*K0' x"), 0);
    ck_assert_int_eq(shell_in(run_dir, "grep '^   Expected' e/8-together-who_"
                                       "asks_is_proved_and_not_only_said.txt"),
                     0);
    /* What there was when it failed, and what had been called before. */
    ck_assert_int_eq(
        shell_in(run_dir, "grep '^pid [0-9]* (check): 0 -> ' e/8-*"), 0);
    ck_assert_int_eq(shell_in(run_dir, "grep -A 5 '^-- the last system calls' "
                                       "e/8-*"),
                     0);
    ck_assert_msg(strstr(said, " = ") != NULL || strstr(said, "strace") != NULL,
                  "%s", said);
    shell_in(run_dir, "pwd");
    for (const char *f = "gc"; *f != '\0'; f++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/%c", run_dir, *f);
        ck_assert_ptr_eq(sum_of_scores(path, &sum), NULL);
        ck_assert(sum > 0 && sum < 10);
    }
    shell_in(run_dir, "rm -r t x g c e");
}
END_TEST

/* -- a class --------------------------------------------------------------- */

/* As root's is, in /root. */
START_TEST(a_class_is_not_graded_where_its_users_may_not_enter)
{
    ck_assert_int_eq(
        shell_in(programs_dir(),
                 "sh -c 'mkdir -m 0700 x && mkdir -p x/y/build/z && "
                 ">x/y/Makefile && cp %s/build/%s/ipclab x/y/build/z && "
                 "x/y/build/z/ipclab grade fifo fifo; "
                 "status=$?; rm -r x; exit $status'",
                 source_dir(), way()),
        2);
    ck_assert_ptr_nonnull(strstr(said, "who may not enter"));
    ck_assert_ptr_null(strstr(said, "compile"));
}
END_TEST

/* Directories' names are chosen by others, too: one that is another one's, that
 * of the table, an option, a formula. */
START_TEST(each_of_a_class_has_a_name_and_results_of_its_own)
{
    ck_assert_msg(
        shell_in(run_dir,
                 "sh -c 'mkdir -p a/x b/x c/--keep-root c/summary.csv c/+A1 && "
                 "I=%s/build/%s/ipclab && $I grade -o r fifo a/x b/x b/.. && "
                 "(cd c && $I grade -o ../s fifo *) && "
                 "cut -d, -f1 r/summary.csv s/summary.csv; ls r s; "
                 "rm -r a b c r s'",
                 source_dir(), way()) == 0,
        "%s", said);
    ck_assert_msg(strstr(said,
                         "name\n\"x\"\n\"x-2\"\n\"_.\"\n"
                         "name\n\"_A1\"\n\"_-keep-root\"\n\"summary.csv-2\"\n"
                         "r:\nsummary.csv\n\ns:\nsummary.csv\n") != NULL,
                  "%s", said);
}
END_TEST

/* There a link may lead from summary.csv to any file of root's. */
START_TEST(results_are_not_written_where_others_make_names)
{
    ck_assert_msg(shell_in(run_dir,
                           "sh -c 'mkdir -m 1777 all && echo precious >kept && "
                           "ln -s ../kept all/summary.csv && "
                           "%s/build/%s/ipclab grade -o all fifo .; echo $?; "
                           "cat kept; rm -r all kept'",
                           source_dir(), way()) == 0,
                  "%s", said);
    ck_assert_msg(strstr(said, "must be yours") != NULL, "%s", said);
    ck_assert_msg(strstr(said, "\n2\nprecious\n") != NULL, "%s", said);
}
END_TEST

/* The uids of a directory service may be any. */
START_TEST(no_submission_runs_as_a_user_that_there_is)
{
    ck_assert_msg(
        shell_in(run_dir,
                 "unshare -m sh -c 'seq 61000 61999 | "
                 "sed \"s|.*|u&:x:&:&::/:/bin/sh|\" >passwd && "
                 "mount --bind passwd /etc/passwd && "
                 "%s/build/%s/ipclab grade fifo .; echo $?; rm passwd'",
                 source_dir(), way()) == 0,
        "%s", said);
    ck_assert_msg(strstr(said, "is somebody's\n2\n") != NULL, "%s", said);
}
END_TEST

START_TEST(a_class_is_graded_and_nothing_of_it_is_left)
{
    ck_assert_msg(
        selfcheck("SECONDS_EACH=60",
                  "class honest daemon broken link "
                  "linked twin pipe device away forged everybody queues",
                  way()) == 0,
        "%s", said);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

static bool
another_place(void)
{
    return unshare(CLONE_NEWIPC) == 0 ||
           unshare(CLONE_NEWUSER | CLONE_NEWIPC) == 0;
}

/* The test programs that it starts would wait for this one's turn. */
static const char *
need_a_place(void)
{
    if (SANITIZED)
        return "need a release build (a sanitized one takes minutes for it)";
    if (need_source() != NULL || need_programs() != NULL || need_proc() != NULL)
        return "need the source tree, programs and /proc";
    if (system("command -v make >/dev/null") != 0)
        return "need make";
    return here_try(another_place) ? NULL : "need namespaces";
}

static void
lose_all_rights(void)
{
    cap_t none = cap_init();

    ck_assert_int_eq(cap_set_proc(none), 0);
    cap_free(none);
}

static void
be_elsewhere(struct actor *self, void *arg)
{
    (void)arg;
    ck_assert_int_eq(unshare(CLONE_NEWIPC), 0);
    lose_all_rights(); /* or its namespaces could not be seen without any */
    actor_step(self);
}

/* Whoever is not let into another's namespace sees his own segments. */
START_TEST(ones_own_segments_are_not_anothers)
{
    const int id = shmget(IPC_PRIVATE, 1 << 20, 0600);
    struct actor other;
    char *bytes = shmat(id, NULL, 0);
    pid_t maker;

    ck_assert_int_ne(id, -1);
    memset(bytes, 1, 1 << 20);
    ck_assert_int_eq(shmctl(id, IPC_RMID, NULL), 0);
    actor_start(&other, geteuid(), be_elsewhere, NULL);
    actor_wait(&other);
    ck_assert_uint_eq(within_segments(&other.pid, 1, &maker), 0);
    lose_all_rights();
    ck_assert_uint_eq(within_segments(&other.pid, 1, &maker), 0);
    ck_assert_int_eq(shmdt(bytes), 0);
    ck_assert(actor_kill(&other));
}
END_TEST

Suite *
test_grader(void)
{
    Suite *s = suite_create("grader");
    TCase *tc = test_case(s, "grader");
    const char *reason = need_a_place();

    tcase_set_timeout(tc, 300); /* they build programs */
    tcase_add_test(tc, the_points_are_a_hundred_and_no_word_is_missing);
    add_test_if(tc, need_source(), each_experiment_is_a_test_that_there_is);
    add_test_if(tc, reason, each_format_is_what_its_readers_expect);
    add_test_if(tc, reason,
                an_untouched_skeleton_scores_nothing_and_is_told_why);
    add_test_if(tc, reason, a_block_that_is_missing_is_named);
    add_test_if(tc, reason, a_hardened_variant_has_all_points);
    add_test_if(tc, reason,
                the_textbook_form_fails_in_what_is_said_of_it_and_nothing_else);
    add_test_if(tc, reason, each_bug_of_the_museum_is_told_by_its_cause);
    add_test_if(tc, reason, who_takes_memory_without_end_is_told_so_and_where);
    add_test_if(tc, reason != NULL ? reason : need_root(),
                a_class_is_not_graded_where_its_users_may_not_enter);
    add_test_if(tc, need_right(CAP_SYS_ADMIN),
                ones_own_segments_are_not_anothers);
    add_test_if(tc, reason, results_are_not_written_where_others_make_names);
    add_test_if(tc, reason != NULL ? reason : need_shared_programs(),
                each_of_a_class_has_a_name_and_results_of_its_own);
    add_test_if(tc,
                reason != NULL        ? reason
                : need_root() != NULL ? need_root()
                : system("unshare -m true 2>/dev/null")
                    ? "need unshare(1)"
                    : need_shared_programs(),
                no_submission_runs_as_a_user_that_there_is);
    add_test_if(tc, reason != NULL ? reason : need_shared_programs(),
                a_class_is_graded_and_nothing_of_it_is_left);
    return s;
}

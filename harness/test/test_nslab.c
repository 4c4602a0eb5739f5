/*
 * test_nslab.c - nslab, the program that shows what a new namespace changes,
 * and says what to do where the kernel forbids it.
 */
#define _GNU_SOURCE /* unshare, CLONE_NEW..., RLIMIT_MSGQUEUE */
#include "test/inside.h"

#include "ns/spaces.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

Suite *test_nslab(void);

START_TEST(nslab_shows_a_difference_in_each_namespace)
{
    const struct space *s = &spaces[_i / 2];
    static struct output o;
    size_t len = strlen(s->name);
    bool differs = false, about = false;

    run_program(&o, "nslab", _i % 2 ? "--clone" : "--unshare", s->name,
                (char *)NULL);
    ck_assert_msg(o.status == 0, "%s", o.err);
    for (char *line = o.out, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        /* The namespace's name stands before the first of its rows. */
        if (*line != ' ')
            about = strncmp(line, s->name, len) == 0 && line[len] == ' ';
        if (about && strchr(line, '*') != NULL)
            differs = true;
        /* A path is not cut; everything else fits the terminal. */
        ck_assert_msg(strlen(line) <= 80 || strspn(line, " *") == 10,
                      "too wide: %s", line);
        *end = '\n';
    }
    ck_assert_msg(differs, "%.3000s", o.out);
    ck_assert_ptr_nonnull(strstr(o.out, "the parent sees what it saw before"));
}
END_TEST

START_TEST(nslab_runs_a_command_inside)
{
    static struct output o;

    run_program(&o, "nslab", "--unshare", "uts,pid", "sh", "-c",
                "echo this is $$ on $(uname -n)", (char *)NULL);
    ck_assert_int_eq(o.status, 0);
    ck_assert_ptr_nonnull(strstr(o.out, "this is 1 on inside\n"));
}
END_TEST

START_TEST(nslab_refuses_a_namespace_that_there_is_not)
{
    static struct output o;

    run_program(&o, "nslab", "--clone", "pid,hair", (char *)NULL);
    ck_assert_int_eq(o.status, 64);
    ck_assert_ptr_nonnull(strstr(o.err, "pid,hair"));
    run_program(&o, "nslab", (char *)NULL);
    ck_assert_int_eq(o.status, 64);
    ck_assert_ptr_nonnull(strstr(o.err, "--clone"));
}
END_TEST

START_TEST(nslab_goes_on_without_a_kind_of_object)
{
    const struct rlimit none = {0, 0};
    static struct output o;

    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &none), 0);
    run_program(&o, "nslab", "--clone", "uts", (char *)NULL);
    ck_assert_msg(o.status == 0, "%.1000s", o.err);
    ck_assert_ptr_nonnull(strstr(o.err, "no POSIX queue to look for"));
    ck_assert_ptr_nonnull(strstr(o.err, "ulimit -q"));
    ck_assert_ptr_nonnull(strstr(o.out, "our POSIX queue       not made"));
    ck_assert_ptr_nonnull(strstr(o.out, "our System V queue    found"));
}
END_TEST

/* The longest path of ours, of which nothing may be missing. */
static void
longest_group(char path[4096])
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[5000];

    path[0] = '\0';
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *at = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        if (at != NULL && strlen(at) > strlen(path))
            snprintf(path, 4096, "%s", at);
    }
    if (f != NULL)
        fclose(f);
}

START_TEST(nslab_says_how_it_found_lo_and_cuts_no_path)
{
    static struct output o;
    char group[4096];

    run_program(&o, "nslab", "--clone", "net", (char *)NULL);
    ck_assert_msg(o.status == 0, "%.1000s", o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "found lo down, and has set it up"));
    longest_group(group);
    ck_assert_msg(strstr(o.out, group) != NULL, "no %s in: %s", group, o.out);
}
END_TEST

/* A user namespace has limits of its own, which its root may lower: a kernel
 * that forbids, made to order. */
static int
wants_one_more(struct lab *l)
{
    struct lab inner = {.flags = CLONE_NEWUTS, .by_clone = l->by_clone};
    FILE *f = fopen("/proc/sys/user/max_uts_namespaces", "we");

    if (f == NULL)
        return 1;
    fputs("0\n", f);
    if (fclose(f) == EOF)
        return 1;
    if (unshare(CLONE_NEWUTS) != -1 || errno != ENOSPC)
        return 2;
    complain(&inner, "unshare()", -errno);
    if (inner.complaints != 1)
        return 3;
    return strstr(advice(&inner, &inner.complaint[0]), "max_") ? 0 : 4;
}

START_TEST(what_the_kernel_forbids_is_explained)
{
    run_inside(CLONE_NEWUSER, _i, wants_one_more);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_nslab(void)
{
    Suite *s = suite_create("nslab");
    TCase *tc = test_case(s, "nslab");
    const char *reason = need_spaces();

    for (int i = 0; i < 2 * SPACES; i++)
        add_loop_test_if(tc, reason, nslab_shows_a_difference_in_each_namespace,
                         i);
    add_test_if(tc, reason, nslab_runs_a_command_inside);
    add_test_if(tc, reason, nslab_goes_on_without_a_kind_of_object);
    add_test_if(tc, reason, nslab_says_how_it_found_lo_and_cuts_no_path);
    tcase_add_test(tc, nslab_refuses_a_namespace_that_there_is_not);
    add_both(tc, reason, what_the_kernel_forbids_is_explained);
    return s;
}

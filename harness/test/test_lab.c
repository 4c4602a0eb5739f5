/*
 * test_lab.c - what students begin with, and that nothing else breaks by what
 * they make of it (harness/lab).
 *
 * All is done in a copy of the tree: in the checkout is somebody's own work.
 */
#define _GNU_SOURCE /* PATH_MAX, symlink */
#include "core/rundir.h"
#include "core/sanitized.h"
#include "test/files.h"
#include "test/here.h"
#include "test/session.h"
#include "test/shell.h"
#include "test/test.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_lab(void);

static char copy[PATH_MAX];
static char make[3 * PATH_MAX]; /* as the programs here were built */

/* "fifo" of "fifo/textbook", for each textbook form. */
static char lab_names[16][NAME_MAX];
static int lab_count;

static void
find_labs(void)
{
    for (size_t i = 0; ipc_registry[i] != NULL; i++) {
        const char *name = ipc_registry[i]->name;

        if (!(ipc_registry[i]->caps & IPC_TEXTBOOK) || lab_count == 16)
            continue;
        snprintf(lab_names[lab_count++], NAME_MAX, "%.*s",
                 (int)strcspn(name, "/"), name);
    }
}

#define in_copy(...) shell_in(copy, __VA_ARGS__)

/* With the times of all, so that make compiles nothing again (see
 * adding.sh). */
static void
copy_tree(bool with_build)
{
    char path[PATH_MAX];
    const char *build;

    ck_assert_int_eq(program_path("ipcd", path, sizeof path), 0);
    build = basename(dirname(path));
    snprintf(copy, sizeof copy, "%s/lab", programs_dir());
    ck_assert_msg(shell("COPY='%s' sh -ec 'mkdir -p \"$COPY/build\"; for i in "
                        "*; do case $i in build|results) ;; *) cp -a \"$i\" "
                        "\"$COPY\" ;; esac; done; rm -rf \"$COPY\"/*/work; "
                        "%s cp -a build/%s \"$COPY/build\"'",
                        copy, with_build ? "" : "true", build) == 0,
                  "%s", said);
    snprintf(make, sizeof make,
             "make -s V=%.*s O=build/%s -o build/%s/how CC=\"$(sed 's/ -pie / "
             "/; s/ -Wl,[^ ]*//g' build/%s/how)\"",
             (int)strcspn(build, "-"), build, build, build, build);
}

static void
remove_copy(void)
{
    remove_tree(copy);
}

/* Makes LAB/work/LAB.c with all its blocks written. */
static void
fill(const char *lab)
{
    ck_assert_msg(in_copy("sh -c 'mkdir -p %s/work; awk -v lab=%s -v "
                          "blank=none -f harness/lab/skeleton.awk "
                          "%s/textbook.c > %s/work/%s.c'",
                          lab, lab, lab, lab, lab) == 0,
                  "%s", said);
}

START_TEST(what_a_student_begins_with_compiles_without_a_warning)
{
    static const char *const compilers[] = {"gcc", "clang"};
    const char *lab = lab_names[_i];

    copy_tree(false);
    ck_assert_msg(in_copy("make start L=%s", lab) == 0, "%s", said);
    for (int filled = 0; filled <= 1; filled++) {
        if (filled)
            fill(lab);
        for (size_t i = 0; i < sizeof compilers / sizeof *compilers; i++) {
            if (in_copy("sh -c 'command -v %s'", compilers[i]) != 0)
                continue;
            ck_assert_msg(in_copy("make -s CC=%s O=build/x L=%s "
                                  "build/work-x/%s/mine.o",
                                  compilers[i], lab, lab) == 0,
                          "%s", said);
            ck_assert_str_eq(said, "");
            in_copy("rm -r build/work-x build/x");
        }
    }
    remove_copy();
}
END_TEST

/* Each alone: which of them is blank must not matter to the others. */
START_TEST(each_block_can_be_the_only_one_blank)
{
    const char *lab = lab_names[_i];

    copy_tree(false);
    ck_assert_msg(
        in_copy("sh -c 'set -e; n=0; for b in $(sed -n "
                "\"s|^ */\\* block \\([a-z]*\\):.*|\\1|p\" %s/textbook.c); do "
                "rm -rf %s/work; make -s start L=%s.$b >/dev/null; "
                "[ $(grep -c \"not written yet \\*/\" %s/work/%s.c) = 1 ]; "
                "cc -std=c17 -Wall -Wextra -Werror -Wno-unused "
                "-Wno-unused-parameter -Iharness -fsyntax-only %s/work/%s.c; "
                "n=$((n+1)); done; [ $n -ge 4 ]'",
                lab, lab, lab, lab, lab, lab, lab) == 0,
        "%s", said);
    remove_copy();
}
END_TEST

/* hello, by the programs that have this form. */
static int
say_hello(const char *lab, const char *form)
{
    return in_copy("IPCLAB_DIR='%s/d' timeout 60 build/work/%s/ipcctl -m %s/%s "
                   "hello World",
                   run_dir, lab, lab, form);
}

static bool
is_spawned(const char *lab)
{
    char name[NAME_MAX + sizeof "/textbook"];

    snprintf(name, sizeof name, "%s/textbook", lab);
    return ipc_find(name)->caps & IPC_SPAWNED;
}

START_TEST(an_untouched_skeleton_says_so_and_a_filled_one_serves)
{
    const char *lab = lab_names[_i];
    const char *root = geteuid() == 0 ? "--keep-root" : "";

    copy_tree(true);
    snprintf(make + strlen(make), sizeof make - strlen(make),
             " W=build/work/%s L=%s build/work/%s/ipcd build/work/%s/ipcctl",
             lab, lab, lab, lab);
    ck_assert_msg(in_copy("make start L=%s", lab) == 0, "%s", said);
    ck_assert_msg(in_copy("%s", make) == 0, "%s", said);
    expect_unsaid("warning");
    if (!is_spawned(lab)) {
        ck_assert_int_eq(in_copy("IPCLAB_DIR='%s/d' timeout 60 "
                                 "build/work/%s/ipcd %s -m %s/work",
                                 run_dir, lab, root, lab),
                         1);
        expect_said("not written yet");
    }
    ck_assert_int_eq(say_hello(lab, "work"), 2);
    if (is_spawned(lab))
        expect_said("not written yet");

    fill(lab);
    ck_assert_msg(in_copy("%s", make) == 0, "%s", said);
    if (!is_spawned(lab))
        ck_assert_msg(
            in_copy("IPCLAB_DIR='%s/d' sh -c 'ready=$(build/work/%s/ipcd %s "
                    "--ready-fd 3 -m %s/work 3>&1 >/dev/null 2>&1 & echo $! > "
                    "pid)'",
                    run_dir, lab, root, lab) == 0,
            "%s", said);
    ck_assert_msg(say_hello(lab, "work") == 0, "%s", said);
    expect_said("Hello World\n");
    if (!is_spawned(lab))
        in_copy("sh -c 'kill $(cat pid)'");
    children_end();
    remove_copy();
}
END_TEST

/* A link to a program of the lab's in DIR/build/work/LAB; ipcd says when it is
 * ready. */
static void
put_program(const char *dir, const char *lab, const char *program)
{
    char to[2 * PATH_MAX], from[2 * PATH_MAX];

    snprintf(to, sizeof to, "%s/build/work/%s/%s", dir, lab, program);
    snprintf(from, sizeof from, "%s/build/work/%s/%s", copy, lab, program);
    if (strcmp(program, "ipcd") == 0)
        session_server(to, from, geteuid() == 0 ? "--keep-root" : "");
    else
        ck_assert_int_eq(symlink(from, to), 0);
}

/* Of a form that has all its blocks; and is there an assignment at all? */
START_TEST(what_the_assignment_shows_is_so)
{
    const char *lab = lab_names[_i];
    const struct readme *all;
    char dir[PATH_MAX + 2], file[NAME_MAX + sizeof "/LAB.md"];
    int shown = 0;

    copy_tree(true);
    fill(lab);
    ck_assert_msg(in_copy("%s W=build/work/%s L=%s build/work/%s/ipcd "
                          "build/work/%s/ipcctl",
                          make, lab, lab, lab, lab) == 0,
                  "%s", said);
    snprintf(dir, sizeof dir, "%s/s", copy);
    ck_assert_int_eq(in_copy("mkdir -p s/build/work/%s", lab), 0);
    put_program(dir, lab, "ipcd");
    put_program(dir, lab, "ipcctl");
    unsetenv("IPCLAB_BIN"); /* whose ipcd has no such form */
    snprintf(file, sizeof file, "%s/LAB.md", lab);
    for (size_t i = readme_all(&all); i-- > 0;)
        for (size_t b = 0; b < all[i].block_count; b++)
            if (strcmp(all[i].file, file) == 0 && all[i].blocks[b].session) {
                session_run(&all[i].blocks[b], dir);
                shown++;
            }
    ck_assert_int_gt(shown, 0);
    remove_copy();
}
END_TEST

/* Neither by a compiler's error nor by the linker's. */
START_TEST(what_does_not_compile_stops_nobody_else)
{
    static const char *const broken[] = {
        "echo \"this is not C\" >>", "sed -i s/fifo_work/fifo_play/",
        /* used, or it may be left out, and what it calls */
        ("echo \"void f(void), g(void); __attribute__((used)) void f(void) { "
         "g(); }\" >>")};

    copy_tree(true);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        fill("fifo");
        ck_assert_int_eq(in_copy("sh -c '%s fifo/work/fifo.c'", broken[i]), 0);
        ck_assert_int_eq(in_copy("%s W=build/work/fifo L=fifo work", make), 2);
        expect_said(i == 0 ? "error: " : "undefined");
        ck_assert_msg(in_copy("%s programs", make) == 0, "%s", said);
        ck_assert_str_eq(said, "");
        ck_assert_msg(
            in_copy("%s W=build/work/fifo M=fifo build/work/fifo/fast/ipcbench",
                    make) == 0,
            "%s", said);
        expect_said("fifo/work/fifo.c cannot be built: the others are");
        ck_assert_int_ne(in_copy("test -e build/work/fifo/fast/ipcbench"), 0);
    }
    remove_copy();
}
END_TEST

/* And builds what it needs for that. */
START_TEST(make_check_judges_one_step_or_says_which_there_are)
{
    copy_tree(true);
    fill("fifo");
    ck_assert_msg(in_copy("%s check L=fifo.3", make) == 0, "%s", said);
    expect_said("fifo.3     the edges");
    expect_said("10 of 10\n");
    expect_unsaid("fifo.2");
    ck_assert_int_eq(in_copy("%s check L=fifo.11", make), 2);
    expect_said("there is no lab `fifo.11'");
    ck_assert_int_eq(in_copy("make -s reset L=fifo.recv"), 0);
    ck_assert_int_eq(in_copy("%s check L=fifo.2", make), 2);
    expect_said("Because    not written yet: recv()");
    remove_copy();
}
END_TEST

START_TEST(a_students_work_is_never_lost)
{
    copy_tree(false);
    ck_assert_msg(in_copy("make start L=fifo") == 0, "%s", said);
    ck_assert_int_eq(in_copy("sh -c 'echo /\\* mine >> fifo/work/fifo.c'"), 0);
    ck_assert_int_eq(in_copy("make start L=fifo"), 2);
    expect_said("fifo/work/fifo.c is there already; make reset L=fifo puts it "
                "aside");
    ck_assert_int_eq(in_copy("make reset L=fifo.nix"), 2);
    ck_assert_int_eq(in_copy("make diff L=fifo"), 0);
    expect_said("+/* mine\n");
    for (int n = 1; n <= 2; n++) {
        ck_assert_int_eq(in_copy("make reset L=fifo.send"), 0);
        ck_assert_int_eq(in_copy("grep -c %s fifo/work/old-%d/fifo.c",
                                 n == 1 ? "mine" : "'return -ENOSYS'", n),
                         0);
    }
    ck_assert_int_eq(in_copy("grep -c 'return -ENOSYS' fifo/work/fifo.c"), 0);
    ck_assert_str_eq(said, "1\n");
    remove_copy();
}
END_TEST

START_TEST(a_name_that_is_none_is_an_error_that_lists_the_labs)
{
    static const char *const bad[] = {"",         "nix",     "../fifo",
                                      "'fifo a'", "harness", "'$(id)'"};
    static const char *const verbs[] = {"start", "reset", "diff", "work"};

    copy_tree(false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t v = 0; v < sizeof verbs / sizeof *verbs; v++) {
            ck_assert_int_eq(in_copy("make %s L=%s", verbs[v], bad[i]), 2);
            expect_said("; there are: fifo");
        }
    for (size_t v = 1; v < sizeof verbs / sizeof *verbs; v++) {
        ck_assert_int_eq(in_copy("make %s L=fifo", verbs[v]), 2);
        expect_said("there is no fifo/work/fifo.c; make start L=fifo makes it");
    }
    ck_assert_int_eq(in_copy("make start L=fifo.nix"), 2);
    expect_said("fifo has no block 'nix'; it has: create next reply");
    remove_copy();
}
END_TEST

/* -- the bug museum -------------------------------------------------------- */

START_TEST(each_bug_is_in_its_form_and_compiles)
{
    copy_tree(false);
    ck_assert_msg(
        in_copy("sh -c 'set -e; n=0; for f in harness/lab/hunt/*-*.sed; do "
                "b=${f##*/}; b=${b%%%%-*}; b=${b#0}; "
                "[ $(sed -n \"1,3s/^# \\(wrong\\|caught\\|because\\): "
                "./&/p\" $f | wc -l) = 3 ]; harness/lab/hunt.sh plant $b x.c; "
                "cc -std=c17 -Wall -Wextra -Iharness -fsyntax-only x.c; "
                "n=$((n+1)); done; [ $n -ge 24 ]'") == 0,
        "%s", said);
    remove_copy();
}
END_TEST

/* What students do wrong, by the words that "because" begins with, of three for
 * each lab at least; what is told of each is for selfcheck.sh to try. */
START_TEST(the_museum_has_each_kind_and_three_of_each_lab)
{
    static const char *const kinds[] = {
        "deadlock",     "leak",      "wrong framing",    "identity",
        "zombie",       "unclosed",  "lost wake-up",     "busy wait",
        "partial read", "EINTR",     "wrong byte count", "wrong order",
        "SIGBUS",       "leftover:", "wrong clock",      "unfair"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ck_assert_msg(shell_in(source_dir(),
                               "grep -q '^# because: .*%s' harness/lab/hunt/*",
                               kinds[i]) == 0,
                      "no bug of the kind: %s", kinds[i]);
    ck_assert_msg(
        shell_in(source_dir(),
                 "sh -c 'for form in */textbook.c; do lab=${form%%/*}; "
                 "[ $(grep -l \"^# told: \" harness/lab/hunt/*-$lab.sed | "
                 "wc -l) -ge 3 ] || { echo $lab; exit 1; }; done'") == 0,
        "not three bugs: %s", said);
}
END_TEST

/* Bug 2: a client's FIFO stays. */
START_TEST(a_test_that_finds_a_bug_kills_it_and_one_that_does_not_is_told)
{
    char path[PATH_MAX + 8], text[sizeof make + 32];

    copy_tree(true);
    snprintf(path, sizeof path, "%s/mk", copy);
    snprintf(text, sizeof text, "#!/bin/sh\nexec %s \"$@\"\n", make);
    write_file(path, text, 0755);
    ck_assert_int_eq(in_copy("make -s hunt"), 0);
    expect_said("  fifo     1 2 ");
    ck_assert_int_eq(in_copy("make -s hunt B=0"), 2);
    expect_said("there is no bug 0; make hunt lists them");
    ck_assert_int_eq(in_copy("make -s hunt B=2"), 0);
    ck_assert_int_eq(in_copy("MAKE=./mk harness/lab/hunt.sh hunt 2"), 1);
    expect_said("passes with the bug, too: it is still there");
    ck_assert_int_eq(
        in_copy("sh -c 'echo \"ls \\$IPCLAB_DIR; ! ls \\$IPCLAB_DIR | grep "
                "work[.][0-9]\" >> fifo/work/hunt-2.sh'"),
        0);
    ck_assert_msg(in_copy("MAKE=./mk harness/lab/hunt.sh hunt 2") == 0, "%s",
                  said);
    expect_said("fifo/work/hunt-2.sh kills bug 2");
    expect_said("what was wrong: close() does not remove the client's FIFO");
    ck_assert_int_eq(in_copy("sh -c 'echo false > fifo/work/hunt-2.sh'"), 0);
    ck_assert_int_eq(in_copy("MAKE=./mk harness/lab/hunt.sh hunt 2"), 1);
    expect_said("fails without the bug, too");
    children_end();
    remove_copy();
}
END_TEST

static const char *
need_a_build(void)
{
    if (SANITIZED)
        return "need a release build (a sanitized one takes minutes for it)";
    return need_programs() != NULL ? need_programs() : need_proc();
}

/* Its textbook form's server can run here. */
static const char *
need_lab(int i)
{
    char name[NAME_MAX + sizeof "/textbook"];

    snprintf(name, sizeof name, "%s/textbook", lab_names[i]);
    return need_mechanism(ipc_find(name));
}

Suite *
test_lab(void)
{
    Suite *s = suite_create("lab");
    TCase *tc = test_case(s, "lab");
    const char *reason = need_source();

    if (reason == NULL && system("command -v make >/dev/null") != 0)
        reason = "need make";
    if (reason == NULL)
        reason = need_a_build();
    tcase_set_timeout(tc, 300); /* they build programs */
    find_labs();
    for (int i = 0; i < lab_count; i++) {
        const char *no_server = reason != NULL ? reason : need_lab(i);

        add_loop_test_if(tc, reason,
                         what_a_student_begins_with_compiles_without_a_warning,
                         i);
        add_loop_test_if(tc, reason, each_block_can_be_the_only_one_blank, i);
        add_loop_test_if(tc, no_server,
                         an_untouched_skeleton_says_so_and_a_filled_one_serves,
                         i);
        add_loop_test_if(tc, no_server, what_the_assignment_shows_is_so, i);
    }
    add_test_if(tc, reason, what_does_not_compile_stops_nobody_else);
    add_test_if(tc, reason, make_check_judges_one_step_or_says_which_there_are);
    add_test_if(tc, reason, a_students_work_is_never_lost);
    add_test_if(tc, reason, each_bug_is_in_its_form_and_compiles);
    add_test_if(tc, reason, the_museum_has_each_kind_and_three_of_each_lab);
    add_test_if(tc, reason,
                a_test_that_finds_a_bug_kills_it_and_one_that_does_not_is_told);
    add_test_if(tc, reason,
                a_name_that_is_none_is_an_error_that_lists_the_labs);
    return s;
}

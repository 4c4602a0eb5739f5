/*
 * test_make.c - the Makefile as other people use it: another compiler, flags of
 * their own, names with a blank in them, a machine that is too old.
 *
 * Nothing is compiled: make only says what it would do (-n), or takes the
 * programs as they are (-o programs).  But a new mechanism is, at the end.
 */
#define _GNU_SOURCE /* PATH_MAX */
#include "core/rundir.h"
#include "core/sanitized.h"
#include "test/files.h"
#include "test/here.h"
#include "test/shell.h"
#include "test/test.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_make(void);

/* Where nothing was built yet, and what `make -n` says builds nothing: a name
 * without a blank, which run_dir may have. */
#define EMPTY "O=build/none"

/* run_dir's scripts are found before others of their names. */
#define SCRIPTS_FIRST "PATH='%s':\"$PATH\" "

/* A script of that name in run_dir. */
static void
write_script(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", run_dir, name);
    f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0755), 0);
}

static void
remove_script(const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", run_dir, name);
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(an_unknown_way_to_build_is_an_error_that_lists_the_known)
{
    static const char *const bad[] = {"V=relaese", "V=", "V='release asan'"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(shell("make -n %s", bad[i]), 2);
        expect_said("is none of: release asan tsan analyze cov");
    }
    ck_assert_int_eq(shell("make -n V=cov " EMPTY " help"), 0);
}
END_TEST

/* Of `make sweep' what is done in a directory where anybody makes names. */
START_TEST(a_strangers_link_does_not_say_where_is_swept)
{
    char ipcd[PATH_MAX], bin[PATH_MAX];

    ck_assert_int_eq(program_path("ipcd", ipcd, sizeof ipcd), 0);
    strcpy(bin, ipcd);
    ck_assert_int_eq(shell("sh -c 'cd %s && mkdir -p precious/run "
                           "ipclab-mine/run && ln -s precious ipclab-hers'",
                           run_dir),
                     0);
    ck_assert_int_eq(shell("make -n sweep SWEPT=%s O=%s -o %s | "
                           "sed -n '/own()/,$p' | sh",
                           run_dir, dirname(bin), ipcd),
                     0);
    expect_said("ipclab-mine");
    ck_assert_msg(shell("ls %s", run_dir) == 0 &&
                      strcmp(said, "ipclab-hers\nprecious\n") == 0,
                  "%s", said);
    ck_assert_msg(shell("rmdir %s/precious/run", run_dir) == 0, "%s", said);
    ck_assert_int_eq(
        shell("rm -r %s/precious %s/ipclab-hers", run_dir, run_dir), 0);
}
END_TEST

START_TEST(the_list_of_verbs_fits_a_screen_of_80_columns)
{
    ck_assert_int_eq(shell("make -s help"), 0);
    expect_said("  make check ");
    for (const char *line = said; *line != '\0';) {
        const int length = (int)strcspn(line, "\n");

        ck_assert_msg(length <= 80, "%d columns: %.*s", length, length, line);
        line += length + (line[length] == '\n');
    }
}
END_TEST

/* What they add comes to what we need, and takes nothing of it away. */
START_TEST(the_usual_variables_are_honoured)
{
    ck_assert_int_eq(shell("make -n " EMPTY " CC='ccache gcc-99 -m32' "
                           "AR=some-ar CPPFLAGS=-DTHEIRS CFLAGS=-Otheirs "
                           "LDFLAGS=-Wl,theirs LDLIBS=-ltheirs programs"),
                     0);
    expect_said("\nccache gcc-99 -m32 -Iharness -D_FILE_OFFSET_BITS=64");
    expect_said("-DTHEIRS -std=c17");
    expect_said("-Otheirs -c -o");
    expect_said("-Otheirs -Wl,theirs -o");
    expect_said(" -ltheirs\n");
    expect_said("some-ar rcs");
    expect_unsaid("-Werror");
}
END_TEST

/* Each flag that a compiler knows without a warning; what the user says comes
 * later.  (What they do is tested in test_hardened.c.) */
START_TEST(a_release_is_hardened_as_distributions_harden)
{
    static const char *const wanted[] = {
        "-fstack-protector-strong",
        "-fstack-clash-protection",
        "-D_FORTIFY_SOURCE=3",
        "-fPIE",
        "-pie",
        "-Wl,-z,relro",
        "-Wl,-z,now",
        "-Wl,-z,noexecstack",
#if defined __x86_64__ || defined __i386__
        "-fcf-protection",
#elif defined __aarch64__
        "-mbranch-protection=standard",
#endif
#ifndef __clang__
        "-flto=auto -ffat-lto-objects", /* ipcd and ipcbench */
        "-fno-lto",                     /* ipclab */
#endif
    };

    ck_assert_int_eq(shell("make -n " EMPTY " programs"), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        expect_said(wanted[i]);
    ck_assert_int_eq(shell("make -n " EMPTY " V=asan programs"), 0);
    expect_unsaid("-fstack-protector");
    expect_unsaid("_FORTIFY_SOURCE");
    expect_unsaid("-flto");
    ck_assert_int_eq(shell("make -n " EMPTY " CPPFLAGS=-D_FORTIFY_SOURCE=2 "
                           "CFLAGS=-fno-stack-protector programs"),
                     0);
    expect_said("-D_FORTIFY_SOURCE=2");
    expect_unsaid("-D_FORTIFY_SOURCE=3");
    expect_unsaid(" -fno-stack-protector -fstack-protector-strong");
}
END_TEST

/* It knows nothing of the kind, and warns of everything. */
START_TEST(a_compiler_is_asked_what_it_knows)
{
    write_script("cc-old", "case $* in *-f*|*-z*|*FORTIFY*) exit 1 ;; esac\n"
                           "echo warning: old");
    ck_assert_int_eq(
        shell(SCRIPTS_FIRST "make -n " EMPTY " CC=cc-old programs", run_dir),
        0);
    expect_said("-pie");
    expect_unsaid("-fstack-protector");
    expect_unsaid("_FORTIFY_SOURCE");
    expect_unsaid("-Wl,-z");
    remove_script("cc-old");
}
END_TEST

START_TEST(warnings_are_errors_only_when_asked_for)
{
    ck_assert_int_eq(shell("make -n " EMPTY " programs"), 0);
    expect_said("-Wall");
    expect_unsaid("-Werror");
    ck_assert_int_eq(shell("make -n " EMPTY " WERROR=1 programs"), 0);
    expect_said("-Werror");
}
END_TEST

/* Their objects must not meet. */
START_TEST(each_compiler_has_a_directory_of_its_own)
{
    static const struct {
        const char *cc, *directory;
    } expect[] = {
        {"gcc", "build/release/libipclab.a"},
        {"ccache gcc", "build/release/libipclab.a"},
        {"clang-19", "build/release-clang-19/libipclab.a"},
        {"gcc -m32", "build/release-m32/libipclab.a"},
        {"/opt/x/s390x-linux-gnu-gcc",
         "build/release-s390x-linux-gnu-gcc/libipclab.a"},
    };

    for (size_t i = 0; i < sizeof expect / sizeof *expect; i++) {
        ck_assert_int_eq(shell("make -n -B CC='%s' programs", expect[i].cc), 0);
        expect_said(expect[i].directory);
    }
}
END_TEST

START_TEST(a_cross_compiler_brings_its_ar_and_pkg_config)
{
    write_script("moon-linux-gnu-ar", "");
    write_script("moon-linux-gnu-pkg-config", "echo -lfrom-the-moon");
    ck_assert_int_eq(shell(SCRIPTS_FIRST "make -n " EMPTY
                                         " CC=moon-linux-gnu-gcc programs",
                           run_dir),
                     0);
    expect_said("moon-linux-gnu-ar rcs");
    expect_said("-lfrom-the-moon");
    remove_script("moon-linux-gnu-ar");
    remove_script("moon-linux-gnu-pkg-config");
}
END_TEST

/* Its pkg-config knows everything but Check. */
START_TEST(without_check_there_are_no_tests_and_all_the_rest)
{
    write_script("pkg-config", "case $* in *check*) exit 1 ;; esac");
    ck_assert_int_eq(shell(SCRIPTS_FIRST "make -n " EMPTY " all", run_dir), 0);
    expect_said("/none/ipcbench");
    expect_said("there is no Check here");
    expect_unsaid("test_wire.o");
    ck_assert_msg(shell(SCRIPTS_FIRST "harness/deps.sh need", run_dir) == 0,
                  "%s", said);
    ck_assert_int_eq(shell(SCRIPTS_FIRST "harness/deps.sh need check", run_dir),
                     1);
    expect_said("make: missing: Check (unit tests); run \"make deps\"");
    remove_script("pkg-config");
}
END_TEST

/* A compiler that knows what Debian 11 has. */
START_TEST(what_is_too_old_is_one_sentence)
{
    write_script("gcc", "cat >/dev/null; echo $VERSIONS");
    ck_assert_int_eq(shell(SCRIPTS_FIRST
                           "VERSIONS='2 31 330240' harness/deps.sh need",
                           run_dir),
                     1);
    ck_assert_str_eq(said, "make: too old to build this: glibc 2.31; 2.36 is "
                           "needed (Debian 12 and newer have it)\n");
    ck_assert_int_eq(shell(SCRIPTS_FIRST
                           "VERSIONS='2 36 330240' harness/deps.sh need",
                           run_dir),
                     1);
    expect_said("Linux's headers 5.10; 5.15 is needed");
    ck_assert_int_eq(shell(SCRIPTS_FIRST
                           "VERSIONS='2 36 393472' harness/deps.sh need",
                           run_dir),
                     0);
    write_script("gcc", "cat >/dev/null; case $* in *c17*) exit 1 ;; esac");
    ck_assert_int_eq(shell(SCRIPTS_FIRST "harness/deps.sh need", run_dir), 1);
    expect_said("which does not know C17");
    remove_script("gcc");
}
END_TEST

/* The manager installs nothing if it does not know one of the packages. */
START_TEST(deps_goes_on_without_what_a_distribution_does_not_have)
{
    static const char deps[] = SCRIPTS_FIRST "DIR='%s' VERSIONS='2 36 393472' "
                                             "harness/deps.sh install";

    write_script("gcc", "cat >/dev/null; echo $VERSIONS");
    write_script("id", "echo 0");
    write_script("pkg-config", "case $* in *check*) exit 1 ;; *libcap*) [ -e "
                               "\"$DIR/got\" ] ;; esac");
    write_script("apt-get", "case $* in *' check'*) exit 100 ;; *libcap-dev*) "
                            ": > \"$DIR/got\" ;; esac");
    ck_assert_msg(shell(deps, run_dir, run_dir) == 0, "%s", said);
    expect_said("make deps: goes on without: ");
    expect_said("Check (unit tests)");
    remove_script("got");

    /* Not without libcap. */
    write_script("apt-get", "exit 100");
    ck_assert_int_eq(shell(deps, run_dir, run_dir), 1);
    expect_said("make deps: missing: libcap (capabilities); tried: ");
    remove_script("apt-get");
    remove_script("pkg-config");
    remove_script("id");
    remove_script("gcc");
}
END_TEST

/* With a blank, an apostrophe, and what sed and systemd take for theirs. */
START_TEST(what_is_installed_under_a_name_with_a_blank_goes_again)
{
    const size_t top = strlen(source_dir());
    char bin[PATH_MAX];
    const char *dir;

    ck_assert_int_eq(program_path("ipcd", bin, sizeof bin), 0);
    dir = dirname(bin);
    /* make's own names have no blanks; those of the checkout may. */
    if (strncmp(dir, source_dir(), top) == 0 && dir[top] == '/')
        dir += top + 1;
    ck_assert_int_eq(shell("make -o programs O='%s' DESTDIR='%s/a b'\\''s' "
                           "PREFIX='/my lab & 5%%' install",
                           dir, run_dir),
                     0);
    expect_said("/a b's/my lab & 5%/bin");
    ck_assert_int_eq(
        shell("cmp '%s/ipcd' \"%s/a b's/my lab & 5%%/bin/ipcd\"", dir, run_dir),
        0);
    ck_assert_int_eq(shell("cat \"%s/a b's/my lab & 5%%/lib/systemd/system/"
                           "ipcd.service\"",
                           run_dir),
                     0);
    expect_said("\nExecStart=\"/my lab & 5%%/bin/ipcd\" ");
    ck_assert_int_eq(shell("make O='%s' DESTDIR='%s/a b'\\''s' "
                           "PREFIX='/my lab & 5%%' uninstall",
                           dir, run_dir),
                     0);
    ck_assert_int_eq(shell("find \"%s/a b's\" -type f", run_dir), 0);
    ck_assert_str_eq(said, "");
    ck_assert_int_eq(shell("rm -r \"%s/a b's\"", run_dir), 0);
}
END_TEST

/* The line of a variant's, without its name: numbers, and from whom it
 * borrows. */
static const char *
line_of(const char *variant)
{
    char begin[128];
    const char *at;

    snprintf(begin, sizeof begin, "\n%-20s ", variant);
    at = strstr(said, begin);
    ck_assert_msg(at != NULL, "%s is not in: %.4000s", variant, said);
    return at + strlen(begin);
}

/* What nobody borrows, and what one does; files that exist, so many of them. */
START_TEST(rooms_tells_what_each_variant_reaches)
{
    char bin[PATH_MAX];
    unsigned own, own_lines, borrowed;

    ck_assert_int_eq(program_path("ipcd", bin, sizeof bin), 0);
    ck_assert_msg(shell("make -o programs O='%s' rooms", dirname(bin)) == 0,
                  "%s", said);
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps & IPC_INPROCESS))
            ck_assert_int_ge(atoi(line_of(ipc_registry[i]->name)), 1);
    /* A file alone; it calls the waiting of shm/futex. */
    ck_assert_int_eq(
        sscanf(line_of("mmap/file"), "%u %u %u", &own, &own_lines, &borrowed),
        3);
    ck_assert_uint_eq(own, 1);
    ck_assert_uint_ge(borrowed, 1);
    expect_said(" shm/\n");
    ck_assert_int_eq(shell("wc -l < mmap/file.c"), 0);
    ck_assert_uint_eq(own_lines, (unsigned)atoi(said));
    ck_assert_int_eq(shell("harness/rooms.sh '%s' mmap/file.c", run_dir), 64);
    expect_said("no build in");
}
END_TEST

/* -- a mechanism more ------------------------------------------------------ */

/* The name of the directory of this build: "release". */
static const char *
build_name(void)
{
    static char path[PATH_MAX];

    ck_assert_int_eq(program_path("ipcd", path, sizeof path), 0);
    return basename(dirname(path));
}

START_TEST(a_new_mechanism_needs_no_other_file_to_change)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof dir, "%s/adding", programs_dir());
    ck_assert_msg(
        shell("harness/test/adding.sh '%s' '%s'", build_name(), dir) == 0,
        "... %s", strlen(said) > 4000 ? said + strlen(said) - 4000 : said);
    expect_said("checks of carrier/pigeon: it does nothing yet");
    remove_tree(dir);
    children_end(); /* the other test programs' janitors */
}
END_TEST

static const char *
need_a_build(void)
{
    if (SANITIZED)
        return "need a release build (a sanitized one takes minutes for it)";
    return need_programs() != NULL ? need_programs() : need_proc();
}

/* -- without shared libraries ---------------------------------------------- */

static bool
may_link_statically(void)
{
    return system("echo 'int main(void) { return 0; }' | cc -static -x c - "
                  "-ljansson -lcap -lseccomp -o /dev/null 2>/dev/null") == 0;
}

static const char *
need_static(void)
{
    if (need_source() != NULL)
        return need_source();
    if (SANITIZED)
        return "need a release build (a sanitizer is a shared library)";
    if (geteuid() != 0)
        return "need root, for chroot(2)";
    return here_try(may_link_statically) ? NULL
                                         : "need the libraries as .a files";
}

/* Nothing is in there but the two programs and an empty directory: no library,
 * no /proc, no /dev, no /etc. */
START_TEST(static_programs_serve_and_ask_in_an_empty_chroot)
{
    static const char script[] =
        "rm -rf \"$O/static\"; make --no-print-directory O=\"$O\" -o "
        "\"$O/ipcd\" -o \"$O/ipcctl\" "
        "static || exit; "
        "mkdir -p \"$J/run\"; cp \"$O/static/ipcd\" \"$O/static/ipcctl\" "
        "\"$J\"; "
        "chroot \"$J\" /ipcd --keep-root -m socket/stream --run-dir /run "
        ">\"$J.said\" 2>&1 & "
        "until grep -q \"^ipcd: serving\" \"$J.said\"; do "
        "kill -0 $! || { cat \"$J.said\"; exit 1; }; done; "
        "chroot \"$J\" /ipcctl --run-dir /run -m socket/stream hello World; "
        "chroot \"$J\" /ipcctl --run-dir /run -m socket/stream whoami; "
        "kill $!; wait $!; rm -r \"$J\" \"$J.said\"";
    char build[PATH_MAX], dir[PATH_MAX];

    ck_assert_int_eq(program_path("ipcd", build, sizeof build), 0);
    snprintf(dir, sizeof dir, "%s/jail", run_dir);
    ck_assert_int_eq(
        shell("O='%s' J='%s' sh -c '%s'", dirname(build), dir, script), 0);
    expect_said("Hello World\n");
    expect_said("uid=0\n");
    children_end();
}
END_TEST

Suite *
test_make(void)
{
    Suite *s = suite_create("make");
    TCase *tc = test_case(s, "make");
    const char *reason = need_source();

    if (reason == NULL && system("command -v make >/dev/null") != 0)
        reason = "need make";
    add_test_if(tc, reason,
                an_unknown_way_to_build_is_an_error_that_lists_the_known);
    add_test_if(tc, reason != NULL ? reason : need_programs(),
                a_strangers_link_does_not_say_where_is_swept);
    add_test_if(tc, reason, the_usual_variables_are_honoured);
    add_test_if(tc, reason, a_release_is_hardened_as_distributions_harden);
    add_test_if(tc, reason, a_compiler_is_asked_what_it_knows);
    add_test_if(tc, reason, warnings_are_errors_only_when_asked_for);
    add_test_if(tc, reason, each_compiler_has_a_directory_of_its_own);
    add_test_if(tc, reason, a_cross_compiler_brings_its_ar_and_pkg_config);
    add_test_if(tc, reason, without_check_there_are_no_tests_and_all_the_rest);
    add_test_if(tc, reason, the_list_of_verbs_fits_a_screen_of_80_columns);
    add_test_if(tc, reason, what_is_too_old_is_one_sentence);
    add_test_if(tc, reason,
                deps_goes_on_without_what_a_distribution_does_not_have);
    add_test_if(tc, reason,
                what_is_installed_under_a_name_with_a_blank_goes_again);
    add_test_if(tc,
                reason == NULL && system("command -v nm >/dev/null") != 0
                    ? "need nm"
                    : reason,
                rooms_tells_what_each_variant_reaches);
    tc = test_case(s, "adding");
    tcase_set_timeout(tc, 900); /* it compiles, and runs tests */
    add_test_if(tc, reason != NULL ? reason : need_a_build(),
                a_new_mechanism_needs_no_other_file_to_change);
    add_test_if(tc, need_static(),
                static_programs_serve_and_ask_in_an_empty_chroot);
    return s;
}

/*
 * test_packaging.c - what a user gets who does not build in the tree: manual
 * pages, completion, the library, the tarball (harness/packaging/).
 */
#define _GNU_SOURCE /* PATH_MAX */
#include "test/files.h"
#include "test/here.h"
#include "test/shell.h"
#include "test/test.h"

#include "core/args.h"
#include "core/rundir.h"
#include "core/sanitized.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

Suite *test_packaging(void);

static const char *const programs[] = {"ipcd",   "ipcctl", "ipcbench",
                                       "ipclab", "nslab",  "ipcattack"};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* Where the programs of this build are. */
static const char *
bin(void)
{
    static char path[PATH_MAX];

    ck_assert_int_eq(program_path("ipcd", path, sizeof path), 0);
    return dirname(path);
}

/* make's own names have no blanks; those of the checkout may. */
static const char *
in_checkout(const char *dir)
{
    const size_t top = strlen(source_dir());

    return strncmp(dir, source_dir(), top) == 0 && dir[top] == '/'
               ? dir + top + 1
               : dir;
}

START_TEST(one_version_everywhere)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        ck_assert_int_eq(shell("'%s/%s' --version", bin(), programs[i]), 0);
        expect_said(programs[i]);
        expect_said(ARGS_VERSION(""));
    }
    ck_assert_int_eq(shell("grep -m 1 '^## ' CHANGELOG.md"), 0);
    expect_said("## " IPCLAB_VERSION " - ");
    ck_assert_int_eq(shell("make -pn help"), 0);
    expect_said("\nVERSION := " IPCLAB_VERSION "\n");
}
END_TEST

/* -- manual pages ---------------------------------------------------------- */

/* Without roff's backslashes. */
static char *
plain(const char *roff)
{
    char *text = calloc(strlen(roff) + 1, 1), *to = text;

    ck_assert_ptr_nonnull(text);
    for (; *roff != '\0'; roff++)
        if (*roff != '\\')
            *to++ = *roff;
    return text;
}

/* Every long option of COMMAND's --help is in what the last command said. */
static void
expect_options_of(const char *command)
{
    char *page = plain(said), *text = said, *option;

    ck_assert_int_eq(shell("sh -c \"'%s'/%s --help | "
                           "grep -oe '--[a-z][a-z-]*' | sort -u\"",
                           bin(), command),
                     0);
    expect_said("--help\n");
    while ((option = strsep(&text, "\n")) != NULL && *option != '\0')
        ck_assert_msg(strstr(page, option) != NULL,
                      "%s of %s is not in its page:\n%.4000s", option, command,
                      page);
    free(page);
}

START_TEST(a_manual_page_has_all_that_help_has)
{
    static const char *const pages[] = {"ipcd.8", "ipcctl.1", "ipcbench.1",
                                        "ipclab.1", "nslab.1"};
    static const char *const verbs[] = {"list", "run", "report", "compare",
                                        "isolate"};
    char command[64];

    ck_assert_msg(
        shell("harness/packaging/pages.sh '%s' '%s/man'", bin(), run_dir) == 0,
        "%s", said);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        ck_assert_int_eq(shell("cat '%s/man/%s'", run_dir, pages[i]), 0);
        expect_said("\n.SH \"SEE ALSO\"");
        snprintf(command, sizeof command, "%.*s", (int)strcspn(pages[i], "."),
                 pages[i]);
        expect_options_of(command);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        ck_assert_int_eq(shell("cat '%s/man/ipcbench.1'", run_dir), 0);
        snprintf(command, sizeof command, "ipcbench %s", verbs[i]);
        expect_options_of(command);
    }
    ck_assert_int_eq(shell("cat '%s/man/ipclab-protocol.7'", run_dir), 0);
    for (size_t i = 0; i < api_method_count; i++)
        expect_said(api_methods[i].name);
    ck_assert_int_eq(shell("rm -r '%s/man'", run_dir), 0);
}
END_TEST

/* -- completion ------------------------------------------------------------ */

static const struct {
    const char *words; /* the last one is to be completed */
    const char *some;  /* is offered */
    const char *other; /* is not, or NULL */
} completions[] = {
    {"ipcctl -m socket/s", " socket/stream ", " socket/dgram "},
    {"ipcctl -m socket/stream he", " hello ", " echo "},
    {"ipcctl --mechanism socket/stream he", " hello ", NULL},
    {"ipcctl -m socket/stream read_file \"\"", " path= offset= count= ", NULL},
    {"ipcctl --ti", " --timeout= ", NULL},
    {"ipcd --mechanism = shm/", " shm/futex ", " pipe/packet "},
    {"ipcd --us", " --user= ", NULL},
    {"ipcd --log = /et", " /etc ", NULL},
    {"ipcd --user = roo", " root ", NULL},
    {"ipcbench \"\"", " compare ", " --full "},
    {"ipcbench run --pl", " --placement= ", NULL},
    {"ipcbench run --placement = one", " one-cpu ", " two-cpu "},
    {"ipcbench run -m pip", " pipe/ ", NULL},
    {"ipclab w", " why ", NULL},
    {"ipclab why \"\"", " 1 ", NULL},
    {"ipclab check f", " fifo ", " mmap "},
    {"nslab --clone = p", " pid ", " all "},
    {"nslab READ", " README.md ", NULL},
};

START_TEST(bash_completes)
{
    ck_assert_msg(
        shell(
            "PATH='%s':\"$PATH\" bash -c '. harness/packaging/completion.bash;"
            "COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1));"
            "_ipclab \"${COMP_WORDS[0]}\" \"${COMP_WORDS[-1]}\" "
            "\"${COMP_WORDS[-2]}\"; echo \" ${COMPREPLY[*]} \"'",
            bin(), completions[_i].words) == 0,
        "%s", said);
    expect_said(completions[_i].some);
    if (completions[_i].other != NULL)
        expect_unsaid(completions[_i].other);
}
END_TEST

/* A student's directory has a program of that name, and his teacher is root. */
START_TEST(bash_asks_no_program_that_has_not_been_started)
{
    ck_assert_msg(
        shell("bash -c 'PATH=$(realpath \"$1\"):$PATH;"
              ". harness/packaging/completion.bash; mkdir \"$2\"; cd \"$2\";"
              "printf \"#!/bin/sh\\ntouch ran\\n\" > ipcctl;"
              "chmod 755 ipcctl; ./ipcctl && rm ran;" /* it would */
              "for last in --ti he; do "
              "COMP_WORDS=(./ipcctl $last); COMP_CWORD=1;"
              "_ipclab ./ipcctl $last ./ipcctl; echo \" ${COMPREPLY[*]} \";"
              "done; ls; rm -r \"$2\"' - '%s' '%s/his'",
              bin(), run_dir) == 0,
        "%s", said);
    expect_said(" --timeout= ");
    expect_said(" hello ");
    expect_unsaid("ran");
}
END_TEST

/* At a terminal, as there is no other way: a line, the tabulator, and what the
 * shell then shows. */
START_TEST(zsh_completes)
{
    static const char script[] =
        "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'PS1=; fpath=($COMP "
        "$fpath); autoload -U compinit; compinit -u -D; echo REA''DY'\n"
        "zpty -r z got '*READY*'\n"
        "try() { zpty -w -n z \"$1\"$'\\t\\f'; zpty -r z got \"*$2*\"; "
        "zpty -w z $'\\x15'; print -r -- $2; }\n"
        "try 'ipcctl -m socket/str' socket/stream\n"
        "try 'ipcctl -m socket/stream whoa' whoami\n"
        "try 'ipcctl --tim' --timeout=\n"
        "try 'ipcbench com' compare\n"
        "try 'ipcbench run --plac' --placement=\n"
        "try 'ipcd --mechanism=shm/fut' shm/futex\n"
        "try 'ipclab check fif' fifo\n"
        "zpty -d z\n";
    char path[PATH_MAX];

    ck_assert_int_eq(shell("mkdir '%s/zsh'", run_dir), 0);
    ck_assert_int_eq(
        shell("cp harness/packaging/completion.zsh '%s/zsh/_ipclab'", run_dir),
        0);
    snprintf(path, sizeof path, "%s/zsh/script", run_dir);
    write_file(path, script, 0644);
    ck_assert_msg(shell("TERM=dumb HOME='%s/zsh' COMP='%s/zsh' "
                        "PATH='%s':\"$PATH\" zsh -f '%s'",
                        run_dir, run_dir, bin(), path) == 0,
                  "%s", said);
    expect_said("socket/stream\nwhoami\n--timeout=\ncompare\n--placement=\n"
                "shm/futex\nfifo\n");
    children_end(); /* those of the terminal that has gone */
    ck_assert_int_eq(shell("rm -r '%s/zsh'", run_dir), 0);
}
END_TEST

/* -- the library, the tarball ---------------------------------------------- */

START_TEST(a_program_outside_the_tree_calls_a_server)
{
    struct host h;

    ck_assert_msg(shell("make -o programs O='%s' PREFIX='%s/p' install",
                        in_checkout(bin()), run_dir) == 0,
                  "%s", said);
    /* Another compiler could not read that. */
    ck_assert_int_eq(shell("grep -c gnu.lto '%s/p/lib/libipclab.a'", run_dir),
                     1);
    ck_assert_msg(
        shell("PKG_CONFIG_PATH='%s/p/lib/pkgconfig' sh -c 'gcc -Wall -Wextra "
              "-Werror -o \"%s/p/example\" harness/packaging/example.c "
              "$(pkg-config --cflags --libs ipclab)'",
              run_dir, run_dir) == 0,
        "%s", said);
    server_start(&h, ipc_find("socket/stream"));
    ck_assert_msg(shell("IPCLAB_DIR='%s' '%s/p/example'", run_dir, run_dir) ==
                      0,
                  "%s", said);
    ck_assert_str_eq(said, "Hello World\n");
    server_stop(&h);
    ck_assert_int_ne(shell("IPCLAB_DIR='%s' '%s/p/example'", run_dir, run_dir),
                     0);
    expect_said("/socket-stream: ");
    ck_assert_int_eq(shell("rm -r '%s/p'", run_dir), 0);
}
END_TEST

/* The same commit gives the same bytes, without what nobody committed. */
START_TEST(the_tarball_is_what_is_committed_and_always_the_same)
{
    ck_assert_msg(shell("git clone -q . '%s/clone'", run_dir) == 0, "%s", said);
    ck_assert_int_eq(shell("touch '%s/clone/stray.c'", run_dir), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(shell("make -C '%s/clone' O=build/x dist", run_dir) == 0,
                      "%s", said);
        expect_said("build/ipclab-" IPCLAB_VERSION ".tar.gz");
        expect_said("what is not committed is not in it");
        ck_assert_int_eq(shell("mv '%s/clone/build/ipclab-" IPCLAB_VERSION
                               ".tar.gz' '%s/clone/%d'",
                               run_dir, run_dir, i),
                         0);
    }
    ck_assert_int_eq(shell("cmp '%s/clone/0' '%s/clone/1'", run_dir, run_dir),
                     0);
    ck_assert_int_eq(shell("tar -tzf '%s/clone/0'", run_dir), 0);
    expect_said("ipclab-" IPCLAB_VERSION "/Makefile\n");
    expect_unsaid("stray.c");
    ck_assert_int_eq(shell("rm -rf '%s/clone'", run_dir), 0);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

/* The reason not to run, if one of these is not here. */
static const char *
need_programs_of_others(const char *const *names, const char *reason)
{
    char command[64];

    if (need_source() != NULL)
        return need_source();
    for (; *names != NULL; names++) {
        snprintf(command, sizeof command, "command -v %s >/dev/null", *names);
        if (system(command) != 0)
            return reason;
    }
    return need_proc();
}

#define NEED(why, ...) \
    need_programs_of_others((const char *const[]){__VA_ARGS__, NULL}, why)

/* A sanitized library wants its flags from who links it. */
static const char *
need_to_link(void)
{
    if (SANITIZED)
        return "need a library without a sanitizer";
    return need_programs() != NULL ? need_programs()
                                   : NEED("need make, gcc and pkg-config",
                                          "make", "gcc", "pkg-config");
}

static const char *
need_history(void)
{
    const char *reason = NEED("need make, git and gzip", "make", "git", "gzip");
    char command[2 * PATH_MAX];

    if (reason != NULL)
        return reason;
    snprintf(command, sizeof command,
             "git -C '%s' rev-parse --verify -q HEAD >/dev/null 2>&1",
             source_dir());
    return system(command) == 0 ? NULL : "need a checkout of git's, and ours";
}

Suite *
test_packaging(void)
{
    Suite *s = suite_create("packaging");
    TCase *tc = test_case(s, "packaging");
    const char *no_zsh;

    add_test_if(tc, NEED("need make", "make"), one_version_everywhere);
    add_test_if(tc, NEED("need help2man and lowdown", "help2man", "lowdown"),
                a_manual_page_has_all_that_help_has);
    add_test_if(tc, NEED("need bash", "bash"),
                bash_asks_no_program_that_has_not_been_started);
    for (size_t i = 0; i < sizeof completions / sizeof *completions; i++)
        add_loop_test_if(tc, NEED("need bash", "bash"), bash_completes, (int)i);
    no_zsh = NEED("need zsh", "zsh");
    add_test_if(tc, no_zsh != NULL ? no_zsh : need_terminal(), zsh_completes);
    add_test_if(tc, need_to_link(), a_program_outside_the_tree_calls_a_server);
    add_test_if(tc, need_history(),
                the_tarball_is_what_is_committed_and_always_the_same);
    return s;
}

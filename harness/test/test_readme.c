/*
 * test_readme.c - the READMEs hold: each console block is a session
 * (session.h), in an empty directory where build/release has the programs of
 * this build.
 *
 * What is in the sentences: test_claims.c.  The assignments' (LAB.md) sessions:
 * test_lab.c, since they have programs of their own.
 */
#define _GNU_SOURCE /* symlink */
#include "test/readme.h"

#include "test/files.h"
#include "test/here.h"
#include "test/inside.h"
#include "test/session.h"
#include "test/test.h"

#include "core/rundir.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_readme(void);

static const char *const programs[] = {
    "ipcd", "ipcctl", "ipcbench", "nslab", "ipclab", "ipcattack", "check"};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* -- a place for sessions -------------------------------------------------- */

static char scratch[PATH_MAX - 64];

/* build/release/PROGRAM is the program, except for ipcd. */
static void
make_scratch(void)
{
    char to[PATH_MAX], from[PATH_MAX];

    snprintf(scratch, sizeof scratch, "%s/r", programs_dir());
    if (access(scratch, F_OK) == 0)
        remove_tree(scratch); /* a test's that failed */
    snprintf(to, sizeof to, "mkdir -p '%s/build/release'", scratch);
    ck_assert_int_eq(system(to), 0);
    for (size_t i = 0; i < PROGRAMS; i++) {
        ck_assert_int_eq(program_path(programs[i], from, sizeof from), 0);
        snprintf(to, sizeof to, "%s/build/release/%s", scratch, programs[i]);
        if (i == 0)
            session_server(to, from, "");
        else
            ck_assert_int_eq(symlink(from, to), 0);
    }
}

/* -- the sessions ---------------------------------------------------------- */

static const struct readme_block *sessions[64];
static size_t session_count;

START_TEST(a_session_goes_as_it_is_shown)
{
    make_scratch();
    session_run(sessions[_i], scratch);
    remove_tree(scratch);
}
END_TEST

START_TEST(numbers_and_dots_fit_and_nothing_else)
{
    ck_assert(readme_line_fits("uid=1000", "uid=0"));
    ck_assert(readme_line_fits("at .../x (pid 812)", "at /tmp/a/x (pid 7)"));
    ck_assert(readme_line_fits("...", ""));
    ck_assert(!readme_line_fits("evidence=K2", "evidence=K3"));
    ck_assert(!readme_line_fits("Hello World", "Hello World!"));
    ck_assert(!readme_line_fits("Hello World!", "Hello World"));
    ck_assert(readme_line_fits("gid=1000", "gid=-1"));
    ck_assert(!readme_line_fits("pid=1", "pid="));
}
END_TEST

/* -- what a session needs -------------------------------------------------- */

/* bash, ps */
static const char *
need_command(const char *name)
{
    static char reasons[2][16];
    char *reason = reasons[name[0] == 'p'], command[64];

    snprintf(command, sizeof command, "command -v %s >/dev/null", name);
    snprintf(reason, sizeof reasons[0], "need %s", name);
    return system(command) == 0 ? NULL : reason;
}

/* A README quotes no name under /tmp, and programs print it as it is: the
 * directory that stands for /tmp must not need quotes. */
static const char *
need_plain_name(void)
{
    const char *dir = programs_dir();

    return dir[strcspn(dir, " \t\n'\"\\$`&;|<>()*?[#~!{}")] == '\0'
               ? NULL
               : "need a directory whose name the shell takes as it is "
                 "(TMPDIR names one)";
}

static const char *
needs(const struct readme_block *b)
{
    const char *reason = need_source();

    if (reason == NULL)
        reason = need_programs();
    if (reason == NULL)
        reason = need_plain_name();
    if (reason == NULL)
        reason = need_command("bash");
    if (reason == NULL && (begins(b->text, "# ") || strstr(b->text, "\n# ")))
        reason = need_root();
    if (reason == NULL && strstr(b->text, "nslab") != NULL)
        reason = need_spaces();
    if (reason == NULL && strstr(b->text, "ps ") != NULL)
        reason = need_command("ps");
    for (size_t i = 0; reason == NULL && ipc_registry[i] != NULL; i++)
        if (strstr(b->text, ipc_registry[i]->name) != NULL)
            reason = need_mechanism(ipc_registry[i]);
    return reason;
}

static void
add_sessions(TCase *tc, const struct readme *r)
{
    for (size_t i = 0; i < r->block_count; i++) {
        const struct readme_block *b = &r->blocks[i];

        if (!b->session || b->why_not != NULL || is_assignment(r))
            continue; /* in an assignment: test_lab.c */
        if (session_count == sizeof sessions / sizeof *sessions)
            abort(); /* make it larger */
        sessions[session_count] = b;
        add_loop_test_if(tc, needs(b), a_session_goes_as_it_is_shown,
                         (int)session_count++);
    }
}

Suite *
test_readme(void)
{
    Suite *s = suite_create("readme");
    TCase *tc = test_case(s, "readme");
    const struct readme *all;
    size_t count = readme_all(&all);

    add_test_if(tc, need_source(), numbers_and_dots_fit_and_nothing_else);
    for (size_t i = 0; i < count; i++)
        add_sessions(tc, &all[i]);
    return s;
}

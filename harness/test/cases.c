/*
 * cases.c - making suites (test.h): cases whose tests have the fixture, and
 * those tests that cannot run here, with the reason.
 */
#define _GNU_SOURCE /* readlink */
#include "test.h"

#include "test/asked.h"
#include "test/here.h"
#include "test/lanes.h"

#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *current_suite, *current_case;
static struct {
    const char *reason;
    int count;
} not_run[64];

#undef suite_create /* from here on it is Check's */

Suite *
named_suite(const char *name)
{
    current_suite = name;
    return suite_create(name);
}

static bool
is_wanted(const char *variable, const char *name)
{
    const char *wanted = getenv(variable);

    return wanted == NULL || strcmp(wanted, name) == 0;
}

static struct unit wanted[UNITS];
static int units;

static void
add_unit(struct unit u)
{
    if (!is_wanted("CK_RUN_SUITE", u.suite) ||
        !is_wanted("CK_RUN_CASE", u.name))
        return;
    for (int i = 0; i < units; i++)
        if (strcmp(wanted[i].suite, u.suite) == 0 &&
            strcmp(wanted[i].name, u.name) == 0)
            return;
    if (units == UNITS)
        errx(EXIT_FAILURE, "there are more than UNITS cases (lanes.h)");
    wanted[units++] = u;
}

int
units_wanted(const struct unit **all)
{
    *all = wanted;
    return units;
}

TCase *
test_case(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    current_case = name;
    add_unit((struct unit){.suite = current_suite, .name = name});
    tcase_set_timeout(tc, TEST_TIMEOUT);
    queues_add(tc, name);
    fixture_add(tc);
    suite_add_tcase(s, tc);
    return tc;
}

/* Counts by reason; what was not asked for was not skipped either. */
static void
count_not_run(const char *reason)
{
    size_t i = 0;

    if (!is_wanted("CK_RUN_SUITE", current_suite) ||
        !is_wanted("CK_RUN_CASE", current_case))
        return;
    while (not_run[i].reason != NULL && strcmp(not_run[i].reason, reason) != 0)
        i++;
    if (i == sizeof not_run / sizeof *not_run - 1)
        reason = "for other reasons";
    not_run[i].reason = reason;
    not_run[i].count++;
}

int
print_not_run(void)
{
    int all = queues_left_out();

    if (queues_left_out() > 0)
        printf("not run here: %d check(s), but in the sum, for want of POSIX "
               "queues: other programs of this user have them all\n",
               queues_left_out());
    for (size_t i = 0; not_run[i].reason != NULL; i++) {
        printf("not run here: %d check%s %s\n", not_run[i].count,
               not_run[i].count == 1 ? "" : "s", not_run[i].reason);
        all += not_run[i].count;
    }
    return all;
}

/* All suites but those that start no program and look at no process. */
static bool
looks_at_processes(void)
{
    static const char *const others[] = {"wire", "stats", "policy", "registry",
                                         "bench"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], current_suite) == 0)
            return false;
    return true;
}

/* Root's daemons become another user; who is root and may not, has none. */
static const char *
need_processes(void)
{
    return need_proc() != NULL || geteuid() != 0 ? need_proc() : need_root();
}

bool
beyond_the_textbook(void)
{
    const char *wish = getenv("IPCLAB_BEYOND");

    return wish != NULL && strcmp(wish, "1") == 0;
}

/* A textbook form claims to serve honest peers who do not die, and so the
 * suites below are all that apply to it; there, IPC_TEXTBOOK says which of
 * their tests do not.  The other suites that have a case for each mechanism are
 * about those who are not honest, die, fill what there is, and about calls that
 * fail. */
static bool
applies(void)
{
    static const char *const theirs[] = {"conformance", "methods", "crash",
                                         "crowd"};
    const struct ipc_mechanism *m = ipc_find(current_case);

    if (m == NULL || !(m->caps & IPC_TEXTBOOK) || beyond_the_textbook())
        return true;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (strcmp(theirs[i], current_suite) == 0)
            return true;
    return false;
}

void
add_test_if(TCase *tc, const char *reason, const TTest *test)
{
    add_loop_test_if(tc, reason, test, 0);
}

void
add_loop_test_if(TCase *tc, const char *reason, const TTest *test, int i)
{
    if (!applies() || !is_wanted("IPCLAB_TEST", test->name))
        return;
    if (need_processes() != NULL && looks_at_processes())
        reason = need_processes();
    if (!asked_for(current_suite, current_case, test->name, reason))
        return;
    if (reason == NULL)
        tcase_add_loop_test_raise_signal(tc, test, 0, i, i + 1);
    else
        count_not_run(reason);
}

const char *
need_mechanism(const struct ipc_mechanism *m)
{
    static char reason[64][160];
    const char *why = ipc_unavailable(m);
    size_t i = 0;

    if (why == NULL && geteuid() == 0 &&
        !(m->caps & (IPC_SPAWNED | IPC_INPROCESS)))
        why = need_its_rights(m); /* root's daemon does not do without */
    if (why == NULL)
        return NULL;
    while (ipc_registry[i] != m)
        i++;
    snprintf(reason[i], sizeof *reason, "of %s: %s", m->name, why);
    return reason[i];
}

static const char *
find_source(void)
{
    static char dir[PATH_MAX];
    char probe[PATH_MAX + sizeof "/harness/core/api.def"];
    char *slash;
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);

    dir[n < 0 ? 0 : n] = '\0';
    while ((slash = strrchr(dir, '/')) != NULL) {
        *slash = '\0';
        snprintf(probe, sizeof probe, "%s/harness/core/api.def", dir);
        if (access(probe, R_OK) == 0)
            return dir;
    }
    return NULL;
}

/* Found once, before there are namespaces: see here_programs(). */
const char *
source_dir(void)
{
    static const char *dir;
    static bool looked;

    if (!looked)
        dir = find_source();
    looked = true;
    return dir;
}

const char *
need_source(void)
{
    return source_dir() != NULL ? NULL : "need the source tree";
}

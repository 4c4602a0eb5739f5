/* lanes.c - several processes share the cases of all suites (lanes.h). */
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#include "test/lanes.h"

#include "test/asked.h"
#include "test/here.h"
#include "test/test.h"

#include "core/parent.h"

#include <err.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of all lanes. */
struct progress {
    atomic_int begun;
    atomic_bool taken[UNITS];
    struct {
        int unit; /* the last that it took */
        struct sum sum;
    } lane[LANES];
};

static struct progress *common;
static const struct unit *units;
static int order[UNITS], count;

/* What a unit wants: room for POSIX queues.  These are all lane 0's, so that
 * lanes do not wait for each other; it runs them when this program has its
 * turn (here.h), and others until then. */
static bool scarce[UNITS];

/* -- which lane takes what ------------------------------------------------- */

/* The whole lasts no less than its longest case; so suites that have long ones
 * begin. */
static int
rank(const struct unit *u)
{
    static const char *const first[] = {"lab", "make", "slow", "fault",
                                        "attack"};
    const int all = (int)(sizeof first / sizeof *first);

    if (asked_for_some()) /* asked.c knows them by their order */
        return all;
    for (int i = 0; i < all; i++)
        if (strcmp(first[i], u->suite) == 0)
            return i;
    return all;
}

static int
compare(const void *a, const void *b)
{
    const int i = *(const int *)a, j = *(const int *)b;
    const int by_rank = rank(&units[i]) - rank(&units[j]);

    return by_rank != 0 ? by_rank : i - j;
}

static void
put_in_order(void)
{
    count = units_wanted(&units);
    for (int i = 0; i < count; i++) {
        order[i] = i;
        scarce[i] = queues_are_short(units[i].name);
    }
    qsort(order, (size_t)count, sizeof *order, compare);
}

/* -1: nothing is left of these. */
static int
take_one(bool scarce_ones)
{
    for (int i = 0; i < count; i++)
        if (scarce[order[i]] == scarce_ones &&
            !atomic_exchange(&common->taken[order[i]], true))
            return order[i];
    return -1;
}

static bool
any_scarce(void)
{
    for (int i = 0; i < count; i++)
        if (scarce[i] && !common->taken[i])
            return true;
    return false;
}

/* -1: nothing is left for this lane. */
static int
take(int lane)
{
    int unit = -1;

    if (lane == 0 && any_scarce() && queues_take_turn(false))
        return take_one(true);
    end_turn();
    unit = take_one(false);
    if (unit == -1 && lane == 0 && any_scarce()) {
        if (isatty(STDERR_FILENO))
            fputs("\r\033[K  waiting for another test program, which has the "
                  "POSIX queues ",
                  stderr);
        queues_take_turn(true);
        unit = take_one(true);
    }
    return unit;
}

/* -- a lane ---------------------------------------------------------------- */

static void
show_progress(void)
{
    const int begun = atomic_fetch_add(&common->begun, 1) + 1;

    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K  %d of %d cases ", begun, count);
}

static void
hide_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* A log has all cases, or it would be the last one's. */
static bool
writes_a_log(SRunner *runner)
{
    return srunner_has_log(runner) || srunner_has_xml(runner) ||
           srunner_has_tap(runner);
}

static struct sum
sum_of(SRunner *runner)
{
    const int failed = srunner_ntests_failed(runner);
    struct sum s = {.checks = srunner_ntests_run(runner)};
    TestResult **all = srunner_failures(runner);

    for (int i = 0; i < failed; i++)
        if (tr_rtype(all[i]) == CK_FAILURE)
            s.failures++;
        else
            s.errors++;
    free(all);
    return s;
}

static void
run_for_a_log(SRunner *runner)
{
    if (any_scarce())
        queues_take_turn(true);
    srunner_run_all(runner, CK_SILENT);
    end_turn();
    for (int i = 0; i < count; i++)
        common->taken[i] = true;
}

static void
run_units(SRunner *runner, int lane)
{
    int unit;

    fixture_lane(lane);
    if (writes_a_log(runner))
        run_for_a_log(runner);
    while ((unit = common->lane[lane].unit = take(lane)) != -1) {
        show_progress();
        srunner_run(runner, units[unit].suite, units[unit].name, CK_SILENT);
    }
    asked_report(runner);
    common->lane[lane].sum = sum_of(runner);
}

/* Ends with the program that started it, whatever ends that. */
static void __attribute__((noreturn))
run_lane(SRunner *runner, int lane, pid_t parent)
{
    char path[PATH_MAX];

    end_with_parent(parent, SIGKILL);
    run_units(runner, lane);
    lane_file(lane, "report", path, sizeof path);
    if (freopen(path, "we", stdout) == NULL)
        err(EXIT_FAILURE, "%s", path);
    srunner_print(runner, CK_NORMAL);
    srunner_free(runner);
    exit(EXIT_SUCCESS);
}

/* -- all of them ----------------------------------------------------------- */

static int
lanes_wanted(SRunner *runner)
{
    const char *wish = getenv("CK_LANES");
    cpu_set_t cpus;
    int lanes = sched_getaffinity(0, sizeof cpus, &cpus) == 0
                    ? CPU_COUNT(&cpus) + 1
                    : 2;

    if (wish != NULL)
        lanes = atoi(wish);
    if (lanes > count)
        lanes = count;
    if (lanes < 1 || !is_forked() || !all_is_apart() || writes_a_log(runner))
        lanes = 1;
    return lanes < LANES ? lanes : LANES;
}

/* But Check's own sums, which are a lane's. */
static void
print_file(int lane, const char *name)
{
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    FILE *in;

    lane_file(lane, name, path, sizeof path);
    in = fopen(path, "re");
    while (in != NULL && getline(&line, &size, in) != -1)
        if (strstr(line, "%: Checks: ") == NULL)
            fputs(line, stdout);
    free(line);
    if (in != NULL)
        fclose(in);
}

/* Its tests are not in the sum: that, then, is one error more. */
static void
say_how_it_ended(int lane, int status)
{
    const int unit = common->lane[lane].unit;

    common->lane[lane].sum.errors++;
    common->lane[lane].sum.checks++;
    printf("check: lane %d ended early, %s %d, in the suite %s, case %s\n",
           lane, WIFSIGNALED(status) ? "by signal" : "with exit status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
           unit == -1 ? "(none)" : units[unit].suite,
           unit == -1 ? "(none)" : units[unit].name);
}

static void
wait_for_lane(int lane, pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        continue;
    if (status != 0) {
        fixture_kill_lane(lane);
        say_how_it_ended(lane, status);
    }
}

/* If every lane ended early. */
static int
left_over(void)
{
    int n = 0;

    for (int i = 0; i < count; i++)
        n += !common->taken[i];
    if (n > 0)
        printf("check: %d cases were not begun\n", n);
    return n;
}

static struct sum
add_up(int lanes)
{
    const int left = left_over();
    struct sum all = {.checks = left, .errors = left};

    for (int i = 0; i < lanes; i++) {
        const struct sum *s = &common->lane[i].sum;

        all.checks += s->checks;
        all.failures += s->failures;
        all.errors += s->errors;
        if (s->failures + s->errors > 0) {
            print_file(i, "said");
            print_file(i, "report");
        }
    }
    return all;
}

/* For a debugger. */
static struct sum
run_here(SRunner *runner)
{
    run_units(runner, 0);
    srunner_print(runner, CK_NORMAL);
    return common->lane[0].sum;
}

struct sum
lanes_run(SRunner *runner)
{
    const pid_t self = getpid();
    pid_t pid[LANES];
    int lanes;

    common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (common == MAP_FAILED)
        err(EXIT_FAILURE, "mmap");
    put_in_order();
    lanes = lanes_wanted(runner);
    if (!is_forked())
        return run_here(runner);
    fflush(NULL);
    for (int i = 0; i < lanes; i++) {
        pid[i] = fork();
        if (pid[i] == -1)
            err(EXIT_FAILURE, "fork");
        if (pid[i] == 0)
            run_lane(runner, i, self);
    }
    for (int i = 0; i < lanes; i++)
        wait_for_lane(i, pid[i]);
    hide_progress();
    return add_up(lanes);
}

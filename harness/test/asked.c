/* asked.c - what a grader asks of the test program (asked.h). */
#define _GNU_SOURCE /* strerrorname_np, O_CLOEXEC */
#include "test/asked.h"

#include "core/clock.h"
#include "lab/evidence.h"
#include "test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int64_t call_timeout = INT64_C(30000000000);

/* Shared with the grader, and with the children of a test: whoever tries
 * something last is who something hangs for. */
static struct asked_doing *now;

/* Those that were asked for and are there, in the order in which they run. */
#define MOST 256
static struct {
    char name[sizeof now->test];
    const char *reason;
} found[MOST];
static int found_count;

/* Shared with the processes of the tests: how many have begun, and what each
 * was doing last, of those that run. */
static struct {
    int begun;
    struct {
        char did[sizeof now->did], expected[sizeof now->expected];
    } last[MOST];
} * all;
static int mine;            /* this test is the nth of them */
static int64_t began_doing; /* ns */

static void *
map_shared(const char *path, size_t size)
{
    const int fd =
        path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    const int flags = fd != -1 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
    void *at = MAP_FAILED;

    if (path == NULL || (fd != -1 && ftruncate(fd, (off_t)size) == 0))
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED) {
        perror(path != NULL ? path : "mmap");
        exit(EXIT_FAILURE);
    }
    if (fd != -1)
        close(fd);
    return at;
}

void
asked_begin(void)
{
    const char *longest = getenv("IPCLAB_LONGEST");

    if (longest != NULL && atoi(longest) > 0)
        call_timeout = atoi(longest) * INT64_C(1000000000);
    now = map_shared(getenv("IPCLAB_DOING"), sizeof *now);
    all = map_shared(NULL, sizeof *all);
}

/* Is the name one of the words of the list? */
static bool
is_listed(const char *list, const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == 0))
            return true;
    return false;
}

bool
asked_for_suite(const char *file)
{
    const char *tests = getenv("IPCLAB_TESTS");
    char begin[80];

    snprintf(begin, sizeof begin, "%.70s/",
             strncmp(file, "test_", 5) == 0 ? file + 5 : file);
    return tests == NULL || strstr(tests, begin) != NULL;
}

bool
asked_for(const char *suite, const char *one_case, const char *test,
          const char *reason)
{
    const char *tests = getenv("IPCLAB_TESTS");
    const char *wanted_case = getenv("CK_RUN_CASE");

    if (tests == NULL)
        return true;
    if (wanted_case != NULL && strcmp(wanted_case, one_case) != 0)
        return false;
    if (found_count == MOST)
        return false;
    snprintf(found[found_count].name, sizeof found->name, "%s/%s", suite, test);
    if (!is_listed(tests, found[found_count].name))
        return false;
    found[found_count++].reason = reason;
    return true;
}

bool
asked_for_some(void)
{
    return getenv("IPCLAB_TESTS") != NULL;
}

/* The nth of those that run. */
static const char *
nth_found(int n)
{
    for (int i = 0; i < found_count; i++)
        if (found[i].reason == NULL && n-- == 0)
            return found[i].name;
    return "";
}

void
asked_next(void)
{
    mine = all->begun++;
    snprintf(now->test, sizeof now->test, "%s", nth_found(mine));
    now->did[0] = now->expected[0] = '\0';
    now->test_pid = getpid();
    asked_says();
}

void
asked_says(void)
{
    if (asked_for_some())
        dprintf(STDERR_FILENO, "-- %s\n", now->test);
}

/* -- the report ------------------------------------------------------------ */

static void
put_line(FILE *f, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n')
            fputs("\\n", f);
        else
            fputc(*text == '\t' ? ' ' : *text, f);
}

/* What Check itself says, of a process that was ended, lacks what it did. */
static void
report_result(FILE *f, int nth, const char *name, TestResult *r)
{
    const bool passed = tr_rtype(r) == CK_PASS;
    const char *saw = passed || tr_msg(r) == NULL ? "" : tr_msg(r);

    fprintf(f, "%s\t%s\t%s:%d\t", name, passed ? "passed" : "failed",
            tr_lfile(r) != NULL ? tr_lfile(r) : "", tr_lno(r));
    if (!passed && nth < MOST && all->last[nth].did[0] != '\0' &&
        strstr(saw, "; expected ") == NULL) {
        put_line(f, all->last[nth].did);
        fputs("; expected ", f);
        put_line(f, all->last[nth].expected);
        fputs("; saw ", f);
    }
    put_line(f, saw);
    fputc('\n', f);
}

static void
report_all(FILE *f, TestResult **results, int count)
{
    int ran = 0;

    for (int i = 0; i < found_count; i++)
        if (found[i].reason != NULL)
            fprintf(f, "%s\tnot run\t\t%s\n", found[i].name, found[i].reason);
        else if (ran < count) {
            report_result(f, ran, found[i].name, results[ran]);
            ran++;
        }
}

void
asked_report(SRunner *runner)
{
    const char *path = getenv("IPCLAB_REPORT");
    FILE *f = path != NULL ? fopen(path, "we") : NULL;
    TestResult **results;

    if (f == NULL)
        return;
    results = srunner_results(runner);
    report_all(f, results, srunner_ntests_run(runner));
    free(results);
    fclose(f);
}

/* -- what tests say -------------------------------------------------------- */

void
doing(const char *expected, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(now->did, sizeof now->did, format, args);
    va_end(args);
    snprintf(now->expected, sizeof now->expected, "%s", expected);
    if (mine < MOST) {
        memcpy(all->last[mine].did, now->did, sizeof now->did);
        memcpy(all->last[mine].expected, now->expected, sizeof now->expected);
    }
    began_doing = now_ns();
}

const char *
unexpected(const char *format, ...)
{
    static char text[2048];
    char saw[1024], after[32] = "";
    va_list args;

    va_start(args, format);
    vsnprintf(saw, sizeof saw, format, args);
    va_end(args);
    if (strncmp(saw, "-ETIMEDOUT", 10) == 0)
        snprintf(after, sizeof after, " after %.1f s",
                 (double)(now_ns() - began_doing) / 1e9);
    if (getenv("IPCLAB_REPORT") != NULL)
        evidence_print(STDERR_FILENO, getpid());
    snprintf(text, sizeof text, "%s; expected %s; saw %s%s", now->did,
             now->expected, saw, after);
    return text;
}

const char *
result_name(int result)
{
    static char text[4][96];
    static unsigned turn;
    char *to = text[turn++ % 4];
    const char *name = result < 0 ? strerrorname_np(-result) : NULL;

    if (result >= 0)
        return "success";
    snprintf(to, sizeof text[0], "-%s (%s)", name != NULL ? name : "?",
             result == -ENOSYS ? "not written yet" : strerror(-result));
    return to;
}

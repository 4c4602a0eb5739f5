/*
 * test_facts.c - the suite of all facts (fact.h), which shows what they saw if
 * it is asked to:
 *
 *      FACTS=show       each fact: claim, observation, verdict (make facts)
 *      FACTS_OF=fifo    only that directory's, or only F04
 *      FACTS_NEGATED=1  each is asked for the contrary, and must fail
 */
#define _GNU_SOURCE /* sigabbrev_np, strerrorname_np */
#include "test/fact.h"

#include "core/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_facts(void);

/* -- what an experiment says --------------------------------------------- */

static char seen[2048], noted[1024];

static void __attribute__((format(printf, 3, 0)))
append(char *text, size_t size, const char *format, va_list args)
{
    const size_t len = strlen(text);

    vsnprintf(text + len, size - len, format, args);
}

void
saw(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    append(seen, sizeof seen, format, args);
    va_end(args);
}

void
note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    append(noted, sizeof noted, format, args);
    va_end(args);
}

/* The next of eight texts, so that several can stand in one call. */
static char *
next_text(void)
{
    static char text[8][256];
    static unsigned i;

    return text[i++ % 8];
}

const char *
number(long result)
{
    char *text = next_text();

    if (result == -1)
        return strerrorname_np(errno);
    snprintf(text, 256, "%ld", result);
    return text;
}

const char *
outcome(long result)
{
    return result == -1 ? strerrorname_np(errno) : "ok";
}

const char *
got(int fd, size_t size)
{
    char buffer[200], *text = next_text();
    const ssize_t n = read(fd, buffer, size < 200 ? size : 200);

    if (n == -1)
        return strerrorname_np(errno);
    if (n == 0)
        return "end of file";
    snprintf(text, 256, "'%.*s'", (int)n, buffer);
    return text;
}

int
must_succeed(const char *what, long result)
{
    ck_assert_msg(result != -1, "%s: %s", what, strerrorname_np(errno));
    return (int)result;
}

void
put_text(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

const char *
in_run_dir(const char *name)
{
    char *text = next_text();

    snprintf(text, 256, "%s/%s", run_dir, name);
    return text;
}

long
setting(const char *path)
{
    FILE *f = fopen(path, "re");
    long value = -1;

    if (f == NULL)
        return -1;
    if (fscanf(f, "%ld", &value) != 1)
        value = -1;
    fclose(f);
    return value;
}

/* -- other processes ----------------------------------------------------- */

pid_t
fork_child(void)
{
    /* Check has a handler for some, which ends the test's whole group. */
    static const int deadly[] = {SIGPIPE, SIGBUS,  SIGSEGV,
                                 SIGABRT, SIGTERM, SIGINT};
    const pid_t pid = must(fork());

    for (size_t i = 0; pid == 0 && i < sizeof deadly / sizeof *deadly; i++)
        signal(deadly[i], SIG_DFL);
    return pid;
}

bool
sleeps_now(pid_t pid)
{
    return all_threads_are(pid, 'S');
}

const char *
until_asleep(pid_t pid)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);

    while (!sleeps_now(pid)) {
        if (time_left(deadline) == 0)
            return "never asleep";
        sched_yield();
    }
    return "asleep";
}

const char *
end_of(pid_t pid)
{
    char *text = next_text();
    int status;

    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    if (WIFSIGNALED(status))
        snprintf(text, 256, "SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(text, 256, "exit %d", WEXITSTATUS(status));
    return text;
}

const char *
left_asleep(pid_t pid)
{
    const bool sleeps = sleeps_now(pid);

    kill(pid, SIGKILL);
    end_of(pid);
    return sleeps ? "asleep" : "awake";
}

void
be_nobody_special(void)
{
    if (geteuid() != 0)
        return;
    must(setresgid(ALICE, ALICE, ALICE));
    must(setresuid(ALICE, ALICE, ALICE));
}

/* -- shown --------------------------------------------------------------- */

enum { INDENT = 10, WIDTH = 80 };

/* A text from this column on, in lines of at most WIDTH, broken at blanks. */
static void
print_wrapped(const char *text)
{
    const int room = WIDTH - INDENT;

    while ((int)strlen(text) > room) {
        int n = room;

        while (n > 0 && text[n] != ' ')
            n--;
        if (n == 0)
            n = room;
        printf("%.*s\n%*s", n, text, INDENT, "");
        text += n + (text[n] == ' ');
    }
    printf("%s\n", text);
}

static void
print_line(const char *what, const char *text)
{
    char line[2200];

    if (*text == '\0')
        return;
    snprintf(line, sizeof line, "%s%s", what, text);
    printf("%*s", INDENT, "");
    print_wrapped(line);
}

static void
show(const struct fact *f, bool ok)
{
    const char *wish = getenv("FACTS");

    if (wish == NULL || strcmp(wish, "show") != 0)
        return;
    printf("%-5s%-5s", f->id, ok ? "ok" : "NO");
    print_wrapped(f->claim);
    print_line("saw: ", seen);
    if (!ok)
        print_line("not: ", f->expected);
    print_line("(here: ", *noted != '\0' ? strcat(noted, ")") : "");
    fflush(stdout);
}

static bool
negated(void)
{
    const char *wish = getenv("FACTS_NEGATED");

    return wish != NULL && strcmp(wish, "1") == 0;
}

/* -- the suite ----------------------------------------------------------- */

static const struct fact *all[512];

START_TEST(a_fact_is_as_it_says)
{
    const struct fact *f = all[_i];
    const struct rlimit none = {0, 0};
    bool ok;

    must(setrlimit(RLIMIT_CORE, &none)); /* some die of it */
    f->run();
    ok = (strcmp(seen, f->expected) == 0) != negated();
    show(f, ok);
    ck_assert_msg(ok, "%s: saw \"%s\", %s \"%s\"", f->id, seen,
                  negated() ? "which is" : "not", f->expected);
}
END_TEST

static bool
is_wanted(const char *place, const char *id)
{
    const char *wanted = getenv("FACTS_OF");

    return wanted == NULL || *wanted == '\0' || strcmp(wanted, place) == 0 ||
           strcmp(wanted, id) == 0;
}

const struct fact *
fact_find(const char *id)
{
    for (size_t i = 0; all_facts[i].place != NULL; i++)
        for (size_t k = 0; all_facts[i].facts[k] != NULL; k++)
            if (strcmp(all_facts[i].facts[k]->id, id) == 0)
                return all_facts[i].facts[k];
    return NULL;
}

Suite *
test_facts(void)
{
    Suite *s = suite_create("facts");
    TCase *tc = test_case(s, "facts");
    int n = 0;

    for (size_t i = 0; all_facts[i].place != NULL; i++) {
        const struct facts_of *of = &all_facts[i];

        for (size_t k = 0; of->facts[k] != NULL; k++) {
            const struct fact *f = of->facts[k];

            if (!is_wanted(of->place, f->id))
                continue;
            all[n] = f;
            add_loop_test_if(tc, f->need != NULL ? f->need() : NULL,
                             a_fact_is_as_it_says, n++);
        }
    }
    if (n == 0)
        fprintf(stderr, "there is no fact %s, nor facts of %s\n",
                getenv("FACTS_OF"), getenv("FACTS_OF"));
    return s;
}

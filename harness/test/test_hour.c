/*
 * test_hour.c - the first hour: what `make facts` and its like show
 * (harness/hour/), and that what they claim can fail.
 */
#define _GNU_SOURCE /* popen, sched_getaffinity */
#include "test/fact.h"

#include "test/files.h"
#include "test/here.h"
#include "test/readme.h"

#include "core/sanitized.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_hour(void);

/* No line of what was shown is too long for a terminal. */
static void
expect_narrow(const char *text)
{
    char *copy = strdup(text), *rest = copy, *line;

    while ((line = readme_line(&rest)) != NULL)
        MUST(strlen(line) <= 80, "too wide: %s", line);
    free(copy);
}

/* -- facts --------------------------------------------------------------- */

static struct output o;

/* The number behind this word of the summary, "Failures: 163". */
static int
summed(const char *word)
{
    const char *line = strstr(o.out, "%: Checks: ");
    const char *at = line != NULL ? strstr(line, word) : NULL;

    MUST(at != NULL, "no \"%s\" in: %s%s", word, o.out, o.err);
    return atoi(at + strlen(word));
}

/* Another test program in this one, whose turn is this one's. */
static void
run_facts(const char *variable, const char *value)
{
    setenv("CK_RUN_SUITE", "facts", 1);
    setenv("IPCLAB_TURN", "taken", 1);
    setenv(variable, value, 1);
    unsetenv("CK_RUN_CASE");
    unsetenv("IPCLAB_TEST");
    run_program(&o, "check", NULL);
    children_end(); /* it has a janitor, which ends after it */
}

START_TEST(each_fact_fails_when_its_claim_is_negated)
{
    run_facts("FACTS_NEGATED", "1");
    ck_assert_int_eq(o.status, EXIT_FAILURE);
    ck_assert_int_gt(summed("Checks: "), 0);
    MUST(summed("Failures: ") == summed("Checks: "), "%s", o.out);
}
END_TEST

START_TEST(a_fact_is_shown_with_what_was_seen)
{
    setenv("FACTS", "show", 1);
    run_facts("FACTS_OF", "fifo");
    ck_assert_int_eq(o.status, 0);
    expect_narrow(o.out);
    ck_assert_uint_eq(times_in(o.out, "  ok   "), (size_t)summed("Checks: "));
    ck_assert_uint_eq(times_in(o.out, "saw: "), (size_t)summed("Checks: "));
    run_facts("FACTS_OF", "F99");
    ck_assert_int_ne(o.status, 0);
    ck_assert_ptr_nonnull(strstr(o.err, "there is no fact F99"));
}
END_TEST

START_TEST(two_facts_have_not_one_name)
{
    for (size_t i = 0; all_facts[i].place != NULL; i++)
        for (size_t k = 0; all_facts[i].facts[k] != NULL; k++) {
            const struct fact *f = all_facts[i].facts[k];

            MUST(fact_find(f->id) == f, "two are called %s", f->id);
        }
}
END_TEST

/* -- questions -------------------------------------------------------------- */

/* Lines of a question that begin with this sign. */
static size_t
signs(const char *question, char sign)
{
    const char look[] = {'\n', sign, ' ', '\0'};

    return times_in(question, look);
}

/* One question of questions.txt: its fact sees what makes the right choice right.
 * Returns the fact's id; the manual's number, if it has one, in *manual. */
static void
try_question(const char *question, char place[16], int *manual)
{
    char id[8] = "", want[128] = "";
    const char *line = strstr(question, "\n= ");
    const struct fact *f;

    sscanf(question, "%15s %7s manual %d", place, id, manual);
    f = fact_find(id);
    MUST(f != NULL, "questions.txt: there is no fact %s", id);
    MUST(line != NULL && sscanf(line, "\n= %127[^\n]", want) == 1 &&
             strstr(f->expected, want) != NULL,
         "%s: \"%s\" is not in \"%s\"", id, want, f->expected);
    MUST(signs(question, '?') > 0 && signs(question, '-') > 0 &&
             signs(question, '+') > 0 && signs(question, '=') == 1,
         "%s: a question, choices, the right one", question);
}

START_TEST(a_question_is_answered_by_its_fact)
{
    static const char *const places[] = {"pipe", "fifo",   "msgq", "shm",
                                         "sem",  "socket", "mmap", "signals"};
    int count[8] = {0}, manual_seen = 0;
    char path[4096], *text, *end;

    snprintf(path, sizeof path, "%s/harness/hour/questions.txt", source_dir());
    text = strdup(file_text(path));
    for (char *q = strstr(text, "\n\n"); q != NULL; q = end) {
        char place[16] = "";
        int manual = 0;

        q += 2;
        end = strstr(q, "\n\n");
        if (end != NULL)
            *end = '\0';
        try_question(q, place, &manual);
        for (int i = 0; i < 8; i++)
            count[i] += strcmp(place, places[i]) == 0 && manual == 0;
        manual_seen |= manual > 0 ? 1 << manual : 0;
    }
    for (int i = 0; i < 8; i++)
        MUST(count[i] >= 5, "%s: %d questions", places[i], count[i]);
    ck_assert_int_eq(manual_seen, 0x3fe); /* 1 to 9 */
    free(text);
}
END_TEST

/* The directory of this build's programs, at the top of the checkout. */
static const char *
build_dir(void)
{
    static char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    ck_assert_int_gt(n, 0);
    path[n] = '\0';
    *strrchr(path, '/') = '\0';
    return path;
}

/* What both sides do in one request, each in a column of its own. */
START_TEST(a_request_is_traced_on_both_sides)
{
    static const struct {
        const char *mechanism, *calls[3];
    } traces[] = {
        {"fifo/textbook", {" mknodat(", "read(fifo-textbook)", "server "}},
        {"socket/stream", {" connect(socket)", "accept", "server "}},
        {"pipe/coprocess", {" pipe2(", "execve(ipcd)", "its child "}},
    };
    char command[8192], text[1 << 14];
    FILE *in;

    snprintf(command, sizeof command,
             "cd '%s' && harness/hour/trace.sh '%s' %s 2>&1 </dev/null",
             source_dir(), build_dir(), traces[_i].mechanism);
    in = popen(command, "re");
    ck_assert_ptr_nonnull(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    MUST(pclose(in) == 0, "%s", text);
    children_end();
    expect_narrow(text);
    MUST(strstr(text, ": Hello World\n") != NULL, "%s", text);
    for (int i = 0; i < 3; i++)
        MUST(strstr(text, traces[_i].calls[i]) != NULL, "no \"%s\" in: %s",
             traces[_i].calls[i], text);
}
END_TEST

static bool
may_trace(void)
{
    return system("strace -o /dev/null true >/dev/null 2>&1") == 0;
}

static const char *
need_strace(void)
{
    if (need_source() != NULL)
        return need_source();
    if (SANITIZED)
        return "need a release build (LeakSanitizer gives up under strace)";
    return here_try(may_trace) ? NULL : "need strace, and leave to trace";
}

START_TEST(questions_are_asked_and_answers_judged)
{
    char command[4096], text[1 << 14];
    FILE *in;

    setenv("IPCLAB_TURN", "taken", 1);
    snprintf(command, sizeof command,
             "cd '%s' && printf '2\\n1\\n' | harness/hour/ask.sh "
             "\"$(dirname \"$(readlink /proc/%d/exe)\")\" P06 2>&1",
             source_dir(), (int)getpid());
    in = popen(command, "re");
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    MUST(pclose(in) == 0, "%s", text);
    children_end();
    expect_narrow(text);
    MUST(strstr(text, "[2] SIGPIPE kills") != NULL, "%s", text);
    MUST(strstr(text, "saw: SIGPIPE; ignored: EPIPE") != NULL, "%s", text);
    MUST(strstr(text, "1 of 1 right.") != NULL, "%s", text);
}
END_TEST

/* -- hello ------------------------------------------------------------------ */

/* A verb of hour.sh's, at the top of the checkout; what it builds it may. */
static const char *
shown_by(const char *command)
{
    static char text[1 << 16];
    char line[2048];
    size_t n;
    FILE *in;

    snprintf(line, sizeof line,
             "cd '%s' && HOUR_BUILD='%s' harness/hour/hour.sh %s 2>&1 "
             "</dev/null",
             source_dir(), programs_dir(), command);
    in = popen(line, "re");
    ck_assert_ptr_nonnull(in);
    n = fread(text, 1, sizeof text - 1, in);
    text[n] = '\0';
    MUST(pclose(in) == 0, "%s: %s", command, text);
    expect_narrow(text);
    return text;
}

static void
expect_shown(const char *text, const char *what)
{
    MUST(strstr(text, what) != NULL, "no \"%s\" in: %s", what, text);
}

START_TEST(the_first_minute_needs_only_a_compiler)
{
    char uid[32];
    const char *text;

    setenv("PKG_CONFIG", "false", 1); /* there may be none */
    text = shown_by("hello 2");
    snprintf(uid, sizeof uid, "  uid %u ", getuid());
    ck_assert_uint_eq(times_in(text, uid), 8);
    ck_assert_ptr_null(strstr(text, "not here"));
    expect_shown(text, "You say: shared memory and two semaphores.");
    expect_shown(text, "On one CPU: ");
}
END_TEST

/* One processor, or two? */
static int
trip_places(void)
{
    cpu_set_t set;

    must(sched_getaffinity(0, sizeof set, &set));
    return CPU_COUNT(&set) > 1 ? 2 : 1;
}

/* All that `make demo` lists: each says what it predicts, and what it saw. */
START_TEST(each_demonstration_runs)
{
    char *all = strdup(shown_by("demo")), *rest = all, *line;
    char command[64], name[24];
    int n = 0;

    while ((line = readme_line(&rest)) != NULL)
        if (sscanf(line, "  %23s", name) == 1 && line[0] == ' ') {
            snprintf(command, sizeof command, "demo %s", name);
            expect_shown(shown_by(command), "Predict: ");
            n++;
        }
    ck_assert_int_ge(n, 15);
    free(all);
}
END_TEST

START_TEST(a_demonstration_that_there_is_not_is_refused)
{
    char command[4096];

    snprintf(command, sizeof command,
             "cd '%s' && HOUR_BUILD='%s' harness/hour/hour.sh demo nothing "
             ">/dev/null 2>&1",
             source_dir(), programs_dir());
    ck_assert_int_eq(WEXITSTATUS(system(command)), 64);
}
END_TEST

START_TEST(a_prediction_is_shown_beside_the_measurement_and_kept)
{
    const char *text;
    const bool pair = trip_places() == 2;

    setenv("CLASS", run_dir, 1);
    text = shown_by(pair ? "predict 2 3 3 10" : "predict 2 3");
    expect_shown(text, "predicted: [2], 3 times; measured: [");
    expect_shown(text, "on one processor: ");
    expect_shown(text, "    [2] #\n");
    text = shown_by(pair ? "predict 2 3 3 10" : "predict 2 3");
    expect_shown(text, "    [2] ##\n");
    ck_assert_int_eq(system("rm \"$CLASS/$(id -un).predictions\""), 0);
}
END_TEST

Suite *
test_hour(void)
{
    Suite *s = suite_create("hour");
    TCase *tc = test_case(s, "hello");

    add_test_if(tc, need_source() != NULL ? need_source() : need_programs(),
                the_first_minute_needs_only_a_compiler);
    tc = test_case(s, "demo");
    add_test_if(tc, need_source() != NULL ? need_source() : need_programs(),
                each_demonstration_runs);
    add_test_if(tc, need_source() != NULL ? need_source() : need_programs(),
                a_demonstration_that_there_is_not_is_refused);
    tc = test_case(s, "predict");
    add_test_if(tc, need_source() != NULL ? need_source() : need_programs(),
                a_prediction_is_shown_beside_the_measurement_and_kept);
    tc = test_case(s, "trace");
    for (int i = 0; i < 3; i++)
        add_loop_test_if(tc, need_strace(), a_request_is_traced_on_both_sides,
                         i);
    tc = test_case(s, "ask");
    add_test_if(tc, need_source(), a_question_is_answered_by_its_fact);
    add_test_if(tc, need_source(), questions_are_asked_and_answers_judged);
    tc = test_case(s, "facts");

    tcase_add_test(tc, each_fact_fails_when_its_claim_is_negated);
    tcase_add_test(tc, a_fact_is_shown_with_what_was_seen);
    tcase_add_test(tc, two_facts_have_not_one_name);
    return s;
}

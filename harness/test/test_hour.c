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
#include "ns/spaces.h"

#include <ctype.h>
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
    /* cppcheck-suppress nullPointerArithmetic ; MUST() does not return */
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

/* -- questions ------------------------------------------------------------- */

/* Lines of a question that begin with this sign. */
static size_t
signs(const char *question, char sign)
{
    const char look[] = {'\n', sign, ' ', '\0'};

    return times_in(question, look);
}

/* One question of questions.txt: its fact sees what makes the right choice
 * right.  Returns the fact's id; the manual's number, if it has one, in
 * *manual. */
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
    ck_assert_ptr_nonnull(text);
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

static const struct {
    const char *mechanism, *calls[3];
} traces[] = {
    {"fifo/textbook", {" mknodat(reply)", "read(request) ", "server "}},
    {"fifo/perclient",
     {" openat(reply)", "read(request) ", " write(reply) 45"}},
    {"socket/stream", {" connect(endpoint)", " accept", " sendto(server) "}},
    {"pipe/coprocess", {" pipe2(server)", "execve(ipcd)", " read(server) 45"}},
    {"msgq/posix", {"mq_send(request) ", "mq_receive(reply) 45", "(life)"}},
    {"shm/futex", {" memfd_create(memory)", " recvmsg(join) ", "\nmemory "}},
    {"shm/sysv",
     {"(client's set)", "shmat(client's segment)", "(server's set"}},
    {"sem/textbook", {" openat(turn)", " openat(full)", " pread64(endpoint)"}},
    {"signals/rt", {"signal(server, RT_2)", "sigtimedwait() RT_3", "server "}},
};

/* Of no descriptor and of no address there is just the number, and no name is
 * cut: what is in brackets begins with a letter and ends with its bracket. */
static void
expect_names(const char *text)
{
    char *copy = strdup(text), *rest = copy, *line, *call;
    int rows = 0;

    while ((line = readme_line(&rest)) != NULL) {
        call = strchr(line, '(');
        if (call == NULL || line[strspn(line, " ")] < '0' ||
            line[strspn(line, " ")] > '9')
            continue; /* not a row of the diagram */
        rows++;
        MUST((isalpha((unsigned char)call[1]) || call[1] == ')') &&
                 strchr(call, ')') != NULL,
             "no name: %s", line);
    }
    ck_assert_int_gt(rows, 0);
    free(copy);
}

/* What both sides do in one request, each in a column of its own. */
START_TEST(a_request_is_traced_on_both_sides)
{
    char command[8192], text[1 << 15], picture[4096];
    const char *svg;
    FILE *in;

    snprintf(picture, sizeof picture, "%s/trace.svg", run_dir);
    setenv("TRACE_SVG", picture, 1);
    setenv("COLUMNS", "80", 1);
    snprintf(command, sizeof command,
             "cd '%s' && harness/hour/trace.sh '%s' %s 2>&1 </dev/null",
             source_dir(), build_dir(), traces[_i].mechanism);
    in = popen(command, "re");
    ck_assert_ptr_nonnull(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    MUST(pclose(in) == 0, "%s", text);
    children_end();
    expect_narrow(text);
    expect_names(text);
    MUST(strstr(text, ": Hello World\n") != NULL, "%s", text);
    for (char *at = text; (at = strchr(at, '~')) != NULL;)
        *at = ' '; /* who slept is not the same each time */
    for (int i = 0; i < 3; i++)
        MUST(strstr(text, traces[_i].calls[i]) != NULL, "no \"%s\" in: %s",
             traces[_i].calls[i], text);
    MUST(strstr(text, "The kernel copied ") != NULL, "%s", text);
    MUST(strstr(text, " switches ") != NULL, "%s", text);
    /* The picture has both columns, and an arrow for what was sent. */
    svg = file_text(picture);
    MUST(strstr(svg, "</svg>") != NULL, "%s", svg);
    MUST(strstr(svg, ">client</text>") != NULL, "%s", svg);
    MUST(strstr(svg, "marker-end=\"url(#head)\"") != NULL, "%s", svg);
    ck_assert_int_eq(unlink(picture), 0);
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

/* The right one is not always the second, which it is in questions.txt. */
START_TEST(questions_are_asked_and_answers_judged)
{
    static const struct {
        const char *fact, *said, *choice, *saw;
    } asked[] = {
        {"P06", "2", "[2] SIGPIPE kills", "saw: SIGPIPE; ignored: EPIPE"},
        {"F04", "1", "[1] are an end of file", "1000 ends of file"},
    };
    char command[4096], text[1 << 14];
    FILE *in;

    setenv("IPCLAB_TURN", "taken", 1);
    snprintf(command, sizeof command,
             "cd '%s' && printf '%s\\n1\\n' | harness/hour/ask.sh "
             "\"$(dirname \"$(readlink /proc/%d/exe)\")\" %s 2>&1",
             source_dir(), asked[_i].said, (int)getpid(), asked[_i].fact);
    in = popen(command, "re");
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    MUST(pclose(in) == 0, "%s", text);
    children_end();
    expect_narrow(text);
    MUST(strstr(text, asked[_i].choice) != NULL, "%s", text);
    MUST(strstr(text, asked[_i].saw) != NULL, "%s", text);
    MUST(strstr(text, "1 of 1 right.") != NULL, "%s", text);
}
END_TEST

/* -- hello ----------------------------------------------------------------- */

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

/* -- coverage -------------------------------------------------------------- */

/* What stands between two ` on a line of a table, one after the other; the text
 * after it, or NULL. */
static const char *
next_command(const char *from, char command[128])
{
    const char *open = strchr(from, '`');
    const char *close = open != NULL ? strchr(open + 1, '`') : NULL;

    if (close == NULL)
        return NULL;
    snprintf(command, 128, "%.*s", (int)(close - open - 1), open + 1);
    return close + 1;
}

/* The command of the shell for what stands there, with this build's programs.
 * The first of all goes through make, as somebody would type it, without
 * building any: -o says that a file is as new as it need be.  The others do
 * what the Makefile's lines say, which takes a third of the time.  A
 * demonstration is only looked up: each_demonstration_runs() has run it. */
static void
covering(const char *command, bool by_make, char *line, size_t size)
{
    const char *build = build_dir();
    char verb[16] = "", what[64] = "";

    if (strncmp(command, "build/release/", 14) == 0)
        snprintf(line, size, "'%s'/%s", build,
                 command + strlen("build/release/"));
    else if (sscanf(command, "make %15s %*[DFMT]=%63[a-zA-Z0-9_-]", verb,
                    what) != 2)
        MUST(false, "no command: %s", command);
    else if (by_make)
        snprintf(line, size, "make O='%s' -o '%s/check' %s", build, build,
                 command + strlen("make "));
    else if (strcmp(verb, "facts") == 0)
        snprintf(line, size,
                 "FACTS=show FACTS_OF=%s CK_RUN_SUITE=facts '%s/check'", what,
                 build);
    else if (strcmp(verb, "ask") == 0)
        snprintf(line, size, "harness/hour/ask.sh '%s' %s", build, what);
    else if (strcmp(verb, "prove") == 0)
        snprintf(line, size, "harness/hour/prove.sh '%s' %s", build, what);
    else if (strcmp(verb, "demo") == 0)
        snprintf(line, size, "harness/hour/hour.sh demo | grep '^  %s '", what);
    else
        MUST(false, "no verb: %s", command);
}

static void
run_covered(const char *command, bool by_make)
{
    char line[8192], whole[16384], text[1 << 15];
    size_t n;
    FILE *in;

    covering(command, by_make, line, sizeof line);
    snprintf(whole, sizeof whole,
             "cd '%s'; unset MAKEFLAGS CK_RUN_SUITE CK_RUN_CASE IPCLAB_TEST; "
             "exec 2>&1 "
             "</dev/null; export HOUR_BUILD='%s'; %s",
             source_dir(), programs_dir(), line);
    in = popen(whole, "re");
    ck_assert_ptr_nonnull(in);
    n = fread(text, 1, sizeof text - 1, in);
    text[n] = '\0';
    while (fgetc(in) != EOF)
        continue;
    MUST(pclose(in) == 0, "%s: %s", line, text);
    children_end();
    if (strstr(command, " F=") != NULL || strstr(command, "make ask") != NULL)
        MUST(strstr(text, " ok  ") != NULL ||
                 strstr(text, "not run here") != NULL,
             "%s: %s", line, text);
}

/* The lines of the table under that heading, from its third on. */
static char *
table_under(const char *heading, char **line)
{
    static char *text;
    char path[4096], *at;

    snprintf(path, sizeof path, "%s/harness/hour/README.md", source_dir());
    free(text);
    text = strdup(file_text(path));
    ck_assert_ptr_nonnull(text);
    at = strstr(text, heading);
    MUST(at != NULL, "no \"%s\" in %s", heading, path);
    at = strstr(at, "\n|---");
    ck_assert_ptr_nonnull(at);
    *line = strchr(at + 1, '\n') + 1;
    return text;
}

static const struct {
    const char *heading;
    int lines, commands; /* each line has so many, at least */
} coverage[] = {
    {"\n## What was asked for, and what shows it\n", 20, 1},
    {"\n## The nine questions of the lab manual\n", 9, 1},
    {"\n## The eight namespaces\n", 8, 2},
};
#define TABLES        3
#define COVERED_LINES (20 + 9 + 8)

/* One line, so that several can be tried at once. */
START_TEST(each_line_of_the_coverage_is_a_command_that_runs)
{
    int table = 0, line_number = _i, count = 0;
    char *rest, *line, command[128];

    for (; line_number >= coverage[table].lines; table++)
        line_number -= coverage[table].lines;
    setenv("IPCLAB_TURN", "taken", 1);
    table_under(coverage[table].heading, &rest);
    do
        line = readme_line(&rest);
    while (line != NULL && line_number-- > 0);
    MUST(line != NULL && line[0] == '|', "%s", coverage[table].heading);
    for (const char *at = line; (at = next_command(at, command)) != NULL;
         count++)
        run_covered(command, _i == 0 && count == 0);
    MUST(count >= coverage[table].commands, "which command shows it? %s", line);
}
END_TEST

/* Each of the manual's questions, and each namespace both ways. */
START_TEST(the_coverage_leaves_no_question_and_no_namespace_out)
{
    char path[4096], want[64], *rest, *line, *questions;
    const char *at, *text;

    for (int i = 0; i < TABLES; i++) {
        int n = 0;

        table_under(coverage[i].heading, &rest);
        while ((line = readme_line(&rest)) != NULL && line[0] == '|')
            n++;
        ck_assert_int_eq(n, coverage[i].lines);
    }

    snprintf(path, sizeof path, "%s/harness/hour/questions.txt", source_dir());
    questions = strdup(file_text(path));
    ck_assert_ptr_nonnull(questions);
    text = table_under(coverage[1].heading, &rest);
    for (int i = 1; i <= 9; i++) {
        char id[8] = "";

        snprintf(want, sizeof want, " manual %d\n", i);
        at = strstr(questions, want);
        ck_assert_ptr_nonnull(at);
        while (at[-1] != '\n')
            at--;
        ck_assert_int_eq(sscanf(at, "%*s %7s", id), 1);
        snprintf(want, sizeof want, "| `make ask M=%s` |", id);
        MUST(strstr(text, want) != NULL, "%s", want);
    }
    free(questions);
    for (int i = 0; i < SPACES; i++) {
        snprintf(want, sizeof want, "--clone %s`", spaces[i].name);
        MUST(strstr(text, want) != NULL, "%s", want);
        snprintf(want, sizeof want, "--unshare %s`", spaces[i].name);
        MUST(strstr(text, want) != NULL, "%s", want);
    }
}
END_TEST

static bool
may_unshare_all(void)
{
    return system("unshare -rpfuinmCT true >/dev/null 2>&1") == 0;
}

/* Why this line cannot be tried; or NULL.  The last ones are namespaces. */
static const char *
need_for(int line)
{
    static int may = -1;

    if (need_source() != NULL)
        return need_source();
    if (line < COVERED_LINES - coverage[2].lines)
        return need_programs();
    if (may == -1)
        may = here_try(may_unshare_all);
    return may ? need_dev_shm() : "need user namespaces";
}

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
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
        const char *reason = need_mechanism(ipc_find(traces[i].mechanism));

        add_loop_test_if(tc, reason != NULL ? reason : need_strace(),
                         a_request_is_traced_on_both_sides, (int)i);
    }
    tc = test_case(s, "ask");
    add_test_if(tc, need_source(), a_question_is_answered_by_its_fact);
    for (int i = 0; i < 2; i++)
        add_loop_test_if(tc, need_source(),
                         questions_are_asked_and_answers_judged, i);
    tc = test_case(s, "coverage");
    for (int i = 0; i < COVERED_LINES; i++)
        add_loop_test_if(tc, need_for(i),
                         each_line_of_the_coverage_is_a_command_that_runs, i);
    add_test_if(tc, need_source(),
                the_coverage_leaves_no_question_and_no_namespace_out);
    tc = test_case(s, "facts");

    tcase_add_test(tc, each_fact_fails_when_its_claim_is_negated);
    tcase_add_test(tc, a_fact_is_shown_with_what_was_seen);
    tcase_add_test(tc, two_facts_have_not_one_name);
    return s;
}

/*
 * asked.h - what a grader asks of the test program, beside what Check's own
 * variables pick (main.c):
 *
 *      IPCLAB_TESTS="crash/a_test ..."   these only, if CK_RUN_CASE has them
 *      IPCLAB_REPORT=FILE    at the end a line for each of them, between tabs:
 *                            its name; "passed", "failed", "not run" or
 *                            "absent"; where; what it says, with '\n' as \n
 *      IPCLAB_DOING=FILE     while they run a struct asked_doing: which it is
 *                            and what it tries, so that of one that hangs is
 *                            known in what
 *      IPCLAB_LONGEST=10    CALL_TIMEOUT, in seconds
 *
 * What a test says is for who wrote the mechanism, and does not know the test:
 *
 *      recv(), the server had been killed; expected EPIPE; saw ETIMEDOUT
 */
#ifndef ASKED_H
#define ASKED_H

#include "lab/asked_doing.h"

#include <check.h>
#include <stdbool.h>

/* Are only some tests wanted?  They run in the order in which they are made. */
bool asked_for_some(void);

/* Reads the variables; before the suites are made. */
void asked_begin(void);

/* May tests of the suite in this file be wanted ("test_crash" has "crash")?  To
 * make all suites takes most of the time that one test takes. */
bool asked_for_suite(const char *file);

/* Is this test wanted?  It is added, unless there is a reason against it. */
bool asked_for(const char *suite, const char *one_case, const char *test,
               const char *reason);

/* The next test begins: its process does this. */
void asked_next(void);

/* From here on what is said is this test's: "-- NAME" on standard error. */
void asked_says(void);

/* Writes the report. */
void asked_report(SRunner *runner);

/* From here on this is what is tried: a call of the mechanism's, what it is
 * called with or after what; and what is to come of it. */
void doing(const char *expected, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What is tried has another end than expected: the test fails. */
#define is_unexpected(...) ck_abort_msg("%s", unexpected(__VA_ARGS__))
const char *unexpected(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* "EPIPE (the peer is gone)"; "success" for 0.  One of four buffers. */
const char *result_name(int result);

/* Fails unless result (0 or -errno) is that; says what was being done. */
#define expect_result(result, expected, ...) \
    do { \
        doing(result_name(expected), __VA_ARGS__); \
        const int result_ = (result); \
        if (result_ != (expected)) \
            is_unexpected("%s", result_name(result_)); \
    } while (0)

#endif

/*
 * hello.c - the first five minutes (`make hello`): one question by eight
 * mechanisms, one prediction, one measurement, and where to go from here.
 *
 *   hello             asks for the prediction on a terminal
 *   hello PREDICTION  1, 2 or 3: it need not ask
 */
#define _GNU_SOURCE /* sigprocmask */
#include "eight.h"
#include "trips.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- one question ---------------------------------------------------------- */

/* An interrupt waits until what was made for the question has been removed. */
static int
ask(const struct way *w, struct answer *a)
{
    sigset_t ends, before;
    int err;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, &before);
    err = w->ask(a);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

static int
ask_all(void)
{
    int failed = 0;

    printf("One question, \"who am I?\", to eight servers (you are uid %u, pid "
           "%d):\n\n",
           getuid(), getpid());
    for (const struct way *w = eight_ways; w->mechanism != NULL; w++) {
        struct answer a = {-1, (uid_t)-1};
        int err;

        fflush(stdout); /* or a child would have it, too */
        err = ask(w, &a);
        if (err != 0) {
            printf("  %-8s not here: %s\n", w->mechanism, strerror(-err));
            failed++;
        } else if (a.pid != -1)
            printf("  %-8s uid %-6u pid %-7d %s\n", w->mechanism, a.uid, a.pid,
                   w->how);
        else
            printf("  %-8s uid %-6u             %s\n", w->mechanism, a.uid,
                   w->how);
    }
    return failed;
}

/* -- one prediction -------------------------------------------------------- */

static const char *const choices[] = {
    "a pair of pipes", "shared memory and two semaphores", "neither: a tie"};

/* 1 to 3; 0: there is nobody to ask. */
static int
predicted(const char *given)
{
    char line[80];
    int n;

    printf("\nPredict: which is faster, %d bytes there and back?\n\n",
           TRIP_BYTES);
    for (int i = 0; i < 3; i++)
        printf("  [%d] %s\n", i + 1, choices[i]);
    if (given == NULL && !isatty(STDIN_FILENO)) {
        printf("\n(nobody here to ask: make hello PREDICT=2 says so before)\n");
        return 0;
    }
    for (;;) {
        if (given == NULL) {
            printf("\nYour prediction: ");
            fflush(stdout);
            if (fgets(line, sizeof line, stdin) == NULL)
                return 0;
        }
        n = atoi(given != NULL ? given : line);
        if (n >= 1 && n <= 3)
            break;
        if (given != NULL)
            return 0;
    }
    printf("\nYou say: %s.\n", choices[n - 1]);
    return n;
}

/* -- one measurement ------------------------------------------------------- */

enum { RUNS = 5, RUN_MS = 40 };

struct range {
    double low, high, busy; /* us; percent */
};

static struct range
measure(enum carrier carrier, int two_cpus)
{
    struct range r = {.low = 1e12};

    for (int i = 0; i < RUNS; i++) {
        double busy, us = trip_time(carrier, two_cpus, RUN_MS, &busy) / 1000;

        if (us < 0) {
            perror("hello: cannot measure");
            exit(EXIT_FAILURE);
        }
        r.low = us < r.low ? us : r.low;
        r.high = us > r.high ? us : r.high;
        r.busy = busy > r.busy ? busy : r.busy;
    }
    return r;
}

static void
print_row(const char *name, const struct range *one, const struct range *two)
{
    char text[40];

    snprintf(text, sizeof text, "%.1f-%.1f", one->low, one->high);
    printf("  %-34s %16s", name, text);
    if (two != NULL) {
        snprintf(text, sizeof text, "%.1f-%.1f", two->low, two->high);
        printf(" %16s %5.0f %%", text, two->busy);
    }
    printf("\n");
}

/* 1, 2, or 3 if the ranges have something in common. */
static int
faster(const struct range *pipes, const struct range *semaphores)
{
    return pipes->high < semaphores->low   ? 1
           : semaphores->high < pipes->low ? 2
                                           : 3;
}

static void
print_result(const char *where, int result, int prediction)
{
    printf("%s: %s", where, choices[result - 1]);
    if (prediction != 0)
        printf(result == prediction ? ", as you said"
                                    : ", and you said another");
    printf(".\n");
}

/* Memory is fast, and waiting is not: what of those who never sleep? */
static void
print_spinning(const char *where, const struct range *pipes,
               const struct range *spinning)
{
    const double ratio = spinning->low / pipes->low;

    printf("Without ever sleeping, on %s: %.1f times as %s as pipes.\n", where,
           ratio < 1 ? 1 / ratio : ratio, ratio < 1 ? "fast" : "slow");
}

static void
measure_all(int prediction)
{
    static const char *const names[] = {"a pair of pipes",
                                        "shared memory and semaphores",
                                        "shared memory, both looking always"};
    struct range one[CARRIERS], two[CARRIERS];
    const int pair = trip_cpus() > 1;

    printf("\nMeasured now, in microseconds, the lowest and highest of %d "
           "runs:\n\n  %-34s %16s",
           RUNS, "", "on one CPU");
    if (pair)
        printf(" %16s %7s", "on two CPUs", "busy");
    printf("\n");
    for (int i = 0; i < CARRIERS; i++) {
        fflush(stdout);
        one[i] = measure((enum carrier)i, 0);
        if (pair)
            two[i] = measure((enum carrier)i, 1);
        print_row(names[i], &one[i], pair ? &two[i] : NULL);
    }
    printf("\n");
    print_result("On one CPU", faster(&one[BY_PIPE], &one[BY_SEMAPHORES]),
                 prediction);
    if (pair)
        print_result("On two", faster(&two[BY_PIPE], &two[BY_SEMAPHORES]),
                     prediction);
    print_spinning("one CPU", &one[BY_PIPE], &one[BY_SPINNING]);
    if (pair)
        print_spinning("two", &two[BY_PIPE], &two[BY_SPINNING]);
}

int
main(int argc, char **argv)
{
    int failed, prediction;

    setvbuf(stdout, NULL, _IOLBF, 0);
    failed = ask_all();
    prediction = predicted(argc > 1 && *argv[1] != '\0' ? argv[1] : NULL);
    measure_all(prediction);
    printf("\nNow:  make demo D=waiting    why that is so\n"
           "      make demo              other surprises, each in a minute\n"
           "      less pipe/README.md    the first mechanism, and its demo.c\n"
           "      make deps              what the rest needs; then make start "
           "L=pipe,\n                             your first lab, and make "
           "bench\n");
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * predict.c - says first, measures then (`make predict`): which way to wait is
 * the fastest, and by what factor; with both sides on one processor, and on
 * two.
 *
 *   predict                      asks
 *   predict 2 3 3 10             one CPU: 2 is 3 times as fast as the slowest;
 *                                on two: 3, 10 times
 *
 * What was predicted and what was measured goes into the file $PREDICTIONS, a
 * line for each placement; hour.sh draws what a class has there.
 */
#define _GNU_SOURCE /* isatty, O_CLOEXEC */
#include "trips.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[CARRIERS] = {
    "a pair of pipes", "shared memory and semaphores",
    "shared memory, both looking always"};

struct prediction {
    int fastest; /* 1 to 3 */
    double factor;
};

/* -- asking ---------------------------------------------------------------- */

/* A number in this range; from the command line, or asked for. */
static double
ask(const char *question, const char *given, double low, double high)
{
    char line[80], *end;
    double n;

    for (;;) {
        printf("  %s ", question);
        fflush(stdout);
        if (given != NULL)
            printf("%s\n", given);
        else if (fgets(line, sizeof line, stdin) == NULL) {
            fprintf(stderr, "\npredict: nobody answers; say it before: "
                            "make predict P=\"2 3 3 10\"\n");
            exit(64);
        }
        n = strtod(given != NULL ? given : line, &end);
        if (n >= low && n <= high && (*end == '\0' || *end == '\n'))
            return n;
        if (given != NULL) {
            fprintf(stderr, "predict: `%s' is not a number from %g to %g\n",
                    given, low, high);
            exit(64);
        }
    }
}

static struct prediction
predict(const char *where, const char *which, const char *factor)
{
    struct prediction p;

    printf("%s:\n", where);
    p.fastest = (int)ask("the fastest is (1, 2, 3)", which, 1, CARRIERS);
    p.factor = ask("so many times as fast as the slowest", factor, 1, 1e9);
    return p;
}

/* -- measuring ------------------------------------------------------------- */

/* The best of three, so that who else is busy here counts little. */
static double
best(int carrier, int two_cpus)
{
    double least = 0, busy;

    for (int i = 0; i < 3; i++) {
        const double ns = trip_time((enum carrier)carrier, two_cpus, 80, &busy);

        if (ns < 0) {
            perror("predict");
            exit(EXIT_FAILURE);
        }
        least = i == 0 || ns < least ? ns : least;
    }
    return least / 1000;
}

static struct prediction
measure(const char *where, int two_cpus, const struct prediction *said)
{
    double us[CARRIERS], most = 0;
    struct prediction found = {.fastest = 1};

    printf("\n%s, us for a round trip of %d bytes:\n", where, TRIP_BYTES);
    for (int i = 0; i < CARRIERS; i++) {
        us[i] = best(i, two_cpus);
        most = us[i] > most ? us[i] : most;
        if (us[i] < us[found.fastest - 1])
            found.fastest = i + 1;
        printf("  [%d] %-36s %10.2f\n", i + 1, names[i], us[i]);
    }
    found.factor = most / us[found.fastest - 1];
    printf("  predicted: [%d], %.3g times; measured: [%d], %.3g times\n",
           said->fastest, said->factor, found.fastest, found.factor);
    return found;
}

static void
keep(const struct prediction *said, const struct prediction *found, int n)
{
    const char *path = getenv("PREDICTIONS");
    /* A class has one directory: a link there may be another one's, and lead to
     * any file of ours; at a FIFO one would wait. */
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
              fd = path != NULL ? open(path, flags | O_CLOEXEC, 0666) : -1;
    FILE *f = fd != -1 ? fdopen(fd, "a") : NULL;

    if (f == NULL) {
        if (path != NULL)
            perror(path);
        return;
    }
    for (int i = 0; i < n; i++)
        fprintf(f, "cpus=%d predicted=%d,%.3g measured=%d,%.3g\n", i + 1,
                said[i].fastest, said[i].factor, found[i].fastest,
                found[i].factor);
    if (fclose(f) == EOF)
        perror(path);
    else
        printf("\nkept in %s\n", path);
}

int
main(int argc, char **argv)
{
    static const char *const where[] = {"Both processes on one processor",
                                        "Each on its own processor"};
    const int places = trip_cpus() > 1 ? 2 : 1;
    struct prediction said[2], found[2];

    if (argc != 1 && argc != 1 + 2 * places) {
        fprintf(stderr, "predict: two numbers for each of %d placements\n",
                places);
        return 64;
    }
    printf("%d bytes go to another process and come back, by\n", TRIP_BYTES);
    for (int i = 0; i < CARRIERS; i++)
        printf("  [%d] %s\n", i + 1, names[i]);
    printf("\nPredict.\n");
    for (int i = 0; i < places; i++)
        said[i] = predict(where[i], argc > 1 ? argv[1 + 2 * i] : NULL,
                          argc > 1 ? argv[2 + 2 * i] : NULL);
    for (int i = 0; i < places; i++)
        found[i] = measure(where[i], i, &said[i]);
    keep(said, found, places);
    return EXIT_SUCCESS;
}

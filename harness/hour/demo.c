/*
 * demo.c - the demonstrations' program (demo.h).
 *
 *   demo          which there are
 *   demo waiting  that one
 */
#define _GNU_SOURCE /* vasprintf */
#include "demo.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* -- what is left to remove ------------------------------------------------ */

enum { MOST = 32 };

static pid_t owner, children[MOST];
static int queues[MOST], sets[MOST];
static volatile int child_count, queue_count, set_count;

/* Only what a signal handler may call: msgctl(2) and semctl(2) are not in its
 * list (signal-safety(7)), but in Linux they are bare system calls.
 * NOLINTBEGIN(bugprone-signal-handler) */
static void
clear_up(void)
{
    if (getpid() != owner)
        return;
    for (int i = 0; i < child_count; i++)
        kill(children[i], SIGKILL);
    for (int i = 0; i < queue_count; i++)
        msgctl(queues[i], IPC_RMID, NULL);
    for (int i = 0; i < set_count; i++)
        semctl(sets[i], 0, IPC_RMID);
}
/* NOLINTEND(bugprone-signal-handler) */

static void
interrupted(int sig)
{
    clear_up();
    signal(sig, SIG_DFL);
    raise(sig);
}

const char *
error_name(int err)
{
    switch (err) {
    case ECONNRESET:
        return "ECONNRESET";
    case EINPROGRESS:
        return "EINPROGRESS";
    case EOWNERDEAD:
        return "EOWNERDEAD";
    case EPIPE:
        return "EPIPE";
    case ETIMEDOUT:
        return "ETIMEDOUT";
    default:
        return strerror(err);
    }
}

int
need(const char *what, int outcome)
{
    if (outcome != -1)
        return outcome;
    fprintf(stderr, "demo: %s: %s\n", what, strerror(errno));
    clear_up();
    exit(EXIT_FAILURE);
}

pid_t
start(void)
{
    pid_t pid;

    fflush(stdout);
    pid = need("fork", fork());
    if (pid > 0 && child_count < MOST)
        children[child_count++] = pid;
    return pid;
}

int
new_queue(void)
{
    return queues[queue_count++] =
               need("a queue", msgget(IPC_PRIVATE, IPC_CREAT | 0600));
}

int
new_set(int n)
{
    return sets[set_count++] =
               need("semaphores", semget(IPC_PRIVATE, n, IPC_CREAT | 0600));
}

/* -- what is said ---------------------------------------------------------- */

enum { WIDTH = 78 };

static void
print_wrapped(const char *text)
{
    while (strlen(text) > WIDTH) {
        int n = WIDTH;

        while (n > 0 && text[n] != ' ')
            n--;
        printf("%.*s\n", n, text);
        text += n + 1;
    }
    printf("%s\n", text);
}

void
tell(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_wrapped(text);
}

void
result(const char *what, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("  %-35s %s\n", what, text);
}

void
bar(const char *what, double value, double most, const char *unit)
{
    const int length = most > 0 ? (int)(30 * value / most + 0.5) : 0;

    printf("  %-26s %9.1f %-3s ", what, value, unit);
    for (int i = 0; i < (length > 30 ? 30 : length); i++)
        putchar('#');
    putchar('\n');
}

int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void
work_ms(int ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

/* -- which ----------------------------------------------------------------- */

static const struct demo *const all[] = {demos_waiting, demos_ipc,
                                         demos_sockets};
enum { LISTS = sizeof all / sizeof *all };

static void
list(FILE *to)
{
    fprintf(to, "make demo D=NAME: a question, an experiment, an answer\n\n");
    for (int i = 0; i < LISTS; i++)
        for (const struct demo *d = all[i]; d->name != NULL; d++)
            fprintf(to, "  %-20s %s\n", d->name, d->question);
}

static int
run(const struct demo *d)
{
    printf("%s\n\nPredict: %s\n", d->name, d->question);
    if (isatty(STDIN_FILENO)) {
        printf("(Enter, when you have) ");
        fflush(stdout);
        while (getchar() != '\n' && !feof(stdin))
            continue;
    }
    printf("\n");
    d->run();
    clear_up();
    while (wait(NULL) > 0)
        continue;
    return ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    const int ends[] = {SIGINT, SIGTERM, SIGHUP};

    owner = getpid();
    for (int i = 0; i < 3; i++)
        signal(ends[i], interrupted);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2 || *argv[1] == '\0') {
        list(stdout);
        return EXIT_SUCCESS;
    }
    for (int i = 0; i < LISTS; i++)
        for (const struct demo *d = all[i]; d->name != NULL; d++)
            if (strcmp(d->name, argv[1]) == 0)
                return run(d);
    fprintf(stderr, "demo: there is no %s\n", argv[1]);
    list(stderr);
    return 64;
}

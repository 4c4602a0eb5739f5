/*
 * demo.c - two kinds of signals.  `cc demo.c && ./a.out`
 *
 *      child                                 parent
 *      SIGUSR1 x 100   ---- kill(2) ---->    is pending, or not: comes once
 *      SIGRTMIN x 100  -- sigqueue(3) -->    a queue: comes 100 times, in
 *                                            order, each with a value
 *
 * No handler anywhere.  The parent blocks both signals, so they wait for it,
 * and takes them when it likes: like reading from a file, and as safe.
 */
#define _GNU_SOURCE /* err, siginfo_t */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMES 100

static void
child(pid_t parent)
{
    for (int i = 0; i < TIMES; i++) {
        union sigval value = {.sival_int = i};

        if (kill(parent, SIGUSR1) == -1)
            err(1, "kill");
        if (sigqueue(parent, SIGRTMIN, value) == -1) /* EAGAIN: queue full */
            err(1, "sigqueue");
    }
}

int
main(void)
{
    const struct timespec now = {0, 0}; /* do not wait */
    int standard = 0, real_time = 0, expected = 0, number;
    pid_t pid, parent = getpid();
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    /* Before the fork: a signal that comes earlier would kill us. */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        err(1, "sigprocmask");
    pid = fork();
    if (pid == -1)
        err(1, "fork");
    if (pid == 0) {
        child(parent);
        return 0;
    }
    if (waitpid(pid, NULL, 0) == -1)
        err(1, "waitpid");

    while ((number = sigtimedwait(&set, &info, &now)) != -1) {
        if (info.si_pid != pid)
            continue; /* somebody else's */
        if (number == SIGUSR1)
            standard++;
        else if (info.si_value.sival_int == expected++)
            real_time++;
    }
    if (errno != EAGAIN)
        err(1, "sigtimedwait");
    printf("SIGUSR1 sent %d times, came %d\n", TIMES, standard);
    printf("SIGRTMIN sent %d times, came %d, in order, with values 0 to %d\n",
           TIMES, real_time, expected - 1);
    return 0;
}

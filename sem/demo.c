/*
 * demo.c - a question and an answer, carried by nothing but semaphores.
 * Nothing of ours in it:
 *
 *      cc demo.c && ./a.out
 *
 * Predict before you run it: the server is killed and cannot say a word.  How
 * does its client, asleep in semop(), get to know?
 */
#define _GNU_SOURCE /* IPC_PRIVATE, SEM_UNDO under -std=c17 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASKED, ANSWERED, DEAD, TEXT, SIZE = 20 }; /* our semaphores */

static int set;

static void
change(struct sembuf *ops, size_t n)
{
    if (semop(set, ops, n) == -1)
        err(EXIT_FAILURE, "semop");
}

static void
serve(void)
{
    /* Together nothing; but only the second half is undone when we die. */
    struct sembuf will[] = {{DEAD, +1, 0}, {DEAD, -1, SEM_UNDO}};
    struct sembuf asked = {ASKED, -1, 0}, answered = {ANSWERED, +1, 0};

    change(will, 2);
    for (;;) {
        change(&asked, 1);
        for (int i = TEXT; i < TEXT + SIZE; i++) {
            int c = semctl(set, i, GETVAL);

            semctl(set, i, SETVAL, c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        change(&answered, 1);
    }
}

int
main(void)
{
    const char question[] = "is anybody there?";
    struct sembuf ask = {ASKED, +1, 0};
    struct sembuf answer[] = {{DEAD, 0, IPC_NOWAIT}, {ANSWERED, -1, 0}};
    pid_t child;

    set = semget(IPC_PRIVATE, TEXT + SIZE, 0600);
    if (set == -1 || (child = fork()) == -1)
        err(EXIT_FAILURE, "semget, fork");
    if (child == 0)
        serve();
    for (int i = 0; question[i] != '\0'; i++) /* a value: 0 to 32767 */
        semctl(set, TEXT + i, SETVAL, (int)question[i]);
    change(&ask, 1);
    change(answer, 2);
    for (int i = TEXT; i < TEXT + SIZE && semctl(set, i, GETVAL) > 0; i++)
        putchar(semctl(set, i, GETVAL));
    printf("  (from the values of set %d)\n", set);
    kill(child, SIGKILL);
    /* Waits for an answer, but not if DEAD is anything but 0. */
    if (semop(set, answer, 2) == -1)
        printf("no answer: %s; DEAD is now %d\n", strerror(errno),
               semctl(set, DEAD, GETVAL));
    waitpid(child, NULL, 0);
    /* Without this the set would stay until the machine is switched off. */
    return semctl(set, 0, IPC_RMID) == -1 ? EXIT_FAILURE : EXIT_SUCCESS;
}

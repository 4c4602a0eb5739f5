/*
 * demo.c - one System V queue, two directions: a question goes in with type 1,
 * the answer comes back with the type that the client asked for:
 *
 *      cc demo.c && ./a.out
 *
 * Predict before you run it: in which order does the last loop print?
 */
#define _GNU_SOURCE /* msgget, msgsnd, msgrcv */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

struct message {
    long type; /* must come first, and be above 0 */
    char text[100];
};

static void
say(int queue, long type, const char *text)
{
    struct message m = {.type = type};

    strncpy(m.text, text, sizeof m.text - 1);
    if (msgsnd(queue, &m, strlen(m.text) + 1, 0) == -1)
        err(EXIT_FAILURE, "msgsnd");
}

static void
serve(int queue)
{
    struct message m;
    long client;
    /* The size is that of the text, without the type. */
    if (msgrcv(queue, &m, sizeof m.text, 1, 0) == -1)
        err(EXIT_FAILURE, "msgrcv");
    client = atol(m.text);
    printf("server: asked by %ld\n", client);
    fflush(stdout);
    say(queue, client, "the answer");
    exit(EXIT_SUCCESS);
}

int
main(void)
{
    /* Without a key: only those who are told the id find it. */
    int queue = msgget(IPC_PRIVATE, 0600);
    struct message m;
    char me[20];

    if (queue == -1)
        err(EXIT_FAILURE, "msgget");
    switch (fork()) {
    case -1:
        err(EXIT_FAILURE, "fork");
    case 0:
        serve(queue);
    }
    snprintf(me, sizeof me, "%ld", (long)getpid());
    say(queue, 1, me);
    if (msgrcv(queue, &m, sizeof m.text, getpid(), 0) == -1)
        err(EXIT_FAILURE, "msgrcv");
    printf("client: \"%s\"\n", m.text);
    wait(NULL);
    say(queue, 30, "thirty");
    say(queue, 10, "ten");
    say(queue, 20, "twenty");
    /* A negative type: the lowest there is up to that number, first. */
    while (msgrcv(queue, &m, sizeof m.text, -30, IPC_NOWAIT) != -1)
        printf("type %ld: %s\n", m.type, m.text);
    /* No process has it open; it would outlive us all. */
    if (msgctl(queue, IPC_RMID, NULL) == -1)
        err(EXIT_FAILURE, "msgctl");
    return EXIT_SUCCESS;
}

/*
 * demo.c - a question and an answer through two pipes.  Nothing of ours in it:
 *
 *      cc demo.c && ./a.out
 *
 * The parent asks, the child knows the time.  Predict before you run it: what
 * happens if the two lines marked (1) are left out?  And the line marked (2)?
 */
#define _GNU_SOURCE /* pipe2 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The server: reads questions until there are no more, answers each. */
static void
serve(int questions, int answers)
{
    char buf[100];
    ssize_t n;

    while ((n = read(questions, buf, sizeof buf)) > 0) {
        time_t now = time(NULL);
        int len = snprintf(buf, sizeof buf, "pid %d says: %s", (int)getpid(),
                           ctime(&now));

        if (write(answers, buf, (size_t)len) != len)
            err(EXIT_FAILURE, "write");
    }
    if (n == -1)
        err(EXIT_FAILURE, "read");
    /* read() returned 0: every write end of the pipe is closed. */
    printf("server: no more questions\n");
    exit(EXIT_SUCCESS);
}

int
main(void)
{
    int question[2], answer[2]; /* [0] is for reading, [1] for writing */
    char buf[100];
    ssize_t n;
    pid_t child;

    if (pipe2(question, O_CLOEXEC) == -1 || pipe2(answer, O_CLOEXEC) == -1)
        err(EXIT_FAILURE, "pipe2");
    child = fork();
    if (child == -1)
        err(EXIT_FAILURE, "fork");
    if (child == 0) {
        /* Ends that are not used must go.  As long as the child itself holds
         * question[1], it will never read an end of file there. */
        close(question[1]); /* (1) */
        close(answer[0]);   /* (1) */
        serve(question[0], answer[1]);
    }
    close(question[0]);
    close(answer[1]);
    if (write(question[1], "what time is it?", 16) != 16)
        err(EXIT_FAILURE, "write");
    n = read(answer[0], buf, sizeof buf);
    if (n == -1)
        err(EXIT_FAILURE, "read");
    printf("client: pid %d hears: %.*s", (int)getpid(), (int)n, buf);
    fflush(stdout);
    close(question[1]); /* (2) the server's end of file */
    if (waitpid(child, NULL, 0) == -1)
        err(EXIT_FAILURE, "waitpid");
    return EXIT_SUCCESS;
}

/*
 * demo.c - a question and an answer through two FIFOs, between processes that
 * need not be relatives.  Nothing of ours in it:
 *
 *      cc demo.c && ./a.out
 *
 * Predict before you run it: which of the two opens first, and which waits?
 */
#define _GNU_SOURCE /* mkdtemp */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The server: whoever knows the names could have started it. */
static void
serve(void)
{
    char buf[100];
    ssize_t n;
    int requests, replies;

    printf("server: open(requests) waits for a writer ...\n");
    fflush(stdout);
    requests = open("requests", O_RDONLY);
    replies = open("replies", O_WRONLY);
    if (requests == -1 || replies == -1)
        err(EXIT_FAILURE, "open");
    while ((n = read(requests, buf, sizeof buf)) > 0) {
        printf("server: asked \"%.*s\"\n", (int)n, buf);
        fflush(stdout);
        if (dprintf(replies, "hello from pid %d", (int)getpid()) < 0)
            err(EXIT_FAILURE, "write");
    }
    printf("server: read() says 0: the last writer has gone\n");
    exit(EXIT_SUCCESS);
}

int
main(void)
{
    char dir[] = "/tmp/fifo-demo-XXXXXX", buf[100];
    int requests, replies;
    pid_t child;
    ssize_t n;

    if (mkdtemp(dir) == NULL || chdir(dir) == -1)
        err(EXIT_FAILURE, "%s", dir);
    if (mkfifo("requests", 0600) == -1 || mkfifo("replies", 0600) == -1)
        err(EXIT_FAILURE, "mkfifo");
    child = fork();
    if (child == -1)
        err(EXIT_FAILURE, "fork");
    if (child == 0)
        serve();
    /* Both in the same order, or each would wait in an open() for the other. */
    requests = open("requests", O_WRONLY);
    replies = open("replies", O_RDONLY);
    if (requests == -1 || replies == -1)
        err(EXIT_FAILURE, "open");
    if (write(requests, "who are you?", strlen("who are you?")) == -1)
        err(EXIT_FAILURE, "write");
    n = read(replies, buf, sizeof buf);
    if (n == -1)
        err(EXIT_FAILURE, "read");
    printf("client: \"%.*s\"\n", (int)n, buf);
    fflush(stdout);
    close(requests); /* the server's end of file */
    waitpid(child, NULL, 0);
    /* A FIFO's name stays until it is removed; its contents never do. */
    if (unlink("requests") == -1 || unlink("replies") == -1 || rmdir(dir) == -1)
        err(EXIT_FAILURE, "%s", dir);
    return EXIT_SUCCESS;
}

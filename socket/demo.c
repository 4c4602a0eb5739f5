/*
 * demo.c - a question and an answer through a socket.  Nothing of ours in it:
 *
 *      cc demo.c && ./a.out
 *
 * Two clients ask, one server knows who they are.  Predict before you run it:
 * what happens, the second time, if the line marked (1) is left out?  And where
 * are the clients' questions before the server first calls accept(2)?
 */
#define _GNU_SOURCE /* accept4, struct ucred */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A client: connects, asks, listens.  It does not say who it is. */
static void
ask(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[100];
    ssize_t n;

    if (fd == -1 ||
        connect(fd, (const struct sockaddr *)address, sizeof *address) == -1)
        err(EXIT_FAILURE, "connect");
    if (write(fd, "who am I?", 9) != 9)
        err(EXIT_FAILURE, "write");
    n = read(fd, answer, sizeof answer);
    printf("client: pid %d hears: %.*s\n", (int)getpid(), (int)n, answer);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

/* The server: one new descriptor for each client, and the kernel's word on who
 * that is. */
static void
answer_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct ucred who;
    socklen_t len = sizeof who;
    char buf[100];

    if (fd == -1 || read(fd, buf, sizeof buf) == -1)
        err(EXIT_FAILURE, "accept");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1)
        err(EXIT_FAILURE, "SO_PEERCRED");
    len = (socklen_t)snprintf(buf, sizeof buf, "you are pid %d, uid %u",
                              (int)who.pid, who.uid);
    if (write(fd, buf, len) == -1)
        err(EXIT_FAILURE, "write");
    close(fd);
}

int
main(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX,
                                        .sun_path = "demo.socket"};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(listener, (const struct sockaddr *)&address, sizeof address) ==
            -1 ||
        listen(listener, 5) == -1)
        err(EXIT_FAILURE, "%s", address.sun_path);
    for (int i = 0; i < 2; i++)
        if (fork() == 0)
            ask(&address);
    for (int i = 0; i < 2; i++)
        answer_one(listener);
    while (wait(NULL) != -1)
        continue;
    unlink(address.sun_path); /* (1) close(2) does not remove the name */
    return EXIT_SUCCESS;
}

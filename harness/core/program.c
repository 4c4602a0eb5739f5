/* program.c - how every program begins, and sees its output through. */
#define _GNU_SOURCE /* SIGXFSZ */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char *name;

/* open(2) gives the lowest number that is free. */
static void
fill_standard(void)
{
    static const int mode[] = {O_RDONLY, O_RDONLY, O_WRONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", mode[fd]) != fd)
            _exit(EX_OSERR);
}

/* By atexit(3), so no exit(3) here. */
static void
check_output(void)
{
    bool failed = ferror(stdout) != 0; /* before: errno is lost by now */

    errno = 0;
    if (fflush(stdout) == EOF)
        failed = true;
    if (!failed)
        return;
    if (errno != EPIPE)
        fprintf(stderr, "%s: standard output: %s\n", name,
                errno != 0 ? strerror(errno) : "could not be written");
    _exit(EX_IOERR);
}

void
program_begin(const char *program)
{
    name = program;
    fill_standard();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    if (atexit(check_output) != 0)
        _exit(EX_OSERR);
}

void
program_before_exec(void)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
}

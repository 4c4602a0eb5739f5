/*
 * supervisor.c - the parent of a confined daemon.
 *
 * A confined server cannot remove what it made as root: that takes a right to
 * write where clients look for endpoints.  So its parent stays root, and does
 * nothing but wait for it; then it removes what is left, however the server
 * ended.
 */
#define _GNU_SOURCE /* fork, sigwait, strsignal */
#include "server/ipcd.h"

#include "server/handover.h"
#include "server/methods.h"
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
remove_what_is_left(const struct ipcd *d)
{
    char name[ENDPOINT_SIZE];
    struct stat log;

    for (size_t i = 0; i < d->count; i++)
        sweep_endpoint(d->endpoints[i].m, d->dir, name);
    if (stat(settings.log, &log) == 0 && log.st_size == 0)
        unlink(settings.log);
}

static int
supervise(const struct ipcd *d, pid_t server, const sigset_t *heard)
{
    int got, status = 0;

    if (d->ready_fd != 0)
        close(d->ready_fd);
    while (waitpid(server, &status, WNOHANG) == 0)
        if (sigwait(heard, &got) == 0 && got != SIGCHLD) {
            if (got == SIGHUP)
                handover_send();
            kill(server, got);
        }
    remove_what_is_left(d);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "ipcd: the server died of signal %d (%s)\n",
            WTERMSIG(status), strsignal(WTERMSIG(status)));
    return EXIT_FAILURE;
}

int
supervisor_run(struct ipcd *d)
{
    sigset_t heard, before;
    pid_t server;
    int err = log_open();

    if (err != 0)
        ipcd_complain(settings.log, "append_log will not work", err);
    err = handover_begin();
    if (err != 0) {
        ipcd_complain("socketpair", "cannot start the server", err);
        return EXIT_FAILURE;
    }
    signal(SIGCHLD, SIG_DFL); /* ignored, children would leave no status */
    ending_signals(&heard);
    sigaddset(&heard, SIGCHLD);
    sigprocmask(SIG_BLOCK, &heard, &before);
    server = fork();
    if (server == -1) {
        ipcd_complain("fork", "cannot start the server", -errno);
        return EXIT_FAILURE;
    }
    if (server > 0) {
        handover_be_supervisor();
        return supervise(d, server, &heard);
    }
    handover_be_server();
    sigprocmask(SIG_SETMASK, &before, NULL);
    /* The supervisor's buffers and handlers are its own. */
    _exit(daemon_run(d));
}

/* edge.c - an attacker at a server, and somebody else (edge.h). */
#define _GNU_SOURCE /* kill */
#include "test/attack/edge.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool
textbook_ends(void (*f)(void *), void *arg)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        f(arg);
        _exit(EXIT_SUCCESS);
    }
    MUST(pid != -1 && waitpid(pid, &status, 0) == pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
}

bool
textbook_hangs(void (*f)(void *), void *arg, long call)
{
    pid_t pid;
    bool stuck = false;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        f(arg);
        _exit(EXIT_SUCCESS);
    }
    MUST(pid != -1);
    while (!stuck && waitpid(pid, NULL, WNOHANG) == 0)
        stuck = is_in_call(pid, call);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return stuck;
}

struct edge *
make_edge(struct host *server)
{
    struct edge *e = shared(sizeof *e);

    e->server = server;
    return e;
}

void
alice_is_served(void *edge)
{
    struct edge *e = edge;

    e->fell = !is_served(e->server);
}

void
serve_with_rules(struct host *server, const char *mechanism, const char *rule)
{
    char program[PATH_MAX], text[3 * PATH_MAX], rules[PATH_MAX];

    strcpy(rules, make_file("rules", rule, 0600));
    MUST(program_path("ipcd", program, sizeof program) == 0);
    snprintf(text, sizeof text, "#!/bin/sh\nexec '%s' --policy '%s' \"$@\"\n",
             program, rules);
    serve_by(server, mechanism, make_file("with-rules", text, 0700));
}

/*
 * missing.c - what cannot run here, and why: found out where it would run, in
 * namespaces of its own, since outside them other things are true.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "test/attack/stage.h"

#include "core/parent.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Written by the process inside, read by the one outside. */
struct found {
    bool complete;
    char space[WHY_SIZE]; /* why there are no namespaces */
    char why[MAX_ATTACKS][WHY_SIZE];
};

static struct found *found;

static void
note(char *at, const char *why)
{
    snprintf(at, WHY_SIZE, "%s", why);
}

static const char *
why_not(const struct attack *a)
{
    const struct ipc_mechanism *m = ipc_find(a->mechanism);
    const char *why = a->alone ? NULL : users_missing();

    if (why == NULL && m != NULL)
        why = ipc_unavailable(m);
    if (why == NULL && a->missing != NULL)
        why = a->missing();
    return why;
}

/* In a child; space_enter() returns in another one. */
static _Noreturn void
look_around(const char *dir, pid_t parent)
{
    const struct attack *a;
    const char *step;
    int err;

    end_with_parent(parent, SIGKILL);
    err = space_enter(dir, &step);
    if (err != 0) {
        snprintf(found->space, WHY_SIZE,
                 "needs namespaces of its own: %s says %s (%s)", step,
                 strerror(-err), space_advice(err));
        _exit(1);
    }
    stage_set(dir);
    for (size_t i = 0; (a = attack_at(i)) != NULL; i++) {
        const char *why = why_not(a);

        if (why != NULL)
            note(found->why[i], why);
    }
    found->complete = true;
    _exit(0);
}

int
missing_find(const char *dir)
{
    const pid_t us = getpid();
    pid_t pid;

    if (found == NULL)
        found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) {
        found = NULL;
        return -ENOMEM;
    }
    memset(found, 0, sizeof *found);
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        look_around(dir, us);
    if (pid == -1)
        return -errno;
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    if (!found->complete && found->space[0] == '\0')
        note(found->space, "what can run here could not be found out");
    return 0;
}

const char *
missing_why(size_t index)
{
    if (found->space[0] != '\0')
        return found->space;
    return found->why[index][0] != '\0' ? found->why[index] : NULL;
}

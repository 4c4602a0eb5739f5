/* actor.c - processes that act as one user, in lock step with us. */
#define _GNU_SOURCE /* pipe2, setresuid, setgroups */
#include "test/both/actor.h"

#include "test/both/must.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool actors_are_us;

void
become_user(uid_t uid)
{
    if (uid == geteuid() || actors_are_us)
        return;
    MUST(setgroups(0, NULL) == 0);
    MUST(setresgid(uid, uid, uid) == 0);
    MUST(setresuid(uid, uid, uid) == 0);
    /* Such a change takes /proc/self away from the process; one that logged
     * in as that user has it. */
    MUST(prctl(PR_SET_DUMPABLE, 1) == 0);
}

void
actor_start(struct actor *a, uid_t uid, actor_function *f, void *arg)
{
    int up[2], down[2];

    MUST(pipe2(up, O_CLOEXEC) == 0 && pipe2(down, O_CLOEXEC) == 0);
    fflush(NULL);
    a->pid = fork();
    MUST(a->pid != -1);
    if (a->pid == 0) {
        struct actor self = {.pid = getpid(), .in = down[0], .out = up[1]};

        close_descriptors(&self);
        become_user(uid);
        f(&self, arg);
        fflush(NULL);
        _exit(EXIT_SUCCESS);
    }
    close(up[1]);
    close(down[0]);
    a->in = up[0];
    a->out = down[1];
}

/* A byte from there; false: the end of file. */
static bool
take_byte(int fd)
{
    char byte;
    ssize_t n;

    do
        n = read(fd, &byte, 1);
    while (n == -1 && errno == EINTR);
    return n == 1;
}

void
actor_step(struct actor *self)
{
    MUST(write(self->out, "", 1) == 1);
    MUST(take_byte(self->in));
}

void
actor_wait(struct actor *a)
{
    bool has_come_to_its_step = take_byte(a->in);

    if (!has_come_to_its_step)
        actor_end(a); /* says why, if the actor did */
    MUST(has_come_to_its_step);
}

bool
actor_next(struct actor *a)
{
    return take_byte(a->in);
}

void
actor_go(struct actor *a)
{
    MUST(write(a->out, "", 1) == 1);
}

bool
actor_is_there(const struct actor *a)
{
    struct pollfd p = {.fd = a->in, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static int
actor_status(struct actor *a)
{
    int status;

    close(a->out);
    while (waitpid(a->pid, &status, 0) == -1)
        MUST(errno == EINTR);
    close(a->in);
    return status;
}

void
actor_end(struct actor *a)
{
    int status = actor_status(a);

    MUST(WIFEXITED(status)); /* and did not die of a signal */
    /* It has said what did not hold, and where. */
    if (WEXITSTATUS(status) != EXIT_SUCCESS)
        _exit(EXIT_FAILURE);
}

bool
actor_kill(struct actor *a)
{
    int status;

    kill(a->pid, SIGKILL);
    status = actor_status(a);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

struct call_as {
    void (*f)(void *);
    void *arg;
};

static void
call_as(struct actor *self, void *arg)
{
    const struct call_as *call = arg;

    (void)self;
    call->f(call->arg);
}

void
as_user(uid_t uid, void (*f)(void *arg), void *arg)
{
    struct call_as call = {f, arg};
    struct actor a;

    actor_start(&a, uid, call_as, &call);
    actor_end(&a);
}

void *
shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    MUST(memory != MAP_FAILED);
    return memory;
}

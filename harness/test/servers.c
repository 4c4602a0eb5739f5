/* servers.c - the servers of a test (test.h). */
#define _GNU_SOURCE /* memmem, sigabbrev_np */
#include "test.h"

#include "files.h"
#include "test/asked.h"
#include "test/here.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
start(struct host *h, const struct ipc_mechanism *m, const char *program)
{
    struct host_options options = {.ipcd = program, .cpu = -1};
    int err;

    doing("a server that is ready", "create(), in ipcd -m %s", m->name);
    err = host_start(h, m, run_dir, &options);
    if (err == -ECHILD)
        is_unexpected("ipcd ended instead");
    if (err != 0)
        is_unexpected("%s", result_name(err));
}

void
server_start(struct host *h, const struct ipc_mechanism *m)
{
    start(h, m, NULL);
}

void
server_start_by(struct host *h, const struct ipc_mechanism *m,
                const char *program)
{
    char path[PATH_MAX];

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    start(h, m, path);
}

void
server_start_for(struct host *h, const struct ipc_mechanism *m, uid_t uid)
{
    char copy[PATH_MAX];

    if (!(m->caps & IPC_SPAWNED) || uid == geteuid()) {
        server_start(h, m);
        return;
    }
    snprintf(copy, sizeof copy, "%s/ipcd-%u", programs_dir(), (unsigned)uid);
    /* Nobody else may run it: a sanitizer's environment variables would let
     * them write root's files. */
    if (access(copy, F_OK) == -1)
        ck_assert_int_eq(copy_program("ipcd", copy, uid, 04750), 0);
    start(h, m, copy);
}

void
server_stop(struct host *h)
{
    int status;

    doing("an end in peace", "destroy(): the server is told to end (SIGTERM)");
    status = host_stop(h);
    if (WIFSIGNALED(status))
        is_unexpected("a server that died of SIG%s",
                      sigabbrev_np(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        is_unexpected("exit status %d", WEXITSTATUS(status));
}

/* The supervisor's children become ours when it dies (fixture.c). */
static void
reap_orphans(char *children)
{
    char *rest;

    for (char *at = children;; at = rest) {
        const pid_t pid = (pid_t)strtol(at, &rest, 10);

        if (rest == at)
            return;
        while (waitpid(pid, NULL, 0) == -1)
            ck_assert_int_eq(errno, EINTR);
    }
}

/* Both: else the supervisor starts another one, or the server, told by the end
 * of its supervisor, clears up. */
void
server_kill(struct host *h)
{
    char path[64], children[256];
    int status;

    ck_assert_int_gt(h->pid, 0);
    ck_assert_int_eq(kill(h->pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(h->pid, &status, WUNTRACED), h->pid);
    snprintf(path, sizeof path, "task/%d/children", (int)h->pid);
    snprintf(children, sizeof children, "%s", proc_text(h->pid, path));
    if (kill(h->server, SIGKILL) == -1)
        ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(kill(h->pid, SIGKILL), 0);
    status = host_stop(h);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reap_orphans(children);
}

/* Is this process a child of ours that runs `... --stdio ...`? */
static bool
is_spawned(const char *pid)
{
    char path[64], text[512];
    const char *after;
    int fd, ppid;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    after = strrchr(text, ')'); /* the name may hold anything: proc(5) */
    if (after == NULL || sscanf(after, ") %*c %d", &ppid) != 1 ||
        ppid != getpid())
        return false;
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof text);
    close(fd);
    return n > 0 && memmem(text, (size_t)n, "--stdio", 8) != NULL;
}

void
server_pause(const struct host *h)
{
    process_stop(server_pid(h));
}

void
server_resume(const struct host *h)
{
    ck_assert_int_eq(kill(server_pid(h), SIGCONT), 0);
}

void
server_catch_up(struct host *h)
{
    struct client c;

    client_start(h, &c);
    expect_echo(&c, 1);
    client_close(&c);
}

void
expect_no_timer(const struct ipc_mechanism *m)
{
    struct host h;

    server_start(&h, m);
    for (int i = 0; i < 2; i++) {
        const int64_t deadline = deadline_in(CALL_TIMEOUT);

        while (!waits_without_a_timer(h.server))
            ck_assert(time_left(deadline) > 0);
        server_catch_up(&h); /* and it wakes, and sleeps again */
    }
    server_stop(&h);
}

/* -1: not there, or about to become another program, and for a moment without
 * arguments. */
static pid_t
find_spawned(void)
{
    struct dirent *e;
    pid_t pid = -1;
    DIR *dir = opendir("/proc");

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL)
        if (atoi(e->d_name) > 0 && is_spawned(e->d_name))
            pid = atoi(e->d_name);
    closedir(dir);
    return pid;
}

pid_t
server_pid(const struct host *h)
{
    int64_t deadline = deadline_in(CALL_TIMEOUT);
    pid_t pid;

    if (!(h->m->caps & IPC_SPAWNED))
        return h->server;
    while ((pid = find_spawned()) == -1 && time_left(deadline) > 0)
        sched_yield();
    ck_assert_msg(pid > 0, "%s: no spawned server", h->m->name);
    return pid;
}

/* attack_signals.c - what a signal says of its sender, and where one goes. */
#define _GNU_SOURCE /* pidfd_open by syscall(2), F_SETSIG */
#include "test/attack/stage.h"

#include "../../../signals/link.h"
#include "../../../signals/page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int
open_pidfd(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    MUST(fd != -1);
    return fd;
}

static void
block(int number, sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, number);
    MUST(sigprocmask(SIG_BLOCK, set, NULL) == 0);
}

/* What a server does that goes by the siginfo: "uid 0 asks". */
static bool
believes_it_is_root(const sigset_t *set)
{
    siginfo_t info;

    MUST(sigwaitinfo(set, &info) > 0);
    return info.si_uid == 0;
}

/* What ours does: it waits for one sender, and this is not he. */
static bool
is_taken_for_the_other(const sigset_t *set, int code)
{
    struct link l = {.code = code, .set = *set, .pid = getppid()};
    siginfo_t info;
    int number;

    l.pidfd = open_pidfd(getpid());
    number = link_wait(&l, &info, 0);
    MUST(number > 0 || number == -ETIMEDOUT);
    return number > 0;
}

/* -- 75: a siginfo of his own making -------------------------------------- */

/* In Bob's own process, as it might be his set-user-ID server: a root daemon
 * he could not signal at all. */
static void
bob_forges(void *arg)
{
    siginfo_t lie = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE};
    bool *form = arg; /* in: naive; out: whether it fell */
    sigset_t set;

    lie.si_pid = 1;
    lie.si_uid = 0;
    block(SIGRTMIN, &set);
    MUST(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &lie) == 0);
    *form = *form ? believes_it_is_root(&set)
                  : is_taken_for_the_other(&set, SI_QUEUE);
}

static bool
forges_a_siginfo(bool naive)
{
    bool *form = shared(sizeof *form);

    *form = naive;
    as_user(BOB, bob_forges, form);
    return *form;
}

/* -- 76: a queue that is full --------------------------------------------- */

/* Then the kernel cannot keep the siginfo, and it reads: SI_USER, pid 0, uid
 * 0. */
static void
bob_fills_the_queue(void *arg)
{
    static const struct rlimit none = {0, 0};
    bool *form = arg;
    sigset_t set;

    block(SIGUSR2, &set);
    MUST(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    MUST(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 1}) == 0);
    *form = *form ? believes_it_is_root(&set)
                  : is_taken_for_the_other(&set, SI_USER);
}

static bool
fills_the_queue(bool naive)
{
    bool *form = shared(sizeof *form);

    *form = naive;
    as_user(BOB, bob_fills_the_queue, form);
    return *form;
}

/* -- 78: a pid that belongs to another by now ----------------------------- */

static bool
has_a_stale_pid(bool naive)
{
    struct link l = {.code = ANYBODY};
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(EXIT_SUCCESS); /* the client, that is dead */
    l.pid = pid;
    l.pidfd = open_pidfd(pid);
    MUST(waitpid(pid, NULL, 0) == pid);
    take_pid(pid); /* somebody innocent */
    if (naive)
        kill(pid, SIGTERM);
    else
        MUST(link_send(&l, SIGTERM, NULL) == -EPIPE);
    kill(pid, SIGKILL);
    MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    return WTERMSIG(status) == SIGTERM;
}

/* -- 121: signals by a stranger's hand ------------------------------------ */

struct accomplice {
    struct host *server;
    pid_t victim;
};

/* A set-user-ID server may signal anybody: so Alice gives it root's process
 * for its client, with the number to send. */
static void
alice_names_a_victim(void *arg)
{
    const struct accomplice *a = arg;
    struct page *page;
    int victim = open_pidfd(a->victim), memfd = page_make(&page);
    pid_t pid;

    MUST(memfd != -1 && fcntl(victim, F_SETSIG, SIGRTMIN + 1) == 0);
    MUST(kill(a->victim, SIGRTMIN + 1) == -1 && errno == EPERM);
    pid = fork();
    if (pid == 0) {
        dup2(victim, STDIN_FILENO);
        dup2(memfd, STDOUT_FILENO);
        execl(a->server->where, "ipcd", "--stdio", "-m", "signals/doorbell",
              (char *)NULL);
        _exit(127);
    }
    /* It ends: refused, or its client, as it thinks, is dead. */
    MUST(waitpid(pid, NULL, 0) == pid);
}

static bool
has_root_signal_root(bool naive)
{
    struct accomplice *a = shared(sizeof *a);
    struct host server;
    pid_t victim;
    bool dead;

    (void)naive;
    serve_set_user_id(&server, "signals/doorbell");
    a->server = &server;
    victim = fork();
    if (victim == 0) {
        pause();
        _exit(EXIT_SUCCESS);
    }
    a->victim = victim;
    as_user(ALICE, alice_names_a_victim, a);
    dead = waitpid(victim, NULL, WNOHANG) == victim;
    kill(victim, SIGKILL);
    return dead;
}

/* -- 160: the client becomes root's --------------------------------------- */

/* Of two processes: Alice, whose server is stopped while a request of hers is
 * on its way, becomes a program of root's that may not be signalled by
 * her... */
struct metamorphosis {
    struct host *server;
    char program[PATH_MAX]; /* installed set-user-ID root */
    pid_t spawned;
};

static pid_t
child_of(pid_t parent)
{
    char path[64];
    pid_t pid = -1;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent,
             (int)parent);
    in = fopen(path, "re");
    MUST(in != NULL && fscanf(in, "%d", &pid) == 1);
    fclose(in);
    return pid;
}

static void
alice_becomes_root(struct actor *self, void *arg)
{
    const struct api_value name = {.at = "x", .len = 1};
    struct metamorphosis *m = arg;
    struct client c;
    sigset_t none;
    uint64_t id;

    MUST(client_open(&c, m->server->m, m->server->where) == 0);
    m->spawned = child_of(getpid());
    MUST(kill(m->spawned, SIGSTOP) == 0);
    MUST(waitpid(m->spawned, NULL, WUNTRACED) == m->spawned);
    MUST(client_send(&c, api_by_name("hello"), &name, &id, ATTACK_TIMEOUT) ==
         0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(self->in, STDIN_FILENO);
    execl(m->program, "ipcattack", "--deputy", "root", "", (char *)NULL);
    _exit(127);
}

static bool
is_roots(pid_t pid)
{
    unsigned long real = 1, effective = 1;
    char path[64], line[256];
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    in = fopen(path, "re");
    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "Uid: %lu %lu", &real, &effective) == 2)
            break;
    fclose(in);
    return real == 0 && effective == 0;
}

/* ... and then the server goes on, and replies by a signal that kills. */
static bool
has_a_program_of_roots_killed(bool naive)
{
    struct metamorphosis *m = shared(sizeof *m);
    struct pollfd ended[2] = {{.events = POLLIN}, {.events = POLLIN}};
    struct host server;
    struct actor alice;
    int status;

    (void)naive;
    serve_set_user_id(&server, "signals/rt");
    m->server = &server;
    snprintf(m->program, sizeof m->program, "%s/deputy", stage_dir);
    copy_program("ipcattack", m->program, ALICE);
    actor_start(&alice, ALICE, alice_becomes_root, m);
    while (!is_roots(alice.pid) || m->spawned == 0)
        sched_yield();
    ended[0].fd = open_pidfd(alice.pid);
    ended[1].fd = open_pidfd(m->spawned);
    MUST(kill(m->spawned, SIGCONT) == 0);
    MUST(poll(ended, 2, (int)(ATTACK_TIMEOUT / 1000000)) > 0);
    close(alice.out); /* the end of what it reads */
    MUST(waitpid(alice.pid, &status, 0) == alice.pid);
    kill(m->spawned, SIGKILL);
    return WIFSIGNALED(status);
}

/* -- the table ------------------------------------------------------------ */

const struct attack signal_attacks[] = {
    {75, "signals/rt", "sends a siginfo that says pid 1, root",
     .how = "one sender is waited for", .alone = true, .run = forges_a_siginfo},
    {76, "signals/bits", "sends with the queue full: \"uid 0\"",
     .how = "pid 0 is nobody", .alone = true, .run = fills_the_queue},
    {78, "signals/rt", "is dead, and his pid another's",
     .how = "a pidfd: ESRCH", .run = has_a_stale_pid},
    {121, "signals/doorbell", "gives root's process for the client",
     .without = "client,asclient", .how = "the real user's rights",
     .run = has_root_signal_root},
    {160, "signals/rt", "has become a program of root's", .without = "asclient",
     .how = "with the client's rights", .run = has_a_program_of_roots_killed},
    {0},
};

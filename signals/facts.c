/*
 * facts.c - what is said about signals, tried (test/fact.h).
 */
#define _GNU_SOURCE /* F_SETSIG, sigabbrev_np, syscall */
#include "test/fact.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigset_t
only(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static void
block(int sig)
{
    const sigset_t set = only(sig);

    must(sigprocmask(SIG_BLOCK, &set, NULL));
}

/* Takes what is pending, one after the other; how many? */
static int
take_all(int sig)
{
    const struct timespec none = {0, 0};
    const sigset_t set = only(sig);
    int n = 0;

    while (sigtimedwait(&set, NULL, &none) == sig)
        n++;
    return n;
}

FACT(G01,
     "A hundred blocked SIGUSR1 are one; a hundred SIGRTMIN are a hundred.",
     "SIGUSR1: 1; SIGRTMIN: 100")
{
    block(SIGUSR1);
    block(SIGRTMIN);
    for (int i = 0; i < 100; i++) {
        must(kill(getpid(), SIGUSR1));
        must(sigqueue(getpid(), SIGRTMIN, (union sigval){0}));
    }
    saw("SIGUSR1: %d; ", take_all(SIGUSR1));
    saw("SIGRTMIN: %d", take_all(SIGRTMIN));
}

FACT(G02,
     "The lowest number comes first, whenever it was sent; of one number, what "
     "was sent first, with its value.",
     "sent R+1:1 R:2 R:3 USR1: USR1 R:2 R:3 R+1:1")
{
    const int order[] = {SIGUSR1, SIGRTMIN, SIGRTMIN + 1};
    sigset_t set;
    siginfo_t info;

    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        block(order[i]);
        sigaddset(&set, order[i]);
    }
    must(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){1}));
    must(sigqueue(getpid(), SIGRTMIN, (union sigval){2}));
    must(sigqueue(getpid(), SIGRTMIN, (union sigval){3}));
    must(kill(getpid(), SIGUSR1));
    saw("sent R+1:1 R:2 R:3 USR1:");
    for (int i = 0; i < 4; i++) {
        const int sig = must(sigwaitinfo(&set, &info));

        if (sig == SIGUSR1)
            saw(" USR1");
        else
            saw(" R%s:%d", sig > SIGRTMIN ? "+1" : "", info.si_value.sival_int);
    }
}

FACT_IF(need_root, G03,
        "kill(pid, 0) asks whether one may signal a process: another user's, "
        "no (root: two users).",
        "Alice asks for root's: EPERM")
{
    const pid_t parent = getpid(), pid = fork_child();

    if (pid == 0) {
        be_nobody_special();
        _exit(kill(parent, 0) == -1 ? errno : 0);
    }
    errno = atoi(end_of(pid) + strlen("exit "));
    saw("Alice asks for root's: %s", outcome(-1));
}

static void
heard(int sig)
{
    (void)sig;
}

/* A child in one of three waits, with a handler that says SA_RESTART. */
static pid_t
start_waiting(int which, int fd, int queue)
{
    const struct sigaction action = {.sa_handler = heard,
                                     .sa_flags = SA_RESTART};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct {
        long type;
        char text;
    } letter;
    const pid_t pid = fork_child();

    if (pid != 0)
        return pid;
    must(sigaction(SIGUSR1, &action, NULL));
    if ((which == 0 && read(fd, &letter, 1) == -1) ||
        (which == 1 && poll(&p, 1, -1) == -1) ||
        (which == 2 && msgrcv(queue, &letter, 1, 0, 0) == -1))
        _exit(errno);
    _exit(0);
}

/* It is signalled; if that does not end its wait, something to read does. */
static const char *
after_a_signal(pid_t pid, int write_end)
{
    until_asleep(pid);
    kill(pid, SIGUSR1);
    put_text(write_end, "x");
    errno = atoi(end_of(pid) + strlen("exit "));
    return errno == 0 ? "goes on" : outcome(-1);
}

FACT(G04,
     "SA_RESTART: the kernel starts a read() again that a signal interrupted, "
     "but no poll() and no msgrcv().",
     "read: goes on; poll: EINTR; msgrcv: EINTR")
{
    const int queue = must(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    int ends[2], other[2];

    must(pipe2(ends, O_CLOEXEC));
    must(pipe2(other, O_CLOEXEC));
    saw("read: %s; ",
        after_a_signal(start_waiting(0, ends[0], queue), ends[1]));
    saw("poll: %s; ",
        after_a_signal(start_waiting(1, other[0], queue), ends[1]));
    saw("msgrcv: %s",
        after_a_signal(start_waiting(2, other[0], queue), ends[1]));
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(other[i]);
    }
    must(msgctl(queue, IPC_RMID, NULL));
}

static volatile sig_atomic_t handled, reaped;

static void
reap_one(int sig)
{
    (void)sig;
    handled++;
    reaped += waitpid(-1, NULL, WNOHANG) > 0;
}

FACT(G05,
     "Ten children end while SIGCHLD is blocked: one signal. A handler that "
     "waits for one child per signal leaves nine zombies.",
     "handled 1, reaped 1, zombies 9")
{
    const struct sigaction action = {.sa_handler = reap_one};
    const sigset_t set = only(SIGCHLD);
    int zombies = 0;

    block(SIGCHLD);
    must(sigaction(SIGCHLD, &action, NULL));
    for (int i = 0; i < 10; i++) {
        const pid_t pid = fork_child();
        siginfo_t info;

        if (pid == 0)
            _exit(0);
        must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    }
    must(sigprocmask(SIG_UNBLOCK, &set, NULL));
    signal(SIGCHLD, SIG_DFL);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        zombies++;
    saw("handled %d, reaped %d, zombies %d", (int)handled, (int)reaped,
        zombies);
}

FACT(G06, "Who ignores SIGCHLD has no zombies, and nothing to wait for.",
     "wait: ECHILD")
{
    pid_t pid;

    signal(SIGCHLD, SIG_IGN);
    pid = fork_child();
    if (pid == 0)
        _exit(7);
    saw("wait: %s", outcome(waitpid(pid, NULL, 0)));
}

FACT(G07, "SIGKILL can be neither caught nor ignored nor blocked.",
     "handler: EINVAL; ignored: EINVAL; blocked: ok, and it is not")
{
    const struct sigaction caught = {.sa_handler = heard};
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    const sigset_t set = only(SIGKILL);
    sigset_t now;

    saw("handler: %s; ", outcome(sigaction(SIGKILL, &caught, NULL)));
    saw("ignored: %s; ", outcome(sigaction(SIGKILL, &ignored, NULL)));
    saw("blocked: %s, ", outcome(sigprocmask(SIG_BLOCK, &set, NULL)));
    must(sigprocmask(SIG_BLOCK, NULL, &now));
    saw("and it is%s", sigismember(&now, SIGKILL) ? "" : " not");
}

/* A line of /proc/PID/status that is a set of signals: is this one in it? */
static bool
has(pid_t pid, const char *line, int sig)
{
    char path[64], name[32], text[200];
    unsigned long long set = 0, got_set;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(text, sizeof text, f) != NULL)
        if (sscanf(text, "%31[^:]: %llx", name, &got_set) == 2 &&
            strcmp(name, line) == 0)
            set = got_set;
    fclose(f);
    return set >> (sig - 1) & 1;
}

FACT(G08,
     "exec() keeps what is blocked and ignored, and forgets handlers; a child "
     "does not inherit what is pending.",
     "pending in the child: no; after exec: blocked yes, ignored yes, caught "
     "no")
{
    int hold[2], done[2];
    pid_t pid;
    char byte;

    must(pipe2(hold, O_CLOEXEC));
    must(pipe2(done, O_CLOEXEC));
    block(SIGUSR1);
    must(kill(getpid(), SIGUSR1));
    pid = fork_child();
    if (pid == 0) {
        signal(SIGHUP, SIG_IGN);
        signal(SIGUSR2, heard);
        must(dup2(hold[0], 0));
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    }
    close(done[1]);
    must(read(done[0], &byte, 1)); /* end of file: it has become cat */
    saw("pending in the child: %s; ",
        has(pid, "ShdPnd", SIGUSR1) ? "yes" : "no");
    saw("after exec: blocked %s, ", has(pid, "SigBlk", SIGUSR1) ? "yes" : "no");
    saw("ignored %s, ", has(pid, "SigIgn", SIGHUP) ? "yes" : "no");
    saw("caught %s", has(pid, "SigCgt", SIGUSR2) ? "yes" : "no");
    close(hold[1]);
    end_of(pid);
    close(hold[0]);
    close(done[0]);
    take_all(SIGUSR1);
}

FACT(G09, "A signalfd can be polled; standard signals coalesce there, too.",
     "3 sent: POLLIN, one to read, then EAGAIN")
{
    const sigset_t set = only(SIGUSR1);
    struct signalfd_siginfo info[3];
    struct pollfd p;
    ssize_t n;
    int fd;

    block(SIGUSR1);
    fd = must(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    p = (struct pollfd){.fd = fd, .events = POLLIN};
    for (int i = 0; i < 3; i++)
        must(kill(getpid(), SIGUSR1));
    must(poll(&p, 1, 0));
    n = read(fd, info, sizeof info);
    saw("3 sent: %s, %s to read, ", p.revents == POLLIN ? "POLLIN" : "other",
        n == (ssize_t)sizeof *info ? "one" : "others");
    saw("then %s", outcome(read(fd, info, sizeof info)));
    close(fd);
}

FACT(G10, "How many a user may have queued is limited.",
     "with a limit of 5: at most 5, then EAGAIN")
{
    const struct rlimit five = {5, 5};
    const pid_t pid = fork_child();
    int n = 0;

    if (pid == 0) {
        block(SIGRTMIN);
        must(setrlimit(RLIMIT_SIGPENDING, &five));
        while (n < 100 && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
            n++;
        _exit(errno == EAGAIN ? n : 100);
    }
    n = atoi(end_of(pid) + strlen("exit ")); /* others of this user count */
    saw("with a limit of 5: %s, then EAGAIN", n <= 5 ? "at most 5" : "more");
    note("%d", n);
}

FACT(G11,
     "Of the kernel's real-time signals, 32 to 64, the C library keeps the "
     "first for itself: SIGRTMIN is not a constant.",
     "SIGRTMIN: above 32; SIGRTMAX: 64")
{
    saw("SIGRTMIN: %s; ", SIGRTMIN > 32 ? "above 32" : "32");
    saw("SIGRTMAX: %d", SIGRTMAX);
    note("SIGRTMIN is %d", SIGRTMIN);
}

/* As if kill() had sent it, by whom one likes. */
static int
forge(pid_t to)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};

    info.si_pid = 1;
    info.si_uid = 0;
    return (int)syscall(SYS_rt_sigqueueinfo, to, SIGUSR1, &info);
}

FACT(G12,
     "What kill() says about its sender cannot be forged for another process; "
     "what sigqueue() says can.",
     "forged kill(): EPERM; forged sigqueue(): ok")
{
    siginfo_t queued = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    const pid_t pid = fork_child();

    if (pid == 0)
        for (;;)
            pause();
    saw("forged kill(): %s; ", outcome(forge(pid)));
    queued.si_pid = 1; /* it says */
    saw("forged sigqueue(): %s",
        outcome(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &queued)));
    kill(pid, SIGKILL);
    end_of(pid);
}

FACT(G13,
     "A signal that comes just before pause() is missed; sigsuspend() unblocks "
     "and waits in one step.",
     "pause: asleep; sigsuspend: exit 0")
{
    sigset_t none;
    pid_t pid;

    sigemptyset(&none);
    signal(SIGUSR1, heard);
    pid = fork_child();
    if (pid == 0) {
        raise(SIGUSR1); /* just before */
        pause();
        _exit(0);
    }
    until_asleep(pid);
    saw("pause: %s; ", left_asleep(pid));
    pid = fork_child();
    if (pid == 0) {
        block(SIGUSR1);
        raise(SIGUSR1);
        sigsuspend(&none);
        _exit(0);
    }
    saw("sigsuspend: %s", end_of(pid));
}

FACT(G14,
     "A pidfd names a process for good: after its end it reaches nobody, "
     "whoever has its number by then.",
     "alive: ok; reaped: ESRCH")
{
    const pid_t pid = fork_child();
    int fd;

    if (pid == 0)
        for (;;)
            pause();
    fd = must(syscall(SYS_pidfd_open, pid, 0));
    saw("alive: %s; ",
        outcome(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0)));
    end_of(pid);
    saw("reaped: %s", outcome(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0)));
    close(fd);
}

FACT(G15, "A child can ask for a signal at its parent's death.",
     "the parent ended; the child: SIGTERM")
{
    pid_t *grandchild = shared(sizeof *grandchild), pid;
    int ready[2];
    char byte;

    must(pipe2(ready, O_CLOEXEC));
    pid = fork_child();
    if (pid == 0) {
        *grandchild = fork_child();
        if (*grandchild == 0) {
            must(prctl(PR_SET_PDEATHSIG, SIGTERM));
            put_text(ready[1], "x");
            for (;;)
                pause();
        }
        must(read(ready[0], &byte, 1));
        _exit(0);
    }
    end_of(pid);
    saw("the parent ended; the child: %s", end_of(*grandchild));
    close(ready[0]);
    close(ready[1]);
}

FACT(G16, "A process that has been waited for is no process any more.",
     "a zombie: ok; reaped: ESRCH")
{
    const pid_t pid = fork_child();
    siginfo_t info;

    if (pid == 0)
        _exit(0);
    must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    saw("a zombie: %s; ", outcome(kill(pid, 0)));
    end_of(pid);
    saw("reaped: %s", outcome(kill(pid, 0)));
}

FACT(G17, "O_ASYNC: the kernel sends SIGIO when there is something to read.",
     "before: 0; after a write: 1")
{
    int ends[2];

    must(pipe2(ends, O_CLOEXEC));
    block(SIGIO);
    must(fcntl(ends[0], F_SETOWN, getpid()));
    must(fcntl(ends[0], F_SETFL, O_ASYNC));
    saw("before: %d; ", take_all(SIGIO));
    put_text(ends[1], "x");
    saw("after a write: %d", take_all(SIGIO));
    close(ends[0]);
    close(ends[1]);
}

FACT(G18,
     "To unblock is to deliver: what is pending kills if nobody handles it.",
     "blocked: pending; unblocked: SIGUSR1")
{
    const sigset_t set = only(SIGUSR1);
    int up[2];
    char byte;
    pid_t pid;

    must(pipe2(up, O_CLOEXEC));
    pid = fork_child();
    if (pid == 0) {
        sigset_t pending;

        block(SIGUSR1);
        raise(SIGUSR1);
        sigpending(&pending);
        put_text(up[1], sigismember(&pending, SIGUSR1) ? "p" : "-");
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        _exit(0);
    }
    must(read(up[0], &byte, 1));
    saw("blocked: %s; ", byte == 'p' ? "pending" : "gone");
    saw("unblocked: %s", end_of(pid));
    close(up[0]);
    close(up[1]);
}

static void *
wait_blocked(void *arg)
{
    const sigset_t set = only(SIGUSR1);
    int sig = 0;

    (void)arg;
    sigwait(&set, &sig);
    return NULL;
}

FACT(G19,
     "A signal to a process goes to any thread that does not block it: who "
     "wants to wait for it blocks it in all.",
     "one thread waits for it, another does not block it: handled 1")
{
    const struct sigaction action = {.sa_handler = reap_one};
    const sigset_t set = only(SIGUSR1);
    pthread_t thread;

    must(sigaction(SIGUSR1, &action, NULL)); /* counts, and reaps nobody */
    block(SIGUSR1);                          /* so the thread begins with it */
    ck_assert(pthread_create(&thread, NULL, wait_blocked, NULL) == 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    must(kill(getpid(), SIGUSR1)); /* this thread is the first to be asked */
    saw("one thread waits for it, another does not block it: handled %d",
        (int)handled);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
}

const struct fact *const signals_facts[] = {
    &G01, &G02, &G03, &G04, &G05, &G06, &G07, &G08, &G09, &G10,
    &G11, &G12, &G13, &G14, &G15, &G16, &G17, &G18, &G19, NULL};

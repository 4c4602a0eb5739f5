/* inject.c - the Nth system call of a process fails (inject.h). */
#define _GNU_SOURCE /* PTRACE_GET_SYSCALL_INFO, syscall numbers */
#include "test/inject.h"

#include "test/subject.h"

#include "core/clock.h"
#include "core/sanitized.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)

/* -- which call may fail how ----------------------------------------------- */

static const int errors[INJECT_KINDS] = {EINTR, EIO, ENOMEM, EMFILE, ENOSPC};

#define NONE        0u
#define INTERRUPTED (1u << 0)
#define NO_MEMORY   (1u << 2)
#define TOO_MANY    (1u << 3)
#define NO_SPACE    (1u << 4)
#define ANY         ((1u << INJECT_KINDS) - 1)

/* What the manual does not let a call fail with tells nothing when it does: the
 * C library aborts on a futex(2) out of order, and nobody can go on waiting
 * where waiting does not work.  Calls that are not named here may fail with
 * anything, as far as we are concerned.  By name, for each processor has other
 * numbers, and not each has all the calls. */
static const struct {
    const char *name;
    unsigned errors;
} manual[] = {
    /* They always work, or never return. */
    {"brk", NONE},
    {"exit", NONE},
    {"exit_group", NONE},
    {"rt_sigreturn", NONE},
    {"restart_syscall", NONE},
    {"sched_yield", NONE},
    {"getpid", NONE},
    {"gettid", NONE},
    {"getppid", NONE},
    {"getuid", NONE},
    {"geteuid", NONE},
    {"getgid", NONE},
    {"getegid", NONE},
    {"umask", NONE},
    {"set_tid_address", NONE},
    {"set_robust_list", NONE},
    {"rseq", NONE},
    {"clock_gettime", NONE},
    /* They fail only when they were asked the impossible. */
    {"rt_sigaction", NONE},
    {"rt_sigprocmask", NONE},
    {"sigaltstack", NONE},
    {"lseek", NONE},
    {"kill", NONE},
    {"tgkill", NONE},
    {"tkill", NONE},
    {"timer_settime", NONE},
    {"madvise", NONE},
    {"prctl", NONE},
    {"arch_prctl", NONE},
    /* They wait. */
    {"ppoll", INTERRUPTED | NO_MEMORY},
    {"pselect6", INTERRUPTED | NO_MEMORY},
    {"epoll_pwait", INTERRUPTED},
    {"poll", INTERRUPTED | NO_MEMORY},
    {"epoll_wait", INTERRUPTED},
    {"pause", INTERRUPTED},
    {"epoll_pwait2", INTERRUPTED},
    {"futex", INTERRUPTED},
    {"wait4", INTERRUPTED},
    {"waitid", INTERRUPTED},
    {"nanosleep", INTERRUPTED},
    {"clock_nanosleep", INTERRUPTED},
    {"rt_sigtimedwait", INTERRUPTED},
    {"rt_sigsuspend", INTERRUPTED},
    {"semop", INTERRUPTED | NO_MEMORY},
    {"semtimedop", INTERRUPTED | NO_MEMORY},
    {"msgsnd", INTERRUPTED | NO_MEMORY},
    {"msgrcv", INTERRUPTED},
    {"mq_timedsend", INTERRUPTED},
    {"mq_timedreceive", INTERRUPTED},
    {"getrandom", INTERRUPTED},
    /* They make something. */
    {"mmap", NO_MEMORY},
    {"mprotect", NO_MEMORY},
    {"clone", NO_MEMORY},
    {"clone3", NO_MEMORY},
    {"msgget", NO_MEMORY | NO_SPACE},
    {"semget", NO_MEMORY | NO_SPACE},
    {"shmget", NO_MEMORY | NO_SPACE},
    {"shmat", NO_MEMORY},
    {"mq_open", NO_MEMORY | TOO_MANY | NO_SPACE},
    {"epoll_ctl", NO_MEMORY | NO_SPACE},
};

/* A call that takes something away has done so when it fails, as close(2) says
 * of itself: else the thing would be left, and not by the server's fault. */
static bool
takes_away(const struct __ptrace_syscall_info *info)
{
    switch (info->entry.nr) {
    case SYS_close:
    case SYS_munmap:
    case SYS_shmdt:
    case SYS_unlinkat:
    case SYS_mq_unlink:
    case SYS_timer_delete:
#ifdef SYS_unlink
    case SYS_unlink:
    case SYS_rmdir:
#endif
        return true;
    case SYS_msgctl:
    case SYS_shmctl:
        return info->entry.args[1] == IPC_RMID;
    case SYS_semctl:
        return info->entry.args[2] == IPC_RMID;
    default:
        return false;
    }
}

static unsigned
errors_of(const struct __ptrace_syscall_info *info)
{
    const long number = (long)info->entry.nr;
    const int futex = (int)info->entry.args[1] & FUTEX_CMD_MASK;
    unsigned possible = ANY;
    char *name;

    /* What a sanitizer wants of the kernel it must get. */
    if (SANITIZED &&
        (number == SYS_mmap || number == SYS_mprotect || number == SYS_munmap))
        return NONE;
    if (number == SYS_futex && futex != FUTEX_WAIT &&
        futex != FUTEX_WAIT_BITSET)
        return NONE;
    name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);
    for (size_t i = 0; name != NULL && i < sizeof manual / sizeof *manual; i++)
        if (strcmp(manual[i].name, name) == 0)
            possible = manual[i].errors;
    free(name);
    return possible;
}

static int
error_of(unsigned possible, unsigned kind)
{
    unsigned n = 0;

    kind %= (unsigned)__builtin_popcount(possible);
    for (;; n++)
        if ((possible & 1u << n) != 0 && kind-- == 0)
            return errors[n];
}

bool
inject_all(void)
{
    return getenv("IPCLAB_FAULTS") != NULL;
}

int
inject_timeout(void)
{
    return inject_all() ? 600 : 120;
}

unsigned
inject_next(unsigned n, bool spawned)
{
    if (inject_all())
        return n + 1 + n / 256;
    if (n > 256)
        return n + n / 2;
    return n + 1 + n / (spawned ? 8 : 64);
}

const char *
inject_name(const struct injection *i)
{
    static char text[128];
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i->number);

    snprintf(text, sizeof text, "call no. %u, %s, %s%s", i->nth,
             name != NULL ? name : "?", i->kill ? "killed" : "failing with ",
             i->kill ? "" : strerrorname_np(i->error));
    free(name);
    return text;
}

/* -- the registers --------------------------------------------------------- */

/* A call number of -1 is none, and the kernel does nothing. */
#if defined(__x86_64__)
static void
set_registers(pid_t pid, bool take_away, const int *result)
{
    if (take_away)
        ptrace(PTRACE_POKEUSER, pid,
               offsetof(struct user_regs_struct, orig_rax), -1L);
    if (result != NULL)
        ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax),
               (long)*result);
}
#elif defined(__aarch64__)
static void
set_registers(pid_t pid, bool take_away, const int *result)
{
    int none = -1;
    struct user_regs_struct regs;
    struct iovec call = {&none, sizeof none}, all = {&regs, sizeof regs};

    if (take_away)
        ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &call);
    if (result != NULL &&
        ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all) != -1) {
        regs.regs[0] = (unsigned long long)(long long)*result;
        ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
    }
}
#else
#define NO_REGISTERS "need an x86-64 or arm64 (to change registers)"
static void
set_registers(pid_t pid, bool take_away, const int *result)
{
    (void)pid, (void)take_away, (void)result;
}
#endif

/* -- tracing --------------------------------------------------------------- */

static void
enter(struct injection *i, pid_t pid, const struct __ptrace_syscall_info *info)
{
    const unsigned possible = i->kill ? ANY : errors_of(info);

    if (possible == NONE || i->nth == 0 || pid == i->except ||
        (i->only != 0 && i->only != pid) || ++i->seen != i->nth)
        return;
    i->number = (int)info->entry.nr;
    if (i->kill) {
        kill(pid, SIGKILL);
        return;
    }
    i->error = error_of(possible, i->kind);
    i->returning = pid;
    if (!takes_away(info))
        set_registers(pid, true, NULL);
}

static void
system_call(struct injection *i, pid_t pid)
{
    struct __ptrace_syscall_info info = {.op = PTRACE_SYSCALL_INFO_NONE};
    const int result = -i->error;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        enter(i, pid, &info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && i->returning == pid) {
        set_registers(pid, false, &result);
        i->returning = 0;
    }
}

/* The signal that a stop stands for and that its receiver is to have; the stops
 * of the tracing itself are none. */
static long
signal_of(int status)
{
    const int number = WSTOPSIG(status);

    return status >> 16 != 0 || number == (SIGTRAP | 0x80) ? 0 : number;
}

/* Those whom a daemon has forked, and who have not ended. */
struct workers {
    pid_t pid[16];
    size_t count;
};

static void
note_fork(struct workers *w, pid_t parent, int status)
{
    const int event = status >> 16;
    unsigned long pid;

    if ((event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) &&
        w->count < sizeof w->pid / sizeof *w->pid &&
        ptrace(PTRACE_GETEVENTMSG, parent, NULL, &pid) != -1)
        w->pid[w->count++] = (pid_t)pid;
}

static void
note_end(struct workers *w, pid_t pid)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->pid[i] == pid)
            w->pid[i] = w->pid[--w->count];
}

static void
go_on(struct injection *i, struct workers *w, pid_t pid, int status)
{
    if (WSTOPSIG(status) == (SIGTRAP | 0x80))
        system_call(i, pid);
    note_fork(w, pid, status);
    ptrace(PTRACE_SYSCALL, pid, NULL, signal_of(status));
}

int
inject_watch(struct injection *i, pid_t child, pid_t *gone, int64_t deadline)
{
    struct workers workers = {.count = 0};
    int status, ended = 0;
    bool over = false;

    i->seen = 0;
    i->number = -1;
    i->returning = 0;
    /* Nobody may be left in a call that was taken from him: it would return
     * what a call that does not exist returns.  And a daemon waits for its
     * worker, who has not ended for it before it has for us. */
    while (!over || i->returning != 0 ||
           (gone != NULL && *gone != 0 && workers.count > 0)) {
        pid_t pid = waitpid(-1, &status, __WALL);

        if (pid == -1 && (errno != EINTR || now_ns() > deadline))
            return over ? ended : -1;
        if (pid == -1)
            continue;
        if (WIFSTOPPED(status)) {
            go_on(i, &workers, pid, status);
            continue;
        }
        note_end(&workers, pid);
        if (pid == i->returning)
            i->returning = 0;
        if (gone != NULL && pid == *gone)
            *gone = 0;
        if (!over && (pid == child || (gone != NULL && *gone == 0))) {
            over = true;
            ended = status;
        }
    }
    return ended;
}

void
inject_settle(struct injection *i, pid_t *gone, int64_t deadline)
{
    struct workers workers = {.count = 0};

    while (*gone != 0 && now_ns() < deadline) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);

        if (pid > 0 && WIFSTOPPED(status)) {
            go_on(i, &workers, pid, status);
        } else if (pid > 0) {
            note_end(&workers, pid);
            if (pid == i->returning)
                i->returning = 0;
            if (pid == *gone)
                *gone = 0;
        } else if (i->returning == 0 && workers.count == 0 &&
                   all_threads_are(*gone, 'S')) {
            return;
        } else {
            sched_yield();
        }
    }
}

/* Calls f for each thread. */
static void
each_thread(pid_t pid, void (*f)(pid_t))
{
    char path[64];
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    ck_assert_msg(dir != NULL, "%s: %s", path, strerror(errno));
    while ((e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.')
            f((pid_t)atoi(e->d_name));
    closedir(dir);
}

static void
seize(pid_t tid)
{
    ck_assert_msg(ptrace(PTRACE_SEIZE, tid, NULL, (void *)OPTIONS) != -1,
                  "ptrace: %s", strerror(errno));
    ck_assert_int_ne(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), -1);
}

void
inject_seize(pid_t pid)
{
    each_thread(pid, seize);
}

static void
leave(pid_t tid)
{
    int status;

    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == -1 ||
        waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
        return; /* it has ended meanwhile */
    ptrace(PTRACE_DETACH, tid, NULL, signal_of(status));
}

static void
joins_and_leaves(struct actor *self, void *arg)
{
    struct client c;

    actor_step(self);
    if (host_client(arg, &c) == 0)
        client_close(&c);
}

bool
dies_joining(struct host *h, unsigned nth)
{
    struct injection i = {.nth = nth, .kill = true};
    struct actor a;

    actor_start(&a, geteuid(), joins_and_leaves, h);
    actor_wait(&a);
    inject_seize(a.pid);
    actor_go(&a);
    ck_assert_int_ne(inject_watch(&i, a.pid, NULL, deadline_in(CALL_TIMEOUT)),
                     -1);
    close(a.in);
    close(a.out);
    return i.number != -1;
}

void
inject_leave(pid_t pid)
{
    each_thread(pid, leave);
}

const char *
need_inject(void)
{
    static const char *reason;
    static bool tried;
    int status;
    pid_t pid;

#ifdef NO_REGISTERS
    return NO_REGISTERS;
#endif
    if (tried)
        return reason;
    tried = true;
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    if (pid == -1 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1)
        reason = "need ptrace(2) (a container may forbid it)";
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return reason;
}

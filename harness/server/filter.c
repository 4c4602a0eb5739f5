/*
 * filter.c - which system calls a confined process makes: seccomp(2).
 *
 * The list is what strace(1) saw of every daemon variant in the whole of the
 * conformance suite (README.md, "Confinement", has the command), and what other
 * C libraries call in place of it.
 *
 * What is not on it fails with ENOSYS, as on a kernel that has never heard of
 * it: a C library then takes the older call that does the same (pthread_create
 * tries clone3, then clone), and a call that we forgot costs one request, not
 * the server.  But nothing honest in here starts a program or looks into
 * another one: who asks for that is not us any more, and is killed.
 */
#define _GNU_SOURCE /* F_SETSIG */
#include "server/confine.h"

#include "server/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEW_NAMESPACE \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)

/* The names of a 64-bit machine.  A 32-bit one has more calls for the same, the
 * later ones for longer numbers: add_forms().  socketcall(2) and ipc(2), which
 * some processors have instead of sendmsg(2) or semop(2), libseccomp adds. */
static const char *const always[] = {
    /* descriptors and files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv",
    "pwritev", "lseek", "close", "open", "openat", "openat2", "fcntl", "fstat",
    "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "fstatfs", "fstatfs64", "readlink", "readlinkat", "getdents64", "fsync",
    "fdatasync", "umask", "_llseek", "fstatat64", "mq_open",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "futex", "futex_waitv",
    "restart_syscall", "_newselect",
    /* time */
    "clock_gettime", "clock_getres", "gettimeofday", "nanosleep",
    "clock_nanosleep",
    /* signals */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
    "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack",
    /* threads, and who we are */
    "exit", "exit_group", "set_robust_list", "set_tid_address", "rseq",
    "sched_yield", "sched_getaffinity", "membarrier", "getpid", "gettid",
    "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
    "getresuid", "getresgid", "uname", "getrandom", "getrusage", "sysinfo",
    /* memory */
    "brk", "munmap", "mremap", "madvise",
    /* sockets: those there are, the one that asks sock_diag(7) who is at the
     * other end of a TCP connection, and the system log's */
    "socket", "socketpair", "recvfrom", "recvmsg", "sendto", "sendmsg", "send",
    "recv", "getsockopt", "setsockopt", "getsockname", "getpeername"};

/* What it takes to serve. */
static const char *const of_endpoint[] = {
    "unlink",          "unlinkat",          "rmdir",        "ftruncate",
    "epoll_wait",      "epoll_pwait",       "epoll_pwait2", "epoll_ctl",
    "timerfd_settime", "timerfd_settime64", "timer_create", "timer_settime",
    "timer_delete",    "setitimer",         "eventfd2",     "connect",
    "accept",          "accept4",           "shutdown"};

/* Only for an endpoint whose mechanism is that.  Clients of sem/values and
 * shm/sysv give their sets and segments to the service user, whom all endpoints
 * have become; and in /dev/mqueue there are more queues than one's own. */
static const char *const of_system_v[] = {
    "msgget",     "msgrcv", "msgsnd", "msgctl", "semop",
    "semtimedop", "semctl", "shmat",  "shmdt",  "shmctl"};
static const char *const of_queues[] = {"mq_timedsend", "mq_timedreceive",
                                        "mq_getsetattr", "mq_unlink"};

/* Where these have ids of 16 bits, 65536 becomes root and add_refused() would
 * not see it.  Only the later form is called there. */
#ifdef SYS_setresuid32
#define SETRESUID "setresuid32"
#define SETRESGID "setresgid32"
#else
#define SETRESUID "setresuid"
#define SETRESGID "setresgid"
#endif

/* What it takes to have children who do one thing each. */
static const char *const of_broker[] = {"wait4", "prctl", "memfd_create",
                                        "signalfd4"};

/* With a right of the broker's comes the call that it is good for; without, it
 * says EPERM, as to everybody who has not the right. */
static const struct {
    const char *call;
    rights right;
} with_right[] = {
    {"setgroups", RIGHT(SETGID)},
    {SETRESGID, RIGHT(SETGID)},
    {SETRESUID, RIGHT(SETUID)},
    {"sethostname", RIGHT(SYS_ADMIN)},
    {"getpriority", RIGHT(SYS_NICE)},
    {"setpriority", RIGHT(SYS_NICE)},
    {"pidfd_open", RIGHT(SYS_NICE)},
    {"bind", RIGHT(NET_BIND_SERVICE)},
    {"listen", RIGHT(NET_BIND_SERVICE)},
    {"capset", RIGHT(SETUID)}, /* the worker puts down the rest */
};

/* s390's clone(2) has its first two arguments the other way round.  Its
 * mmap(2), and the older of i386's two, has one argument, a pointer to all of
 * them, and no filter sees what is behind a pointer: where the C library has no
 * other one to call, it is allowed. */
#ifdef __s390__
#define CLONE_FLAGS 1
#define MMAP_MASK   0
#else
#define CLONE_FLAGS 0
#define MMAP_MASK   PROT_EXEC
#endif
#ifdef SYS_mmap2
#define MMAP "mmap2"
#else
#define MMAP "mmap"
#endif

/* Calls with a condition: argument & mask == value. */
struct condition {
    const char *call;
    unsigned argument;
    scmp_datum_t mask, value;
};

static const struct condition conditions[] = {
    {MMAP, 2, MMAP_MASK, 0}, /* data never becomes code */
    {"mprotect", 2, PROT_EXEC, 0},
};

/* In a namespace of its own a user is root; and an endpoint has threads only.
 * It asks whether a process is there, signal 0, and may signal none. */
static const struct condition conditions_of_endpoint[] = {
    {"clone", CLONE_FLAGS, CLONE_THREAD | NEW_NAMESPACE, CLONE_THREAD},
    {"kill", 1, UINT32_MAX, 0},
};

static const struct condition conditions_of_broker[] = {
    {"clone", CLONE_FLAGS, NEW_NAMESPACE, 0},
    {"kill", 1, UINT32_MAX, SIGKILL}, /* a worker that is late */
};

/* Refused whatever the lists above say; killed where action is that. */
static const char *const fatal[] = {
    "execve",           "execveat",          "ptrace",
    "process_vm_readv", "process_vm_writev", "kexec_load",
    "init_module",      "finit_module",      "bpf",
};

/* A call and its later forms: ids of 32 bits, offsets of 64, times of 64. */
static int
add_forms(scmp_filter_ctx filter, uint32_t action, const char *name)
{
    static const char *const forms[] = {"", "32", "64", "_time64"};
    char form[64];
    int err = 0;

    for (size_t i = 0; i < sizeof forms / sizeof *forms && err == 0; i++) {
        int call;

        snprintf(form, sizeof form, "%s%s", name, forms[i]);
        call = seccomp_syscall_resolve_name(form);
        /* This architecture, or this libseccomp, may not have it. */
        if (call != __NR_SCMP_ERROR)
            err = seccomp_rule_add(filter, action, call, 0);
    }
    return err;
}

static int
add_names(scmp_filter_ctx filter, uint32_t action, const char *const *name,
          size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = add_forms(filter, action, name[i]);
    return err;
}

#define ADD_NAMES(filter, action, names) \
    add_names(filter, action, names, sizeof(names) / sizeof *(names))

static int
add_conditions(scmp_filter_ctx filter, const struct condition *c, size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(c[i].call),
            c[i].mask != 0,
            SCMP_CMP(c[i].argument, SCMP_CMP_MASKED_EQ, c[i].mask, c[i].value));
    return err;
}

#define ADD_CONDITIONS(filter, table) \
    add_conditions(filter, table, sizeof(table) / sizeof *(table))

/* pthread_kill(3): of our own threads. */
static int
add_own_threads(scmp_filter_ctx filter)
{
    return seccomp_rule_add(
        filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
        SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
}

static int
add_for_endpoint(scmp_filter_ctx filter, unsigned uses)
{
    int err = ADD_NAMES(filter, SCMP_ACT_ALLOW, of_endpoint);

    if (err == 0 && (uses & (IPC_USES_SYSV | IPC_USES_SETS)) != 0)
        err = ADD_NAMES(filter, SCMP_ACT_ALLOW, of_system_v);
    if (err == 0 && (uses & IPC_USES_QUEUE) != 0)
        err = ADD_NAMES(filter, SCMP_ACT_ALLOW, of_queues);
    if (err == 0)
        err = ADD_CONDITIONS(filter, conditions_of_endpoint);
    return err != 0 ? err : add_own_threads(filter);
}

static int
add_for_broker(scmp_filter_ctx filter)
{
    int err = ADD_NAMES(filter, SCMP_ACT_ALLOW, of_broker);

    return err != 0 ? err : ADD_CONDITIONS(filter, conditions_of_broker);
}

static int
add_allowed(scmp_filter_ctx filter, const struct confinement *c, rights kept)
{
    const rights usable = c->kind == CONFINED_BROKER ? kept : 0;
    int err = ADD_NAMES(filter, SCMP_ACT_ALLOW, always);

    for (size_t i = 0; i < sizeof with_right / sizeof *with_right; i++)
        if (err == 0)
            err =
                add_names(filter,
                          usable & with_right[i].right ? SCMP_ACT_ALLOW
                                                       : SCMP_ACT_ERRNO(EPERM),
                          &with_right[i].call, 1);
    if (err == 0)
        err = ADD_CONDITIONS(filter, conditions);
    if (err != 0)
        return err;
    return c->kind == CONFINED_BROKER ? add_for_broker(filter)
                                      : add_for_endpoint(filter, c->uses);
}

/* -- whom nobody becomes -------------------------------------------------- */

/* One block of ids, 2^n of them, of which the first is a multiple of that: then
 * a mask says it.  The kernel looks at 32 bits of the argument, so do we. */
static int
refuse_block(scmp_filter_ctx filter, int call, uint32_t first, uint32_t size)
{
    int err = 0;

    for (unsigned argument = 0; argument < 3 && err == 0; argument++)
        err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
                               SCMP_CMP(argument, SCMP_CMP_MASKED_EQ,
                                        (scmp_datum_t)(uint32_t) ~(size - 1),
                                        first));
    return err;
}

static int
refuse_range(scmp_filter_ctx filter, int call, uint32_t first, uint32_t end)
{
    int err = 0;

    while (first < end && err == 0) {
        uint32_t size = first == 0 ? SYSTEM_IDS : first & -first;

        while (size > end - first || (size & (size - 1)) != 0)
            size = size > end - first ? size / 2 : size & (size - 1);
        err = refuse_block(filter, call, first, size);
        first += size;
    }
    return err;
}

/* All below, but for those that the rules name one by one.  Root is never one
 * of them: uid 0 owns most files and would need no capability to change
 * them. */
static int
refuse_system_ids(scmp_filter_ctx filter, int call, bool group)
{
    struct policy *policy = policy_hold();
    uint32_t first = 0;
    int err = 0;

    for (uint32_t id = 1; id < SYSTEM_IDS && err == 0; id++)
        if (policy_names(policy, group, id)) {
            err = refuse_range(filter, call, first, id);
            first = id + 1;
        }
    if (err == 0)
        err = refuse_range(filter, call, first, SYSTEM_IDS);
    policy_release(policy);
    return err;
}

/* A descriptor that becomes ready makes the kernel send a signal, also to
 * another process of the same user (F_SETOWN_EX), and all endpoints and the
 * broker are that.  slow.c asks for SIGUSR1, and alarm.c for SIGIO, which is
 * what comes if nobody has chosen; both are ignored where nobody waits for
 * them (start.c). */
static int
refuse_signals(scmp_filter_ctx filter)
{
    int err = 0;

    for (int n = 1; n < 65 && err == 0; n++)
        if (n != SIGUSR1)
            err = seccomp_rule_add(
                filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 2,
                SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETSIG),
                SCMP_CMP(2, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)n));
    return err;
}

/* CAP_SETUID is for becoming a client. */
static int
add_refused(scmp_filter_ctx filter)
{
    int err = ADD_NAMES(filter, SCMP_ACT_KILL_PROCESS, fatal);

    if (err == 0)
        err = refuse_signals(filter);
    if (err == 0)
        err = refuse_system_ids(filter, seccomp_syscall_resolve_name(SETRESUID),
                                false);
    return err != 0 ? err
                    : refuse_system_ids(filter,
                                        seccomp_syscall_resolve_name(SETRESGID),
                                        true);
}

/* Two filters: the kernel asks both, and the stricter answer counts. */
static int
load(uint32_t otherwise, bool refusals, const struct confinement *c,
     rights kept)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int err;

    if (filter == NULL)
        return -ENOMEM;
    err = refusals ? add_refused(filter) : add_allowed(filter, c, kept);
    if (err == 0)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err;
}

int
filter_install(const struct confinement *c, rights kept)
{
    int err = load(SCMP_ACT_ALLOW, true, c, kept);

    return err != 0 ? err : load(SCMP_ACT_ERRNO(ENOSYS), false, c, kept);
}

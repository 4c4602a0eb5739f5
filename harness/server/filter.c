/*
 * filter.c - which system calls a confined server makes: seccomp(2).
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
#include "server/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>

#define NEW_NAMESPACE \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)

static const char *const always[] = {
    /* descriptors and files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv",
    "pwritev", "lseek", "close", "open", "openat", "openat2", "fcntl", "fstat",
    "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "unlink", "unlinkat", "rmdir",
    "ftruncate", "fsync", "fdatasync", "umask",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "epoll_ctl", "futex", "futex_waitv", "restart_syscall",
    /* time */
    "clock_gettime", "clock_getres", "gettimeofday", "nanosleep",
    "clock_nanosleep", "timer_create", "timer_settime", "timer_delete",
    /* signals, of our own threads */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending",
    "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "kill", "tgkill",
    "tkill",
    /* threads, and who we are */
    "exit", "exit_group", "wait4", "set_robust_list", "set_tid_address", "rseq",
    "sched_yield", "sched_getaffinity", "membarrier", "getpid", "gettid",
    "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
    "getresuid", "getresgid", "uname", "getrandom", "getrusage", "sysinfo",
    /* memory */
    "brk", "munmap", "mremap", "madvise",
    /* sockets: those there are, the one that asks sock_diag(7) who is at the
     * other end of a TCP connection, and the system log's */
    "socket", "socketpair", "connect", "accept", "accept4", "recvfrom",
    "recvmsg", "sendto", "sendmsg", "getsockopt", "setsockopt", "getsockname",
    "getpeername", "shutdown",
    /* System V; POSIX queues */
    "msgrcv", "msgsnd", "msgctl", "semop", "semtimedop", "semctl", "shmat",
    "shmdt", "shmctl", "mq_open", "mq_timedsend", "mq_timedreceive",
    "mq_getsetattr", "mq_unlink"};

/* With a right comes the call that it is good for; without, it says EPERM, as
 * to everybody who has not the right. */
static const struct {
    const char *call;
    rights right;
} with_right[] = {
    {"setgroups", RIGHT(SETGID)},
    {"setresgid", RIGHT(SETGID)},
    {"setresuid", RIGHT(SETUID)},
    {"sethostname", RIGHT(SYS_ADMIN)},
    {"getpriority", RIGHT(SYS_NICE)},
    {"setpriority", RIGHT(SYS_NICE)},
    {"pidfd_open", RIGHT(SYS_NICE)},
    {"bind", RIGHT(NET_BIND_SERVICE)},
    {"listen", RIGHT(NET_BIND_SERVICE)},
    {"capset", RIGHT(SETUID)}, /* the worker puts down the rest */
};

/* Calls with a condition: argument & mask == 0. */
static const struct {
    const char *call;
    unsigned argument;
    scmp_datum_t mask;
} without[] = {
    {"clone", 0, NEW_NAMESPACE}, /* in its own, a user is root */
    {"mmap", 2, PROT_EXEC},      /* data never becomes code */
    {"mprotect", 2, PROT_EXEC},
};

/* Refused whatever the lists above say; killed where action is that. */
static const char *const fatal[] = {
    "execve",           "execveat",          "ptrace",
    "process_vm_readv", "process_vm_writev", "kexec_load",
    "init_module",      "finit_module",      "bpf",
};

static int
add_names(scmp_filter_ctx filter, uint32_t action, const char *const *name,
          size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++) {
        int call = seccomp_syscall_resolve_name(name[i]);

        /* This architecture, or this libseccomp, may not have it. */
        if (call != __NR_SCMP_ERROR)
            err = seccomp_rule_add(filter, action, call, 0);
    }
    return err;
}

static int
add_allowed(scmp_filter_ctx filter, rights kept)
{
    int err = add_names(filter, SCMP_ACT_ALLOW, always,
                        sizeof always / sizeof *always);

    for (size_t i = 0; i < sizeof with_right / sizeof *with_right; i++)
        if (err == 0)
            err = add_names(filter,
                            kept & with_right[i].right ? SCMP_ACT_ALLOW
                                                       : SCMP_ACT_ERRNO(EPERM),
                            &with_right[i].call, 1);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (err == 0)
            err = seccomp_rule_add(
                filter, SCMP_ACT_ALLOW,
                seccomp_syscall_resolve_name(without[i].call), 1,
                SCMP_CMP(without[i].argument, SCMP_CMP_MASKED_EQ,
                         without[i].mask, 0));
    return err;
}

/* CAP_SETUID is for becoming a client.  Root is not one: uid 0 owns most files
 * and would need no capability to change them. */
static int
add_refused(scmp_filter_ctx filter)
{
    int err = add_names(filter, SCMP_ACT_KILL_PROCESS, fatal,
                        sizeof fatal / sizeof *fatal);

    for (unsigned argument = 0; argument < 3 && err == 0; argument++) {
        const struct scmp_arg_cmp root =
            SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, 0);

        err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                               SCMP_SYS(setresuid), 1, root);
        if (err == 0)
            err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                                   SCMP_SYS(setresgid), 1, root);
    }
    return err;
}

/* Two filters: the kernel asks both, and the stricter answer counts. */
static int
load(uint32_t otherwise, bool refusals, rights kept)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int err;

    if (filter == NULL)
        return -ENOMEM;
    err = refusals ? add_refused(filter) : add_allowed(filter, kept);
    if (err == 0)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err;
}

int
filter_install(rights kept)
{
    int err = load(SCMP_ACT_ALLOW, true, kept);

    return err != 0 ? err : load(SCMP_ACT_ERRNO(ENOSYS), false, kept);
}

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
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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
    "readlink", "readlinkat", "getdents64", "unlink", "unlinkat", "rmdir",
    "ftruncate", "fsync", "fdatasync", "umask", "_llseek", "fstatat64",
    "fstatfs", "memfd_create", "close_range",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "epoll_ctl", "futex", "futex_waitv", "restart_syscall",
    "_newselect",
    /* time */
    "clock_gettime", "clock_getres", "gettimeofday", "nanosleep",
    "clock_nanosleep", "timer_create", "timer_settime", "timer_delete",
    /* signals, of our own threads */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
    "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "kill",
    "tgkill", "tkill",
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
    "recvmsg", "sendto", "sendmsg", "send", "recv", "getsockopt", "setsockopt",
    "getsockname", "getpeername", "shutdown",
    /* System V; POSIX queues */
    "msgrcv", "msgsnd", "msgctl", "semop", "semtimedop", "semctl", "shmat",
    "shmdt", "shmctl", "mq_open", "mq_timedsend", "mq_timedreceive",
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

/* With a right comes the call that it is good for; without, it says EPERM, as
 * to everybody who has not the right. */
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

/* s390's clone(2) has its first two arguments the other way round.  Its mmap(2),
 * and the older of i386's two, has one argument, a pointer to all of them, and
 * no filter sees what is behind a pointer: where the C library has no other one
 * to call, it is allowed. */
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

/* Calls with a condition: argument & mask == 0. */
static const struct {
    const char *call;
    unsigned argument;
    scmp_datum_t mask;
} without[] = {
    {"clone", CLONE_FLAGS, NEW_NAMESPACE}, /* in its own, a user is root */
    {MMAP, 2, MMAP_MASK},                  /* data never becomes code */
    {"mprotect", 2, PROT_EXEC},
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

static int
add_allowed(scmp_filter_ctx filter, rights kept)
{
    int err = add_names(filter, SCMP_ACT_ALLOW, always,
                        sizeof always / sizeof *always);

    for (size_t i = 0; i < sizeof with_right / sizeof *with_right; i++)
        if (err == 0)
            err = add_forms(filter,
                            kept & with_right[i].right ? SCMP_ACT_ALLOW
                                                       : SCMP_ACT_ERRNO(EPERM),
                            with_right[i].call);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (err == 0)
            err = seccomp_rule_add(
                filter, SCMP_ACT_ALLOW,
                seccomp_syscall_resolve_name(without[i].call),
                without[i].mask != 0,
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

        err =
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                             seccomp_syscall_resolve_name(SETRESUID), 1, root);
        if (err == 0)
            err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                                   seccomp_syscall_resolve_name(SETRESGID), 1,
                                   root);
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

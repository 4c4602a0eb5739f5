/*
 * worker.c - does one thing with somebody else's rights, and ends.
 *
 * Why a process, and not access(2) and then open(2)?  Between the two the
 * caller can put a symbolic link to /etc/shadow in place of the file.  Only
 * the kernel can check and open in one step, and it does so for whoever the
 * process is: so a process becomes the caller and opens.  It reads, too, for
 * there are files (/proc/PID/stat) whose text depends on who reads; and it
 * closes, for there are file systems that make close(2) wait for as long as
 * their owner likes, and no signal ends that.
 */
#define _GNU_SOURCE /* SYS_openat2, setresuid, memfd_create, RESOLVE_... */
#include "server/worker.h"

#include "core/defence.h"
#include "core/object.h"
#include "server/confine.h"
#include "server/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* -- whose file system? --------------------------------------------------- */

/* statfs(2), not all of them in <linux/magic.h>.  Where the kernel itself does
 * all there is to do: to close such a file waits for nobody. */
static const unsigned long local[] = {
    EXT4_SUPER_MAGIC,     BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
    TMPFS_MAGIC,          RAMFS_MAGIC,       SQUASHFS_MAGIC,
    MSDOS_SUPER_MAGIC,    ISOFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC,
    REISERFS_SUPER_MAGIC, 0x58465342, /* xfs */
    0xe0f5e1e2,                       /* erofs */
    0x2011bab0,                       /* exfat */
    0x3153464a,                       /* jfs */
    0x15013346,                       /* udf */
    0x2fc12fc1,                       /* zfs */
    0xca451a4e,                       /* bcachefs */
    0x19800202,                       /* mqueue */
};

/* What is read there depends on who reads, and on which process. */
static const unsigned long of_the_kernel[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,        DEBUGFS_MAGIC,       TRACEFS_MAGIC,
    SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
    EFIVARFS_MAGIC,   NSFS_MAGIC,         PSTOREFS_MAGIC,      BINFMTFS_MAGIC,
    SELINUX_MAGIC,    0x62656570, /* configfs */
    0x19800202,                   /* mqueue: the state of a queue */
};

static bool
is_one_of(int fd, const unsigned long *magic, size_t n)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) == -1)
        return false;
    for (size_t i = 0; i < n; i++)
        if (((unsigned long)fs.f_type & 0xffffffffu) == magic[i])
            return true;
    return false;
}

#define IS_ONE_OF(fd, table) \
    is_one_of(fd, table, sizeof(table) / sizeof *(table))

/* -- opening -------------------------------------------------------------- */

/* The descriptor if it is a regular file; else closed. */
static int
regular(int fd, bool one_name)
{
    struct stat st;
    int err = 0;

    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    else if (one_name && st.st_nlink != 1)
        err = -EMLINK;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

/* O_NONBLOCK: opening a FIFO must not hang.  NO_MAGICLINKS: /proc/self/fd/3
 * would be a descriptor of ours, not a file of the caller's. */
static int
open_plain(const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve = DEFENCE("magiclinks", RESOLVE_NO_MAGICLINKS, 0),
    };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

    if (fd != -1 &&
        DEFENCE("kernelfiles", IS_ONE_OF(fd, of_the_kernel), false)) {
        close(fd);
        return -EACCES;
    }
    return regular(fd, false);
}

/* The same, but what we find there we open with our own rights.  A hard link is
 * nothing that openat2(2) could refuse: to the kernel both names are the file's
 * own. */
static int
open_beneath(int dir, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return regular((int)syscall(SYS_openat2, dir, path, &how, sizeof how),
                   true);
}

/* -- becoming the caller -------------------------------------------------- */

/* The effective ids decide what may be opened, and so only they change: with
 * our real uid it is still ours to kill, and not the caller's to stop.  Groups
 * first and the uid last, for without root the others cannot change any more.
 * Then the capabilities go; a change of uid takes root's, but a confined
 * broker's stay (confine.c, SECBIT_NO_SETUID_FIXUP). */
static int
become(uid_t uid, gid_t gid)
{
    struct __user_cap_header_struct us = {.version =
                                              _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    const uid_t same = (uid_t)-1;

    if (uid == same)
        return -EPERM;
    if (uid == confine_owner() && uid == geteuid())
        return 0;
    if (gid == (gid_t)-1)
        gid = OVERFLOW_ID; /* it is not known: nobody's, which opens nothing */
    if (setgroups(0, NULL) == -1 || setresgid(same, gid, same) == -1 ||
        setresuid(same, uid, same) == -1 ||
        syscall(SYS_capset, &us, none) == -1)
        return -errno;
    return 0;
}

static bool
is_systems(uid_t uid)
{
    return uid < SYSTEM_IDS && confine_owner() != geteuid();
}

/* Whom it is for, as policy.h has it. */
static struct ipc_peer
peer_of(const struct broker_request *r)
{
    return (struct ipc_peer){.pid = r->pid,
                             .uid = r->uid,
                             .gid = r->gid,
                             .evidence = (enum ipc_evidence)r->evidence};
}

/* The broker has the rules as well: it opens beneath no directory that they do
 * not grant, whatever the endpoint says. */
static int
open_by_rule(const struct broker_request *r)
{
    const struct api_method *method =
        api_by_name(r->what == BROKER_OPEN ? "open_file" : "read_file");
    const struct ipc_peer peer = peer_of(r);
    struct policy *policy = policy_hold();
    const char *rest, *rule;
    int dir = policy_grant(policy, &peer, method, r->path, &rest, &rule);

    return dir < 0 ? -EACCES : open_beneath(dir, rest);
}

static int
open_for(const struct broker_request *r)
{
    int err;

    if (r->path[0] != '/')
        return -EINVAL;
    if (r->by_rule)
        return open_by_rule(r);
    err = DEFENCE("become", become(r->uid, r->gid), 0);
    return err != 0 ? err : open_plain(r->path);
}

/* -- the requests --------------------------------------------------------- */

static int
do_open(const struct broker_request *r, struct broker_answer *a)
{
    int fd = open_for(r);

    if (fd < 0)
        return fd;
    if (DEFENCE("local", !IS_ONE_OF(fd, local), false)) {
        close(fd);
        return -EOPNOTSUPP;
    }
    a->fd = fd;
    return 0;
}

/* Into memory, so that whoever takes it waits for no file system. */
static int
copy(int from, int to, const struct broker_request *r, int32_t *copied)
{
    static char part[65536];
    const off_t start = (off_t)r->offset;
    uint32_t done = 0;

    while (done < r->count) {
        size_t want =
            r->count - done < sizeof part ? r->count - done : sizeof part;
        ssize_t n = pread(from, part, want, start + done);

        if (n == -1)
            return -errno;
        if (n == 0)
            break;
        if (write(to, part, (size_t)n) != n)
            return -ENOSPC;
        done += (uint32_t)n;
    }
    *copied = (int32_t)done;
    return 0;
}

static int
do_read(const struct broker_request *r, struct broker_answer *a)
{
    int err, fd = open_for(r), memory;

    if (fd < 0)
        return fd;
    memory = memfd_create("ipcd", MFD_CLOEXEC);
    if (memory == -1)
        return -errno;
    err = copy(fd, memory, r, &a->number);
    a->fd = err == 0 ? memory : -1;
    return err;
}

/* One in a directory beneath the run directory: core/object.h takes the two
 * apart.  A descriptor of the directory, and *name, or -errno.  No symbolic
 * link on the way to it, for clients make names in NAME.d: O_NOFOLLOW looks at
 * the last component only, and an endpoint in a client's hands would have
 * "NAME.d/LINK/etc/shadow" opened. */
static int
split(const struct broker_request *r, const char **name)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = DEFENCE("links", RESOLVE_NO_SYMLINKS, 0),
    };
    char path[sizeof r->path];
    const char *slash = strrchr(r->path, '/');
    int dir;

    memcpy(path, r->path, (size_t)(slash - r->path));
    path[slash - r->path] = '\0';
    *name = slash + 1;
    dir = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    return dir == -1 ? -errno : dir;
}

typedef int object_look(const struct broker_request *r, int dir,
                        const char *name);

static int
with_object(const struct broker_request *r, object_look *look)
{
    const char *name = r->path;
    int dir = -1, result;

    if (r->space != OBJECT_AT)
        return look(r, dir, name);
    dir = split(r, &name);
    if (dir < 0)
        return dir;
    result = look(r, dir, name);
    close(dir);
    return result;
}

static int
glance(const struct broker_request *r, int dir, const char *name)
{
    return object_glance((enum object_space)r->space, dir, name, r->uid);
}

static int
open_object(const struct broker_request *r, int dir, const char *name)
{
    return object_open_here((enum object_space)r->space, dir, name, r->number,
                            r->uid);
}

int
worker_glance(const struct broker_request *r)
{
    return with_object(r, glance);
}

/* With the client's rights.  Root is nobody we become, nor a user of the
 * system: theirs we open with ours, if they are theirs (core/object.h looks).
 * So we do with memory that a process has open: for that the kernel wants all
 * ids to be the same (ptrace(2)), and nobody has told us that process's
 * group. */
static int
do_object(const struct broker_request *r, struct broker_answer *a)
{
    const bool ours = is_systems(r->uid) || r->space == OBJECT_PROC_FD;
    int err = ours ? 0 : become(r->uid, r->gid), fd;

    if (err != 0)
        return err;
    fd = with_object(r, open_object);
    a->fd = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

/* Do both ids, the real and the effective one, belong to this user?  Not by the
 * owner of /proc/PID, which is root for whoever is not dumpable. */
static bool
runs_as(pid_t pid, uid_t uid)
{
    unsigned long real = ULONG_MAX, effective = ULONG_MAX;
    char path[64], line[256];
    FILE *in;

    snprintf(path, sizeof path, "/proc/%jd/status", (intmax_t)pid);
    in = fopen(path, "re");
    if (in == NULL)
        return false;
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "Uid: %lu %lu", &real, &effective) == 2)
            break;
    fclose(in);
    return real == uid && effective == uid;
}

/* A pidfd is readable once its process has ended: pidfd_open(2). */
static bool
has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, 0) != 0;
}

/*
 * The pid of a caller is a name, not an identity: by the time we use it the
 * caller may have died and the number been given to somebody else.  So the pid
 * says whom to look at, and the uid, which is evidence, whether that is one of
 * the caller's own processes; the pidfd holds on to the process we looked at,
 * and says whether it still was that one when it was changed.  What remains is
 * the moment between that look and setpriority(2), which takes no pidfd; in it
 * the process would have to die and all numbers be used once.
 */
static int
do_priority(const struct broker_request *r, struct broker_answer *a)
{
    const pid_t pid = r->pid;
    int err, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd == -1)
        return -errno;
    errno = 0; /* -1 is a priority as well */
    a->number = getpriority(PRIO_PROCESS, (id_t)pid);
    err = errno;
    if (err == 0 && !runs_as(pid, r->uid))
        err = EPERM;
    if (err == 0 && has_ended(pidfd))
        err = ESRCH;
    if (err == 0 && setpriority(PRIO_PROCESS, (id_t)pid, r->number) == -1)
        err = errno;
    if (err == 0 && has_ended(pidfd))
        err = ESRCH;
    return -err;
}

static int
do_port(const struct broker_request *r, struct broker_answer *a)
{
    const struct sockaddr_in here = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)r->number),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* For TCP this only means: not to wait for connections long closed. */
    if (fd == -1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
        bind(fd, (const struct sockaddr *)&here, sizeof here) == -1 ||
        listen(fd, SOMAXCONN) == -1)
        return -errno;
    a->fd = fd;
    return 0;
}

static int
do_hostname(const struct broker_request *r, struct broker_answer *a)
{
    (void)a;
    return sethostname(r->path, strlen(r->path)) == -1 ? -errno : 0;
}

static int (*const carry_out[BROKER_KINDS])(const struct broker_request *,
                                            struct broker_answer *) = {
    [BROKER_OPEN] = do_open,     [BROKER_READ] = do_read,
    [BROKER_OBJECT] = do_object, [BROKER_PRIORITY] = do_priority,
    [BROKER_PORT] = do_port,     [BROKER_HOSTNAME] = do_hostname,
};

_Noreturn void
worker_run(const struct broker_request *r, int to)
{
    struct broker_answer a = {.fd = -1};
    struct worker_answer out = {.result = carry_out[r->what](r, &a)};
    struct pollfd p = {.fd = to, .events = 0};

    out.number = a.number;
    out.has_fd = a.fd != -1;
    if (send_with_fd(to, &out, sizeof out, a.fd, 0) == 0 && a.fd != -1)
        while (poll(&p, 1, -1) == -1 && errno == EINTR)
            continue; /* POLLHUP: the asker has closed its copy */
    _exit(0);
}

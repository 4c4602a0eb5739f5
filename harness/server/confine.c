/*
 * confine.c - from root to a user who can do little more than serve.
 *
 * The order is the kernel's.  Bits and bounding set first, while there is the
 * capability to change them (CAP_SETPCAP); groups before the group, the group
 * before the user, for each needs what the next one gives up; capabilities
 * when the user has changed; the filter last, since it forbids all of this.
 */
#define _GNU_SOURCE /* unshare, setresuid, setgroups, syscall */
#include "server/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool confined;
static uid_t owner;

uid_t
confine_owner(void)
{
    return confined ? owner : geteuid();
}

/* -- who to become --------------------------------------------------------- */

/* 0, 65534 and 4294967295: root, "nobody" who owns what has no owner, and what
 * tells setresuid(2) to change nothing. */
static bool
is_id(const char *text, char **end, id_t *id)
{
    unsigned long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoul(text, end, 10);
    *id = (id_t)value;
    return errno == 0 && value != 0 && value != 65534 && value < UINT32_MAX;
}

int
service_user_parse(const char *text, struct service_user *user)
{
    const struct passwd *known;
    char *end;

    if (*text < '0' || *text > '9') {
        known = getpwnam(text);
        if (known == NULL)
            return -ENOENT;
        *user = (struct service_user){known->pw_uid, known->pw_gid};
        return user->uid == 0 || user->gid == 0 ? -EINVAL : 0;
    }
    if (!is_id(text, &end, &user->uid))
        return -EINVAL;
    known = getpwuid(user->uid);
    user->gid = known != NULL ? known->pw_gid : user->uid;
    if (*end == ':' && !is_id(end + 1, &end, &user->gid))
        return -EINVAL;
    return *end != '\0' || user->gid == 0 ? -EINVAL : 0;
}

/* -- where ------------------------------------------------------------------- */

static int
change_mounts(const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};

    return syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attributes,
                   sizeof attributes) == -1
               ? -errno
               : 0;
}

/* Only a mount can be writable or not, so the directory becomes one. */
static int
keep_writable(const char *path)
{
    if (mount(path, path, NULL, MS_BIND, NULL) == -1)
        return -errno;
    return change_mounts(path, 0, 0, MOUNT_ATTR_RDONLY);
}

int
namespaces_make(const char *run_dir)
{
    char cwd[PATH_MAX];
    int err;

    if (unshare(CLONE_NEWNS | CLONE_NEWUTS) == -1)
        return -errno;
    /* What is mounted outside later still appears here; what is done here does
     * not appear outside. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == -1)
        return -errno;
    err = change_mounts("/", AT_RECURSIVE,
                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0);
    if (err == 0)
        err = keep_writable(run_dir);
    if (err == 0 && access("/dev/shm", F_OK) == 0)
        err = keep_writable("/dev/shm");
    /* We may stand in the run directory: below its new mount. */
    if (err == 0 && getcwd(cwd, sizeof cwd) != NULL && chdir(cwd) == -1)
        err = -errno;
    return err;
}

/* -- giving up --------------------------------------------------------------- */

/* uid 0 means nothing any more, a change of uid neither gives nor takes, nothing
 * is kept or raised on the quiet; and none of this can be changed back. */
#define BITS \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | \
     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int
set_capabilities(rights kept)
{
    cap_t set = cap_init(); /* empty */
    int err = set == NULL ? -ENOMEM : 0;

    for (cap_value_t c = 0; err == 0 && c < 64; c++)
        if ((kept >> c & 1) &&
            (cap_set_flag(set, CAP_PERMITTED, 1, &c, CAP_SET) == -1 ||
             cap_set_flag(set, CAP_EFFECTIVE, 1, &c, CAP_SET) == -1))
            err = -errno;
    if (err == 0 && cap_set_proc(set) == -1)
        err = -errno;
    cap_free(set);
    return err;
}

/* Capabilities and filters are a thread's own: another thread would keep root's,
 * and with them all that we give up. */
static bool
has_other_threads(void)
{
    DIR *threads = opendir("/proc/self/task");
    int n = 0;

    if (threads == NULL)
        return true;
    for (struct dirent *e; (e = readdir(threads)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(threads);
    return n != 1;
}

static int
change_user(const struct service_user *user)
{
    pid_t parent = getppid();

    if (prctl(PR_SET_SECUREBITS, BITS) == -1 || cap_reset_ambient() == -1)
        return -errno;
    for (cap_value_t c = 0; cap_get_bound(c) != -1; c++)
        if (cap_drop_bound(c) == -1)
            return -errno;
    if (setgroups(0, NULL) == -1 ||
        setresgid(user->gid, user->gid, user->gid) == -1 ||
        setresuid(user->uid, user->uid, user->uid) == -1)
        return -errno;
    /* Who changes its uid forgets this; and the parent may have gone before. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
        return -errno;
    return getppid() == parent ? 0 : -EOWNERDEAD;
}

/* *doing is what it was at, should it fail. */
static int
give_up(const struct service_user *user, rights kept, const char **doing)
{
    static const struct rlimit none;
    int err = 0;

    *doing = "becoming another user";
    if (geteuid() == 0)
        err = change_user(user);
    if (err != 0)
        return err;
    *doing = "giving up capabilities";
    err = set_capabilities(kept);
    if (err != 0)
        return err;
    *doing = "giving up new rights and core files";
    /* Not dumpable: no core file, and nobody of this uid traces us or looks at
     * our memory (ptrace(2)). */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1)
        return -errno;
    *doing = "the filter of system calls, seccomp(2)";
    return filter_install(kept);
}

/* -- is it so? --------------------------------------------------------------- */

/* What the kernel says of us.  The bounding set of who never was root remains,
 * and gives nothing any more. */
static int
check_status(const struct service_user *u, rights kept, bool was_root,
             char why[CONFINE_WHY])
{
    char text[4096], line[6][64];
    FILE *status = fopen("/proc/self/status", "re");
    size_t n;

    if (status == NULL)
        return -errno;
    n = fread(text, 1, sizeof text - 1, status);
    text[n] = '\0';
    fclose(status);
    snprintf(line[0], sizeof *line, "Uid:\t%u\t%u\t%u\t%u\n", u->uid, u->uid,
             u->uid, u->uid);
    snprintf(line[1], sizeof *line, "Gid:\t%u\t%u\t%u\t%u\n", u->gid, u->gid,
             u->gid, u->gid);
    snprintf(line[2], sizeof *line, "CapPrm:\t%016" PRIx64 "\n", kept);
    snprintf(line[3], sizeof *line, "CapEff:\t%016" PRIx64 "\n", kept);
    snprintf(line[4], sizeof *line, "NoNewPrivs:\t1\nSeccomp:\t2\n");
    snprintf(line[5], sizeof *line, "CapBnd:\t%016x\n", 0);
    for (size_t i = 0; i < (was_root ? 6 : 5); i++)
        if (strstr(text, line[i]) == NULL) {
            snprintf(why, CONFINE_WHY, "/proc/self/status should have: %.*s",
                     (int)strlen(line[i]) - 1, line[i]);
            return -EPERM;
        }
    return 0;
}

static bool
becomes_root(void)
{
    return setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0;
}

/* One that no row of rights.c gives. */
static bool
gains_a_capability(void)
{
    return set_capabilities(RIGHT(SYS_MODULE)) == 0;
}

static bool
names_the_host(void)
{
    char name[HOST_NAME_MAX + 1];

    return gethostname(name, sizeof name) == 0 &&
           sethostname(name, strlen(name)) == 0;
}

/* In a child, for it should be killed.  Nothing is run: there is no program "",
 * and nobody is traced by a parent that does not ask. */
static bool
survives(void (*f)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == -1)
        return true; /* not tried is not passed */
    if (pid == 0) {
        f();
        _exit(EXIT_SUCCESS);
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return true;
    return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS;
}

static void
run_a_program(void)
{
    execve("", (char *[]){NULL}, (char *[]){NULL});
}

static void
be_traced(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int
check(const struct service_user *user, rights kept, bool was_root,
      char why[CONFINE_WHY])
{
    const char *could = becomes_root()         ? "become root again"
                        : gains_a_capability() ? "gain a capability"
                        : !(kept & RIGHT(SYS_ADMIN)) && names_the_host()
                            ? "name the host"
                        : survives(run_a_program) ? "run a program"
                        : survives(be_traced)     ? "be traced"
                                                  : NULL;

    if (could != NULL) {
        snprintf(why, CONFINE_WHY, "it could still %s", could);
        return -EPERM;
    }
    return check_status(user, kept, was_root, why);
}

int
confine(const struct service_user *user, rights kept, char why[CONFINE_WHY])
{
    const bool was_root = geteuid() == 0;
    const char *doing;
    int err;

    if (!was_root) {
        kept = 0;
        if (user->uid != geteuid() || user->gid != getegid()) {
            snprintf(why, CONFINE_WHY, "only root can become somebody else");
            return -EPERM;
        }
    }
    if (has_other_threads()) {
        snprintf(why, CONFINE_WHY,
                 "a mechanism has started threads already; "
                 "they would keep their rights");
        return -EBUSY;
    }
    owner = geteuid();
    err = give_up(user, kept, &doing);
    if (err != 0) {
        snprintf(why, CONFINE_WHY, "%s: %s", doing, strerror(-err));
        return err;
    }
    confined = true;
    return check(user, kept, was_root, why);
}

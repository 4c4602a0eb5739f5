/* paths.c - which files a confined process reaches: mounts and landlock(7). */
#define _GNU_SOURCE /* unshare, syscall, O_PATH */
#include "server/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int
uts_make(void)
{
    return unshare(CLONE_NEWUTS) == -1 ? -errno : 0;
}

/* -- mounts --------------------------------------------------------------- */

static int
change_mounts(const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};

    return syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attributes,
                   sizeof attributes) == -1
               ? -errno
               : 0;
}

/* Only a mount can be writable or not, so the directory becomes one.  What is
 * mounted beneath it comes along, or its files would be missing here. */
static int
keep_writable(const char *path)
{
    if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) == -1)
        return -errno;
    return change_mounts(path, 0, 0, MOUNT_ATTR_RDONLY);
}

int
mounts_make(const char *run_dir)
{
    char cwd[PATH_MAX];
    int err;

    if (unshare(CLONE_NEWNS) == -1)
        return -errno;
    /* What is mounted outside later still appears here; what is done here does
     * not appear outside. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == -1)
        return -errno;
    err = change_mounts(
        "/", AT_RECURSIVE,
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0);
    if (err == 0)
        err = keep_writable(run_dir);
    if (err == 0 && access("/dev/shm", F_OK) == 0)
        err = keep_writable("/dev/shm");
    /* We may stand in the run directory: below its new mount. */
    if (err == 0 && getcwd(cwd, sizeof cwd) != NULL && chdir(cwd) == -1)
        err = -errno;
    return err;
}

/* -- landlock ------------------------------------------------------------- */

/* What each version of it can refuse; a header may be older than the kernel:
 * refer, truncate, ioctl on devices. */
#define FILES_1 ((UINT64_C(1) << 13) - 1)
#define FILES_2 (UINT64_C(1) << 13)
#define FILES_3 (UINT64_C(1) << 14)
#define FILES_5 (UINT64_C(1) << 15)

/* struct landlock_ruleset_attr, which has grown; version 4: TCP, bind and
 * connect. */
struct ruleset {
    uint64_t files, net;
};

static struct ruleset
all_of(long version)
{
    return (struct ruleset){
        .files = FILES_1 | (version >= 2 ? FILES_2 : 0) |
                 (version >= 3 ? FILES_3 : 0) | (version >= 5 ? FILES_5 : 0),
        .net = version >= 4 ? 3 : 0,
    };
}

/* What is not there needs no rule. */
static int
allow(int rules, const char *path, uint64_t files)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = files};
    int err = 0;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd == -1)
        return errno == ENOENT ? 0 : -errno;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule,
                0) == -1)
        err = -errno;
    close(rule.parent_fd);
    return err;
}

#define QUEUES "/dev/mqueue"

/*
 * POSIX queues are files of a file system that need not be mounted anywhere; a
 * rule is about its root directory, and for that a mount of our own that is in
 * no place will do.  It takes root's rights.
 */
static int queues = -1;

void
paths_prepare(const char *reads)
{
    int fs;

    if (reads == NULL || strcmp(reads, QUEUES) != 0)
        return;
    fs = (int)syscall(SYS_fsopen, "mqueue", 1 /* FSOPEN_CLOEXEC */);
    if (fs == -1)
        return;
    if (syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) !=
        -1)
        queues = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0);
    close(fs);
}

static int
allow_queues(int rules, uint64_t files)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = files,
                                              .parent_fd = queues};
    int err = 0;

    if (queues == -1)
        return allow(rules, QUEUES, files);
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule,
                0) == -1)
        err = -errno;
    close(queues);
    return err;
}

static int
allow_all(int rules, const char *run_dir, const char *reads, uint64_t files)
{
    /* Of a name that it knows; not what there is. */
    const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE;
    int err = allow(rules, run_dir, files);

    if (err == 0)
        err = allow(rules, "/dev/shm", files);
    if (err == 0 && reads != NULL)
        err = strcmp(reads, QUEUES) == 0 ? allow_queues(rules, files)
                                         : allow(rules, reads, reading);
    /* For passwd(5) and group(5).  Not only these: a rule for a file is one for
     * its inode, and whoever changes them puts another file in their place. */
    if (err == 0)
        err = allow(rules, "/etc", reading);
    return err;
}

int
paths_restrict(const char *run_dir, const char *reads)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
                           LANDLOCK_CREATE_RULESET_VERSION);
    const struct ruleset all = all_of(version);
    int err, rules;

    if (version < 1)
        return 0; /* ENOSYS, EOPNOTSUPP: not in this kernel, or not turned on */
    if (reads != NULL && strcmp(reads, QUEUES) == 0 && queues == -1 &&
        access(QUEUES, F_OK) == -1)
        return 0; /* there is no place to allow */
    rules = (int)syscall(SYS_landlock_create_ruleset, &all,
                         version >= 4 ? sizeof all : sizeof all.files, 0);
    if (rules == -1)
        return -errno;
    err = allow_all(rules, run_dir, reads, all.files);
    if (err == 0 && syscall(SYS_landlock_restrict_self, rules, 0) == -1)
        err = -errno;
    close(rules);
    return err;
}

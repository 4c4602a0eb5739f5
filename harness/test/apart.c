/*
 * apart.c - namespaces of the tests' own (here.h), so that nobody else's
 * objects and names are seen, and whose end takes along what is left.
 *
 *      root        each test makes an IPC namespace, a mount namespace, and
 *                  mounts /dev/shm there
 *      a user      first the program makes a user namespace, in which he is
 *                  who he was and may do that; the test gives these rights up
 *
 * What a user namespace does not keep apart are the limits that are counted for
 * a user: the bytes of POSIX queues, above all.  The kernel counts for the user
 * who made it too.
 */
#define _GNU_SOURCE /* unshare */
#include "test/here.h"

#include "test/test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <unistd.h>

static bool apart, mounts_apart, shm_apart; /* when it was tried out */
static bool user_apart;
static bool is_apart, shm_is_apart; /* what this test has */
static int queues_fd = -1;
static char queues_path[32];

/* -- the parts ------------------------------------------------------------- */

/* Without mounting them anywhere: that takes no mount namespace. */
static int
see_queues(void)
{
    int fs = fsopen("mqueue", FSOPEN_CLOEXEC), fd = -1;

    if (fs == -1)
        return -1;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    close(fs);
    return fd;
}

static bool
has_own_ipc(void)
{
    return unshare(CLONE_NEWIPC) == 0;
}

/* What is mounted here must not be seen outside.  In a chroot, "/" may be no
 * mount point, and then there is no way to say so. */
static bool
has_own_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool
has_own_shm(void)
{
    return mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777") == 0;
}

static bool
mounts_and_shm(void)
{
    return has_own_mounts() && has_own_shm();
}

static bool
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done =
        fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return done;
}

/* He remains who he is; nobody else is there. */
static bool
has_own_user_namespace(void)
{
    const unsigned uid = geteuid(), gid = getegid();
    char uids[64], gids[64];

    snprintf(uids, sizeof uids, "%u %u 1", uid, uid);
    snprintf(gids, sizeof gids, "%u %u 1", gid, gid);
    return unshare(CLONE_NEWUSER) == 0 &&
           write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", uids) &&
           write_text("/proc/self/gid_map", gids);
}

static bool
set_rights(cap_t caps)
{
    const bool done = cap_set_proc(caps) == 0;

    cap_free(caps);
    return done;
}

/* What is permitted can be had again. */
static bool
lay_rights_aside(void)
{
    cap_t caps = cap_get_proc();

    cap_clear_flag(caps, CAP_EFFECTIVE);
    return set_rights(caps);
}

static bool
take_rights(void)
{
    static const cap_value_t admin = CAP_SYS_ADMIN;
    cap_t caps = cap_get_proc();

    cap_set_flag(caps, CAP_EFFECTIVE, 1, &admin, CAP_SET);
    return set_rights(caps);
}

static bool
give_up_rights(void)
{
    return set_rights(cap_init());
}

/* -- the whole ------------------------------------------------------------- */

static bool
user_and_ipc(void)
{
    return has_own_user_namespace() && has_own_ipc();
}

void
apart_begin(void)
{
    /* A half of it would be worse than nothing, so a child goes ahead. */
    if (geteuid() != 0 && here_try(user_and_ipc))
        user_apart = has_own_user_namespace();
    apart = has_own_ipc(); /* for what is tried out from now on */
    mounts_apart = here_try(has_own_mounts);
    shm_apart = here_try(mounts_and_shm);
    if (user_apart) /* what is tried out is what he could do before */
        lay_rights_aside();
    if (!apart)
        printf("not isolated: unshare(2) is refused here; names of this run "
               "only are looked at\n");
}

void
apart_test(void)
{
    if (user_apart)
        ck_assert(take_rights());
    if (apart) {
        ck_assert(has_own_ipc());
        is_apart = true;
        queues_fd = see_queues();
        snprintf(queues_path, sizeof queues_path, "/proc/self/fd/%d/",
                 queues_fd);
    }
    if (mounts_apart)
        ck_assert(has_own_mounts());
    if (shm_apart) {
        ck_assert(has_own_shm());
        shm_is_apart = true;
    }
    if (user_apart)
        ck_assert(give_up_rights());
}

bool
all_is_apart(void)
{
    return apart;
}

/* What a test mounts must not be seen by others. */
const char *
need_mounts(void)
{
    return !mounts_apart || user_apart
               ? "need root that may mount, in a mount namespace of its own"
               : NULL;
}

bool
own_sysv(void)
{
    return is_apart;
}

bool
own_shm(void)
{
    return shm_is_apart;
}

const char *
own_queues(void)
{
    return queues_fd != -1 ? queues_path : NULL;
}

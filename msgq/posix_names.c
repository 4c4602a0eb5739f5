/* posix_names.c - what our POSIX queues are called, and which are nobody's. */
#define _GNU_SOURCE /* F_OFD_SETLK, fsopen, O_DIRECTORY */
#include "posix_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define REPLY_NAME   "ipclab-msgq-posix.%" SCNu32 ".%" SCNu32 "%n"
#define PROBE_NAME   "ipclab-probe-%" SCNu32 "-%" SCNu32 "%n"
#define REQUEST_NAME "ipclab-%*16[0-9a-f]-msgq-posix%n"

int
posix_lock(mqd_t queue)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(queue, F_OFD_SETLK, &lock) == -1 ? -errno : 0;
}

bool
posix_is_abandoned(mqd_t queue)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(queue, F_OFD_GETLK, &lock) == -1 || lock.l_type == F_UNLCK;
}

void
posix_reply_name(uint32_t pid, uint32_t serial, char name[ENDPOINT_SIZE])
{
    snprintf(name, ENDPOINT_SIZE, "/ipclab-msgq-posix.%" PRIu32 ".%" PRIu32,
             pid, serial);
}

/* -- sweep ----------------------------------------------------------------- */

#define MQUEUE_MAGIC   0x19800202 /* statfs(2); not in <linux/magic.h> */
#define UNLOCKED_LASTS 10         /* s: nobody takes that long to lock it */

/* The directory of all queues.  Where it is not mounted, root can have a mount
 * that is nowhere and goes when it is closed: fsmount(2). */
static int
open_all(void)
{
    int dir = open("/dev/mqueue", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fs;
    struct statfs st;

    if (dir != -1 && fstatfs(dir, &st) == 0 && st.f_type == MQUEUE_MAGIC)
        return dir;
    if (dir != -1)
        close(dir);
    fs = fsopen("mqueue", FSOPEN_CLOEXEC);
    if (fs == -1)
        return -1;
    dir = -1;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        dir = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    close(fs);
    return dir;
}

/* Is that the name of one of ours whose maker, if it says who, is dead? */
static bool
is_dead_ones(const char *name)
{
    uint32_t pid = 0, number;
    int end = 0;

    if (sscanf(name, REPLY_NAME, &pid, &number, &end) != 2 || end == 0)
        end = 0, sscanf(name, PROBE_NAME, &pid, &number, &end);
    if (end == 0)
        pid = 0, sscanf(name, REQUEST_NAME, &end);
    if (end == 0 || name[end] != '\0')
        return false;
    return pid == 0 || (kill((pid_t)pid, 0) == -1 && errno == ESRCH);
}

/* Ours, and not locked?  Whoever has just made it may not have locked it yet;
 * if its pid stands in the name, we have seen that it is dead. */
static bool
is_nobodys(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    bool old = strchr(name, '.') != NULL || strstr(name, "-probe-") != NULL;
    struct stat st;
    bool nobodys;

    if (fd == -1)
        return false;
    nobodys = fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
              (old || time(NULL) - st.st_ctime > UNLOCKED_LASTS) &&
              posix_is_abandoned(fd);
    close(fd);
    return nobodys;
}

int
posix_sweep_dead(void)
{
    int removed = 0, dir = open_all(), again;
    const struct dirent *e;
    DIR *all;

    if (dir == -1)
        return 0;
    /* fdopendir(3) cannot read what fsmount(2) gives, which is O_PATH. */
    again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    all = again != -1 ? fdopendir(again) : NULL;
    while (all != NULL && (e = readdir(all)) != NULL)
        if (is_dead_ones(e->d_name) && is_nobodys(dir, e->d_name) &&
            unlinkat(dir, e->d_name, 0) == 0)
            removed = 1;
    if (all != NULL)
        closedir(all);
    else if (again != -1)
        close(again);
    close(dir);
    return removed;
}

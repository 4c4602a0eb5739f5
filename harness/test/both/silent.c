/* silent.c - a file system whose program goes silent: the least of FUSE's
 * protocol that lets a file be opened (fuse(4), linux/fuse.h). */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "test/both/silent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_ID 2 /* the directory is 1, FUSE_ROOT_ID */

static bool
may_mount(void)
{
    cap_flag_value_t has = CAP_CLEAR;
    cap_t ours = cap_get_proc();

    if (ours != NULL)
        cap_get_flag(ours, CAP_SYS_ADMIN, CAP_EFFECTIVE, &has);
    cap_free(ours);
    return has == CAP_SET;
}

const char *
silent_missing(void)
{
    return geteuid() != 0 || !may_mount()          ? "need root that may mount"
           : access("/dev/fuse", R_OK | W_OK) != 0 ? "need /dev/fuse"
                                                   : NULL;
}

static int
mount_it(const char *dir, uid_t uid)
{
    char options[128];
    int err, device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (device == -1)
        return -errno;
    snprintf(options, sizeof options,
             "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", device,
             (unsigned)uid, (unsigned)uid);
    if (mount("silent", dir, "fuse", MS_NOSUID | MS_NODEV, options) == 0)
        return device;
    err = -errno;
    close(device);
    return err;
}

static void
answer(int device, uint64_t to, int error, const void *body, size_t size)
{
    struct fuse_out_header h = {
        .len = (uint32_t)(sizeof h + size), .error = error, .unique = to};
    struct iovec parts[] = {
        {.iov_base = &h, .iov_len = sizeof h},
        {.iov_base = (void *)(uintptr_t)body, .iov_len = size}};

    (void)!writev(device, parts, 2);
}

static struct fuse_attr
attributes(uint64_t id)
{
    const bool is_file = id == FILE_ID;

    return (struct fuse_attr){.ino = id,
                              .size = is_file ? 100 : 0,
                              .mode = is_file ? S_IFREG | 0444 : S_IFDIR | 0755,
                              .nlink = 1};
}

static void
serve_one(int device, const struct fuse_in_header *in)
{
    const struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
                                       .minor = FUSE_KERNEL_MINOR_VERSION,
                                       .max_write = 4096};
    const struct fuse_entry_out entry = {.nodeid = FILE_ID,
                                         .entry_valid = 1000,
                                         .attr_valid = 1000,
                                         .attr = attributes(FILE_ID)};
    const struct fuse_attr_out attr = {.attr_valid = 1000,
                                       .attr = attributes(in->nodeid)};
    const struct fuse_open_out opened = {.open_flags = FOPEN_DIRECT_IO};

    switch (in->opcode) {
    case FUSE_INIT:
        answer(device, in->unique, 0, &init, sizeof init);
        break;
    case FUSE_LOOKUP:
        if (strcmp((const char *)(in + 1), "never") == 0)
            break;
        answer(device, in->unique, 0, &entry, sizeof entry);
        break;
    case FUSE_GETATTR:
        answer(device, in->unique, 0, &attr, sizeof attr);
        break;
    case FUSE_OPEN:
        answer(device, in->unique, 0, &opened, sizeof opened);
        break;
    case FUSE_READ:
    case FUSE_FLUSH:
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break; /* not a word */
    default:
        answer(device, in->unique, -ENOSYS, NULL, 0);
    }
}

static void
serve(int device)
{
    union {
        struct fuse_in_header in;
        char room[FUSE_MIN_READ_BUFFER + 4096];
    } question;
    ssize_t n;

    while ((n = read(device, &question, sizeof question)) > 0 ||
           (n == -1 && (errno == EINTR || errno == ENOENT)))
        if (n > 0)
            serve_one(device, &question.in);
}

pid_t
silent_start(const char *dir, uid_t uid)
{
    int device = mount_it(dir, uid);
    pid_t pid = device < 0 ? device : fork();

    if (pid == 0) {
        serve(device);
        _exit(0);
    }
    if (pid == -1 && device >= 0)
        pid = -errno;
    if (device >= 0)
        close(device); /* nobody else has it */
    return pid;
}

void
silent_end(pid_t program, const char *dir)
{
    kill(program, SIGKILL);
    waitpid(program, NULL, 0);
    umount2(dir, MNT_DETACH);
}

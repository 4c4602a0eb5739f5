/* broker.c - a worker for each request, forked by who asks. */
#define _GNU_SOURCE /* memfd_create, SOCK_CLOEXEC, close_range */
#include "server/broker.h"

#include "core/clock.h"
#include "server/open_as.h"
#include "server/policy.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

int
broker_request(struct broker_request *r, enum broker_what what,
               const struct ipc_peer *peer, const char *path, size_t len)
{
    *r = (struct broker_request){.what = what,
                                 .evidence = peer->evidence,
                                 .uid = peer->uid,
                                 .gid = peer->gid,
                                 .pid = peer->pid};
    if (len >= sizeof r->path)
        return -ENAMETOOLONG;
    memcpy(r->path, path, len);
    return memchr(path, '\0', len) != NULL ? -EINVAL : 0;
}

/* -- the worker ---------------------------------------------------------------
 *
 * Only async-signal-safe calls: other threads may have held any lock when we
 * forked. */

/* What may wait for somebody when it is closed, or depends on who reads. */
static int
check_file_system(int fd, uint32_t what)
{
    static const struct {
        unsigned long magic;
        int err; /* for a descriptor */
    } special[] = {
        {PROC_SUPER_MAGIC, -EACCES},    {SYSFS_MAGIC, -EACCES},
        {0x65735546, -EOPNOTSUPP},                                 /* FUSE */
        {NFS_SUPER_MAGIC, -EOPNOTSUPP}, {0xff534d42, -EOPNOTSUPP}, /* CIFS */
        {0xfe534d42, -EOPNOTSUPP},                                 /* SMB2 */
        {V9FS_MAGIC, -EOPNOTSUPP},
    };
    struct statfs fs;

    if (fstatfs(fd, &fs) == -1)
        return errno == ENOSYS ? 0 : -errno;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if ((unsigned long)fs.f_type == special[i].magic &&
            (special[i].err == -EACCES || what == BROKER_OPEN))
            return special[i].err;
    return 0;
}

static int
read_into_memory(int file, const struct broker_request *r,
                 struct broker_answer *a)
{
    size_t size = r->count;
    void *at;
    ssize_t n;

    a->fd = memfd_create("read_file", MFD_CLOEXEC);
    if (a->fd == -1 || ftruncate(a->fd, (off_t)size + 1) == -1)
        return -errno;
    at = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    n = pread(file, at, size, (off_t)r->offset);
    a->number = n < 0 ? 0 : (int32_t)n;
    return n < 0 ? -errno : 0;
}

static void
answer(int to, const struct broker_answer *a)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct broker_answer copy = *a;
    struct iovec data = {.iov_base = &copy, .iov_len = sizeof copy};
    struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};

    if (a->fd != -1) {
        control.h.cmsg_level = SOL_SOCKET;
        control.h.cmsg_type = SCM_RIGHTS;
        control.h.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.h), &a->fd, sizeof a->fd);
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    sendmsg(to, &msg, MSG_NOSIGNAL);
}

/* None but these two of our parent's descriptors: whoever it closes them on is
 * to see that, however long we are here. */
static void
close_others(int to, int dir)
{
    int low = to < dir ? to : dir, high = to < dir ? dir : to;

    if (dir < 0)
        low = high = to;
    if (low > 3)
        syscall(SYS_close_range, 3, low - 1, 0);
    if (high > low + 1)
        syscall(SYS_close_range, low + 1, high - 1, 0);
    syscall(SYS_close_range, high + 1, ~0U, 0);
}

static _Noreturn void
worker(const struct broker_request *r, int to, int dir, const char *rest)
{
    const struct ipc_peer peer = {.uid = r->uid, .gid = r->gid};
    struct broker_answer a = {.fd = -1};
    int file;

    close_others(to, dir);
    file = dir >= 0 ? open_beneath(dir, rest) : open_as_here(&peer, r->path);
    a.result = file < 0 ? file : 0;
    if (a.result == 0 && dir < 0)
        a.result = check_file_system(file, r->what);
    if (a.result == 0 && r->what == BROKER_READ)
        a.result = read_into_memory(file, r, &a);
    else if (a.result == 0)
        a.fd = file;
    answer(to, &a);
    /* Until we are told, we have the file open too. */
    (void)!read(to, &a, sizeof a);
    _exit(0);
}

/* -- asking ------------------------------------------------------------------ */

int
broker_ask(struct broker_call *c, const struct broker_request *r)
{
    struct policy *policy = policy_hold();
    const struct ipc_peer peer = {.uid = r->uid,
                                  .gid = r->gid,
                                  .evidence = (enum ipc_evidence)r->evidence};
    const char *rest = NULL, *rule;
    int pair[2], dir = -1, err = 0;
    pid_t pid;

    if (r->path[0] != '/')
        err = -EINVAL;
    else if (r->by_rule)
        dir =
            policy_grant(policy, &peer,
                         api_by_number(r->what == BROKER_READ ? API_read_file
                                                              : API_open_file),
                         r->path, &rest, &rule);
    if (err == 0 && r->by_rule && dir < 0)
        err = -EACCES;
    if (err == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        err = -errno;
    if (err != 0)
        goto release;
    pid = fork();
    if (pid == 0)
        worker(r, pair[1], dir, rest);
    close(pair[1]);
    if (pid == -1) {
        err = -errno;
        close(pair[0]);
        goto release;
    }
    *c = (struct broker_call){
        .fd = pair[0], .worker = pid, .deadline = now_ns() + BROKER_PATIENCE};
release:
    policy_release(policy);
    return err;
}

int
broker_take(struct broker_call *c, struct broker_answer *a)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec data = {.iov_base = a, .iov_len = sizeof *a};
    struct msghdr msg = {.msg_iov = &data,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n == -1 && errno == EAGAIN && now_ns() < c->deadline)
        return -EAGAIN;
    if (n != (ssize_t)sizeof *a)
        *a = (struct broker_answer){
            .result = n == -1 && errno == EAGAIN ? -ETIMEDOUT : -EIO};
    c->deadline = n == (ssize_t)sizeof *a ? 0 : c->deadline;
    a->fd = -1;
    if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) && n > 0)
        memcpy(&a->fd, CMSG_DATA(&control.h), sizeof a->fd);
    else if (a->result == 0)
        a->result = -EMFILE;
    return 0;
}

/* A worker that hangs in the kernel dies when it comes out of it. */
void
broker_end(struct broker_call *c)
{
    if (c->fd == 0)
        return;
    close(c->fd);
    kill(c->worker, SIGKILL);
    for (int i = 0; i < (c->deadline == 0 ? 100 : 5) &&
                    waitpid(c->worker, NULL, WNOHANG) == 0;
         i++)
        poll(NULL, 0, 1);
    *c = (struct broker_call){.fd = 0};
}

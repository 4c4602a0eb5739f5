/* methods_system.c - what only root may change, for whom the policy lets. */
#define _GNU_SOURCE /* sethostname, SOCK_CLOEXEC, SYS_pidfd_open */
#include "server/methods.h"
#include "server/settings.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- the host name ----------------------------------------------------------- */

uint32_t
do_get_hostname(struct call *c)
{
    static _Thread_local char name[HOST_NAME_MAX + 1];

    if (gethostname(name, sizeof name) == -1)
        return call_fail(c, WIRE_OS_ERROR, errno, "%s", strerror(errno));
    c->results[0] = method_text(name);
    return WIRE_OK;
}

/* A thread has the namespaces it was made in; the main one may have moved. */
static bool
own_uts(void)
{
    struct stat now;

    return settings.first_uts != 0 &&
           stat("/proc/thread-self/ns/uts", &now) == 0 &&
           now.st_ino != settings.first_uts;
}

/* Letters, digits, hyphens and dots, RFC 1123; it ends up in prompts, mails and
 * file names. */
static bool
is_hostname(const struct api_value *v)
{
    for (size_t i = 0; i < v->len; i++)
        if (!isascii(v->at[i]) ||
            !(isalnum((unsigned char)v->at[i]) ||
              (i > 0 && (v->at[i] == '-' || v->at[i] == '.'))))
            return false;
    return v->len > 0 && v->len < HOST_NAME_MAX;
}

uint32_t
do_set_hostname(struct call *c)
{
    if (!is_hostname(&c->args[0]))
        return call_fail(c, WIRE_BAD_ARGS, 0,
                         "name: 1 to %d letters, digits, hyphens and dots, a "
                         "letter or digit first",
                         HOST_NAME_MAX - 1);
    if (!settings.host_uts && !own_uts())
        return call_fail(c, WIRE_DENIED, EPERM,
                         "the server has no UTS namespace of its own, so this "
                         "would rename the machine; start it in one (unshare "
                         "-u) or with --allow-host-uts");
    if (sethostname(c->args[0].at, c->args[0].len) == -1)
        return call_fail(c, WIRE_OS_ERROR, errno, "sethostname: %s",
                         strerror(errno));
    return WIRE_OK;
}

/* -- the caller's priority ------------------------------------------------------ */

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
change_priority(pid_t pid, uid_t uid, int nice, int *old)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int err;

    if (pidfd == -1)
        return -errno;
    errno = 0; /* -1 is a priority as well */
    *old = getpriority(PRIO_PROCESS, (id_t)pid);
    err = errno;
    if (err == 0 && !runs_as(pid, uid))
        err = EPERM;
    if (err == 0 && has_ended(pidfd))
        err = ESRCH;
    if (err == 0 && setpriority(PRIO_PROCESS, (id_t)pid, nice) == -1)
        err = errno;
    if (err == 0 && has_ended(pidfd))
        err = ESRCH;
    close(pidfd);
    return -err;
}

/* In Linux a nice value belongs to a thread; this one is the main thread's:
 * setpriority(2). */
uint32_t
do_set_priority(struct call *c)
{
    int err, nice = c->args[0].i32;

    if (nice < -20 || nice > 19)
        return call_fail(c, WIRE_BAD_ARGS, 0, "nice: -20 to 19");
    if (c->peer.pid <= 0)
        return call_fail(c, WIRE_DENIED, 0,
                         "set_priority needs to know which process asks, and "
                         "%s does not tell",
                         c->service->m->name);
    err = change_priority(c->peer.pid, c->peer.uid, nice, &c->results[0].i32);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "process %jd: %s",
                         (intmax_t)c->peer.pid,
                         err == -EPERM ? "is not the caller's, or may not have "
                                         "that priority"
                                       : strerror(-err));
    return WIRE_OK;
}

/* -- a low port ------------------------------------------------------------------- */

static int
listen_at(uint16_t port)
{
    const struct sockaddr_in here = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    const int on = 1;
    int err, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -errno;
    /* For TCP this only means: not to wait for connections long closed. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&here, sizeof here) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

uint32_t
do_bind_port(struct call *c)
{
    uint32_t port = c->args[0].u32;
    int fd;

    if (port == 0 || port >= IPPORT_RESERVED)
        return call_fail(c, WIRE_BAD_ARGS, 0,
                         "port: 1 to %d; the others are anybody's to bind",
                         IPPORT_RESERVED - 1);
    if (!(c->service->m->caps & IPC_PASSES_FD))
        return call_fail(c, WIRE_OS_ERROR, EOPNOTSUPP,
                         "no descriptor can travel by %s", c->service->m->name);
    fd = listen_at((uint16_t)port);
    if (fd < 0)
        return call_fail(c, WIRE_OS_ERROR, -fd, "port %u: %s", port,
                         strerror(-fd));
    c->fd = fd;
    return WIRE_OK;
}

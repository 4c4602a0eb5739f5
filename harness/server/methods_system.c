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

/* -- the host name -------------------------------------------------------- */

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
    struct broker_request r;
    struct broker_answer a;
    int err;

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
    err = broker_request(&r, BROKER_HOSTNAME, &c->peer, c->args[0].at,
                         c->args[0].len);
    if (err == 0)
        err = broker_do(&c->broker, &r, &a);
    broker_end(&c->broker);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "sethostname: %s",
                         strerror(-err));
    return WIRE_OK;
}

/* -- the caller's priority ------------------------------------------------ */

/* In Linux a nice value belongs to a thread; this one is the main thread's:
 * setpriority(2). */
uint32_t
do_set_priority(struct call *c)
{
    const int nice = c->args[0].i32;
    struct broker_request r;
    struct broker_answer a;
    int err;

    if (nice < -20 || nice > 19)
        return call_fail(c, WIRE_BAD_ARGS, 0, "nice: -20 to 19");
    if (c->peer.pid <= 0)
        return call_fail(c, WIRE_DENIED, 0,
                         "set_priority needs to know which process asks, and "
                         "%s does not tell",
                         c->service->m->name);
    err = broker_request(&r, BROKER_PRIORITY, &c->peer, "", 0);
    r.number = nice;
    if (err == 0)
        err = broker_do(&c->broker, &r, &a);
    broker_end(&c->broker);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "process %jd: %s",
                         (intmax_t)c->peer.pid,
                         err == -EPERM ? "is not the caller's, or may not have "
                                         "that priority"
                                       : strerror(-err));
    c->results[0].i32 = a.number;
    return WIRE_OK;
}

/* -- a low port ----------------------------------------------------------- */

uint32_t
do_bind_port(struct call *c)
{
    const uint32_t port = c->args[0].u32;
    struct broker_request r;
    struct broker_answer a;
    int err;

    if (port == 0 || port >= IPPORT_RESERVED)
        return call_fail(c, WIRE_BAD_ARGS, 0,
                         "port: 1 to %d; the others are anybody's to bind",
                         IPPORT_RESERVED - 1);
    if (!(c->service->m->caps & IPC_PASSES_FD))
        return call_fail(c, WIRE_OS_ERROR, EOPNOTSUPP,
                         "no descriptor can travel by %s", c->service->m->name);
    err = broker_request(&r, BROKER_PORT, &c->peer, "", 0);
    r.number = (int32_t)port;
    if (err == 0)
        err = broker_do(&c->broker, &r, &a);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err, "port %u: %s", port,
                         strerror(-err));
    c->fd = a.fd;
    return WIRE_OK;
}

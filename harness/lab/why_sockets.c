/*
 * why_sockets.c - waiting at a socket: who has the other end.  Of AF_UNIX the
 * kernel tells the inode of the peer (sock_diag(7)), and so the processes that
 * have it; of TCP the table in /proc/PID/net/tcp has both ends, if the other
 * one is on this host.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "lab/why_says.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- AF_UNIX --------------------------------------------------------------- */

static bool
ask(int fd, uint32_t inode)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } m = {
        .header = {.nlmsg_len = sizeof m,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = AF_UNIX,
                    .udiag_states = UINT32_MAX,
                    .udiag_ino = inode,
                    .udiag_show = UDIAG_SHOW_PEER,
                    .udiag_cookie = {UINT32_MAX, UINT32_MAX}},
    };
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    return sendto(fd, &m, sizeof m, 0, (const struct sockaddr *)&kernel,
                  sizeof kernel) == (ssize_t)sizeof m;
}

/* The attribute of the answer that is the peer's inode; 0: it has none. */
static uint32_t
peer_in(const struct nlmsghdr *header)
{
    const char *at = (const char *)header + NLMSG_HDRLEN +
                     NLMSG_ALIGN(sizeof(struct unix_diag_msg));
    const char *const end = (const char *)header + header->nlmsg_len;
    struct nlattr a;
    uint32_t inode;

    while (at + sizeof a + sizeof inode <= end) {
        memcpy(&a, at, sizeof a);
        if (a.nla_type == UNIX_DIAG_PEER &&
            a.nla_len == sizeof a + sizeof inode) {
            memcpy(&inode, at + sizeof a, sizeof inode);
            return inode;
        }
        if (a.nla_len < sizeof a)
            break;
        at += NLA_ALIGN(a.nla_len);
    }
    return 0;
}

/* false: the kernel does not say (no such socket in our network namespace).
 * *is_connected: to one that has no inode, either, until it is accepted. */
static bool
unix_peer(uint32_t inode, uint32_t *peer, bool *is_connected)
{
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } answer;
    struct unix_diag_msg msg;
    const int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    ssize_t n = -1;

    if (fd == -1)
        return false;
    if (ask(fd, inode))
        n = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
    close(fd);
    if (n < (ssize_t)sizeof answer.header ||
        !NLMSG_OK(&answer.header, (unsigned)n) ||
        answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    *peer = peer_in(&answer.header);
    memcpy(&msg, answer.bytes + NLMSG_HDRLEN, sizeof msg);
    *is_connected = msg.udiag_state == TCP_ESTABLISHED;
    return true;
}

/* -- TCP ------------------------------------------------------------------- */

struct tcp_line {
    char local[32], remote[32];
    unsigned long inode;
};

/* "  0: 0100007F:1F90 0100007F:C1E2 01 00000000:00000000 00:00000000 00000000
 * 1000 0 4711 ..." */
static bool
parse_tcp(const char *line, struct tcp_line *l)
{
    return sscanf(line, " %*d: %31s %31s %*x %*s %*s %*s %*d %*d %lu", l->local,
                  l->remote, &l->inode) == 3;
}

/* The inode of this host's other end of a connection; 0: there is none. */
static unsigned long
tcp_peer(pid_t pid, unsigned long inode)
{
    char path[64], line[512];
    struct tcp_line l, own = {.inode = 0};
    unsigned long peer = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/net/tcp", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (parse_tcp(line, &l) && l.inode == inode)
            own = l;
    rewind(f);
    while (own.inode != 0 && fgets(line, sizeof line, f) != NULL)
        if (parse_tcp(line, &l) && strcmp(l.local, own.remote) == 0 &&
            strcmp(l.remote, own.local) == 0)
            peer = l.inode;
    fclose(f);
    return peer;
}

/* -- both ------------------------------------------------------------------ */

struct holders {
    struct why_wait *w;
    int own, own_fd, others;
};

static bool
note(pid_t pid, int fd, int flags, void *arg)
{
    struct holders *h = arg;

    (void)flags;
    if (pid == h->w->pid) {
        h->own++;
        h->own_fd = fd;
    } else {
        why_depends(h->w, pid);
        if (h->others++ < 4)
            why_say(h->w, "%s has the other end, fd %d.", why_who(h->w, pid),
                    fd);
    }
    return true;
}

void
why_socket(struct why_wait *w, int fd, const char *link, bool to_write)
{
    const unsigned long inode =
        strncmp(link, "socket:[", 8) == 0 ? strtoul(link + 8, NULL, 10) : 0;
    struct holders h = {.w = w};
    char other[48];
    uint32_t unix_inode = 0;
    bool is_connected = false;
    unsigned long peer;

    (void)fd;
    w->cause = WHY_OTHERS;
    why_say(w, to_write ? "Its buffer is full: the other end does not read."
                        : "Nothing has come.");
    if (unix_peer((uint32_t)inode, &unix_inode, &is_connected)) {
        peer = unix_inode;
    } else {
        peer = tcp_peer(w->pid, inode);
        if (peer == 0) {
            w->cause = WHY_OUTSIDE; /* another host, or a listener */
            return;
        }
    }
    if (peer == 0) {
        why_say(w, is_connected
                       ? "Its connection has not been accepted yet: accept(2)."
                       : "It is connected to nobody: it listens, or takes from "
                         "anybody.");
        return;
    }
    snprintf(other, sizeof other, "socket:[%lu]", peer);
    why_holders(w, other, note, &h);
    if (h.others == 0 && h.own > 0) {
        w->cause = WHY_ITSELF;
        why_say(w,
                "The other end is pid %d's own fd %d, and nobody else's: "
                "close it after fork().",
                (int)w->pid, h.own_fd);
    } else if (h.others > 0 && h.own > 0) {
        why_say(w,
                "So has pid %d itself, fd %d: if that one closes, no end of "
                "file comes.",
                (int)w->pid, h.own_fd);
    }
}

/* inet.c - IPv4 sockets: where is the server, whose is the other end? */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "inet.h"

#include "core/args.h"
#include "core/rundir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- addresses ------------------------------------------------------------ */

void
inet_text(const struct sockaddr_in *address, char text[INET_TEXT])
{
    inet_ntop(AF_INET, &address->sin_addr, text, INET_TEXT);
    snprintf(text + strlen(text), INET_TEXT - strlen(text), ":%u",
             ntohs(address->sin_port));
}

/* "HOST" or "HOST:PORT".  A name may have to be looked up, in its own time. */
static int
parse(const char *text, struct sockaddr_in *address)
{
    const struct addrinfo hints = {.ai_family = AF_INET,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    struct addrinfo *found;
    char host[256];

    /* getaddrinfo(3) takes 99999 for 34463. */
    if (len >= sizeof host || !args_address(text, false))
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    if (getaddrinfo(host, colon != NULL ? colon + 1 : "0", &hints, &found) != 0)
        return -EHOSTUNREACH;
    memcpy(address, found->ai_addr, sizeof *address);
    freeaddrinfo(found);
    return 0;
}

int
inet_listen_at(struct sockaddr_in *address)
{
    const char *given = getenv(LISTEN_VARIABLE);

    return parse(given != NULL ? given : "127.0.0.1", address);
}

int
inet_publish(const char *name, int socket, struct object_id *file)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    char text[INET_TEXT];
    int fd, err = 0;

    if (getsockname(socket, (struct sockaddr *)&address, &len) == -1)
        return -errno;
    inet_text(&address, text);
    if (unlink(name) == -1 && errno != ENOENT)
        return -errno;
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1)
        return -errno;
    if (dprintf(fd, "%s\n", text) < 0 || fchmod(fd, 0644) == -1)
        err = -errno;
    if (err == 0)
        err = object_id_of(fd, file);
    if (err != 0)
        unlink(name);
    close(fd);
    return err;
}

int
inet_find(const char *where, struct sockaddr_in *address)
{
    char text[INET_TEXT + 1];
    struct stat st;
    ssize_t n = 0;
    int fd, err;

    if (strchr(where, '/') == NULL)
        return strchr(where, ':') != NULL ? parse(where, address) : -EINVAL;
    fd = open(where, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1)
        return -errno;
    err = fstat(fd, &st) == -1 ? -errno : endpoint_trusted(where, st.st_uid);
    if (err == 0)
        n = read(fd, text, sizeof text - 1);
    close(fd);
    if (err != 0)
        return err;
    text[n < 0 ? 0 : n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return parse(text, address) == 0 && address->sin_port != 0 ? 0
                                                               : -ECONNREFUSED;
}

/* -- who owns the socket -------------------------------------------------- */

static int
ask_kernel(const void *request, size_t len, struct inet_diag_msg *answer)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_msg msg;
        char attributes[1024]; /* not wanted, but they come */
    } reply;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    ssize_t n;

    if (fd == -1)
        return -errno;
    /* The kernel answers before send(2) returns. */
    n = send(fd, request, len, 0);
    if (n != -1)
        n = recv(fd, &reply, sizeof reply, MSG_DONTWAIT);
    close(fd);
    if (n < (ssize_t)(sizeof reply.header + sizeof reply.msg) ||
        reply.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return -ENOENT;
    *answer = reply.msg;
    return 0;
}

int
inet_owner(int protocol, const struct sockaddr_in *at,
           const struct sockaddr_in *peer, uid_t *uid, uint32_t *inode)
{
    /* For UDP the kernel takes source and destination the other way round, "for
     * historical reasons": udp_dump_one(). */
    const struct sockaddr_in *source = protocol == IPPROTO_TCP ? at : peer;
    const struct sockaddr_in *destination = protocol == IPPROTO_TCP ? peer : at;
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = AF_INET,
                    .sdiag_protocol = (uint8_t)protocol,
                    .idiag_states = ~UINT32_C(0),
                    .id = {.idiag_sport = source->sin_port,
                           .idiag_dport = destination->sin_port,
                           .idiag_src = {source->sin_addr.s_addr},
                           .idiag_dst = {destination->sin_addr.s_addr},
                           .idiag_cookie = {INET_DIAG_NOCOOKIE,
                                            INET_DIAG_NOCOOKIE}}},
    };
    struct inet_diag_msg answer = {.idiag_inode = 0};
    int err = ask_kernel(&question, sizeof question, &answer);

    if (err != 0)
        return err;
    /* Once its owner has closed it, a connection lives on in the kernel for a
     * while, as nobody's: inode 0, and uid 0, as if it were root's. */
    if (answer.idiag_inode == 0 ||
        (protocol == IPPROTO_TCP && answer.idiag_state != TCP_ESTABLISHED))
        return -ENOENT;
    *uid = answer.idiag_uid;
    *inode = answer.idiag_inode;
    return 0;
}

int
inet_check_server(int protocol, int socket, const char *where)
{
    struct sockaddr_in us, server;
    socklen_t us_len = sizeof us, server_len = sizeof server;
    uint32_t inode;
    uid_t uid;
    int err;

    if (strchr(where, '/') == NULL)
        return 0;
    if (getsockname(socket, (struct sockaddr *)&us, &us_len) == -1 ||
        getpeername(socket, (struct sockaddr *)&server, &server_len) == -1)
        return -errno;
    err = inet_owner(protocol, &server, &us, &uid, &inode);
    if (err != 0) /* nobody's; or we could not ask: no descriptor is left */
        return err == -ENOENT ? -EPERM : err;
    return endpoint_trusted(where, uid);
}

const char *
inet_unavailable(void)
{
    const struct sockaddr_in loopback = {
        .sin_family = AF_INET,
        .sin_port = htons(9), /* nothing is sent there */
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), reachable;

    if (fd == -1)
        return errno == EAFNOSUPPORT ? "no IPv4 (EAFNOSUPPORT)" : NULL;
    reachable =
        connect(fd, (const struct sockaddr *)&loopback, sizeof loopback);
    close(fd);
    return reachable == -1 ? "127.0.0.1 cannot be reached: is lo up?" : NULL;
}

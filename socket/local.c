/* local.c - AF_UNIX sockets: addresses, joining a server, who is there. */
#define _GNU_SOURCE /* struct ucred, accept4 */
#include "local.h"

#include "core/activation.h"
#include "core/ancillary.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- addresses ------------------------------------------------------------ */

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

socklen_t
local_path(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(address->sun_path, path); /* ENDPOINT_SIZE is its size */
    return sizeof *address;
}

/* A name that begins with a NUL is not in the file system.  Its length counts,
 * or the zeros behind it would be part of it: unix(7). */
socklen_t
local_abstract(struct sockaddr_un *address, const char *name)
{
    size_t len = strlen(name);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path + 1, name, len);
    return (socklen_t)(PATH_AT + 1 + len);
}

/* The owner of the name chose its bytes: only what can be printed goes on. */
void
local_text(const struct sockaddr_un *address, socklen_t len,
           char text[ADDRESS_SIZE])
{
    size_t n = len > PATH_AT ? len - PATH_AT : 0;

    strcpy(text, "unnamed");
    if (n == 0 || n > sizeof address->sun_path)
        return;
    if (address->sun_path[0] != '\0')
        n = strnlen(address->sun_path, n);
    for (size_t i = 0; i < n; i++) {
        char ch = address->sun_path[i];

        text[i] = '?';
        if (ch > ' ' && ch <= '~')
            text[i] = ch;
    }
    if (address->sun_path[0] == '\0')
        text[0] = '@';
    text[n] = '\0';
}

/* -- the server's socket -------------------------------------------------- */

/* The mode of a socket file is what the socket's was when bound, less the
 * umask: so there is no moment when others could connect too early. */
static int
bind_to(int socket, const struct sockaddr_un *address, socklen_t len)
{
    const char *path = address->sun_path; /* "": an abstract name */

    /* A dead server's socket file stays, and bind(2) would say EADDRINUSE. */
    if (*path != '\0' &&
        ((unlink(path) == -1 && errno != ENOENT) || fchmod(socket, 0600) == -1))
        return -errno;
    /* For an abstract name EADDRINUSE means that a live process has it, and
     * not one of ours, since we hold the endpoint's lock.  There is no way to
     * take it away. */
    return bind(socket, (const struct sockaddr *)address, len) == -1 ? -errno
                                                                     : 0;
}

/* The activator's, if it has made one: bound, and listening. */
static int
get_socket(int type, const char *path)
{
    int fd = activation_take(type, path);

    if (fd == -ENOENT)
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    else if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd == -1 ? -errno : fd;
}

int
local_listen(int type, const struct sockaddr_un *address, socklen_t len)
{
    const int on = 1;
    const char *path = address->sun_path;
    int fd = get_socket(type, path), err = 0;

    if (fd < 0)
        return fd;
    /* Before bind(2) and listen(2): what comes while nobody asks for
     * credentials has none, and says pid 0, uid 65534.  Connections inherit
     * it from their listener. */
    if (type != SOCK_STREAM &&
        setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1)
        err = -errno;
    /* Nor are any descriptors wanted. */
    ancillary_refuse_descriptors(fd);
    if (err == 0 && activation_owns(path))
        return fd;
    if (err == 0)
        err = bind_to(fd, address, len);
    if (err != 0)
        goto close_socket;
    /* Who connects or sends needs to write to the file: unix(7). */
    if ((type != SOCK_DGRAM && listen(fd, IPC_MAX_CLIENTS) == -1) ||
        (*path != '\0' && chmod(path, 0666) == -1)) {
        err = -errno;
        goto remove_name;
    }
    return fd;

remove_name:
    if (*path != '\0')
        unlink(path);
close_socket:
    close(fd);
    return err;
}

void
local_remove(const char *path, const struct object_id *id)
{
    if (!activation_owns(path))
        object_unlink(AT_FDCWD, path, id);
}

int
local_sweep(const char *name)
{
    return activation_owns(name) ? 0 : endpoint_sweep(name);
}

/* -- the handshake -------------------------------------------------------- */

int
handshake_accept(int listener, int *spare)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd != -1 || (errno != EMFILE && errno != ENFILE))
        return fd;
    /* Our table of descriptors is full, and whoever waits keeps the listener
     * readable: we would spin.  So there is one to spare; not of a file, for a
     * confined server sees neither /dev nor most others. */
    if (*spare != -1)
        close(*spare);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd != -1)
        close(fd);
    *spare = eventfd(0, EFD_CLOEXEC);
    return -1;
}

int
handshake_say(int socket)
{
    const char byte = HANDSHAKE_TAKEN;

    return send(socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0
                                                                    : -EPIPE;
}

int
handshake_wait(int socket, int64_t deadline)
{
    char byte;
    ssize_t n;
    int err;

    do
        err = wait_for(socket, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    n = recv(socket, &byte, 1, MSG_DONTWAIT);
    if (n == 0 || (n == -1 && socket_error(errno) == -EPIPE))
        return -EAGAIN;
    if (n == -1)
        return -errno;
    return byte == HANDSHAKE_TAKEN ? 0 : -EPERM;
}

/* -- who is there --------------------------------------------------------- */

/* What the kernel says instead of a uid that has no number in our user
 * namespace, and instead of a sender that it did not look at: user_namespaces
 * (7), overflowuid. */
#define OVERFLOW_UID 65534

struct ipc_peer
local_peer(const struct ucred *who, enum ipc_evidence evidence)
{
    if (who->pid <= 0 || who->uid == (uid_t)-1 || who->uid == OVERFLOW_UID)
        return IPC_PEER_UNKNOWN;
    return (struct ipc_peer){.pid = who->pid,
                             .uid = who->uid,
                             .gid = who->gid,
                             .evidence = evidence};
}

uid_t
local_owner(int socket)
{
    struct ucred who;
    socklen_t len = sizeof who;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1 ||
        who.uid == OVERFLOW_UID)
        return (uid_t)-1;
    return who.uid;
}

int
local_identify(int socket, struct ipc_peer *peer, char address[ADDRESS_SIZE])
{
    struct sockaddr_un from;
    socklen_t len = sizeof from;
    struct ucred who;
    socklen_t who_len = sizeof who;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &who_len) == -1 ||
        getpeername(socket, (struct sockaddr *)&from, &len) == -1)
        return -errno;
    *peer = local_peer(&who, IPC_PEER);
    local_text(&from, len, address);
    peer->address = address;
    return 0;
}

/* connect(2) waits only while the queue of those who want in is full, as long
 * as SO_SNDTIMEO says: socket(7).  poll(2) cannot wait for that. */
static int
connect_until(int socket, const struct sockaddr_un *address, socklen_t len,
              int64_t deadline)
{
    int err;

    do {
        /* 0 would be for ever; less than a microsecond is 0. */
        struct timespec left = ns_to_timespec(time_left(deadline) + 1000);
        struct timeval limit = {.tv_sec = left.tv_sec,
                                .tv_usec = left.tv_nsec / 1000};

        if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) ==
            -1)
            return -errno;
        err = connect(socket, (const struct sockaddr *)address, len) == -1
                  ? -errno
                  : 0;
    } while (err == -EINTR);
    return err == -EAGAIN ? -ETIMEDOUT : err;
}

/* The server is who called listen(2) there; is it the right one? */
static int
check_server(int socket, const char *where)
{
    struct ucred server;
    socklen_t len = sizeof server;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &server, &len) == -1)
        return -errno;
    return endpoint_trusted(where, server.uid);
}

int
local_join(int type, const struct sockaddr_un *address, socklen_t len,
           const char *where)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), err;

    if (fd == -1)
        return -errno;
    err = connect_until(fd, address, len, deadline);
    if (err == 0)
        err = check_server(fd, where);
    if (err == 0)
        err = handshake_wait(fd, deadline);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

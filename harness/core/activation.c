/* activation.c - what systemd(1) gives a service, and what it wants to hear. */
#define _GNU_SOURCE /* secure_getenv, SOCK_CLOEXEC */
#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FIRST        3          /* SD_LISTEN_FDS_START */
#define MOST         64         /* as many as ipcd has endpoints */
#define MQUEUE_MAGIC 0x19800202 /* statfs(2); not in <linux/magic.h> */

static struct given {
    int fd; /* -1: taken */
    int kind;
    char at[sizeof((struct sockaddr_un *)NULL)->sun_path];
} given[MOST];
static size_t given_count;

/* A number without sign, space or rest; -1. */
static long
number(const char *text)
{
    char *end;
    long value;

    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    value = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : -1;
}

static bool
is_socket(struct given *g)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t len = sizeof address, size = sizeof g->kind;
    int listens = 0;

    if (getsockopt(g->fd, SOL_SOCKET, SO_TYPE, &g->kind, &size) == -1 ||
        getsockname(g->fd, (struct sockaddr *)&address, &len) == -1 ||
        address.sun_family != AF_UNIX ||
        len <= offsetof(struct sockaddr_un, sun_path) ||
        address.sun_path[0] != '/')
        return false;
    size = sizeof listens;
    if (getsockopt(g->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == -1 ||
        listens != (g->kind != SOCK_DGRAM))
        return false;
    snprintf(g->at, sizeof g->at, "%.*s",
             (int)strnlen(address.sun_path, sizeof address.sun_path),
             address.sun_path);
    return true;
}

/* Nobody else may change its mode or read what others write there, and we can.
 * For a FIFO we need a write end of our own, or the activator's end would be
 * the end of file.  And read(2) is to wait: systemd's does not. */
static int
check_file(const struct given *g, const struct stat *st)
{
    int flags = fcntl(g->fd, F_GETFL), mode = flags & O_ACCMODE;

    if (flags == -1)
        return -errno;
    if (st->st_uid != geteuid() || (st->st_mode & 07777 & ~0622u) != 0 ||
        (mode != O_RDWR && (g->kind == ACTIVATION_FIFO || mode != O_RDONLY)))
        return -EPERM;
    return fcntl(g->fd, F_SETFL, flags & ~O_NONBLOCK) == -1 ? -errno : 0;
}

/* Where it is says the kernel: for a queue, "/" and its name.  "(deleted)" at
 * the end is a name that nobody will ask for. */
static int
look_at_file(struct given *g, const struct stat *st)
{
    char link[64];
    struct statfs fs;
    ssize_t n;

    if (S_ISFIFO(st->st_mode))
        g->kind = ACTIVATION_FIFO;
    else if (fstatfs(g->fd, &fs) == 0 && fs.f_type == MQUEUE_MAGIC)
        g->kind = ACTIVATION_QUEUE;
    else
        return -EINVAL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", g->fd);
    n = readlink(link, g->at, sizeof g->at - 1);
    g->at[n < 0 ? 0 : n] = '\0';
    return g->at[0] == '/' ? check_file(g, st) : -EINVAL;
}

static int
look_at(struct given *g, int fd)
{
    struct stat st;

    *g = (struct given){.fd = fd};
    if (fstat(fd, &st) == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return look_at_file(g, &st);
    return is_socket(g) ? 0 : -EINVAL;
}

int
activation_begin(char why[ACTIVATION_WHY])
{
    long pid = number(secure_getenv("LISTEN_PID"));
    long count = number(secure_getenv("LISTEN_FDS"));
    int err = 0;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES"); /* we go by what they are, not by names */
    if (pid != getpid())
        return 0; /* our parent's, and forgotten there */
    if (count < 0 || count > MOST) {
        snprintf(why, ACTIVATION_WHY, "LISTEN_FDS is not a number up to %d",
                 MOST);
        return -EINVAL;
    }
    for (int i = 0; err == 0 && i < count; i++) {
        err = look_at(&given[i], FIRST + i);
        if (err != 0)
            snprintf(why, ACTIVATION_WHY,
                     err == -EPERM
                         ? "descriptor %d: a FIFO or queue must be the "
                           "server's, mode 0622 or less, open for reading (a "
                           "FIFO also for writing): %s"
                         : "descriptor %d is not a listening AF_UNIX socket "
                           "with a path, a FIFO or a POSIX queue: %s",
                     FIRST + i, strerror(-err));
        given_count += err == 0;
    }
    return err;
}

static struct given *
find(const char *at)
{
    for (size_t i = 0; i < given_count; i++)
        if (strcmp(given[i].at, at) == 0)
            return &given[i];
    return NULL;
}

int
activation_take(int kind, const char *at)
{
    struct given *g = find(at);
    int fd;

    if (g == NULL || g->fd == -1)
        return -ENOENT;
    if (g->kind != kind)
        return -EPROTOTYPE;
    fd = g->fd;
    g->fd = -1;
    return fd;
}

bool
activation_owns(const char *at)
{
    return find(at) != NULL;
}

uint64_t
activation_taken(void)
{
    uint64_t taken = 0;

    for (size_t i = 0; i < given_count; i++)
        taken |= (uint64_t)(given[i].fd == -1) << i;
    return taken;
}

const char *
activation_left(uint64_t taken)
{
    for (size_t i = 0; i < given_count; i++)
        if (given[i].fd != -1 && !(taken >> i & 1))
            return given[i].at;
    return NULL;
}

void
activation_close_left(void)
{
    for (size_t i = 0; i < given_count; i++)
        if (given[i].fd != -1)
            close(given[i].fd);
}

void
activation_notify(const char *state)
{
    const char *where = secure_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = where != NULL ? strlen(where) : 0;
    int fd;

    if (len < 2 || len >= sizeof address.sun_path ||
        (*where != '/' && *where != '@'))
        return;
    memcpy(address.sun_path, where, len);
    if (*where == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return;
    sendto(fd, state, strlen(state), MSG_NOSIGNAL,
           (const struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

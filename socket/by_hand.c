/* by_hand.c - sockets made, bound and connected by hand. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "by_hand.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>

void
expect_error(ssize_t result, int error)
{
    ck_assert_int_eq(result, -1);
    ck_assert_str_eq(strerror(errno), strerror(error));
}

int
connect_to(const char *where, int type)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, where);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, len), 0);
    if (type != SOCK_DGRAM)
        ck_assert_int_eq(handshake_wait(fd, deadline_in(CALL_TIMEOUT)), 0);
    return fd;
}

int
connect_only(const struct ipc_mechanism *m, const char *where)
{
    const bool tcp = strcmp(m->name, "socket/tcp") == 0;
    const bool abstract = strcmp(m->name, "socket/abstract") == 0;
    struct sockaddr_un local;
    struct sockaddr_in inet;
    socklen_t len =
        abstract ? local_abstract(&local, where) : local_path(&local, where);
    int type = m->caps & IPC_BOUNDARIES ? SOCK_SEQPACKET : SOCK_STREAM;
    int fd = socket(tcp ? AF_INET : AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (tcp) {
        inet = server_address(where);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&inet, sizeof inet), 0);
    } else {
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&local, len), 0);
    }
    return fd;
}

int
bind_to(const struct sockaddr_un *address, socklen_t len, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)address, len), 0);
    if (type != SOCK_DGRAM)
        ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

int
bind_path(const char *path, int type)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, path);

    return bind_to(&address, len, type);
}

struct sockaddr_in
server_address(const char *where)
{
    struct sockaddr_in at;

    ck_assert_int_eq(inet_find(where, &at), 0);
    return at;
}

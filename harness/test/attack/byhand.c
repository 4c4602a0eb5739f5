/* byhand.c - sockets by hand, and a user who is root at home. */
#define _GNU_SOURCE /* unshare, accept4 */
#include "test/attack/attack.h"

#include "../../../socket/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- AF_UNIX -------------------------------------------------------------- */

int
bind_local(const char *path, int type)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    MUST(fd != -1);
    MUST(bind(fd, (struct sockaddr *)&address, len) == 0);
    MUST(chmod(path, 0666) == 0);
    return fd;
}

void
connect_at(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, path);

    MUST(connect(fd, (struct sockaddr *)&address, len) == 0);
}

int
connect_local(const char *path, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    MUST(fd != -1);
    connect_at(fd, path);
    return fd;
}

void
wait_for_handshake(int fd)
{
    char byte;

    MUST(recv(fd, &byte, 1, 0) == 1);
}

int
connect_and_enter(const char *path, int type)
{
    int fd = connect_local(path, type);

    wait_for_handshake(fd);
    return fd;
}

/* -- 127.0.0.1 ------------------------------------------------------------ */

struct sockaddr_in
loopback(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

struct sockaddr_in
address_in(const char *where)
{
    struct sockaddr_in at = loopback();
    FILE *in = fopen(where, "re");
    unsigned port;

    MUST(in != NULL && fscanf(in, "127.0.0.1:%u", &port) == 1);
    fclose(in);
    at.sin_port = htons((in_port_t)port);
    return at;
}

int
make_bound(int type, int reuse, const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    MUST(fd != -1);
    MUST(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
    if (bind(fd, (const struct sockaddr *)at, sizeof *at) == 0)
        return fd;
    close(fd);
    return -errno;
}

struct sockaddr_in
address_of(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    MUST(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    return at;
}

/* -- a false server ------------------------------------------------------- */

bool
is_told_something(int listener)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char bytes[4096];

    send(client, "+", 1, MSG_NOSIGNAL);
    return recv(client, bytes, sizeof bytes, 0) > 0;
}

void
tell_a_secret(void *where)
{
    const struct api_value secret = {.at = SECRET, .len = strlen(SECRET)};
    struct client c;

    if (client_open(&c, ipc_find(this_attack->mechanism), where) != 0)
        return;
    client_send(&c, api_by_name("hello"), &secret, NULL, ATTACK_TIMEOUT);
    client_close(&c);
}

/* -- namespaces ----------------------------------------------------------- */

static void
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    MUST(fd != -1);
    MUST(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

void
become_root_of(int spaces)
{
    char map[64];

    snprintf(map, sizeof map, "0 %u 1", geteuid());
    MUST(unshare(CLONE_NEWUSER | spaces) == 0);
    write_text("/proc/self/uid_map", map);
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/gid_map", map);
}

const char *
user_spaces_missing(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        become_user(BOB);
        _exit(unshare(CLONE_NEWUSER) == -1);
    }
    if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
        return "an ordinary user can have no user namespace here";
    return NULL;
}

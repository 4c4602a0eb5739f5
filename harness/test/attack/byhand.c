/* byhand.c - AF_UNIX sockets by hand, and a user who is root at home. */
#define _GNU_SOURCE /* unshare, SOCK_CLOEXEC */
#include "test/attack/attack.h"

#include "../../../socket/local.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
wait_for_welcome(int fd)
{
    char byte;

    MUST(recv(fd, &byte, 1, 0) == 1);
}

int
connect_and_enter(const char *path, int type)
{
    int fd = connect_local(path, type);

    wait_for_welcome(fd);
    return fd;
}

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

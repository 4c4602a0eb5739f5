/* scratch.c - a directory for one run, and what a killed one has left. */
#define _GNU_SOURCE /* mkdtemp, SOCK_CLOEXEC, O_DIRECTORY */
#include "core/scratch.h"

#include "core/defence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const kinds[] = {"attack", "bench", "isolate"};
#define KINDS (sizeof kinds / sizeof *kinds)

static const char *
base_at(int i)
{
    static const char *const bases[] = {"/tmp", "/var/tmp", "/dev/shm", NULL};
    const char *wish = getenv("TMPDIR");

    if (i > 0)
        return bases[i - 1];
    return wish != NULL && wish[0] == '/' ? wish : "/tmp";
}

/* -- one directory --------------------------------------------------------- */

/* May everybody go through it, and through all above it? */
static bool
lets_others_through(const char *path)
{
    char above[SCRATCH_SIZE];
    struct stat st;

    snprintf(above, sizeof above, "%s", path);
    for (char *end; stat(above, &st) == 0 && (st.st_mode & S_IXOTH) != 0;
         *end = '\0') {
        end = strrchr(above, '/');
        if (end == NULL || end == above)
            return true;
    }
    return false;
}

static int
lock_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
        err = 0;

    if (fd == -1)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == -1)
        err = -errno;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

/* In this very base. */
static int
make_in(const char *base, const char *what, char dir[SCRATCH_SIZE])
{
    int len = snprintf(dir, SCRATCH_SIZE, "%s/ipclab-%s-XXXXXX", base, what),
        fd;

    if (len >= SCRATCH_SIZE)
        return -ENAMETOOLONG;
    if (mkdtemp(dir) == NULL)
        return -errno;
    /* As long as nobody else can open it.  Others may go through it later, not
     * read it: who may read a directory may also lock it, and then the next
     * sweep takes somebody to be at work (flock(2)); or keeps it from being
     * changed (getdents(2), rundir.c). */
    fd = lock_directory(dir);
    if (fd >= 0 && fchmod(fd, DEFENCE("search", 0711, 0755)) == -1) {
        close(fd);
        fd = -errno;
    }
    if (fd < 0)
        rmdir(dir);
    return fd;
}

int
scratch_make(const char *what, bool others, char dir[SCRATCH_SIZE])
{
    int err = -ENOENT;

    for (int i = 0; base_at(i) != NULL; i++) {
        int fd = strlen(base_at(i)) >= SCRATCH_SIZE ? -ENAMETOOLONG
                 : others && !lets_others_through(base_at(i))
                     ? -EACCES
                     : make_in(base_at(i), what, dir);

        if (fd >= 0)
            return fd;
        if (i == 0 || err == -ENOENT) /* it says the most */
            err = fd;
    }
    dir[0] = '\0';
    return err;
}

/* How many are open at a time.  What is deeper is moved up, and is what is next:
 * somebody may have made it deeper than there are descriptors. */
#define DEEPEST 64

struct emptying {
    int top;
    unsigned tried, moved;
};

/* A directory to be gone into; -1.  Its owner may have kept himself out. */
static int
go_into(int dir, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int below = openat(dir, name, flags);

    if (below == -1 && errno == EACCES &&
        fchmodat(dir, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        below = openat(dir, name, flags);
    return below;
}

static void
move_up(struct emptying *e, int dir, const char *name)
{
    char to[32];

    snprintf(to, sizeof to, "deep-%u", e->tried++);
    if (DEFENCE("deep", renameat(dir, name, e->top, to), -1) == 0)
        e->moved++;
}

/* By descriptors, not by paths: other users may have names in there, and a path
 * that was a directory of theirs a moment ago is a link to /etc now. */
static void
empty(struct emptying *all, int dir, int depth)
{
    DIR *d = fdopendir(dir);
    struct dirent *e;
    int below;

    if (d == NULL) {
        close(dir);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            unlinkat(dirfd(d), e->d_name, 0) == 0)
            continue;
        if (depth == DEEPEST && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR)) {
            move_up(all, dirfd(d), e->d_name);
            continue;
        }
        below = go_into(dirfd(d), e->d_name);
        if (below != -1)
            empty(all, below, depth + 1);
        unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    }
    closedir(d);
}

void
scratch_remove(const char *dir)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct emptying e = {.top = open(dir, flags)};
    unsigned before = 0;

    /* Twice at least: such a name may have been there. */
    for (int i = 0; i < 2 || e.moved > before; i++) {
        const int fd = openat(e.top, ".", flags);

        before = e.moved;
        if (fd != -1)
            empty(&e, fd, 0);
    }
    if (e.top != -1)
        close(e.top);
    rmdir(dir);
}

/* -- with a keeper --------------------------------------------------------- */

/* What it says to the program is the directory's name; none: it has failed. */
static _Noreturn void
keep(int socket, const char *what, bool others)
{
    char dir[SCRATCH_SIZE] = "", byte;
    int lock;

    setsid();
    signal(SIGPIPE, SIG_IGN);
    lock = scratch_make(what, others, dir);
    errno = lock < 0 ? -lock : 0;
    if (lock < 0)
        _exit(errno);
    if (write(socket, dir, sizeof dir) == (ssize_t)sizeof dir)
        while (read(socket, &byte, 1) == -1 && errno == EINTR)
            continue;
    scratch_remove(dir);
    _exit(0);
}

static int
reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return -ECHILD;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

int
scratch_begin(struct scratch *p, const char *what, bool others)
{
    int ends[2], err;
    ssize_t n;

    *p = (struct scratch){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        return -errno;
    p->keeper = fork();
    err = p->keeper == -1 ? -errno : 0;
    if (p->keeper == 0) {
        close(ends[1]); /* or it would wait for itself */
        keep(ends[0], what, others);
    }
    close(ends[0]);
    p->socket = ends[1];
    do
        n = err == 0 ? read(ends[1], p->dir, sizeof p->dir) : -1;
    while (err == 0 && n == -1 && errno == EINTR);
    if (n == (ssize_t)sizeof p->dir)
        return 0;
    close(ends[1]);
    p->socket = -1;
    p->dir[0] = '\0';
    return err != 0 ? err : reap(p->keeper);
}

void
scratch_end(struct scratch *p)
{
    if (p->socket == -1)
        return;
    close(p->socket);
    p->socket = -1;
    reap(p->keeper);
    p->dir[0] = '\0';
}

/* -- what a killed one has left -------------------------------------------- */

static bool
sweep_one(const char *dir, void (*sweep)(const char *dir))
{
    struct stat st;
    int lock = lock_directory(dir);
    bool ours = lock >= 0 && fstat(lock, &st) == 0 && st.st_uid == geteuid();

    if (ours) {
        sweep(dir);
        scratch_remove(dir);
    }
    if (lock >= 0)
        close(lock);
    return ours;
}

static int
sweep_in(const char *base, const char *kind, void (*sweep)(const char *dir))
{
    char pattern[SCRATCH_SIZE + 32];
    glob_t found;
    int n = 0;

    snprintf(pattern, sizeof pattern, "%.60s/ipclab-%s-??????", base, kind);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        n += sweep_one(found.gl_pathv[i], sweep);
    globfree(&found);
    return n;
}

int
scratch_sweep(void (*sweep)(const char *dir))
{
    int n = 0;

    for (int i = 0; base_at(i) != NULL; i++)
        for (size_t k = 0; k < KINDS; k++)
            n += sweep_in(base_at(i), kinds[k], sweep);
    return n;
}

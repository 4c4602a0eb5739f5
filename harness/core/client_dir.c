/* client_dir.c - NAME.d, where clients make names of their own
 * (rendezvous.h). */
#define _GNU_SOURCE /* O_DIRECTORY, O_NOFOLLOW, close_range, pipe2 */
#include "rendezvous.h"

#include "activation.h"
#include "clock.h"
#include "defence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Names that are removed in one turn of the server, and when it starts or
 * stops: some 100 us, some 10 ms.  Only who sweeps has all the time it
 * takes. */
#define SLICE   64
#define AT_ONCE 4096

/* For so long, ms, nobody need see anything removed, before one gives up
 * waiting for the process that removes: when a server starts, when it ends, for
 * who sweeps.  And at most so long, ns. */
#define MOMENT  100
#define LONGER  1000
#define LONGEST (10 * NS_PER_SEC)

#define AWAY     ".d-" /* NAME.d-0123abcd: was NAME.d */
#define MODE_ALL 01733 /* sticky: nobody removes another's; not to be read */
#define MODE_OWN 0700

/* -- a little at a time ---------------------------------------------------- */

struct slice {
    unsigned left; /* names that may still be looked at */
    bool progress; /* something has been removed, or moved to where it can be */
};

static void
random_name(const char *prefix, char *name, size_t size)
{
    uint32_t random = 0;

    (void)!getrandom(&random, sizeof random, 0);
    snprintf(name, size, "%s%08x", prefix, random);
}

/* The next name in there, but "." and ".."; NULL: no more, or the slice is
 * used up. */
static const char *
next_name(DIR *d, struct slice *slice)
{
    struct dirent *entry;

    while (slice->left > 0 && (entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        slice->left--;
        return entry->d_name;
    }
    return NULL;
}

/* Takes what is in a stranger's directory out of it, up to ours: so however
 * deep they are, one is never inside more than one of them. */
static void
flatten(int dir, const char *name, struct slice *slice)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const char *entry;
    char to[32];
    DIR *d;

    if (fd == -1)
        return;
    /* Ours, so that nobody puts more there meanwhile. */
    if (fchown(fd, geteuid(), (gid_t)-1) == -1 || fchmod(fd, MODE_OWN) == -1 ||
        (d = fdopendir(fd)) == NULL) {
        close(fd);
        return;
    }
    while ((entry = next_name(d, slice)) != NULL) {
        random_name("moved-", to, sizeof to);
        if (unlinkat(fd, entry, 0) == 0 || renameat(fd, entry, dir, to) == 0)
            slice->progress = true;
    }
    closedir(d);
}

/* Removes what is in there.  Never through a link: whatever the names are,
 * unlinkat(2) removes names only. */
static void
empty(int dir, struct slice *slice)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd != -1 ? fdopendir(fd) : NULL;
    const char *entry;

    if (d == NULL) {
        if (fd != -1)
            close(fd);
        return;
    }
    while ((entry = next_name(d, slice)) != NULL)
        if (unlinkat(dir, entry, 0) == 0 ||
            unlinkat(dir, entry, AT_REMOVEDIR) == 0)
            slice->progress = true;
        else if (errno == ENOTEMPTY || errno == EEXIST)
            flatten(dir, entry, slice);
    closedir(d);
}

/* 1 = it is gone, 0 = there is more in it, or -errno: it cannot be removed. */
static int
remove_some(const char *path, unsigned limit)
{
    struct slice slice = {.left = limit};
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    int err;

    if (dir == -1 && (errno == ENOTDIR || errno == ELOOP) && unlink(path) == 0)
        return 1; /* no directory, but a name of ours all the same */
    if (dir == -1)
        return errno == ENOENT ? 1 : -errno;
    err = fstat(dir, &st) == -1 ? -errno : 0;
    if (err == 0 && DEFENCE("sweep", st.st_uid != geteuid(), false))
        err = -EPERM;
    /* Nobody puts more there meanwhile. */
    if (err == 0 && fchmod(dir, DEFENCE("closed", MODE_OWN, MODE_ALL)) == -1)
        err = -errno;
    while (err == 0) { /* again, for what has been moved up meanwhile */
        slice.progress = false;
        empty(dir, &slice);
        if (rmdir(path) == 0 || errno == ENOENT) /* by another one */
            err = 1;
        else if (errno != ENOTEMPTY && errno != EEXIST)
            err = -errno;
        else if (slice.left == 0)
            break;
        else if (!slice.progress)
            err = -ENOTEMPTY;
    }
    close(dir);
    return err;
}

/*
 * To remove a name is to wait for the lock of what it names: unlink(2),
 * rmdir(2); and that its owner can keep, in a write(2) of memory that never
 * comes.  So a process of its own waits, which nobody else waits for but a
 * moment; and has nothing else open, for what it has open nobody could close.
 * Each byte from it says that it gets on: 0; or why not, an errno.
 */
static void
remove_all(const char *path)
{
    uint8_t why = 0;
    int n;

    signal(SIGPIPE, SIG_IGN); /* nobody waits for us any more */
    do {
        n = remove_some(path, AT_ONCE);
        why = n < 0 ? (uint8_t)-n : 0;
        (void)!write(STDIN_FILENO, &why, 1);
    } while (n == 0);
}

/* 1 = it is gone, 0 = there is more in it, and the other process is at it, or
 * -errno: it cannot be removed. */
static int
wait_for_removal(int from, int moment)
{
    struct pollfd end = {.fd = from, .events = POLLIN};
    int64_t deadline = deadline_in(LONGEST);
    uint8_t why = EAGAIN; /* it could not even begin */

    while (poll(&end, 1, moment) == 1 && time_left(deadline) > 0)
        if (read(from, &why, 1) != 1)
            return why == 0 ? 1 : -(int)why;
    return 0;
}

/* *apart: false if there can be no such process. */
static int
remove_apart(const char *path, int moment, bool *apart)
{
    int ends[2], result;
    pid_t pid;

    *apart = false;
    if (pipe2(ends, O_CLOEXEC) == -1)
        return -errno;
    pid = fork();
    if (pid == 0) { /* its child is nobody's: nobody need wait for that */
        prctl(PR_SET_NAME, "ipcd-remover");
        if (fork() == 0 && dup2(ends[1], STDIN_FILENO) != -1 &&
            close_range(STDIN_FILENO + 1, ~0u, 0) == 0)
            remove_all(path);
        _exit(0);
    }
    result = -errno;
    close(ends[1]);
    if (pid != -1) {
        *apart = true;
        while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
            continue;
        result = wait_for_removal(ends[0], moment);
    }
    close(ends[0]);
    return result;
}

/* Out of the way: whatever is in it, its name is in a directory of ours.  1, 0:
 * there was none, -errno. */
static int
move_away(const char *name, char aside[ENDPOINT_SIZE])
{
    char dir[ENDPOINT_SIZE], suffix[32];
    int err = endpoint_file(name, ".d", dir);

    random_name(AWAY, suffix, sizeof suffix);
    if (err == 0)
        err = endpoint_file(name, suffix, aside);
    if (err == 0 && rename(dir, aside) == 0)
        return 1;
    aside[0] = '\0';
    return err != 0 || errno == ENOENT ? err : -errno;
}

/* The same for all who remove; where one cannot fork, a little at a time:
 * -EAGAIN, there is more. */
static int
remove_old(const char *path, int moment)
{
    bool apart = DEFENCE("apart", true, false);
    int err = apart ? remove_apart(path, moment, &apart) : 0;

    if (!apart)
        err = remove_some(path, AT_ONCE);
    return !apart && err == 0 ? -EAGAIN : err;
}

/* -- the server's ---------------------------------------------------------- */

/* It is this one from now on, if it is ours alone to give. */
static int
take_dir(struct client_dir *d, const char *path, bool made)
{
    struct stat st;

    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->fd == -1 || fstat(d->fd, &st) == -1)
        return -errno;
    d->id = (struct object_id){.dev = st.st_dev, .ino = st.st_ino};
    if (st.st_uid != geteuid())
        return -EPERM;
    /* Only root can open other users' 0600 objects, so only root invites
     * them. */
    if (made && fchmod(d->fd, geteuid() == 0 ? MODE_ALL : MODE_OWN) == -1)
        return -errno;
    return 0;
}

int
client_dir_make(struct client_dir *d, const char *name)
{
    char path[ENDPOINT_SIZE];
    bool given = activation_owns(name), made;
    int err = endpoint_file(name, ".d", path);

    *d = (struct client_dir){.fd = -1};
    if (err != 0)
        return err;
    /* The activator's: what is in there is of clients who wait for us. */
    if (!given) {
        err = move_away(name, d->old);
        if (err < 0)
            return err;
        if (err == 1 && remove_old(d->old, MOMENT) != -EAGAIN)
            d->old[0] = '\0'; /* what cannot be removed sweep says */
    }
    made = mkdir(path, MODE_OWN) == 0;
    if (!made && !(given && errno == EEXIST))
        return -errno;
    err = take_dir(d, path, made);
    if (err != 0)
        client_dir_remove(d, name);
    return err;
}

void
client_dir_tidy(struct client_dir *d)
{
    if (d->old[0] != '\0' && remove_some(d->old, SLICE) != 0)
        d->old[0] = '\0'; /* gone; or it cannot be removed: sweep says so */
}

void
client_dir_remove(struct client_dir *d, const char *name)
{
    char path[ENDPOINT_SIZE];
    struct stat st;

    if (d->fd != -1)
        close(d->fd);
    d->fd = -1;
    if (activation_owns(name) || endpoint_file(name, ".d", path) != 0 ||
        lstat(path, &st) == -1 || st.st_dev != d->id.dev ||
        st.st_ino != d->id.ino)
        return;
    if (rmdir(path) == 0)
        return;
    if (move_away(name, d->old) == 1)
        remove_old(d->old, LONGER);
}

/* -- sweeping -------------------------------------------------------------- */

/* All that this endpoint's servers have moved away. */
static int
sweep_moved(const char *name)
{
    char base[ENDPOINT_SIZE], dir[ENDPOINT_SIZE], path[ENDPOINT_SIZE];
    const char *last = strrchr(name, '/');
    int err = endpoint_file(last != NULL ? last + 1 : name, AWAY, base);
    struct dirent *entry;
    int removed = 0;
    DIR *d;

    if (err != 0)
        return err;
    snprintf(dir, sizeof dir, "%.*s", last != NULL ? (int)(last - name) : 1,
             last != NULL ? name : ".");
    d = opendir(dir);
    if (d == NULL)
        return errno == ENOENT ? 0 : -errno;
    while ((entry = readdir(d)) != NULL) {
        int n;

        if (strncmp(entry->d_name, base, strlen(base)) != 0)
            continue;
        n = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof path)
            continue;
        do
            n = remove_old(path, LONGER);
        while (n == -EAGAIN);
        if (n <= 0)
            err = n == 0 ? -EBUSY : n;
        else
            removed = 1;
    }
    closedir(d);
    return err != 0 ? err : removed;
}

int
client_dir_sweep(const char *name)
{
    char old[ENDPOINT_SIZE];
    int moved, swept;

    if (activation_owns(name))
        return 0;
    moved = move_away(name, old);
    if (moved < 0)
        return moved;
    swept = sweep_moved(name);
    return swept < 0 ? swept : moved || swept;
}

/* boxes.c - all the boxes of a server: who comes, who goes. */
#define _GNU_SOURCE /* O_PATH */
#include "boxes.h"

#include "core/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- sweep, make, remove -------------------------------------------------- */

int
boxes_sweep(const char *name)
{
    char dir_name[ENDPOINT_SIZE];
    struct dirent *entry;
    int removed =
        bell_unlink(name, "", "bell") + bell_unlink(name, "", "knock");
    int err = endpoint_file(name, ".d", dir_name);
    DIR *dir;

    if (err != 0)
        return err;
    dir = opendir(dir_name);
    if (dir == NULL && errno != ENOENT)
        return -errno;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            box_remove_names(name, dirfd(dir), entry->d_name);
            unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
    if (dir != NULL)
        closedir(dir);
    removed += rmdir(dir_name) == 0;
    removed += unlink(name) == 0;
    return removed > 0;
}

/* The two semaphores that all clients post.  The umask would take others'
 * permission to do so. */
static int
make_bells(struct boxes *b, mode_t mode)
{
    mode_t mask = umask(0);
    int err = 0;

    b->bell = bell_make(b->name, "", "bell", mode);
    if (b->bell != SEM_FAILED)
        b->knock = bell_make(b->name, "", "knock", mode);
    if (b->knock == SEM_FAILED) /* there, and not ours to sweep: EPERM */
        err = errno == EEXIST ? -EPERM : -errno;
    umask(mask);
    return err;
}

int
boxes_make(struct boxes *b, const char *name)
{
    /* Only root can open other users' letters, so only root invites them. */
    const bool everybody = geteuid() == 0;
    char dir_name[ENDPOINT_SIZE];
    int err = boxes_sweep(name);

    if (err < 0)
        return err;
    b->dir = -1;
    b->bell = b->knock = SEM_FAILED;
    strcpy(b->name, name);
    endpoint_file(name, ".d", dir_name);
    b->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (b->fd == -1)
        return -errno;
    err = life_lock(b->fd, SERVER);
    if (err == 0 && mkdir(dir_name, 0700) == -1)
        err = -errno;
    if (err == 0)
        err = make_bells(b, everybody ? 0666 : 0600);
    if (err == 0)
        b->dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Sticky: nobody removes or renames another's letter (inode(7)). */
    if (err == 0 &&
        (b->dir == -1 || (everybody && (fchmod(b->dir, 01777) == -1 ||
                                        fchmod(b->fd, 0644) == -1))))
        err = -errno;
    if (err != 0)
        boxes_remove(b);
    return err;
}

void
boxes_remove(struct boxes *b)
{
    for (struct session *i = b->sessions; i < b->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->box.fd != 0)
            boxes_drop(i);
    bell_close(b->bell);
    bell_close(b->knock);
    if (b->dir != -1)
        close(b->dir);
    boxes_sweep(b->name);
    close(b->fd);
}

/* -- who goes ------------------------------------------------------------- */

void
boxes_drop(struct session *i)
{
    close(i->box.fd);
    sem_post(i->box.back);
    bell_close(i->box.full);
    bell_close(i->box.back);
    *i = (struct session){.generation = i->generation + 1};
}

void
boxes_reap(struct boxes *b)
{
    for (struct session *i = b->sessions; i < b->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->box.fd != 0 && !life_locked(i->box.fd, CLIENT))
            boxes_drop(i);
}

static struct session *
free_session(struct boxes *b)
{
    boxes_reap(b);
    for (struct session *i = b->sessions; i < b->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->box.fd == 0)
            return i;
    return NULL;
}

static bool
has_his_share(const struct boxes *b, uid_t uid)
{
    size_t has = 0;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        has += b->sessions[i].box.fd != 0 && b->sessions[i].peer.uid == uid;
    return share_spent(uid, has, IPC_MAX_CLIENTS);
}

/* -- who comes ------------------------------------------------------------ */

/* Opens a letter if it is its owner's: O_PATH takes hold of the inode without
 * opening it, so what is checked is what is opened. */
static int
open_letter(struct boxes *b, const char *file, uid_t claimed,
            struct ipc_peer *peer)
{
    char again[32];
    int fd, path = openat(b->dir, file, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (path == -1)
        return -errno;
    fd = owner_check_fd(path, S_IFREG, claimed, peer);
    if (fd == 0) {
        snprintf(again, sizeof again, "/proc/self/fd/%d", path);
        fd = open(again, O_RDWR | O_CLOEXEC);
        if (fd == -1)
            fd = -errno;
    }
    close(path);
    return fd;
}

/* A letter that has not been looked at yet: somebody would like to join. */
static void
join(struct boxes *b, const char *file)
{
    struct session new = {.box.fd = 0}, *room = free_session(b);
    struct letter_head head = {.mark = LETTER_FULL};
    unsigned uid, pid, serial;
    int err;

    if (sscanf(file, "%u.%u.%u", &uid, &pid, &serial) != 3)
        return;
    new.box.fd = open_letter(b, file, uid, &new.peer);
    if (new.box.fd < 0)
        return;
    new.peer.pid = (pid_t)pid; /* so he says; only a name */
    new.box.full = bell_open(b->name, file, "full");
    new.box.back = bell_open(b->name, file, "back");
    if (new.box.full == SEM_FAILED || new.box.back == SEM_FAILED)
        err = -ENOENT;
    else
        err = nonce_make(new.box.nonce);
    if (has_his_share(b, new.peer.uid))
        room = NULL;
    if (err == 0 && room != NULL) {
        head.mark = LETTER_REPLY;
        memcpy(head.nonce, new.box.nonce, NONCE_SIZE);
        err = life_lock(new.box.fd, SERVER);
    }
    if (err == 0)
        err = letter_put(new.box.fd, &head, NULL);
    if (err == 0 && sem_post(new.box.back) == 0 && room != NULL) {
        new.generation = room->generation;
        *room = new;
    } else {
        box_close(&new.box);
    }
}

/* The directory is the list of those who wait to join: each letter is looked
 * at once, and loses its name. */
void
boxes_admit(struct boxes *b)
{
    int fd = openat(b->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd != -1 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (dir == NULL && fd != -1)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') { /* those are not finished yet */
            join(b, entry->d_name);
            box_remove_names(b->name, b->dir, entry->d_name);
        }
    if (dir != NULL)
        closedir(dir);
}

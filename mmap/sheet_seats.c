/*
 * sheet_seats.c - who comes to a server of sheets, and who goes (sheet.h).
 *
 *      client                                  server
 *      PID.SERIAL, mode 0
 *      locks bytes 0 and 2, writes the head
 *      mode 0600: ready      ------------->    looks at names, owners, modes
 *                                              opens it, takes the name away
 *                                              locks byte 1
 *      reads the head        <-------------    nonce, then verdict
 *
 * Nobody wakes the server for a newcomer, so it looks every SHEET_SLICE.
 */
#define _GNU_SOURCE /* O_NOFOLLOW, fstatat */
#include "sheet.h"

#include "core/clock.h"
#include "core/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long newcomers may have to wait at most, ns; ipc_open_timeout is 2 s. */
#define REST_MAX (100 * NS_PER_MS)

void
sheet_leave(struct sheet_server *s, struct sheet_seat *seat)
{
    sheet_let_go(&seat->sheet);
    seat->used = seat->owed = false;
    seat->generation++;
    s->seated--;
    if (s->noticed == seat)
        s->noticed = NULL;
}

/* For one more client of this user; NULL: none. */
static struct sheet_seat *
free_seat(struct sheet_server *s, uid_t uid)
{
    struct sheet_seat *free = NULL;
    size_t has = 0;

    for (struct sheet_seat *i = s->seats; i < s->seats + IPC_MAX_CLIENTS; i++) {
        if (!i->used)
            free = free == NULL ? i : free;
        else if (i->peer.uid == uid)
            has++;
    }
    return share_spent(uid, has, IPC_MAX_CLIENTS) ? NULL : free;
}

/* Is this a sheet that a living client of that uid has prepared for us?  Then
 * the second place at its baton is ours. */
static bool
is_proper(const struct sheet_server *s, int fd, struct sheet_seat *new)
{
    struct sheet_head head;
    struct stat st;

    /* A file that is mapped must be there to its end. */
    return fstat(fd, &st) == 0 &&
           (s->kind->hold == NULL ||
            st.st_size == (off_t)sheet_size(s->kind)) &&
           pread(fd, &head, sizeof head, 0) == sizeof head &&
           head.mark == SHEET_MARK &&
           owner_check_fd(fd, S_IFREG, head.uid, &new->peer) == 0 &&
           baton_second(&new->baton, fd) == 0;
}

/* The nonce, and then the verdict: who has read that can read the other. */
static int
answer(int fd, const struct sheet_seat *seat)
{
    const uint32_t verdict = seat != NULL ? SHEET_WELCOME : SHEET_FULL;

    if (seat != NULL &&
        !sheet_write_head(fd, offsetof(struct sheet_head, nonce), seat->nonce,
                          NONCE_SIZE))
        return -EIO;
    if (!sheet_write_head(fd, offsetof(struct sheet_head, verdict), &verdict,
                          sizeof verdict))
        return -EIO;
    return seat != NULL ? 0 : -EAGAIN;
}

/* Could it be one?  A client sets mode 0600 when all is ready, so others are
 * not even opened: there is no telling what that costs (LOCKS,
 * sheet_server.c). */
static bool
looks_ready(int dir, const char *name, bool everybody)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600 &&
           (everybody || st.st_uid == geteuid());
}

static void
admit(struct sheet_server *s, const char *name)
{
    struct sheet_seat *seat = NULL, new = {.used = true};
    /* Whatever it may be by now, opening it does not make us wait: not for a
     * FIFO's other end, nor for a lease that its owner has taken (fcntl(2)). */
    int fd = s->kind->store->open(
        name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    int err;

    if (fd == -1)
        return;
    new.sheet = (struct sheet){.fd = fd};
    err = is_proper(s, fd, &new) ? 0 : -EPERM;
    /* Both have it open, nobody else is to find it: neither we, at the next
     * look, nor the next server, should we all crash.  And what is not proper
     * need not be looked at twice. */
    s->kind->store->unlink(name);
    if (err == 0)
        seat = free_seat(s, new.peer.uid);
    if (seat != NULL) {
        new.sheet.map = s->maps + (seat - s->seats);
        err = sheet_hold(s->kind, &new.sheet);
    }
    if (err == 0)
        err = nonce_make(new.nonce);
    if (err == 0)
        err = answer(fd, seat != NULL ? &new : NULL);
    if (err == 0 && seat != NULL) {
        new.generation = seat->generation;
        *seat = new;
        s->seated++;
    } else {
        sheet_let_go(&new.sheet);
    }
}

void
sheet_scan(struct sheet_server *s)
{
    size_t len = strlen(s->names.prefix);
    char name[ENDPOINT_SIZE + NAME_MAX + 1];
    int64_t begin = now_ns(), rest;
    struct dirent *entry;
    DIR *dir = opendir(s->names.dir);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, s->names.prefix, len) != 0 ||
            !looks_ready(dirfd(dir), entry->d_name, s->everybody))
            continue;
        snprintf(name, sizeof name, "%s%s", s->names.base, entry->d_name + len);
        admit(s, name);
    }
    if (dir != NULL)
        closedir(dir);
    /* At most a twentieth of our time, even if somebody has put a million
     * names there; but nobody may make the others wait at the door until they
     * go. */
    rest = SHEET_SLICE + 20 * (now_ns() - begin);
    s->next_scan = now_ns() + (rest < REST_MAX ? rest : REST_MAX);
}

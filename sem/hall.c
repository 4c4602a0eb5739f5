/*
 * hall.c - the hall itself: the file that says where it is, the set, and the
 * board at which newcomers announce themselves (hall.h).
 *
 *      client                                  server
 *      the file: which set?                    hall_make()
 *      take the BOARD, fill in the ROW
 *      KNOCK +1, BELL +1     ------------->    BELL -1, KNOCK -1: read the ROW
 *      wait at the own door  <-------------    look at the door, and answer
 *      give the BOARD back
 */
#define _GNU_SOURCE /* O_NOFOLLOW */
#include "hall.h"

#include "core/defence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the file ----------------------------------------------------------------
 *
 * Lines of one length: the hall's id; then, for each session, the ids of door
 * and letter and their owner.  Clients read the first one; the others are for
 * sweep(), since nobody else remembers the objects of two dead processes. */

#define LINE 36 /* bytes: "%11d %11d %10u\n" and a NUL */

int
hall_note(int file, size_t line, int set, int letter, uid_t owner)
{
    char text[LINE];
    int len = snprintf(text, sizeof text, "%11d %11d %10" PRIu32 "\n", set,
                       letter, owner);

    if (pwrite(file, text, (size_t)len, (off_t)line * (LINE - 1)) != len)
        return -EIO;
    return 0;
}

static bool
read_line(int file, size_t line, int *set, int *letter, uid_t *owner)
{
    char text[LINE] = "";
    ssize_t n = pread(file, text, sizeof text - 1, (off_t)line * (LINE - 1));

    return n > 0 && sscanf(text, "%d %d %" SCNu32, set, letter, owner) == 3;
}

/* -- server --------------------------------------------------------------- */

int
hall_make(const char *name, int *file)
{
    /* Only root can open other users' doors, so only root invites them. */
    const bool everybody = geteuid() == 0;
    unsigned short values[HALL_SEMS] = {[BOARD] = 1};
    int hall, err;

    *file = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*file == -1)
        return -errno;
    hall = semget(IPC_PRIVATE, HALL_SEMS, everybody ? 0666 : 0600);
    if (hall == -1) {
        err = -errno;
        goto remove_file;
    }
    /* Written down before anybody can find the set: with a key that all know,
     * semget(2) and this could be looked in between (semop(2), BUGS; UNPv2
     * 11.2). */
    if (semctl(hall, 0, SETALL, (union semun){.array = values}) == -1) {
        err = -errno;
        goto remove_set;
    }
    err = will_make(hall, DEAD);
    if (err == 0)
        err = hall_note(*file, 0, hall, -1, geteuid());
    if (err == 0 && everybody && fchmod(*file, 0644) == -1)
        err = -errno;
    if (err == 0)
        return hall;
remove_set:
    semctl(hall, 0, IPC_RMID);
remove_file:
    close(*file);
    unlink(name);
    return err;
}

bool
hall_hear(int hall, struct knock *k)
{
    unsigned short v[HALL_SEMS] = {0};
    struct sembuf op = {KNOCK, -1, IPC_NOWAIT};
    uint32_t number[3];

    if (semop(hall, &op, 1) == -1 ||
        semctl(hall, 0, GETALL, (union semun){.array = v}) == -1)
        return false;
    for (size_t i = 0; i < 3; i++)
        number[i] = (uint32_t)v[ROW + 3 * i] |
                    (uint32_t)v[ROW + 3 * i + 1] << 15 |
                    (uint32_t)v[ROW + 3 * i + 2] << 30;
    k->door = (int)number[0];
    k->letter = (int)number[1];
    k->uid = number[2];
    return true;
}

/* -- client --------------------------------------------------------------- */

int
hall_find(const char *where)
{
    struct semid_ds ds;
    struct stat st;
    int hall = -1, none, err = 0;
    uid_t owner;
    int file = open(where, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (file == -1)
        return -errno;
    if (fstat(file, &st) == -1)
        err = -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0 && !read_line(file, 0, &hall, &none, &owner))
        err = -ECONNREFUSED;
    close(file);
    if (err != 0)
        return err;
    if (semctl(hall, 0, IPC_STAT, (union semun){.buf = &ds}) == -1)
        return errno == EINVAL || errno == EIDRM ? -ECONNREFUSED : -errno;
    if (ds.sem_perm.cuid != st.st_uid || ds.sem_nsems != HALL_SEMS)
        return -EPERM;
    return hall;
}

int
hall_knock(int hall, const struct knock *k, int64_t deadline)
{
    const uint32_t number[3] = {(uint32_t)k->door, (uint32_t)k->letter, k->uid};
    /* SEM_UNDO: who dies with the board in his hand gives it back. */
    struct sembuf board[] = {{DEAD, 0, IPC_NOWAIT},
                             {BOARD, -1, DEFENCE("undo", SEM_UNDO, 0)}};
    struct sembuf knock[] = {{KNOCK, +1, 0}, {BELL, +1, 0}};
    int err;

    do
        err = set_wait(hall, board, 2, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err == -EPIPE ? -ECONNREFUSED : err;
    for (int i = 0; i < 9; i++) {
        union semun part = {
            .val = (int)(number[i / 3] >> (15 * (i % 3)) & 0x7fff)};

        if (semctl(hall, ROW + i, SETVAL, part) == -1)
            goto leave_board;
    }
    if (semop(hall, knock, 2) == 0)
        return 0;
leave_board:
    err = errno == EINVAL || errno == EIDRM ? -ECONNREFUSED : -errno;
    hall_leave_board(hall);
    return err;
}

int
hall_leave_board(int hall)
{
    struct sembuf op = {BOARD, +1, SEM_UNDO};

    return semop(hall, &op, 1) == -1 ? -errno : 0;
}

/* -- sweep ---------------------------------------------------------------- */

int
hall_sweep(const char *name, const struct letter_kind *kind)
{
    int file = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int set, letter;
    uid_t owner;

    if (file == -1)
        return errno == ENOENT ? 0 : -errno;
    if (read_line(file, 0, &set, &letter, &owner))
        set_remove(set, owner, HALL_SEMS);
    for (size_t i = 1; i <= IPC_MAX_CLIENTS; i++)
        if (read_line(file, i, &set, &letter, &owner)) {
            set_remove(set, owner, DOOR_SEMS);
            if (kind->remove != NULL)
                kind->remove(letter, owner);
        }
    close(file);
    return unlink(name) == -1 ? -errno : 1;
}

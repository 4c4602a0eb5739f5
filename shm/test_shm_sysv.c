/*
 * test_shm_sysv.c - what a System V segment does.  What the server makes of it,
 * and the attacks on that: sem/test_sets.c.
 */
#define _GNU_SOURCE /* SHM_DEST */
#include "test/test.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_shm_sysv(void);

#define SIZE 5000 /* bytes; not a multiple of a page */

static int
make_segment(void)
{
    int id = shmget(IPC_PRIVATE, SIZE, 0600);

    ck_assert_int_ne(id, -1);
    return id;
}

static char *
attach(int id, int flags)
{
    char *at = shmat(id, NULL, flags);

    ck_assert((intptr_t)at != -1);
    return at;
}

static unsigned long
attached(int id)
{
    struct shmid_ds ds;

    ck_assert_int_eq(shmctl(id, IPC_STAT, &ds), 0);
    return ds.shm_nattch;
}

/* -- facts ---------------------------------------------------------------- */

static void
write_and_go(void *arg)
{
    char *at = attach(*(int *)arg, 0);

    strcpy(at, "still here");
}

START_TEST(a_segment_outlives_its_users)
{
    int id = make_segment();
    char *at;

    as_user(geteuid(), write_and_go, &id);
    ck_assert_uint_eq(attached(id), 0);
    at = attach(id, 0);
    ck_assert_str_eq(at, "still here");
    shmdt(at);
    shmctl(id, IPC_RMID, NULL);
}
END_TEST

START_TEST(a_removed_segment_lives_until_the_last_one_lets_go)
{
    int id = make_segment();
    char *first = attach(id, 0), *second;
    struct shmid_ds ds;

    ck_assert_int_eq(shmctl(id, IPC_RMID, NULL), 0);
    ck_assert_int_eq(shmctl(id, IPC_STAT, &ds), 0);
    ck_assert((ds.shm_perm.mode & SHM_DEST) != 0);
    second = attach(id, 0); /* by id, on Linux */
    shmdt(first);
    strcpy(second, "here");
    shmdt(second);
    ck_assert_int_eq(shmctl(id, IPC_STAT, &ds), -1);
    ck_assert(errno == EINVAL || errno == EIDRM);
}
END_TEST

START_TEST(a_segments_size_is_for_life)
{
    key_t key = 0x1bc1ab;
    int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);

    if (id == -1 && errno == EEXIST)
        return; /* somebody else's, in this namespace */
    ck_assert_int_ne(id, -1);
    ck_assert_int_eq(shmget(key, SIZE - 1, 0600), id);
    ck_assert_int_eq(shmget(key, SIZE + 1, 0600), -1);
    ck_assert_int_eq(errno, EINVAL);
    shmctl(id, IPC_RMID, NULL);
}
END_TEST

static void
give_away(void *arg)
{
    struct shmid_ds ds;
    int *id = arg;

    *id = make_segment();
    ck_assert_int_eq(shmctl(*id, IPC_STAT, &ds), 0);
    ds.shm_perm.uid = 0;
    ck_assert_int_eq(shmctl(*id, IPC_SET, &ds), 0);
}

START_TEST(the_owner_can_be_changed_to_root_and_the_creator_cannot)
{
    int *id = shared(sizeof *id);
    struct shmid_ds ds;

    as_user(BOB, give_away, id);
    ck_assert_int_eq(shmctl(*id, IPC_STAT, &ds), 0);
    ck_assert_uint_eq(ds.shm_perm.uid, 0);
    ck_assert_uint_eq(ds.shm_perm.cuid, BOB);
    shmctl(*id, IPC_RMID, NULL);
}
END_TEST

START_TEST(a_child_inherits_it_and_a_program_does_not)
{
    int status, id = make_segment();
    char *at = attach(id, 0);
    int go[2], ready[2];
    pid_t pid;

    ck_assert_int_eq(pipe(go), 0);
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        dup2(go[0], STDIN_FILENO);
        dup2(ready[1], STDOUT_FILENO);
        close(go[1]);
        (void)!write(STDOUT_FILENO, "1", 1);
        (void)!read(STDIN_FILENO, at, 1);
        execl("/bin/sh", "sh", "-c", "echo 2; read x", (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(read(ready[0], &(char){0}, 1), 1);
    ck_assert_uint_eq(attached(id), 2);
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    ck_assert_int_eq(read(ready[0], &(char){0}, 1), 1);
    ck_assert_uint_eq(attached(id), 1);
    close(go[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(go[0]);
    close(ready[0]);
    close(ready[1]);
    shmdt(at);
    shmctl(id, IPC_RMID, NULL);
}
END_TEST

/* -- our own -------------------------------------------------------------- */

START_TEST(a_joined_clients_segment_is_already_removed)
{
    const struct ipc_mechanism *m = ipc_find("shm/sysv");
    char name[ENDPOINT_SIZE];
    struct host server;
    struct client c;
    int lock;

    server_start(&server, m);
    strcpy(name, server.where);
    client_start(&server, &c);
    /* Listed, but marked to go with the last one who has it. */
    ck_assert_ptr_nonnull(strstr(objects_left(), "System V shm"));
    expect_echo(&c, 1);
    server_kill(&server);
    client_close(&c);
    ck_assert_ptr_null(strstr(objects_left(), "System V shm"));
    lock = endpoint_lock(name, NULL);
    m->sweep(name);
    endpoint_unlock(name, lock);
}
END_TEST

Suite *
test_shm_sysv(void)
{
    Suite *s = suite_create("shm_sysv");
    TCase *tc = test_case(s, "shm/sysv");

    tcase_add_test(tc, a_segment_outlives_its_users);
    tcase_add_test(tc, a_removed_segment_lives_until_the_last_one_lets_go);
    tcase_add_test(tc, a_segments_size_is_for_life);
    tcase_add_test(tc, a_child_inherits_it_and_a_program_does_not);
    add_test_if(tc, need_own_sysv(),
                a_joined_clients_segment_is_already_removed);
    add_test_if(tc, need_root(),
                the_owner_can_be_changed_to_root_and_the_creator_cannot);
    return s;
}

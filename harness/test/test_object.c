/*
 * test_object.c - opening what another process has made: core/object.h, with
 * real files, queues and memory.
 */
#define _GNU_SOURCE /* memfd_create, O_CLOEXEC, mq_open */
#include "test/test.h"

#include "core/object.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_object(void);

/* Where the tests make something. */
static const char *
place(void)
{
    static char path[ENDPOINT_SIZE];

    snprintf(path, sizeof path, "%.80s/any-thing", run_dir);
    return path;
}

START_TEST(a_name_is_one_of_its_space_or_none)
{
    ck_assert(object_name_is_proper(OBJECT_AT, "12.34"));
    ck_assert(!object_name_is_proper(OBJECT_AT, "a/b"));
    ck_assert(!object_name_is_proper(OBJECT_AT, ".."));
    ck_assert(!object_name_is_proper(OBJECT_AT, "."));
    ck_assert(!object_name_is_proper(OBJECT_AT, ""));
    ck_assert(object_name_is_proper(OBJECT_SHM, "/sem.x"));
    ck_assert(!object_name_is_proper(OBJECT_SHM, "x"));
    ck_assert(!object_name_is_proper(OBJECT_SHM, "/../etc"));
    ck_assert(!object_name_is_proper(OBJECT_MQ, "/.."));
    ck_assert(object_name_is_proper(OBJECT_MQ, "/x"));
    ck_assert(object_name_is_proper(OBJECT_PROC_FD, "12/3"));
    ck_assert(!object_name_is_proper(OBJECT_PROC_FD, "self/3"));
    ck_assert(!object_name_is_proper(OBJECT_PROC_FD, "12/"));
    ck_assert(!object_name_is_proper(OBJECT_PROC_FD, "12/3/.."));
    ck_assert(!object_name_is_proper(OBJECT_PROC_FD, "12/../1/root"));
    ck_assert_int_eq(object_open(OBJECT_PROC_FD, -1, "1/../x", O_RDWR, 0),
                     -EINVAL);
}
END_TEST

START_TEST(no_link_is_followed_and_nobody_is_waited_for)
{
    int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

    ck_assert_int_eq(symlink("/etc/passwd", place()), 0);
    ck_assert_int_eq(
        object_open(OBJECT_AT, dir, "any-thing", O_RDONLY, geteuid()), -ELOOP);
    ck_assert_int_eq(unlink(place()), 0);
    ck_assert_int_eq(mkfifo(place(), 0600), 0);
    ck_assert_int_eq(
        object_open(OBJECT_AT, dir, "any-thing", O_WRONLY, geteuid()), -ENXIO);
    fd = object_open(OBJECT_AT, dir, "any-thing", O_RDWR | O_CREAT, geteuid());
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    ck_assert_int_eq(object_open(OBJECT_AT, dir, "any-thing", O_RDWR, BOB),
                     -EPERM); /* it is not his */
    ck_assert_int_eq(unlink(place()), 0);
    ck_assert_int_eq(mkdir(place(), 0700), 0);
    ck_assert_int_eq(object_open(OBJECT_AT, dir, "any-thing", O_RDONLY, 0),
                     -EPERM);
    ck_assert_int_eq(rmdir(place()), 0);
    close(dir);
}
END_TEST

START_TEST(a_descriptor_of_a_process_is_opened_if_it_is_a_memfd)
{
    int memfd = memfd_create("mine", MFD_CLOEXEC), fd, again;
    char name[32], template[] = "/tmp/ipclab-check-file-XXXXXX";
    int file = mkstemp(template);

    ck_assert_int_eq(unlink(template), 0);
    ck_assert_int_eq(write(memfd, "x", 1), 1);
    snprintf(name, sizeof name, "%d/%d", (int)getpid(), memfd);
    /* Of mode 0777, as it is made: another program's. */
    ck_assert_int_eq(object_open(OBJECT_PROC_FD, -1, name, O_RDWR, geteuid()),
                     -EPERM);
    ck_assert_int_eq(fchmod(memfd, 0600), 0);
    fd = object_open(OBJECT_PROC_FD, -1, name, O_RDWR, geteuid());
    ck_assert_int_ge(fd, 0);
    /* Another open file description of the same memory. */
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
    snprintf(name, sizeof name, "%d/%d", (int)getpid(), file);
    ck_assert_int_eq(object_open(OBJECT_PROC_FD, -1, name, O_RDWR, geteuid()),
                     -EPERM);
    again = open("/dev/null", O_RDWR | O_CLOEXEC);
    snprintf(name, sizeof name, "%d/%d", (int)getpid(), again);
    ck_assert_int_eq(object_open(OBJECT_PROC_FD, -1, name, O_RDWR, geteuid()),
                     -EPERM);
    close(again);
    ck_assert_int_eq(object_open(OBJECT_PROC_FD, -1, name, O_RDWR, geteuid()),
                     -ENOENT);
    close(file);
    close(memfd);
}
END_TEST

START_TEST(shared_memory_and_queues_are_opened_by_name)
{
    int fd = shm_open("/ipclab-any", O_RDWR | O_CREAT | O_EXCL, 0600), again;
    struct object_id id, other = {0};
    mqd_t queue = mq_open("/ipclab-any", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                          0600, NULL);

    ck_assert(fd != -1 && queue != -1);
    ck_assert_int_eq(object_id_of(fd, &id), 0);
    again = object_open(OBJECT_SHM, -1, "/ipclab-any", O_RDWR, geteuid());
    ck_assert_int_ge(again, 0);
    close(again);
    again = object_open(OBJECT_MQ, -1, "/ipclab-any", O_RDWR, geteuid());
    ck_assert_int_ge(again, 0);
    mq_close(again);
    ck_assert_int_eq(object_open(OBJECT_SHM, -1, "/ipclab-no", O_RDWR, 0),
                     -ENOENT);
    mq_close(queue);
    mq_unlink("/ipclab-any");
    close(fd);
    ck_assert_int_eq(object_shm_unlink("/ipclab-any", &other), 0);
    ck_assert_int_eq(object_shm_unlink("/ipclab-any", &id), 1);
    ck_assert_int_eq(object_shm_unlink("/ipclab-any", &id), 0);
}
END_TEST

/* Who opens for the server is told all that it needs to know. */
static uid_t told_uid;

static int
note_uid(enum object_space space, int dir, const char *name, int flags,
         uid_t uid)
{
    ck_assert_int_eq(space, OBJECT_MQ);
    ck_assert_int_eq(dir, -1);
    ck_assert_str_eq(name, "/x");
    ck_assert_int_eq(flags, O_RDWR);
    told_uid = uid;
    return -EACCES;
}

START_TEST(the_server_may_have_it_opened_by_another_process)
{
    object_opener = note_uid;
    ck_assert_int_eq(object_open(OBJECT_MQ, -1, "/x", O_RDWR | O_TRUNC, ALICE),
                     -EACCES);
    ck_assert_uint_eq(told_uid, ALICE);
    told_uid = 0;
    ck_assert_int_eq(object_open(OBJECT_MQ, -1, "/x/y", O_RDWR, ALICE),
                     -EINVAL); /* not even asked */
    ck_assert_uint_eq(told_uid, 0);
}
END_TEST

/* What is not there, or not whose they say, costs a server next to nothing: it
 * is not even asked for. */
START_TEST(what_is_surely_not_there_is_not_opened)
{
    char path[ENDPOINT_SIZE + 2];
    struct object_claim claims[3] = {{ALICE, (uint32_t)getpid(), 0},
                                     {geteuid(), (uint32_t)getpid(), 999},
                                     {geteuid(), (uint32_t)getpid(), 0}};
    int dir = open(run_dir, O_PATH | O_DIRECTORY), fd;

    snprintf(path, sizeof path, "%s/x", run_dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    object_opener = note_uid;
    /* Only the kernel's cache is asked: so have it there. */
    ck_assert_int_eq(faccessat(dir, "y", F_OK, 0), -1);
    ck_assert_int_eq(object_open(OBJECT_AT, dir, "y", O_RDWR, geteuid()),
                     -ENOENT);
    ck_assert_int_eq(object_open(OBJECT_AT, dir, "x", O_RDWR, geteuid() + 1),
                     -EPERM);
    ck_assert_int_eq(
        object_open(OBJECT_SHM, -1, "/ipclab-not-there", O_RDWR, geteuid()),
        -ENOENT);
    close(dir);
    unlink(path);

    fd = memfd_create("mine", MFD_CLOEXEC);
    ck_assert_int_eq(fchmod(fd, 0600), 0);
    claims[0].fd = claims[2].fd = (uint32_t)fd;
    ck_assert_uint_eq(object_glance_at_all(claims, 3), UINT32_MAX);
    object_glancer = object_glance_here;
    ck_assert_uint_eq(object_glance_at_all(claims, 3), 4);
    close(fd);
}
END_TEST

START_TEST(a_system_v_id_is_looked_at_again)
{
    struct object_sysv queue, set, segment;
    struct ipc_perm perm;
    int q = msgget(IPC_PRIVATE, 0600), e = semget(IPC_PRIVATE, 3, 0600),
        m = shmget(IPC_PRIVATE, 100, 0600);

    ck_assert_int_eq(object_sysv_look(OBJECT_QUEUE, q, &queue, &perm), 0);
    ck_assert_uint_eq(perm.mode & 0777, 0600);
    ck_assert_int_eq(object_sysv_look(OBJECT_SET, e, &set, NULL), 0);
    ck_assert_uint_eq(set.size, 3);
    ck_assert_int_eq(object_sysv_look(OBJECT_SEGMENT, m, &segment, NULL), 0);
    ck_assert_uint_eq(segment.size, 100);
    ck_assert_int_eq(object_sysv_same(OBJECT_QUEUE, &queue), 0);
    ck_assert_int_eq(object_sysv_same(OBJECT_SET, &set), 0);
    ck_assert_int_eq(object_sysv_same(OBJECT_SEGMENT, &segment), 0);
    /* Under the same id, and another: that is what coming back looks like. */
    set.size = 2;
    ck_assert_int_eq(object_sysv_same(OBJECT_SET, &set), -EIDRM);
    queue.creator++;
    ck_assert_int_eq(object_sysv_same(OBJECT_QUEUE, &queue), -EIDRM);
    segment.created--;
    ck_assert_int_eq(object_sysv_same(OBJECT_SEGMENT, &segment), -EIDRM);
    ck_assert_int_eq(msgctl(q, IPC_RMID, NULL), 0);
    ck_assert_int_eq(semctl(e, 0, IPC_RMID), 0);
    ck_assert_int_eq(shmctl(m, IPC_RMID, NULL), 0);
    queue.creator--;
    ck_assert_int_eq(object_sysv_same(OBJECT_QUEUE, &queue), -EIDRM);
    ck_assert_int_lt(object_sysv_look(OBJECT_QUEUE, q, &queue, &perm), 0);
    ck_assert_uint_eq(perm.cuid, (uid_t)-1);
}
END_TEST

Suite *
test_object(void)
{
    Suite *s = suite_create("object");
    TCase *tc = test_case(s, "object");

    tcase_add_test(tc, a_name_is_one_of_its_space_or_none);
    tcase_add_test(tc, no_link_is_followed_and_nobody_is_waited_for);
    tcase_add_test(tc, a_descriptor_of_a_process_is_opened_if_it_is_a_memfd);
    add_test_if(tc,
                need_dev_shm() != NULL ? need_dev_shm()
                                       : need_mechanism(ipc_find("msgq/posix")),
                shared_memory_and_queues_are_opened_by_name);
    tcase_add_test(tc, the_server_may_have_it_opened_by_another_process);
    add_test_if(tc, need_dev_shm(), what_is_surely_not_there_is_not_opened);
    tcase_add_test(tc, a_system_v_id_is_looked_at_again);
    return s;
}

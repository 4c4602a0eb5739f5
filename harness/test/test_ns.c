/*
 * test_ns.c - namespaces: what the laboratory manual says about each of them,
 * as experiments.
 *
 * Everything here works for an ordinary user too, where there are user
 * namespaces (inside.h).
 */
#define _GNU_SOURCE /* CLONE_NEW..., pipe2 */
#include "test/inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h */
#endif

Suite *test_ns(void);

static int
number_1(struct lab *l)
{
    (void)l;
    if (getpid() != 1)
        return 1;
    return getppid() == 0 ? 0 : 2;
}

START_TEST(the_first_process_inside_is_1_and_its_parent_0)
{
    run_inside(CLONE_NEWPID, _i, number_1);
    ck_assert_int_ne(getpid(), 1);
}
END_TEST

static int
other_host_name(struct lab *l)
{
    char name[65];

    (void)l;
    gethostname(name, sizeof name); /* set by make_child() */
    return strcmp(name, "inside") == 0 ? 0 : 1;
}

START_TEST(a_host_name_changed_inside_stays_inside)
{
    char before[65], after[65];

    gethostname(before, sizeof before);
    run_inside(CLONE_NEWUTS, _i, other_host_name);
    gethostname(after, sizeof after);
    ck_assert_str_eq(before, after);
    ck_assert_str_ne(after, "inside");
}
END_TEST

#define KEY 0x6e730001

static int steps[2][2]; /* pipes: from the child, to the child */

static int
makes_queues(struct lab *l)
{
    mqd_t mq;
    char byte = 0;

    (void)l;
    if (msgget(KEY, IPC_CREAT | IPC_EXCL | 0600) == -1)
        return 1;
    mq = mq_open("/ns-inside", O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
    if (mq == (mqd_t)-1)
        return 2;
    if (write(steps[0][1], &byte, 1) != 1 || read(steps[1][0], &byte, 1) != 1)
        return 3; /* now the parent looks */
    return msgget(KEY, 0) != -1 ? 0 : 4;
}

START_TEST(queues_made_inside_are_invisible_outside)
{
    char byte;

    ck_assert_int_eq(pipe2(steps[0], O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(steps[1], O_CLOEXEC), 0);
    begin_inside(CLONE_NEWIPC, _i, makes_queues);
    close(steps[0][1]); /* so that a child that ended is an end of file */
    ck_assert_int_eq(read(steps[0][0], &byte, 1), 1);
    ck_assert_int_eq(msgget(KEY, 0), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(mq_open("/ns-inside", O_RDONLY), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(write(steps[1][1], &byte, 1), 1);
    end_inside();
    close(steps[0][0]);
    close(steps[1][0]);
    close(steps[1][1]);
}
END_TEST

static int
looks_for_the_queue(struct lab *l)
{
    (void)l;
    if (msgget(KEY, 0) != -1 || errno != ENOENT)
        return 1;
    return msgget(KEY, IPC_CREAT | IPC_EXCL | 0600) != -1 ? 0 : 2;
}

START_TEST(a_key_taken_outside_is_free_inside)
{
    int queue = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);

    ck_assert_int_ne(queue, -1);
    run_inside(CLONE_NEWIPC, _i, looks_for_the_queue);
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}
END_TEST

static in_port_t port;

static int
bind_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = port,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ne(fd, -1);
    if (bind(fd, (struct sockaddr *)&a, len) == -1 || listen(fd, 1) == -1) {
        int err = -errno;

        close(fd);
        return err;
    }
    getsockname(fd, (struct sockaddr *)&a, &len);
    port = a.sin_port;
    return fd;
}

static int
binds_the_port(struct lab *l)
{
    (void)l;
    return bind_port() >= 0 ? 0 : 1;
}

static int
binds_in_vain(struct lab *l)
{
    (void)l;
    return bind_port() == -EADDRINUSE ? 0 : 1;
}

START_TEST(one_port_can_be_bound_in_two_network_namespaces)
{
    int fd;

    port = 0;
    fd = bind_port();
    ck_assert_int_ge(fd, 0);
    run_inside(CLONE_NEWUTS, _i, binds_in_vain); /* that is not enough */
    run_inside(CLONE_NEWNET, _i, binds_the_port);
    close(fd);
}
END_TEST

/* To itself; it makes no packet if the loopback is down: ENETUNREACH. */
static int
reaches_itself(struct lab *l)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char byte = 'x';

    (void)l;
    if (bind(fd, (struct sockaddr *)&a, len) == -1 ||
        getsockname(fd, (struct sockaddr *)&a, &len) == -1 ||
        sendto(fd, &byte, 1, 0, (struct sockaddr *)&a, len) != 1)
        return 1;
    return recv(fd, &byte, 1, 0) == 1 ? 0 : 1;
}

START_TEST(the_loopback_inside_works)
{
    run_inside(CLONE_NEWNET, _i, reaches_itself);
}
END_TEST

static int
writes_to_dev_shm(struct lab *l)
{
    int fd = shm_open("/ns-inside", O_CREAT | O_EXCL | O_RDWR, 0600);

    (void)l; /* make_child() has mounted an empty file system there */
    return fd != -1 && access("/dev/shm/ns-inside", F_OK) == 0 ? 0 : 1;
}

START_TEST(what_is_mounted_inside_is_not_seen_outside)
{
    run_inside(CLONE_NEWNS, _i, writes_to_dev_shm);
    ck_assert_int_eq(access("/dev/shm/ns-inside", F_OK), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* What a user has made inside; in a directory of its own. */
static char made[ENDPOINT_SIZE + 8];

static int
is_root_here(struct lab *l)
{
    int fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct stat st;

    if (geteuid() != 0 || getegid() != 0)
        return 1;
    if (fd == -1 || fstat(fd, &st) == -1 || st.st_uid != 0)
        return 2;
    if (l->uid != 0 && open("/etc/shadow", O_RDONLY | O_CLOEXEC) != -1)
        return 3; /* root of nothing that was there before */
    return 0;
}

static void
becomes_root_inside(void *by_clone)
{
    struct stat st;

    run_inside(CLONE_NEWUSER, *(int *)by_clone, is_root_here);
    ck_assert_int_eq(stat(made, &st), 0);
    ck_assert_uint_eq(st.st_uid, geteuid());
}

START_TEST(a_user_is_root_inside_and_nobody_special_outside)
{
    char dir[] = "/tmp/ipclab-ns-XXXXXX";
    uid_t uid = need_root() == NULL ? ALICE : geteuid();
    int by_clone = _i;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    if (need_root() == NULL)
        ck_assert_int_eq(chown(dir, uid, uid), 0);
    snprintf(made, sizeof made, "%s/file", dir);
    as_user(uid, becomes_root_inside, &by_clone);
    ck_assert_int_eq(unlink(made), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static int64_t
seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec;
}

static int64_t outside_monotonic, outside_real;

static int
is_ten_days_ahead(struct lab *l)
{
    const int64_t ten_days = 864000, at_most = TEST_TIMEOUT;
    int64_t ahead = seconds(CLOCK_MONOTONIC) - outside_monotonic;
    int64_t real = seconds(CLOCK_REALTIME) - outside_real;

    (void)l;
    if (ahead < ten_days || ahead > ten_days + at_most)
        return 1;
    return real < ten_days ? 0 : 2;
}

START_TEST(the_clock_inside_is_set_off_and_the_time_of_day_is_not)
{
    int64_t now;

    outside_monotonic = seconds(CLOCK_MONOTONIC);
    outside_real = seconds(CLOCK_REALTIME);
    run_inside(CLONE_NEWTIME, _i, is_ten_days_ahead);
    now = seconds(CLOCK_MONOTONIC);
    ck_assert_int_lt(now - outside_monotonic, 864000);
}
END_TEST

static int
is_in_the_root_cgroup(struct lab *l)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[512];
    int bad = 0;

    (void)l;
    if (f == NULL)
        return 1;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *path = strrchr(line, ':');

        if (path == NULL || strcmp(path, ":/\n") != 0)
            bad = 2;
    }
    fclose(f);
    return bad;
}

START_TEST(the_own_control_group_is_the_root_inside)
{
    run_inside(CLONE_NEWCGROUP, _i, is_in_the_root_cgroup);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_ns(void)
{
    Suite *s = suite_create("namespaces");
    const char *reason = need_spaces(),
               *queues = need_mechanism(ipc_find("msgq/posix"));
    TCase *tc = test_case(s, "namespaces");

    add_both(tc, reason, the_first_process_inside_is_1_and_its_parent_0);
    add_both(tc, reason, a_host_name_changed_inside_stays_inside);
    add_both(tc, reason != NULL ? reason : queues,
             queues_made_inside_are_invisible_outside);
    add_both(tc, reason, a_key_taken_outside_is_free_inside);
    add_both(tc, reason, one_port_can_be_bound_in_two_network_namespaces);
    add_both(tc, reason, the_loopback_inside_works);
    add_both(tc, reason, what_is_mounted_inside_is_not_seen_outside);
    add_both(tc, reason, a_user_is_root_inside_and_nobody_special_outside);
    add_both(tc, reason,
             the_clock_inside_is_set_off_and_the_time_of_day_is_not);
    add_both(tc, reason, the_own_control_group_is_the_root_inside);
    return s;
}

/*
 * test_ns.c - namespaces: what the laboratory manual says about each of them,
 * as experiments; nslab, which shows them; and the isolation matrix.
 *
 * Everything here works for an ordinary user too, by a user namespace, where
 * there are any.  What is tried by both ways of making the child is a loop
 * test: _i is 0 for unshare() and fork(), 1 for clone().
 */
#define _GNU_SOURCE /* unshare, nftw, CLONE_NEW... */
#include "test/test.h"

#include "ns/isolate.h"
#include "ns/nslab.h"
#include "ns/spaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mqueue.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h */
#endif

/* -- a child in new namespaces --------------------------------------------- */

/* An ordinary user needs a user namespace for the others. */
static int
with_user(int flags)
{
    return geteuid() != 0 ? flags | CLONE_NEWUSER : flags;
}

/* NULL, or the reason why a child cannot have all of them. */
static const char *
need_spaces(void)
{
    static char reason[80];
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(spaces_parse("all")) == -1 ? errno : 0);
    if (pid == -1 || waitpid(pid, &status, 0) == -1)
        return "need fork()";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    snprintf(reason, sizeof reason, "need new namespaces: unshare() says %s",
             strerrorname_np(WEXITSTATUS(status)));
    return reason;
}

static struct lab *lab; /* shared with the child */
static pid_t child_pid;

static void
begin_child(int flags, int by_clone, int (*f)(struct lab *))
{
    lab = mmap(NULL, sizeof *lab, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(lab, MAP_FAILED);
    lab->flags = with_user(flags);
    lab->by_clone = by_clone;
    lab->uid = geteuid();
    lab->gid = getegid();
    child_pid = make_child(lab, f);
    ck_assert_int_gt(child_pid, 0);
}

/* f returns 0, or the number of the line that is not as it should be. */
static void
end_child(void)
{
    int status;

    ck_assert_int_eq(waitpid(child_pid, &status, 0), child_pid);
    ck_assert(WIFEXITED(status));
    for (int i = 0; i < lab->complaints; i++)
        ck_abort_msg("%s: %s", lab->complaint[i].what,
                     strerror(-lab->complaint[i].err));
    ck_assert_msg(WEXITSTATUS(status) == 0, "inside, check %d failed",
                  WEXITSTATUS(status));
    munmap(lab, sizeof *lab);
}

static void
run_child(int flags, int by_clone, int (*f)(struct lab *))
{
    begin_child(flags, by_clone, f);
    end_child();
}

/* -- the manual's statements ----------------------------------------------- */

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
    run_child(CLONE_NEWPID, _i, number_1);
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
    run_child(CLONE_NEWUTS, _i, other_host_name);
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
    begin_child(CLONE_NEWIPC, _i, makes_queues);
    close(steps[0][1]); /* so that a child that ended is an end of file */
    ck_assert_int_eq(read(steps[0][0], &byte, 1), 1);
    ck_assert_int_eq(msgget(KEY, 0), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(mq_open("/ns-inside", O_RDONLY), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(write(steps[1][1], &byte, 1), 1);
    end_child();
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
    run_child(CLONE_NEWIPC, _i, looks_for_the_queue);
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
    run_child(CLONE_NEWUTS, _i, binds_in_vain); /* that is not enough */
    run_child(CLONE_NEWNET, _i, binds_the_port);
    close(fd);
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
    run_child(CLONE_NEWNS, _i, writes_to_dev_shm);
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

    run_child(CLONE_NEWUSER, *(int *)by_clone, is_root_here);
    ck_assert_int_eq(stat(made, &st), 0);
    ck_assert_uint_eq(st.st_uid, geteuid());
}

START_TEST(a_user_is_root_inside_and_nobody_special_outside)
{
    char dir[] = "/tmp/ipclab-ns-XXXXXX";
    uid_t uid = geteuid() == 0 ? ALICE : geteuid();
    int by_clone = _i;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    if (geteuid() == 0)
        ck_assert_int_eq(chown(dir, uid, uid), 0);
    snprintf(made, sizeof made, "%s/file", dir);
    run_as(uid, becomes_root_inside, &by_clone);
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
    run_child(CLONE_NEWTIME, _i, is_ten_days_ahead);
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
    run_child(CLONE_NEWCGROUP, _i, is_in_the_root_cgroup);
}
END_TEST

/* -- nslab ----------------------------------------------------------------- */

START_TEST(nslab_shows_a_difference_in_each_namespace)
{
    const struct space *s = &spaces[_i / 2];
    static struct output o;
    size_t len = strlen(s->name);
    bool differs = false, about = false;

    run_program(&o, "nslab", _i % 2 ? "--clone" : "--unshare", s->name,
                (char *)NULL);
    ck_assert_msg(o.status == 0, "%s", o.err);
    for (char *line = o.out, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        /* The namespace's name stands before the first of its rows. */
        if (*line != ' ')
            about = strncmp(line, s->name, len) == 0 && line[len] == ' ';
        if (about && strchr(line, '*') != NULL)
            differs = true;
        ck_assert_uint_le(strlen(line), 100);
        *end = '\n';
    }
    ck_assert_msg(differs, "%s", o.out);
    ck_assert_ptr_nonnull(strstr(o.out, "the parent sees what it saw before"));
}
END_TEST

START_TEST(nslab_runs_a_command_inside)
{
    static struct output o;

    run_program(&o, "nslab", "--unshare", "uts,pid", "sh", "-c",
                "echo this is $$ on $(uname -n)", (char *)NULL);
    ck_assert_int_eq(o.status, 0);
    ck_assert_ptr_nonnull(strstr(o.out, "this is 1 on inside\n"));
}
END_TEST

START_TEST(nslab_refuses_a_namespace_that_there_is_not)
{
    static struct output o;

    run_program(&o, "nslab", "--clone", "pid,hair", (char *)NULL);
    ck_assert_int_eq(o.status, 64);
    ck_assert_ptr_nonnull(strstr(o.err, "pid,hair"));
    run_program(&o, "nslab", (char *)NULL);
    ck_assert_int_eq(o.status, 64);
    ck_assert_ptr_nonnull(strstr(o.err, "--clone"));
}
END_TEST

/* A user namespace has limits of its own, which its root may lower: a kernel
 * that forbids, made to order. */
static int
wants_one_more(struct lab *l)
{
    struct lab inner = {.flags = CLONE_NEWUTS, .by_clone = l->by_clone};
    FILE *f = fopen("/proc/sys/user/max_uts_namespaces", "we");

    if (f == NULL)
        return 1;
    fputs("0\n", f);
    if (fclose(f) == EOF)
        return 1;
    if (unshare(CLONE_NEWUTS) != -1 || errno != ENOSPC)
        return 2;
    complain(&inner, "unshare()", -errno);
    if (inner.complaints != 1)
        return 3;
    return strstr(advice(&inner, &inner.complaint[0]), "max_") ? 0 : 4;
}

START_TEST(what_the_kernel_forbids_is_explained)
{
    run_child(CLONE_NEWUSER, _i, wants_one_more);
}
END_TEST

/* -- the matrix ------------------------------------------------------------ */

static const char *const sample[] = {"pipe/packet", "socket/abstract",
                                     "msgq/sysv-types"};
#define SAMPLES (sizeof sample / sizeof *sample)

START_TEST(isolation_is_as_expected)
{
    const char *const names[] = {sample[_i], NULL};
    struct isolate_matrix x;

    ck_assert_int_eq(isolate_plan(&x, names), 0);
    ck_assert_uint_eq(x.n, (size_t)FORMS * SIDES);
    ck_assert_int_eq(isolate_run(&x), 0);
    for (size_t i = 0; i < x.n; i++) {
        ck_assert(x.cells[i].known);
        ck_assert_msg(!x.cells[i].surprise, "%s, %s, side %d: %s, not %s",
                      x.cells[i].m->name, isolate_forms[x.cells[i].form].name,
                      (int)x.cells[i].side, isolate_word(&x.cells[i].seen),
                      isolate_word(&x.cells[i].expected));
    }
    isolate_free(&x);
}
END_TEST

/* The whole table without a run: every mechanism has its expectations. */
static struct isolate_matrix
expected_matrix(void)
{
    struct isolate_matrix x;

    ck_assert_int_eq(isolate_plan(&x, NULL), 0);
    for (size_t i = 0; i < x.n; i++) {
        ck_assert_msg(x.cells[i].known, "%s: nobody knows what it needs",
                      x.cells[i].m->name);
        ck_assert_ptr_nonnull(x.cells[i].why);
        x.cells[i].seen = x.cells[i].expected;
    }
    return x;
}

static char *
tables(const struct isolate_matrix *x)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(f);
    isolate_tables(x, f);
    fclose(f);
    return text;
}

START_TEST(every_mechanism_has_its_expectations)
{
    struct isolate_matrix x = expected_matrix();
    char *text = tables(&x);

    ck_assert(strstr(text, "FINDING") == NULL);
    for (char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 100);
    free(text);
    isolate_free(&x);
}
END_TEST

/* A kernel on which abstract names cross network namespaces. */
START_TEST(what_differs_is_reported_as_a_finding)
{
    struct isolate_matrix x = expected_matrix();
    char *text;

    for (size_t i = 0; i < x.n; i++) {
        struct isolate_cell *c = &x.cells[i];

        if (c->form != FORM_NET || c->side != CLIENT_INSIDE ||
            strcmp(c->m->name, "socket/abstract") != 0)
            continue;
        ck_assert_int_eq(c->expected.result, ISOLATE_REFUSED);
        c->seen.result = ISOLATE_CONNECTS;
        c->seen.err = 0;
        c->surprise = !isolate_same(&c->seen, &c->expected);
        ck_assert(c->surprise);
    }
    text = tables(&x);
    ck_assert_ptr_nonnull(strstr(text, "FINDING: socket/abstract, client in a "
                                       "new namespace (net)"));
    free(text);
    isolate_free(&x);
}
END_TEST

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

START_TEST(isolate_leaves_its_results_and_nothing_else)
{
    char out[ENDPOINT_SIZE + 8];
    static struct output o;

    snprintf(out, sizeof out, "%s/out", run_dir);
    run_program(&o, "ipcbench", "isolate", "-m", "pipe/packet", "--out", out,
                (char *)NULL);
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "isolate.csv"));
    nftw(out, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

static void
add_both(TCase *tc, const char *reason, const TTest *test)
{
    add_loop_test_if(tc, reason, test, 0);
    add_loop_test_if(tc, reason, test, 1);
}

Suite *test_ns(void);

Suite *
test_ns(void)
{
    Suite *s = suite_create("namespaces");
    const char *reason = need_spaces();
    TCase *tc = test_case(s, "namespaces");

    add_both(tc, reason, the_first_process_inside_is_1_and_its_parent_0);
    add_both(tc, reason, a_host_name_changed_inside_stays_inside);
    add_both(tc, reason, queues_made_inside_are_invisible_outside);
    add_both(tc, reason, a_key_taken_outside_is_free_inside);
    add_both(tc, reason, one_port_can_be_bound_in_two_network_namespaces);
    add_both(tc, reason, what_is_mounted_inside_is_not_seen_outside);
    add_both(tc, reason, a_user_is_root_inside_and_nobody_special_outside);
    add_both(tc, reason,
             the_clock_inside_is_set_off_and_the_time_of_day_is_not);
    add_both(tc, reason, the_own_control_group_is_the_root_inside);

    tc = test_case(s, "nslab");
    for (int i = 0; i < 2 * SPACES; i++)
        add_loop_test_if(tc, reason, nslab_shows_a_difference_in_each_namespace,
                         i);
    add_test_if(tc, reason, nslab_runs_a_command_inside);
    tcase_add_test(tc, nslab_refuses_a_namespace_that_there_is_not);
    add_both(tc, reason, what_the_kernel_forbids_is_explained);

    tc = test_case(s, "isolate");
    for (int i = 0; i < (int)SAMPLES; i++)
        add_loop_test_if(tc, reason, isolation_is_as_expected, i);
    tcase_add_test(tc, every_mechanism_has_its_expectations);
    tcase_add_test(tc, what_differs_is_reported_as_a_finding);
    add_test_if(tc, reason, isolate_leaves_its_results_and_nothing_else);
    return s;
}

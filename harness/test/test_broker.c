/*
 * test_broker.c - what the broker (server/broker.h) does for an endpoint, and
 * what it does not, whoever speaks in the endpoint's place; and what is left to
 * code of a stranger's in either of them (what is not: test_drop.c).
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, setresuid, memfd_create */
#include "test/confined.h"

#include "test/files.h"

#include "core/clock.h"
#include "core/object.h"
#include "server/ask.h"
#include "server/ipcd.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_broker(void);

/* -- a broker of our own -------------------------------------------------- */

static int channel[2];
static pid_t broker;

static const unsigned files =
    1u << BROKER_OPEN | 1u << BROKER_READ | 1u << BROKER_OBJECT;

static void
begin_broker(unsigned may)
{
    const struct broker_peer peer = {
        .may = may, .evidence = IPC_OWNER, .dir = run_dir};

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
    broker_prepare(channel[1]);
    broker = fork();
    if (broker == 0) {
        struct broker_peer mine = peer;

        mine.channel = channel[1];
        broker_run(&mine, 1);
        _exit(EXIT_SUCCESS);
    }
    ask_by(channel[0]);
}

/* Alice's file, mode 0600. */
static char file[PATH_MAX];

static struct broker_request
good_request(void)
{
    const struct ipc_peer alice = {
        .pid = getpid(), .uid = ALICE, .gid = ALICE, .evidence = IPC_OWNER};
    struct broker_request r;

    ck_assert_int_eq(
        broker_request(&r, BROKER_READ, &alice, file, strlen(file)), 0);
    r.count = 100;
    return r;
}

static int
ask_and_end(const struct broker_request *r)
{
    struct broker_call c;
    struct broker_answer a;
    int err = broker_do(&c, r, &a);

    if (a.fd != -1)
        close(a.fd);
    broker_end(&c);
    return err;
}

/* It has answered, so it hears signals as well; and Check's own handler, which
 * until then it has of us, is not called. */
static void
end_broker(void)
{
    const struct broker_request r = good_request();

    ask_and_end(&r);
    ck_assert_int_eq(kill(broker, SIGTERM), 0);
    ck_assert_int_eq(reap(broker), 0);
    close(channel[0]);
    close(channel[1]);
    ask_by(0);
}

/* -- who is gone ---------------------------------------------------------- */

/* Who shuts its own channel down, or says nothing in many words, is not heard;
 * the other one is served, and then the broker sleeps: an end of file is there
 * to be read for ever.  When nobody is left it ends. */
START_TEST(the_broker_ends_when_nobody_is_left_and_not_before)
{
    struct broker_peer peers[2] = {
        {.may = files, .evidence = IPC_OWNER, .dir = run_dir},
        {.may = files, .evidence = IPC_OWNER, .dir = run_dir}};
    const int64_t deadline = deadline_in(CALL_TIMEOUT);
    int other[2];

    make_file_of(ALICE, file);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other), 0);
    broker = fork();
    if (broker == 0) {
        close(channel[0]);
        close(other[0]);
        peers[0].channel = other[1];
        peers[1].channel = channel[1];
        broker_run(peers, 2);
        _exit(EXIT_SUCCESS);
    }
    close(channel[1]);
    close(other[1]);
    ask_by(channel[0]);
    ck_assert_int_eq(send(other[0], "", 0, 0), 0);
    ck_assert_int_eq(shutdown(other[0], SHUT_RDWR), 0);
    for (int i = 0; i < 2; i++) {
        const struct broker_request r = good_request();

        ck_assert_int_eq(ask_and_end(&r), 0);
    }
    while (!waits_without_a_timer(broker)) {
        ck_assert_int_gt(time_left(deadline), 0);
        sched_yield();
    }
    close(channel[0]);
    ck_assert_int_eq(reap(broker), 0);
    close(other[0]);
    ask_by(0);
    unlink(file);
}
END_TEST

/* -- what it refuses ------------------------------------------------------ */

static void
no_such_request(struct broker_request *r)
{
    r->what = BROKER_KINDS;
}

static void
not_for_this_endpoint(struct broker_request *r)
{
    r->what = BROKER_PRIORITY;
}

static void
no_end_of_the_path(struct broker_request *r)
{
    memset(r->path, '/', sizeof r->path);
}

static void
nobody(struct broker_request *r)
{
    r->uid = (uid_t)-1;
}

static void
more_evidence_than_there_is(struct broker_request *r)
{
    r->evidence = IPC_STAMPED;
}

static void
no_evidence(struct broker_request *r)
{
    r->evidence = IPC_INFERRED;
}

static void
too_much(struct broker_request *r)
{
    r->count = IPC_MAX_MSG + 1;
}

static void
before_the_beginning(struct broker_request *r)
{
    r->offset = UINT64_MAX;
}

static void
an_object_outside(struct broker_request *r)
{
    r->what = BROKER_OBJECT;
}

static void
an_object_made(struct broker_request *r)
{
    r->what = BROKER_OBJECT;
    r->space = OBJECT_SHM;
    r->number = O_RDWR | O_CREAT;
    strcpy(r->path, "/ipclab-test");
}

static void
shared_memory_in_a_directory(struct broker_request *r)
{
    r->what = BROKER_OBJECT;
    r->space = OBJECT_SHM;
    strcpy(r->path, "/../etc/passwd");
}

static const struct {
    const char *what;
    void (*spoil)(struct broker_request *r);
} bad[] = {
    {"a request that there is not", no_such_request},
    {"one that this endpoint may not ask", not_for_this_endpoint},
    {"a path without an end", no_end_of_the_path},
    {"no uid", nobody},
    {"more evidence than the mechanism gives", more_evidence_than_there_is},
    {"less than it takes", no_evidence},
    {"more bytes than a message has", too_much},
    {"an offset that is negative", before_the_beginning},
    {"an object outside of the run directory", an_object_outside},
    {"an object to be made", an_object_made},
    {"memory that is not in /dev/shm", shared_memory_in_a_directory},
};

START_TEST(the_broker_refuses_what_an_endpoint_may_not_ask)
{
    struct broker_request r;

    make_file_of(ALICE, file);
    begin_broker(files);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = good_request();
        ck_assert_int_eq(ask_and_end(&r), 0); /* as it is it is good */
        bad[i].spoil(&r);
        ck_assert_msg(ask_and_end(&r) == -EPERM, "%s", bad[i].what);
    }
    end_broker();
    unlink(file);
}
END_TEST

/* Not of the right size: no request, and no receipt either. */
START_TEST(the_broker_hears_nothing_that_is_no_request)
{
    struct broker_request r;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), sent;

    make_file_of(ALICE, file);
    begin_broker(files);
    r = good_request();
    ck_assert_int_eq(send(channel[0], &r, sizeof r - 1, 0), sizeof r - 1);
    ck_assert_int_eq(send(channel[0], "", 1, 0), 1);
    /* With a descriptor: the kernel refuses, or it is dropped unseen. */
    sent = send_with_fd(channel[0], "x", 1, null, 0);
    ck_assert(sent == 0 || sent == -EPERM);
    ck_assert_int_eq(ask_and_end(&r), 0);
    end_broker();
    close(null);
    unlink(file);
}
END_TEST

/* -- whom it serves ------------------------------------------------------- */

START_TEST(a_file_is_read_with_the_rights_of_who_asks)
{
    struct broker_answer a;
    struct broker_request r;
    struct broker_call c;
    char text[16] = "";

    make_file_of(ALICE, file);
    begin_broker(files);
    r = good_request();
    ck_assert_int_eq(broker_do(&c, &r, &a), 0);
    ck_assert_int_eq(a.number, strlen("secret"));
    ck_assert_int_eq(pread(a.fd, text, sizeof text, 0), a.number);
    ck_assert_str_eq(text, "secret");
    close(a.fd);
    broker_end(&c);
    r.uid = r.gid = BOB;
    ck_assert_int_eq(ask_and_end(&r), -EACCES);
    end_broker();
    unlink(file);
}
END_TEST

/* Of one user no more than eight are under way; another one's are not counted
 * with them. */
START_TEST(nobody_has_all_the_workers)
{
    struct broker_call mine[16], of_bob;
    struct broker_request r;
    size_t n = 0;
    int err = 0;

    make_file_of(ALICE, file);
    begin_broker(files);
    r = good_request();
    r.what = BROKER_OPEN; /* a worker stays until its call is ended */
    for (; n < 16 && err == 0; n += err == 0)
        err = broker_ask(&mine[n], &r);
    ck_assert_int_eq(err, -EAGAIN);
    ck_assert_uint_eq(n, 8);
    r.uid = r.gid = BOB;
    ck_assert_int_eq(broker_ask(&of_bob, &r), 0);
    broker_end(&of_bob);
    for (size_t i = 0; i < n; i++) {
        struct broker_answer a;

        while (broker_take(&mine[i], &a) == -EAGAIN)
            wait_for(mine[i].fd, POLLIN, mine[i].deadline);
        ck_assert_int_eq(a.result, 0);
        close(a.fd);
        broker_end(&mine[i]);
    }
    end_broker();
    unlink(file);
}
END_TEST

/* -- claims --------------------------------------------------------------- */

/* Memory that this process has open, and what is only said to be. */
START_TEST(many_claims_are_looked_at_in_one_request)
{
    struct object_claim claims[OBJECT_CLAIMS];
    int fd = memfd_create("mine", MFD_CLOEXEC);
    unsigned n;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, 0600), 0);
    for (n = 0; n < OBJECT_CLAIMS; n++)
        claims[n] =
            (struct object_claim){geteuid() + (n % 3 == 1), (uint32_t)getpid(),
                                  n % 3 == 2 ? 999 : (uint32_t)fd};
    begin_broker(files | 1u << BROKER_GLANCE);
    ck_assert_uint_eq(object_glance_at_all(claims, n) & (BROKER_GLANCED - 1),
                      0x09249249);
    /* No worker is there, and no descriptor: who asks for more gets nothing. */
    ck_assert_uint_eq(object_glance_at_all(claims, 2) & 7, 1);
    end_broker();
    begin_broker(files); /* one that may not be asked: all may be */
    ck_assert_uint_eq(object_glance_at_all(claims, n), UINT32_MAX);
    end_broker();
    close(fd);
}
END_TEST

/* -- what is left --------------------------------------------------------- */

static char made[ENDPOINT_SIZE];

static bool
writes_to_the_run_directory(void)
{
    return open(made, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) != -1;
}

static bool
asks_whether_a_process_is_there(void)
{
    return kill(getppid(), 0) == 0 || errno == EPERM;
}

static bool
reads_as_any_user_from_1000_on(void)
{
    struct broker_request r = good_request();

    return ask_and_end(&r) == 0;
}

static bool
reads_as_a_user_of_the_system(void)
{
    struct broker_request r = good_request();

    strcpy(r.path, "/etc/passwd");
    r.uid = r.gid = 8;
    return ask_and_end(&r) == 0;
}

static bool
reads_as_root(void)
{
    struct broker_request r = good_request();

    strcpy(r.path, "/etc/passwd");
    r.uid = r.gid = 0;
    return ask_and_end(&r) == 0;
}

static bool
becomes_a_user_from_1000_on(void)
{
    return setresuid((uid_t)-1, ALICE, (uid_t)-1) == 0;
}

static bool
reads_as_him(void)
{
    return setresgid((gid_t)-1, ALICE, (gid_t)-1) == 0 &&
           setresuid((uid_t)-1, ALICE, (uid_t)-1) == 0 &&
           open(file, O_RDONLY | O_CLOEXEC) != -1;
}

static const struct {
    const char *what;
    enum confined who;
    bool (*succeeds)(void);
    bool can;
} left[] = {
    {"write to the run directory", CONFINED_ENDPOINT,
     writes_to_the_run_directory, true},
    {"ask whether a process is there", CONFINED_ENDPOINT,
     asks_whether_a_process_is_there, true},
    {"read as any user from 1000 on", CONFINED_ENDPOINT,
     reads_as_any_user_from_1000_on, true},
    {"read as a user of the system", CONFINED_ENDPOINT,
     reads_as_a_user_of_the_system, false},
    {"read as root", CONFINED_ENDPOINT, reads_as_root, false},
    {"become a user from 1000 on", CONFINED_BROKER, becomes_a_user_from_1000_on,
     true},
    {"read as that one", CONFINED_BROKER, reads_as_him, true},
    {"write to the run directory", CONFINED_BROKER, writes_to_the_run_directory,
     true},
};

static struct confinement
confinement_of(enum confined kind)
{
    return (struct confinement){
        .user = {SERVICE, SERVICE},
        .kind = kind,
        .kept = kind == CONFINED_BROKER ? RIGHT(SETUID) | RIGHT(SETGID) : 0,
        .dir = run_dir};
}

static void
confine_or_end(enum confined kind)
{
    const struct confinement c = confinement_of(kind);
    char why[CONFINE_WHY];

    if (mounts_make(run_dir) != 0 || confine(&c, why) != 0)
        _exit(EXIT_FAILURE);
}

static void
begin_confined_broker(void)
{
    struct broker_peer mine = {
        .may = files, .evidence = IPC_OWNER, .dir = run_dir};

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
    broker = fork();
    if (broker == 0) {
        mine.channel = channel[1];
        confine_or_end(CONFINED_BROKER);
        broker_run(&mine, 1);
        _exit(EXIT_SUCCESS);
    }
    ask_by(channel[0]);
}

/* Each sentence of the page: what code in such a process could still do. */
START_TEST(what_is_left_it_can)
{
    char dir[ENDPOINT_SIZE];
    int status;
    pid_t pid;

    snprintf(dir, sizeof dir, "%.80s/%s", run_dir, "open-to-it");
    ck_assert_int_eq(mkdir(dir, 0777), 0);
    ck_assert_int_eq(chmod(dir, 01777), 0);
    snprintf(made, sizeof made, "%.80s/%s", run_dir, "open-to-it/file");
    make_file_of(ALICE, file);
    begin_confined_broker();
    pid = fork();
    if (pid == 0) {
        confine_or_end(left[_i].who);
        _exit(left[_i].succeeds() ? 10 : 11);
    }
    status = reap(pid);
    ck_assert(WIFEXITED(status));
    ck_assert_msg(WEXITSTATUS(status) == (left[_i].can ? 10 : 11),
                  "%s: %s (%d)", left[_i].can ? "cannot" : "can", left[_i].what,
                  WEXITSTATUS(status));
    end_broker();
    unlink(file);
    unlink(made);
    rmdir(dir);
}
END_TEST

/* -- suite ---------------------------------------------------------------- */

Suite *
test_broker(void)
{
    Suite *s = suite_create("broker");
    TCase *tc = test_case(s, "broker");

    add_test_if(tc, need_root(),
                the_broker_refuses_what_an_endpoint_may_not_ask);
    add_test_if(tc, need_root(),
                the_broker_ends_when_nobody_is_left_and_not_before);
    add_test_if(tc, need_root(), the_broker_hears_nothing_that_is_no_request);
    add_test_if(tc, need_root(), a_file_is_read_with_the_rights_of_who_asks);
    add_test_if(tc, need_root(), nobody_has_all_the_workers);
    add_test_if(tc, need_root(), many_claims_are_looked_at_in_one_request);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        add_loop_test_if(tc, need_namespaces(), what_is_left_it_can, (int)i);
    return s;
}

/*
 * test_drop.c - what a daemon gives up with --user (server/confine.h): it could
 * not do with fewer rights than it keeps, and with these, and the rest of what
 * confine() does, what root can do has become impossible.
 */
#define _GNU_SOURCE /* unshare, sethostname, setresuid, syscall */
#include "test/confined.h"

#include "test/files.h"
#include "test/here.h"

#include "core/clock.h"
#include "core/rundir.h"
#include "server/ask.h"
#include "server/confine.h"
#include "server/ipcd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_drop(void);

/* -- fewer rights would not do --------------------------------------------- */

static char file[PATH_MAX]; /* Alice's */

struct attempt {
    const struct ipc_mechanism *m;
    rights broker;
    int64_t timeout; /* for each answer, ns */
    char where[ENDPOINT_SIZE];
};

/* Who lacks a right may just keep silent.  A hundred times what one takes who
 * has it; where a busy machine needs more, a right is taken for needed that is
 * not, and no other way round. */
#define SILENCE (NS_PER_SEC / 2)

/* Our own broker, with the rights given; it ends with its parent. */
static void
start_broker_with(const struct attempt *a, int channel, int other)
{
    const struct confinement c = {
        .user = {SERVICE, SERVICE}, .kind = CONFINED_BROKER, .kept = a->broker};
    char why[CONFINE_WHY] = "", names[ENDPOINT_SIZE];
    const struct broker_peer peer = {.channel = channel,
                                     .may = rights_to_ask(a->m),
                                     .evidence = a->m->evidence,
                                     .dir = names};
    pid_t pid = fork();

    broker_names(a->where, names);
    ck_assert_int_ne(pid, -1);
    if (pid > 0)
        return;
    close(other); /* the server's end: when that is closed the broker ends */
    ck_assert_msg(confine(&c, why) == 0, "%s", why);
    broker_run(&peer, 1);
    _exit(EXIT_SUCCESS);
}

/* And our own server. */
static void
serve_with(struct actor *self, void *arg)
{
    const struct attempt *a = arg;
    const struct confinement c = {.user = {SERVICE, SERVICE},
                                  .kind = CONFINED_ENDPOINT,
                                  .dir = run_dir,
                                  .reads = a->m->reads,
                                  .uses = a->m->uses};
    atomic_int stop = 0;
    struct service service;
    char why[CONFINE_WHY] = "";
    void *srv = calloc(1, a->m->server_size);
    int channel[2];

    ck_assert_ptr_nonnull(srv);
    ck_assert_int_eq(a->m->create(srv, a->where), 0);
    ck_assert_int_eq(service_init(&service, a->m, srv, &stop), 0);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
    start_broker_with(a, channel[1], channel[0]);
    ask_by(channel[0]);
    ck_assert_msg(confine(&c, why) == 0, "%s", why);
    actor_step(self);
    service_run(&service); /* until it is killed */
}

/* EXIT_SUCCESS if it gets what it is due. */
static void
try_to_be_served(struct actor *self, void *arg)
{
    const struct attempt *a = arg;
    struct api_value args[] = {string_value(file), {.u64 = 0}, {.u32 = 10}};
    struct client c;
    struct reply r;
    bool joined, served;

    ipc_open_timeout = a->timeout;
    joined = served = client_open(&c, a->m, a->where) == 0;
    /* Root's own files a confined server does not open. */
    if (served && geteuid() != 0 && a->m->evidence >= IPC_OWNER &&
        !(a->m->caps & IPC_TRUSTING))
        served = client_call(&c, api_by_name("read_file"), args, &r,
                             a->timeout) == 0 &&
                 r.status == WIRE_OK;
    if (served)
        served =
            client_call(&c, api_by_name("whoami"), NULL, &r, a->timeout) == 0;
    actor_step(self);
    if (joined)
        client_close(&c);
    _exit(served ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int
end_of(struct actor *c)
{
    int status = reap(c->pid);

    close(c->in);
    close(c->out);
    return status;
}

/* Is a client of that user served? */
static bool
serves(const struct ipc_mechanism *m, uid_t uid, rights broker, int64_t timeout)
{
    struct attempt a = {.m = m, .broker = broker, .timeout = timeout};
    struct actor server, client;
    int status;

    ck_assert_int_eq(endpoint_name(m, run_dir, a.where), 0);
    ck_assert_int_eq(endpoint_becomes(a.where, SERVICE), 0);
    actor_start(&server, geteuid(), serve_with, &a);
    actor_wait(&server);
    actor_go(&server);
    actor_start(&client, uid, try_to_be_served, &a);
    actor_wait(&client);
    actor_go(&client);
    status = end_of(&client);
    kill(server.pid, SIGKILL); /* if it has not failed already */
    end_of(&server);
    children_end(); /* a worker of its */
    if (m->sweep != NULL)
        m->sweep(a.where);
    endpoint_unlock(a.where, endpoint_lock(a.where, NULL));
    return status == EXIT_SUCCESS;
}

START_TEST(it_keeps_no_right_that_it_could_do_without)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    const unsigned may = rights_to_ask(m);
    const rights broker = rights_of_broker(may);

    make_file_of(ALICE, file);
    ck_assert(serves(m, ALICE, broker, CALL_TIMEOUT));
    for (unsigned bit = 0; bit < 64; bit++) {
        const rights one = UINT64_C(1) << bit;

        if ((broker & one & (RIGHT(SETUID) | RIGHT(SETGID))) &&
            (may & 1u << BROKER_READ))
            ck_assert_msg(!serves(m, ALICE, broker & ~one, SILENCE),
                          "the broker of %s does without capability %u",
                          m->name, bit);
        /* Those for root's own objects are not missed by Alice. */
        if (broker & one & (RIGHT(DAC_OVERRIDE) | RIGHT(SYS_PTRACE)))
            ck_assert_msg(!serves(m, geteuid(), broker & ~one, SILENCE),
                          "%s does without capability %u: does it use what its "
                          "table says?",
                          m->name, bit);
    }
    unlink(file);
}
END_TEST

/* -- what is impossible from then on --------------------------------------- */

static bool
sets_uid_0(void)
{
    return setresuid(0, 0, 0) == 0;
}

static bool
sets_uid_0_in_disguise(void) /* the kernel looks at 32 bits of it, or at 16 */
{
#ifdef SYS_setresuid32
    const long root = 1L << 16;
#else
    const long root = (long)(UINT64_C(1) << 32);
#endif

    return syscall(SYS_setresuid, root, root, root) == 0;
}

static bool
takes_capabilities(void)
{
    struct __user_cap_header_struct us = {.version =
                                              _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &us, data) == -1)
        memset(data, 0, sizeof data);
    data[0].permitted |= 1u << CAP_SYS_CHROOT;
    data[0].effective |= 1u << CAP_SYS_CHROOT;
    return syscall(SYS_capset, &us, data) == 0;
}

static bool
names_the_host(void)
{
    return sethostname("other", 5) == 0;
}

static bool
mounts(void)
{
    return mount("none", "/dev/shm", "tmpfs", 0, NULL) == 0;
}

static bool
makes_a_user_namespace(void)
{
    return unshare(CLONE_NEWUSER) == 0;
}

static bool
makes_one_with_clone(void)
{
    const long flags = SIGCHLD | CLONE_NEWUTS;
#ifdef __s390__ /* the stack comes first there */
    long pid = syscall(SYS_clone, NULL, flags, NULL, NULL, 0);
#else
    long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
#endif

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

#ifndef __s390__ /* the filter cannot see what mmap(2) is asked for there */
static bool
makes_code_of_data(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p != MAP_FAILED;
}
#endif

/* CAP_DAC_OVERRIDE would do it, but for the mounts. */
static char victim[PATH_MAX];

static bool
writes_a_file_of_root(void)
{
    return open(victim, O_WRONLY | O_CLOEXEC) != -1;
}

static bool
reads_a_file_of_root(void)
{
    return open(victim, O_RDONLY | O_CLOEXEC) != -1;
}

static char device[PATH_MAX], fifo[PATH_MAX];

static bool
lists_etc(void)
{
    return open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) != -1;
}

static bool
opens_a_device(void)
{
    return open(device, O_RDONLY | O_CLOEXEC) != -1;
}

/* Which somebody reads. */
static bool
writes_a_fifo_of_root(void)
{
    return open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC) != -1;
}

static bool
sets_a_system_uid(void)
{
    return setresuid((uid_t)-1, 8, (uid_t)-1) == 0;
}

static bool
sets_a_system_gid(void) /* shadow, in Debian */
{
    return setresgid((gid_t)-1, 42, (gid_t)-1) == 0;
}

static bool
sets_a_clients_uid(void)
{
    return setresuid((uid_t)-1, ALICE, (uid_t)-1) == 0;
}

static bool
forks(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static pid_t sleeper; /* of the service user's */

static bool
signals_its_own_user(void)
{
    return kill(sleeper, SIGCONT) == 0;
}

static bool
listens_at_a_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd != -1 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
}

static int held = -1;

static void
prepare_victims(void)
{
    int changed[2];
    char byte;

    snprintf(victim, sizeof victim, "%s/file-of-root", check_dir);
    close(open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(device, sizeof device, "%s/device", check_dir);
    ck_assert_int_eq(mknod(device, S_IFCHR | 0666, makedev(1, 3)),
                     0); /* null */
    ck_assert_int_eq(chmod(device, 0666), 0);
    snprintf(fifo, sizeof fifo, "%s/fifo-of-root", check_dir);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    held = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_eq(pipe2(changed, O_CLOEXEC), 0);
    sleeper = fork();
    if (sleeper == 0) {
        if (setresuid(SERVICE, SERVICE, SERVICE) == 0 &&
            write(changed[1], "", 1) == 1)
            pause();
        _exit(EXIT_FAILURE);
    }
    close(changed[1]);
    ck_assert_int_eq(read(changed[0], &byte, 1), 1);
    close(changed[0]);
}

static void
remove_victims(void)
{
    unlink(victim);
    unlink(device);
    unlink(fifo);
    close(held);
    kill(sleeper, SIGKILL);
    reap(sleeper);
}

static bool
runs_a_program(void)
{
    execve("", (char *[]){NULL}, (char *[]){NULL});
    return errno == ENOENT; /* it was looked for */
}

static bool
traces(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static const struct {
    const char *what;
    bool (*succeeds)(void);
    bool fatal, broker_may;
} attacks[] = {
    {"set uid 0", sets_uid_0, false, false},
    {"set uid 0 in disguise", sets_uid_0_in_disguise, false, false},
    {"become a user of the system", sets_a_system_uid, false, false},
    {"become one of a group of the system", sets_a_system_gid, false, false},
    {"become a client", sets_a_clients_uid, false, true},
    {"take capabilities", takes_capabilities, false, false},
    {"name the host", names_the_host, false, false},
    {"mount", mounts, false, false},
    {"make a user namespace", makes_a_user_namespace, false, false},
    {"make a namespace with clone", makes_one_with_clone, false, false},
#ifndef __s390__
    {"make code of data", makes_code_of_data, false, false},
#endif
    {"write a file of root's", writes_a_file_of_root, false, false},
    {"read a file of root's", reads_a_file_of_root, false, true},
    {"list the files of /etc", lists_etc, false, true},
    {"open a device", opens_a_device, false, false},
    {"write to a FIFO of root's", writes_a_fifo_of_root, false, true},
    {"fork", forks, false, true},
    {"signal a process of its own user", signals_its_own_user, false, false},
    {"listen at a TCP port", listens_at_a_port, false, false},
    {"run a program", runs_a_program, true, false},
    {"be traced", traces, true, false},
};

/* Every right that any of them has, and more than it needs. */
static const rights most =
    RIGHT(DAC_OVERRIDE) | RIGHT(SETUID) | RIGHT(SETGID) | RIGHT(IPC_OWNER);

enum who { ROOT, ENDPOINT, BROKER };

enum outcome { FAILED, SUCCEEDED, KILLED, BROKEN };

/* In a child: as root, in namespaces of its own so that nobody is harmed; or
 * as root was confined. */
static enum outcome
attack(size_t i, enum who who)
{
    const struct confinement c = {.user = {SERVICE, SERVICE},
                                  .kind = who == BROKER ? CONFINED_BROKER
                                                        : CONFINED_ENDPOINT,
                                  .kept = most,
                                  .dir = run_dir};
    char why[CONFINE_WHY];
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        bool ready = who == ROOT
                         ? unshare(CLONE_NEWNS | CLONE_NEWUTS) == 0
                         : uts_make() == 0 && mounts_make(run_dir) == 0 &&
                               confine(&c, why) == 0;

        _exit(!ready ? BROKEN : attacks[i].succeeds() ? SUCCEEDED : FAILED);
    }
    status = reap(pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return KILLED;
    ck_assert(WIFEXITED(status));
    return (enum outcome)WEXITSTATUS(status);
}

START_TEST(what_root_can_do_it_cannot)
{
    const size_t i = (size_t)_i;

    prepare_victims();
    ck_assert_msg(attack(i, ROOT) == SUCCEEDED, "root cannot %s",
                  attacks[i].what);
    ck_assert_msg(attack(i, ENDPOINT) == (attacks[i].fatal ? KILLED : FAILED),
                  "an endpoint can still %s", attacks[i].what);
    if (!attacks[i].broker_may)
        ck_assert_msg(attack(i, BROKER) == (attacks[i].fatal ? KILLED : FAILED),
                      "the broker can still %s", attacks[i].what);
    remove_victims();
}
END_TEST

static void *
sleep_for_ever(void *arg)
{
    pause();
    return arg;
}

START_TEST(a_thread_that_would_keep_its_rights_is_noticed)
{
    const struct confinement c = {.user = {SERVICE, SERVICE}};
    char why[CONFINE_WHY] = "";
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_for_ever, NULL), 0);
    ck_assert_int_eq(confine(&c, why), -EBUSY);
    ck_assert_msg(strstr(why, "threads") != NULL, "%s", why);
    ck_assert_int_eq(geteuid(), 0); /* nothing has been given up yet */
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}
END_TEST

/* What root cannot do in this place proves nothing. */
static const char *
need_for(size_t i)
{
    if (need_namespaces() != NULL)
        return need_namespaces();
    if (attacks[i].succeeds == mounts)
        return need_dev_shm();
    if (attacks[i].succeeds == makes_a_user_namespace &&
        !here_try(makes_a_user_namespace))
        return "need user namespaces (in a chroot there are none)";
    return NULL;
}

/* -- suite ----------------------------------------------------------------- */

Suite *
test_drop(void)
{
    Suite *s = suite_create("drop");
    TCase *tc = test_case(s, "drop");

    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        add_loop_test_if(tc, need_for(i), what_root_can_do_it_cannot, (int)i);
    add_test_if(tc, need_one_thread(),
                a_thread_that_would_keep_its_rights_is_noticed);
    for (int i = 0; ipc_registry[i] != NULL; i++) {
        const struct ipc_mechanism *m = ipc_registry[i];
        const char *reason = need_mechanism(m);

        if (reason == NULL)
            reason = need_one_thread();
        if (m->caps & (IPC_SPAWNED | IPC_INPROCESS | IPC_ONEWAY))
            continue; /* a one-way server needs none, and would not tell */
        add_loop_test_if(test_case(s, m->name),
                         reason != NULL ? reason : need_strangers(m),
                         it_keeps_no_right_that_it_could_do_without, i);
    }
    return s;
}

/*
 * test_confine.c - a daemon started with --user (server/confine.h): it serves
 * everybody as before, and can do nothing else any more.
 *
 * What a daemon must have kept is not in here: it is read from the table in
 * harness/server/README.md, so the page is true.
 */
#define _GNU_SOURCE /* memfd_create, unshare, sethostname, setresuid, syscall */
#include "test/ruled.h"

#include "core/rundir.h"
#include "server/confine.h"
#include "server/service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

Suite *test_confine(void);

/* The service user; needs no line in passwd(5) either. */
#define SERVICE      10090
#define SERVICE_TEXT "10090"

static const char *
need_one_thread(void)
{
#ifdef IPCLAB_TSAN
    return "need a program without ThreadSanitizer's own thread";
#else
    return need_root();
#endif
}

/* -- every daemon ------------------------------------------------------------ */

static void
start_confined(struct host *h, const struct ipc_mechanism *m)
{
    const struct host_options options = {.user = SERVICE_TEXT, .cpu = -1};
    int err = host_start(h, m, run_dir, &options);

    ck_assert_msg(err == 0, "no server of %s: %s", m->name, strerror(-err));
}

/* The supervisor's only child. */
static pid_t
confined_server(const struct host *h)
{
    char path[64];
    int pid = -1;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)h->pid,
             (int)h->pid);
    f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
    fclose(f);
    return pid;
}

/* The capabilities in the README's line "| `fifo/perclient` | `00..c2` | ...", of a
 * mechanism or of a method. */
static void
documented(const char *name, char caps[17])
{
    char path[PATH_MAX], line[512], begin[64];
    FILE *readme;

    snprintf(path, sizeof path, "%s/harness/server/README.md", source_dir());
    snprintf(begin, sizeof begin, "| `%s` | `", name);
    readme = fopen(path, "re");
    ck_assert_msg(readme != NULL, "%s: %s", path, strerror(errno));
    caps[0] = '\0';
    while (fgets(line, sizeof line, readme) != NULL)
        if (strncmp(line, begin, strlen(begin)) == 0)
            snprintf(caps, 17, "%.16s", line + strlen(begin));
    fclose(readme);
    ck_assert_msg(strlen(caps) == 16, "%s: not in %s", name, path);
}

#define NONE "0000000000000000"

static void
expect_status(pid_t pid, const char *caps)
{
    char path[64], text[4096], expect[512];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_msg(
        strstr(text, "\nUid:\t" SERVICE_TEXT "\t" SERVICE_TEXT "\t" SERVICE_TEXT
                     "\t" SERVICE_TEXT "\nGid:\t" SERVICE_TEXT "\t" SERVICE_TEXT
                     "\t" SERVICE_TEXT "\t" SERVICE_TEXT "\n") != NULL &&
            strstr(text, "\nGroups:\t \n") != NULL,
        "%s", text);
    snprintf(expect, sizeof expect,
             "\nCapInh:\t" NONE "\nCapPrm:\t%s\nCapEff:\t%s\nCapBnd:\t" NONE
             "\nCapAmb:\t" NONE "\nNoNewPrivs:\t1\nSeccomp:\t2\n",
             caps, caps);
    ck_assert_msg(strstr(text, expect) != NULL, "not \"%s\" but\n%s", expect,
                  text);
}

/* Every thread's: capabilities are a thread's own. */
static void
expect_confined(const struct host *h)
{
    char path[64], caps[17];
    DIR *threads;
    int n = 0;

    documented(h->m->name, caps);
    snprintf(path, sizeof path, "/proc/%d/task", (int)confined_server(h));
    threads = opendir(path);
    ck_assert_ptr_nonnull(threads);
    for (struct dirent *e; (e = readdir(threads)) != NULL;)
        if (e->d_name[0] != '.') {
            expect_status((pid_t)strtol(e->d_name, NULL, 10), caps);
            n++;
        }
    closedir(threads);
    ck_assert_int_ge(n, 2); /* the main one and an endpoint's */
}

static void
make_file_of(uid_t uid, char path[PATH_MAX])
{
    int fd;

    snprintf(path, PATH_MAX, "%s/file-of-%u", check_dir, uid);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, "secret", 6), 6);
    ck_assert_int_eq(fchown(fd, uid, uid), 0);
    close(fd);
}

static void
expect_read(struct client *c, const char *path, bool mine)
{
    struct api_value args[] = {string_value(path), {.u64 = 0}, {.u32 = 10}};
    struct reply r;

    if (c->m->evidence < IPC_OWNER || (c->m->caps & IPC_TRUSTING)) {
        expect_call(c, "read_file", args, WIRE_DENIED, &r);
    } else if (mine) {
        expect_call(c, "read_file", args, WIRE_OK, &r);
        ck_assert(value_is(&r.results[0], "secret"));
    } else {
        expect_call(c, "read_file", args, WIRE_OS_ERROR, &r);
        ck_assert_int_eq(r.os_error, EACCES);
    }
}

static char files[2][PATH_MAX]; /* Alice's and Bob's */

static void
be_served(void *server)
{
    struct host *h = server;
    struct api_value name = string_value("World");
    struct client c;
    struct reply r;

    client_start(h, &c);
    if (!(h->m->caps & IPC_ONEWAY)) {
        expect_call(&c, "hello", &name, WIRE_OK, &r);
        ck_assert(value_is(&r.results[0], "Hello World"));
        expect_call(&c, "whoami", NULL, WIRE_OK, &r);
        if (h->m->evidence > IPC_CLAIMED)
            ck_assert_int_eq(r.results[2].i64, geteuid());
        expect_echo(&c, echo_room(&c));
        expect_read(&c, files[0], geteuid() == ALICE);
        expect_read(&c, files[1], geteuid() == BOB);
    }
    client_close(&c);
}

START_TEST(a_confined_daemon_serves_all_users_with_their_own_rights)
{
    struct host h;

    make_file_of(ALICE, files[0]);
    make_file_of(BOB, files[1]);
    start_confined(&h, ipc_registry[_i]);
    expect_confined(&h);
    run_as(ALICE, be_served, &h);
    run_as(BOB, be_served, &h);
    expect_confined(&h);
    server_stop(&h); /* and nothing is left: test.h */
    unlink(files[0]);
    unlink(files[1]);
}
END_TEST

START_TEST(whoever_dies_the_other_ends_and_clears_up)
{
    struct host h;
    int status;
    pid_t server;

    start_confined(&h, ipc_registry[_i]);
    ck_assert_int_eq(kill(confined_server(&h), SIGKILL), 0);
    ck_assert_int_eq(waitpid(h.pid, &status, 0), h.pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
    ck_assert_str_eq(objects_left(), "");

    /* The supervisor: nobody is left with the right to remove things. */
    start_confined(&h, ipc_registry[_i]);
    server = confined_server(&h);
    server_kill(&h);
    while (waitpid(server, &status, 0) == -1) /* an orphan, so ours: test.h */
        ck_assert_int_eq(errno, EINTR);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    start_confined(&h, ipc_registry[_i]); /* takes over and clears up */
    server_stop(&h);
}
END_TEST

/* -- what is privileged ---------------------------------------------------------- */

#define PORT 614 /* nobody's: services(5) */
#define NICE (-7)

static const char *const privileged[] = {"set_hostname", "set_priority",
                                         "bind_port"};
enum { PRIVILEGED = sizeof privileged / sizeof *privileged };

/* Alice may call those whose bit is set. */
struct demand {
    struct ruled server;
    unsigned allowed;
};

static void
expect_port(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    ck_assert(at.sin_family == AF_INET && ntohs(at.sin_port) == PORT);
    close(fd);
}

static void
call_privileged(void *arg)
{
    struct demand *d = arg;
    const struct api_value args[] = {
        string_value("confined"), {.i32 = NICE}, {.u32 = PORT}};
    struct client c;
    struct reply r;

    client_start(&d->server.host, &c);
    for (unsigned i = 0; i < PRIVILEGED; i++) {
        bool allowed = d->allowed >> i & 1 && geteuid() == ALICE;

        expect_call(&c, privileged[i], &args[i],
                    allowed ? WIRE_OK : WIRE_DENIED, &r);
        if (allowed && args[i].u32 == PORT)
            expect_port(r.fd);
    }
    if (geteuid() == ALICE) {
        expect_call(&c, "get_hostname", NULL, WIRE_OK, &r);
        ck_assert_int_eq(value_is(&r.results[0], "confined"), d->allowed & 1);
        ck_assert_int_eq(getpriority(PRIO_PROCESS, 0) == NICE,
                         d->allowed >> 1 & 1);
    }
    client_close(&c);
}

/* The mechanism's, and for each method that is allowed its own. */
static void
expect_rights_for(const struct demand *d)
{
    char caps[17];
    rights all;

    documented(d->server.host.m->name, caps);
    all = strtoull(caps, NULL, 16);
    for (unsigned i = 0; i < PRIVILEGED; i++)
        if (d->allowed >> i & 1) {
            documented(privileged[i], caps);
            all |= strtoull(caps, NULL, 16);
        }
    snprintf(caps, sizeof caps, "%016" PRIx64, all);
    expect_status(confined_server(&d->server.host), caps);
}

/* All combinations: a right that is there has a rule that asks for it. */
START_TEST(what_is_privileged_takes_its_rule_and_then_its_right)
{
    struct demand d = {.server = {.more = "--user " SERVICE_TEXT},
                       .allowed = (unsigned)_i};
    char before[HOST_NAME_MAX + 1], after[HOST_NAME_MAX + 1];
    char policy[256] = "";

    for (unsigned i = 0; i < PRIVILEGED; i++)
        if (d.allowed >> i & 1)
            snprintf(policy + strlen(policy), sizeof policy - strlen(policy),
                     "allow %s uid=%d\n", privileged[i], ALICE);
    ck_assert_int_eq(gethostname(before, sizeof before), 0);
    ruled_start(&d.server, ipc_find("socket/stream"), ALICE, policy);
    expect_rights_for(&d);
    run_as(ALICE, call_privileged, &d);
    run_as(BOB, call_privileged, &d);
    expect_rights_for(&d);
    ruled_stop(&d.server);
    ck_assert_int_eq(gethostname(after, sizeof after), 0);
    ck_assert_str_eq(before, after); /* the machine's */
}
END_TEST

/* -- SIGHUP ----------------------------------------------------------------------- */

static struct ruled reloaded;
static uint32_t expected; /* what "hello" comes to */

static void
say_hello(void *arg)
{
    const struct api_value name = string_value("World");
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&reloaded.host, &c);
    expect_call(&c, "hello", &name, expected, &r);
    client_close(&c);
}

static void
replace_rules(const char *rules)
{
    char new[ENDPOINT_SIZE + 8];

    snprintf(new, sizeof new, "%s.new", reloaded.policy);
    write_file(new, rules, 0600); /* for root's eyes only */
    ck_assert_int_eq(rename(new, reloaded.policy), 0);
}

/* The service user may neither read the rules nor make a file beside them. */
START_TEST(its_supervisor_opens_for_it_what_it_may_not)
{
    char old[ENDPOINT_SIZE + 8];

    reloaded = (struct ruled){.more = "--user " SERVICE_TEXT};
    ruled_start(&reloaded, ipc_find("socket/stream"), ALICE,
                "deny hello any\n");
    expected = WIRE_DENIED;
    run_as(ALICE, say_hello, NULL);

    replace_rules("# now open\n");
    ck_assert_int_eq(kill(confined_server(&reloaded.host), SIGHUP), 0);
    ruled_until(&reloaded, "Permission denied"); /* by itself it cannot */
    run_as(ALICE, say_hello, NULL);

    snprintf(old, sizeof old, "%s.old", reloaded.audit);
    ck_assert_int_eq(rename(reloaded.audit, old), 0);
    ck_assert_int_eq(kill(reloaded.host.pid, SIGHUP), 0);
    ruled_until(&reloaded, "event=policy-reloaded"); /* in the new file */
    expected = WIRE_OK;
    run_as(ALICE, say_hello, NULL);

    ck_assert_int_eq(unlink(reloaded.policy), 0);
    ck_assert_int_eq(kill(reloaded.host.pid, SIGHUP), 0);
    ruled_until(&reloaded, "No such file");
    run_as(ALICE, say_hello, NULL); /* the old rules remain */
    ruled_stop(&reloaded);
    ck_assert_int_eq(unlink(old), 0);
}
END_TEST

/* -- fewer rights would not do ------------------------------------------------- */

struct attempt {
    const struct ipc_mechanism *m;
    rights kept;
    char where[ENDPOINT_SIZE];
};

/* Our own server, with the rights given. */
static void
serve_with(struct child *self, void *arg)
{
    const struct service_user user = {SERVICE, SERVICE};
    const struct attempt *a = arg;
    atomic_int stop = 0;
    struct service service;
    char why[CONFINE_WHY] = "";
    void *srv = calloc(1, a->m->server_size);

    ck_assert_ptr_nonnull(srv);
    ck_assert_int_eq(a->m->create(srv, a->where), 0);
    ck_assert_int_eq(service_init(&service, a->m, srv, &stop), 0);
    ck_assert_msg(confine(&user, a->kept, why) == 0, "%s", why);
    child_step(self);
    service_run(&service); /* until it is killed */
}

/* EXIT_SUCCESS if it gets what it is due. */
static void
try_to_be_served(struct child *self, void *arg)
{
    const struct attempt *a = arg;
    struct api_value args[] = {string_value(files[0]), {.u64 = 0}, {.u32 = 10}};
    const int64_t timeout = 2 * INT64_C(1000000000);
    struct client c;
    struct reply r;
    bool joined = client_open(&c, a->m, a->where) == 0, served = joined;

    if (served && a->m->evidence >= IPC_OWNER && !(a->m->caps & IPC_TRUSTING))
        served =
            client_call(&c, api_by_name("read_file"), args, &r, timeout) == 0 &&
            r.status == WIRE_OK;
    if (served)
        served = client_call(&c, api_by_name("whoami"), NULL, &r, timeout) == 0;
    child_step(self);
    if (joined)
        client_close(&c);
    _exit(served ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* The objects there are while a client is served; -1: it is not. */
static int
serve_one(const struct ipc_mechanism *m, rights kept)
{
    struct attempt a = {.m = m, .kept = kept};
    struct child server, client;
    int status, objects = 0;

    ck_assert_int_eq(endpoint_name(m, run_dir, a.where), 0);
    ck_assert_int_eq(endpoint_becomes(a.where, SERVICE), 0);
    child_start(&server, geteuid(), serve_with, &a);
    child_wait(&server);
    child_go(&server);
    child_start(&client, ALICE, try_to_be_served, &a);
    child_wait(&client);
    for (const char *p = objects_left(); *p != '\0'; p++)
        objects += *p == '\n';
    child_go(&client);
    while (waitpid(client.pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    close(client.in);
    close(client.out);
    kill(server.pid, SIGKILL); /* if it has not failed already */
    while (waitpid(server.pid, NULL, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    close(server.in);
    close(server.out);
    if (m->sweep != NULL)
        m->sweep(a.where);
    endpoint_unlock(a.where, endpoint_lock(a.where, NULL));
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? objects
                                                                    : -1;
}

/* CAP_FOWNER is for taking a client's file off its directory; a client whose
 * file stays there is served, but may be taken for another one later. */
START_TEST(it_keeps_no_right_that_it_could_do_without)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    const rights needed = rights_needed(m);
    int objects;

    make_file_of(ALICE, files[0]);
    objects = serve_one(m, needed);
    ck_assert_int_ge(objects, 0);
    for (unsigned bit = 0; bit < 64; bit++)
        if (needed >> bit & 1) {
            int without = serve_one(m, needed & ~(UINT64_C(1) << bit));

            ck_assert_msg(without == -1 || without > objects,
                          "%s does without capability %u", m->name, bit);
        }
    unlink(files[0]);
}
END_TEST

/* -- what is impossible from then on -------------------------------------------- */

static bool
sets_uid_0(void)
{
    return setresuid(0, 0, 0) == 0;
}

static bool
sets_uid_0_in_disguise(void) /* the kernel looks at 32 bits of it */
{
    const long root = (long)(UINT64_C(1) << 32);

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
    long pid = syscall(SYS_clone, SIGCHLD | CLONE_NEWUTS, NULL, NULL, NULL, 0);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

static bool
makes_code_of_data(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p != MAP_FAILED;
}

/* CAP_DAC_OVERRIDE would do it, but for the mounts. */
static char victim[PATH_MAX];

static bool
writes_a_file_of_root(void)
{
    return open(victim, O_WRONLY | O_CLOEXEC) != -1;
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
    bool fatal;
} attacks[] = {
    {"set uid 0", sets_uid_0, false},
    {"set uid 0 in disguise", sets_uid_0_in_disguise, false},
    {"take capabilities", takes_capabilities, false},
    {"name the host", names_the_host, false},
    {"mount", mounts, false},
    {"make a user namespace", makes_a_user_namespace, false},
    {"make a namespace with clone", makes_one_with_clone, false},
    {"make code of data", makes_code_of_data, false},
    {"write a file of root's", writes_a_file_of_root, false},
    {"run a program", runs_a_program, true},
    {"be traced", traces, true},
};

/* Every right that any daemon has, and more than it needs. */
static const rights most =
    RIGHT(DAC_OVERRIDE) | RIGHT(SETUID) | RIGHT(SETGID) | RIGHT(IPC_OWNER);

enum outcome { FAILED, SUCCEEDED, KILLED, BROKEN };

/* In a child: as root, in namespaces of its own so that nobody is harmed; or
 * as root was confined. */
static enum outcome
attack(size_t i, bool confined)
{
    const struct service_user user = {SERVICE, SERVICE};
    char why[CONFINE_WHY];
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        bool ready = confined ? namespaces_make(run_dir) == 0 &&
                                    confine(&user, most, why) == 0
                              : unshare(CLONE_NEWNS | CLONE_NEWUTS) == 0;

        _exit(!ready ? BROKEN : attacks[i].succeeds() ? SUCCEEDED : FAILED);
    }
    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return KILLED;
    ck_assert(WIFEXITED(status));
    return (enum outcome)WEXITSTATUS(status);
}

START_TEST(what_root_can_do_it_cannot)
{
    const size_t i = (size_t)_i;

    snprintf(victim, sizeof victim, "%s/file-of-root", check_dir);
    close(open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ck_assert_msg(attack(i, false) == SUCCEEDED, "root cannot %s",
                  attacks[i].what);
    ck_assert_msg(attack(i, true) == (attacks[i].fatal ? KILLED : FAILED),
                  "confined it can still %s", attacks[i].what);
    unlink(victim);
}
END_TEST

/* -- when it is not to be -------------------------------------------------------- */

static void *
sleep_for_ever(void *arg)
{
    pause();
    return arg;
}

START_TEST(a_thread_that_would_keep_its_rights_is_noticed)
{
    const struct service_user user = {SERVICE, SERVICE};
    char why[CONFINE_WHY] = "";
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_for_ever, NULL), 0);
    ck_assert_int_eq(confine(&user, 0, why), -EBUSY);
    ck_assert_msg(strstr(why, "threads") != NULL, "%s", why);
    ck_assert_int_eq(geteuid(), 0); /* nothing has been given up yet */
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(nobody_serves_as_root_or_as_nobody)
{
    static const char *const bad[] = {
        "root", "0",          "0:10090", "10090:0", "-1",     "4294967295",
        "",     "4294967296", "65534",   "10090:",  "10090x", "no-such-user"};
    struct output o;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run_program(&o, "ipcd", "-m", "socket/stream", "--user", bad[i], NULL);
        ck_assert_msg(o.status == 64 && strstr(o.err, "--user") != NULL,
                      "'%s': %d, %s", bad[i], o.status, o.err);
    }
}
END_TEST

static void
become_somebody_else(void *arg)
{
    struct output *o = arg;

    run_program(o, "ipcd", "-m", "socket/stream", "--user", SERVICE_TEXT, NULL);
    ck_assert_int_eq(o->status, 64);
    ck_assert_msg(strstr(o->err, "only root") != NULL, "%s", o->err);
}

START_TEST(only_root_becomes_somebody_else)
{
    static struct output o;

    run_as(geteuid() == 0 ? ALICE : geteuid(), become_somebody_else, &o);
}
END_TEST

/* Its own name: no rights are there to be given up, but the filter is. */
static void
confine_myself(void *arg)
{
    char me[32], path[64], text[4096];
    const struct host_options options = {.user = me, .cpu = -1};
    struct client c;
    struct host h;
    FILE *f;

    snprintf(me, sizeof me, "%u:%u", geteuid(), getegid());
    ck_assert_int_eq(host_start(&h, ipc_find("fifo/perclient"), arg, &options),
                     0);
    client_start(&h, &c);
    expect_echo(&c, 100);
    client_close(&c);
    snprintf(path, sizeof path, "/proc/%d/status", (int)h.pid);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_msg(strstr(text, "\nNoNewPrivs:\t1\nSeccomp:\t2\n") != NULL, "%s",
                  text);
    server_stop(&h);
}

START_TEST(an_ordinary_user_confines_his_own_server)
{
    char dir[ENDPOINT_SIZE];

    snprintf(dir, sizeof dir, "%s/own", check_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(chown(dir, ALICE, ALICE), 0);
    run_as(geteuid() == 0 ? ALICE : geteuid(), confine_myself, dir);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* -- the set-user-ID server ------------------------------------------------------ */

static const int limits[] = {RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_SIGPENDING,
                             RLIMIT_MSGQUEUE, RLIMIT_NOFILE};

/* What Alice leaves to the server she starts.  Soft limits: not every root may
 * raise the hard ones. */
static void
leave_little(void)
{
    const struct sched_param none = {.sched_priority = 0};
    const struct timespec soon = {.tv_nsec = 1};
    struct itimerval timer = {.it_value.tv_usec = 1};
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    sigset_t all;
    cpu_set_t one;
    timer_t posix;

    ck_assert_int_eq(write(fd, "1000", 4), 4);
    close(fd);
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 19), 0);
    prctl(PR_SET_TIMERSLACK, 1000000000ul);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGCHLD, SIG_IGN);
    timer_create(CLOCK_MONOTONIC, NULL, &posix);
    timer_settime(posix, 0, &(struct itimerspec){.it_value = soon}, NULL);
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    raise(SIGUSR1); /* blocked, pending: it would be the first thing to come */
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        __rlimit_resource_t which = (__rlimit_resource_t)limits[i];
        struct rlimit r;

        getrlimit(which, &r);
        r.rlim_cur = limits[i] == RLIMIT_NOFILE ? 4 : 0;
        ck_assert_int_eq(setrlimit(which, &r), 0);
    }
}

static void
expect_line(pid_t pid, const char *file, const char *line)
{
    char path[64], text[8192];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_msg(strstr(text, line) != NULL, "%s: no \"%s\" in:\n%s", path,
                  line, text);
}
/* Not by prlimit(2), which asks for the same right as raising them. */
static void
expect_limits(pid_t pid)
{
    char path[64], line[128], soft[32], hard[32];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "Max file size ", 14) == 0 ||
            strncmp(line, "Max processes ", 14) == 0 ||
            strncmp(line, "Max open files ", 15) == 0 ||
            strncmp(line, "Max pending signals ", 20) == 0 ||
            strncmp(line, "Max msgqueue size ", 18) == 0) {
            ck_assert_int_eq(sscanf(line + 20, "%31s %31s", soft, hard), 2);
            ck_assert_msg(strcmp(soft, hard) == 0 && strcmp(soft, "0") != 0 &&
                              strcmp(soft, "4") != 0,
                          "%s", line);
        }
    fclose(f);
}

/* Alice's server, with pipes to it; prepare() is what she does before. */
static pid_t
start_set_user_id(const char *program, void (*prepare)(void), int *in, int *out)
{
    int to[2], from[2];
    pid_t pid;

    ck_assert(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        if (setresgid(ALICE, ALICE, ALICE) == -1 ||
            setresuid(ALICE, ALICE, ALICE) == -1)
            _exit(127);
        prctl(PR_SET_DUMPABLE, 1); /* as after an exec: /proc/self is hers */
        prepare();
        execl(program, "ipcd", "--stdio", "-m", "pipe/coprocess", (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    *in = to[1];
    *out = from[0];
    return pid;
}

static int
end_set_user_id(pid_t pid, int in, int out)
{
    int status;

    close(in);
    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    close(out);
    ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

START_TEST(a_set_user_id_server_has_its_full_share_of_the_machine)
{
    uint8_t frame[WIRE_HEADER];
    struct host server;
    char cpus[64], all[4096];
    const char *line;
    int in, out;
    FILE *f;
    pid_t pid;

    server_start_for(&server, ipc_find("pipe/coprocess"), ALICE);
    pid = start_set_user_id(server.program, leave_little, &in, &out);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    ck_assert_int_eq(write(in, frame, sizeof frame), sizeof frame);
    ck_assert_int_eq(read(out, frame, sizeof frame), sizeof frame);

    expect_line(pid, "oom_score_adj", "0\n");
    expect_limits(pid);
    expect_line(pid, "status", "\nSigBlk:\t0000000000000000\n");
    ck_assert_int_eq(sched_getscheduler(pid), SCHED_OTHER);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)pid), 0);
    f = fopen("/proc/1/status", "re"); /* who has all there are */
    ck_assert_ptr_nonnull(f);
    all[fread(all, 1, sizeof all - 1, f)] = '\0';
    fclose(f);
    line = strstr(all, "\nCpus_allowed:");
    ck_assert_ptr_nonnull(line);
    snprintf(cpus, sizeof cpus, "%.*s",
             line == NULL ? 0 : (int)strcspn(line + 1, "\n") + 1, line);
    expect_line(pid, "status", cpus);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EXIT_SUCCESS);
    server_stop(&server);
}
END_TEST

static void
forbid_new_rights(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void
forbid_nothing(void)
{
}

START_TEST(a_set_user_id_server_without_its_rights_does_not_serve)
{
    struct host server;
    int in, out;
    pid_t pid;

    server_start_for(&server, ipc_find("pipe/coprocess"), ALICE);
    pid = start_set_user_id(server.program, forbid_nothing, &in, &out);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EXIT_SUCCESS);
    pid = start_set_user_id(server.program, forbid_new_rights, &in, &out);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EX_NOPERM);

    ck_assert_int_eq(mount(check_dir, check_dir, NULL, MS_BIND, NULL), 0);
    ck_assert_int_eq(
        mount(NULL, check_dir, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID, NULL),
        0);
    pid = start_set_user_id(server.program, forbid_nothing, &in, &out);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EX_NOPERM);
    ck_assert_int_eq(umount2(check_dir, MNT_DETACH), 0);
    server_stop(&server);
}
END_TEST

/* Most containers do not let even root. */
static const char *
need_namespaces(void)
{
    int status;
    pid_t pid;

    if (need_one_thread() != NULL)
        return need_one_thread();
    pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWNS | CLONE_NEWUTS) == 0 ? EXIT_SUCCESS
                                                       : EXIT_FAILURE);
    return waitpid(pid, &status, 0) == pid && status == 0
               ? NULL
               : "need to make namespaces (CAP_SYS_ADMIN)";
}

static const char *
need_one_thread_and_source(void)
{
    return need_one_thread() != NULL ? need_one_thread() : need_source();
}

static void
add_daemon(Suite *s, int i)
{
    const struct ipc_mechanism *m = ipc_registry[i];
    TCase *tc = test_case(s, m->name);
    const char *reason =
        need_mechanism(m) != NULL ? need_mechanism(m) : need_one_thread();

    add_loop_test_if(tc, reason != NULL ? reason : need_one_thread_and_source(),
                     a_confined_daemon_serves_all_users_with_their_own_rights,
                     i);
    add_loop_test_if(tc, reason, whoever_dies_the_other_ends_and_clears_up, i);
    if (!(m->caps & IPC_ONEWAY)) /* it needs none, and would not tell */
        add_loop_test_if(tc, reason, it_keeps_no_right_that_it_could_do_without,
                         i);
}

Suite *
test_confine(void)
{
    Suite *s = suite_create("confine");
    TCase *tc = test_case(s, "confine");

    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        add_loop_test_if(tc, need_namespaces(), what_root_can_do_it_cannot,
                         (int)i);
    add_test_if(tc, need_one_thread(),
                a_thread_that_would_keep_its_rights_is_noticed);
    for (int allowed = 0; allowed < 1 << PRIVILEGED; allowed++)
        add_loop_test_if(
            tc, need_namespaces() != NULL ? need_namespaces() : need_source(),
            what_is_privileged_takes_its_rule_and_then_its_right, allowed);
    add_test_if(tc, need_one_thread(),
                its_supervisor_opens_for_it_what_it_may_not);
    add_test_if(tc, need_root(),
                a_set_user_id_server_has_its_full_share_of_the_machine);
    add_test_if(tc, need_namespaces(),
                a_set_user_id_server_without_its_rights_does_not_serve);
    tcase_add_test(tc, nobody_serves_as_root_or_as_nobody);
    tcase_add_test(tc, only_root_becomes_somebody_else);
#ifdef IPCLAB_TSAN
    add_test_if(tc, "need a program without ThreadSanitizer's own thread",
                an_ordinary_user_confines_his_own_server);
#else
    tcase_add_test(tc, an_ordinary_user_confines_his_own_server);
#endif
    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps & (IPC_SPAWNED | IPC_INPROCESS)))
            add_daemon(s, i);
    return s;
}

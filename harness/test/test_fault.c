/*
 * test_fault.c - the system calls fail, one after the other: case 81 of the
 * attack matrix, over every mechanism.
 *
 *      the Nth call of      fails, N = 1, 2 ...     and then
 *      a daemon             while a client joins,   the client has the right
 *                           is served and leaves    answers, or an error; the
 *                                                   next one is served; no
 *                                                   descriptor, no object is
 *                                                   left
 *      a spawned server     from its exec on        the same, by its successor
 *      a client             by a SIGKILL            its server, and who else
 *                                                   is there, do not feel it
 *
 * One server goes through all of it.  By default each call fails in one way;
 * IPCLAB_FAULTS=all tries every error with every call.
 */
#define _GNU_SOURCE /* fchmod, strsignal */
#include "test/inject.h"
#include "test/ruled.h"
#include "test/subject.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_fault(void);

#define GAVE_UP 77 /* exit status of a client that was told of an error */

/* A fault may cost the reply; nobody waits long for it then, ns. */
#define SHORT (100 * NS_PER_MS)

/* -- a client ------------------------------------------------------------------ */

struct customer {
    uid_t uid;
    int64_t patience;
    bool steps; /* waits for us to seize it, before it opens */
};

static char ours[ENDPOINT_SIZE], secret[ENDPOINT_SIZE];

/* Whatever goes wrong on the way, it never becomes somebody else's right. */
static void
check_identity(const struct reply *r)
{
    const int64_t uid = r->results[2].i64, gid = r->results[3].i64;

    if (r->status != WIRE_OK)
        return;
    ck_assert_msg(uid == geteuid() || uid == -1, "%s: taken for uid %lld",
                  subject->name, (long long)uid);
    ck_assert_msg(gid == getegid() || gid == -1, "%s: taken for gid %lld",
                  subject->name, (long long)gid);
}

static int
call_whoami(struct client *c, int64_t patience)
{
    struct reply r;
    int err = client_call(c, api_by_name("whoami"), NULL, &r, patience);

    if (err == 0)
        check_identity(&r);
    return err;
}

static int
call_echo(struct client *c, int64_t patience)
{
    const char *text = "all the same";
    struct api_value arg = string_value(text);
    struct reply r;
    int err = client_call(c, api_by_name("echo"), &arg, &r, patience);

    if (err == 0 && r.status == WIRE_OK)
        ck_assert_msg(value_is(&r.results[0], text), "%s: another echo",
                      subject->name);
    return err;
}

static int
call_read_file(struct client *c, const char *path, int64_t patience)
{
    struct api_value args[] = {string_value(path), {.u64 = 0}, {.u32 = 10}};
    struct reply r;
    int err = client_call(c, api_by_name("read_file"), args, &r, patience);

    if (err != 0 || r.status != WIRE_OK)
        return err;
    ck_assert_msg(path != secret, "%s: reads what it may not", subject->name);
    ck_assert_msg(value_is(&r.results[0], "text"), "%s: reads something else",
                  subject->name);
    return 0;
}

static int
ask_all(struct client *c, int64_t patience)
{
    int err = call_echo(c, patience);

    if (c->limits.max_msg < 1000) /* and says it bit by bit */
        return err;
    if (err == 0)
        err = call_whoami(c, patience);
    if (err == 0)
        err = call_read_file(c, ours, patience);
    if (err == 0)
        err = call_read_file(c, secret, patience);
    return err;
}

static void
be_served(struct child *self, void *arg)
{
    const struct customer *us = arg;
    struct client c;
    int err;

    if (us->steps)
        child_step(self);
    ipc_open_timeout = us->patience; /* traced, beside others: two s are few */
    err = host_client(&server, &c);
    if (err == 0) {
        err = ask_all(&c, us->patience);
        client_close(&c);
    }
    if (err != 0)
        _exit(GAVE_UP);
}

static void
make_files(void)
{
    int fd;

    snprintf(ours, sizeof ours, "%.80s/ours", run_dir);
    snprintf(secret, sizeof secret, "%.80s/secret", run_dir);
    fd = open(ours, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "text", 4), 4);
    ck_assert_int_eq(fchmod(fd, 0644), 0);
    close(fd);
    fd = open(secret, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0000);
    ck_assert_int_eq(write(fd, "text", 4), 4);
    close(fd);
}

static void
remove_files(void)
{
    unlink(ours);
    unlink(secret);
}

/* Root's clients are strangers. */
static uid_t
customer_uid(void)
{
    const bool known = !has(IPC_SPAWNED) || subject->evidence >= IPC_PEER;

    return geteuid() == 0 && known ? ALICE : geteuid();
}

/* -- a server whose calls fail --------------------------------------------------- */

/* One customer from beginning to end; its exit status. */
static int
one_customer(struct injection *i, struct customer *us, pid_t *daemon)
{
    struct child c;
    int status;

    us->uid = customer_uid();
    us->steps = has(IPC_SPAWNED);
    child_start(&c, us->uid, be_served, us);
    if (us->steps) {
        child_wait(&c);
        inject_seize(c.pid);
        i->except = c.pid;
        child_go(&c);
    }
    status = inject_watch(i, c.pid, daemon, now_ns() + PATIENCE);
    close(c.in);
    close(c.out);
    ck_assert_msg(daemon == NULL || *daemon != 0,
                  "%s: the server ended (status %#x): %s", subject->name,
                  (unsigned)status, inject_name(i));
    ck_assert_msg(status != -1, "%s: hangs: %s", subject->name, inject_name(i));
    ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
                                        WEXITSTATUS(status) == GAVE_UP),
                  "%s: the client ended with %#x: %s", subject->name,
                  (unsigned)status, inject_name(i));
    return WEXITSTATUS(status);
}

/* Somebody who must be served, and as if nothing had been.  What is left of the
 * one before goes at the latest when others come. */
static void
the_next_is_served(const struct injection *before, int most,
                   const char *objects)
{
    struct injection none = {.nth = 0};
    struct customer next = {.patience = PATIENCE};
    const int64_t deadline = now_ns() + PATIENCE;
    bool left;

    do {
        ck_assert_msg(one_customer(&none, &next, &server.pid) == 0,
                      "%s: the next is not served after %s", subject->name,
                      inject_name(before));
        left = open_descriptors(server.pid) > most ||
               times_in(objects_left(), "\n") > times_in(objects, "\n");
    } while (left && now_ns() < deadline);
    ck_assert_msg(!left,
                  "%s: %d descriptors, not %d; and of\n%sonly\n%safter %s",
                  subject->name, open_descriptors(server.pid), most,
                  objects_left(), objects, inject_name(before));
}

/* All of a daemon's, and then fewer and fewer: many calls are a loop.  The first
 * ones of a spawned server are the dynamic linker's. */
static unsigned
after(unsigned n)
{
    if (getenv("IPCLAB_FAULTS") != NULL)
        return n + 1 + n / 256;
    if (n > 256)
        return n + n / 2;
    return n + 1 + n / (has(IPC_SPAWNED) ? 8 : 64);
}

static void
go_through(int most, const char *objects)
{
    const bool spawned = has(IPC_SPAWNED);
    const unsigned kinds = getenv("IPCLAB_FAULTS") == NULL ? 1 : INJECT_KINDS;
    struct customer us = {.patience = spawned ? NS_PER_SEC : SHORT};
    struct injection i = {.nth = 0};
    unsigned tried = 0;

    for (unsigned n = 1; i.nth == 0 || i.number != -1; n = after(n))
        for (unsigned k = 0; k < kinds; k++) {
            i = (struct injection){.nth = n, .kind = n + k};
            mark_point();
            one_customer(&i, &us, spawned ? NULL : &server.pid);
            if (i.number == -1)
                break;
            tried++;
            if (!spawned) /* who comes next has a server of his own */
                the_next_is_served(&i, most, objects);
        }
    ck_assert_uint_gt(tried, 0);
}

START_TEST(any_call_of_a_daemon_may_fail)
{
    struct injection none = {.nth = 0};
    struct customer first = {.patience = PATIENCE};
    char objects[4096];
    int most;

    begin_alone(_i);
    make_files();
    begin_signals(100 * NS_PER_MS, 0); /* inject_watch() looks at the time */
    inject_seize(server.pid);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(one_customer(&none, &first, &server.pid), 0);
    most = open_descriptors(server.pid);
    snprintf(objects, sizeof objects, "%s", objects_left());
    go_through(most, objects);
    /* Whoever gave up may have left it in the middle of something. */
    ck_assert_int_eq(one_customer(&none, &first, &server.pid), 0);
    end_signals();
    inject_leave(server.pid);
    remove_files();
    server_stop(&server);
}
END_TEST

START_TEST(any_call_of_a_spawned_server_may_fail)
{
    subject = ipc_registry[_i];
    make_files();
    server_start_for(&server, subject, customer_uid());
    begin_signals(100 * NS_PER_MS, 0);
    go_through(0, "");
    end_signals();
    remove_files();
    server_stop(&server);
}
END_TEST

/* -- a client that dies ------------------------------------------------------------ */

/* Each answer is right, and each request has been carried out once. */
static void
count_on(struct client *c, int64_t *value)
{
    struct api_value args[] = {string_value("honest"), {.i64 = 1}};
    struct reply r;

    expect_echo(c, 50);
    if (subject->evidence < IPC_OWNER)
        return;
    expect_call(c, "counter_add", args, WIRE_OK, &r);
    ck_assert_int_eq(r.results[0].i64, ++*value);
}

/* false: it made fewer calls than that. */
static bool
dies_in_call(unsigned n)
{
    struct customer us = {.patience = PATIENCE, .steps = true};
    struct injection i = {.nth = n, .kill = true}, none = {.nth = 0};
    struct child c;
    int status;

    child_start(&c, customer_uid(), be_served, &us);
    child_wait(&c);
    inject_seize(c.pid);
    i.only = c.pid;
    child_go(&c);
    status = inject_watch(&i, c.pid, NULL, now_ns() + PATIENCE);
    close(c.in);
    close(c.out);
    ck_assert_msg(i.number == -1
                      ? status == 0
                      : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "%s: the client ended with %#x: %s", subject->name,
                  (unsigned)status, inject_name(&i));
    /* Its server ends by itself. */
    if (has(IPC_SPAWNED))
        ck_assert_msg(inject_watch(&none, -1, NULL, now_ns() + PATIENCE) ==
                              -1 &&
                          errno == ECHILD,
                      "%s: the server did not end after %s", subject->name,
                      inject_name(&i));
    return i.number != -1;
}

/* A client that dies between making an object and telling somebody of it leaves
 * what nobody knows: System V objects without a key, a name with a serial
 * number.  Only whoever looks at all there is finds that (ipcs(1), and here the
 * test's own namespace); a few for each death, and no more. */
static void
remove_orphans(unsigned deaths)
{
    const char *line = objects_left();
    unsigned removed = 0;
    int id;

    for (; *line != '\0'; line = strchr(line, '\n') + 1, removed++) {
        char path[300];

        if (sscanf(line, "System V sem %d", &id) == 1)
            semctl(id, 0, IPC_RMID);
        else if (sscanf(line, "System V msg %d", &id) == 1)
            msgctl(id, IPC_RMID, NULL);
        else if (sscanf(line, "System V shm %d", &id) == 1)
            shmctl(id, IPC_RMID, NULL);
        else if (sscanf(line, "%299s", path) == 1)
            unlink(path);
    }
    ck_assert_msg(removed <= 3 * deaths, "%s: %u objects left by %u deaths",
                  subject->name, removed, deaths);
}

START_TEST(a_client_may_die_in_any_call)
{
    struct client next;
    int64_t value = 0;
    unsigned deaths = 0;
    int most;

    begin(_i);
    make_files();
    client_start(&server, &next);
    most = open_descriptors(server.pid);
    client_close(&next);
    begin_signals(100 * NS_PER_MS, 0);
    for (unsigned n = 1; dies_in_call(n); n = after(n), deaths++) {
        mark_point();
        count_on(&client, &value);
    }
    end_signals();
    do {
        client_start(&server, &next);
        count_on(&next, &value);
        client_close(&next);
    } while (open_descriptors(server.pid) > most);
    remove_files();
    end();
    sweep_up();
    remove_orphans(deaths);
}
END_TEST

START_TEST(a_client_that_dies_in_any_call_takes_its_server_along)
{
    unsigned n = 1;

    subject = ipc_registry[_i];
    make_files();
    server_start_for(&server, subject, customer_uid());
    begin_signals(100 * NS_PER_MS, 0);
    while (dies_in_call(n))
        n = after(n);
    end_signals();
    ck_assert_uint_gt(n, 10);
    remove_files();
    server_stop(&server);
    sweep_up();
}
END_TEST

/* -- everybody at once ------------------------------------------------------------- */

enum manners { HALF_A_FRAME, RUBBISH, GIFTS, NEVER_READS, NEVER_STOPS, ALL };

static void
misbehave(struct child *self, void *arg)
{
    uint8_t frame[WIRE_HEADER + 400] = {0};
    struct api_value count;
    struct client c;
    struct reply r;
    int err = 0;

    client_start(&server, &c);
    count.u32 = (uint32_t)echo_room(&c);
    raw_frame(frame, API_echo, 1, frame + WIRE_HEADER, 400);
    switch (*(enum manners *)arg) {
    case HALF_A_FRAME:
        raw_send(&c, frame, WIRE_HEADER + 200, -1);
        break;
    case RUBBISH:
        memset(frame, 'x', sizeof frame);
        raw_send(&c, frame, sizeof frame, -1);
        break;
    case GIFTS:
        for (int i = 0; i < 50 && err == 0; i++)
            err = raw_send(&c, frame, WIRE_HEADER, 0);
        break;
    case NEVER_READS:
        for (int i = 0; i < 500 && err == 0; i++)
            err = client_send(&c, api_by_name("source"), &count, NULL, 0);
        break;
    case NEVER_STOPS:
        child_step(self);
        while (client_call(&c, api_by_name("source"), &count, &r, -1) == 0)
            continue;
        return;
    case ALL:
        break;
    }
    child_step(self); /* and stays */
}

START_TEST(one_is_served_among_those_who_misbehave)
{
    struct child c[(size_t)2 * ALL];
    int64_t value = 0;

    begin(_i);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        enum manners how = (enum manners)(i % ALL);

        child_start(&c[i], customer_uid(), misbehave, &how);
        child_wait(&c[i]);
        count_on(&client, &value);
        if (how == NEVER_STOPS)
            child_go(&c[i]);
    }
    for (int i = 0; i < 20; i++)
        count_on(&client, &value);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        child_kill(&c[i]);
        count_on(&client, &value);
    }
    end();
    sweep_up();
}
END_TEST

/* -- the tool ------------------------------------------------------------------------ */

static void
duplicate_and_close(struct child *self, void *arg)
{
    char byte;
    int fd;

    (void)arg;
    ck_assert_int_eq(write(self->out, "", 1), 1);
    while (read(self->in, &byte, 1) != 1) /* this one may fail, too */
        continue;
    fd = dup(0);
    if (fd == -1)
        _exit(errno);
    _exit(close(fd) == -1 && fcntl(fd, F_GETFD) == -1 ? errno + 100 : 0);
}

/* What inject_watch() says has failed did fail so; but close(2) was done. */
START_TEST(the_call_fails_as_announced)
{
    bool dup_failed = false, close_failed = false;
    struct injection i;

    /* Whether it is already reading when it is seized differs, and with that
     * the numbers. */
    for (unsigned n = 1; !dup_failed || !close_failed; n = n % 8 + 1) {
        struct child c;
        int status;

        i = (struct injection){.nth = n, .kind = n};
        child_start(&c, geteuid(), duplicate_and_close, NULL);
        child_wait(&c);
        inject_seize(c.pid);
        child_go(&c);
        status = inject_watch(&i, c.pid, NULL, now_ns() + PATIENCE);
        close(c.in);
        close(c.out);
        if (i.number == SYS_dup) {
            ck_assert_int_eq(WEXITSTATUS(status), i.error);
            dup_failed = true;
        } else if (i.number == SYS_close) {
            ck_assert_int_eq(WEXITSTATUS(status), EBADF + 100);
            close_failed = true;
        } else if (i.number == -1) {
            ck_assert_int_eq(status, 0);
        }
    }
}
END_TEST

/* -- the suite ----------------------------------------------------------------------- */

static void
add_if(TCase *tc, int i, const char *reason, const TTest *test, unsigned all_of,
       unsigned none_of)
{
    const unsigned caps = ipc_registry[i]->caps;

    if (reason == NULL)
        add(tc, i, test, all_of, none_of);
    else if ((caps & all_of) == all_of && (caps & none_of) == 0)
        add_test_if(tc, reason, test);
}

static const char *
need_faults(const struct ipc_mechanism *m)
{
    if (INJECT_SANITIZED && strcmp(m->name, "socket/threads") == 0)
        return "need a release build (a sanitizer's calls in a new thread may "
               "not fail)";
    return need_inject();
}

Suite *
test_fault(void)
{
    Suite *s = suite_create("fault");

    add_test_if(test_case(s, "injection"), need_inject(),
                the_call_fails_as_announced);
    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        /* A test here is dozens of servers or clients, one after the other. */
        tcase_set_timeout(tc, getenv("IPCLAB_FAULTS") != NULL ? 600 : 120);
        add_if(tc, i, need_faults(ipc_registry[i]),
               any_call_of_a_daemon_may_fail, 0, PRIVATE);
        add_if(tc, i, need_inject(), any_call_of_a_spawned_server_may_fail,
               IPC_SPAWNED, 0);
        add_if(tc, i, need_root() != NULL ? need_root() : need_inject(),
               a_client_may_die_in_any_call, 0, PRIVATE);
        add_if(tc, i, need_inject(),
               a_client_that_dies_in_any_call_takes_its_server_along,
               IPC_SPAWNED, 0);
        add(tc, i, one_is_served_among_those_who_misbehave, 0, PRIVATE);
    }
    return s;
}

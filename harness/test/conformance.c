/*
 * conformance.c - one suite, every mechanism: what ipc.h promises and what the
 * tables declare, tried out from outside, against a real ipcd.
 *
 *      capability   the experiment     declared            not declared
 *      spawned      looks for a child  a child of ours     a daemon
 *      boundaries   two frames in one  cut off             both answered
 *      pipelined    two sends          both answered       second is -EBUSY
 *      pollable     next() after poll  serves              no pollfd()
 *      passes-fd    open_file          the same inode      EOPNOTSUPP
 *      spins        idle server        never sleeps        sleeps
 *      persists     kill -9            sweep() finds it    nothing is left
 *      evidence     whoami             the same            the same
 *
 * So every capability is an experiment with two outcomes, and a table that
 * claims too much fails just as one that claims too little.  What cannot be
 * seen from here (lossy, trusting, remote, oneway) is checked as a table by
 * test_registry.c.  What happens when somebody dies, or comes in crowds, is in
 * test_crash.c.  At the end stands which tests apply to which mechanisms.
 */
#define _GNU_SOURCE /* kill, O_CLOEXEC, readlink */
#include "test/subject.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *conformance(void);

/* -- messages ---------------------------------------------------------------- */

START_TEST(the_largest_message_passes_intact)
{
    begin(_i);
    expect_echo(&client, echo_room(&client));
    expect_echo(&client, echo_room(&client) - 1);
    end();
}
END_TEST

START_TEST(one_byte_more_is_refused_and_costs_nothing)
{
    struct api_value arg;
    uint8_t *big;

    begin(_i);
    big = calloc(1, client.limits.max_msg + 1);
    ck_assert_ptr_nonnull(big);
    arg = bytes_value(big, echo_room(&client) + 1);
    ck_assert_int_eq(
        client_send(&client, api_by_name("echo"), &arg, NULL, PATIENCE),
        -EMSGSIZE);
    raw_frame(big, API_echo, 1, NULL, 0);
    ck_assert_int_eq(raw_send(&client, big, client.limits.max_msg + 1, -1),
                     -EMSGSIZE);
    free(big);
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(an_empty_message_is_a_message)
{
    struct reply r;

    begin(_i);
    expect_echo(&client, 0);
    expect_call(&client, "whoami", NULL, WIRE_OK, &r); /* only a header */
    end();
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    uint64_t id[5];

    begin(_i);
    for (size_t i = 0; i < 5; i++)
        id[i] = send_request(&client, "hello", string_value("World"));
    for (size_t i = 0; i < 5; i++)
        expect_reply(&client, id[i]);
    end();
}
END_TEST

START_TEST(a_second_request_before_the_reply_is_busy)
{
    struct api_value name = string_value("World");
    uint64_t id;

    begin(_i);
    id = send_request(&client, "hello", name);
    ck_assert_int_eq(
        client_send(&client, api_by_name("hello"), &name, NULL, PATIENCE),
        -EBUSY);
    expect_reply(&client, id);
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(what_the_service_does_not_know_it_says)
{
    uint8_t frame[WIRE_HEADER + 4];
    struct reply r;

    begin(_i);
    raw_frame(frame, 999, 77, NULL, 0);
    ck_assert_int_eq(raw_send(&client, frame, WIRE_HEADER, -1), 0);
    ck_assert_int_eq(client_recv(&client, &r, PATIENCE), 0);
    ck_assert_uint_eq(r.status, WIRE_NO_METHOD);
    ck_assert_uint_eq(r.id, 77);
    /* A string of 9 bytes, of which 2 are there. */
    raw_frame(frame, API_hello, 78, "\x09\x00xx", 4);
    ck_assert_int_eq(raw_send(&client, frame, sizeof frame, -1), 0);
    ck_assert_int_eq(client_recv(&client, &r, PATIENCE), 0);
    ck_assert_uint_eq(r.status, WIRE_BAD_ARGS);
    ck_assert_uint_eq(r.id, 78);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* -- time -------------------------------------------------------------------- */

START_TEST(a_timeout_is_not_early_and_the_late_reply_goes_unheard)
{
    const int64_t timeout = 20 * NS_PER_MS;
    struct reply r;
    int64_t start;

    begin(_i);
    send_request(&client, "sleep", (struct api_value){.u32 = 200});
    /* Stopped, it cannot answer in time however long we are kept waiting. */
    signal_server(SIGSTOP);
    start = now_ns();
    ck_assert_int_eq(client_recv(&client, &r, timeout), -ETIMEDOUT);
    ck_assert_int_ge(now_ns() - start, timeout);
    signal_server(SIGCONT);
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(signals_do_not_disturb_calls)
{
    const struct api_value ms = {.u32 = 5};
    struct reply r;

    begin(_i);
    begin_signals(NS_PER_MS, 0);
    while (signals_seen < 20) {
        expect_call(&client, "sleep", &ms, WIRE_OK, &r); /* long to wait */
        expect_echo(&client, echo_room(&client));        /* long to send */
    }
    end_signals();
    end();
}
END_TEST

START_TEST(a_client_that_wants_to_stop_is_woken_by_a_signal)
{
    struct reply r;

    begin(_i);
    client.stop = &signals_seen;
    /* Again and again, for one may come just before the wait begins. */
    begin_signals(5 * NS_PER_MS, 0);
    ck_assert_int_eq(client_recv(&client, &r, PATIENCE), -EINTR);
    ck_assert_int_eq(client_recv(&client, &r, -1), -EINTR);
    end_signals();
    client.stop = NULL; /* set, it would end a slow call too */
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(a_server_waits_no_less_than_it_was_told_and_hears_signals)
{
    const int64_t timeout = 20 * NS_PER_MS;
    struct local l;
    int64_t start;

    local_begin(&l, _i);
    ck_assert_int_eq(service_step(&l.service, 0), -ETIMEDOUT);
    start = now_ns();
    ck_assert_int_eq(service_step(&l.service, timeout), -ETIMEDOUT);
    ck_assert_int_ge(now_ns() - start, timeout);
    begin_signals(5 * NS_PER_MS, 0);
    ck_assert_int_eq(service_step(&l.service, -1), -EINTR);
    end_signals();
    local_end(&l);
}
END_TEST

/* -- who asks ---------------------------------------------------------------- */

static void
expect_whoami(struct client *c)
{
    const bool proven = subject->evidence >= IPC_OWNER;
    const struct api_value *v;
    struct reply r;

    expect_call(c, "whoami", NULL, WIRE_OK, &r);
    v = r.results;
    ck_assert(value_is(&v[0], subject->name));
    ck_assert(v[1].i64 == getpid() || v[1].i64 == -1);
    ck_assert_msg(v[2].i64 == geteuid() || (v[2].i64 == -1 && !proven),
                  "%s: uid %lld", subject->name, (long long)v[2].i64);
    ck_assert_msg(v[3].i64 == getegid() || (v[3].i64 == -1 && !proven),
                  "%s: gid %lld", subject->name, (long long)v[3].i64);
    ck_assert(value_is(&v[4], ipc_evidence_name(subject->evidence)));
    ck_assert(value_is(&v[5], subject->proof));
}

START_TEST(the_server_knows_who_asks_as_well_as_declared)
{
    begin(_i);
    expect_whoami(&client);
    end();
}
END_TEST

/* And so opens files with that user's rights. */
static void
ask_as_a_stranger(void *path)
{
    struct api_value args[] = {string_value(path), {.u64 = 0}, {.u32 = 10}};
    struct client c;
    struct reply r;

    client_start(&server, &c);
    expect_whoami(&c);
    if (subject->evidence >= IPC_OWNER && !has(IPC_TRUSTING)) {
        expect_call(&c, "read_file", args, WIRE_OS_ERROR, &r);
        ck_assert_int_eq(r.os_error, EACCES);
    } else {
        expect_call(&c, "read_file", args, WIRE_DENIED, &r);
    }
    client_close(&c);
}

static void
make_file(char path[ENDPOINT_SIZE], const char *text, mode_t mode)
{
    int fd;

    snprintf(path, ENDPOINT_SIZE, "%.100s/file", run_dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

START_TEST(roots_server_knows_a_stranger_for_who_it_is)
{
    char path[ENDPOINT_SIZE];

    subject = ipc_registry[_i];
    make_file(path, "secret", 0600);
    server_start_for(&server, subject, ALICE);
    run_as(ALICE, ask_as_a_stranger, path);
    server_stop(&server);
    unlink(path);
}
END_TEST

static void
add_to_counter(struct client *c, uint64_t id, int64_t expected)
{
    uint8_t payload[] = {1, 0, 'k', 5, 0, 0, 0, 0, 0, 0, 0}; /* "k", 5 */
    uint8_t frame[WIRE_HEADER + sizeof payload];
    struct reply r;

    raw_frame(frame, API_counter_add, id, payload, sizeof payload);
    ck_assert_int_eq(raw_send(c, frame, sizeof frame, -1), 0);
    ck_assert_int_eq(client_recv(c, &r, PATIENCE), 0);
    if (subject->evidence < IPC_OWNER) {
        ck_assert_uint_eq(r.status, WIRE_DENIED);
        return;
    }
    ck_assert_uint_eq(r.status, WIRE_OK);
    ck_assert_int_eq(r.results[0].i64, expected);
}

static void
ask_among_others(struct child *self, void *arg)
{
    struct client c;

    (void)arg;
    client_start(&server, &c);
    child_step(self); /* all eight are in */
    for (size_t i = 0; i < 20; i++) {
        expect_whoami(&c);
        expect_echo(&c, 1 + (i * 7) % 100);
    }
    child_step(self);
    client_close(&c);
}

START_TEST(eight_users_at_once_are_told_apart)
{
    struct child c[8];

    begin_alone(_i);
    for (uid_t i = 0; i < 8; i++)
        child_start(&c[i], ALICE + i, ask_among_others, NULL);
    for (int step = 0; step < 2; step++) {
        for (size_t i = 0; i < 8; i++)
            child_wait(&c[i]);
        for (size_t i = 0; i < 8; i++)
            child_go(&c[i]);
    }
    for (size_t i = 0; i < 8; i++)
        child_end(&c[i]);
    server_stop(&server);
}
END_TEST

START_TEST(a_request_sent_twice_counts_once)
{
    begin(_i);
    add_to_counter(&client, 1000, 5);
    add_to_counter(&client, 1000, 5);
    add_to_counter(&client, 1001, 10);
    if (!has(IPC_SPAWNED) && !has(IPC_INPROCESS)) {
        client_close(&client);
        client_start(&server, &client); /* also over another connection */
        add_to_counter(&client, 1001, 10);
    }
    end();
}
END_TEST

/* -- descriptors ------------------------------------------------------------- */

START_TEST(an_open_file_travels_or_is_refused)
{
    char path[ENDPOINT_SIZE];
    struct stat ours, theirs;
    struct api_value arg;
    struct reply r;

    begin(_i);
    make_file(path, "text", 0644);
    arg = string_value(path);
    if (subject->evidence < IPC_OWNER) {
        expect_call(&client, "open_file", &arg, WIRE_DENIED, &r);
    } else if (!has(IPC_PASSES_FD)) {
        expect_call(&client, "open_file", &arg, WIRE_OS_ERROR, &r);
        ck_assert_int_eq(r.os_error, EOPNOTSUPP);
    } else {
        expect_call(&client, "open_file", &arg, WIRE_OK, &r);
        ck_assert_int_eq(fstat(r.fd, &theirs), 0);
        ck_assert_int_eq(stat(path, &ours), 0);
        ck_assert(ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
        ck_assert_int_eq(fcntl(r.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        ck_assert_int_eq(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
        close(r.fd);
    }
    unlink(path);
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(a_gift_that_nobody_asked_for_is_refused)
{
    uint8_t frame[WIRE_HEADER];
    struct client giver;
    int before;

    begin(_i);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    if (!has(IPC_PASSES_FD)) {
        ck_assert_int_eq(raw_send(&client, frame, sizeof frame, 0),
                         -EOPNOTSUPP);
        expect_echo(&client, 100);
        end();
        return;
    }
    expect_echo(&client, 100);
    before = open_descriptors(server_pid(&server));
    for (unsigned announced = 0; announced <= 1; announced++) {
        client_start(&server, &giver);
        put16(frame + 24, (uint16_t)announced);
        ck_assert_int_eq(raw_send(&giver, frame, sizeof frame, 0), 0);
        expect_cut_off(&giver);
        client_close(&giver);
    }
    while (open_descriptors(server_pid(&server)) > before)
        expect_echo(&client, 100);
    end();
}
END_TEST

/* -- rubbish ----------------------------------------------------------------- */

/* A good frame, and then at this offset this number.  Where nothing keeps
 * messages apart, a wrong length is only the beginning of a wrong message. */
static const struct {
    const char *what;
    unsigned offset, bytes;
    uint32_t value;
    int longer; /* bytes that are sent more, or less, than the frame */
    unsigned caps;
} rubbish[] = {
    {"no magic number", 0, 4, 0x464c457f, 0, 0},
    {"an unknown kind", 5, 1, 3, 0, 0},
    {"a reply", 5, 1, WIRE_REPLY, 0, 0},
    {"the longest length there is", 8, 4, UINT32_MAX, 0, 0},
    {"a length that only just does not fit", 8, 4,
     IPC_MAX_MSG - WIRE_HEADER + 1, 0, 0},
    {"a status in a request", 12, 4, WIRE_OS_ERROR, 0, 0},
    {"a descriptor that did not come", 24, 2, 1, 0, 0},
    {"two descriptors", 24, 2, 2, 0, 0},
    {"a reserved byte, the first", 26, 1, 1, 0, 0},
    {"a reserved byte, the last", 31, 1, 1, 0, 0},
    {"a length too small", 8, 4, 7, 0, IPC_BOUNDARIES},
    {"a length too large", 8, 4, 9, 0, IPC_BOUNDARIES},
    {"a byte missing", 0, 0, 0, -1, IPC_BOUNDARIES},
    {"trailing bytes", 0, 0, 0, 3, IPC_BOUNDARIES},
    {"less than a header", 0, 0, 0, -30, IPC_BOUNDARIES},
    {"half a good frame, and another", 0, 0, 0, WIRE_HEADER, 0},
};

START_TEST(rubbish_costs_only_its_sender_the_connection)
{
    uint8_t frame[2 * WIRE_HEADER + 8];
    struct client bad;

    begin(_i);
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        size_t len;

        if (!has(rubbish[i].caps))
            continue;
        memset(frame, 'x', sizeof frame);
        len = raw_frame(frame, API_echo, 1, "\x04\0\0\0text", 8);
        for (unsigned b = 0; b < rubbish[i].bytes; b++)
            frame[rubbish[i].offset + b] =
                (uint8_t)(rubbish[i].value >> (8 * b));
        len = (size_t)((ssize_t)len + rubbish[i].longer);
        mark_point();
        client_start(&server, &bad);
        ck_assert_msg(raw_send(&bad, frame, len, -1) == 0, "%s: %s",
                      subject->name, rubbish[i].what);
        expect_cut_off(&bad);
        client_close(&bad);
        expect_echo(&client, 100);
    }
    end();
}
END_TEST

START_TEST(another_version_is_told_ours_and_then_cut_off)
{
    uint8_t frame[WIRE_HEADER];
    struct client old;
    struct reply r;

    begin(_i);
    client_start(&server, &old);
    raw_frame(frame, API_whoami, 42, NULL, 0);
    frame[4] = WIRE_VERSION + 1;
    ck_assert_int_eq(raw_send(&old, frame, sizeof frame, -1), 0);
    ck_assert_int_eq(client_recv(&old, &r, PATIENCE), 0);
    ck_assert_uint_eq(r.id, 42);
    ck_assert_uint_eq(r.status, WIRE_BAD_VERSION);
    expect_cut_off(&old);
    client_close(&old);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* A stream does.  A variant that puts each message into a record of its own
 * does not, although it is not the kernel that keeps the records apart. */
static bool
answers_two(struct client *c)
{
    struct reply r;

    for (uint64_t id = 1; id <= 2; id++)
        if (client_recv(c, &r, PATIENCE) != 0 || r.id != id)
            return false;
    return true;
}

START_TEST(two_frames_in_one_message_are_two_only_in_a_stream)
{
    uint8_t frames[2 * WIRE_HEADER];
    struct client c;

    begin(_i);
    client_start(&server, &c);
    raw_frame(frames, API_whoami, 1, NULL, 0);
    raw_frame(frames + WIRE_HEADER, API_whoami, 2, NULL, 0);
    ck_assert_int_eq(raw_send(&c, frames, sizeof frames, -1), 0);
    if (answers_two(&c))
        ck_assert(!has(IPC_BOUNDARIES));
    else
        expect_cut_off(&c);
    client_close(&c);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* -- how the server waits ---------------------------------------------------- */

/* Are all threads of the process asleep?  Adds up the ticks of CPU time they
 * have had: proc(5), stat, fields 3, 14 and 15. */
static bool
all_asleep(pid_t pid, unsigned long *ticks)
{
    char path[300], state;
    unsigned long user, system;
    bool asleep = true;
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    *ticks = 0;
    while ((e = readdir(dir)) != NULL) {
        FILE *in;

        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid,
                 e->d_name);
        in = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (in == NULL)
            continue;
        ck_assert_int_eq(fscanf(in,
                                "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u "
                                "%*u %*u %*u %lu %lu",
                                &state, &user, &system),
                         3);
        fclose(in);
        *ticks += user + system;
        asleep = asleep && state == 'S';
    }
    closedir(dir);
    return asleep;
}

#define LOOKS 5000

START_TEST(an_idle_server_sleeps_unless_it_spins)
{
    unsigned long first, now;
    pid_t pid;

    begin(_i);
    expect_echo(&client, 100);
    pid = server_pid(&server);
    all_asleep(pid, &first);
    if (has(IPC_SPINS)) {
        /* Ten ticks of work with nothing to do, and never a nap; beside others
         * who want the CPU it may give way, and get no ticks, but not sleep. */
        for (int looks = 0; looks < LOOKS; looks++) {
            ck_assert(!all_asleep(pid, &now));
            if (now - first >= 10)
                break;
        }
    } else {
        while (!all_asleep(pid, &now))
            sched_yield();
    }
    end();
}
END_TEST

/* The server as an event loop would run it: next() is called only when poll(2)
 * says so, and may not wait; but then until there is nothing more, for it may
 * have read ahead (ipc.h, pollfd()).  Ends when stop becomes readable. */
static int
serve_polled(struct service *s, int stop)
{
    struct pollfd p[] = {
        {.fd = s->m->pollfd(s->srv), .events = POLLIN},
        {.fd = stop, .events = POLLIN},
    };
    int err;

    do {
        if (poll(p, 2, -1) == -1 && errno != EINTR)
            return -errno;
        if (p[1].revents != 0)
            return 0;
        do
            err = service_step(s, 0);
        while (err == 0);
    } while (err == -ETIMEDOUT || err == -EINTR);
    return err;
}

int
polled_stdio_server(const char *mechanism)
{
    atomic_int stop = 0;
    struct service s;
    void *srv;
    int err;

    subject = ipc_find(mechanism);
    srv = subject != NULL ? calloc(1, subject->server_size) : NULL;
    if (srv == NULL || subject->create(srv, NULL) != 0 ||
        service_init(&s, subject, srv, &stop) != 0)
        return EXIT_FAILURE;
    err = serve_polled(&s, -1);
    service_free(&s);
    subject->destroy(srv);
    free(srv);
    return err == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void
polled_daemon(struct child *self, void *arg)
{
    struct local l;

    local_begin(&l, *(int *)arg);
    child_step(self); /* clients may come */
    ck_assert_int_eq(serve_polled(&l.service, self->in), 0);
    local_end(&l);
}

START_TEST(a_server_can_wait_in_poll)
{
    char self[PATH_MAX] = "", name[ENDPOINT_SIZE];
    struct child daemon;
    uint64_t id[5];
    pid_t pid;

    subject = ipc_registry[_i];
    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    if (!has(IPC_SPAWNED)) {
        child_start(&daemon, geteuid(), polled_daemon, &_i);
        child_wait(&daemon);
        child_go(&daemon);
    }
    ck_assert_int_eq(
        client_open(&client, subject, has(IPC_SPAWNED) ? self : name), 0);
    expect_echo(&client, echo_room(&client));
    /* Several at once: a server that reads ahead must not go to poll() over
     * what it has already read. */
    if (has(IPC_PIPELINED)) {
        server.m = subject;
        pid = has(IPC_SPAWNED) ? server_pid(&server) : daemon.pid;
        ck_assert_int_eq(kill(pid, SIGSTOP), 0);
        ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
        for (size_t i = 0; i < 5; i++)
            id[i] = send_request(&client, "hello", string_value("World"));
        ck_assert_int_eq(kill(pid, SIGCONT), 0);
        for (size_t i = 0; i < 5; i++)
            expect_reply(&client, id[i]);
    }
    client_close(&client);
    if (!has(IPC_SPAWNED)) {
        child_go(&daemon);
        child_end(&daemon);
    }
}
END_TEST

/* -- the suite --------------------------------------------------------------- */

/* A spawned server is root's by the set-user-ID bit, and only one that knows
 * who asks may have that. */
static bool
has_roots_form(const struct ipc_mechanism *m)
{
    return !(m->caps & IPC_SPAWNED) || m->evidence >= IPC_PEER;
}

Suite *
conformance(void)
{
    const unsigned called = IPC_CALLED | IPC_ONEWAY;
    Suite *s = suite_create("conformance");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        add(tc, i, the_largest_message_passes_intact, 0, IPC_ONEWAY);
        add(tc, i, one_byte_more_is_refused_and_costs_nothing, 0, IPC_ONEWAY);
        add(tc, i, an_empty_message_is_a_message, 0, IPC_ONEWAY);
        add(tc, i, pipelined_requests_are_answered_in_order, IPC_PIPELINED,
            IPC_ONEWAY);
        add(tc, i, a_second_request_before_the_reply_is_busy, 0,
            IPC_PIPELINED | IPC_ONEWAY);
        add(tc, i, what_the_service_does_not_know_it_says, 0, IPC_ONEWAY);

        add(tc, i, a_timeout_is_not_early_and_the_late_reply_goes_unheard, 0,
            called);
        add(tc, i, signals_do_not_disturb_calls, 0, IPC_ONEWAY);
        /* pthread_cond_wait(3) is not interrupted. */
        add(tc, i, a_client_that_wants_to_stop_is_woken_by_a_signal, 0, ALONE);
        add(tc, i, a_server_waits_no_less_than_it_was_told_and_hears_signals, 0,
            IPC_INPROCESS | IPC_SPAWNED);
        add(tc, i, an_idle_server_sleeps_unless_it_spins, 0, ALONE);
        add(tc, i, a_server_can_wait_in_poll, IPC_POLLABLE, ALONE);

        add(tc, i, the_server_knows_who_asks_as_well_as_declared, 0,
            IPC_ONEWAY);
        if (has_roots_form(ipc_registry[i]) && need_root() == NULL)
            add(tc, i, roots_server_knows_a_stranger_for_who_it_is, 0, ALONE);
        else if (has_roots_form(ipc_registry[i]) &&
                 !(ipc_registry[i]->caps & ALONE))
            add_test_if(tc, need_root(),
                        roots_server_knows_a_stranger_for_who_it_is);
        if (!(ipc_registry[i]->caps & PRIVATE)) /* a daemon */
            add_loop_test_if(tc,
                             need_root() != NULL
                                 ? need_root()
                                 : need_mechanism(ipc_registry[i]),
                             eight_users_at_once_are_told_apart, i);
        add(tc, i, a_request_sent_twice_counts_once, 0, IPC_ONEWAY);
        add(tc, i, an_open_file_travels_or_is_refused, 0, IPC_ONEWAY);
        add(tc, i, a_gift_that_nobody_asked_for_is_refused, 0, ALONE);

        add(tc, i, rubbish_costs_only_its_sender_the_connection, 0, ALONE);
        add(tc, i, another_version_is_told_ours_and_then_cut_off, 0, ALONE);
        add(tc, i, two_frames_in_one_message_are_two_only_in_a_stream, 0,
            ALONE);
    }
    return s;
}

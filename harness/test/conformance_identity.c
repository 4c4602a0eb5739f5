/*
 * conformance_identity.c - who asks, as the server of each mechanism sees it;
 * and what depends on that: the files that it opens with his rights, and the
 * descriptors that one side gives to the other.
 */
#include "test/conformance.h"

#include "test/asked.h"

#include "test/ruled.h" /* write_file */

#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- who asks -------------------------------------------------------------- */

/* The kernel tells it of a process; of an object's owner, only passwd(5)
 * does. */
static bool
is_right_gid(int64_t gid)
{
    if (subject->evidence >= IPC_PEER)
        return gid == getegid();
    if (subject->evidence < IPC_OWNER)
        return gid == getegid() || gid == -1;
    return gid == known_gid();
}

/* As the table says; but what is only inferred may be lost among others. */
static bool
is_told(int64_t number, int64_t own, bool told)
{
    if (number == -1 && subject->evidence < IPC_OWNER)
        return true;
    return number == (told || has(IPC_INPROCESS) ? own : -1);
}

/* If a pid is wrong: what may it come from? */
static const char *
whose(int64_t pid)
{
    if (pid == getpid())
        return ", which is right; but nothing proves it, by the table";
    return pid == server_pid(&server) ? ", which is the server's own" : "";
}

static void
expect_whoami(struct client *c)
{
    const struct api_value *v;
    struct reply r;

    expect_call(c, "whoami", NULL, WIRE_OK, &r);
    v = r.results;
    ck_assert(value_is(&v[0], subject->name));
    doing("the client's pid, uid and gid, or -1 where the table says that they "
          "are not known",
          "next() says who asks (whoami)");
    if (!is_told(v[1].i64, getpid(), subject->pid_from != IPC_NO_PID))
        is_unexpected("pid %lld%s", (long long)v[1].i64, whose(v[1].i64));
    if (!is_told(v[2].i64, geteuid(), subject->uid_from != IPC_NO_UID))
        is_unexpected("uid %lld", (long long)v[2].i64);
    if (!is_right_gid(v[3].i64))
        is_unexpected("gid %lld", (long long)v[3].i64);
    doing(ipc_evidence_name(subject->evidence),
          "the evidence in what next() says (whoami), and in the table");
    if (!value_is(&v[4], ipc_evidence_name(subject->evidence)))
        is_unexpected("%.*s", (int)v[4].len, (const char *)v[4].at);
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

START_TEST(roots_server_knows_a_stranger_for_who_it_is)
{
    char path[ENDPOINT_SIZE];

    subject = ipc_registry[_i];
    endpoint_file(run_dir, "/file", path);
    write_file(path, "secret", 0600);
    server_start_for(&server, subject, ALICE);
    as_user(ALICE, ask_as_a_stranger, path);
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
    expect_result(raw_send(c, frame, sizeof frame, -1), 0,
                  "send() of counter_add");
    expect_result(client_recv(c, &r, CALL_TIMEOUT), 0,
                  "recv(), after counter_add");
    if (subject->evidence < IPC_OWNER) {
        ck_assert_uint_eq(r.status, WIRE_DENIED);
        return;
    }
    ck_assert_uint_eq(r.status, WIRE_OK);
    ck_assert_int_eq(r.results[0].i64, expected);
}

static void
ask_among_others(struct actor *self, void *arg)
{
    struct client c;

    (void)arg;
    client_start(&server, &c);
    actor_step(self); /* all eight are in */
    for (size_t i = 0; i < 20; i++) {
        expect_whoami(&c);
        expect_echo(&c, 1 + (i * 7) % 100);
    }
    actor_step(self);
    client_close(&c);
}

START_TEST(eight_users_at_once_are_told_apart)
{
    struct actor c[8];

    begin_alone(_i);
    for (uid_t i = 0; i < 8; i++)
        actor_start(&c[i], ALICE + i, ask_among_others, NULL);
    for (int step = 0; step < 2; step++) {
        for (size_t i = 0; i < 8; i++)
            actor_wait(&c[i]);
        for (size_t i = 0; i < 8; i++)
            actor_go(&c[i]);
    }
    for (size_t i = 0; i < 8; i++)
        actor_end(&c[i]);
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

/* -- descriptors ----------------------------------------------------------- */

static void
ask_for_the_file(void *path)
{
    const struct api_value arg = string_value(path);
    struct stat ours, theirs;
    struct client c;
    struct reply r;

    client_start(&server, &c);
    if (subject->evidence < IPC_OWNER) {
        expect_call(&c, "open_file", &arg, WIRE_DENIED, &r);
    } else if (!has(IPC_PASSES_FD)) {
        expect_call(&c, "open_file", &arg, WIRE_OS_ERROR, &r);
        ck_assert_int_eq(r.os_error, EOPNOTSUPP);
    } else {
        expect_call(&c, "open_file", &arg, WIRE_OK, &r);
        ck_assert_int_eq(fstat(r.fd, &theirs), 0);
        ck_assert_int_eq(stat(path, &ours), 0);
        ck_assert(ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
        ck_assert_int_eq(fcntl(r.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        ck_assert_int_eq(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
        close(r.fd);
    }
    client_close(&c);
}

/* Not root's, for whom a server that has given root up opens none. */
START_TEST(an_open_file_travels_or_is_refused)
{
    char path[ENDPOINT_SIZE];
    bool another;

    subject = ipc_registry[_i];
    server_start(&server, subject);
    another = geteuid() == 0 && server.pid > 0 && has(IPC_PASSES_FD);
    endpoint_file(run_dir, "/file", path);
    write_file(path, "text", 0644);
    if (another)
        as_user(ALICE, ask_for_the_file, path);
    else
        ask_for_the_file(path);
    unlink(path);
    server_stop(&server);
}
END_TEST

START_TEST(an_unwanted_passed_descriptor_is_refused)
{
    uint8_t frame[WIRE_HEADER];
    struct client passer;
    int before, err;

    begin(_i);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    if (!has(IPC_PASSES_FD)) {
        expect_result(raw_send(&client, frame, sizeof frame, 0), -EOPNOTSUPP,
                      "send() of a message with a descriptor");
        expect_echo(&client, 100);
        end();
        return;
    }
    expect_echo(&client, 100);
    before = open_descriptors(server_pid(&server));
    for (unsigned announced = 0; announced <= 1; announced++) {
        client_start(&server, &passer);
        put16(frame + 24, (uint16_t)announced);
        err = raw_send(&passer, frame, sizeof frame, 0);
        if (err == 0) { /* a kernel, or a socket, that lets it in */
            expect_cut_off(&passer);
        } else { /* SO_PASSRIGHTS: nothing was sent */
            ck_assert_int_eq(err, -EPERM);
            expect_echo(&passer, 100);
        }
        client_close(&passer);
    }
    while (open_descriptors(server_pid(&server)) > before)
        expect_echo(&client, 100);
    end();
}
END_TEST

/* -- which mechanisms ------------------------------------------------------ */

/* A spawned server is root's by the set-user-ID bit, and only one that knows
 * who asks may have that. */
static bool
has_roots_form(const struct ipc_mechanism *m)
{
    return !(m->caps & IPC_SPAWNED) || m->evidence >= IPC_PEER;
}

void
conformance_identity(TCase *tc, int i)
{
    add(tc, i, the_server_knows_who_asks_as_well_as_declared, 0, IPC_ONEWAY);
    if (has_roots_form(ipc_registry[i]))
        add_as_root(tc, i, roots_server_knows_a_stranger_for_who_it_is,
                    ALONE | IPC_TEXTBOOK);
    add_as_root(tc, i, eight_users_at_once_are_told_apart,
                PRIVATE | IPC_TEXTBOOK);
    add(tc, i, a_request_sent_twice_counts_once, 0, IPC_ONEWAY);
    add(tc, i, an_open_file_travels_or_is_refused, 0, IPC_ONEWAY);
    add(tc, i, an_unwanted_passed_descriptor_is_refused, 0, ALONE);
}

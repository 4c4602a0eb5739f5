/*
 * test_reclock.c - what one can do who has made the sheet himself that he is
 * served through.  The protocol is the same in a file and in memory, so all of
 * it is tried on mmap/lockfile too.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, F_SETLEASE */
#include "test/test.h"

#include "../mmap/sheet.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_reclock(void);

/* -- sheets, made by hand ------------------------------------------------- */

static const char *const variants[] = {"mmap/lockfile", "shm/reclock"};

/* What one who knows the format makes; shared with the child that does it. */
struct hand {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    uid_t claim;
    struct baton baton;
    struct alarm alarm;
    uint8_t nonce[NONCE_SIZE];
    bool fell; /* the attack succeeded */
};

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    h->m = server->m;
    h->claim = claim;
    strcpy(h->where, server->where);
    return h;
}

static bool
is_file(const struct hand *h)
{
    return h->m == ipc_find("mmap/lockfile");
}

static void
sheet_name(const struct hand *h, char path[PATH_MAX])
{
    char flat[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_flat(h->where, flat), 0);
    if (is_file(h))
        snprintf(path, PATH_MAX, "%s.d/1.1", h->where);
    else
        snprintf(path, PATH_MAX, "/dev/shm%s.1.1", flat);
}

static off_t
reply_area(const struct hand *h)
{
    return is_file(h) ? 1056768 : 73728;
}

/* A file as long as a sheet, nothing on it, not yet for the server. */
static int
make_file(struct hand *h)
{
    char path[PATH_MAX];
    int fd;

    sheet_name(h, path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(ftruncate(fd, is_file(h) ? 2109440 : 143360), 0);
    return fd;
}

static void
publish(int fd, uid_t claim)
{
    struct sheet_head head = {.mark = SHEET_MARK, .uid = claim};

    ck_assert_int_eq(pwrite(fd, &head, sizeof head, 0), sizeof head);
    ck_assert_int_eq(fchmod(fd, 0600), 0);
}

static void
make_sheet(struct hand *h)
{
    ck_assert_int_eq(baton_first(&h->baton, make_file(h)), 0);
    publish(h->baton.fd, h->claim);
}

static void
drop_sheet(struct hand *h)
{
    char path[PATH_MAX];

    sheet_name(h, path);
    unlink(path);
    alarm_free(&h->alarm);
    close(h->baton.fd);
}

static uint32_t
verdict(struct hand *h)
{
    struct sheet_head head;

    ck_assert_int_eq(pread(h->baton.fd, &head, sizeof head, 0), sizeof head);
    memcpy(h->nonce, head.nonce, NONCE_SIZE);
    return head.verdict;
}

static void
ask_whoami(struct hand *h)
{
    uint8_t frame[WIRE_HEADER];
    struct sheet_note note = {.done = h->baton.turn + 1, .len = sizeof frame};

    raw_frame(frame, API_whoami, 7, NULL, 0);
    memcpy(note.nonce, h->nonce, NONCE_SIZE);
    ck_assert_int_eq(pwrite(h->baton.fd, &note, sizeof note, SHEET_AREA),
                     sizeof note);
    ck_assert_int_eq(
        pwrite(h->baton.fd, frame, sizeof frame, SHEET_AREA + sizeof note),
        sizeof frame);
    ck_assert_int_eq(baton_pass(&h->baton), 0);
}

/* Is there an answer?  Otherwise we have been cut off. */
static bool
is_answered(struct hand *h, uint8_t *payload, size_t size)
{
    struct sheet_note note = {.done = 0};

    ck_assert_int_eq(baton_wait(&h->baton, &h->alarm, deadline_in(PATIENCE)),
                     0);
    if (pread(h->baton.fd, &note, sizeof note, reply_area(h)) != sizeof note ||
        note.done != h->baton.turn)
        return false;
    ck_assert_int_gt(pread(h->baton.fd, payload, size,
                           reply_area(h) + (off_t)sizeof note + WIRE_HEADER),
                     0);
    return true;
}

/* Bob's own sheet, but he says that he is root. */
static void
bob_claims(struct child *self, void *arg)
{
    struct hand *h = arg;
    uint8_t payload[512], *p = payload;

    make_sheet(h);
    child_step(self);
    if (verdict(h) == SHEET_WELCOME) {
        ask_whoami(h);
        ck_assert(is_answered(h, payload, sizeof payload));
        p += 2 + get16(p); /* the mechanism; then pid and uid */
        ck_assert_int_eq((int64_t)get64(p + 8), 0);
        h->fell = true;
    }
    drop_sheet(h);
}

static bool
claim(const char *program, int i)
{
    struct host server;
    struct hand *h;
    struct child b;

    server_start_by(&server, ipc_find(variants[i]), program);
    h = make_hand(&server, 0);
    child_start(&b, BOB, bob_claims, h);
    child_wait(&b);
    server_catch_up(&server);
    child_go(&b);
    child_end(&b);
    server_stop(&server);
    return h->fell;
}

START_TEST(a_claimed_uid_must_be_the_owners)
{
    ck_assert(claim("ipcd-naive", _i));
    ck_assert(!claim("ipcd", _i));
}
END_TEST

/* A request that has everything but the nonce. */
static bool
without_nonce(const char *program, int i)
{
    uint8_t payload[512];
    struct host server;
    struct hand *h;
    bool answered;

    server_start_by(&server, ipc_find(variants[i]), program);
    h = make_hand(&server, geteuid());
    make_sheet(h);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), SHEET_WELCOME);
    h->nonce[0] ^= 1;
    ask_whoami(h);
    answered = is_answered(h, payload, sizeof payload);
    drop_sheet(h);
    server_stop(&server);
    return answered;
}

START_TEST(a_request_without_the_nonce_is_not_heard)
{
    ck_assert(without_nonce("ipcd-naive", _i));
    ck_assert(!without_nonce("ipcd", _i));
}
END_TEST

START_TEST(a_sheet_that_nobody_holds_is_thrown_away)
{
    struct host server;
    struct hand *h;
    struct stat st;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    h->baton.fd = make_file(h);
    server_catch_up(&server);        /* who leaves alone what is not ready */
    publish(h->baton.fd, geteuid()); /* by a dead man, or an old one */
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), SHEET_NOT_YET);
    ck_assert_int_eq(fstat(h->baton.fd, &st), 0);
    ck_assert_uint_eq(st.st_nlink, 0);
    drop_sheet(h);
    server_stop(&server);
}
END_TEST

START_TEST(who_keeps_the_turn_keeps_nobody_else_waiting)
{
    uint8_t payload[512];
    struct host server;
    struct client c;
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    make_sheet(h);
    client_start(&server, &c);
    for (int i = 0; i < 100; i++)
        expect_echo(&c, 100);
    /* The server sleeps for c; this one is found nevertheless. */
    ck_assert_uint_eq(verdict(h), SHEET_WELCOME);
    ask_whoami(h);
    ck_assert(is_answered(h, payload, sizeof payload));
    drop_sheet(h);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* Cuts the sheet short: while the turn is ours, and while it is the server's,
 * who is going to read, or to write. */
START_TEST(who_shrinks_his_sheet_harms_nobody_else)
{
    uint8_t frame[WIRE_HEADER + 4], payload[512];
    struct sheet_note note = {.len = sizeof frame};
    struct host server;
    struct client c;
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    client_start(&server, &c);
    for (int writing = 0; writing < 2; writing++) {
        h = make_hand(&server, geteuid());
        make_sheet(h);
        server_catch_up(&server);
        ck_assert_uint_eq(verdict(h), SHEET_WELCOME);
        if (writing) {
            raw_frame(frame, API_sleep, 7, "\x32\0\0\0", 4); /* 50 ms */
            note.done = 1;
            memcpy(note.nonce, h->nonce, NONCE_SIZE);
            ck_assert_int_eq(
                pwrite(h->baton.fd, &note, sizeof note, SHEET_AREA),
                sizeof note);
            ck_assert_int_eq(pwrite(h->baton.fd, frame, sizeof frame,
                                    SHEET_AREA + sizeof note),
                             sizeof frame);
            ck_assert_int_eq(baton_pass(&h->baton), 0);
        }
        ck_assert_int_eq(ftruncate(h->baton.fd, 0), 0);
        if (!writing)
            ck_assert_int_eq(baton_pass(&h->baton), 0);
        /* pwrite(2) makes a file longer again, a store does not. */
        if (is_answered(h, payload, sizeof payload))
            ck_assert(writing && is_file(h));
        drop_sheet(h);
        expect_echo(&c, 100);
    }
    client_close(&c);
    server_stop(&server);
}
END_TEST

START_TEST(a_lease_does_not_make_the_server_wait)
{
    struct alarm a = {.exists = false};
    struct host server;
    char path[PATH_MAX];
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    signal(SIGIO, SIG_IGN); /* "somebody wants to open your file" */
    ck_assert_int_eq(baton_first(&h->baton, make_file(h)), 0);
    ck_assert_int_eq(fcntl(h->baton.fd, F_SETLEASE, F_WRLCK), 0);
    publish(h->baton.fd, geteuid());
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), SHEET_NOT_YET);
    /* Who does not say O_NONBLOCK waits for lease-break-time, 45 s. */
    sheet_name(h, path);
    ck_assert_int_eq(alarm_arm(&a, now_ns() + 20 * NS_PER_MS), 0);
    ck_assert_int_eq(open(path, O_RDWR | O_CLOEXEC), -1);
    ck_assert_int_eq(errno, EINTR);
    alarm_free(&a);
    ck_assert_int_eq(fcntl(h->baton.fd, F_SETLEASE, F_UNLCK), 0);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), SHEET_WELCOME);
    drop_sheet(h);
    server_stop(&server);
}
END_TEST

/* A question about one byte goes through all locks of the file, until it comes
 * to one on that byte.  These have been there before. */
static void
make_locks(int fd, off_t count)
{
    struct flock all = {.l_type = F_WRLCK, .l_start = 1000, .l_len = 2 * count};

    /* One lock, and holes in it, from the end so that each is found at once. */
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &all), 0);
    for (off_t i = count; i-- > 0;) {
        struct flock hole = {
            .l_type = F_UNLCK, .l_start = 1001 + 2 * i, .l_len = 1};

        ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &hole), 0);
    }
}

START_TEST(who_makes_a_hundred_thousand_locks_is_shown_the_door)
{
    struct host server;
    char path[PATH_MAX];
    struct hand *h;
    int fd, other;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    fd = make_file(h);
    sheet_name(h, path);
    ck_assert_int_eq(fchmod(fd, 0200), 0); /* enough to lock it */
    other = open(path, O_WRONLY | O_CLOEXEC);
    make_locks(other, 100000);
    ck_assert_int_eq(baton_first(&h->baton, fd), 0);
    publish(fd, geteuid());
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), SHEET_WELCOME);
    ck_assert_int_eq(baton_watch(&h->baton, &h->alarm, deadline_in(PATIENCE)),
                     0);
    server_catch_up(&server);
    close(other);
    drop_sheet(h);
    server_stop(&server);
}
END_TEST

static void
bob_links(void *arg)
{
    char path[PATH_MAX], target[PATH_MAX];

    sheet_name(arg, path);
    snprintf(target, sizeof target, "%s/precious", run_dir);
    ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(a_symbolic_link_leads_nowhere)
{
    char precious[PATH_MAX], path[PATH_MAX];
    struct sheet_head head;
    struct host server;
    struct hand *h;
    struct baton b;
    int fd;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, 0);
    /* Root's own, and a sheet in every respect. */
    snprintf(precious, sizeof precious, "%s/precious", run_dir);
    fd = open(precious, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(ftruncate(fd, is_file(h) ? 2109440 : 143360), 0);
    publish(fd, 0);
    ck_assert_int_eq(baton_first(&b, fd), 0);
    run_as(BOB, bob_links, h);
    server_catch_up(&server);
    ck_assert_int_eq(pread(fd, &head, sizeof head, 0), sizeof head);
    ck_assert_uint_eq(head.verdict, SHEET_NOT_YET);
    close(fd);
    unlink(precious);
    sheet_name(h, path);
    unlink(path);
    server_stop(&server);
}
END_TEST

START_TEST(a_joined_client_needs_no_name_any_more)
{
    char command[PATH_MAX], path[PATH_MAX];
    struct host server;
    struct client c;
    struct stat st;
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    client_start(&server, &c);
    expect_echo(&c, 10);
    if (is_file(h)) { /* it is empty */
        snprintf(command, sizeof command, "rmdir %s.d && mkdir -m 700 %s.d",
                 h->where, h->where);
        ck_assert_int_eq(system(command), 0);
    }
    make_sheet(h);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), SHEET_WELCOME);
    sheet_name(h, path);
    ck_assert_int_eq(stat(path, &st), -1);
    ck_assert_int_eq(errno, ENOENT);
    expect_echo(&c, 10);
    drop_sheet(h);
    client_close(&c);
    server_stop(&server);
}
END_TEST

START_TEST(a_server_of_ones_own_invites_nobody_else)
{
    const bool root = need_root() == NULL;
    char path[ENDPOINT_SIZE];
    struct host server;
    struct stat st;

    server_start(&server, ipc_find(variants[_i]));
    ck_assert_int_eq(endpoint_file(server.where, ".life", path), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, root ? 0644 : 0600);
    if (server.m == ipc_find("mmap/lockfile")) {
        ck_assert_int_eq(endpoint_file(server.where, ".d", path), 0);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, root ? 01777 : 0700);
    }
    server_stop(&server);
}
END_TEST

START_TEST(a_client_uses_only_what_the_directorys_owner_put_there)
{
    char path[ENDPOINT_SIZE];
    struct host server;
    struct client c;

    server_start(&server, ipc_find(variants[_i]));
    ck_assert_int_eq(endpoint_file(server.where, ".life", path), 0);
    ck_assert_int_eq(chown(path, BOB, BOB), 0);
    ck_assert_int_eq(host_client(&server, &c), -EPERM);
    ck_assert_int_eq(chown(path, 0, 0), 0);
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    ck_assert_int_eq(host_client(&server, &c), -EPERM);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    server_catch_up(&server);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

static void
add_sheet_tests(Suite *s, int i)
{
    const TTest *const tests[] = {
        a_request_without_the_nonce_is_not_heard,
        a_sheet_that_nobody_holds_is_thrown_away,
        who_keeps_the_turn_keeps_nobody_else_waiting,
        who_shrinks_his_sheet_harms_nobody_else,
        a_lease_does_not_make_the_server_wait,
        who_makes_a_hundred_thousand_locks_is_shown_the_door,
        a_joined_client_needs_no_name_any_more,
        a_server_of_ones_own_invites_nobody_else,
    };
    const TTest *const with_two_users[] = {
        a_claimed_uid_must_be_the_owners,
        a_symbolic_link_leads_nowhere,
        a_client_uses_only_what_the_directorys_owner_put_there,
    };
    const char *reason = need_mechanism(ipc_find(variants[i]));
    TCase *tc = test_case(s, variants[i]);

    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
        add_loop_test_if(tc, reason, tests[t], i);
    if (reason == NULL)
        reason = need_root();
    for (size_t t = 0; t < sizeof with_two_users / sizeof *tests; t++)
        add_loop_test_if(tc, reason, with_two_users[t], i);
}

Suite *
test_reclock(void)
{
    Suite *s = suite_create("reclock");

    for (int i = 0; i < 2; i++)
        add_sheet_tests(s, i);
    return s;
}

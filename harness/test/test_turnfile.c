/*
 * test_turnfile.c - mmap/lockfile and shm/reclock: what one can do that has
 * made the file itself through which it is served.  The protocol is the same in
 * a file and in memory, so all of it is tried on both.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, F_SETLEASE, memfd_create */
#include "test/test.h"

#include "core/clock.h"
#include "core/turnfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

Suite *test_turnfile(void);

/* -- files, made by hand --------------------------------------------------- */

static const char *const variants[] = {"mmap/lockfile", "shm/reclock"};

/* What one that knows the format makes; shared with the child that does it. */
struct hand {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    struct registration r;
    struct registry server;
    struct handoff handoff;
    struct alarm alarm;
    uint8_t nonce[NONCE_SIZE];
    bool fell; /* the attack succeeded */
};

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    h->m = server->m;
    h->r = (struct registration){.uid = claim, .pid = 1, .serial = 1};
    strcpy(h->where, server->where);
    return h;
}

static bool
is_file(const struct hand *h)
{
    return h->m == ipc_find("mmap/lockfile");
}

static const struct client_memory *
memory(const struct hand *h)
{
    return is_file(h) ? &client_files : &sealed_memory;
}

static off_t
reply_area(const struct hand *h)
{
    return is_file(h) ? 1056768 : 73728;
}

/* Only files have one. */
static void
file_name(const struct hand *h, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s.d/%u.%u", h->where, h->r.pid, h->r.serial);
}

/* One as long as it has to be, nothing in it, not yet for the server. */
static int
make_file(struct hand *h)
{
    char path[PATH_MAX];
    int fd;

    if (!is_file(h))
        h->r.pid = (uint32_t)getpid();
    ck_assert_int_eq(registry_open(&h->server, h->where), 0);
    fd = memory(h)->make(h->where, is_file(h) ? 2109440 : 143360, &h->r, path);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void
say_join(struct hand *h)
{
    ck_assert_int_eq(registration_send(&h->server, &h->r,
                                       deadline_in(CALL_TIMEOUT), NULL, NULL),
                     0);
}

static void
publish(struct hand *h, int fd)
{
    struct turnfile_head head = {
        .mark = TURNFILE_MARK, .uid = h->r.uid, .serial = h->r.serial};

    ck_assert_int_eq(pwrite(fd, &head, sizeof head, 0), sizeof head);
    say_join(h);
}

static void
join(struct hand *h)
{
    ck_assert_int_eq(handoff_first(&h->handoff, make_file(h)), 0);
    publish(h, h->handoff.fd);
}

static void
drop(struct hand *h)
{
    char path[PATH_MAX];

    if (is_file(h)) {
        file_name(h, path);
        unlink(path);
    }
    alarm_free(&h->alarm);
    close(h->handoff.fd);
    registry_close(&h->server);
}

static uint32_t
verdict(struct hand *h)
{
    struct turnfile_head head;

    ck_assert_int_eq(pread(h->handoff.fd, &head, sizeof head, 0), sizeof head);
    memcpy(h->nonce, head.nonce, NONCE_SIZE);
    return head.verdict;
}

static void
ask_in_a_message_of(struct hand *h, uint32_t len)
{
    uint8_t frame[WIRE_HEADER];
    struct turnfile_note note = {.done = h->handoff.turn + 1, .len = len};

    raw_frame(frame, API_whoami, 7, NULL, 0);
    memcpy(note.nonce, h->nonce, NONCE_SIZE);
    ck_assert_int_eq(pwrite(h->handoff.fd, &note, sizeof note, TURNFILE_AREA),
                     sizeof note);
    ck_assert_int_eq(
        pwrite(h->handoff.fd, frame, sizeof frame, TURNFILE_AREA + sizeof note),
        sizeof frame);
    ck_assert_int_eq(handoff_pass(&h->handoff), 0);
}

static void
ask_whoami(struct hand *h)
{
    ask_in_a_message_of(h, WIRE_HEADER);
}

/* Is there an answer?  Otherwise we have been cut off. */
static bool
is_answered(struct hand *h, uint8_t *payload, size_t size)
{
    struct turnfile_note note = {.done = 0};

    ck_assert_int_eq(
        handoff_wait(&h->handoff, &h->alarm, deadline_in(CALL_TIMEOUT)), 0);
    if (pread(h->handoff.fd, &note, sizeof note, reply_area(h)) !=
            sizeof note ||
        note.done != h->handoff.turn)
        return false;
    /* 0: an answer without results, at the end of a file that was cut off. */
    ck_assert_int_ge(pread(h->handoff.fd, payload, size,
                           reply_area(h) + (off_t)sizeof note + WIRE_HEADER),
                     0);
    return true;
}

/* Bob's own file, but he says that he is root. */
static void
bob_claims(struct actor *self, void *arg)
{
    struct hand *h = arg;
    uint8_t payload[512], *p = payload;

    join(h);
    actor_step(self);
    if (verdict(h) == TURNFILE_ADMITTED) {
        ask_whoami(h);
        ck_assert(is_answered(h, payload, sizeof payload));
        p += 2 + get16(p); /* the mechanism; then pid and uid */
        ck_assert_int_eq((int64_t)get64(p + 8), 0);
        h->fell = true;
    }
    drop(h);
}

static bool
claim(const char *program, int i)
{
    struct host server;
    struct hand *h;
    struct actor b;

    server_start_by(&server, ipc_find(variants[i]), program);
    h = make_hand(&server, 0);
    actor_start(&b, BOB, bob_claims, h);
    actor_wait(&b);
    server_catch_up(&server);
    actor_go(&b);
    actor_end(&b);
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
    join(h);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
    h->nonce[0] ^= 1;
    ask_whoami(h);
    answered = is_answered(h, payload, sizeof payload);
    drop(h);
    server_stop(&server);
    return answered;
}

START_TEST(a_request_without_the_nonce_is_not_heard)
{
    ck_assert(without_nonce("ipcd-naive", _i));
    ck_assert(!without_nonce("ipcd", _i));
}
END_TEST

/* The server has room for the largest message, and the file may have more.  (A
 * sanitizer sees what is written behind that room.) */
START_TEST(who_says_more_than_a_message_may_have_is_not_answered)
{
    static const uint32_t times[] = {1, 2, 1000};
    struct host server;

    server_start(&server, ipc_find(variants[_i]));
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct hand *h = make_hand(&server, geteuid());
        struct ipc_limits limits;
        uint8_t payload[512];

        ck_assert_int_eq(h->m->limits(&limits), 0);
        join(h);
        server_catch_up(&server);
        ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
        ask_whoami(h);
        ck_assert(is_answered(h, payload, sizeof payload));
        if (is_file(h)) /* what is in memory is sealed */
            ck_assert_int_eq(ftruncate(h->handoff.fd, INT64_C(1) << 31), 0);
        ask_in_a_message_of(h, (uint32_t)limits.max_msg * times[i] + 1);
        ck_assert(!is_answered(h, payload, sizeof payload));
        drop(h);
    }
    server_stop(&server);
}
END_TEST

START_TEST(a_file_that_nobody_holds_is_not_answered)
{
    struct host server;
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    h->handoff.fd = make_file(h);
    say_join(h); /* of zeros */
    server_catch_up(&server);
    publish(h, h->handoff.fd); /* by a dead one, or an old one */
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_NOT_YET);
    ck_assert_int_eq(handoff_first(&h->handoff, h->handoff.fd), 0);
    say_join(h); /* nor was it kept from it */
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
    drop(h);
    server_stop(&server);
}
END_TEST

/* Who has its serial could read it; who has not may be anybody. */
START_TEST(a_file_is_registered_only_by_who_can_read_it)
{
    struct host server;
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    ck_assert_int_eq(handoff_first(&h->handoff, make_file(h)), 0);
    if (is_file(h)) /* the name is no secret, what it was made with is */
        h->r.serial = 1;
    publish(h, h->handoff.fd);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
    drop(h);
    h = make_hand(&server, geteuid());
    ck_assert_int_eq(handoff_first(&h->handoff, make_file(h)), 0);
    ck_assert_int_eq(pwrite(h->handoff.fd,
                            &(struct turnfile_head){.mark = TURNFILE_MARK,
                                                    .uid = h->r.uid,
                                                    .serial = 2},
                            sizeof(struct turnfile_head), 0),
                     sizeof(struct turnfile_head));
    say_join(h); /* as number 1 */
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_NOT_YET);
    drop(h);
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
    join(h);
    client_start(&server, &c);
    for (int i = 0; i < 100; i++)
        expect_echo(&c, 100);
    /* The server sleeps for c; this one is found nevertheless. */
    ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
    ask_whoami(h);
    ck_assert(is_answered(h, payload, sizeof payload));
    drop(h);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* Sealed memory stays as long as it is; what is in it can be taken away. */
static void
take_away(struct hand *h)
{
    int err = ftruncate(h->handoff.fd, 0) == -1 ? errno : 0;

    ck_assert_int_eq(err, is_file(h) ? 0 : EPERM);
    if (err != 0)
        ck_assert_int_eq(fallocate(h->handoff.fd,
                                   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   0, 143360),
                         0);
}

/* While the turn is ours, and while it is the server's, which is going to read,
 * or to write. */
START_TEST(who_shrinks_its_file_harms_nobody_else)
{
    uint8_t frame[WIRE_HEADER + 4], payload[512];
    struct turnfile_note note = {.len = sizeof frame};
    struct host server;
    struct client c;
    struct hand *h;

    server_start(&server, ipc_find(variants[_i]));
    client_start(&server, &c);
    for (int writing = 0; writing < 2; writing++) {
        h = make_hand(&server, geteuid());
        join(h);
        server_catch_up(&server);
        ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
        if (writing) {
            raw_frame(frame, API_sleep, 7, "\x32\0\0\0", 4); /* 50 ms */
            note.done = 1;
            memcpy(note.nonce, h->nonce, NONCE_SIZE);
            ck_assert_int_eq(
                pwrite(h->handoff.fd, &note, sizeof note, TURNFILE_AREA),
                sizeof note);
            ck_assert_int_eq(pwrite(h->handoff.fd, frame, sizeof frame,
                                    TURNFILE_AREA + sizeof note),
                             sizeof frame);
            ck_assert_int_eq(handoff_pass(&h->handoff), 0);
        }
        take_away(h);
        if (!writing)
            ck_assert_int_eq(handoff_pass(&h->handoff), 0);
        /* What is written makes a file longer again. */
        if (is_answered(h, payload, sizeof payload))
            ck_assert(writing);
        drop(h);
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

    server_start(&server, ipc_find("mmap/lockfile"));
    h = make_hand(&server, geteuid());
    signal(SIGIO, SIG_IGN); /* "somebody wants to open your file" */
    ck_assert_int_eq(handoff_first(&h->handoff, make_file(h)), 0);
    ck_assert_int_eq(fcntl(h->handoff.fd, F_SETLEASE, F_WRLCK), 0);
    publish(h, h->handoff.fd);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_NOT_YET);
    /* Who does not say O_NONBLOCK waits for lease-break-time, 45 s. */
    file_name(h, path);
    ck_assert_int_eq(alarm_arm(&a, now_ns() + 20 * NS_PER_MS), 0);
    ck_assert_int_eq(open(path, O_RDWR | O_CLOEXEC), -1);
    ck_assert_int_eq(errno, EINTR);
    alarm_free(&a);
    ck_assert_int_eq(fcntl(h->handoff.fd, F_SETLEASE, F_UNLCK), 0);
    say_join(h);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
    drop(h);
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

START_TEST(who_makes_a_hundred_thousand_locks_is_disconnected)
{
    struct host server;
    char path[PATH_MAX];
    struct hand *h;
    int fd, other;

    server_start(&server, ipc_find(variants[_i]));
    h = make_hand(&server, geteuid());
    fd = make_file(h);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    other = open(path, O_WRONLY | O_CLOEXEC); /* enough to lock it */
    make_locks(other, 100000);
    ck_assert_int_eq(handoff_first(&h->handoff, fd), 0);
    publish(h, fd);
    server_catch_up(&server);
    ck_assert_uint_eq(verdict(h), TURNFILE_ADMITTED);
    ck_assert_int_eq(
        handoff_watch(&h->handoff, &h->alarm, deadline_in(CALL_TIMEOUT)), 0);
    server_catch_up(&server);
    close(other);
    drop(h);
    server_stop(&server);
}
END_TEST

static void
bob_links(void *arg)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct hand *h = arg;

    file_name(h, path);
    snprintf(target, sizeof target, "%s/precious", run_dir);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert_int_eq(registry_open(&h->server, h->where), 0);
    say_join(h);
    registry_close(&h->server);
}

START_TEST(a_symbolic_link_leads_nowhere)
{
    char precious[PATH_MAX], path[PATH_MAX];
    struct turnfile_head head = {.mark = TURNFILE_MARK, .serial = 1};
    struct host server;
    struct hand *h;
    struct handoff handoff;
    int fd;

    server_start(&server, ipc_find("mmap/lockfile"));
    h = make_hand(&server, 0);
    /* Root's own, and as it has to be in every respect. */
    snprintf(precious, sizeof precious, "%s/precious", run_dir);
    fd = open(precious, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(pwrite(fd, &head, sizeof head, 0), sizeof head);
    ck_assert_int_eq(handoff_first(&handoff, fd), 0);
    as_user(BOB, bob_links, h);
    server_catch_up(&server);
    ck_assert_int_eq(pread(fd, &head, sizeof head, 0), sizeof head);
    ck_assert_uint_eq(head.verdict, TURNFILE_NOT_YET);
    close(fd);
    unlink(precious);
    file_name(h, path);
    unlink(path);
    server_stop(&server);
}
END_TEST

START_TEST(a_joined_client_needs_no_name_any_more)
{
    char dir[ENDPOINT_SIZE];
    struct host server;
    struct client c;

    server_start(&server, ipc_find("mmap/lockfile"));
    client_start(&server, &c);
    ck_assert_int_eq(endpoint_file(server.where, ".d", dir), 0);
    ck_assert_int_eq(rmdir(dir), 0); /* it is empty */
    expect_echo(&c, 10);
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
    ck_assert_int_eq(endpoint_file(server.where, ".join", path), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, root ? 0622 : 0600);
    if (server.m == ipc_find("mmap/lockfile")) {
        ck_assert_int_eq(endpoint_file(server.where, ".d", path), 0);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, root ? 01733 : 0700);
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
    ck_assert_int_eq(endpoint_file(server.where, ".join", path), 0);
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

/* -- who keeps the lock ---------------------------------------------------- */

/* Keeps the inode's lock: write(2) from a page that somebody has yet to bring,
 * userfaultfd(2). */
struct holder {
    int uffd, fd;
    char *page;
    pthread_t writer;
};

static const char *
need_userfaultfd(void)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd == -1)
        return "need userfaultfd(2)";
    close(fd);
    return need_root();
}

/* While one is root still. */
static void
prepare_to_hold(struct holder *w)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register r = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    w->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    ck_assert_int_ne(w->uffd, -1);
    ck_assert_int_eq(ioctl(w->uffd, UFFDIO_API, &api), 0);
    w->page = mmap(NULL, page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(w->page != MAP_FAILED);
    r.range.start = (uintptr_t)w->page;
    r.range.len = page;
    ck_assert_int_eq(ioctl(w->uffd, UFFDIO_REGISTER, &r), 0);
}

static void *
write_the_page(void *arg)
{
    struct holder *w = arg;

    ck_assert_int_eq(pwrite(w->fd, w->page, 1, 2000000), 1);
    return NULL;
}

static void
hold(struct holder *w, int fd)
{
    struct uffd_msg msg;

    w->fd = fd;
    ck_assert_int_eq(pthread_create(&w->writer, NULL, write_the_page, w), 0);
    ck_assert_int_eq(read(w->uffd, &msg, sizeof msg), sizeof msg);
    ck_assert_int_eq(msg.event, UFFD_EVENT_PAGEFAULT);
}

static void
let_go(struct holder *w)
{
    struct uffdio_zeropage zero = {
        .range = {.start = (uintptr_t)w->page,
                  .len = (size_t)sysconf(_SC_PAGESIZE)}};

    ck_assert_int_eq(ioctl(w->uffd, UFFDIO_ZEROPAGE, &zero), 0);
    ck_assert_int_eq(pthread_join(w->writer, NULL), 0);
    ck_assert_int_eq(madvise(w->page, (size_t)zero.range.len, MADV_DONTNEED),
                     0);
}

#define MAPPED ((size_t)2 * TURNFILE_AREA) /* bytes */

/* By a store: pwrite(2) would wait, too. */
static void
ask_by_storing(struct hand *h)
{
    uint8_t *p = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED,
                      h->handoff.fd, 0);
    struct turnfile_note note = {.done = h->handoff.turn + 1,
                                 .len = WIRE_HEADER};

    ck_assert(p != MAP_FAILED);
    memcpy(note.nonce, h->nonce, NONCE_SIZE);
    memcpy(p + TURNFILE_AREA, &note, sizeof note);
    raw_frame(p + TURNFILE_AREA + sizeof note, API_whoami, 7, NULL, 0);
    munmap(p, MAPPED);
    ck_assert_int_eq(handoff_pass(&h->handoff), 0);
}

/* Joins; is it kept out by now? */
static bool
is_kept_out(struct hand *h)
{
    const int64_t deadline = now_ns() + 400 * NS_PER_MS;

    h->r.serial++;
    join(h);
    while (verdict(h) == TURNFILE_NOT_YET)
        if (now_ns() > deadline) {
            drop(h);
            return true;
        }
    return false;
}

static void
bob_holds_the_server_up(struct actor *self, void *arg)
{
    struct hand *h = arg;
    struct holder w;

    prepare_to_hold(&w);
    ck_assert_int_eq(setresgid(BOB, BOB, BOB), 0);
    ck_assert_int_eq(setresuid(BOB, BOB, BOB), 0);
    h->r.uid = BOB;
    for (int i = 0; !is_kept_out(h); i++) {
        ck_assert_int_lt(i, 8);
        hold(&w, h->handoff.fd);
        ask_by_storing(h);
        actor_step(self); /* the server waits */
        poll_until(NULL, 0, now_ns() + 2 * stall_limit);
        let_go(&w);
        /* Its last byte, too: we are disconnected. */
        ck_assert_int_eq(
            handoff_wait(&h->handoff, &h->alarm, deadline_in(CALL_TIMEOUT)), 0);
        ck_assert_int_eq(
            handoff_watch(&h->handoff, &h->alarm, deadline_in(CALL_TIMEOUT)),
            0);
        drop(h);
    }
    h->fell = true; /* barred */
    actor_step(self);
    munmap(w.page, (size_t)sysconf(_SC_PAGESIZE));
    close(w.uffd);
}

START_TEST(who_keeps_the_lock_of_its_file_is_disconnected_and_barred)
{
    struct host server;
    struct actor bob;
    struct client c;
    struct hand *h;

    server_start(&server, ipc_find("mmap/lockfile"));
    h = make_hand(&server, BOB);
    actor_start(&bob, geteuid(), bob_holds_the_server_up, h);
    for (;;) {
        const int64_t deadline = now_ns() + CALL_TIMEOUT;

        actor_wait(&bob);
        if (h->fell)
            break;
        while (!is_in_call(server.server, SYS_pwritev))
            ck_assert(now_ns() < deadline);
        actor_go(&bob);
    }
    actor_go(&bob);
    actor_end(&bob);
    client_start(&server, &c); /* and nobody else is */
    expect_echo(&c, 100);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

static void
add_tests(Suite *s, int i)
{
    const TTest *const tests[] = {
        a_request_without_the_nonce_is_not_heard,
        who_says_more_than_a_message_may_have_is_not_answered,
        a_file_that_nobody_holds_is_not_answered,
        a_file_is_registered_only_by_who_can_read_it,
        who_keeps_the_turn_keeps_nobody_else_waiting,
        who_shrinks_its_file_harms_nobody_else,
        who_makes_a_hundred_thousand_locks_is_disconnected,
        a_server_of_ones_own_invites_nobody_else,
    };
    const TTest *const with_two_users[] = {
        a_claimed_uid_must_be_the_owners,
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
test_turnfile(void)
{
    Suite *s = suite_create("turnfile");
    const char *no_locks = need_mechanism(ipc_find("mmap/lockfile"));

    TCase *tc;

    for (int i = 0; i < 2; i++)
        add_tests(s, i);
    tc = test_case(s, "mmap/lockfile");
    add_test_if(tc, no_locks, a_lease_does_not_make_the_server_wait);
    add_test_if(tc, no_locks, a_joined_client_needs_no_name_any_more);
    add_test_if(tc, no_locks != NULL ? no_locks : need_root(),
                a_symbolic_link_leads_nowhere);
    add_test_if(tc, no_locks != NULL ? no_locks : need_userfaultfd(),
                who_keeps_the_lock_of_its_file_is_disconnected_and_barred);
    return s;
}

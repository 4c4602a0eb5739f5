/*
 * test_shm.c - what only shared memory does: what a peer can do to memory that
 * it shares, and what a lock does whose holder dies.  The rings themselves are
 * in test_rings.c; whose memory it is: `ipcattack 112 113`.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, O_CLOEXEC, mount */
#include "test/test.h"

#include "test/both/driven.h"

#include "core/futex.h"
#include "core/guard.h"
#include "core/memory.h"
#include "core/rings.h"
#include "monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_shm(void);

/* -- facts ---------------------------------------------------------------- */

#define FACT "/ipclab-fact"

static int
make_object(off_t size)
{
    int fd = shm_open(FACT, O_RDWR | O_CREAT | O_EXCL, 0600);

    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    return fd;
}

static volatile char *
map_object(int fd, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    ck_assert(p != MAP_FAILED);
    return p;
}

/* What becomes of a process that loads this byte: 0, or the signal. */
static int
touch(const volatile char *byte)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        signal(SIGBUS, SIG_DFL); /* whatever a sanitizer makes of it */
        (void)*byte;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(memory_beyond_the_end_of_the_object_is_a_sigbus)
{
    const long page = sysconf(_SC_PAGESIZE);
    int fd = make_object(0);
    volatile char *p = map_object(fd, (size_t)(2 * page));

    ck_assert_int_eq(touch(p), SIGBUS); /* a new object has no bytes */
    ck_assert_int_eq(ftruncate(fd, 1), 0);
    ck_assert_int_eq(touch(p), 0);
    ck_assert_int_eq(touch(p + page - 1), 0); /* to the end of the page */
    ck_assert_int_eq(touch(p + page), SIGBUS);
    ck_assert_int_eq(ftruncate(fd, 2 * page), 0);
    p[page] = 'x';
    ck_assert_int_eq(touch(p + page), 0);
    ck_assert_int_eq(ftruncate(fd, page), 0); /* as any of its users can */
    ck_assert_int_eq(touch(p + page), SIGBUS);
    close(fd);
    shm_unlink(FACT);
}
END_TEST

START_TEST(the_guard_turns_missing_memory_into_zeros_and_a_note)
{
    const long page = sysconf(_SC_PAGESIZE);
    int fd = make_object(page), status;
    volatile char *p = map_object(fd, (size_t)page);
    pid_t pid;

    p[0] = 'x';
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        struct guarded maps[2] = {
            {0}, {.memory = (void *)(uintptr_t)p, .size = (size_t)page}};

        ck_assert_int_eq(guard_install(), 0);
        guard_watch(maps, 2);
        ck_assert_int_eq(p[0], 'x');
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(p[0], 0);
        ck_assert_int_eq(maps[1].bitten, 1);
        p[0] = 'y'; /* goes nowhere, and does no harm */
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(fd);
    shm_unlink(FACT);
}
END_TEST

START_TEST(a_full_file_system_is_an_error_now_or_a_sigbus_later)
{
    const long page = sysconf(_SC_PAGESIZE);
    char path[PATH_MAX];
    volatile char *p;
    int fd;

    /* In a mount namespace of our own, as root's tests are. */
    ck_assert_int_eq(mount("small", run_dir, "tmpfs", 0, "size=64k"), 0);
    snprintf(path, sizeof path, "%s/file", run_dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(posix_fallocate(fd, 0, 64 * page), ENOSPC);
    ck_assert_int_eq(ftruncate(fd, 64 * page), 0); /* a promise, no pages */
    p = map_object(fd, (size_t)(64 * page));
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(touch(p + i * page), 0);
    ck_assert_int_eq(touch(p + 16 * page), SIGBUS);
    munmap((void *)(uintptr_t)p, (size_t)(64 * page));
    close(fd);
    ck_assert_int_eq(umount(run_dir), 0);
}
END_TEST

START_TEST(an_object_without_a_name_lives_until_its_last_user_goes)
{
    int fd = make_object(1), other;
    volatile char *p = map_object(fd, 1);

    close(fd);
    p[0] = 'x';
    ck_assert_int_eq(shm_unlink(FACT), 0);
    ck_assert_int_eq(p[0], 'x');
    ck_assert_int_eq(shm_open(FACT, O_RDWR, 0), -1);
    ck_assert_int_eq(errno, ENOENT);
    other = make_object(1); /* the same name, and not the same */
    ck_assert_int_eq(map_object(other, 1)[0], 0);
    ck_assert_int_eq(p[0], 'x');
    close(other);
    shm_unlink(FACT);
}
END_TEST

/* -- facts: locks --------------------------------------------------------- */

static pthread_mutex_t *
shared_mutex(int robust)
{
    pthread_mutex_t *mutex = shared(sizeof(pthread_mutex_t));
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, robust);
    ck_assert_int_eq(pthread_mutex_init(mutex, &attr), 0);
    return mutex;
}

static void
lock_and_die(void *mutex)
{
    ck_assert_int_eq(pthread_mutex_lock(mutex), 0);
}

START_TEST(only_a_robust_lock_tells_of_the_death_of_its_holder)
{
    pthread_mutex_t *plain = shared_mutex(PTHREAD_MUTEX_STALLED);
    pthread_mutex_t *robust = shared_mutex(PTHREAD_MUTEX_ROBUST);

    as_user(geteuid(), lock_and_die, plain);
    ck_assert_int_eq(pthread_mutex_trylock(plain), EBUSY); /* for ever */
    as_user(geteuid(), lock_and_die, robust);
    ck_assert_int_eq(pthread_mutex_lock(robust), EOWNERDEAD); /* it is ours */
    ck_assert_int_eq(pthread_mutex_consistent(robust), 0);
    ck_assert_int_eq(pthread_mutex_unlock(robust), 0);
    as_user(geteuid(), lock_and_die, robust);
    ck_assert_int_eq(pthread_mutex_lock(robust), EOWNERDEAD);
    pthread_mutex_unlock(robust); /* and nobody said that all is well */
    ck_assert_int_eq(pthread_mutex_lock(robust), ENOTRECOVERABLE);
}
END_TEST

static struct monitor *
map_page(const struct host *server)
{
    int fd = shared_page_open(server->where, O_RDWR, sizeof(struct monitor));
    struct monitor *p;

    ck_assert_int_ge(fd, 0);
    p = memory_map(fd, sizeof *p, PROT_READ | PROT_WRITE);
    ck_assert_ptr_nonnull(p);
    close(fd);
    return p;
}

static void
hold_the_lock(struct actor *self, void *server)
{
    struct client c;

    client_start(server, &c);
    expect_echo(&c, 10);
    ck_assert_int_eq(pthread_mutex_lock(&map_page(server)->lock), 0);
    actor_step(self); /* never comes back */
}

START_TEST(a_client_killed_with_the_lock_in_its_hand_stops_nobody)
{
    struct host server;
    struct client c;
    struct actor holder;

    server_start(&server, ipc_find("shm/mutex"));
    client_start(&server, &c);
    for (int i = 0; i < 5; i++) {
        actor_start(&holder, geteuid(), hold_the_lock, &server);
        actor_wait(&holder);
        ck_assert(actor_kill(&holder));
        expect_echo(&c, 100);
    }
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* Both lay objects of the C library into memory that they share. */
static const char *const with_objects[] = {"shm/mutex", "sem/mailbox"};

START_TEST(a_server_of_another_word_size_is_told_apart)
{
    struct output *o = shared(sizeof *o);
    struct host server;
    char text[512], *word;
    struct client c;
    ssize_t n;
    int fd;

    server_start(&server, ipc_find(with_objects[_i]));
    fd = open(server.where, O_RDWR);
    n = pread(fd, text, sizeof text - 1, 0);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    word = strstr(text, "word ");
    ck_assert_ptr_nonnull(word);
    word[5] = word[5] == '8' ? '4' : '8';
    ck_assert_int_eq(pwrite(fd, text, (size_t)n, 0), n);
    close(fd);
    ck_assert_int_eq(host_client(&server, &c), -EPROTONOSUPPORT);
    run_program(o, "ipcctl", "-m", with_objects[_i], "hello", "x", NULL);
    ck_assert_int_eq(o->status, 2);
    ck_assert_ptr_nonnull(strstr(o->err, "of another word size"));
    server_stop(&server);
}
END_TEST

static void
takes_a_slot(struct actor *self, void *server)
{
    struct client c;

    client_start(server, &c);
    expect_echo(&c, 10);
    actor_step(self);
}

/* Nobody has to notice first that they are dead. */
START_TEST(the_slots_of_the_dead_are_taken_by_who_comes)
{
    static struct actor children[IPC_MAX_CLIENTS];
    struct host server;
    struct client c;

    server_start(&server, ipc_find("shm/mutex"));
    for (int i = 0; i < IPC_MAX_CLIENTS; i++) {
        actor_start(&children[i], geteuid(), takes_a_slot, &server);
        actor_wait(&children[i]);
    }
    ck_assert_int_eq(host_client(&server, &c), -EAGAIN);
    server_pause(&server);
    for (int i = 0; i < IPC_MAX_CLIENTS; i++)
        ck_assert(actor_kill(&children[i]));
    client_start(&server, &c);
    server_resume(&server);
    expect_echo(&c, 100);
    client_close(&c);
    server_stop(&server);
}
END_TEST

static void
opens_nothing(void *arg)
{
    const struct host *server = arg;
    char path[ENDPOINT_SIZE];
    struct output *o = shared(sizeof *o);
    struct client c;
    struct dirent *e;
    DIR *shm = opendir("/dev/shm");

    ck_assert_ptr_nonnull(shm);
    ck_assert_int_eq(client_open(&c, server->m, server->where), -EACCES);
    ck_assert_int_eq(open(server->where, O_RDONLY), -1);
    ck_assert_int_eq(endpoint_file(server->where, ".life", path), 0);
    ck_assert_int_eq(open(path, O_RDONLY | O_NONBLOCK), -1);
    ck_assert_int_eq(errno, EACCES);
    while ((e = readdir(shm)) != NULL)
        if (e->d_name[0] != '.') {
            ck_assert_int_eq(openat(dirfd(shm), e->d_name, O_RDONLY), -1);
            ck_assert_int_eq(errno, EACCES);
        }
    closedir(shm);
    run_program(o, "ipcctl", "-m", "shm/mutex", "hello", "x", NULL);
    ck_assert_int_eq(o->status, 2);
    ck_assert_ptr_nonnull(strstr(o->err, "its own user"));
}

START_TEST(whoever_trusts_its_clients_serves_its_own_user_only)
{
    struct host server;
    struct client c;

    server_start(&server, ipc_find("shm/mutex"));
    as_user(ALICE, opens_nothing, &server);
    client_start(&server, &c);
    expect_echo(&c, 100);
    client_close(&c);
    server_stop(&server);
}
END_TEST

START_TEST(a_monitor_without_clients_has_no_timer)
{
    expect_no_timer(ipc_find("shm/mutex"));
}
END_TEST

START_TEST(a_monitor_sleeps_until_a_silent_client_rings)
{
    const int64_t deadline = now_ns() + CALL_TIMEOUT;
    struct host server;
    struct client c;

    server_start(&server, ipc_find("shm/mutex"));
    client_start(&server, &c);
    for (int i = 0; i < 2; i++) {
        while (!waits_without_a_timer(server.server))
            ck_assert(now_ns() < deadline);
        expect_echo(&c, 10);
    }
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- attacks -------------------------------------------------------------- */

/* Everything that is built on rings.h: for loop tests. */
static const char *const on_rings[] = {"shm/futex", "shm/spin", "mmap/file"};

/* What is sealed keeps its size, and loses what is in it at most. */
static bool
take_away(int fd, off_t left)
{
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & F_SEAL_SHRINK) == 0) {
        ck_assert_int_eq(ftruncate(fd, left), 0);
        return true;
    }
    ck_assert_int_eq(ftruncate(fd, left), -1);
    ck_assert_int_eq(ftruncate(fd, sizeof(struct rings_segment) + 1), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               left,
                               (off_t)sizeof(struct rings_segment) - left),
                     0);
    return false;
}

static void
shrink(struct actor *self, void *arg)
{
    static const uint8_t zeros[RING_MAX_MESSAGE - WIRE_HEADER];
    static uint8_t frame[RING_MAX_MESSAGE];
    struct rings_client *rings;
    struct client c;

    (void)self;
    for (off_t left = 0; left <= 4096; left += 64) {
        client_start(arg, &c);
        rings = c.state;
        /* From here on our own loads may be the ones that fail. */
        raw_frame(frame, API_echo, 1, zeros, sizeof zeros);
        if (left % 128 == 0)
            ck_assert_int_eq(raw_send(&c, frame, sizeof frame, -1), 0);
        if (!take_away(rings->segment_fd, left == 4096 ? 100000 : left)) {
            client_close(&c);
            continue;
        }
        /* No good-bye: it stays mapped, and its lock held, until we end. */
        free(rings);
        free(c.buf);
    }
}

START_TEST(a_client_that_takes_its_memory_away_hurts_only_itself)
{
    struct host server;
    struct actor bad;
    struct client c;

    server_start(&server, ipc_find(on_rings[_i]));
    client_start(&server, &c);
    /* Of the server's own user: another would get no more than its quota. */
    actor_start(&bad, geteuid(), shrink, &server);
    for (int i = 0; i < 200; i++)
        expect_echo(&c, 1000);
    actor_end(&bad);
    /* All the slots are free again. */
    for (int i = 0; i < IPC_MAX_CLIENTS + 8; i++) {
        struct client next;
        int err;

        while ((err = client_try(&server, &next)) == -EAGAIN)
            expect_echo(&c, 100);
        ck_assert_msg(err == 0, "open: %s", strerror(-err));
        expect_echo(&next, 100);
        client_close(&next);
    }
    client_close(&c);
    server_stop(&server); /* fails, had it died of SIGBUS */
}
END_TEST

static void
shrink_at_once(struct actor *self, void *arg)
{
    struct client c;

    client_start(arg, &c);
    actor_step(self); /* the server has just begun */
    ck_assert_int_eq(ftruncate(((struct rings_client *)c.state)->segment_fd, 0),
                     0);
    actor_step(self);
}

/* Before it has answered anybody, too. */
START_TEST(a_server_that_has_just_begun_is_on_its_guard)
{
    struct host server;
    struct actor bad;

    server_start(&server, ipc_find("mmap/file"));
    actor_start(&bad, geteuid(), shrink_at_once, &server);
    actor_wait(&bad);
    actor_go(&bad);
    actor_wait(&bad);
    server_catch_up(&server);
    ck_assert(actor_kill(&bad));
    server_stop(&server);
}
END_TEST

static void
scribble(struct actor *self, void *arg)
{
    struct rings_client *rings;
    struct client c;

    (void)self;
    for (unsigned seed = 0; seed < 30; seed++) {
        uint32_t state = seed * 2654435761U + 1;
        uint8_t *bytes;

        client_start(arg, &c);
        rings = c.state;
        bytes = rings->segment->requests.bytes;
        /* Plausible words at the beginning of every line, and random bytes. */
        for (unsigned i = 0; i < RING_SIZE; i += 4) {
            state = state * 1664525U + 1013904223U;
            put32(bytes + i, i % CACHE_LINE != 0 ? state
                             : seed % 2 == 0     ? RING_MESSAGE | (state >> 16)
                                                 : 1 + (state >> 16) % 3);
        }
        rings->rung = 0;
        futex_wake(&rings->server_page->doorbell);
        expect_cut_off(&c);
        client_close(&c);
    }
}

START_TEST(a_client_that_scribbles_on_its_memory_is_cut_off)
{
    struct host server;
    struct actor bad;
    struct client c;

    server_start(&server, ipc_find(on_rings[_i]));
    client_start(&server, &c);
    actor_start(&bad, geteuid(), scribble, &server);
    for (int i = 0; i < 200; i++)
        expect_echo(&c, 1000);
    actor_end(&bad);
    client_close(&c);
    server_stop(&server);
}
END_TEST

static void
cannot_write_on_the_page(void *arg)
{
    const struct host *server = arg;
    char name[ENDPOINT_SIZE];
    int fd;

    ck_assert_int_eq(endpoint_lookup(server->where, "name", name, sizeof name),
                     0);
    ck_assert_int_eq(shm_open(name, O_RDWR, 0), -1);
    ck_assert_int_eq(errno, EACCES);
    fd = shm_open(name, O_RDONLY, 0);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    close(fd);
}

START_TEST(what_all_can_see_only_the_server_can_change)
{
    struct host server;

    server_start(&server, ipc_find("shm/futex"));
    as_user(ALICE, cannot_write_on_the_page, &server);
    server_stop(&server);
}
END_TEST

/* As many registrations as there is room for, of nothing that could be opened;
 * and some that are of somebody else's, or of something else. */
static void
crowd(void *arg)
{
    const struct host *server = arg;
    int null = open("/dev/null", O_RDWR);
    struct registry registry;

    ck_assert_int_ge(null, 0);
    ck_assert_int_eq(registry_open(&registry, server->where), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        struct registration r = {.uid = geteuid(),
                                 .pid = i % 2 == 0 ? 1 : (uint32_t)getpid(),
                                 .serial = i,
                                 .id = {i % 3 == 0 ? (uint32_t)null : i}};

        (void)registration_send(&registry, &r, 0, NULL, NULL);
    }
    close(null);
    registry_close(&registry);
}

START_TEST(a_crowd_of_registrations_keeps_nobody_out)
{
    struct host server;
    struct client c, next;

    /* Each costs the server a look, and a sanitizer makes that long. */
    ipc_open_timeout = CALL_TIMEOUT;
    server_start(&server, ipc_find("shm/futex"));
    client_start(&server, &c);
    as_user(ALICE, crowd, &server);
    expect_echo(&c, 100);
    client_start(&server, &next);
    expect_echo(&next, 100);
    client_close(&next);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* The name of the server's page is known to nobody before; so it cannot be
 * there. */
START_TEST(each_server_has_a_page_of_another_name_and_a_sweep_finds_it)
{
    char first[ENDPOINT_SIZE], second[ENDPOINT_SIZE];
    struct host server;

    server_start(&server, ipc_find("shm/futex"));
    ck_assert_int_eq(endpoint_lookup(server.where, "name", first, sizeof first),
                     0);
    ck_assert(endpoint_is_fresh(server.where, first));
    server_kill(&server);
    ck_assert_int_ne(close(shm_open(first, O_RDONLY, 0)), -1);
    server_start(&server, ipc_find("shm/futex"));
    ck_assert_int_eq(
        endpoint_lookup(server.where, "name", second, sizeof second), 0);
    ck_assert_str_ne(first, second);
    ck_assert_int_eq(shm_open(first, O_RDONLY, 0), -1);
    server_stop(&server);
    ck_assert_int_eq(shm_open(second, O_RDONLY, 0), -1);
}
END_TEST

START_TEST(a_server_without_clients_has_no_timer)
{
    expect_no_timer(ipc_find(on_rings[_i]));
}
END_TEST

#define HOUR (3600 * NS_PER_SEC)

/* In this process: how long it would sleep stands in its own memory.  So
 * nothing can end the last sleep in time but the registration. */
START_TEST(only_a_newcomer_ends_a_long_sleep_beside_the_silent)
{
    const struct registration nobody = {.uid = (uid_t)-1};
    struct rings_server *s;
    struct driven d;
    struct actor silent;
    struct registry registry;
    uint32_t doorbell;

    ck_assert_int_eq(drive_begin(&d, on_rings[_i], run_dir), 0);
    s = d.srv;
    actor_start(&silent, geteuid(), joins_and_is_silent, &d);
    while (s->sessions.count == 0 || !sessions_is_in(&s->sessions, 0))
        ck_assert_int_ne(drive(&d, NS_PER_MS), 0);
    actor_wait(&silent);
    s->look = HOUR;
    doorbell = atomic_load(&s->server_page->doorbell);
    /* The first one is told that somebody may have come before it listened. */
    ck_assert_int_eq(rings_sleep(s, doorbell, now_ns() + 5 * RINGS_SLICE),
                     -EAGAIN);
    ck_assert_int_eq(rings_sleep(s, doorbell, now_ns() + 5 * RINGS_SLICE),
                     -ETIMEDOUT);
    ck_assert_int_eq(s->look, 4 * HOUR);
    ck_assert_int_eq(registry_open(&registry, d.where), 0);
    ck_assert_int_eq(
        registration_send(&registry, &nobody, NO_DEADLINE, NULL, NULL), 0);
    ck_assert_int_eq(rings_sleep(s, doorbell, NO_DEADLINE), -EAGAIN);
    ck_assert_int_eq(drive(&d, 0), -ETIMEDOUT);
    ck_assert_int_eq(s->look, 0); /* it is awake: from the beginning */
    /* Nor does it sleep on when one that joins and says nothing is overdue:
     * as if this one had never answered. */
    atomic_store(&rings_segment(s, 0)->head.answered, 0);
    s->sessions.slot[0].state = SESSION_JOINING;
    s->sessions.slot[0].joined = now_ns() - ipc_open_timeout - 1;
    s->look = HOUR;
    ck_assert_int_eq(s->waiting->server(s, NO_DEADLINE), -EAGAIN);
    registry_close(&registry);
    actor_kill(&silent);
    drive_end(&d);
}
END_TEST

Suite *
test_shm(void)
{
    Suite *s = suite_create("shm");
    TCase *tc = test_case(s, "shared memory");
    const char *no_shm = need_dev_shm();
    const char *no_root =
        no_shm != NULL ? no_shm : need_strangers(ipc_find("shm/futex"));
    const char *no_calls = no_shm != NULL ? no_shm : need_calls();

    add_test_if(tc, no_shm, memory_beyond_the_end_of_the_object_is_a_sigbus);
    add_test_if(tc, no_shm,
                the_guard_turns_missing_memory_into_zeros_and_a_note);
    add_test_if(tc, need_mounts(),
                a_full_file_system_is_an_error_now_or_a_sigbus_later);
    add_test_if(tc, no_shm,
                an_object_without_a_name_lives_until_its_last_user_goes);
    tc = test_case(s, "shm/futex");
    add_test_if(tc, no_root, what_all_can_see_only_the_server_can_change);
    add_test_if(tc, no_root, a_crowd_of_registrations_keeps_nobody_out);
    add_test_if(tc, need_mechanism(ipc_find("shm/futex")),
                each_server_has_a_page_of_another_name_and_a_sweep_finds_it);
    tc = test_case(s, "shm/mutex");
    tcase_add_test(tc, only_a_robust_lock_tells_of_the_death_of_its_holder);
    add_test_if(tc, no_shm,
                a_client_killed_with_the_lock_in_its_hand_stops_nobody);
    add_test_if(tc, no_shm, the_slots_of_the_dead_are_taken_by_who_comes);
    for (int i = 0; i < 2; i++)
        add_loop_test_if(tc, need_mechanism(ipc_find(with_objects[i])),
                         a_server_of_another_word_size_is_told_apart, i);
    add_test_if(tc, no_calls, a_monitor_without_clients_has_no_timer);
    add_test_if(tc, no_calls, a_monitor_sleeps_until_a_silent_client_rings);
    add_test_if(tc, no_root != NULL ? no_root : need_shared_programs(),
                whoever_trusts_its_clients_serves_its_own_user_only);
    tc = test_case(s, "mmap/file");
    add_test_if(tc, need_mechanism(ipc_find("mmap/file")),
                a_server_that_has_just_begun_is_on_its_guard);
    for (int i = 0; i < 3; i++) {
        const char *no = need_mechanism(ipc_find(on_rings[i]));
        const char *no_other =
            no != NULL ? no : need_strangers(ipc_find(on_rings[i]));

        tc = test_case(s, on_rings[i]);
        add_loop_test_if(tc, no_other != NULL ? no_other : need_calls(),
                         a_server_without_clients_has_no_timer, i);
        add_loop_test_if(tc, no_other,
                         a_client_that_takes_its_memory_away_hurts_only_itself,
                         i);
        add_loop_test_if(tc, no,
                         a_client_that_scribbles_on_its_memory_is_cut_off, i);
        if (i != 1) /* shm/spin does not sleep */
            add_loop_test_if(
                tc, no, only_a_newcomer_ends_a_long_sleep_beside_the_silent, i);
    }
    return s;
}

/*
 * test_rings.c - the ring and the two ways to wait for it, on one mapping.
 *
 * ThreadSanitizer sees races between threads that use one mapping, and nothing
 * of what other processes do to the same memory.  So here the rings are driven
 * by two threads on one mapping: run this with V=tsan.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, memfd_create, pthread_tryjoin_np */
#include "test/test.h"

#include "core/clock.h"
#include "core/futex.h"
#include "core/rings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_rings(void);

/* -- the ring, on one mapping --------------------------------------------- */

static struct ring *
new_ring(void)
{
    struct ring *ring = aligned_alloc(CACHE_LINE, sizeof *ring);

    ck_assert_ptr_nonnull(ring);
    memset(ring, 0, sizeof *ring);
    return ring;
}

static void
fill(uint8_t *bytes, size_t len, size_t seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + seed);
}

static int
take(struct ring_reader *r, uint8_t *bytes, size_t *len)
{
    int err = ring_take(r, bytes, RING_MAX_MESSAGE, len);

    if (err == 0)
        ring_release(r, memory_order_release);
    return err;
}

/* Copied into the ring, or made there: then there is a place as long as there
 * is room. */
static int
put_in(struct ring_writer *w, const uint8_t *bytes, size_t len, bool in_place)
{
    void *place = in_place ? ring_place(w, len) : NULL;
    int err;

    if (place != NULL)
        memcpy(place, bytes, len);
    err = ring_put(w, place != NULL ? place : bytes, len, memory_order_release);
    ck_assert(!in_place || (err == 0) == (place != NULL));
    return err;
}

START_TEST(a_full_ring_says_so_and_every_message_comes_out_as_it_went_in)
{
    static uint8_t in[RING_MAX_MESSAGE], out[RING_MAX_MESSAGE];
    struct ring_writer w = {.ring = new_ring()};
    struct ring_reader r = {.ring = w.ring};
    size_t sizes[RING_SIZE / CACHE_LINE], len, put = 0, took = 0, n = 0;

    /* Round the ring many times, in steps that never fit it evenly. */
    while (took < 2000) {
        while (fill(in, n = put * 131 % (RING_MAX_MESSAGE + 1), put),
               put_in(&w, in, n, _i == 1) == 0)
            sizes[put++ % (RING_SIZE / CACHE_LINE)] = n;
        ck_assert_uint_gt(put, took); /* an empty ring is never full */
        ck_assert_int_eq(ring_room(&w, n), -EAGAIN);
        do {
            ck_assert_int_eq(take(&r, out, &len), 0);
            ck_assert_uint_eq(len, sizes[took % (RING_SIZE / CACHE_LINE)]);
            fill(in, len, took++);
            ck_assert(memcmp(in, out, len) == 0);
        } while (took % 3 != 0 && took < put);
    }
    while (took < put && take(&r, out, &len) == 0)
        took++;
    ck_assert_uint_eq(took, put);
    ck_assert_int_eq(take(&r, out, &len), -EAGAIN);
    ring_end(&w);
    ck_assert_int_eq(take(&r, out, &len), -EPIPE);
    free(w.ring);
}
END_TEST

START_TEST(what_a_hostile_peer_writes_into_a_ring_is_refused)
{
    static uint8_t out[RING_MAX_MESSAGE];
    static const uint32_t words[] = {
        3,         /* no such thing */
        RING_WRAP, /* to a place with nothing in it */
        RING_MESSAGE | (RING_MAX_MESSAGE + 1),
        RING_MESSAGE | INT32_MAX,
        UINT32_MAX,
    };
    struct ring_writer w = {.ring = new_ring()};
    struct ring_reader r = {.ring = w.ring};
    size_t len;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        r.at = CACHE_LINE;
        atomic_store(ring_word(w.ring, r.at), words[i]);
        ck_assert_int_eq(take(&r, out, &len), -EPROTO);
        ck_assert_uint_eq(r.at, CACHE_LINE);
    }
    /* Past the end of the ring, though no longer than allowed. */
    r.at = RING_SIZE - CACHE_LINE;
    atomic_store(ring_word(w.ring, r.at), RING_MESSAGE | CACHE_LINE);
    ck_assert_int_eq(take(&r, out, &len), -EPROTO);
    /* A reader that has read what was never written. */
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            ring_put(&w, out, RING_MAX_MESSAGE, memory_order_release), 0);
    atomic_store(&w.ring->head, w.at + 1);
    ck_assert_int_eq(ring_put(&w, out, RING_MAX_MESSAGE, memory_order_release),
                     -EPROTO);
    free(w.ring);
}
END_TEST

/* A server and a client who meet on one mapping, without rings_join.c: the
 * same code as between processes, from the first message on. */
struct pair {
    struct rings_page *server_page;
    struct rings_segment *segment;
    struct rings_server server;
    struct rings_client client;
    int held, asking; /* one file, locked, so that everybody seems to live */
    atomic_int stop;
};

static struct pair *
new_pair(const struct rings_waiting *waiting)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const struct ipc_peer nobody = IPC_PEER_UNKNOWN;
    struct pair *p = calloc(1, sizeof *p);
    char path[64];

    ck_assert_ptr_nonnull(p);
    p->server_page = shared(sizeof *p->server_page);
    p->segment = shared(sizeof *p->segment);
    p->held = memfd_create("alive", MFD_CLOEXEC);
    ck_assert_int_eq(fcntl(p->held, F_OFD_SETLK, &lock), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p->held);
    p->asking = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ne(p->asking, -1);
    p->server.waiting = p->client.waiting = waiting;
    p->server.server_page = p->server_page;
    p->client.server_page = p->server_page;
    p->server.registrar.fd = p->server.dir.fd = -1; /* nobody else will come */
    sessions_init(&p->server.sessions, 1, NO_DEADLINE);
    sessions_take(&p->server.sessions, 0, &nobody, now_ns());
    sessions_admit(&p->server.sessions, 0);
    p->server.segments[0].memory = p->client.segment = p->segment;
    p->server.segments[0].size = sizeof *p->segment;
    p->server.slots[0].fd = p->asking;
    p->client.server.life = -1; /* read(2) does not say that it is over */
    p->server.in[0].ring = p->client.out.ring = &p->segment->requests;
    p->server.out[0].ring = p->client.in.ring = &p->segment->replies;
    return p;
}

static void
free_pair(struct pair *p)
{
    munmap(p->server_page, sizeof *p->server_page);
    munmap(p->segment, sizeof *p->segment);
    close(p->held);
    close(p->asking);
    free(p);
}

/* Sends everything back, and a thousand notices nowhere. */
static void *
echo(void *arg)
{
    static uint8_t bytes[RING_MAX_MESSAGE];
    struct ipc_request req = {
        .msg = {.buf = bytes, .cap = sizeof bytes, .fd = -1}};
    struct pair *p = arg;
    int err;

    while (!p->stop) {
        err = rings_next(&p->server, &req, 50 * NS_PER_MS);
        if (err == 0 && wire_wants_reply(&req.msg))
            err = rings_reply(&p->server, &req, &req.msg);
        if (err != 0 && err != -ETIMEDOUT && err != -EINTR)
            break;
    }
    return NULL;
}

static const struct rings_waiting *const waitings[] = {&futex_waiting,
                                                       &spin_waiting};

START_TEST(two_threads_talk_over_one_mapping)
{
    static uint8_t out[RING_MAX_MESSAGE], back[RING_MAX_MESSAGE];
    const struct wire_header notice = {.kind = WIRE_NOTICE};
    struct ipc_message there = {.buf = out, .fd = -1};
    struct ipc_message here = {.buf = back, .cap = sizeof back};
    struct pair *p = new_pair(waitings[_i]);
    pthread_t server;

    ck_assert_int_eq(pthread_create(&server, NULL, echo, p), 0);
    for (size_t i = 0; i < 3000; i++) {
        /* Now and then more than the ring holds, without waiting for it. */
        wire_encode(&notice, out);
        there.len = i % 7 == 0 ? sizeof out : WIRE_HEADER;
        for (size_t n = i % 50 == 0 ? 10 : 0; n > 0; n--)
            ck_assert_int_eq(rings_send(&p->client, &there, CALL_TIMEOUT), 0);
        fill(out, there.len = 8 + i * 131 % (RING_MAX_MESSAGE - 8), i);
        out[5] = WIRE_REQUEST;
        ck_assert_int_eq(rings_send(&p->client, &there, CALL_TIMEOUT), 0);
        ck_assert_int_eq(rings_recv(&p->client, &here, CALL_TIMEOUT), 0);
        ck_assert_uint_eq(here.len, there.len);
        ck_assert(memcmp(out, back, here.len) == 0);
    }
    p->stop = 1;
    ck_assert_int_eq(pthread_join(server, NULL), 0);
    free_pair(p);
}
END_TEST

/* Both sides, one after the other, in a process that may read, write, exit, and
 * nothing else: anything more is SIGKILL (seccomp(2), strict mode). */
static void
talk_without_the_kernel(struct pair *p)
{
    static uint8_t out[RING_MAX_MESSAGE], back[RING_MAX_MESSAGE];
    struct ipc_request req = {.msg = {.buf = back, .cap = sizeof back}};
    struct ipc_message msg = {.buf = out, .cap = sizeof out, .len = 80};
    int err = 0;

    req.msg.fd = msg.fd = -1;
    (void)sched_getcpu();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == -1)
        syscall(SYS_exit, 1);
    /* Fewer than it takes the server to look after the house. */
    for (int i = 0; i < 200 && err == 0; i++)
        if ((err = rings_send(&p->client, &msg, -1)) == 0 &&
            (err = rings_next(&p->server, &req, -1)) == 0 &&
            (err = rings_reply(&p->server, &req, &req.msg)) == 0)
            err = rings_recv(&p->client, &msg, -1);
    syscall(SYS_exit, err == 0 ? 0 : 2);
}

static const char *
need_silence(void)
{
#ifdef IPCLAB_TSAN
    return "need a build without ThreadSanitizer, which makes its own calls";
#else
    return NULL;
#endif
}

static const char *
need_waitv(void)
{
    return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1 &&
                   errno == ENOSYS
               ? "need futex_waitv(2): Linux 5.16"
               : NULL;
}

START_TEST(who_finds_the_other_awake_makes_no_system_call)
{
    struct pair *p = new_pair(waitings[_i]);
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0)
        talk_without_the_kernel(p);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    free_pair(p);
}
END_TEST

/* Pinned, lest the processor that we say we were on be another one. */
static uint32_t
stay_here(void)
{
    const uint32_t here = (uint32_t)sched_getcpu();
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(here, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    return (uint32_t)sched_getcpu();
}

/* What comes between the last look and "I sleep" has to be seen by the second
 * look: the other one's, who has seen nobody asleep, has been its only one.
 * Here it is there already, and nobody spins, since both run here; and to
 * sleep, if only for a moment, would be the end of this process. */
static void
wait_for_what_is_there(struct pair *p, bool server)
{
    static const int sleeping[] = {SCMP_SYS(futex), SCMP_SYS(futex_time64),
                                   SCMP_SYS(futex_waitv)};
    const int64_t deadline = now_ns() + CALL_TIMEOUT;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int err;

    ck_assert_ptr_nonnull(filter);
    for (size_t i = 0; i < sizeof sleeping / sizeof *sleeping; i++)
        ck_assert_int_eq(
            seccomp_rule_add(filter, SCMP_ACT_KILL, sleeping[i], 0), 0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    err = server ? futex_waiting.server(&p->server, deadline)
                 : futex_waiting.client(&p->client, 0, deadline);
    syscall(SYS_exit, err == 0 ? 0 : 2);
}

START_TEST(who_looks_once_more_before_it_sleeps_does_not_sleep_over_a_message)
{
    static uint8_t bytes[100];
    struct pair *p = new_pair(&futex_waiting);
    int status;
    pid_t pid;

    ck_assert_int_eq(ring_put(_i == 0 ? &p->client.out : &p->server.out[0],
                              bytes, sizeof bytes, memory_order_seq_cst),
                     0);
    p->server_page->cpu = p->segment->cpu = stay_here();
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0)
        wait_for_what_is_there(p, _i == 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    free_pair(p);
}
END_TEST

/* In place of the C library's, for the whole program. */
static unsigned yields;

int
sched_yield(void)
{
    yields++;
    return (int)syscall(SYS_sched_yield);
}

/* Whoever spins for somebody on the same processor gives way after each of its
 * looks (two), and everybody after each round. */
START_TEST(who_spins_gives_way)
{
    struct pair *p = new_pair(&spin_waiting);
    const uint32_t here = stay_here();

    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        p->server_page->cpu = p->segment->cpu = here + (uint32_t)elsewhere;
        yields = 0;
        ck_assert_int_eq(spin_waiting.client(&p->client, 0, 0), -ETIMEDOUT);
        ck_assert_uint_eq(yields, elsewhere ? 1 : 3);
        yields = 0;
        ck_assert_int_eq(spin_waiting.server(&p->server, 0), -ETIMEDOUT);
        ck_assert_uint_eq(yields, elsewhere ? 1 : 3);
    }
    free_pair(p);
}
END_TEST

/* -- waiting -------------------------------------------------------------- */

static void *
sleep_on(void *word)
{
    return (void *)(intptr_t)futex_wait(word, 1, now_ns() + CALL_TIMEOUT);
}

START_TEST(who_may_only_read_a_futex_can_wake_its_sleeper)
{
    int fd = memfd_create("word", MFD_CLOEXEC);
    _Atomic uint32_t *word;
    const _Atomic uint32_t *seen;
    pthread_t sleeper;
    void *result;

    ck_assert_int_eq(ftruncate(fd, sizeof *word), 0);
    word = mmap(NULL, sizeof *word, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    seen = mmap(NULL, sizeof *seen, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert(word != MAP_FAILED && seen != MAP_FAILED);
    atomic_store(word, 1);
    ck_assert_int_eq(pthread_create(&sleeper, NULL, sleep_on, word), 0);
    /* Not yet asleep: nobody is woken, and nothing tells it later. */
    while (futex_wake(seen) == 0)
        sched_yield();
    ck_assert_int_eq(pthread_join(sleeper, &result), 0);
    ck_assert_int_eq((intptr_t)result, 0);
    close(fd);
}
END_TEST

/* A server that said it would sleep and does not yet, or was woken and has not
 * run since: a client cannot tell. */
START_TEST(a_ring_that_nobody_heard_is_rung_again)
{
    uint8_t out[WIRE_HEADER], back[WIRE_HEADER];
    const struct wire_header request = {.kind = WIRE_REQUEST};
    struct ipc_message there = {.buf = out, .len = sizeof out, .fd = -1};
    struct ipc_message here = {.buf = back, .cap = sizeof back};
    struct pair *p = new_pair(&futex_waiting);
    pthread_t sleeper;
    void *result;

    wire_encode(&request, out);
    atomic_store(&p->server_page->doorbell, 1);
    ck_assert_int_eq(rings_send(&p->client, &there, CALL_TIMEOUT), 0);
    ck_assert_int_eq(
        pthread_create(&sleeper, NULL, sleep_on, &p->server_page->doorbell), 0);
    while (pthread_tryjoin_np(sleeper, &result) == EBUSY)
        ck_assert_int_eq(rings_recv(&p->client, &here, 2 * RINGS_SLICE),
                         -ETIMEDOUT);
    ck_assert_int_eq((intptr_t)result, 0); /* woken, not timed out */
    free_pair(p);
}
END_TEST

/* The server said that it would sleep, found nothing, and was stopped; then
 * came a notice, for which nobody rings twice; now it goes on. */
START_TEST(nobody_falls_asleep_over_a_message)
{
    uint8_t out[WIRE_HEADER];
    const struct wire_header notice = {.kind = WIRE_NOTICE};
    struct pair *p = new_pair(&futex_waiting);

    wire_encode(&notice, out);
    atomic_store(&p->server_page->doorbell, 1);
    ck_assert_int_eq(rings_sleep(&p->server, 1, now_ns() + 5 * RINGS_SLICE),
                     -ETIMEDOUT);
    ck_assert_int_eq(
        ring_put(&p->client.out, out, sizeof out, memory_order_seq_cst), 0);
    ck_assert_int_eq(rings_sleep(&p->server, 1, NO_DEADLINE), -EAGAIN);
    free_pair(p);
}
END_TEST

static size_t
put_as_many_as_fit(struct ring_writer *w, const uint8_t *bytes, size_t len,
                   size_t most)
{
    size_t n = 0;

    while (n < most && ring_put(w, bytes, len, memory_order_seq_cst) == 0)
        n++;
    return n;
}

/* One long message, then short ones, until there is no room for a long one; a
 * client that sleeps for it must be awake when nothing is left to be taken, for
 * nobody would wake it any more.  From 3/4 on the long message leads over the
 * end of the ring, and over two quarters. */
START_TEST(nobody_sleeps_for_room_that_is_there)
{
    static uint8_t out[RING_MAX_MESSAGE], in[RING_MAX_MESSAGE];
    struct ipc_request req = {.msg = {.buf = in, .cap = sizeof in, .fd = -1}};

    for (uint32_t start = 0; start < 2 * RING_SIZE; start += RING_SIZE / 16)
        for (size_t more = 0; more < 64; more++) {
            struct pair *p = new_pair(&futex_waiting);
            struct ring_writer *w = &p->client.out;
            int err;

            w->at = w->head = p->server.in[0].at = start;
            atomic_store(&p->segment->requests.head, start);
            put_as_many_as_fit(w, out, sizeof out, 1);
            while (ring_room(w, sizeof out) == 0)
                put_as_many_as_fit(w, out, 56, 1);
            put_as_many_as_fit(w, out, 56, more);
            atomic_store(&p->segment->sleeps, FOR_ROOM);
            while ((err = rings_next(&p->server, &req, 0)) == 0)
                continue;
            ck_assert_int_eq(err, -ETIMEDOUT);
            ck_assert_uint_eq(atomic_load(&p->segment->sleeps), AWAKE);
            free_pair(p);
        }
}
END_TEST

START_TEST(two_who_spin_on_one_cpu_give_way_to_each_other)
{
    cpu_set_t one, before;
    struct host server;
    struct client c;

    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (unsigned i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    server_start(&server, ipc_find("shm/spin")); /* inherits it */
    client_start(&server, &c);
    for (int i = 0; i < 2000; i++)
        expect_echo(&c, 100);
    client_close(&c);
    server_stop(&server);
}
END_TEST

Suite *
test_rings(void)
{
    Suite *s = suite_create("rings");
    TCase *tc = test_case(s, "rings");

    tcase_add_loop_test(
        tc, a_full_ring_says_so_and_every_message_comes_out_as_it_went_in, 0,
        2);
    tcase_add_test(tc, what_a_hostile_peer_writes_into_a_ring_is_refused);
    tcase_add_loop_test(tc, two_threads_talk_over_one_mapping, 0, 2);
    for (int i = 0; i < 2; i++)
        add_loop_test_if(tc, need_silence(),
                         who_finds_the_other_awake_makes_no_system_call, i);
    for (int i = 0; i < 2; i++)
        add_loop_test_if(
            tc, need_silence(),
            who_looks_once_more_before_it_sleeps_does_not_sleep_over_a_message,
            i);
    tcase_add_test(tc, who_spins_gives_way);
    tcase_add_test(tc, who_may_only_read_a_futex_can_wake_its_sleeper);
    tcase_add_test(tc, a_ring_that_nobody_heard_is_rung_again);
    add_test_if(tc, need_waitv(), nobody_falls_asleep_over_a_message);
    tcase_add_test(tc, nobody_sleeps_for_room_that_is_there);
    tc = test_case(s, "shm/spin");
    add_test_if(tc, need_mechanism(ipc_find("shm/spin")),
                two_who_spin_on_one_cpu_give_way_to_each_other);
    return s;
}

/*
 * test_mmap.c - two ways to the same bytes, and record locks: what README.md
 * says of them, tried out.  What mmap/lockfile makes of them is tried together
 * with shm/reclock, in shm/test_reclock.c.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, mkostemp */
#include "test/test.h"

#include "core/clock.h"
#include "core/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_mmap(void);

/* -- mappings ------------------------------------------------------------- */

static const size_t page = 4096; /* or a multiple of the real one */

/* A file of so many bytes in run_dir; and the same, opened once more. */
static int
make_file(char path[PATH_MAX], size_t size)
{
    int fd;

    snprintf(path, PATH_MAX, "%s/XXXXXX", run_dir);
    fd = mkostemp(path, O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static int
open_again(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);

    ck_assert_int_ne(fd, -1);
    return fd;
}

static char *
map(int fd, size_t size, int prot, int flags)
{
    char *p = mmap(NULL, size, prot, flags, fd, 0);

    ck_assert_msg(p != MAP_FAILED, "mmap: %s", strerror(errno));
    return p;
}

#define READ_WRITE (PROT_READ | PROT_WRITE)

START_TEST(a_shared_mapping_read_and_write_show_the_same_bytes)
{
    char path[PATH_MAX], byte;
    int fd = make_file(path, page), other = open_again(path, O_RDWR);
    char *p = map(fd, page, READ_WRITE, MAP_SHARED);
    char *q = map(other, page, READ_WRITE, MAP_SHARED);

    for (int c = 'a'; c <= 'z'; c++) { /* and no msync(2) */
        p[100] = (char)c;
        ck_assert_int_eq(pread(other, &byte, 1, 100), 1);
        ck_assert_int_eq(byte, c);
        ck_assert_int_eq(q[100], c);
        ck_assert_int_eq(pwrite(other, "-", 1, 100), 1);
        ck_assert_int_eq(*(volatile char *)&p[100], '-');
    }
    munmap(p, page);
    munmap(q, page);
    close(fd);
    close(other);
    unlink(path);
}
END_TEST

START_TEST(a_private_mapping_never_reaches_the_file)
{
    char path[PATH_MAX], byte;
    int fd = make_file(path, page);
    char *p = map(fd, page, READ_WRITE, MAP_PRIVATE);

    p[0] = 'x';
    ck_assert_int_eq(msync(p, page, MS_SYNC), 0);
    munmap(p, page);
    ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 0);
    close(fd);
    unlink(path);
}
END_TEST

static void
write_both(void *arg)
{
    char **p = arg;

    *p[0] = *p[1] = 'x';
}

START_TEST(after_fork_an_anonymous_mapping_is_common_only_if_shared)
{
    char *p[] = {map(-1, page, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS),
                 map(-1, page, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)};

    as_user(geteuid(), write_both, p);
    ck_assert_int_eq(*p[0], 'x');
    ck_assert_int_eq(*p[1], 0);
    munmap(p[0], page);
    munmap(p[1], page);
}
END_TEST

/* The signal that one load, or store, is the end of; 0: none. */
static int
signal_of(char *at, bool store)
{
    const struct rlimit none = {0};
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's */
        signal(SIGBUS, SIG_DFL);
        setrlimit(RLIMIT_CORE, &none);
        if (store)
            *(volatile char *)at = 'x';
        else
            (void)*(volatile char *)at;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(past_the_end_of_the_file_is_a_sigbus_but_not_on_its_last_page)
{
    const size_t real = (size_t)sysconf(_SC_PAGESIZE);
    char path[PATH_MAX];
    int fd = make_file(path, 10);
    struct stat st;
    char *p;

    /* Three pages, the last of which is taken away again. */
    p = map(fd, 3 * real, READ_WRITE, MAP_SHARED);
    ck_assert_int_eq(munmap(p + 2 * real, real), 0);
    ck_assert_int_eq(signal_of(p + 100, true), 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 10); /* and the x is lost */
    ck_assert_int_eq(signal_of(p + real, false), SIGBUS);
    ck_assert_int_eq(signal_of(p + 2 * real, false), SIGSEGV);
    /* What is taken from the file is taken from the mapping. */
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(signal_of(p, false), SIGBUS);
    munmap(p, 2 * real);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(a_mapping_outlives_close_and_unlink)
{
    char path[PATH_MAX];
    int fd = make_file(path, page);
    char *p = map(fd, page, READ_WRITE, MAP_SHARED);

    close(fd);
    ck_assert_int_eq(unlink(path), 0);
    p[0] = 'x';
    ck_assert_int_eq(*(volatile char *)p, 'x');
    munmap(p, page);
}
END_TEST

START_TEST(a_file_open_for_reading_is_mapped_for_writing_only_privately)
{
    char path[PATH_MAX];
    int fd = make_file(path, page), reader = open_again(path, O_RDONLY);
    char *p;

    ck_assert(mmap(NULL, page, READ_WRITE, MAP_SHARED, reader, 0) ==
              MAP_FAILED);
    ck_assert_int_eq(errno, EACCES);
    p = map(reader, page, READ_WRITE, MAP_PRIVATE);
    p[0] = 'x';
    munmap(p, page);
    close(reader);
    close(fd);
    unlink(path);
}
END_TEST

static long
faults(char *p, size_t pages, size_t real)
{
    struct rusage before, after;

    ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
    for (size_t i = 0; i < pages; i++)
        ((volatile char *)p)[i * real] = 'x';
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
    return after.ru_minflt - before.ru_minflt;
}

START_TEST(a_private_page_is_copied_at_the_first_write)
{
    const size_t real = (size_t)sysconf(_SC_PAGESIZE), pages = 1000;
    char path[PATH_MAX];
    int fd = make_file(path, pages * real);
    char *p = map(fd, pages * real, READ_WRITE, MAP_PRIVATE | MAP_POPULATE);

    munmap(p, pages * real);
    p = map(fd, pages * real, READ_WRITE, MAP_PRIVATE);
    ck_assert_int_ge(faults(p, pages, real), (long)pages);
    ck_assert_int_lt(faults(p, pages, real), (long)pages);
    munmap(p, pages * real);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(a_page_without_permission_is_a_sigsegv)
{
    char path[PATH_MAX];
    int fd = make_file(path, page);
    char *p = map(fd, page, PROT_NONE, MAP_SHARED);

    ck_assert_int_eq(signal_of(p, false), SIGSEGV);
    ck_assert_int_eq(mprotect(p, page, PROT_READ), 0);
    ck_assert_int_eq(signal_of(p, false), 0);
    ck_assert_int_eq(signal_of(p, true), SIGSEGV);
    munmap(p, page);
    close(fd);
    unlink(path);
}
END_TEST

/* -- locks ---------------------------------------------------------------- */

/* 0 or errno.  GETLK: 0, it would be granted. */
static int
lock(int fd, int command, short type, off_t byte)
{
    struct flock l = {.l_type = type, .l_start = byte, .l_len = 1};

    if (fcntl(fd, command, &l) == -1)
        return errno;
    if (command != F_GETLK && command != F_OFD_GETLK)
        return 0;
    return l.l_type == F_UNLCK ? 0 : EAGAIN;
}

/* As if by another process, which has the file open for itself. */
static bool
is_locked(const char *path)
{
    int fd = open_again(path, O_RDWR);
    int err = lock(fd, F_OFD_GETLK, F_WRLCK, 0);

    close(fd);
    return err == EAGAIN;
}

static void
expect_the_parents_lock(void *path)
{
    int fd = open_again(path, O_RDWR);

    ck_assert_int_eq(lock(fd, F_SETLK, F_WRLCK, 0), EAGAIN);
    close(fd);
}

START_TEST(a_record_lock_is_not_inherited)
{
    char path[PATH_MAX];
    int fd = make_file(path, page);

    ck_assert_int_eq(lock(fd, F_SETLK, F_WRLCK, 0), 0);
    as_user(geteuid(), expect_the_parents_lock, path);
    ck_assert_int_eq(lock(fd, F_SETLK, F_WRLCK, 0), 0); /* mine already */
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(closing_any_descriptor_of_the_file_loses_record_locks)
{
    char path[PATH_MAX];
    int fd = make_file(path, page);

    ck_assert_int_eq(lock(fd, F_SETLK, F_WRLCK, 0), 0);
    ck_assert(is_locked(path));
    /* To look it has opened the file, and closed it again. */
    ck_assert(!is_locked(path));
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(an_open_file_description_lock_survives_that_and_a_fork)
{
    char path[PATH_MAX];
    int fd = make_file(path, page), other = open_again(path, O_RDWR), copy;

    ck_assert_int_eq(lock(fd, F_OFD_SETLK, F_WRLCK, 0), 0);
    close(other);
    ck_assert(is_locked(path));
    /* It excludes this very process, too. */
    other = open_again(path, O_RDWR);
    ck_assert_int_eq(lock(other, F_OFD_SETLK, F_WRLCK, 0), EAGAIN);
    close(other);
    /* As long as anybody has that open(2): after a fork, the child too. */
    copy = dup(fd);
    close(fd);
    ck_assert(is_locked(path));
    close(copy);
    ck_assert(!is_locked(path));
    unlink(path);
}
END_TEST

START_TEST(flock_is_shared_by_dup_and_not_by_another_open)
{
    char path[PATH_MAX];
    int fd = make_file(path, page), copy = dup(fd);
    int other = open_again(path, O_RDONLY);

    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_int_eq(flock(copy, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    /* And it knows nothing of record locks, nor they of it. */
    ck_assert_int_eq(lock(fd, F_OFD_SETLK, F_WRLCK, 0), 0);
    close(fd);
    close(copy);
    close(other);
    unlink(path);
}
END_TEST

START_TEST(a_lock_needs_no_byte_under_it)
{
    char path[PATH_MAX];
    int fd = make_file(path, 0), other = open_again(path, O_RDWR);
    struct stat st;

    ck_assert_int_eq(lock(fd, F_OFD_SETLK, F_WRLCK, 1000000), 0);
    ck_assert_int_eq(lock(other, F_OFD_SETLK, F_WRLCK, 1000000), EAGAIN);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    /* It does not keep anybody from reading or writing, either. */
    ck_assert_int_eq(pwrite(other, "x", 1, 1000000), 1);
    close(fd);
    close(other);
    unlink(path);
}
END_TEST

START_TEST(who_may_only_read_can_keep_the_writers_out)
{
    char path[PATH_MAX];
    int fd = make_file(path, page), reader = open_again(path, O_RDONLY);

    ck_assert_int_eq(lock(reader, F_OFD_SETLK, F_WRLCK, 0), EBADF);
    ck_assert_int_eq(lock(reader, F_OFD_SETLK, F_RDLCK, 0), 0);
    ck_assert_int_eq(lock(fd, F_OFD_SETLK, F_WRLCK, 0), EAGAIN);
    ck_assert_int_eq(flock(reader, LOCK_EX), 0); /* even that */
    ck_assert_int_eq(flock(fd, LOCK_SH | LOCK_NB), -1);
    close(fd);
    close(reader);
    unlink(path);
}
END_TEST

/* Two that have a byte each and want the other one's as well. */
struct deadlock {
    char path[PATH_MAX];
    int set, wait; /* the commands of the old locks, or of the new */
    int told;      /* how many were told EDEADLK */
};

static void
hold_one_want_both(struct actor *self, void *arg)
{
    struct deadlock *e = arg;
    int fd = open_again(e->path, O_RDWR);
    int err = lock(fd, e->set, F_WRLCK, 1);

    ck_assert_int_eq(err, 0);
    actor_step(self);
    err = lock(fd, e->wait, F_WRLCK, 0);
    ck_assert(err == 0 || err == EDEADLK);
    e->told += err == EDEADLK;
    close(fd);
}

/* How many of the two were told. */
static int
deadlock(int set, int wait)
{
    struct deadlock *e =
        (void *)map(-1, sizeof *e, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    struct alarm alarm = {.exists = false};
    int64_t deadline;
    struct actor c;
    int fd, err, told;

    *e = (struct deadlock){.set = set, .wait = wait};
    fd = make_file(e->path, page);
    ck_assert_int_eq(lock(fd, set, F_WRLCK, 0), 0);
    actor_start(&c, geteuid(), hold_one_want_both, e);
    actor_wait(&c);
    actor_go(&c);
    /* Nobody but this alarm would end it, if nobody is told. */
    deadline = now_ns() + 50 * NS_PER_MS;
    ck_assert_int_eq(alarm_arm(&alarm, set == F_SETLK ? NO_DEADLINE : deadline),
                     0);
    err = lock(fd, wait, F_WRLCK, 1);
    alarm_rest(&alarm);
    ck_assert(err == 0 || err == EDEADLK || err == EINTR);
    ck_assert_int_eq(lock(fd, set, F_UNLCK, 0), 0);
    actor_end(&c);
    told = e->told + (err == EDEADLK);
    alarm_free(&alarm);
    close(fd);
    unlink(e->path);
    munmap(e, sizeof *e);
    return told;
}

START_TEST(of_two_in_a_deadlock_one_is_told_but_only_by_the_old_locks)
{
    ck_assert_int_eq(deadlock(F_SETLK, F_SETLKW), 1);
    ck_assert_int_eq(deadlock(F_OFD_SETLK, F_OFD_SETLKW), 0);
}
END_TEST

/* -- the hand-off --------------------------------------------------------- */

#define TURNS 10000

/* Whose turn it is adds 1 to what stands in the file; without taking turns the
 * two would lose some. */
static void
take_turns(struct handoff *b, uint64_t first, struct alarm *a)
{
    for (uint64_t turn = first; turn < TURNS; turn += 2) {
        uint64_t n;

        if (b->turn != turn)
            ck_assert_int_eq(handoff_wait(b, a, deadline_in(CALL_TIMEOUT)), 0);
        ck_assert_uint_eq(b->turn, turn);
        ck_assert_int_eq(pread(b->fd, &n, sizeof n, 0), sizeof n);
        ck_assert_uint_eq(n, turn);
        n++;
        ck_assert_int_eq(pwrite(b->fd, &n, sizeof n, 0), sizeof n);
        ck_assert_int_eq(handoff_pass(b), 0);
    }
}

static void
second(struct actor *self, void *path)
{
    struct alarm a = {.exists = false};
    struct handoff b;

    ck_assert_int_eq(handoff_second(&b, open_again(path, O_RDWR)), 0);
    actor_step(self);
    take_turns(&b, 1, &a);
    alarm_free(&a);
    close(b.fd);
}

START_TEST(ten_thousand_turns_and_none_is_lost)
{
    struct alarm a = {.exists = false};
    char path[PATH_MAX];
    struct handoff b, third;
    struct actor c;
    int other;

    ck_assert_int_eq(handoff_first(&b, make_file(path, page)), 0);
    actor_start(&c, geteuid(), second, path);
    actor_wait(&c);
    other = open_again(path, O_RDWR); /* two are company */
    ck_assert_int_eq(handoff_second(&third, other), -EAGAIN);
    close(other);
    actor_go(&c);
    take_turns(&b, 0, &a);
    actor_end(&c);
    alarm_free(&a);
    close(b.fd);
    unlink(path);
}
END_TEST

/* Who is refused closes the file, but the broker that opened it may not have
 * done so yet: a lock would be there still. */
START_TEST(who_finds_nobody_there_leaves_no_lock)
{
    char path[PATH_MAX];
    struct handoff first, second;
    int fd = make_file(path, page), refused = open_again(path, O_RDWR);
    int copy = dup(refused);

    ck_assert_int_eq(handoff_second(&second, refused), -EPIPE);
    close(refused);
    ck_assert_int_eq(handoff_first(&first, fd), 0);
    refused = open_again(path, O_RDWR);
    ck_assert_int_eq(handoff_second(&second, refused), 0);
    close(refused);
    close(copy);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(the_dead_let_go_of_their_bytes)
{
    struct alarm a = {.exists = false};
    char path[PATH_MAX];
    struct handoff b;
    struct actor c;
    uint64_t n;

    ck_assert_int_eq(handoff_first(&b, make_file(path, page)), 0);
    actor_start(&c, geteuid(), second, path);
    actor_wait(&c);
    ck_assert_int_eq(handoff_watch(&b, &a, deadline_in(NS_PER_MS)), -ETIMEDOUT);
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(handoff_watch(&b, &a, deadline_in(CALL_TIMEOUT)), 0);
    /* The turn can be got; but nobody has had it. */
    ck_assert_int_eq(handoff_pass(&b), 0);
    ck_assert_int_eq(handoff_wait(&b, &a, deadline_in(CALL_TIMEOUT)), 0);
    ck_assert_int_eq(pread(b.fd, &n, sizeof n, 0), sizeof n);
    ck_assert_uint_eq(n, 0);
    alarm_free(&a);
    close(b.fd);
    unlink(path);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_mmap(void)
{
    Suite *s = suite_create("mmap");
    TCase *tc = test_case(s, "mmap");

    tcase_add_test(tc, a_shared_mapping_read_and_write_show_the_same_bytes);
    tcase_add_test(tc, a_private_mapping_never_reaches_the_file);
    tcase_add_test(tc,
                   after_fork_an_anonymous_mapping_is_common_only_if_shared);
    tcase_add_test(
        tc, past_the_end_of_the_file_is_a_sigbus_but_not_on_its_last_page);
    tcase_add_test(tc, a_mapping_outlives_close_and_unlink);
    tcase_add_test(
        tc, a_file_open_for_reading_is_mapped_for_writing_only_privately);
    tcase_add_test(tc, a_private_page_is_copied_at_the_first_write);
    tcase_add_test(tc, a_page_without_permission_is_a_sigsegv);

    tc = test_case(s, "record locks");
    tcase_add_test(tc, a_record_lock_is_not_inherited);
    tcase_add_test(tc, closing_any_descriptor_of_the_file_loses_record_locks);
    tcase_add_test(tc, an_open_file_description_lock_survives_that_and_a_fork);
    tcase_add_test(tc, flock_is_shared_by_dup_and_not_by_another_open);
    tcase_add_test(tc, a_lock_needs_no_byte_under_it);
    tcase_add_test(tc, who_may_only_read_can_keep_the_writers_out);
    tcase_add_test(tc,
                   of_two_in_a_deadlock_one_is_told_but_only_by_the_old_locks);
    tcase_add_test(tc, ten_thousand_turns_and_none_is_lost);
    tcase_add_test(tc, who_finds_nobody_there_leaves_no_lock);
    tcase_add_test(tc, the_dead_let_go_of_their_bytes);
    return s;
}

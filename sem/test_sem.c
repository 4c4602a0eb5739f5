/*
 * test_sem.c - what semaphores do, both kinds, and what sem/mailbox makes of
 * the second kind.
 */
#define _GNU_SOURCE /* sched_yield, O_CLOEXEC */
#include "test/test.h"

#include "box.h"
#include "core/sets.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_sem(void);

/* -- System V: facts ------------------------------------------------------ */

static int
make_set(int sems)
{
    int set = semget(IPC_PRIVATE, sems, 0600);

    ck_assert_int_ne(set, -1);
    return set;
}

static void
set_value(int set, int sem, int value)
{
    ck_assert_int_eq(semctl(set, sem, SETVAL, (union semun){.val = value}), 0);
}

static int
get_value(int set, int sem)
{
    return semctl(set, sem, GETVAL);
}

struct take {
    int set;
    short flags;
};

static void
take_and_stay(struct child *self, void *arg)
{
    const struct take *t = arg;
    struct sembuf op = {0, -1, t->flags};

    ck_assert_int_eq(semop(t->set, &op, 1), 0);
    child_step(self);
}

/* The value after the one who took it was killed. */
static int
after_a_dead_holder(short flags)
{
    struct take t = {make_set(1), flags};
    struct child c;
    int value;

    set_value(t.set, 0, 1);
    child_start(&c, geteuid(), take_and_stay, &t);
    child_wait(&c);
    ck_assert_int_eq(get_value(t.set, 0), 0);
    child_kill(&c);
    value = get_value(t.set, 0);
    semctl(t.set, 0, IPC_RMID);
    return value;
}

START_TEST(what_a_dead_holder_took_comes_back_only_with_sem_undo)
{
    ck_assert_int_eq(after_a_dead_holder(0), 0);
    ck_assert_int_eq(after_a_dead_holder(SEM_UNDO), 1);
}
END_TEST

static void
take_and_see_it_set(struct child *self, void *arg)
{
    const int *set = arg;
    struct sembuf op = {0, -1, SEM_UNDO};

    ck_assert_int_eq(semop(*set, &op, 1), 0);
    child_step(self);
}

START_TEST(setall_forgets_what_was_to_be_undone)
{
    unsigned short values[] = {0, 0};
    int set = make_set(2);
    struct child c;

    set_value(set, 0, 1);
    child_start(&c, geteuid(), take_and_see_it_set, &set);
    child_wait(&c);
    ck_assert_int_eq(semctl(set, 0, SETALL, (union semun){.array = values}), 0);
    child_kill(&c);
    ck_assert_int_eq(get_value(set, 0), 0); /* and not 1 */
    semctl(set, 0, IPC_RMID);
}
END_TEST

static void
make_will(struct child *self, void *arg)
{
    struct sembuf revoke = {1, +1, SEM_UNDO};
    const int *set = arg;

    ck_assert_int_eq(will_make(*set, 0), 0);
    child_step(self);
    ck_assert_int_eq(will_make(*set, 1), 0);
    ck_assert_int_eq(semop(*set, &revoke, 1), 0);
}

START_TEST(a_will_is_carried_out_by_the_kernel)
{
    int set = make_set(2);
    struct child c;

    child_start(&c, geteuid(), make_will, &set);
    child_wait(&c);
    ck_assert_int_eq(get_value(set, 0), 0);
    child_kill(&c);
    ck_assert_int_eq(get_value(set, 0), 1);
    /* Also of one who ends in peace, but not a will that he has revoked. */
    child_start(&c, geteuid(), make_will, &set);
    child_wait(&c);
    child_go(&c);
    child_end(&c);
    ck_assert_int_eq(get_value(set, 0), 2);
    ck_assert_int_eq(get_value(set, 1), 1); /* the +1 itself, no more */
    semctl(set, 0, IPC_RMID);
}
END_TEST

static void
sleep_while_he_lives(struct child *self, void *arg)
{
    const int *set = arg;
    struct sembuf ops[] = {{0, 0, IPC_NOWAIT}, {1, -1, 0}};

    (void)self;
    ck_assert_int_eq(set_wait(*set, ops, 2, NO_DEADLINE), -EPIPE);
}

START_TEST(a_sleeping_semop_fails_at_the_moment_a_will_is_opened)
{
    int set = make_set(2);
    struct child dying, sleeper;

    child_start(&dying, geteuid(), make_will, &set);
    child_wait(&dying);
    child_start(&sleeper, geteuid(), sleep_while_he_lives, &set);
    while (semctl(set, 1, GETNCNT) == 0) /* it sleeps */
        sched_yield();
    child_kill(&dying);
    child_end(&sleeper); /* without a timeout of its own */
    semctl(set, 0, IPC_RMID);
}
END_TEST

START_TEST(several_operations_happen_all_or_none)
{
    struct sembuf ops[] = {{0, +1, 0}, {1, -1, IPC_NOWAIT}};
    int set = make_set(2);

    ck_assert_int_eq(semop(set, ops, 2), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(get_value(set, 0), 0);
    set_value(set, 1, 1);
    ck_assert_int_eq(semop(set, ops, 2), 0);
    ck_assert_int_eq(get_value(set, 0), 1);
    ck_assert_int_eq(get_value(set, 1), 0);
    semctl(set, 0, IPC_RMID);
}
END_TEST

START_TEST(a_value_is_at_most_32767)
{
    int set = make_set(1);

    set_value(set, 0, 32767);
    ck_assert_int_eq(semctl(set, 0, SETVAL, (union semun){.val = 32768}), -1);
    ck_assert_int_eq(errno, ERANGE);
    ck_assert_int_eq(set_post(set, 0), -ERANGE);
    ck_assert_int_eq(get_value(set, 0), 32767);
    semctl(set, 0, IPC_RMID);
}
END_TEST

/* How a second process that found a set by its key can tell that the first one
 * has not initialised it yet (UNPv2, 11.6). */
START_TEST(a_set_that_nobody_has_used_has_no_time_of_use)
{
    struct semid_ds ds;
    int set = make_set(1);

    ck_assert_int_eq(semctl(set, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
    ck_assert_int_eq(ds.sem_otime, 0);
    set_value(set, 0, 1); /* is not a use */
    ck_assert_int_eq(semctl(set, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
    ck_assert_int_eq(ds.sem_otime, 0);
    ck_assert_int_eq(set_post(set, 0), 0);
    ck_assert_int_eq(semctl(set, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
    ck_assert_int_ne(ds.sem_otime, 0);
    semctl(set, 0, IPC_RMID);
}
END_TEST

START_TEST(a_removed_set_wakes_its_sleepers)
{
    struct sembuf op = {0, -1, 0};
    int set = make_set(1);
    pid_t pid = fork();

    if (pid == 0)
        _exit(semop(set, &op, 1) == -1 && errno == EIDRM ? 0 : 1);
    while (semctl(set, 0, GETNCNT) == 0)
        sched_yield();
    ck_assert_int_eq(semctl(set, 0, IPC_RMID), 0);
    ck_assert_int_eq(waitpid(pid, &set, 0), pid);
    ck_assert_int_eq(set, 0);
}
END_TEST

/* -- POSIX: facts --------------------------------------------------------- */

#define NAME "/ipclab-test"
#define PATH "/dev/shm/sem.ipclab-test"

static sem_t *
make_sem(unsigned value)
{
    sem_t *sem = sem_open(NAME, O_CREAT | O_EXCL, 0600, value);

    ck_assert(sem != SEM_FAILED);
    return sem;
}

static void
take_sem_and_stay(struct child *self, void *arg)
{
    ck_assert_int_eq(sem_wait(arg), 0);
    child_step(self);
}

START_TEST(a_posix_semaphore_has_no_undo)
{
    sem_t *sem = make_sem(1);
    struct child c;

    child_start(&c, geteuid(), take_sem_and_stay, sem);
    child_wait(&c);
    child_kill(&c);
    ck_assert_int_eq(bell_wait(sem, now_ns() + NS_PER_MS), -ETIMEDOUT);
    sem_close(sem);
    sem_unlink(NAME);
}
END_TEST

static void
on_sigbus(int number)
{
    (void)number;
    _exit(SIGBUS);
}

START_TEST(who_may_post_a_named_semaphore_may_also_kill_its_users)
{
    const struct sigaction action = {.sa_handler = on_sigbus};
    sem_t *sem = make_sem(0);
    int status;
    pid_t pid;

    ck_assert_int_eq(truncate(PATH, 0), 0); /* it is a file */
    pid = fork();
    if (pid == 0) {
        sigaction(SIGBUS, &action, NULL);
        sem_trywait(sem);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), SIGBUS);
    sem_close(sem);
    sem_unlink(NAME);
}
END_TEST

START_TEST(sem_open_takes_what_is_there_unless_told_otherwise)
{
    sem_t *theirs = make_sem(5), *ours;
    int value;

    ours = sem_open(NAME, O_CREAT, 0600, 0);
    ck_assert(ours != SEM_FAILED);
    ck_assert_int_eq(sem_getvalue(ours, &value), 0);
    ck_assert_int_eq(value, 5); /* neither our value nor our mode */
    ck_assert(sem_open(NAME, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED);
    ck_assert_int_eq(errno, EEXIST);
    sem_close(ours);
    sem_close(theirs);
    sem_unlink(NAME);
}
END_TEST

START_TEST(an_unlinked_semaphore_goes_on_working)
{
    sem_t *sem = make_sem(0);

    ck_assert_int_eq(sem_unlink(NAME), 0);
    ck_assert(sem_open(NAME, 0) == SEM_FAILED);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(sem_post(sem), 0);
    ck_assert_int_eq(sem_trywait(sem), 0);
    sem_close(sem);
}
END_TEST

/* -- sem/mailbox ---------------------------------------------------------- */

static const struct ipc_mechanism *
mailbox(void)
{
    return ipc_find("sem/mailbox");
}

START_TEST(a_joined_client_needs_no_name_any_more)
{
    struct host server;
    struct client c;
    char *before;

    server_start(&server, mailbox());
    before = strdup(objects_left());
    client_start(&server, &c);
    ck_assert_str_eq(objects_left(), before);
    expect_echo(&c, 10);
    client_close(&c);
    server_stop(&server);
    free(before);
}
END_TEST

/* What a stranger does by hand; shared with the child that does it. */
struct hand {
    char where[ENDPOINT_SIZE];
    uid_t claim;
    bool welcome;
};

static void
ring(const struct hand *h)
{
    sem_t *knock = bell_open(h->where, "", "knock");
    sem_t *bell = bell_open(h->where, "", "bell");

    ck_assert(knock != SEM_FAILED && bell != SEM_FAILED);
    sem_post(knock);
    sem_post(bell);
    sem_close(knock);
    sem_close(bell);
}

/* Bob's own letter, under a name that says it is somebody else's. */
static void
bob_claims(struct child *self, void *arg)
{
    struct hand *h = arg;
    char file[64], path[ENDPOINT_SIZE + 80];
    sem_t *full, *back;
    int fd;

    snprintf(file, sizeof file, "%u.1.1", h->claim);
    snprintf(path, sizeof path, "%s.d/%s", h->where, file);
    full = bell_make(h->where, file, "full", 0600);
    back = bell_make(h->where, file, "back", 0600);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert(full != SEM_FAILED && back != SEM_FAILED && fd != -1);
    ck_assert_int_eq(life_lock(fd, CLIENT), 0);
    ring(h);
    child_step(self);
    h->welcome = sem_trywait(back) == 0;
    sem_close(full);
    sem_close(back);
    close(fd);
}

static bool
claim(const char *program)
{
    struct hand *h = shared(sizeof *h);
    struct host server;
    struct client honest;
    struct child b;

    server_start_by(&server, mailbox(), program);
    client_start(&server, &honest);
    h->claim = ALICE;
    strcpy(h->where, server.where);
    child_start(&b, BOB, bob_claims, h);
    child_wait(&b);
    /* The knock was before these requests; the first of them the server may
     * have found when it had just looked for a knock, but not the second. */
    expect_echo(&honest, 1);
    expect_echo(&honest, 1);
    child_go(&b);
    child_end(&b);
    client_close(&honest);
    server_stop(&server);
    return h->welcome;
}

START_TEST(a_claimed_uid_must_be_the_letters_owners)
{
    ck_assert(claim("ipcd-naive"));
    ck_assert(!claim("ipcd"));
}
END_TEST

static void
bob_puts_in_rubbish(void *arg)
{
    const struct hand *h = arg;
    char path[ENDPOINT_SIZE + 80], target[ENDPOINT_SIZE + 80];

    snprintf(target, sizeof target, "%s/precious", run_dir);
    snprintf(path, sizeof path, "%s.d/%d.1.1", h->where, BOB);
    ck_assert_int_eq(symlink(target, path), 0);
    snprintf(path, sizeof path, "%s.d/%d.1.2", h->where, BOB);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s.d/%d.1.3", h->where, BOB);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* no semaphores */
    snprintf(path, sizeof path, "%s.d/no number", h->where);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    for (int i = 0; i < 100; i++)
        ring(h);
}

START_TEST(rubbish_among_the_letters_costs_nobody_anything)
{
    char precious[ENDPOINT_SIZE + 80];
    struct hand h = {.claim = 0};
    struct host server;
    struct client c;
    struct stat st;
    char *before;
    int fd;

    snprintf(precious, sizeof precious, "%s/precious", run_dir);
    fd = open(precious, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "root's", 6), 6);
    close(fd);
    server_start(&server, mailbox());
    before = strdup(objects_left());
    client_start(&server, &c);
    strcpy(h.where, server.where);
    run_as(BOB, bob_puts_in_rubbish, &h);
    for (int i = 0; i < 3; i++)
        expect_echo(&c, 100);
    ck_assert_str_eq(objects_left(), before); /* looked at, thrown away */
    ck_assert_int_eq(stat(precious, &st), 0);
    ck_assert_int_eq(st.st_size, 6);
    client_close(&c);
    server_stop(&server);
    unlink(precious);
    free(before);
}
END_TEST

/* Somebody has taken the bell's name before the server starts. */
static void
alice_squats(void *arg)
{
    mode_t mask = umask(0);
    sem_t *sem = bell_make(arg, "", "bell", 0666);

    umask(mask);
    ck_assert(sem != SEM_FAILED);
    sem_close(sem);
}

static void
bob_creates(void *arg)
{
    void *srv = calloc(1, mailbox()->server_size);

    ck_assert_int_eq(mailbox()->create(srv, arg), -EPERM);
    free(srv);
}

START_TEST(a_squatted_bell_is_replaced_by_root_and_refused_by_others)
{
    char dir[ENDPOINT_SIZE], name[ENDPOINT_SIZE];
    struct host server;
    struct client c;

    /* Bob has a run directory of his own. */
    snprintf(dir, sizeof dir, "%.90s/bob", run_dir);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    ck_assert_int_eq(chown(dir, BOB, BOB), 0);
    ck_assert_int_eq(endpoint_name(mailbox(), dir, name), 0);
    run_as(ALICE, alice_squats, name);
    run_as(BOB, bob_creates, name);
    ck_assert_int_eq(bell_unlink(name, "", "bell"), 1);
    ck_assert_int_eq(rmdir(dir), 0);

    ck_assert_int_eq(endpoint_name(mailbox(), run_dir, name), 0);
    run_as(ALICE, alice_squats, name);
    server_start(&server, mailbox());
    client_start(&server, &c);
    expect_echo(&c, 1);
    client_close(&c);
    server_stop(&server);
}
END_TEST

Suite *
test_sem(void)
{
    Suite *s = suite_create("sem");
    const char *no_box = need_mechanism(mailbox());
    const char *no_attack = no_box != NULL ? no_box : need_root();
    TCase *tc = test_case(s, "sem/values");

    tcase_add_test(tc, what_a_dead_holder_took_comes_back_only_with_sem_undo);
    tcase_add_test(tc, setall_forgets_what_was_to_be_undone);
    tcase_add_test(tc, a_will_is_carried_out_by_the_kernel);
    tcase_add_test(tc, a_sleeping_semop_fails_at_the_moment_a_will_is_opened);
    tcase_add_test(tc, several_operations_happen_all_or_none);
    tcase_add_test(tc, a_value_is_at_most_32767);
    tcase_add_test(tc, a_set_that_nobody_has_used_has_no_time_of_use);
    tcase_add_test(tc, a_removed_set_wakes_its_sleepers);

    tc = test_case(s, "sem/mailbox");
    add_test_if(tc, no_box, a_posix_semaphore_has_no_undo);
    add_test_if(tc, no_box,
                who_may_post_a_named_semaphore_may_also_kill_its_users);
    add_test_if(tc, no_box, sem_open_takes_what_is_there_unless_told_otherwise);
    add_test_if(tc, no_box, an_unlinked_semaphore_goes_on_working);
    add_test_if(tc, no_box, a_joined_client_needs_no_name_any_more);
    add_test_if(tc, no_attack, a_claimed_uid_must_be_the_letters_owners);
    add_test_if(tc, no_attack, rubbish_among_the_letters_costs_nobody_anything);
    add_test_if(tc, no_attack,
                a_squatted_bell_is_replaced_by_root_and_refused_by_others);
    return s;
}

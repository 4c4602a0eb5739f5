/*
 * test_sem.c - what semaphores do, both kinds, and what sem/mailbox makes of
 * the second kind.
 */
#define _GNU_SOURCE /* sched_yield, O_CLOEXEC */
#include "test/here.h"
#include "test/inject.h"
#include "test/test.h"

#include "core/sets.h"
#include "mailbox.h"

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
take_and_stay(struct actor *self, void *arg)
{
    const struct take *t = arg;
    struct sembuf op = {0, -1, t->flags};

    ck_assert_int_eq(semop(t->set, &op, 1), 0);
    actor_step(self);
}

/* The value after the one who took it was killed. */
static int
after_a_dead_holder(short flags)
{
    struct take t = {make_set(1), flags};
    struct actor c;
    int value;

    set_value(t.set, 0, 1);
    actor_start(&c, geteuid(), take_and_stay, &t);
    actor_wait(&c);
    ck_assert_int_eq(get_value(t.set, 0), 0);
    ck_assert(actor_kill(&c));
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
take_and_see_it_set(struct actor *self, void *arg)
{
    const int *set = arg;
    struct sembuf op = {0, -1, SEM_UNDO};

    ck_assert_int_eq(semop(*set, &op, 1), 0);
    actor_step(self);
}

START_TEST(setall_forgets_what_was_to_be_undone)
{
    unsigned short values[] = {0, 0};
    int set = make_set(2);
    struct actor c;

    set_value(set, 0, 1);
    actor_start(&c, geteuid(), take_and_see_it_set, &set);
    actor_wait(&c);
    ck_assert_int_eq(semctl(set, 0, SETALL, (union semun){.array = values}), 0);
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(get_value(set, 0), 0); /* and not 1 */
    semctl(set, 0, IPC_RMID);
}
END_TEST

static void
make_will(struct actor *self, void *arg)
{
    struct sembuf revoke = {1, +1, SEM_UNDO};
    const int *set = arg;

    ck_assert_int_eq(will_make(*set, 0), 0);
    actor_step(self);
    ck_assert_int_eq(will_make(*set, 1), 0);
    ck_assert_int_eq(semop(*set, &revoke, 1), 0);
}

START_TEST(a_will_is_carried_out_by_the_kernel)
{
    int set = make_set(2);
    struct actor c;

    actor_start(&c, geteuid(), make_will, &set);
    actor_wait(&c);
    ck_assert_int_eq(get_value(set, 0), 0);
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(get_value(set, 0), 1);
    /* Also of one who ends in peace, but not a will that it has revoked. */
    actor_start(&c, geteuid(), make_will, &set);
    actor_wait(&c);
    actor_go(&c);
    actor_end(&c);
    ck_assert_int_eq(get_value(set, 0), 2);
    ck_assert_int_eq(get_value(set, 1), 1); /* the +1 itself, no more */
    semctl(set, 0, IPC_RMID);
}
END_TEST

static void
sleep_while_he_lives(struct actor *self, void *arg)
{
    const int *set = arg;
    struct sembuf ops[] = {{0, 0, IPC_NOWAIT}, {1, -1, 0}};

    (void)self;
    ck_assert_int_eq(set_wait(*set, ops, 2, NO_DEADLINE), -EPIPE);
}

START_TEST(a_sleeping_semop_fails_at_the_moment_a_will_is_opened)
{
    int set = make_set(2);
    struct actor dying, sleeper;

    actor_start(&dying, geteuid(), make_will, &set);
    actor_wait(&dying);
    actor_start(&sleeper, geteuid(), sleep_while_he_lives, &set);
    while (semctl(set, 1, GETNCNT) == 0) /* it sleeps */
        sched_yield();
    ck_assert(actor_kill(&dying));
    actor_end(&sleeper); /* without a timeout of its own */
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
take_sem_and_stay(struct actor *self, void *arg)
{
    ck_assert_int_eq(sem_wait(arg), 0);
    actor_step(self);
}

START_TEST(a_posix_semaphore_has_no_undo)
{
    sem_t *sem = make_sem(1);
    struct actor c;

    actor_start(&c, geteuid(), take_sem_and_stay, sem);
    actor_wait(&c);
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(sem_wait_until(sem, now_ns() + NS_PER_MS), -ETIMEDOUT);
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

/* -- whom it is for -------------------------------------------------------- */

/* Everything has the mode of what is for its owner alone. */
START_TEST(all_objects_are_for_the_servers_own_user_only)
{
    char base[ENDPOINT_SIZE], path[ENDPOINT_SIZE + 32];
    struct host server;
    struct stat st;

    server_start(&server, mailbox());
    ck_assert_int_eq(endpoint_lookup(server.where, "name", base, sizeof base),
                     0);
    ck_assert(endpoint_is_fresh(server.where, base));
    snprintf(path, sizeof path, "/dev/shm/sem.%s", base + 1);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(endpoint_file(server.where, ".join", path), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    server_stop(&server);
}
END_TEST

static void
bob_is_refused(void *where)
{
    struct client c;

    ck_assert_int_eq(client_open(&c, mailbox(), where), -EACCES);
}

START_TEST(a_stranger_is_refused_and_told_so)
{
    struct host server;

    server_start(&server, mailbox());
    as_user(BOB, bob_is_refused, server.where);
    server_stop(&server);
}
END_TEST

/* What is no mailbox, under the name of one. */
static void
put_rubbish(const char *base, const char *rest)
{
    char path[ENDPOINT_SIZE + 64];

    snprintf(path, sizeof path, "/dev/shm/%s%s", base + 1, rest);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

START_TEST(rubbish_among_the_slots_costs_nobody_anything)
{
    char base[ENDPOINT_SIZE], path[ENDPOINT_SIZE + 64];
    struct registration r = {.uid = geteuid(), .pid = 1};
    struct host server;
    struct client c;
    char *before;
    struct registry registry;

    server_start(&server, mailbox());
    ck_assert_int_eq(endpoint_lookup(server.where, "name", base, sizeof base),
                     0);
    before = strdup(objects_left());
    client_start(&server, &c);
    put_rubbish(base, ".1.1"); /* empty, not locked */
    put_rubbish(base, ".no number");
    snprintf(path, sizeof path, "/dev/shm/%s.1.3", base + 1);
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    snprintf(path, sizeof path, "/dev/shm/%s.1.4", base + 1);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(registry_open(&registry, server.where), 0);
    for (r.serial = 0; r.serial < 6; r.serial++)
        ck_assert_int_eq(
            registration_send(&registry, &r, NO_DEADLINE, NULL, NULL), 0);
    ck_assert_int_eq(write(registry.join, "JOIN", 4), 4);
    registry_close(&registry);
    server_catch_up(&server);
    expect_echo(&c, 100);
    client_close(&c);
    for (int i = 1; i <= 4; i++) {
        snprintf(path, sizeof path, "/dev/shm/%s.1.%d", base + 1, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "/dev/shm/%s.no number", base + 1);
    unlink(path);
    ck_assert_str_eq(objects_left(), before);
    free(before);
    server_stop(&server);
}
END_TEST

/* -- deaths ---------------------------------------------------------------- */

START_TEST(what_a_client_leaves_that_is_killed_while_it_joins_the_next_removes)
{
    struct host server;
    unsigned deaths = 0;
    char *before;

    server_start(&server, mailbox());
    before = strdup(objects_left());
    while (dies_joining(&server, deaths + 1)) {
        deaths++;
        server_catch_up(&server);
        ck_assert_str_eq(objects_left(), before);
    }
    ck_assert_uint_gt(deaths, 10); /* it has joined in the end */
    free(before);
    server_stop(&server);
}
END_TEST

/* Neither the name of the semaphore nor anything else that strangers can write
 * to is known before the server starts. */
static void
alice_squats(void *arg)
{
    const char *name = strrchr(arg, '/');
    char path[ENDPOINT_SIZE + 32];

    snprintf(path, sizeof path, "/dev/shm/sem.ipclab-0123456789abcdef-%s",
             name + 1);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "/dev/shm/ipclab-0123456789abcdef-%s.1.1",
             name + 1);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

START_TEST(what_strangers_put_into_dev_shm_keeps_no_server_from_starting)
{
    char name[ENDPOINT_SIZE];
    struct host server;
    struct client c;

    ck_assert_int_eq(endpoint_name(mailbox(), run_dir, name), 0);
    as_user(ALICE, alice_squats, name);
    server_start(&server, mailbox());
    client_start(&server, &c);
    expect_echo(&c, 1);
    client_close(&c);
    server_kill(&server);
    server_start(&server, mailbox());
    server_stop(&server);
    ck_assert_int_eq(rmdir("/dev/shm/sem.ipclab-0123456789abcdef-sem-mailbox"),
                     0);
    ck_assert_int_eq(rmdir("/dev/shm/ipclab-0123456789abcdef-sem-mailbox.1.1"),
                     0);
}
END_TEST

/* -- the page -------------------------------------------------------------- */

/* What stands between the fences of the last exercise. */
static void
copy_exercise(FILE *script)
{
    char path[PATH_MAX], line[400];
    bool inside = false;
    FILE *page;

    snprintf(path, sizeof path, "%s/sem/README.md", source_dir());
    page = fopen(path, "re");
    ck_assert_ptr_nonnull(page);
    while (fgets(line, sizeof line, page) != NULL)
        if (strcmp(line, "   ```\n") == 0)
            inside = !inside;
        else if (inside)
            fputs(line, script);
    fclose(page);
}

/* As printed, but with this build and this run's directory; and who types is
 * slower than the server's start. */
START_TEST(the_exercise_kills_those_who_post)
{
    char program[PATH_MAX], path[PATH_MAX], command[5 * PATH_MAX];
    FILE *script;

    ck_assert_int_eq(program_path("ipcd", program, sizeof program), 0);
    *strrchr(program, '/') = '\0';
    snprintf(path, sizeof path, "%s/script", run_dir);
    script = fopen(path, "we");
    ck_assert_ptr_nonnull(script);
    copy_exercise(script);
    fputs("echo $? > /tmp/mine/status; kill $!; wait $!\n", script);
    fclose(script);
    snprintf(
        command, sizeof command,
        "export RUN='%s' BUILD='%s'; sed -i "
        "-e 's|/tmp/mine|\"$RUN/mine\"|g' -e 's|build/release|\"$BUILD\"|' "
        "-e 's|&$|\\& until test -e \"$RUN/mine/sem-mailbox\"; do :; "
        "done|' \"$RUN/script\"; sh \"$RUN/script\" 2>/dev/null; "
        "! grep -qx 0 \"$RUN/mine/status\"",
        run_dir, program);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command,
             "'%s/ipcd' --sweep --run-dir '%s/mine' 2>/dev/null && "
             "rm -rf '%s/mine'",
             program, run_dir, run_dir);
    ck_assert_int_eq(system(command), 0);
    unlink(path);
}
END_TEST

/* -- a limit that changes -------------------------------------------------- */

/* SEMMSL, of this IPC namespace: sysctl kernel.sem, the first number. */
static void
set_semmsl(int most)
{
    FILE *out = fopen("/proc/sys/kernel/sem", "we");

    ck_assert_ptr_nonnull(out);
    ck_assert_int_gt(fprintf(out, "%d\n", most), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static const char *
need_semmsl(void)
{
    return access("/proc/sys/kernel/sem", W_OK) == 0 ? need_mounts()
                                                     : "need kernel.sem";
}

/* Who joins now has a smaller set than the server's limits were made for. */
START_TEST(a_reply_that_the_clients_set_has_no_room_for_costs_only_that_client)
{
    const struct api_value many = {.u32 = 1000}, few = {.u32 = 100};
    struct host server;
    struct client c;
    struct reply r;

    ck_assert(own_sysv());
    server_start(&server, ipc_find("sem/values"));
    set_semmsl(600);
    client_start(&server, &c);
    ck_assert_int_eq(
        client_call(&c, api_by_name("source"), &few, &r, CALL_TIMEOUT), 0);
    ck_assert_uint_eq(r.results[0].len, 100);
    ck_assert_int_eq(
        client_call(&c, api_by_name("source"), &many, &r, CALL_TIMEOUT),
        -EPIPE);
    client_close(&c);
    client_start(&server, &c);
    ck_assert_int_eq(
        client_call(&c, api_by_name("source"), &few, &r, CALL_TIMEOUT), 0);
    client_close(&c);
    server_stop(&server);
}
END_TEST

Suite *
test_sem(void)
{
    Suite *s = suite_create("sem");
    const char *no_mailbox = need_mechanism(mailbox());
    const char *no_attack = no_mailbox != NULL ? no_mailbox : need_root();
    TCase *tc = test_case(s, "sem/values");

    tcase_add_test(tc, what_a_dead_holder_took_comes_back_only_with_sem_undo);
    tcase_add_test(tc, setall_forgets_what_was_to_be_undone);
    tcase_add_test(tc, a_will_is_carried_out_by_the_kernel);
    tcase_add_test(tc, a_sleeping_semop_fails_at_the_moment_a_will_is_opened);
    tcase_add_test(tc, several_operations_happen_all_or_none);
    tcase_add_test(tc, a_value_is_at_most_32767);
    tcase_add_test(tc, a_set_that_nobody_has_used_has_no_time_of_use);
    tcase_add_test(tc, a_removed_set_wakes_its_sleepers);
    add_test_if(
        tc,
        need_semmsl() != NULL ? need_semmsl()
                              : need_mechanism(ipc_find("sem/values")),
        a_reply_that_the_clients_set_has_no_room_for_costs_only_that_client);

    tc = test_case(s, "sem/mailbox");
    add_test_if(tc, no_mailbox, a_posix_semaphore_has_no_undo);
    add_test_if(tc, no_mailbox,
                who_may_post_a_named_semaphore_may_also_kill_its_users);
    add_test_if(tc, no_mailbox,
                sem_open_takes_what_is_there_unless_told_otherwise);
    add_test_if(tc, no_mailbox, an_unlinked_semaphore_goes_on_working);
    add_test_if(tc, no_mailbox, a_joined_client_needs_no_name_any_more);
    add_test_if(tc, no_mailbox, all_objects_are_for_the_servers_own_user_only);
    add_test_if(tc, no_mailbox, rubbish_among_the_slots_costs_nobody_anything);
    add_test_if(
        tc, no_mailbox != NULL ? no_mailbox : need_inject(),
        what_a_client_leaves_that_is_killed_while_it_joins_the_next_removes);
    add_test_if(tc, no_mailbox != NULL ? no_mailbox : need_source(),
                the_exercise_kills_those_who_post);
    add_test_if(tc, no_attack, a_stranger_is_refused_and_told_so);
    add_test_if(tc, no_attack,
                what_strangers_put_into_dev_shm_keeps_no_server_from_starting);
    return s;
}

/*
 * facts.c - what is said about semaphores, mutexes and locks, tried
 * (test/fact.h).
 */
#define _GNU_SOURCE /* F_OFD_SETLK, semtimedop */
#include "test/fact.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* -- System V ------------------------------------------------------------ */

static int
make_set(int n)
{
    return must(semget(IPC_PRIVATE, n, IPC_CREAT | 0600));
}

static void
remove_set(int id)
{
    must(semctl(id, 0, IPC_RMID));
}

static int
add(int id, int i, int n, int flags)
{
    struct sembuf op = {.sem_num = (unsigned short)i,
                        .sem_op = (short)n,
                        .sem_flg = (short)flags};

    return semop(id, &op, 1);
}

static int
value(int id, int i)
{
    return must(semctl(id, i, GETVAL));
}

/* A child that does this, and exits with errno. */
static pid_t
start_adding(int id, int n, int flags)
{
    const pid_t pid = fork_child();

    if (pid == 0)
        _exit(add(id, 0, n, flags) == -1 ? errno : 0);
    return pid;
}

static const char *
errno_of(pid_t pid)
{
    errno = atoi(end_of(pid) + strlen("exit "));
    return errno == 0 ? "ok" : outcome(-1);
}

FACT(E01, "What a dead process took is lost, unless it took it with SEM_UNDO.",
     "taken by the dead: 0 left; with SEM_UNDO: 1")
{
    const int id = make_set(1);

    add(id, 0, 1, 0);
    end_of(start_adding(id, -1, 0));
    saw("taken by the dead: %d left; ", value(id, 0));
    add(id, 0, 1, 0);
    end_of(start_adding(id, -1, SEM_UNDO));
    saw("with SEM_UNDO: %d", value(id, 0));
    remove_set(id);
}

FACT(E02, "Several operations of one semop() happen together or not at all.",
     "one of two possible: EAGAIN, values 1 0; both: ok, values 0 0")
{
    struct sembuf both[2] = {{0, -1, IPC_NOWAIT}, {1, -1, IPC_NOWAIT}};
    const int id = make_set(2);

    add(id, 0, 1, 0);
    saw("one of two possible: %s, ", outcome(semop(id, both, 2)));
    saw("values %d %d; ", value(id, 0), value(id, 1));
    add(id, 1, 1, 0);
    saw("both: %s, ", outcome(semop(id, both, 2)));
    saw("values %d %d", value(id, 0), value(id, 1));
    remove_set(id);
}

FACT(E03,
     "A set that nobody has used has no time of use: so a second process can "
     "tell whether the first has initialised it by a semop().",
     "new: 0; set by semctl: 0; used: not 0")
{
    const int id = make_set(1);
    struct semid_ds ds;

    must(semctl(id, 0, IPC_STAT, &ds));
    saw("new: %ld; ", (long)ds.sem_otime);
    must(semctl(id, 0, SETVAL, 1));
    must(semctl(id, 0, IPC_STAT, &ds));
    saw("set by semctl: %ld; ", (long)ds.sem_otime);
    add(id, 0, -1, 0);
    must(semctl(id, 0, IPC_STAT, &ds));
    saw("used: %s", ds.sem_otime == 0 ? "0" : "not 0");
    remove_set(id);
}

FACT(E04, "A semop() can wait for zero.", "at 1: asleep; at 0: ok")
{
    const int id = make_set(1);
    pid_t pid;

    add(id, 0, 1, 0);
    pid = start_adding(id, 0, 0);
    saw("at 1: %s; ", until_asleep(pid));
    add(id, 0, -1, 0);
    saw("at 0: %s", errno_of(pid));
    remove_set(id);
}

static void
heard(int sig)
{
    (void)sig;
}

FACT(E05, "A signal ends semop() also with SA_RESTART, and removal wakes it.",
     "a signal: EINTR; removed: EIDRM")
{
    const struct sigaction action = {.sa_handler = heard,
                                     .sa_flags = SA_RESTART};
    const int id = make_set(1);
    pid_t pid;

    must(sigaction(SIGUSR1, &action, NULL));
    pid = start_adding(id, -1, 0);
    until_asleep(pid);
    kill(pid, SIGUSR1);
    saw("a signal: %s; ", errno_of(pid));
    pid = start_adding(id, -1, 0);
    until_asleep(pid);
    remove_set(id);
    saw("removed: %s", errno_of(pid));
}

FACT(E15, "A set says how many wait in it, and who was the last to change it.",
     "waiting: 1; last: the parent")
{
    const int id = make_set(1);
    pid_t pid;

    add(id, 0, 1, 0);
    add(id, 0, -1, 0);
    pid = start_adding(id, -1, 0);
    until_asleep(pid);
    saw("waiting: %s; ", number(semctl(id, 0, GETNCNT)));
    saw("last: %s", semctl(id, 0, GETPID) == getpid() ? "the parent" : "other");
    left_asleep(pid);
    remove_set(id);
}

FACT(E17,
     "A child does not inherit what its parent is to undo: its end gives "
     "nothing back.",
     "the child ends: 0; the parent of both does: 1")
{
    const int id = make_set(1);
    pid_t pid;

    add(id, 0, 1, 0);
    pid = fork_child();
    if (pid == 0) {
        pid_t child;

        add(id, 0, -1, SEM_UNDO);
        child = fork_child();
        if (child == 0)
            _exit(0);
        end_of(child);
        _exit(value(id, 0));
    }
    saw("the child ends: %s; ", end_of(pid) + strlen("exit "));
    saw("the parent of both does: %d", value(id, 0));
    remove_set(id);
}

FACT(E18, "SETVAL forgets what was to be undone, in all processes.",
     "undone after SETVAL 5: 5")
{
    const int id = make_set(1);
    int go[2];
    pid_t pid;
    char byte;

    must(pipe2(go, O_CLOEXEC));
    add(id, 0, 1, 0);
    pid = fork_child();
    if (pid == 0) {
        add(id, 0, -1, SEM_UNDO);
        must(read(go[0], &byte, 1));
        _exit(0);
    }
    add(id, 0, 0, 0); /* it has taken it */
    must(semctl(id, 0, SETVAL, 5));
    put_text(go[1], "x");
    end_of(pid);
    saw("undone after SETVAL 5: %d", value(id, 0));
    close(go[0]);
    close(go[1]);
    remove_set(id);
}

/* -- POSIX --------------------------------------------------------------- */

static const char *
sem_name(void)
{
    static char name[64];

    snprintf(name, sizeof name, "/ipclab-fact-%d", (int)getpid());
    return name;
}

static sem_t *
make_semaphore(unsigned first)
{
    sem_t *s = sem_open(sem_name(), O_CREAT | O_EXCL, 0600, first);

    ck_assert_msg(s != SEM_FAILED, "sem_open: %s", outcome(-1));
    return s;
}

static void
remove_semaphore(sem_t *s)
{
    sem_close(s);
    sem_unlink(sem_name());
}

static const struct timespec long_ago = {0, 0};

FACT_IF(need_dev_shm, E06,
        "A named POSIX semaphore is a file in /dev/shm; what a dead process "
        "took stays taken.",
        "a file; taken by the dead: ETIMEDOUT")
{
    sem_t *s = make_semaphore(1);
    char path[128];
    pid_t pid;

    snprintf(path, sizeof path, "/dev/shm/sem.%s", sem_name() + 1);
    saw("%s; ", access(path, F_OK) == 0 ? "a file" : "no file");
    pid = fork_child();
    if (pid == 0)
        _exit(sem_wait(s));
    end_of(pid);
    saw("taken by the dead: %s", outcome(sem_timedwait(s, &long_ago)));
    remove_semaphore(s);
}

FACT_IF(need_dev_shm, E07,
        "A semaphore has no owner: who never waited may post.",
        "a stranger posts: exit 0; then two get in: ok, ok")
{
    sem_t *s = make_semaphore(1);
    const pid_t pid = fork_child();

    if (pid == 0)
        _exit(sem_post(s));
    saw("a stranger posts: %s; ", end_of(pid));
    saw("then two get in: %s, ", outcome(sem_trywait(s)));
    saw("%s", outcome(sem_trywait(s)));
    remove_semaphore(s);
}

/* A child asleep in sem_wait(); then the parent posts. */
static const char *
waiter_after_post(int pshared)
{
    sem_t *s = shared(sizeof *s);
    const char *is;
    pid_t pid;

    must(sem_init(s, pshared, 0));
    pid = fork_child();
    if (pid == 0)
        _exit(sem_wait(s));
    until_asleep(pid);
    must(sem_post(s));
    /* Who is woken is not asleep any more when sem_post() returns. */
    is = sleeps_now(pid) && pshared == 0 ? left_asleep(pid) : end_of(pid);
    munmap(s, sizeof *s);
    return is;
}

FACT(E08,
     "A semaphore in shared memory that was not made for several processes "
     "wakes nobody in another one.",
     "pshared 0: asleep; pshared 1: exit 0")
{
    saw("pshared 0: %s; ", waiter_after_post(0));
    saw("pshared 1: %s", waiter_after_post(1));
}

FACT_IF(need_dev_shm, E16,
        "An unlinked semaphore goes on working for those who have it.",
        "its name: ENOENT; itself: ok")
{
    sem_t *s = make_semaphore(1);

    must(sem_unlink(sem_name()));
    saw("its name: %s; ",
        sem_open(sem_name(), 0) == SEM_FAILED ? outcome(-1) : "ok");
    saw("itself: %s", outcome(sem_trywait(s)));
    sem_close(s);
}

FACT_IF(need_dev_shm, E19,
        "sem_open(O_CREAT) takes what is there, whatever value is asked for.",
        "there with 1, asked for 7: value 1; O_EXCL: EEXIST")
{
    sem_t *s = make_semaphore(1), *again;
    int n = -1;

    again = sem_open(sem_name(), O_CREAT, 0600, 7);
    sem_getvalue(again, &n);
    saw("there with 1, asked for 7: value %d; ", n);
    saw("O_EXCL: %s",
        sem_open(sem_name(), O_CREAT | O_EXCL, 0600, 7) == SEM_FAILED
            ? outcome(-1)
            : "ok");
    sem_close(again);
    remove_semaphore(s);
}

/* -- mutexes ------------------------------------------------------------- */

static pthread_mutex_t *
make_mutex(int robust)
{
    pthread_mutex_t *m = shared(sizeof(pthread_mutex_t));
    pthread_mutexattr_t a;

    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, robust);
    ck_assert_int_eq(pthread_mutex_init(m, &a), 0);
    pthread_mutexattr_destroy(&a);
    return m;
}

static void
locked_by_the_dead(pthread_mutex_t *m)
{
    const pid_t pid = fork_child();

    if (pid == 0)
        _exit(pthread_mutex_lock(m));
    end_of(pid);
}

static const char *
locked(pthread_mutex_t *m)
{
    errno = pthread_mutex_timedlock(m, &long_ago);
    return errno == 0 ? "ok" : outcome(-1);
}

FACT(E09,
     "The mutex of a dead holder stays locked. A robust one says so; whoever "
     "does not repair what it guards and say so has lost it for all.",
     "plain: ETIMEDOUT; robust: EOWNERDEAD, unlocked, then ENOTRECOVERABLE")
{
    pthread_mutex_t *plain = make_mutex(PTHREAD_MUTEX_STALLED);
    pthread_mutex_t *robust = make_mutex(PTHREAD_MUTEX_ROBUST);

    locked_by_the_dead(plain);
    saw("plain: %s; ", locked(plain));
    locked_by_the_dead(robust);
    saw("robust: %s, unlocked, ", locked(robust));
    pthread_mutex_unlock(robust);
    saw("then %s", locked(robust));
    munmap(plain, sizeof(pthread_mutex_t));
    munmap(robust, sizeof(pthread_mutex_t));
}

FACT(E10, "With pthread_mutex_consistent() it is as before.",
     "EOWNERDEAD, consistent, unlocked, then ok")
{
    pthread_mutex_t *m = make_mutex(PTHREAD_MUTEX_ROBUST);

    locked_by_the_dead(m);
    saw("%s, ", locked(m));
    saw("%s, unlocked, ",
        pthread_mutex_consistent(m) == 0 ? "consistent" : "not");
    pthread_mutex_unlock(m);
    saw("then %s", locked(m));
    pthread_mutex_unlock(m);
    munmap(m, sizeof(pthread_mutex_t));
}

struct condition {
    pthread_cond_t cond;
    pthread_mutex_t *mutex;
    int said;
};

FACT(E20, "A condition variable made for several processes wakes another one.",
     "waiting: asleep; signalled: exit 0")
{
    struct condition *c = shared(sizeof *c);
    pthread_condattr_t a;
    pid_t pid;

    pthread_condattr_init(&a);
    pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&c->cond, &a);
    c->mutex = make_mutex(PTHREAD_MUTEX_STALLED);
    pid = fork_child();
    if (pid == 0) {
        pthread_mutex_lock(c->mutex);
        while (!c->said)
            pthread_cond_wait(&c->cond, c->mutex);
        _exit(pthread_mutex_unlock(c->mutex));
    }
    saw("waiting: %s; ", until_asleep(pid));
    pthread_mutex_lock(c->mutex);
    c->said = 1;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(c->mutex);
    saw("signalled: %s", end_of(pid));
    munmap(c->mutex, sizeof(pthread_mutex_t));
    munmap(c, sizeof *c);
}

/* -- locks of files ------------------------------------------------------ */

static int
make_file(void)
{
    char path[300];

    snprintf(path, sizeof path, "%s/file", run_dir);
    return must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static void
remove_file(void)
{
    char path[300];

    snprintf(path, sizeof path, "%s/file", run_dir);
    unlink(path);
}

static int
lock(int fd, int command, short type, off_t at)
{
    struct flock l = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, command, &l);
}

/* May another process have this lock? */
static const char *
for_another(int fd, int command)
{
    const pid_t pid = fork_child();

    if (pid == 0)
        _exit(lock(fd, command, F_WRLCK, 0) == -1);
    return strcmp(end_of(pid), "exit 0") == 0 ? "free" : "locked";
}

FACT(E11,
     "A record lock is not inherited, and is lost when its process closes any "
     "descriptor of the file.",
     "for the child: locked; after another descriptor's close: free")
{
    const int fd = make_file();

    must(lock(fd, F_SETLK, F_WRLCK, 0));
    saw("for the child: %s; ", for_another(fd, F_SETLK));
    close(make_file());
    saw("after another descriptor's close: %s", for_another(fd, F_SETLK));
    close(fd);
    remove_file();
}

FACT(E12,
     "A lock of the open file description survives that, and a child has it, "
     "too; so it is with flock(), for which another open() is another one.",
     "OFD after another close: free for the child, locked for another open; "
     "flock: ok, EAGAIN")
{
    const int fd = make_file(), other = make_file();

    must(lock(fd, F_OFD_SETLK, F_WRLCK, 0));
    close(make_file());
    saw("OFD after another close: %s for the child, ",
        for_another(fd, F_OFD_SETLK));
    saw("%s for another open; ", for_another(other, F_OFD_SETLK));
    must(flock(fd, LOCK_EX | LOCK_NB));
    saw("flock: %s, ", outcome(flock(fd, LOCK_EX | LOCK_NB)));
    saw("%s", outcome(flock(other, LOCK_EX | LOCK_NB)));
    close(fd);
    close(other);
    remove_file();
}

FACT(E13, "Of two that wait for each other's record lock one is told.",
     "the first: asleep; the second: EDEADLK")
{
    const int fd = make_file();
    int up[2];
    char byte;
    pid_t pid;

    must(pipe2(up, O_CLOEXEC));
    must(lock(fd, F_SETLK, F_WRLCK, 0));
    pid = fork_child();
    if (pid == 0) {
        must(lock(fd, F_SETLK, F_WRLCK, 1));
        put_text(up[1], "x");
        _exit(lock(fd, F_SETLKW, F_WRLCK, 0) == -1);
    }
    must(read(up[0], &byte, 1));
    saw("the first: %s; ", until_asleep(pid));
    saw("the second: %s", outcome(lock(fd, F_SETLKW, F_WRLCK, 1)));
    left_asleep(pid);
    close(up[0]);
    close(up[1]);
    close(fd);
    remove_file();
}

/* -- waiting ------------------------------------------------------------- */

static int64_t
cpu_time(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    ck_assert_int_eq(clock_getcpuclockid(pid, &clock), 0);
    must(clock_gettime(clock, &t));
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

FACT(E14,
     "Who spins burns the processor; who sleeps in a semaphore takes none of "
     "its time.",
     "while the one used 20 ms, the other used 0 ns")
{
    const int id = make_set(1);
    const pid_t sleeper = start_adding(id, -1, 0);
    const pid_t spinner = fork_child();
    int64_t before, begun;

    if (spinner == 0)
        for (;;)
            continue;
    until_asleep(sleeper);
    before = cpu_time(sleeper);
    begun = cpu_time(spinner);
    while (cpu_time(spinner) - begun < 20000000)
        sched_yield();
    saw("while the one used 20 ms, the other used %ld ns",
        (long)(cpu_time(sleeper) - before));
    left_asleep(sleeper);
    left_asleep(spinner);
    remove_set(id);
}

const struct fact *const sem_facts[] = {
    &E01, &E02, &E03, &E04, &E05, &E06, &E07, &E08, &E09, &E10, &E11,
    &E12, &E13, &E14, &E15, &E16, &E17, &E18, &E19, &E20, NULL};

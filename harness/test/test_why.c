/*
 * test_why.c - the hang explainer (lab/why.h), over the hangs that every course
 * knows: each is made, and has to be told for what it is.
 */
#define _GNU_SOURCE /* pipe2, F_OFD_SETLKW */
#include "test.h"

#include "core/clock.h"
#include "core/parent.h"
#include "lab/why.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- what a hang is made of ----------------------------------------------- */

#define BYTES (1 << 20) /* more than a pipe holds */

/* Shared by all who take part. */
struct stage {
    _Atomic int who; /* whose hang is looked at */
    int object;      /* a System V id, to be removed */
    union {
        pthread_mutex_t mutex;
        sem_t semaphore;
    };
};

static struct stage *stage;
static char bytes[BYTES];

static void
it_is_me(void)
{
    atomic_store(&stage->who, getpid());
}

/* A child that hangs, too; it ends with its parent. */
static pid_t
fork_off(void)
{
    const pid_t parent = getpid();
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0)
        end_with_parent(parent, SIGKILL);
    return pid;
}

static void
fork_and_die(void (*act)(void))
{
    pid_t pid = fork_off();

    if (pid == 0) {
        act();
        _exit(EXIT_SUCCESS);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* -- the hangs ------------------------------------------------------------ */

static void
reader_keeps_its_write_end(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    if (fork_off() == 0) {
        it_is_me();
        (void)!read(ends[0], bytes, 1); /* never close(ends[1]) */
    }
    close(ends[1]);
    wait(NULL);
}

static void
both_write_first(void)
{
    int there[2], back[2];

    ck_assert_int_eq(pipe(there) | pipe(back), 0);
    if (fork_off() == 0) {
        close(there[1]);
        close(back[0]);
        (void)!write(back[1], bytes, BYTES);
        (void)!read(there[0], bytes, BYTES);
        _exit(EXIT_SUCCESS);
    }
    close(there[0]);
    close(back[1]);
    it_is_me();
    (void)!write(there[1], bytes, BYTES);
}

static void
the_other_one_only_keeps_the_end(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    if (fork_off() == 0)
        for (;;)
            pause();
    close(ends[1]);
    it_is_me();
    (void)!read(ends[0], bytes, 1);
}

static void
nobody_opens_the_other_end(void)
{
    char path[ENDPOINT_SIZE + 8];

    snprintf(path, sizeof path, "%s/fifo", run_dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    it_is_me();
    close(open(path, O_RDONLY | O_CLOEXEC));
}

static void
fifo_opened_for_both(void)
{
    char path[ENDPOINT_SIZE + 8];
    int fd;

    snprintf(path, sizeof path, "%s/fifo", run_dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    it_is_me();
    (void)!read(fd, bytes, 1);
}

static void
poll_at_an_own_end(void)
{
    struct pollfd polled = {.events = POLLIN};
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    polled.fd = ends[0];
    it_is_me();
    poll(&polled, 1, -1);
}

static void
epoll_at_an_own_end(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int ends[2], fd = epoll_create1(EPOLL_CLOEXEC);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event), 0);
    it_is_me();
    epoll_wait(fd, &event, 1, -1);
}

static void
no_message_of_that_type(void)
{
    struct {
        long type;
        char text[4];
    } m = {.type = 5};

    stage->object = msgget(IPC_PRIVATE, 0600);
    ck_assert_int_eq(msgsnd(stage->object, &m, sizeof m.text, 0), 0);
    it_is_me();
    msgrcv(stage->object, &m, sizeof m.text, 7, 0);
}

static void
a_queue_that_is_full(void)
{
    static struct {
        long type;
        char text[1024];
    } m = {.type = 1};

    stage->object = msgget(IPC_PRIVATE, 0600);
    it_is_me();
    while (msgsnd(stage->object, &m, sizeof m.text, 0) == 0)
        continue;
}

static void
take(void)
{
    const struct sembuf plus = {.sem_op = 1}, minus = {.sem_op = -1};
    struct sembuf ops[2] = {plus, minus};

    ck_assert_int_eq(semop(stage->object, &ops[0], 1), 0);
    ck_assert_int_eq(semop(stage->object, &ops[1], 1), 0);
}

static void
the_holder_of_a_semaphore_died(void)
{
    struct sembuf minus = {.sem_op = -1};

    stage->object = semget(IPC_PRIVATE, 1, 0600);
    fork_and_die(take);
    it_is_me();
    semop(stage->object, &minus, 1);
}

static void
lock_mutex(void)
{
    pthread_mutex_lock(&stage->mutex);
}

static void
the_holder_of_a_mutex_died(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&stage->mutex, &attr);
    fork_and_die(lock_mutex);
    it_is_me();
    lock_mutex();
}

static void
a_mutex_locked_twice(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&stage->mutex, &attr);
    lock_mutex();
    it_is_me();
    lock_mutex();
}

static void
nobody_posts(void)
{
    ck_assert_int_eq(sem_init(&stage->semaphore, 1, 0), 0);
    it_is_me();
    sem_wait(&stage->semaphore);
}

static void
a_semaphore_that_is_not_shared(void)
{
    ck_assert_int_eq(sem_init(&stage->semaphore, 0, 0), 0);
    it_is_me();
    sem_wait(&stage->semaphore);
}

static int
file_to_lock(void)
{
    char path[ENDPOINT_SIZE + 8];

    snprintf(path, sizeof path, "%s/file", run_dir);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void
a_record_lock_of_its_parent(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = file_to_lock();

    ck_assert_int_eq(fcntl(fd, F_SETLK, &lock), 0);
    if (fork_off() == 0) {
        it_is_me();
        fcntl(fd, F_SETLKW, &lock);
        _exit(EXIT_SUCCESS);
    }
    wait(NULL);
}

static void
flock_by_two_opens(void)
{
    ck_assert_int_eq(flock(file_to_lock(), LOCK_EX), 0);
    it_is_me();
    flock(file_to_lock(), LOCK_EX);
}

static void
a_socket_whose_other_end_it_has(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    it_is_me();
    (void)!read(ends[0], bytes, 1); /* never close(ends[1]) */
}

static void
both_receive_first(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    if (fork_off() == 0) {
        close(ends[0]);
        (void)!read(ends[1], bytes, 1);
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    it_is_me();
    (void)!read(ends[0], bytes, 1);
}

static void
nobody_connects(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(listen(fd, 1), -1); /* without an address */
    ck_assert_int_eq(
        bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
        0); /* any: unix(7), "Autobind feature" */
    ck_assert_int_eq(listen(fd, 1), 0);
    it_is_me();
    accept(fd, NULL, NULL);
}

static void
an_empty_posix_queue(void)
{
    char name[32];
    mqd_t q;

    snprintf(name, sizeof name, "/ipclab-why-%d", (int)getpid());
    q = mq_open(name, O_CREAT | O_RDONLY, 0600,
                &(struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = 8});
    ck_assert_int_ne(q, -1);
    mq_unlink(name);
    it_is_me();
    mq_receive(q, bytes, 8, NULL);
}

static void
a_signal_that_nobody_sends(void)
{
    it_is_me();
    pause();
}

static void
a_child_that_does_not_end(void)
{
    if (fork_off() == 0)
        for (;;)
            pause();
    it_is_me();
    wait(NULL);
}

static void
round_and_round(void)
{
    it_is_me();
    for (;;)
        atomic_load(&stage->who);
}

static void
a_wait_with_a_limit(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    it_is_me();
    poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 1000000);
}

static void
a_zombie(void)
{
    const pid_t pid = fork();

    if (pid == 0)
        _exit(EXIT_SUCCESS);
    atomic_store(&stage->who, pid);
    for (;;)
        pause();
}

static const struct hang {
    void (*make)(void);
    const char *call; /* begins so */
    enum why_cause cause;
    const char *because; /* has this in it */
    int circle;          /* how many wait for each other */
} hangs[] = {
    {reader_keeps_its_write_end, "read(fd ", WHY_ITSELF,
     "close it after fork()", 0},
    {both_write_first, "write(fd ", WHY_OTHERS, "has the read end", 2},
    {the_other_one_only_keeps_the_end, "read(fd ", WHY_OTHERS,
     "has the write end", 0},
    {nobody_opens_the_other_end, "open(\"", WHY_NOBODY,
     "opens it for writing; nobody has", 0},
    {fifo_opened_for_both, "read(fd ", WHY_ITSELF,
     "open for reading and writing", 0},
    {poll_at_an_own_end, "poll(1 ", WHY_ITSELF, "still has it", 0},
    {epoll_at_an_own_end, "epoll_wait(fd ", WHY_ITSELF, "still has it", 0},
    {no_message_of_that_type, "msgrcv(queue ", WHY_WRONG_KIND,
     "none of that type: 5.", 0},
    {a_queue_that_is_full, "msgsnd(queue ", WHY_NOBODY, "The queue is full", 0},
    {the_holder_of_a_semaphore_died, "semop(set ", WHY_DEAD_HOLDER,
     "dead and did not use SEM_UNDO", 0},
    {the_holder_of_a_mutex_died, "futex(", WHY_DEAD_HOLDER,
     "PTHREAD_MUTEX_ROBUST", 0},
    {a_mutex_locked_twice, "futex(", WHY_ITSELF, "for the second time", 0},
    {nobody_posts, "futex(", WHY_NOBODY, "Nobody has posted", 0},
    {a_semaphore_that_is_not_shared, "futex(", WHY_WRONG_KIND, "pshared was 0",
     0},
    {a_record_lock_of_its_parent, "fcntl(fd ", WHY_OTHERS,
     "holds a lock (WRITE)", 2},
    {flock_by_two_opens, "flock(fd ", WHY_ITSELF, "two owners", 0},
    {a_socket_whose_other_end_it_has, "read(fd ", WHY_ITSELF,
     "nobody else's: close it", 0},
    {both_receive_first, "read(fd ", WHY_OTHERS, "has the other end", 2},
    {nobody_connects, "accept(fd ", WHY_OTHERS, "nobody has", 0},
    {an_empty_posix_queue, "mq_receive(fd ", WHY_NOBODY,
     "holds 0 message(s) of at most 1", 0},
    {a_signal_that_nobody_sends, "pause()", WHY_OTHERS, "block it, look", 0},
    {a_child_that_does_not_end, "waitpid(-1)", WHY_OTHERS, "has not ended", 0},
    {round_and_round, "nothing: it runs", WHY_RUNS, "loop of its own", 0},
    {a_wait_with_a_limit, "poll(1 ", WHY_ITSELF, "still has it", 0},
    {a_zombie, "nothing: it has ended", WHY_ENDED, "has not called waitpid()",
     0},
};

#define HANGS (int)(sizeof hangs / sizeof *hangs)

/* -- the tests ------------------------------------------------------------ */

static void
hang(struct actor *self, void *arg)
{
    (void)self;
    ((const struct hang *)arg)->make();
}

static bool
is_told(const struct why_wait *w, const struct hang *h)
{
    return strncmp(w->call, h->call, strlen(h->call)) == 0;
}

/* It may not be there yet. */
static void
look_until_it_hangs(const struct hang *h, struct why_wait *w)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);
    pid_t who, circle[8];
    int n = 0;

    do {
        sched_yield();
        who = (pid_t)atomic_load(&stage->who);
        n = who == 0 ? 0 : why_look(who, w, 1);
    } while (
        (n != 1 || !is_told(w, h) || why_circle(who, circle, 8) != h->circle) &&
        time_left(deadline) > 0);
    ck_assert_msg(n == 1, "why_look: %d", n);
}

static void
remove_from_run_dir(const char *name)
{
    char path[ENDPOINT_SIZE + 8];

    snprintf(path, sizeof path, "%s/%s", run_dir, name);
    unlink(path);
}

START_TEST(a_hang_is_told_for_what_it_is)
{
    const struct hang *h = &hangs[_i];
    struct why_wait w;
    struct actor c;
    pid_t circle[8];

    stage = shared(sizeof *stage);
    stage->object = -1;
    actor_start(&c, geteuid(), hang, (void *)(uintptr_t)h);
    look_until_it_hangs(h, &w);
    ck_assert_msg(is_told(&w, h) && w.cause == h->cause &&
                      strstr(w.because, h->because) != NULL,
                  "cause %d, %s:\n%s", (int)w.cause, w.call, w.because);
    ck_assert_int_eq(w.limited, h->make == a_wait_with_a_limit);
    ck_assert_int_eq(why_circle(w.pid, circle, 8), h->circle);
    ck_assert(actor_kill(&c));
    if (h->make == a_zombie)
        ck_assert_int_eq(waitpid(w.pid, NULL, 0), w.pid);
    children_end();
    msgctl(stage->object, IPC_RMID, NULL);
    semctl(stage->object, 0, IPC_RMID);
    remove_from_run_dir("fifo");
    remove_from_run_dir("file");
}
END_TEST

/* Nor does its question stop anybody: the one that is asked about goes on. */
static void
echo_once(struct actor *self, void *arg)
{
    (void)arg;
    actor_step(self);
}

START_TEST(who_is_asked_about_goes_on)
{
    struct why_wait w;
    struct actor c;

    actor_start(&c, geteuid(), echo_once, NULL);
    actor_wait(&c);
    ck_assert_int_eq(why_look(c.pid, &w, 1), 1);
    actor_go(&c);
    actor_end(&c);
}
END_TEST

static void
ask_about(void *pid)
{
    struct why_wait w;

    ck_assert_int_eq(why_look(*(pid_t *)pid, &w, 1), -EPERM);
}

START_TEST(others_are_none_of_ones_business)
{
    pid_t *who = shared(sizeof *who);

    *who = getpid();
    as_user(ALICE, ask_about, who);
}
END_TEST

START_TEST(the_program_says_it_and_what_it_cannot)
{
    static struct output o;
    const int64_t deadline = deadline_in(CALL_TIMEOUT);
    struct actor c;
    char pid[16];

    stage = shared(sizeof *stage);
    actor_start(&c, geteuid(), hang, (void *)(uintptr_t)&hangs[0]);
    while (atomic_load(&stage->who) == 0 && time_left(deadline) > 0)
        sched_yield();
    snprintf(pid, sizeof pid, "%d", atomic_load(&stage->who));
    do
        run_program(&o, "ipclab", "why", pid, NULL);
    while (strstr(o.out, "read(fd ") == NULL && time_left(deadline) > 0);
    ck_assert_int_eq(o.status, 0);
    ck_assert_ptr_nonnull(strstr(o.out, "close it after fork()"));
    ck_assert(actor_kill(&c));
    children_end();
    run_program(&o, "ipclab", "why", pid, NULL);
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.err, "there is no process"));
    run_program(&o, "ipclab", "why", "x", NULL);
    ck_assert_int_eq(o.status, 64);
    run_program(&o, "ipclab", NULL);
    ck_assert_int_eq(o.status, 64);
}
END_TEST

Suite *test_why(void);

Suite *
test_why(void)
{
    Suite *s = suite_create("why");
    TCase *tc = test_case(s, "why");
    const char *queues = need_mechanism(ipc_find("msgq/posix"));

    for (int i = 0; i < HANGS; i++)
        add_loop_test_if(tc,
                         need_proc() != NULL                     ? need_proc()
                         : hangs[i].make == an_empty_posix_queue ? queues
                                                                 : NULL,
                         a_hang_is_told_for_what_it_is, i);
    add_test_if(tc, need_proc(), who_is_asked_about_goes_on);
    add_test_if(tc, need_root(), others_are_none_of_ones_business);
    add_test_if(tc, need_proc(), the_program_says_it_and_what_it_cannot);
    return s;
}

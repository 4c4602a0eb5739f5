/*
 * facts.c - what is said about message queues, tried (test/fact.h): Q of System
 * V, M of POSIX.
 */
#define _GNU_SOURCE /* MSG_COPY */
#include "test/fact.h"

#include "core/clock.h"
#include "test/here.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* -- System V ------------------------------------------------------------ */

struct letter {
    long type;
    char text[4096];
};

static int
make_queue(int mode)
{
    return must(msgget(IPC_PRIVATE, IPC_CREAT | mode));
}

static void
remove_queue(int id)
{
    must(msgctl(id, IPC_RMID, NULL));
}

static int
send_to(int id, long type, const char *text, int flags)
{
    struct letter l = {.type = type};

    snprintf(l.text, sizeof l.text, "%s", text);
    return msgsnd(id, &l, strlen(text), flags);
}

static int
send_size(int id, long type, size_t size, int flags)
{
    const struct letter l = {.type = type};

    return msgsnd(id, &l, size, flags);
}

/* The text of the next message of this type, or the name of errno. */
static const char *
received(int id, long type, size_t size, int flags)
{
    static struct letter l;
    const ssize_t n = msgrcv(id, &l, size, type, flags | IPC_NOWAIT);

    if (n == -1)
        return outcome(-1);
    l.text[n] = '\0';
    return l.text;
}

static unsigned long
messages_in(int id)
{
    struct msqid_ds ds;

    must(msgctl(id, IPC_STAT, &ds));
    return ds.msg_qnum;
}

/* Messages of this size until no more goes in; how many? */
static unsigned long
fill(int id, long type, size_t size)
{
    unsigned long n = 0;

    while (send_size(id, type, size, IPC_NOWAIT) == 0)
        n++;
    return n;
}

FACT(Q01, "A message outlives its sender.", "after its sender's exit: hello")
{
    const int id = make_queue(0600);
    const pid_t pid = fork_child();

    if (pid == 0)
        _exit(send_to(id, 1, "hello", 0) == -1);
    end_of(pid);
    saw("after its sender's exit: %s", received(id, 0, 100, 0));
    remove_queue(id);
}

FACT(Q02,
     "A receiver asks for a type, for the lowest up to one (negative), or for "
     "the oldest (0).",
     "of 5, 3, 2, 4: type -4 gets two, type 3 three, type 0 five")
{
    const int id = make_queue(0600);

    send_to(id, 5, "five", 0);
    send_to(id, 3, "three", 0);
    send_to(id, 2, "two", 0);
    send_to(id, 4, "four", 0);
    saw("of 5, 3, 2, 4: type -4 gets %s, ", received(id, -4, 100, 0));
    saw("type 3 %s, ", received(id, 3, 100, 0));
    saw("type 0 %s", received(id, 0, 100, 0));
    remove_queue(id);
}

/* One whose id is not by chance the number of an open descriptor, as in a new
 * namespace, where ids begin with 0, they are. */
static int
queue_beside_descriptors(void)
{
    int passed[64], n = 0, id = make_queue(0600);

    while (fcntl(id, F_GETFD) != -1 && n < 64) {
        passed[n++] = id;
        id = make_queue(0600);
    }
    while (n > 0)
        remove_queue(passed[--n]);
    return id;
}

FACT(Q03,
     "A System V queue's id is not a descriptor: neither read() nor poll() can "
     "wait for it.",
     "read: EBADF; poll: POLLNVAL")
{
    const int id = queue_beside_descriptors();
    struct pollfd p = {.fd = id, .events = POLLIN};

    saw("read: %s; ", got(id, 1));
    must(poll(&p, 1, 0));
    saw("poll: %s", p.revents == POLLNVAL ? "POLLNVAL" : "something else");
    remove_queue(id);
}

FACT(Q04,
     "A queue is full after msg_qbytes bytes; who may wait sleeps until "
     "somebody receives.",
     "msg_qbytes bytes, then EAGAIN; who waits: asleep, after a receive exit 0")
{
    const int id = make_queue(0600);
    struct msqid_ds ds;
    unsigned long n;
    pid_t pid;

    must(msgctl(id, IPC_STAT, &ds));
    n = fill(id, 1, 1024) * 1024;
    saw("%s bytes, then %s; ", n == ds.msg_qbytes ? "msg_qbytes" : "other",
        outcome(-1));
    note("%lu bytes", n);
    pid = fork_child();
    if (pid == 0)
        _exit(send_size(id, 1, 1024, 0) == -1);
    saw("who waits: %s, ", until_asleep(pid));
    received(id, 0, 1024, 0);
    saw("after a receive %s", end_of(pid));
    remove_queue(id);
}

FACT(Q05,
     "Too short a buffer gets nothing and the message stays; with MSG_NOERROR "
     "its tail is lost.",
     "3 bytes of hello: E2BIG, 1 message left; MSG_NOERROR: hel, 0 left")
{
    const int id = make_queue(0600);

    send_to(id, 1, "hello", 0);
    saw("3 bytes of hello: %s, ", received(id, 0, 3, 0));
    saw("%lu message left; ", messages_in(id));
    saw("MSG_NOERROR: %s, ", received(id, 0, 3, MSG_NOERROR));
    saw("%lu left", messages_in(id));
    remove_queue(id);
}

/* A child that waits for a message, and exits with errno. */
static pid_t
start_receiver(int id)
{
    const pid_t pid = fork_child();
    struct letter l;

    if (pid == 0)
        _exit(msgrcv(id, &l, 100, 1, 0) == -1 ? errno : 0);
    return pid;
}

/* The errno that a child exited with. */
static const char *
errno_of(pid_t pid)
{
    errno = atoi(end_of(pid) + strlen("exit "));
    return errno == 0 ? "ok" : outcome(-1);
}

FACT(Q06, "Removing a queue wakes who waits in it.", "asleep, then EIDRM")
{
    const int id = make_queue(0600);
    const pid_t pid = start_receiver(id);

    saw("%s, ", until_asleep(pid));
    remove_queue(id);
    saw("then %s", errno_of(pid));
}

FACT(Q07,
     "IPC_EXCL refuses a key that is taken; a key used again gets another id, "
     "and the old one is nobody's.",
     "taken: EEXIST; made again: another id; the old one: EINVAL")
{
    const key_t key = 0x1bc0 + getpid();
    const int old = must(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
    int new;

    saw("taken: %s; ", outcome(msgget(key, IPC_CREAT | IPC_EXCL | 0600)));
    remove_queue(old);
    new = must(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
    saw("made again: %s id; ", new == old ? "the same" : "another");
    saw("the old one: %s", received(old, 0, 1, 0));
    remove_queue(new);
}

static void
heard(int sig)
{
    (void)sig;
}

FACT(Q08, "A signal ends msgrcv() also with SA_RESTART.", "asleep, then EINTR")
{
    const struct sigaction action = {.sa_handler = heard,
                                     .sa_flags = SA_RESTART};
    const int id = make_queue(0600);
    pid_t pid;

    must(sigaction(SIGUSR1, &action, NULL));
    pid = start_receiver(id);
    saw("%s, ", until_asleep(pid));
    kill(pid, SIGUSR1);
    saw("then %s", errno_of(pid));
    remove_queue(id);
}

FACT(Q09,
     "One queue for both directions, full of requests, has no room for an "
     "answer: server and client wait for each other.",
     "client: asleep; server: asleep")
{
    const int id = make_queue(0600);
    pid_t client, server;

    fill(id, 1, 1024); /* the client's requests */
    client = fork_child();
    if (client == 0)
        for (;;) /* and ever more */
            send_size(id, 1, 1024, 0);
    until_asleep(client);
    server = fork_child();
    if (server == 0) {
        struct letter request;

        must(msgrcv(id, &request, sizeof request.text, 1, 0));
        _exit(send_size(id, 2, 4096, 0)); /* an answer is larger */
    }
    until_asleep(server);
    until_asleep(client);
    note("%lu messages in it", messages_in(id));
    saw("client: %s; ", left_asleep(client));
    saw("server: %s", left_asleep(server));
    remove_queue(id);
}

FACT_IF(need_root, Q10,
        "A queue knows who made it and which process sent last; whose a "
        "message is it does not say (root: two users).",
        "made by uid 0; last sender: the child")
{
    const int id = make_queue(0666);
    const pid_t pid = fork_child();
    struct msqid_ds ds;

    if (pid == 0) {
        be_nobody_special();
        _exit(send_to(id, 1, "hello", 0) == -1);
    }
    end_of(pid);
    must(msgctl(id, IPC_STAT, &ds));
    saw("made by uid %u; last sender: %s", ds.msg_perm.cuid,
        ds.msg_lspid == pid ? "the child" : "another");
    remove_queue(id);
}

FACT_IF(need_root, Q11,
        "Whoever may receive from a queue may take another one's answer (root: "
        "two users).",
        "Alice's answer, taken by Bob: exit 0; left for her: ENOMSG")
{
    const int id = make_queue(0666);
    pid_t pid;

    send_to(id, ALICE, "for Alice", 0);
    pid = fork_child();
    if (pid == 0) {
        must(setresuid(BOB, BOB, BOB));
        _exit(strcmp(received(id, ALICE, 100, 0), "for Alice"));
    }
    saw("Alice's answer, taken by Bob: %s; ", end_of(pid));
    saw("left for her: %s", received(id, ALICE, 100, 0));
    remove_queue(id);
}

FACT(Q12,
     "A message's type is above 0; it may be empty, and not longer than "
     "msgmax.",
     "type 0: EINVAL; empty: ok; msgmax + 1: EINVAL")
{
    const long most = setting("/proc/sys/kernel/msgmax");
    struct letter *l = calloc(1, sizeof l->type + (size_t)most + 1);
    const int id = make_queue(0600);

    ck_assert_ptr_nonnull(l);
    l->type = 1;
    saw("type 0: %s; ", outcome(send_to(id, 0, "x", 0)));
    saw("empty: %s; ", outcome(send_to(id, 1, "", 0)));
    saw("msgmax + 1: %s", outcome(msgsnd(id, l, (size_t)most + 1, IPC_NOWAIT)));
    note("msgmax is %ld", most);
    free(l);
    remove_queue(id);
}

FACT_IF(need_root, Q13,
        "A queue of mode 0 is closed to others (root: two users).",
        "Alice sends: EACCES")
{
    const int id = make_queue(0);
    const pid_t pid = fork_child();

    if (pid == 0) {
        be_nobody_special();
        _exit(send_to(id, 1, "hello", 0) == -1 ? errno : 0);
    }
    saw("Alice sends: %s", errno_of(pid));
    remove_queue(id);
}

static bool
can_copy(void)
{
    const int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    bool can = send_to(id, 1, "x", 0) == 0 &&
               strcmp(received(id, 0, 1, MSG_COPY), "x") == 0;

    return msgctl(id, IPC_RMID, NULL) == 0 && can;
}

static const char *
need_copy(void)
{
    return here_try(can_copy) ? NULL : "need MSG_COPY (a kernel that has it)";
}

FACT_IF(need_copy, Q14, "MSG_COPY looks at a message and leaves it there.",
        "the second is b; 2 left")
{
    const int id = make_queue(0600);

    send_to(id, 1, "a", 0);
    send_to(id, 1, "b", 0);
    saw("the second is %s; ", received(id, 1, 100, MSG_COPY));
    saw("%lu left", messages_in(id));
    remove_queue(id);
}

FACT(Q15, "Empty messages fill a queue, too: their number is limited.",
     "empty ones until EAGAIN: as many as msg_qbytes")
{
    const int id = make_queue(0600);
    struct msqid_ds ds;
    unsigned long n;

    must(msgctl(id, IPC_STAT, &ds));
    n = fill(id, 1, 0);
    saw("empty ones until %s: %s", outcome(-1),
        n == ds.msg_qbytes ? "as many as msg_qbytes" : "others");
    note("%lu", n);
    remove_queue(id);
}

/* -- POSIX --------------------------------------------------------------- */

static const char *
queue_name(void)
{
    static char name[64];

    snprintf(name, sizeof name, "/ipclab-fact-%d", (int)getpid());
    return name;
}

static const char *
need_queues(void)
{
    return need_mechanism(ipc_find("msgq/posix"));
}

static const char *
need_queues_and_mounts(void)
{
    return need_queues() != NULL ? need_queues() : need_mounts();
}

/* Other programs of this user may have all the room there is for queues, for a
 * moment. */
static mqd_t
open_new(int flags, long messages)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);
    struct mq_attr attr = {.mq_maxmsg = messages, .mq_msgsize = 16};
    mqd_t q;

    while ((q = mq_open(queue_name(), O_CREAT | O_EXCL | O_RDWR | flags, 0600,
                        &attr)) == -1 &&
           errno == EMFILE && time_left(deadline) > 0)
        poll(NULL, 0, 5);
    ck_assert_msg(q != -1, "mq_open: %s", outcome(-1));
    return q;
}

/* A small one; it does not wait if told so. */
static mqd_t
make_mq(int flags)
{
    return open_new(flags, 2);
}

static void
remove_mq(mqd_t q)
{
    mq_close(q);
    mq_unlink(queue_name());
}

static int
post(mqd_t q, const char *text, unsigned priority)
{
    return mq_send(q, text, strlen(text), priority);
}

static const char *
taken(mqd_t q)
{
    static char text[17];
    const ssize_t n = mq_receive(q, text, 16, NULL);

    if (n == -1)
        return outcome(-1);
    text[n] = '\0';
    return text;
}

FACT_IF(need_queues, M01,
        "The highest priority comes first; of the same, the oldest.",
        "low 1, b 5, c 5, sent in that order: b")
{
    const mqd_t q = open_new(0, 3);

    post(q, "low", 1);
    post(q, "b", 5);
    post(q, "c", 5);
    saw("low 1, b 5, c 5, sent in that order: %s", taken(q));
    remove_mq(q);
}

FACT_IF(need_queues, M02,
        "A POSIX queue can be polled (on Linux it is a descriptor).",
        "empty: 0; with a message: POLLIN")
{
    const mqd_t q = make_mq(0);
    struct pollfd p = {.fd = (int)q, .events = POLLIN};

    saw("empty: %d; ", poll(&p, 1, 0));
    post(q, "x", 0);
    must(poll(&p, 1, 0));
    saw("with a message: %s", p.revents == POLLIN ? "POLLIN" : "other");
    remove_mq(q);
}

FACT_IF(
    need_queues, M03,
    "mq_receive() wants a buffer for the longest message there could be, not "
    "for this one.",
    "15 bytes for one of 1: EMSGSIZE; 16: x")
{
    const mqd_t q = make_mq(O_NONBLOCK);
    char text[16];

    post(q, "x", 0);
    saw("15 bytes for one of 1: %s; ", outcome(mq_receive(q, text, 15, NULL)));
    saw("16: %s", taken(q));
    remove_mq(q);
}

/* Is it pending?  It is taken away. */
static bool
signalled(int sig)
{
    const struct timespec none = {0, 0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    return sigtimedwait(&set, NULL, &none) == sig;
}

static void
block(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    must(sigprocmask(SIG_BLOCK, &set, NULL));
}

FACT_IF(
    need_queues, M04,
    "mq_notify() tells once, and only when the queue was empty: who asks for "
    "it later waits in vain.",
    "twice asked for: EBUSY; not empty: silent; emptied, then sent to: a "
    "signal")
{
    const struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                                   .sigev_signo = SIGUSR1};
    const mqd_t q = make_mq(0);

    block(SIGUSR1);
    post(q, "x", 0);
    must(mq_notify(q, &event));
    saw("twice asked for: %s; ", outcome(mq_notify(q, &event)));
    post(q, "y", 0);
    saw("not empty: %s; ", signalled(SIGUSR1) ? "a signal" : "silent");
    taken(q);
    taken(q);
    post(q, "z", 0);
    saw("emptied, then sent to: %s",
        signalled(SIGUSR1) ? "a signal" : "silent");
    remove_mq(q);
}

FACT_IF(need_queues, M05,
        "An unlinked queue lives on for those who have it; its name is free.",
        "its name: ENOENT; itself: x")
{
    const mqd_t q = make_mq(0);

    post(q, "x", 0);
    must(mq_unlink(queue_name()));
    saw("its name: %s; ", outcome(mq_open(queue_name(), O_RDONLY)));
    saw("itself: %s", taken(q));
    mq_close(q);
}

FACT_IF(need_queues, M06,
        "Empty and full are EAGAIN, or ETIMEDOUT at a time that has passed.",
        "empty: EAGAIN; full: EAGAIN; in 1970: ETIMEDOUT")
{
    const struct timespec then = {0, 0};
    const mqd_t q = make_mq(O_NONBLOCK);
    struct mq_attr waits = {.mq_flags = 0};

    saw("empty: %s; ", taken(q));
    post(q, "x", 0);
    post(q, "x", 0);
    saw("full: %s; ", outcome(post(q, "x", 0)));
    must(mq_setattr(q, &waits, NULL));
    saw("in 1970: %s", outcome(mq_timedsend(q, "x", 1, 0, &then)));
    remove_mq(q);
}

FACT_IF(need_queues, M07,
        "The bytes of a user's queues are limited: RLIMIT_MSGQUEUE.",
        "with room for none: EMFILE")
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16};
    const pid_t pid = fork_child();

    if (pid == 0) {
        const struct rlimit none = {1, 1};

        must(setrlimit(RLIMIT_MSGQUEUE, &none));
        _exit(mq_open(queue_name(), O_CREAT | O_RDWR, 0600, &attr) == -1 ? errno
                                                                         : 0);
    }
    saw("with room for none: %s", errno_of(pid));
}

FACT_IF(
    need_queues, M08,
    "A name begins with a slash and has no other; priorities end somewhere.",
    "none: EINVAL; two: EACCES; 17 bytes of 16: EMSGSIZE; priority "
    "MQ_PRIO_MAX: EINVAL")
{
    const mqd_t q = make_mq(O_NONBLOCK);
    const unsigned most = (unsigned)sysconf(_SC_MQ_PRIO_MAX);

    saw("none: %s; ", outcome(mq_open("none", O_CREAT | O_RDWR, 0600, NULL)));
    saw("two: %s; ", outcome(mq_open("/a/b", O_CREAT | O_RDWR, 0600, NULL)));
    saw("17 bytes of 16: %s; ", outcome(post(q, "12345678901234567", 0)));
    saw("priority MQ_PRIO_MAX: %s", outcome(post(q, "x", most)));
    note("MQ_PRIO_MAX is %u", most);
    remove_mq(q);
}

FACT_IF(need_queues_and_mounts, M09,
        "Where mqueue is mounted, a queue is a file, and says how much is in "
        "it.",
        "QSIZE:3")
{
    const mqd_t q = make_mq(0);
    char path[300], line[100] = "", text[20] = "?";
    FILE *f;

    post(q, "abc", 0);
    snprintf(path, sizeof path, "%s%s", own_queues(), queue_name());
    f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s", path);
    (void)!fgets(line, sizeof line, f);
    sscanf(line, "%19s", text);
    fclose(f);
    saw("%s", text);
    note("%.80s", strtok(line, "\n"));
    remove_mq(q);
}

FACT_IF(need_queues, M10, "A child inherits an open queue; exec() closes it.",
        "sent by the child: x; FD_CLOEXEC: set")
{
    const mqd_t q = make_mq(0);
    const pid_t pid = fork_child();

    if (pid == 0)
        _exit(post(q, "x", 0) == -1);
    end_of(pid);
    saw("sent by the child: %s; ", taken(q));
    saw("FD_CLOEXEC: %s",
        fcntl((int)q, F_GETFD) & FD_CLOEXEC ? "set" : "not set");
    remove_mq(q);
}

FACT_IF(need_queues, M11,
        "Who already waits in mq_receive() gets the message, and nobody is "
        "notified.",
        "the receiver: exit 0; the notification: silent")
{
    const struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                                   .sigev_signo = SIGUSR1};
    const mqd_t q = make_mq(0);
    pid_t pid;

    block(SIGUSR1);
    pid = fork_child();
    if (pid == 0)
        _exit(strcmp(taken(q), "x"));
    until_asleep(pid);
    must(mq_notify(q, &event));
    post(q, "x", 0);
    saw("the receiver: %s; ", end_of(pid));
    saw("the notification: %s", signalled(SIGUSR1) ? "a signal" : "silent");
    remove_mq(q);
}

const struct fact *const msgq_facts[] = {
    &Q01, &Q02, &Q03, &Q04, &Q05, &Q06, &Q07, &Q08, &Q09,
    &Q10, &Q11, &Q12, &Q13, &Q14, &Q15, &M01, &M02, &M03,
    &M04, &M05, &M06, &M07, &M08, &M09, &M10, &M11, NULL};

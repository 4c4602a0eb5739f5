/*
 * eight.c - one question, "who am I?", by each of the eight mechanisms
 * (eight.h).  In each the server is a child, which looks for the kernel's word
 * on who asks, and answers by the same mechanism.  There is nothing of the
 * harness in it, so that it can be compiled where nothing but a compiler is
 * installed.
 *
 * This is how each works, not how to do it well: nobody here lies, dies or asks
 * twice.  The directories of the mechanisms have that.
 */
#define _GNU_SOURCE /* struct ucred, pipe2 */
#include "eight.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char question[] = "who am I?";

/* Waits for the server; err is what the client came to. */
static int
end_server(pid_t server, int err)
{
    int status;

    if (err != 0)
        kill(server, SIGKILL); /* it may wait for what will never come */
    while (waitpid(server, &status, 0) == -1 && errno == EINTR)
        continue;
    if (err == 0 && status != 0)
        err = WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
    return err;
}

/* What one write carries; all of it, or an error. */
static int
carry(ssize_t n, size_t size)
{
    return n == (ssize_t)size ? 0 : n == -1 ? -errno : -EIO;
}

static int
write_question(int fd)
{
    return carry(write(fd, question, sizeof question), sizeof question);
}

static int
read_question(int fd)
{
    char buf[sizeof question];

    return carry(read(fd, buf, sizeof buf), sizeof buf);
}

static int
write_answer(int fd, struct answer a)
{
    return carry(write(fd, &a, sizeof a), sizeof a);
}

static int
read_answer(int fd, struct answer *a)
{
    return carry(read(fd, a, sizeof *a), sizeof *a);
}

/* -- pipe: the server is the client's child, so it is of its user ---------- */

static int
by_pipe(struct answer *a)
{
    int to[2], from[2], err;
    pid_t server;

    if (pipe2(to, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1)
        return -errno;
    server = fork();
    if (server == 0)
        _exit(read_question(to[0]) != 0 ||
              write_answer(from[1], (struct answer){getppid(), getuid()}) != 0);
    close(to[0]);
    close(from[1]); /* or there would be no end of file */
    err = write_question(to[1]);
    if (err == 0)
        err = read_answer(from[0], a);
    close(to[1]);
    close(from[0]);
    return end_server(server, err);
}

/* -- fifo: who made the reply FIFO is who asks ----------------------------- */

static int
serve_fifo(const char *requests, const char *replies)
{
    const int in = open(requests, O_RDONLY); /* waits for a writer */
    struct stat st;
    int err = in == -1 ? -errno : read_question(in), out;

    if (err != 0 || (out = open(replies, O_WRONLY)) == -1 ||
        fstat(out, &st) == -1)
        return err != 0 ? err : -errno;
    return write_answer(out, (struct answer){-1, st.st_uid});
}

static int
ask_fifo(const char *requests, const char *replies, struct answer *a)
{
    const int out = open(requests, O_WRONLY);
    int err = out == -1 ? -errno : write_question(out), in;

    if (err == 0) {
        in = open(replies, O_RDONLY); /* waits for the server */
        err = in == -1 ? -errno : read_answer(in, a);
        close(in);
    }
    close(out);
    return err;
}

static int
by_fifo(struct answer *a)
{
    char dir[] = "/tmp/ipclab-hello-XXXXXX", requests[64], replies[64];
    pid_t server = -1;
    int err;

    if (mkdtemp(dir) == NULL)
        return -errno;
    snprintf(requests, sizeof requests, "%s/requests", dir);
    snprintf(replies, sizeof replies, "%s/replies", dir);
    if (mkfifo(requests, 0600) == -1 || mkfifo(replies, 0600) == -1 ||
        (server = fork()) == -1)
        err = -errno;
    else if (server == 0)
        _exit(-serve_fifo(requests, replies));
    else
        err = end_server(server, ask_fifo(requests, replies, a));
    unlink(requests);
    unlink(replies);
    rmdir(dir);
    return err;
}

/* -- msgq: who made the reply queue ---------------------------------------- */

struct letter {
    long type;
    union {
        int reply_to;
        struct answer answer;
    } u;
};

enum { LETTER = sizeof(struct letter) - sizeof(long) };

static int
serve_msgq(int requests)
{
    struct letter l;
    struct msqid_ds ds;
    int replies;

    if (msgrcv(requests, &l, LETTER, 1, 0) == -1)
        return -errno;
    replies = l.u.reply_to;
    if (msgctl(replies, IPC_STAT, &ds) == -1)
        return -errno;
    l.u.answer = (struct answer){-1, ds.msg_perm.cuid};
    return msgsnd(replies, &l, LETTER, 0) == -1 ? -errno : 0;
}

static int
by_msgq(struct answer *a)
{
    const int requests = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    const int replies = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    struct letter l = {.type = 1, .u.reply_to = replies};
    int err = requests == -1 || replies == -1 ? -errno : 0;
    const pid_t server = err == 0 ? fork() : -1;

    if (server == 0)
        _exit(-serve_msgq(requests));
    if (err == 0 && (msgsnd(requests, &l, LETTER, 0) == -1 ||
                     msgrcv(replies, &l, LETTER, 1, 0) == -1))
        err = -errno;
    *a = l.u.answer;
    if (server != -1)
        err = end_server(server, err);
    msgctl(requests, IPC_RMID, NULL);
    msgctl(replies, IPC_RMID, NULL);
    return err;
}

/* -- semaphores: for the next two, and as a mechanism of their own --------- */

static int
add(int set, int i, int n)
{
    struct sembuf op = {.sem_num = (unsigned short)i, .sem_op = (short)n};

    while (semop(set, &op, 1) == -1)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* -- shm: who made the segment; semaphores say whose turn it is ------------ */

struct slot {
    char question[sizeof question];
    struct answer answer;
};

static int
serve_shm(int segment, int set, struct slot *slot)
{
    struct shmid_ds ds;

    if (add(set, 0, -1) != 0 || shmctl(segment, IPC_STAT, &ds) == -1)
        return -errno;
    slot->answer = (struct answer){-1, ds.shm_perm.cuid};
    return add(set, 1, 1);
}

static int
by_shm(struct answer *a)
{
    const int segment = shmget(IPC_PRIVATE, sizeof(struct slot), 0600);
    const int set = semget(IPC_PRIVATE, 2, 0600);
    struct slot *slot = shmat(segment, NULL, 0);
    int err = set == -1 || slot == (void *)-1 ? -errno : 0;
    const pid_t server = err == 0 ? fork() : -1;

    if (server == 0)
        _exit(-serve_shm(segment, set, slot));
    if (err == 0) {
        memcpy(slot->question, question, sizeof question);
        err = add(set, 0, 1); /* your turn */
        if (err == 0)
            err = add(set, 1, -1);
        *a = slot->answer;
        err = end_server(server, err);
        shmdt(slot);
    }
    semctl(set, 0, IPC_RMID);
    shmctl(segment, IPC_RMID, NULL);
    return err;
}

/* -- sem: the answer is a value, of the set that the client has made ------- */

static int
serve_sem(int set)
{
    struct semid_ds ds;

    if (add(set, 0, -1) != 0 || semctl(set, 0, IPC_STAT, &ds) == -1)
        return -errno;
    /* A value is at most 32767: so three, of 15 bits, carry a uid. */
    for (int i = 0; i < 3; i++)
        if (semctl(set, 2 + i, SETVAL, ds.sem_perm.cuid >> 15 * i & 0x7fff) ==
            -1)
            return -errno;
    return add(set, 1, 1);
}

static int
by_sem(struct answer *a)
{
    const int set = semget(IPC_PRIVATE, 5, 0600);
    const pid_t server = set == -1 ? -1 : fork();
    int err;

    if (server == -1)
        return -errno;
    if (server == 0)
        _exit(-serve_sem(set));
    err = add(set, 0, 1); /* the question is: +1 */
    if (err == 0)
        err = add(set, 1, -1);
    *a = (struct answer){.pid = -1, .uid = 0};
    for (int i = 0; i < 3; i++)
        a->uid |= (uid_t)semctl(set, 2 + i, GETVAL) << 15 * i;
    err = end_server(server, err);
    semctl(set, 0, IPC_RMID);
    return err;
}

/* -- socket: the kernel says who connected --------------------------------- */

static int
serve_socket(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    const int err = read_question(fd);

    if (err != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
        return err != 0 ? err : -errno;
    return write_answer(fd, (struct answer){cred.pid, cred.uid});
}

static int
by_socket(struct answer *a)
{
    int ends[2], err;
    pid_t server;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        return -errno;
    server = fork();
    if (server == 0)
        _exit(-serve_socket(ends[1]));
    close(ends[1]);
    err = write_question(ends[0]);
    if (err == 0)
        err = read_answer(ends[0], a);
    close(ends[0]);
    return end_server(server, err);
}

/* -- mmap: who owns the file; its bytes are seen by both ------------------- */

static int
serve_mmap(int fd, int set, struct slot *slot)
{
    struct stat st;

    if (add(set, 0, -1) != 0 || fstat(fd, &st) == -1)
        return -errno;
    slot->answer = (struct answer){-1, st.st_uid};
    return add(set, 1, 1);
}

static int
by_mmap(struct answer *a)
{
    char path[] = "/tmp/ipclab-hello-XXXXXX";
    const int fd = mkstemp(path), set = semget(IPC_PRIVATE, 2, 0600);
    struct slot *slot = MAP_FAILED;
    pid_t server = -1;
    int err;

    unlink(path);
    if (fd != -1 && set != -1 && ftruncate(fd, sizeof *slot) == 0)
        slot =
            mmap(NULL, sizeof *slot, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    err = slot == MAP_FAILED || (server = fork()) == -1 ? -errno : 0;
    if (server == 0)
        _exit(-serve_mmap(fd, set, slot));
    if (err == 0) {
        memcpy(slot->question, question, sizeof question);
        err = add(set, 0, 1);
        if (err == 0)
            err = add(set, 1, -1);
        *a = slot->answer;
        err = end_server(server, err);
        munmap(slot, sizeof *slot);
    }
    close(fd);
    semctl(set, 0, IPC_RMID);
    return err;
}

/* -- signals: the kernel says who sent; the answer is the signal's value --- */

static int
by_signals(struct answer *a)
{
    sigset_t set, before;
    siginfo_t info;
    pid_t server;
    int err = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, &before); /* before the fork: none is missed */
    server = fork();
    if (server == 0) {
        if (sigwaitinfo(&set, &info) == -1)
            _exit(errno);
        sigqueue(info.si_pid, SIGRTMIN,
                 (union sigval){.sival_int = (int)info.si_uid});
        _exit(0);
    }
    if (server == -1 || kill(server, SIGUSR1) == -1 ||
        sigwaitinfo(&set, &info) == -1)
        err = -errno;
    *a = (struct answer){getpid(), (uid_t)info.si_value.sival_int};
    err = end_server(server, err);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

const struct way eight_ways[] = {
    {"pipe", "the server is your child, and so of your uid", by_pipe},
    {"fifo", "you made the FIFO for the answer", by_fifo},
    {"msgq", "you made the queue for the answer", by_msgq},
    {"shm", "you made the memory that both have attached", by_shm},
    {"sem", "you made the semaphores", by_sem},
    {"socket", "the kernel says who is at the other end", by_socket},
    {"mmap", "you own the file that both have mapped", by_mmap},
    {"signals", "the kernel says who sent the signal", by_signals},
    {.mechanism = NULL}};

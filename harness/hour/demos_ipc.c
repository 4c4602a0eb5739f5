/*
 * demos_ipc.c - demonstrations of pipes, FIFOs, queues, semaphores and signals
 * (demo.h).
 */
#define _GNU_SOURCE /* memfd_create, pipe2, utimensat, mkdtemp */
#include "demo.h"
#include "eight.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* -- pipes and FIFOs ------------------------------------------------------- */

static int
count_torn(size_t size, int *records)
{
    enum { WRITERS = 4, EACH = 200 };
    char record[3 * PIPE_BUF + 100], last = 0, byte;
    size_t run = 0;
    int ends[2], torn = 0;
    FILE *in;

    need("pipe", pipe2(ends, O_CLOEXEC));
    for (int w = 0; w < WRITERS; w++)
        if (start() == 0) {
            memset(record, 'a' + w, size);
            for (int i = 0; i < EACH; i++)
                if (write(ends[1], record, size) == -1)
                    _exit(1);
            _exit(0);
        }
    close(ends[1]);
    in = fdopen(ends[0], "r");
    while (fread(&byte, 1, 1, in) == 1) {
        torn += byte != last && run % size != 0;
        run = byte == last ? run + 1 : 1;
        last = byte;
    }
    fclose(in);
    while (wait(NULL) > 0)
        continue;
    *records = WRITERS * EACH;
    return torn;
}

static void
torn(void)
{
    const size_t sizes[] = {100, PIPE_BUF, PIPE_BUF + 1, 3 * PIPE_BUF + 100};

    tell("Four processes write 200 records each into one pipe, each of one "
         "letter. Where a record is left for another letter it is torn:");
    for (int i = 0; i < 4; i++) {
        char what[64];
        int records, n = count_torn(sizes[i], &records);

        snprintf(what, sizeof what, "records of %zu bytes", sizes[i]);
        result(what, "torn %d times, of %d", n, records);
    }
    tell("PIPE_BUF is %d: up to there the kernel promises that a write is one "
         "piece. It does not say what happens beyond; you have just seen it.",
         PIPE_BUF);
}

/* A FIFO in a directory of its own, open for reading; it is unlinked. */
static int
open_fifo(int *writer)
{
    char dir[] = "/tmp/ipclab-demo-XXXXXX", path[64];
    int reader;

    need("mkdtemp", mkdtemp(dir) == NULL ? -1 : 0);
    snprintf(path, sizeof path, "%s/fifo", dir);
    need("mkfifo", mkfifo(path, 0600));
    reader = need("open", open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    *writer = need("open", open(path, O_WRONLY | O_CLOEXEC));
    unlink(path);
    rmdir(dir);
    return reader;
}

static void
fifo_eof(void)
{
    int writer, reader = open_fifo(&writer), mine;
    const struct pollfd p = {.fd = reader, .events = POLLIN};
    struct pollfd look = p;
    long n = 0;
    char byte;

    mine = need("dup", dup(writer));
    tell("A server with a write end of its own waits in poll() for 100 ms:");
    close(writer);
    result("poll()", "%d", poll(&look, 1, 100));
    tell(
        "Now it closes that end, and nobody has the FIFO open for writing. For "
        "100 ms it reads whenever poll() says so:");
    close(mine);
    for (int64_t end = now_ns() + 100000000; now_ns() < end; n++) {
        look = p;
        if (poll(&look, 1, 100) != 1 || read(reader, &byte, 1) != 0)
            break;
    }
    result("ends of file", "%ld", n);
    tell("An end of file is nothing that one reads once: it is a state. So a "
         "server opens its own FIFO for writing, too (fifo/fifo.c).");
    close(reader);
}

/* lpsched: takes jobs, a line each, and prints what is short enough. */
static void
print_jobs(int jobs, int paper)
{
    char line[PIPE_BUF];
    FILE *in = fdopen(jobs, "r");

    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        if (strlen(line) <= 20)
            dprintf(paper, "%s", line);
}

static void
spooler(void)
{
    static const char *const jobs[] = {"a short letter\n",
                                       "a letter of too many words\n"};
    char printed[200] = "";
    int writer, reader = open_fifo(&writer);
    int paper = need("memfd_create", memfd_create("paper", MFD_CLOEXEC));
    int status;
    pid_t lp;

    fcntl(reader, F_SETFL, 0); /* from here on it waits */
    tell("One FIFO, requests go in, nothing comes back: as lp(1) gave its jobs "
         "to lpsched. Two clients, one job each, and the printer takes no line "
         "of more than 20 bytes:");
    if (start() == 0) {
        close(writer);
        print_jobs(reader, paper);
        _exit(0);
    }
    for (int i = 0; i < 2; i++) {
        char what[64];

        lp = start();
        if (lp == 0)
            _exit(write(writer, jobs[i], strlen(jobs[i])) == -1);
        need("waitpid", waitpid(lp, &status, 0));
        snprintf(what, sizeof what, "lp, %.*s", (int)strlen(jobs[i]) - 1,
                 jobs[i]);
        result(what, "exit %d", WEXITSTATUS(status));
    }
    close(writer); /* the last: lpsched reads an end of file */
    need("wait", wait(NULL));
    need("pread", (int)pread(paper, printed, sizeof printed - 1, 0));
    result("in the printer's tray", "%.*s", (int)strcspn(printed, "\n"),
           printed);
    tell("Both were told 0, for the kernel took both. Whether it was done "
         "whoever asked can only see where it comes out; for an answer there "
         "must be a way back (fifo/oneway.c, fifo/perclient.c).");
    close(reader);
    close(paper);
}

static void
print_times(const char *what, int fd)
{
    struct stat st;
    const time_t now = time(NULL);

    need("fstat", fstat(fd, &st));
    result(what, "atime %ld s, mtime %ld s, ctime %ld s ago",
           (long)(now - st.st_atime), (long)(now - st.st_mtime),
           (long)(now - st.st_ctime));
}

static void
fifo_times(void)
{
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 1000},
                                    {.tv_sec = time(NULL) - 1000}};
    int writer, reader = open_fifo(&writer);

    tell(
        "A server that knows its clients by their FIFO wants a young one, lest "
        "somebody use what another has left. Which time says how old it is?");
    print_times("as made", reader);
    need("futimens", futimens(reader, old));
    print_times("after futimens(), by its owner", reader);
    tell("atime and mtime say what the owner likes; ctime is the kernel's. And "
         "none says when it was made: ctime is the last change.");
    close(reader);
    close(writer);
}

/* -- queues ---------------------------------------------------------------- */

struct letter {
    long type;
    char text[4096];
};

/* Is it asleep?  Waits a moment for it to be. */
static const char *
state(pid_t pid)
{
    char path[64], text[256] = "", *after;
    FILE *f;

    work_ms(200);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f != NULL) {
        if (fgets(text, sizeof text, f) == NULL)
            *text = '\0';
        fclose(f);
    }
    after = strrchr(text, ')');
    return after == NULL ? "?" : after[2] == 'S' ? "asleep" : "not asleep";
}

static void
one_queue_jam(void)
{
    const int id = new_queue();
    struct letter l = {.type = 1};
    struct msqid_ds ds;
    pid_t client, server;

    client = start();
    if (client == 0)
        for (;;)
            msgsnd(id, &l, 1024, 0); /* request after request */
    state(client);
    server = start();
    while (server == 0) {
        l.type = 1;
        if (msgrcv(id, &l, sizeof l.text, 1, 0) == -1)
            _exit(1);
        l.type = 2;
        msgsnd(id, &l, 4096, 0); /* answers are longer */
    }
    tell("One queue: a client sends requests (type 1), a server takes one and "
         "sends the answer (type 2) into the same queue. After a moment:");
    result("the server is", "%s", state(server));
    result("the client is", "%s", state(client));
    need("msgctl", msgctl(id, IPC_STAT, &ds));
    result("messages in the queue", "%lu", (unsigned long)ds.msg_qnum);
    tell("The queue is full of requests. The server waits for room for its "
         "answer; only it could make some, by taking a request. So "
         "msgq/sysv-types keeps room for answers, and others have a queue "
         "each.");
}

/* The id, if it is not by chance the number of an open descriptor. */
static int
beyond(int id)
{
    while (fcntl(id, F_GETFD) != -1)
        id++;
    return id;
}

static void
no_poll(void)
{
    const int id = new_queue();
    struct pollfd p = {.fd = beyond(id), .events = POLLIN};
    struct letter l = {.type = 1};
    int ends[2];
    char text[100];
    pid_t helper;

    tell("A System V queue has an id, not a descriptor. poll() for such a "
         "number:");
    need("poll", poll(&p, 1, 0));
    result("poll()", "%s", p.revents & POLLNVAL ? "POLLNVAL" : "?");
    tell("A helper can do it: a process that waits in msgrcv() and writes what "
         "comes into a pipe.");
    need("pipe", pipe2(ends, O_CLOEXEC));
    helper = start();
    while (helper == 0) {
        const ssize_t n = msgrcv(id, &l, sizeof l.text, 0, 0);

        if (n == -1 || write(ends[1], l.text, (size_t)n) == -1)
            _exit(1);
    }
    strcpy(l.text, "hello");
    need("msgsnd", msgsnd(id, &l, 5, 0));
    p = (struct pollfd){.fd = ends[0], .events = POLLIN};
    result("poll() for the pipe", "%d", need("poll", poll(&p, 1, 5000)));
    result("read()", "%.*s", (int)read(ends[0], text, sizeof text), text);
    tell("The price: a process more, and each message is copied twice more. A "
         "POSIX queue is a descriptor on Linux, and needs none.");
    close(ends[0]);
    close(ends[1]);
}

static void
leak(void)
{
    struct msqid_ds ds;
    int ends[2], id = new_queue();
    char byte;
    pid_t pid;

    need("pipe", pipe2(ends, O_CLOEXEC));
    pid = start();
    if (pid == 0) {
        struct letter l = {.type = 1, .text = "still here"};

        msgsnd(id, &l, 10, 0);
        if (write(ends[1], "x", 1) == -1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        need("read", -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    tell("A process has sent a message into a queue, and written into a pipe; "
         "then it gets kill -9.");
    result("the pipe", "%s",
           read(ends[0], &byte, 1) == 0 ? "an end of file: it is over" : "?");
    need("msgctl", msgctl(id, IPC_STAT, &ds));
    result("the queue", "there, with %lu message", (unsigned long)ds.msg_qnum);
    tell("What has a descriptor ends with its last one. A queue, a segment, a "
         "semaphore, a name in /dev/shm stays until somebody removes it: ipcs, "
         "ipcrm, make sweep.");
    close(ends[0]);
}

/* -- semaphores and mutexes ------------------------------------------------ */

static int
left_by_the_dead(int flags)
{
    const int id = new_set(1);
    struct sembuf up = {.sem_op = 1}, down = {.sem_op = -1};
    pid_t pid;

    down.sem_flg = (short)flags;
    need("semop", semop(id, &up, 1));
    pid = start();
    if (pid == 0) {
        semop(id, &down, 1);
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    return semctl(id, 0, GETVAL);
}

static const char *
lock_of_the_dead(int robust)
{
    const struct timespec past = {0, 0};
    pthread_mutex_t *m =
        mmap(NULL, sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t a;
    pid_t pid;
    int err;

    need("memory", m == MAP_FAILED ? -1 : 0);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, robust);
    pthread_mutex_init(m, &a);
    pid = start();
    if (pid == 0) {
        pthread_mutex_lock(m);
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    err = pthread_mutex_timedlock(m, &past);
    return err == 0            ? "locked"
           : err == EOWNERDEAD ? "locked, with EOWNERDEAD"
           : err == ETIMEDOUT  ? "still held: ETIMEDOUT"
                               : error_name(err);
}

static void
kill_the_holder(void)
{
    tell("A process takes what there is one of, and gets kill -9. Who comes "
         "next finds");
    result("semaphore", "%d left", left_by_the_dead(0));
    result("semaphore, taken with SEM_UNDO", "%d left",
           left_by_the_dead(SEM_UNDO));
    result("mutex in shared memory", "%s",
           lock_of_the_dead(PTHREAD_MUTEX_STALLED));
    result("robust mutex", "%s", lock_of_the_dead(PTHREAD_MUTEX_ROBUST));
    tell("SEM_UNDO gives it back and does not say that what it guarded is half "
         "done. A robust mutex says that, and leaves the repair to you.");
}

/* -- signals --------------------------------------------------------------- */

static int
arrived(int sig, int sent)
{
    const struct timespec none = {0, 0};
    sigset_t set;
    int n = 0;

    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < sent; i++)
        sigqueue(getpid(), sig, (union sigval){.sival_int = i});
    while (sigtimedwait(&set, NULL, &none) == sig)
        n++;
    return n;
}

static void
signals_coalesce(void)
{
    tell("A signal is sent so many times while it is blocked. Unblocked, it "
         "comes");
    for (int sent = 1; sent <= 1000; sent *= 10) {
        char what[64];

        snprintf(what, sizeof what, "sent %d times", sent);
        result(what, "SIGUSR1 %d, SIGRTMIN %d", arrived(SIGUSR1, sent),
               arrived(SIGRTMIN, sent));
    }
    tell(
        "A standard signal is one bit: pending or not. Real-time signals are a "
        "queue, with values, and a limit (ulimit -i).");
}

/* -- who ------------------------------------------------------------------- */

static void
who_are_you(void)
{
    tell("Each of eight servers is asked by uid %u, pid %d, and says who it "
         "believes that is:",
         getuid(), (int)getpid());
    for (const struct way *w = eight_ways; w->mechanism != NULL; w++) {
        struct answer a = {-1, (uid_t)-1};

        fflush(stdout);
        errno = -w->ask(&a);
        if (errno != 0)
            result(w->mechanism, "not here: %s", strerror(errno));
        else if (a.pid == -1)
            printf("  %-8s uid %-6u %-11s %s\n", w->mechanism, a.uid, "",
                   w->how);
        else
            printf("  %-8s uid %-6u pid %-7d %s\n", w->mechanism, a.uid, a.pid,
                   w->how);
    }
    tell("Only where the kernel knows both ends, or sends, is a pid to be had. "
         "Elsewhere it is who made an object, which proves less than it seems: "
         "\"Who is asking?\" in each README.");
}

const struct demo demos_ipc[] = {
    {"torn", "four write into one pipe: are their records mixed?", torn},
    {"fifo-eof", "the last writer has gone: how many ends of file?", fifo_eof},
    {"spooler", "lp has ended with 0: has its job been printed?", spooler},
    {"fifo-times", "which of a file's three times can be trusted?", fifo_times},
    {"one-queue-jam", "one queue for both directions: does it work?",
     one_queue_jam},
    {"no-poll", "can poll() wait for a System V queue?", no_poll},
    {"leak", "kill -9: what is left of a pipe, and of a queue?", leak},
    {"kill-the-holder", "who holds a lock is killed: who gets it?",
     kill_the_holder},
    {"signals-coalesce", "a signal is sent 1000 times: how often does it come?",
     signals_coalesce},
    {"who-are-you", "eight servers: which of them knows your pid?",
     who_are_you},
    {.name = NULL}};

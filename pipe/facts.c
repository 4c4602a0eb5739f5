/*
 * facts.c - what is said about pipes, tried (test/fact.h).
 */
#define _GNU_SOURCE /* pipe2, F_GETPIPE_SZ, O_DIRECT, tee */
#include "test/fact.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Both ends of a pipe; neither waits if told so. */
static void
make_pipe(int ends[2], int flags)
{
    must(pipe2(ends, O_CLOEXEC | flags));
}

static void
close_both(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* Fills it, but for so many bytes. */
static void
fill_but(int fd, int room)
{
    static const char bytes[PIPE_BUF];

    for (int left = fcntl(fd, F_GETPIPE_SZ) - room; left > 0;) {
        const size_t n = left < PIPE_BUF ? (size_t)left : PIPE_BUF;

        must(write(fd, bytes, n));
        left -= (int)n;
    }
}

static int
bytes_in(int fd)
{
    int n;

    must(ioctl(fd, FIONREAD, &n));
    return n;
}

FACT(P01, "A pipe has room for 16 pages; then a write that may not wait fails.",
     "16 pages of single bytes, then EAGAIN")
{
    const long page = sysconf(_SC_PAGESIZE);
    int ends[2];
    long n = 0;

    make_pipe(ends, O_NONBLOCK);
    while (write(ends[1], "", 1) == 1)
        n++;
    saw("%ld pages of single bytes, then %s", n / page, outcome(-1));
    note("%ld bytes", n);
    close_both(ends);
}

FACT(P02,
     "F_SETPIPE_SZ rounds up to pages, and a limit holds for all but root.",
     "one byte more than a page: 2 pages; more than the limit: EPERM")
{
    const long page = sysconf(_SC_PAGESIZE);
    const long most = setting("/proc/sys/fs/pipe-max-size");
    int ends[2], size;
    pid_t pid;

    make_pipe(ends, 0);
    size = must(fcntl(ends[1], F_SETPIPE_SZ, page + 1));
    saw("one byte more than a page: %ld pages; ", size / page);
    pid = fork_child();
    if (pid == 0) {
        be_nobody_special();
        _exit(fcntl(ends[1], F_SETPIPE_SZ, most + 1) == -1 ? errno : 0);
    }
    errno = atoi(end_of(pid) + strlen("exit "));
    saw("more than the limit: %s", outcome(-1));
    note("the limit is %ld", most);
    close_both(ends);
}

/* Four writers, whose records are their own letter only; how often does another
 * letter stand where a record should go on? */
static int
torn_records(size_t size)
{
    enum { WRITERS = 4, RECORDS = 100 };
    char record[3 * PIPE_BUF + 100], byte, last = 0;
    size_t run = 0;
    int ends[2], torn = 0;
    FILE *in;

    make_pipe(ends, 0);
    for (int w = 0; w < WRITERS; w++)
        if (fork_child() == 0) {
            memset(record, 'a' + w, size);
            for (int i = 0; i < RECORDS; i++)
                must(write(ends[1], record, size));
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
    children_end();
    return torn;
}

FACT(P03,
     "Records of up to PIPE_BUF bytes stay whole, however many write at once; "
     "longer ones get mixed.",
     "of PIPE_BUF bytes: none torn; of three times that: some torn")
{
    const int small = torn_records(PIPE_BUF);
    int large = 0;

    for (int i = 0; i < 1000 && large == 0; i++)
        large = torn_records(3 * PIPE_BUF + 100);
    saw("of PIPE_BUF bytes: %s torn; ", small == 0 ? "none" : "some");
    saw("of three times that: %s torn", large == 0 ? "none" : "some");
    note("%d and %d of 400", small, large);
}

FACT(P04,
     "A write that may not wait is all or nothing up to PIPE_BUF bytes; a "
     "longer one writes what there is room for.",
     "200 bytes into room for 100: EAGAIN; 5 x PIPE_BUF into room for 2: 2")
{
    static const char bytes[5 * PIPE_BUF];
    int ends[2];

    make_pipe(ends, O_NONBLOCK);
    fill_but(ends[1], 100);
    saw("200 bytes into room for 100: %s; ",
        outcome(write(ends[1], bytes, 200)));
    close_both(ends);
    make_pipe(ends, O_NONBLOCK);
    fill_but(ends[1], 2 * PIPE_BUF);
    saw("5 x PIPE_BUF into room for 2: %s",
        number(write(ends[1], bytes, sizeof bytes) / PIPE_BUF));
    close_both(ends);
}

FACT(P05,
     "There is no end of file while anybody has a write end, the reader "
     "itself included.",
     "with a write end of its own: asleep; without: end of file")
{
    int ends[2];
    pid_t pid;

    make_pipe(ends, 0);
    pid = fork_child();
    if (pid == 0) {
        char byte;

        must(read(ends[0], &byte, 1)); /* ends[1] is still open, here */
        _exit(0);
    }
    close(ends[1]);
    until_asleep(pid);
    saw("with a write end of its own: %s; ", left_asleep(pid));
    saw("without: %s", got(ends[0], 1));
    close(ends[0]);
}

FACT(P06,
     "A write that nobody can read any more kills its writer; who ignores the "
     "signal gets an error.",
     "SIGPIPE; ignored: EPIPE")
{
    int ends[2];
    pid_t pid;

    make_pipe(ends, 0);
    close(ends[0]);
    pid = fork_child();
    if (pid == 0)
        _exit(write(ends[1], "x", 1) == 1);
    saw("%s; ", end_of(pid));
    signal(SIGPIPE, SIG_IGN);
    saw("ignored: %s", outcome(write(ends[1], "x", 1)));
    close(ends[1]);
}

FACT(P07,
     "A pipe joins what was written apart. A packet pipe (O_DIRECT) does not.",
     "abc and de: 'abcde'; as packets: 'abc', 'de'")
{
    int ends[2];

    make_pipe(ends, 0);
    put_text(ends[1], "abc");
    put_text(ends[1], "de");
    saw("abc and de: %s; ", got(ends[0], 100));
    close_both(ends);
    make_pipe(ends, O_DIRECT);
    put_text(ends[1], "abc");
    put_text(ends[1], "de");
    saw("as packets: %s, ", got(ends[0], 100));
    saw("%s", got(ends[0], 100));
    close_both(ends);
}

/* First writes more than a pipe holds, and would read afterwards. */
static pid_t
writes_first(int in, int out, size_t size)
{
    const pid_t pid = fork_child();

    if (pid == 0) {
        char *bytes = calloc(1, size);

        must(write(out, bytes, size));
        must(read(in, bytes, size));
        _exit(0);
    }
    return pid;
}

FACT(P08,
     "Two who both write first and read afterwards wait for each other, once "
     "both pipes are full.",
     "one: asleep; the other: asleep")
{
    int there[2], back[2];
    pid_t one, other;
    size_t size;

    make_pipe(there, 0);
    make_pipe(back, 0);
    size = 2 * (size_t)fcntl(there[1], F_GETPIPE_SZ);
    one = writes_first(back[0], there[1], size);
    other = writes_first(there[0], back[1], size);
    until_asleep(one);
    until_asleep(other);
    saw("one: %s; ", sleeps_now(one) ? "asleep" : "awake");
    saw("the other: %s", left_asleep(other));
    left_asleep(one);
    close_both(there);
    close_both(back);
}

static const char *
polled(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    must(poll(&p, 1, 0));
    return p.revents == 0                     ? "nothing"
           : p.revents == POLLHUP             ? "POLLHUP"
           : p.revents == (POLLHUP | POLLIN)  ? "POLLIN and POLLHUP"
           : p.revents == POLLERR             ? "POLLERR"
           : p.revents == (POLLOUT | POLLERR) ? "POLLOUT and POLLERR"
                                              : "something else";
}

FACT(P09,
     "poll() tells a reader that the writers have gone, and a writer that the "
     "readers have.",
     "reader: nothing, then POLLHUP; writer: POLLOUT and POLLERR")
{
    int ends[2];

    make_pipe(ends, 0);
    saw("reader: %s, ", polled(ends[0], POLLIN));
    close(ends[1]);
    saw("then %s; ", polled(ends[0], POLLIN));
    close(ends[0]);
    make_pipe(ends, 0);
    close(ends[0]);
    saw("writer: %s", polled(ends[1], POLLOUT));
    close(ends[1]);
}

/* Can a program write to this descriptor, after exec()? */
static const char *
after_exec(int fd)
{
    char command[64];
    const pid_t pid = fork_child();

    if (pid == 0) {
        snprintf(command, sizeof command, "{ echo x >&%d; } 2>&-", fd);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return strcmp(end_of(pid), "exit 0") == 0 ? "there" : "gone";
}

FACT(P10, "exec() keeps descriptors, but those that are O_CLOEXEC.",
     "plain: there; O_CLOEXEC: gone")
{
    int ends[2];

    make_pipe(ends, 0);
    must(fcntl(ends[1], F_SETFD, 0));
    must(dup2(ends[1], 8)); /* one digit: a shell may know no others */
    saw("plain: %s; ", after_exec(8));
    must(fcntl(8, F_SETFD, FD_CLOEXEC));
    saw("O_CLOEXEC: %s", after_exec(8));
    close(8);
    close_both(ends);
}

FACT(P11, "What stdio holds back at a fork() is written by both processes.",
     "one printf: 'once once '")
{
    int ends[2];
    pid_t pid;
    FILE *out;

    make_pipe(ends, 0);
    out = fdopen(ends[1], "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out, "once ");
    pid = fork_child();
    if (pid == 0)
        _exit(fflush(out));
    end_of(pid);
    fclose(out);
    saw("one printf: %s", got(ends[0], 100));
    close(ends[0]);
}

/* A filter as there are many: stdio in, stdio out. */
static pid_t
start_filter(const int in[2], const int out[2])
{
    const pid_t pid = fork_child();
    char line[100];

    if (pid == 0) {
        FILE *from = fdopen(in[0], "r"), *to = fdopen(out[1], "w");

        if (from == NULL || to == NULL)
            _exit(1);
        close(in[1]);
        while (fgets(line, sizeof line, from) != NULL)
            fputs(line, to);
        _exit(fclose(to));
    }
    return pid;
}

FACT(P12,
     "A filter that uses stdio answers into its own buffer: through a pipe "
     "nothing comes before its end.",
     "it has read the question and waits for more: 0 bytes; after its end: 9")
{
    int in[2], out[2];
    pid_t pid;

    make_pipe(in, 0);
    make_pipe(out, 0);
    pid = start_filter(in, out);
    put_text(in[1], "question\n");
    while (bytes_in(in[0]) > 0)
        continue;
    until_asleep(pid);
    saw("it has read the question and waits for more: %d bytes; ",
        bytes_in(out[0]));
    close(in[1]);
    end_of(pid);
    saw("after its end: %d", bytes_in(out[0]));
    close(in[0]);
    close_both(out);
}

FACT(P13, "A pipe goes one way.",
     "write to the read end: EBADF; read from the write end: EBADF")
{
    int ends[2];

    make_pipe(ends, 0);
    saw("write to the read end: %s; ", outcome(write(ends[0], "x", 1)));
    saw("read from the write end: %s", got(ends[1], 1));
    close_both(ends);
}

FACT(P14, "How much is in it can be asked; moving about in it cannot be.",
     "FIONREAD: 5; lseek: ESPIPE")
{
    int ends[2];

    make_pipe(ends, 0);
    put_text(ends[1], "abcde");
    saw("FIONREAD: %d; ", bytes_in(ends[0]));
    saw("lseek: %s", outcome((long)lseek(ends[0], 0, SEEK_SET)));
    close_both(ends);
}

FACT(P15, "tee() copies from pipe to pipe and takes nothing away.",
     "copied 5; in the first: 'abcde'; in the second: 'abcde'")
{
    int from[2], to[2];

    make_pipe(from, 0);
    make_pipe(to, 0);
    put_text(from[1], "abcde");
    saw("copied %s; ", number(tee(from[0], to[1], 100, 0)));
    saw("in the first: %s; ", got(from[0], 100));
    saw("in the second: %s", got(to[0], 100));
    close_both(from);
    close_both(to);
}

FACT(P16, "A packet that is longer than the reader's buffer loses its tail.",
     "packets abc and de, read 2 at a time: 'ab', 'de'")
{
    int ends[2];

    make_pipe(ends, O_DIRECT);
    put_text(ends[1], "abc");
    put_text(ends[1], "de");
    saw("packets abc and de, read 2 at a time: %s, ", got(ends[0], 2));
    saw("%s", got(ends[0], 2));
    close_both(ends);
}

FACT(P17,
     "O_NONBLOCK belongs to the open file description: whoever inherited the "
     "end finds it changed.",
     "set by the child; the parent's read: EAGAIN")
{
    int ends[2];
    pid_t pid;

    make_pipe(ends, 0);
    pid = fork_child();
    if (pid == 0)
        _exit(must(fcntl(ends[0], F_SETFL, O_NONBLOCK)));
    end_of(pid);
    saw("set by the child; the parent's read: %s", got(ends[0], 1));
    close_both(ends);
}

FACT(P18, "A write longer than PIPE_BUF becomes several packets.",
     "one byte more: read PIPE_BUF, then 1")
{
    static char bytes[2 * PIPE_BUF];
    int ends[2];
    ssize_t n;

    make_pipe(ends, O_DIRECT);
    must(write(ends[1], bytes, PIPE_BUF + 1));
    n = read(ends[0], bytes, sizeof bytes);
    saw("one byte more: read %s, ", n == PIPE_BUF ? "PIPE_BUF" : number(n));
    saw("then %s", number(read(ends[0], bytes, sizeof bytes)));
    close_both(ends);
}

const struct fact *const pipe_facts[] = {
    &P01, &P02, &P03, &P04, &P05, &P06, &P07, &P08, &P09, &P10,
    &P11, &P12, &P13, &P14, &P15, &P16, &P17, &P18, NULL};

/*
 * facts.c - what is said about FIFOs, tried (test/fact.h).
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ, utimensat */
#include "test/fact.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *
make_fifo(void)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/fifo", run_dir);
    must(mkfifo(path, 0600));
    return path;
}

FACT(F01, "open() for reading waits until somebody opens for writing.",
     "alone: asleep; then a writer opens: exit 0")
{
    const char *path = make_fifo();
    const pid_t pid = fork_child();
    int writer;

    if (pid == 0) {
        must(open(path, O_RDONLY));
        _exit(0);
    }
    saw("alone: %s; ", until_asleep(pid));
    writer = must(open(path, O_WRONLY | O_CLOEXEC));
    saw("then a writer opens: %s", end_of(pid));
    close(writer);
    unlink(path);
}

FACT(F02,
     "If it may not wait, open() for writing without a reader fails; for "
     "reading it succeeds, and there is nothing to read.",
     "for writing: ENXIO; for reading: ok, end of file")
{
    const char *path = make_fifo();
    int reader;

    saw("for writing: %s; ", outcome(open(path, O_WRONLY | O_NONBLOCK)));
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    saw("for reading: %s, %s", outcome(reader), got(reader, 1));
    close(reader);
    unlink(path);
}

FACT(F03, "open() for both never waits (Linux; POSIX leaves it open).",
     "O_RDWR: ok")
{
    const char *path = make_fifo();
    const int both = open(path, O_RDWR | O_CLOEXEC);

    saw("O_RDWR: %s", outcome(both));
    close(both);
    unlink(path);
}

FACT(F04,
     "After the last writer has gone every read() is an end of file, at once, "
     "for ever: a busy loop. A write end of one's own makes it wait.",
     "1000 reads: 1000 ends of file; with a write end of its own: asleep")
{
    const char *path = make_fifo();
    int reader = must(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)), ends = 0;
    char byte;
    pid_t pid;

    close(must(open(path, O_WRONLY)));
    must(fcntl(reader, F_SETFL, 0)); /* from now on it may wait, and does not */
    for (int i = 0; i < 1000; i++)
        ends += read(reader, &byte, 1) == 0;
    saw("1000 reads: %d ends of file; ", ends);
    pid = fork_child();
    if (pid == 0) {
        must(open(path, O_WRONLY));
        _exit(read(reader, &byte, 1) == 1);
    }
    until_asleep(pid);
    saw("with a write end of its own: %s", left_asleep(pid));
    close(reader);
    unlink(path);
}

FACT(F05, "The name stays, what was in it does not: it never is on the disk.",
     "size 0 with 4 bytes in it; all closed and opened again: EAGAIN")
{
    const char *path = make_fifo();
    int both = must(open(path, O_RDWR | O_CLOEXEC));
    struct stat st;

    put_text(both, "lost");
    must(stat(path, &st));
    saw("size %ld with 4 bytes in it; ", (long)st.st_size);
    close(both);
    both = must(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    saw("all closed and opened again: %s", got(both, 4));
    close(both);
    unlink(path);
}

FACT(F06,
     "mkfifo() does not take what is there; without its name a FIFO works on "
     "for those who have it open.",
     "again: EEXIST; unlinked: 'still here'")
{
    const char *path = make_fifo();
    const int both = must(open(path, O_RDWR | O_CLOEXEC));

    saw("again: %s; ", outcome(mkfifo(path, 0600)));
    must(unlink(path));
    put_text(both, "still here");
    saw("unlinked: %s", got(both, 100));
    close(both);
}

FACT_IF(need_root, F07,
        "stat() says who made a FIFO, and which mode it has: so a server knows "
        "whose it is (root: two users).",
        "made by Alice: hers, mode 600")
{
    char path[PATH_MAX];
    struct stat st;
    pid_t pid;

    snprintf(path, sizeof path, "%s/fifo", run_dir);
    must(chmod(run_dir, 0777));
    pid = fork_child();
    if (pid == 0) {
        be_nobody_special();
        _exit(mkfifo(path, 0600) == -1);
    }
    end_of(pid);
    must(stat(path, &st));
    saw("made by Alice: %s, mode %o", st.st_uid == ALICE ? "hers" : "not hers",
        st.st_mode & 07777);
    note("uid %u", st.st_uid);
    unlink(path);
}

FACT(F08, "The umask takes permissions away from what mkfifo() is asked for.",
     "0666 under umask 027: 640")
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s/fifo", run_dir);
    umask(027);
    must(mkfifo(path, 0666));
    must(stat(path, &st));
    saw("0666 under umask 027: %o", st.st_mode & 0777);
    unlink(path);
}

static const char *
polled(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    must(poll(&p, 1, 0));
    return p.revents == 0 ? "nothing" : p.revents == POLLHUP ? "POLLHUP" : "?";
}

FACT(F09,
     "To poll() a FIFO that nobody has written to yet is not one that all "
     "writers have left.",
     "before the first writer: nothing; after the last: POLLHUP")
{
    const char *path = make_fifo();
    const int reader = must(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));

    saw("before the first writer: %s; ", polled(reader));
    close(must(open(path, O_WRONLY)));
    saw("after the last: %s", polled(reader));
    close(reader);
    unlink(path);
}

FACT(F10, "Two readers share one FIFO: what one takes the other never sees.",
     "'a' for one, 'b' for the other, then EAGAIN")
{
    const char *path = make_fifo();
    const int one = must(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    const int other = must(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));

    put_text(one, "ab");
    saw("%s for one, ", got(one, 1));
    saw("%s for the other, ", got(other, 1));
    saw("then %s", got(one, 1));
    close(one);
    close(other);
    unlink(path);
}

FACT(F11,
     "Of the three times of a FIFO, two say what its owner likes; only ctime "
     "cannot be set.",
     "set to 1970: atime 1970, mtime 1970, ctime not")
{
    const char *path = make_fifo();
    const struct timespec times[2] = {{0, 0}, {0, 0}};
    struct stat st;

    must(utimensat(AT_FDCWD, path, times, 0));
    must(stat(path, &st));
    saw("set to 1970: atime %s, mtime %s, ctime %s",
        st.st_atime == 0 ? "1970" : "not", st.st_mtime == 0 ? "1970" : "not",
        st.st_ctime == 0 ? "1970" : "not");
    unlink(path);
}

FACT(F12,
     "Whoever may write to a FIFO may make it larger: no reader knows how much "
     "can be in it.",
     "by its writer: twice as large for its reader")
{
    const char *path = make_fifo();
    const int reader = must(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const int writer = must(open(path, O_WRONLY | O_CLOEXEC));
    const int before = must(fcntl(reader, F_SETPIPE_SZ, 4 * PIPE_BUF));

    must(fcntl(writer, F_SETPIPE_SZ, 2 * before));
    saw("by its writer: %s for its reader",
        fcntl(reader, F_GETPIPE_SZ) == 2 * before ? "twice as large" : "same");
    close(reader);
    close(writer);
    unlink(path);
}

FACT(F13,
     "A client that dies before its answer is found out by the server: at "
     "open() if that may not wait, else at write().",
     "open: ENXIO; dead after the open: EPIPE")
{
    const char *path = make_fifo();
    int reader, writer;

    saw("open: %s; ", outcome(open(path, O_WRONLY | O_NONBLOCK)));
    reader = must(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    writer = must(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    close(reader);
    saw("dead after the open: %s", outcome(write(writer, "x", 1)));
    close(writer);
    unlink(path);
}

const struct fact *const fifo_facts[] = {&F01, &F02, &F03, &F04, &F05,
                                         &F06, &F07, &F08, &F09, &F10,
                                         &F11, &F12, &F13, NULL};

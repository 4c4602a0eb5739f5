/*
 * facts.c - what is said about mapped files, tried (test/fact.h).
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise */
#include "test/fact.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t
page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* A file with no name any more. */
static int
make_file(const char *text)
{
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s/file", run_dir);
    fd = must(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    unlink(path);
    put_text(fd, text);
    return fd;
}

static char *
map(int fd, size_t size, int flags)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

    ck_assert_msg(at != MAP_FAILED, "mmap: %s", outcome(-1));
    return at;
}

/* A copy of the file's beginning, read. */
static const char *
text_of(int fd)
{
    static char text[100];
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);

    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* What becomes of a process that touches a byte there? */
static const char *
touched(volatile char *at)
{
    const pid_t pid = fork_child();

    if (pid == 0) {
        *at = 'x';
        _exit(0);
    }
    return end_of(pid);
}

FACT(A01,
     "A store into a shared mapping is there for read() at once, and write() "
     "for the mapping: msync() is about the disk.",
     "read: Hello; after write: HELLO")
{
    const int fd = make_file("hello");
    char *at = map(fd, page(), MAP_SHARED);

    at[0] = 'H';
    saw("read: %s; ", text_of(fd));
    must(pwrite(fd, "HELLO", 5, 0));
    saw("after write: %.5s", at);
    munmap(at, page());
    close(fd);
}

FACT(A02, "A store into a private mapping never gets into the file.",
     "mapped: Hello; in the file: hello")
{
    const int fd = make_file("hello");
    char *at = map(fd, page(), MAP_PRIVATE);

    at[0] = 'H';
    saw("mapped: %.5s; in the file: %s", at, text_of(fd));
    munmap(at, page());
    close(fd);
}

FACT(A03,
     "After fork() anonymous memory is common to both only if it was mapped "
     "shared.",
     "stored by the child: shared x, private -")
{
    char *both = map(-1, page(), MAP_SHARED | MAP_ANONYMOUS);
    char *own = map(-1, page(), MAP_PRIVATE | MAP_ANONYMOUS);
    pid_t pid;

    *both = *own = '-';
    pid = fork_child();
    if (pid == 0) {
        *both = *own = 'x';
        _exit(0);
    }
    end_of(pid);
    saw("stored by the child: shared %c, private %c", *both, *own);
    munmap(both, page());
    munmap(own, page());
}

FACT(A04,
     "Behind the file's end the rest of its page can be written to, and is "
     "lost; the next page is a signal, and behind the mapping another.",
     "the page's rest: exit 0, size 5; the next page: SIGBUS; no mapping: "
     "SIGSEGV")
{
    const int fd = make_file("hello");
    char *at = map(fd, 3 * page(), MAP_SHARED);
    struct stat st;

    munmap(at + 2 * page(), page()); /* so nobody else is there */
    saw("the page's rest: %s, ", touched(at + 5));
    must(fstat(fd, &st));
    saw("size %ld; ", (long)st.st_size);
    saw("the next page: %s; ", touched(at + page()));
    saw("no mapping: %s", touched(at + 2 * page()));
    munmap(at, 2 * page());
    close(fd);
}

FACT(A05, "A mapping needs neither descriptor nor name any more.",
     "closed and unlinked: hello")
{
    const int fd = make_file("hello");
    char *at = map(fd, page(), MAP_SHARED);

    close(fd);
    saw("closed and unlinked: %.5s", at);
    munmap(at, page());
}

FACT(A06, "A file open for reading can be mapped for writing, if privately.",
     "shared: EACCES; private: ok")
{
    char path[300];
    void *at;
    int fd;

    snprintf(path, sizeof path, "%s/file", run_dir);
    close(must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
    fd = must(open(path, O_RDONLY | O_CLOEXEC));
    unlink(path);
    at = mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    saw("shared: %s; ", at == MAP_FAILED ? outcome(-1) : "ok");
    at = mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    saw("private: %s", at == MAP_FAILED ? outcome(-1) : "ok");
    munmap(at, page());
    close(fd);
}

static long
faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

FACT(A07,
     "fork() copies no memory: each page is copied when one of the two first "
     "writes to it, at the price of a fault.",
     "1000 pages written: 1000 faults or more; again: fewer than 1000")
{
    enum { PAGES = 1000 };
    const size_t size = PAGES * page();
    char *at = map(-1, size, MAP_PRIVATE | MAP_ANONYMOUS);
    long *n = shared(3 * sizeof *n);
    pid_t pid;

    (void)madvise(at, size, MADV_NOHUGEPAGE);
    memset(at, 1, size);
    pid = fork_child();
    if (pid == 0) {
        for (int round = 0; round < 2; round++) {
            const long before = faults();

            for (size_t i = 0; i < PAGES; i++)
                ((volatile char *)at)[i * page()] = 2;
            n[round] = faults() - before;
        }
        _exit(0);
    }
    end_of(pid);
    saw("1000 pages written: %s faults or more; again: %s than 1000",
        n[0] >= PAGES ? "1000" : "0", n[1] < PAGES ? "fewer" : "not fewer");
    note("%ld, then %ld", n[0], n[1]);
    munmap(n, 3 * sizeof *n);
    munmap(at, size);
}

FACT(A08,
     "What was opened for reading and mapped shared cannot be made writable "
     "later either.",
     "mprotect: EACCES")
{
    char path[300];
    void *at;
    int fd;

    snprintf(path, sizeof path, "%s/file", run_dir);
    close(must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
    fd = must(open(path, O_RDONLY | O_CLOEXEC));
    unlink(path);
    at = mmap(NULL, page(), PROT_READ, MAP_SHARED, fd, 0);
    saw("mprotect: %s", outcome(mprotect(at, page(), PROT_READ | PROT_WRITE)));
    munmap(at, page());
    close(fd);
}

FACT(A09, "Memory without permissions is there, and a touch is a signal.",
     "PROT_NONE: SIGSEGV; permitted again: hello")
{
    const int fd = make_file("hello");
    char *at = map(fd, page(), MAP_SHARED);

    must(mprotect(at, page(), PROT_NONE));
    saw("PROT_NONE: %s; ", touched(at));
    must(mprotect(at, page(), PROT_READ));
    saw("permitted again: %.5s", at);
    munmap(at, page());
    close(fd);
}

FACT(A10, "An empty file cannot be mapped into anything that can be touched.",
     "mapped: ok; touched: SIGBUS; of no length: EINVAL")
{
    const int fd = make_file("");
    char *at = map(fd, page(), MAP_SHARED);
    void *none = mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0);

    saw("mapped: ok; touched: %s; ", touched(at));
    saw("of no length: %s", none == MAP_FAILED ? outcome(-1) : "ok");
    munmap(at, page());
    close(fd);
}

const struct fact *const mmap_facts[] = {&A01, &A02, &A03, &A04, &A05, &A06,
                                         &A07, &A08, &A09, &A10, NULL};

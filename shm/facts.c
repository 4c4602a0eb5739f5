/*
 * facts.c - what is said about shared memory, tried (test/fact.h).
 */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "test/fact.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SHM_DEST
#define SHM_DEST 01000 /* <linux/shm.h>: goes with its last user */
#endif

static size_t
page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int
make_segment(void)
{
    return must(shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600));
}

static char *
attach(int id, int flags)
{
    char *at = shmat(id, NULL, flags);

    ck_assert_msg(at != (void *)-1, "shmat: %s", outcome(-1));
    return at;
}

static unsigned long
attached(int id)
{
    struct shmid_ds ds;

    must(shmctl(id, IPC_STAT, &ds));
    return ds.shm_nattch;
}

static void
remove_segment(int id)
{
    must(shmctl(id, IPC_RMID, NULL));
}

FACT(S01, "A System V segment and what is in it outlive all processes.",
     "0 attached, and it says hello")
{
    const int id = make_segment();
    const pid_t pid = fork_child();
    char *at;

    if (pid == 0) {
        strcpy(attach(id, 0), "hello");
        _exit(0);
    }
    end_of(pid);
    saw("%lu attached, ", attached(id));
    at = attach(id, 0);
    saw("and it says %s", at);
    shmdt(at);
    remove_segment(id);
}

FACT(S02,
     "A removed segment works on for those who have it, can even be attached "
     "by its id, and goes with the last of them.",
     "marked; usable; attached again: 2; after the last: EINVAL")
{
    const int id = make_segment();
    char *at = attach(id, 0), *again;
    struct shmid_ds ds;

    remove_segment(id);
    must(shmctl(id, IPC_STAT, &ds));
    saw("%s; ", ds.shm_perm.mode & SHM_DEST ? "marked" : "not marked");
    strcpy(at, "usable");
    again = attach(id, 0);
    saw("%s; attached again: %lu; ", again, attached(id));
    shmdt(again);
    shmdt(at);
    saw("after the last: %s", outcome(shmctl(id, IPC_STAT, &ds)));
}

FACT(S03, "fork() inherits attached segments, exec() lets go of them.",
     "after fork: 2; after exec: 1")
{
    const int id = make_segment();
    char *at = attach(id, 0), byte;
    int done[2], hold[2];
    pid_t pid;

    must(pipe2(done, O_CLOEXEC));
    must(pipe2(hold, O_CLOEXEC));
    pid = fork_child();
    if (pid == 0) {
        must(dup2(hold[0], 0));
        must(write(done[1], "x", 1));
        must(read(hold[0], &byte, 1)); /* until the parent has counted */
        execl("/bin/sh", "sh", "-c", "read x", (char *)NULL);
        _exit(127);
    }
    must(read(done[0], &byte, 1));
    close(done[1]);
    saw("after fork: %lu; ", attached(id));
    must(write(hold[1], "x", 1));
    must(read(done[0], &byte, 1)); /* end of file: the exec has closed it */
    saw("after exec: %lu", attached(id));
    close(hold[1]);
    end_of(pid);
    close(done[0]);
    close(hold[0]);
    shmdt(at);
    remove_segment(id);
}

enum { TIMES = 2000 };

struct counters {
    atomic_int ready;
    volatile int plain;
    atomic_int atomic;
    int guarded;
    sem_t mutex;
};

/* All begin at once; between loading and storing somebody else may run. */
static void
count(struct counters *c, int others)
{
    atomic_fetch_add(&c->ready, 1);
    while (atomic_load(&c->ready) < others)
        sched_yield();
    for (int i = 0; i < TIMES; i++) {
        const int loaded = c->plain;

        if (i % 8 == 0)
            sched_yield();
        c->plain = loaded + 1;
        atomic_fetch_add(&c->atomic, 1);
        sem_wait(&c->mutex);
        c->guarded++;
        sem_post(&c->mutex);
    }
}

FACT(S04,
     "Adding to a shared number is loading and storing, and what others stored "
     "in between is lost; not with an atomic or a semaphore.",
     "plain: some lost; atomic: none lost; with a semaphore: none lost")
{
    struct counters *c = shared(sizeof *c);
    int all = 0;
    pid_t pid;

    must(sem_init(&c->mutex, 1, 1));
    /* On a busy machine one may be through before the other has begun. */
    do {
        atomic_store(&c->ready, 0);
        pid = fork_child();
        count(c, 2);
        if (pid == 0)
            _exit(0);
        end_of(pid);
        all += 2 * TIMES;
    } while (c->plain == all && all < 1000 * TIMES);
    saw("plain: %s lost; ", c->plain < all ? "some" : "none");
    saw("atomic: %s lost; ", c->atomic < all ? "some" : "none");
    saw("with a semaphore: %s lost", c->guarded < all ? "some" : "none");
    note("%d of %d lost", all - c->plain, all);
    munmap(c, sizeof *c);
}

FACT(S05,
     "The same memory is at different addresses: store offsets in it, not "
     "pointers.",
     "two addresses, one byte: x")
{
    const int id = make_segment();
    char *one = attach(id, 0), *two = attach(id, 0);

    one[7] = 'x';
    saw("%s, one byte: %c", one == two ? "one address" : "two addresses",
        two[7]);
    shmdt(one);
    shmdt(two);
    remove_segment(id);
}

static char *
map(int fd, size_t size, int protection)
{
    char *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    ck_assert_msg(at != MAP_FAILED, "mmap: %s", outcome(-1));
    return at;
}

/* What becomes of a process that stores a byte there? */
static const char *
stored(volatile char *at)
{
    const pid_t pid = fork_child();

    if (pid == 0) {
        *at = 'x';
        _exit(0);
    }
    return end_of(pid);
}

FACT_IF(need_dev_shm, S06,
        "A new object has no bytes: a touch is a signal. It gets its size by "
        "ftruncate(), and zeros; the rest of its last page is there, too.",
        "new: 0 bytes, SIGBUS; of 10 bytes: zero, byte 11 exit 0")
{
    char name[64];
    struct stat st;
    char *at;
    int fd;

    snprintf(name, sizeof name, "/ipclab-fact-%d", (int)getpid());
    fd = must(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    shm_unlink(name);
    must(fstat(fd, &st));
    at = map(fd, page(), PROT_READ | PROT_WRITE);
    saw("new: %ld bytes, %s; ", (long)st.st_size, stored(at));
    must(ftruncate(fd, 10));
    saw("of 10 bytes: %s, byte 11 %s", at[0] == 0 ? "zero" : "not zero",
        stored(at + 10));
    munmap(at, page());
    close(fd);
}

FACT(S07, "What is attached for reading only cannot be written to.", "SIGSEGV")
{
    const int id = make_segment();
    char *at = attach(id, SHM_RDONLY);

    saw("%s", stored(at));
    shmdt(at);
    remove_segment(id);
}

FACT(S08,
     "Seals close a memfd to changes for good; not while somebody has it "
     "mapped for writing.",
     "seal while mapped: EBUSY; afterwards: ok; then shrink: EPERM, write: "
     "EPERM")
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const int fd = must(memfd_create("fact", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    char *at;

    must(ftruncate(fd, (off_t)page()));
    at = map(fd, page(), PROT_READ | PROT_WRITE);
    saw("seal while mapped: %s; ", outcome(fcntl(fd, F_ADD_SEALS, seals)));
    munmap(at, page());
    saw("afterwards: %s; ", outcome(fcntl(fd, F_ADD_SEALS, seals)));
    saw("then shrink: %s, ", outcome(ftruncate(fd, 0)));
    saw("write: %s", outcome(write(fd, "x", 1)));
    close(fd);
}

FACT(S09,
     "Whoever may write to an object may shrink it: then the others' next "
     "touch kills them.",
     "before: exit 0; shrunk: SIGBUS")
{
    const int fd = must(memfd_create("fact", MFD_CLOEXEC));
    char *at;

    must(ftruncate(fd, (off_t)page()));
    at = map(fd, page(), PROT_READ | PROT_WRITE);
    saw("before: %s; ", stored(at));
    must(ftruncate(fd, 0));
    saw("shrunk: %s", stored(at));
    munmap(at, page());
    close(fd);
}

FACT(S10, "shmget() of what is there: not larger than it is, smaller is fine.",
     "larger: EINVAL; smaller: the same")
{
    const key_t key = 0x1bc0 + getpid();
    const int id = must(shmget(key, page(), IPC_CREAT | IPC_EXCL | 0600));

    saw("larger: %s; ", outcome(shmget(key, 2 * page(), 0600)));
    saw("smaller: %s", shmget(key, 1, 0600) == id ? "the same" : "another");
    remove_segment(id);
}

FACT_IF(need_dev_shm, S11,
        "POSIX shared memory is a file in /dev/shm; unlinked, it lives on, and "
        "the name is another object's.",
        "a file; unlinked and made again: another object")
{
    char name[64], path[128];
    struct stat one, two;
    int old, new;

    snprintf(name, sizeof name, "/ipclab-fact-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm%s", name);
    old = must(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    saw("%s; ", stat(path, &one) == 0 ? "a file" : "no file");
    must(shm_unlink(name));
    new = must(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    must(fstat(old, &one));
    must(fstat(new, &two));
    saw("unlinked and made again: %s object",
        one.st_ino == two.st_ino ? "the same" : "another");
    shm_unlink(name);
    close(old);
    close(new);
}

const struct fact *const shm_facts[] = {&S01, &S02, &S03, &S04, &S05, &S06,
                                        &S07, &S08, &S09, &S10, &S11, NULL};

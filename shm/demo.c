/*
 * demo.c - POSIX shared memory, bare.  cc demo.c && ./a.out
 *
 *      parent                    /ipclab-demo                 child
 *      shm_open, ftruncate  -->  [ ready | text ]  <--  shm_open by its name
 *      FUTEX_WAIT on ready                              writes text, then ready
 *      prints text                                      FUTEX_WAKE on ready
 *
 * What one process stores the other one can load: no copy, no system call.
 * What is not shared memory's business is to tell anybody that there is
 * something to load.  For that one has to look again and again, or to sleep.
 */
#define _GNU_SOURCE /* syscall */
#include <err.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "/ipclab-demo"

struct shared {
    _Atomic unsigned ready; /* a futex is just a word of 32 bits */
    char text[60];
};

static struct shared *
attach(int flags)
{
    int fd = shm_open(NAME, flags, 0600); /* a file in /dev/shm */
    struct shared *s;

    if (fd == -1)
        err(1, "shm_open %s", NAME);
    /* A new object has no bytes at all; touching it now would be SIGBUS. */
    if ((flags & O_CREAT) && ftruncate(fd, sizeof *s) == -1)
        err(1, "ftruncate");
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (s == MAP_FAILED)
        err(1, "mmap");
    close(fd); /* the mapping stays */
    return s;
}

int
main(void)
{
    struct shared *s = attach(O_RDWR | O_CREAT | O_EXCL);
    pid_t pid = fork();

    if (pid == -1)
        err(1, "fork");
    if (pid == 0) {
        s = attach(O_RDWR); /* any process that knows the name could do this */
        snprintf(s->text, sizeof s->text, "hello from %d, mapped at %p",
                 (int)getpid(), (void *)s);
        /* The text first, then the word that says so: a store of an atomic
         * keeps that order, a plain one need not. */
        atomic_store(&s->ready, 1);
        syscall(SYS_futex, &s->ready, FUTEX_WAKE, 1, NULL, NULL, 0);
        _exit(0);
    }
    /* "Sleep, if the word is still 0": the kernel compares and falls asleep in
     * one step, so a wake that comes in between is not lost. */
    while (atomic_load(&s->ready) == 0)
        syscall(SYS_futex, &s->ready, FUTEX_WAIT, 0, NULL, NULL, 0);
    printf("%s; here it is at %p\n", s->text, (void *)s);
    waitpid(pid, NULL, 0);
    shm_unlink(NAME); /* or it would be there until the next boot */
    return 0;
}

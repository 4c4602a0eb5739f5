/*
 * demo.c - two processes and a file: one has it mapped into its memory, the
 * other uses pread(2) and pwrite(2), and record locks say who is next.  Nothing
 * of ours in it:
 *
 *      cc demo.c && ./a.out
 *
 * Predict before you run it: nobody calls msync(2).  Who sees what?
 */
#define _GNU_SOURCE /* F_OFD_SETLKW, mkstemp */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void
lock(int fd, short type, off_t byte)
{
    struct flock l = {.l_type = type, .l_start = byte, .l_len = 1};

    if (fcntl(fd, F_OFD_SETLKW, &l) == -1)
        err(EXIT_FAILURE, "fcntl");
}

static void
serve(int fd)
{
    char buf[100] = "";

    printf("server: waiting for byte 0 ...\n");
    fflush(stdout);
    lock(fd, F_WRLCK, 0);
    if (pread(fd, buf, sizeof buf - 1, 0) == -1)
        err(EXIT_FAILURE, "pread");
    printf("server: pread() gives \"%s\"\n", buf);
    fflush(stdout);
    snprintf(buf, sizeof buf, "hello from pid %d", (int)getpid());
    if (pwrite(fd, buf, strlen(buf) + 1, 1000) == -1)
        err(EXIT_FAILURE, "pwrite");
    exit(EXIT_SUCCESS); /* and byte 1 is free: the kernel sees to that */
}

int
main(void)
{
    char path[] = "/tmp/mmap-demo-XXXXXX", *memory;
    int ours = mkstemp(path), theirs = open(path, O_RDWR);
    pid_t child;

    if (ours == -1 || theirs == -1 || ftruncate(ours, 4096) == -1)
        err(EXIT_FAILURE, "%s", path);
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ours, 0);
    if (memory == MAP_FAILED)
        err(EXIT_FAILURE, "mmap");
    /* Such a lock belongs to the open(2), not to the process.  So we can take
     * the server's for it, before anybody could wait in vain. */
    lock(ours, F_WRLCK, 0);   /* the question is not there yet, */
    lock(theirs, F_WRLCK, 1); /* nor is the answer */
    child = fork();
    if (child == -1)
        err(EXIT_FAILURE, "fork");
    if (child == 0)
        serve(theirs);
    close(theirs); /* from now on it is the child's alone */
    strcpy(memory, "who are you?");
    lock(ours, F_UNLCK, 0);
    lock(ours, F_WRLCK, 1);
    printf("client: memory holds \"%s\"\n", memory + 1000);
    waitpid(child, NULL, 0);
    if (unlink(path) == -1)
        err(EXIT_FAILURE, "%s", path);
    return EXIT_SUCCESS;
}

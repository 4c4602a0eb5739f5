/* janitor.c - who cleans up behind a run that was killed. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "bench/janitor.h"

#include "core/scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for the end of the run.  If the directory is still there then, the run
 * has not come to its own end. */
static _Noreturn void
wait_and_clean(int socket, struct cell_page *page)
{
    char byte = 0;
    int lock;

    setsid();
    lock = scratch_make("bench", false, page->dir); /* held to our end */
    page->err = lock < 0 ? lock : 0;
    if (write(socket, &byte, 1) == 1)
        while (read(socket, &byte, 1) == -1 && errno == EINTR)
            continue;
    if (page->dir[0] != '\0') {
        cell_clean_up(page, page->dir);
        scratch_remove(page->dir);
    }
    _exit(0);
}

int
janitor_start(struct janitor *j, struct cell_page *page)
{
    int ends[2];
    char byte;

    *j = (struct janitor){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        return -errno;
    j->pid = fork();
    if (j->pid == 0) {
        close(ends[1]); /* or it would wait for itself */
        wait_and_clean(ends[0], page);
    }
    close(ends[0]);
    j->socket = ends[1];
    j->dir = page->dir;
    if (j->pid == -1)
        page->err = -EAGAIN;
    else if (read(ends[1], &byte, 1) != 1)
        page->err = -ECHILD;
    if (page->err == 0)
        return 0;
    j->dir[0] = '\0'; /* it was not made */
    janitor_end(j);
    return page->err;
}

void
janitor_end(struct janitor *j)
{
    if (j->socket == -1)
        return;
    if (j->dir[0] != '\0')
        scratch_remove(j->dir);
    j->dir[0] = '\0';
    close(j->socket);
    j->socket = -1;
    while (j->pid != -1 && waitpid(j->pid, NULL, 0) == -1 && errno == EINTR)
        continue;
}

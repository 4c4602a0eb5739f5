/* attack_pipe.c - the pipes between a client and the server that it started:
 * who writes, and who holds them. */
#define _GNU_SOURCE /* pipe2, setresuid */
#include "test/attack/attack.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 8: both write, nobody reads ------------------------------------------ */

/* APUE's coprocess, with more than a pipe holds: each writes all, and then
 * reads. */
static void
write_then_read(int to, int from)
{
    static char bytes[1 << 20];

    for (size_t sent = 0; sent < sizeof bytes;) {
        ssize_t n = write(to, bytes, sizeof bytes - sent);

        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    (void)!read(from, bytes, sizeof bytes);
    _exit(EXIT_SUCCESS);
}

static bool
both_are_stuck(void)
{
    int a[2], b[2];
    pid_t one, two;
    bool stuck = false;

    MUST(pipe2(a, O_CLOEXEC) == 0 && pipe2(b, O_CLOEXEC) == 0);
    one = fork();
    if (one == 0)
        write_then_read(a[1], b[0]);
    two = fork();
    if (two == 0)
        write_then_read(b[1], a[0]);
    while (!stuck && waitpid(-1, NULL, WNOHANG) == 0)
        stuck =
            is_in_call(one, SYS_write) && is_in_call(two, SYS_write) &&
            poll(&(struct pollfd){.fd = a[1], .events = POLLOUT}, 1, 0) == 0 &&
            poll(&(struct pollfd){.fd = b[1], .events = POLLOUT}, 1, 0) == 0;
    kill(one, SIGKILL);
    kill(two, SIGKILL);
    return stuck;
}

/* Ours: eight times a MiB there, before the first of it is taken back. */
static bool
writes_and_does_not_read(bool naive)
{
    const struct api_value data = {.at = shared(1 << 20), .len = 1 << 20};
    struct host server;
    struct client c;
    struct reply r;

    if (naive)
        return both_are_stuck();
    serve(&server, "pipe/coprocess");
    MUST(host_client(&server, &c) == 0);
    for (int i = 0; i < 8; i++)
        MUST(client_send(&c, api_by_name("echo"), &data, NULL,
                         ATTACK_TIMEOUT) == 0);
    for (int i = 0; i < 8; i++)
        MUST(client_recv(&c, &r, ATTACK_TIMEOUT) == 0 && r.status == WIRE_OK);
    client_close(&c);
    return false;
}

/* -- 10: the other end in his hands --------------------------------------- */

/* Alice starts the server, and Bob has her descriptors. */
static bool
has_her_pipe(bool naive)
{
    int64_t *uid = shared(sizeof *uid);
    struct host server;
    struct client c;
    pid_t alice;
    int status;

    (void)naive;
    serve_set_user_id(&server, "pipe/coprocess");
    alice = fork();
    if (alice == 0) {
        MUST(setresgid(ALICE, ALICE, 0) == 0 &&
             setresuid(ALICE, ALICE, 0) == 0);
        MUST(host_client(&server, &c) == 0);
        MUST(setresuid(0, 0, 0) == 0); /* to become Bob */
        MUST(setresgid(BOB, BOB, BOB) == 0 && setresuid(BOB, BOB, BOB) == 0);
        *uid = whoami(&c);
        _exit(EXIT_SUCCESS);
    }
    MUST(waitpid(alice, &status, 0) == alice && status == 0);
    return *uid == ALICE;
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "pipe/coprocess"

const struct attack pipe_attacks[] = {
    {8, M, "writes 8 MiB before he reads", .how = "it does both by turns",
     .alone = true, .run = writes_and_does_not_read},
    {10, M, "has the pipe of A's server", .how = "a pipe knows no writer",
     .cannot =
         "the server knows who started it; who holds the other end of the "
         "pipe by now no pipe tells.  A passed it on, and is answerable "
         "for it.",
     .run = has_her_pipe},
    {0},
};

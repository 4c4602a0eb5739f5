/*
 * ipcd-mpi.c - the MPI program: a relay that starts its server by
 * MPI_Comm_spawn(3), and that server.
 *
 *      ipcd-mpi --stdio                        ipcd-mpi --serve (mpi_server.c)
 *                            <--- HELLO ---
 *      socket -> MPI_Isend   --- FRAME --->    MPI_Improbe, MPI_Mrecv
 *      socket <- MPI_Mrecv   <--- FRAME ---    MPI_Send
 *                            --- BYE ----->
 *                            <------ BYE ---
 *      MPI_Comm_disconnect                     MPI_Comm_disconnect
 *      MPI_Finalize                            MPI_Finalize
 *
 * The one idea: two-sided messages with a tag, matched by the receiver.  There
 * is no descriptor to wait for, and MPI_Recv(3) has no timeout; so we look with
 * MPI_Improbe(3), first again and again, then with naps between.
 *
 * MPI_Send(3) of something long waits for its MPI_Recv(3).  If both sides did
 * that to each other, both would wait for ever: therefore the relay sends with
 * MPI_Isend(3) and goes on receiving meanwhile.
 *
 * Errors are not handled here.  MPI's own way, MPI_ERRORS_ARE_FATAL, ends all
 * processes of the job, and the client sees the end of a stream.  Of one that
 * is killed MPI 3 tells nobody: so the server says hello with its pid, and if
 * that is of this host, the relay watches it.
 */
#define _GNU_SOURCE /* close_range, pidfd_open by syscall(2) */
#include "mpi_messages.h"
#include "mpi_session.h"

#include "core/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mpi.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- the relay ------------------------------------------------------------ */

/* One request under way by MPI, whose buffer must be left alone until it has
 * arrived; and replies as they come.  Until both sides have said bye: 0; or
 * the server has died: -EPIPE. */
static int
relay(struct stream_end *client, MPI_Comm server, int life,
      struct ipc_message *request, struct ipc_message *reply)
{
    MPI_Request sending = MPI_REQUEST_NULL;
    bool open = true, said_bye = false;
    int64_t since = now_ns();
    int tag = FRAME, sent, err;

    while (!(said_bye && tag == BYE)) {
        MPI_Test(&sending, &sent, MPI_STATUS_IGNORE);
        if (sent && open) {
            err = stream_recv(client, request, 0);
            if (err == 0) {
                MPI_Isend(request->buf, (int)request->len, MPI_BYTE, 0, FRAME,
                          server, &sending);
                since = now_ns();
            }
            open = err == 0 || err == -ETIMEDOUT || err == -EINTR;
        } else if (sent && !said_bye) {
            mpi_say_bye(server);
            said_bye = true;
        }
        if (tag != BYE && mpi_take(server, reply, &tag)) {
            if (tag == BYE || !open || stream_send(client, reply, -1) != 0)
                open = false;
            since = now_ns();
        }
        mpi_rest(open && sent ? client->fd : -1, life, since);
        if (tag != BYE && now_ns() - since > EAGER &&
            wait_for(life, POLLIN, 0) == 0)
            return -EPIPE;
    }
    return 0;
}

/* To get here is half of it: all libraries are there. */
static int
probe(void)
{
#if defined OPEN_MPI && OMPI_MAJOR_VERSION < 5
    return access(MPI_BINDIR "/orted", X_OK) == -1 ? -errno : 0;
#else
    return 0;
#endif
}

/* Open MPI's settings for a process that is started without mpirun(1). */
static int
prepare(void)
{
    char session[MPI_SESSION_SIZE];

    mpi_session(getpid(), session);
    mpi_session_remove(getpid()); /* of one with the same pid, killed */
    if (mkdir(session, 0700) == -1)
        return -errno;
    if (setenv("OMPI_MCA_orte_tmpdir_base", session, 1) == -1 ||
        /* One process more than there are cores is no reason to refuse. */
        setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0) == -1 ||
        /* The daemon ends its processes before itself, and waits a second for
         * it, even if they have ended. */
        setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 0) == -1)
        return -errno;
    /* The daemon leaves orphans: they come to us, and not to our client. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        return -errno;
    /* The terminal's ^C is for the client, with whom we end. */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* The server must be no other than this very program.  *life is a descriptor
 * that becomes readable when it dies; -1: not on this host. */
static int
start_server(MPI_Comm *server, int *life)
{
    char self[PATH_MAX] = "", serving[] = "--serve";
    char theirs[HELLO_SIZE], ours[HELLO_SIZE];
    char *argv[] = {serving, NULL};
    pid_t pid;

    if (readlink("/proc/self/exe", self, sizeof self - 1) == -1)
        return -errno;
    MPI_Comm_spawn(self, argv, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, server,
                   MPI_ERRCODES_IGNORE);
    MPI_Recv(theirs, sizeof theirs, MPI_BYTE, 0, HELLO, *server,
             MPI_STATUS_IGNORE);
    pid = (pid_t)strtol(theirs, NULL, 10);
    mpi_hello(ours, pid);
    *life = -1;
    if (strcmp(ours, theirs) == 0)
        *life = (int)syscall(SYS_pidfd_open, pid, 0);
    return 0;
}

/* Descriptor 0 is the client's socket; but Open MPI's daemon inherits that and
 * reads from it, to hand on what you type. */
static int
take_socket(void)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd == -1 || null == -1 || dup2(null, STDIN_FILENO) == -1)
        return -errno;
    close(null);
    return fd;
}

static void
run_relay(int fd)
{
    struct ipc_message request = {.cap = IPC_MAX_MSG, .fd = -1};
    struct ipc_message reply = {.cap = IPC_MAX_MSG, .fd = -1};
    struct stream_end client;
    MPI_Comm server;
    int err = 0, life;

    stream_end_init(&client, fd);
    request.buf = malloc(IPC_MAX_MSG);
    reply.buf = malloc(IPC_MAX_MSG);
    if (request.buf == NULL || reply.buf == NULL)
        err = -ENOMEM;
    if (err == 0)
        err = start_server(&server, &life);
    if (err == 0)
        err = relay(&client, server, life, &request, &reply);
    /* Everything that ends MPI waits for all; one that is dead never comes. */
    if (err != 0)
        _exit(EXIT_FAILURE);
    MPI_Comm_disconnect(&server);
    free(request.buf);
    free(reply.buf);
    stream_close(&client);
}

static int
start_relay(void)
{
    int fd = take_socket(), err = fd < 0 ? fd : probe();

    if (err == 0)
        err = prepare();
    if (err != 0)
        return err;
    MPI_Init(NULL, NULL);
    run_relay(fd);
    MPI_Finalize();
    /* Open MPI's daemon is our child.  It ends when the last writer of a pipe
     * has gone, which should be our death; but then who would wait for it? */
    close_range(STDERR_FILENO + 1, ~0u, 0);
    while (wait(NULL) != -1 || errno == EINTR)
        continue;
    mpi_session_remove(getpid());
    return 0;
}

static int
start_serving(void)
{
    int err;

    MPI_Init(NULL, NULL);
    err = mpi_serve();
    MPI_Finalize();
    return err;
}

/* For AddressSanitizer, if this is built with it.  Open MPI never frees some of
 * its memory; and the plugins that asked for it are unloaded when the leaks are
 * looked for, so there is no name left to excuse them by. */
const char *__asan_default_options(void); /* NOLINT: their name */

const char *
/* NOLINTNEXTLINE(readability-identifier-naming) */
__asan_default_options(void)
{
    return "detect_leaks=0";
}

int
main(int argc, char **argv)
{
    const char *role = argc == 2 ? argv[1] : "";
    int err = -EINVAL;

    if (getauxval(AT_SECURE) != 0)
        err = -EPERM;
    else if (strcmp(role, "--stdio") == 0)
        err = start_relay();
    else if (strcmp(role, "--probe") == 0)
        err = probe();
    else if (strcmp(role, "--serve") == 0)
        err = start_serving();
    if (err == -EINVAL)
        fputs("ipcd-mpi: started by its client: try `ipcctl -m msgq/mpi "
              "whoami`\n",
              stderr);
    else if (err != 0)
        fprintf(stderr, "ipcd-mpi: %s\n", strerror(-err));
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * ipcd-mpi.c - the MPI program: a relay that starts its server by
 * MPI_Comm_spawn(3), and that server.
 *
 *      ipcd-mpi --stdio                        ipcd-mpi --serve
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
#include "mpi_session.h"

#include "../socket/streams.h"
#include "core/clock.h"
#include "server/service.h"

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

enum tag { FRAME = 1, BYE = 2, HELLO = 3 };

#define HELLO_SIZE (MPI_MAX_PROCESSOR_NAME + sizeof "2147483647 ")

/* How long to look without a nap, and how long a nap is, ns.  A message in a
 * conversation comes in the first; an idle server costs a thousand looks a
 * second. */
#define EAGER NS_PER_MS
#define NAP   NS_PER_MS

struct server {
    MPI_Comm client;
    bool heard_bye, said_bye;
};

/* -- wire: messages by MPI --------------------------------------------------- */

/* Is a message there?  Takes it; false: not yet.  BYE has no bytes. */
static bool
take(MPI_Comm peer, struct ipc_message *msg, int *tag)
{
    MPI_Message message;
    MPI_Status status;
    int found, len;

    MPI_Improbe(0, MPI_ANY_TAG, peer, &found, &message, &status);
    if (!found)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &len);
    /* Longer than any frame: MPI_ERR_TRUNCATE, the end of the job. */
    if ((size_t)len > msg->cap)
        len = (int)msg->cap;
    MPI_Mrecv(msg->buf, len, MPI_BYTE, &message, &status);
    msg->len = (size_t)len;
    msg->fd = -1;
    *tag = status.MPI_TAG;
    return true;
}

static void
say_bye(MPI_Comm peer)
{
    MPI_Send(NULL, 0, MPI_BYTE, 0, BYE, peer);
}

/* Between two looks.  The descriptors are watched meanwhile; -1: none. */
static void
rest(int fd, int other, int64_t since)
{
    struct pollfd p[] = {{.fd = fd, .events = POLLIN},
                         {.fd = other, .events = POLLIN}};
    int64_t now = now_ns();

    if (now - since < EAGER)
        sched_yield();
    else
        poll_until(p, 2, now + NAP);
}

/* "PID HOST" */
static void
hello(char text[HELLO_SIZE], pid_t pid)
{
    char host[MPI_MAX_PROCESSOR_NAME];
    int len;

    MPI_Get_processor_name(host, &len);
    snprintf(text, HELLO_SIZE, "%d %s", (int)pid, host);
}

/* -- the server ---------------------------------------------------------------- */

static int
serve_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns), since = now_ns();
    int tag = BYE;

    if (s->said_bye)
        return -EPIPE;
    while (!take(s->client, &req->msg, &tag)) {
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        rest(-1, -1, since);
    }
    s->heard_bye = tag == BYE;
    req->peer = IPC_PEER_UNKNOWN;
    return s->heard_bye ? -EPIPE : 0;
}

static int
serve_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct server *s = srv;

    (void)req;
    if (msg == NULL) {
        say_bye(s->client);
        s->said_bye = true;
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    /* Waiting for the client is no danger here: there is no other. */
    MPI_Send(msg->buf, (int)msg->len, MPI_BYTE, 0, FRAME, s->client);
    return 0;
}

static int
serve(void)
{
    struct ipc_mechanism m = *ipc_find("msgq/mpi");
    struct server s = {.said_bye = false};
    struct service service;
    struct ipc_message unread;
    char greeting[HELLO_SIZE];
    atomic_int stop = 0;
    int tag, err;

    MPI_Comm_get_parent(&s.client);
    if (s.client == MPI_COMM_NULL)
        return -EINVAL; /* nobody spawned us */
    hello(greeting, getpid());
    MPI_Send(greeting, (int)strlen(greeting) + 1, MPI_BYTE, 0, HELLO, s.client);
    m.next = serve_next;
    m.reply = serve_reply;
    err = service_init(&service, &m, &s, &stop);
    if (err != 0)
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    err = service_run(&service);
    unread =
        (struct ipc_message){.buf = service.in, .cap = service.limits.max_msg};
    if (!s.said_bye)
        say_bye(s.client);
    while (!s.heard_bye)
        if (take(s.client, &unread, &tag))
            s.heard_bye = tag == BYE;
        else
            rest(-1, -1, 0);
    service_free(&service);
    MPI_Comm_disconnect(&s.client);
    return err;
}

/* -- the relay ----------------------------------------------------------------- */

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
            err = streams_recv(client, request, 0);
            if (err == 0) {
                MPI_Isend(request->buf, (int)request->len, MPI_BYTE, 0, FRAME,
                          server, &sending);
                since = now_ns();
            }
            open = err == 0 || err == -ETIMEDOUT || err == -EINTR;
        } else if (sent && !said_bye) {
            say_bye(server);
            said_bye = true;
        }
        if (tag != BYE && take(server, reply, &tag)) {
            if (tag == BYE || !open || streams_send(client, reply, -1) != 0)
                open = false;
            since = now_ns();
        }
        rest(open && sent ? client->fd : -1, life, since);
        if (tag != BYE && now_ns() - since > EAGER &&
            wait_for(life, POLLIN, 0) == 0)
            return -EPIPE;
    }
    return 0;
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
        setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0) == -1)
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
    hello(ours, pid);
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
    streams_close(&client);
}

static int
start_relay(void)
{
    int fd = take_socket(), err = fd < 0 ? fd : prepare();

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
    err = serve();
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

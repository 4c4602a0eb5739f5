/* attack_local.c - AF_UNIX sockets: who is at the other end? */
#define _GNU_SOURCE /* struct ucred, unshare, O_CLOEXEC */
#include "test/attack/stage.h"

#include "../../../socket/local.h"
#include "core/ancillary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- by hand -------------------------------------------------------------- */

static int64_t
take_uid(int fd)
{
    uint8_t bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);

    return n > 0 ? uid_in_frame(bytes, (size_t)n) : -2;
}

/* -- 50: a forged name ---------------------------------------------------- */

struct post {
    char server[ENDPOINT_SIZE];
    bool fell;
};

static void
bob_forges(void *arg)
{
    const struct ucred lies[] = {{.pid = getpid(), .uid = 0, .gid = BOB},
                                 {.pid = getpid(), .uid = ALICE, .gid = BOB},
                                 {.pid = getpid(), .uid = BOB, .gid = 0},
                                 {.pid = 1, .uid = BOB, .gid = BOB}};
    const struct ucred truth = {.pid = getpid(), .uid = BOB, .gid = BOB};
    struct post *p = arg;
    int fd = connect_and_enter(p->server, SOCK_SEQPACKET);

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        if (send_beside(fd, SCM_CREDENTIALS, &lies[i], sizeof *lies) != -1 ||
            errno != EPERM)
            p->fell = true;
    MUST(send_beside(fd, SCM_CREDENTIALS, &truth, sizeof truth) == WIRE_HEADER);
    p->fell = p->fell || take_uid(fd) != BOB;
}

/* The naive form: a struct in the message, filled in by the sender. */
static bool
believes_what_is_said(void)
{
    const struct ucred lie = {.pid = 1, .uid = 0, .gid = 0};
    struct ucred who = {.uid = BOB};
    int pair[2], status;
    pid_t pid;

    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    pid = fork(); /* he is to have the descriptor */
    if (pid == 0) {
        become_user(BOB);
        _exit(write(pair[1], &lie, sizeof lie) != sizeof lie);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    MUST(read(pair[0], &who, sizeof who) == sizeof who);
    return who.uid == 0;
}

static bool
forges_a_name(bool naive)
{
    struct post *p = shared(sizeof *p);
    struct host server;

    if (naive)
        return believes_what_is_said();
    serve(&server, "socket/seqpacket");
    strcpy(p->server, server.where);
    as_user(BOB, bob_forges, p);
    host_stop(&server);
    return p->fell;
}

/* -- 51: a connection that changed hands ---------------------------------- */

/* The naive form is socket/stream, whose server asked when it was made. */
static bool
has_roots_connection(bool naive)
{
    int64_t *uid = shared(sizeof *uid);
    struct host server;
    struct client c;
    int status;
    pid_t pid;

    serve(&server, naive ? "socket/stream" : "socket/seqpacket");
    MUST(host_client(&server, &c) == 0);
    pid = fork();
    if (pid == 0) {
        become_user(ALICE);
        client_take_over(&c);
        *uid = whoami(&c);
        _exit(EXIT_SUCCESS);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    client_close(&c);
    host_stop(&server);
    MUST(*uid == 0 || *uid == ALICE);
    return *uid == 0;
}

/* -- 52: a helper that connects for him ----------------------------------- */

struct helper {
    char program[ENDPOINT_SIZE + 16];
    struct host *server;
    bool fell;
};

/* This program, as the set-user-ID helper: it connects, and asks. */
int
helper(const char *mechanism, const char *where)
{
    struct client c;
    bool root;

    signal(SIGPIPE, SIG_IGN);
    MUST(geteuid() == 0 && getuid() == ALICE);
    MUST(client_open(&c, ipc_find(mechanism), where) == 0);
    root = whoami(&c) == 0;
    client_close(&c);
    return root ? EXIT_FELL : EXIT_REFUSED;
}

static void
alice_runs_it(void *arg)
{
    struct helper *h = arg;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execl(h->program, "ipcattack", "--helper", h->server->m->name,
              h->server->where, (char *)NULL);
        _exit(127);
    }
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    MUST(WEXITSTATUS(status) == EXIT_FELL ||
         WEXITSTATUS(status) == EXIT_REFUSED);
    h->fell = WEXITSTATUS(status) == EXIT_FELL;
}

static bool
has_a_helper_connect(bool naive)
{
    struct helper *h = shared(sizeof *h);
    struct host server;

    serve(&server, naive ? "socket/stream" : "socket/seqpacket");
    h->server = &server;
    snprintf(h->program, sizeof h->program, "%s/helper", stage_dir);
    copy_program("ipcattack", h->program, ALICE);
    as_user(ALICE, alice_runs_it, h);
    host_stop(&server);
    return h->fell;
}

/* -- 53: before the server asks ------------------------------------------- */

static void
bob_is_early(void *arg)
{
    int fd = connect_local(arg, SOCK_DGRAM);

    MUST(send(fd, "?", 1, 0) == 1);
    close(fd);
}

/* What was sent before SO_PASSCRED was set is stamped "pid 0, uid 65534". */
static bool
sends_before_the_server_asks(bool naive)
{
    char path[ENDPOINT_SIZE + 16], byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary beside;
    const int on = 1;
    struct ipc_peer peer;
    int fd;

    snprintf(path, sizeof path, "%s/early", stage_dir);
    fd = bind_local(path, SOCK_DGRAM);
    as_user(BOB, bob_is_early, path);
    MUST(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    MUST(ancillary_receive(fd, &m, &beside) == 1 && beside.stamped);
    close(fd);
    peer = local_peer(&beside.who, IPC_STAMPED);
    if (naive)
        peer.uid = beside.who.uid;
    return peer.uid != (uid_t)-1;
}

/* -- 54: her pid is root's now -------------------------------------------- */

/* Who has this pid, as /proc tells. */
static int64_t
uid_of(pid_t pid)
{
    char path[64], line[256];
    unsigned uid;
    int64_t found = -1;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    in = fopen(path, "re");
    MUST(in != NULL);
    while (found == -1 && fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "Uid: %*u %u", &uid) == 1)
            found = uid;
    fclose(in);
    return found;
}

static bool
has_roots_pid(bool naive)
{
    struct host server;
    struct ucred who;
    socklen_t len = sizeof who;
    char path[ENDPOINT_SIZE + 16];
    uint8_t frame[WIRE_HEADER];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), listener, taken;
    int64_t uid;
    pid_t pid;

    snprintf(path, sizeof path, "%s/server", stage_dir);
    listener = bind_local(path, SOCK_STREAM);
    MUST(fd != -1 && listen(listener, 1) == 0);
    serve(&server, "socket/stream");
    pid = fork();
    if (pid == 0) { /* Alice's; and somebody keeps the connection */
        become_user(ALICE);
        connect_at(fd, naive ? path : server.where);
        _exit(EXIT_SUCCESS);
    }
    MUST(waitpid(pid, NULL, 0) == pid);
    if (naive) {
        taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        MUST(getsockopt(taken, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0);
        MUST(who.pid == pid);
        take_pid(pid);
        uid = uid_of(who.pid);
    } else {
        wait_for_handshake(fd);
        take_pid(pid);
        MUST(send(fd, frame, make_frame(frame, API_whoami), MSG_NOSIGNAL) ==
             WIRE_HEADER);
        uid = take_uid(fd);
    }
    MUST(kill(pid, SIGKILL) == 0);
    host_stop(&server);
    return uid == 0;
}

/* -- 86: root, in a namespace of his own ---------------------------------- */

struct pretender {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    int64_t uid;
};

static void
bob_is_root_at_home(void *arg)
{
    struct pretender *p = arg;
    struct client c;

    become_root_of(0);
    MUST(geteuid() == 0);
    if (client_open(&c, p->m, p->where) != 0)
        return;
    p->uid = whoami(&c);
    client_close(&c);
}

/* Where the client has to say who it is, this one honestly says root. */
static bool
is_root_at_home(bool naive)
{
    struct pretender *p = shared(sizeof *p);
    struct host server;

    p->m = ipc_find(naive ? "fifo/perclient" : "socket/stream");
    serve(&server, p->m->name);
    strcpy(p->where, server.where);
    p->uid = -1;
    as_user(BOB, bob_is_root_at_home, p);
    host_stop(&server);
    return p->uid == 0;
}

/* -- the table ------------------------------------------------------------ */

const struct attack local_attacks[] = {
    {50, "socket/seqpacket", "says: I am root (SCM_CREDENTIALS)",
     .how = "the kernel looks: EPERM", .run = forges_a_name},
    {51, "socket/seqpacket", "asks over a connection that root made",
     .how = "each message is stamped", .run = has_roots_connection},
    {52, "socket/seqpacket", "has a set-user-ID program connect",
     .how = "the stamp has the real id", .run = has_a_helper_connect},
    {53, "socket/dgram", "sends before the server asks for ids",
     .how = "pid 0, uid 65534: nobody", .run = sends_before_the_server_asks},
    {54, "socket/stream", "asks; her pid has become root's",
     .how = "SO_PEERCRED, not /proc", .run = has_roots_pid},
    {86, "socket/stream", "is root in a user namespace of his own",
     .without = "owner", .how = "the kernel translates",
     .missing = user_spaces_missing, .run = is_root_at_home},
    {0},
};

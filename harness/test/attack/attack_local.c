/* attack_local.c - AF_UNIX sockets: who is at the other end? */
#define _GNU_SOURCE /* struct ucred, unshare, O_CLOEXEC */
#include "test/attack/stage.h"

#include "../../../socket/ancillary.h"
#include "../../../socket/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- by hand --------------------------------------------------------------- */

static int
make_bound(const char *path, int type)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    MUST(fd != -1);
    MUST(bind(fd, (struct sockaddr *)&address, len) == 0);
    MUST(chmod(path, 0666) == 0);
    return fd;
}

static void
connect_at(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, path);

    MUST(connect(fd, (struct sockaddr *)&address, len) == 0);
}

static int
connect_to(const char *path, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    MUST(fd != -1);
    connect_at(fd, path);
    return fd;
}

/* The server's '+': it has taken us. */
static void
wait_for_welcome(int fd)
{
    char byte;

    MUST(recv(fd, &byte, 1, 0) == 1);
}

static int64_t
whoami_over(int fd)
{
    uint8_t bytes[4096];
    ssize_t n;

    MUST(send(fd, bytes, make_frame(bytes, API_whoami), MSG_NOSIGNAL) ==
         WIRE_HEADER);
    n = recv(fd, bytes, sizeof bytes, 0);
    return n > 0 ? uid_in_frame(bytes, (size_t)n) : -2;
}

/* -- 50: a forged name ------------------------------------------------------- */

struct post {
    char server[ENDPOINT_SIZE], victim[ENDPOINT_SIZE];
    bool fell;
};

/* Asks who he is, with credentials of his own making. */
static ssize_t
send_as(int fd, const struct ucred *who)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof *who)];
    } control = {.room = {0}};
    uint8_t frame[WIRE_HEADER];
    struct iovec data = {.iov_base = frame,
                         .iov_len = make_frame(frame, API_whoami)};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_CREDENTIALS;
    control.header.cmsg_len = CMSG_LEN(sizeof *who);
    memcpy(CMSG_DATA(&control.header), who, sizeof *who);
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static void
bob_forges(void *arg)
{
    const struct ucred lies[] = {{.pid = getpid(), .uid = 0, .gid = BOB},
                                 {.pid = getpid(), .uid = ALICE, .gid = BOB},
                                 {.pid = getpid(), .uid = BOB, .gid = 0},
                                 {.pid = 1, .uid = BOB, .gid = BOB}};
    struct post *p = arg;
    int fd = connect_to(p->server, SOCK_SEQPACKET);

    wait_for_welcome(fd);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        p->fell = p->fell || send_as(fd, &lies[i]) != -1 || errno != EPERM;
    p->fell = p->fell || whoami_over(fd) != BOB;
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

/* -- 51: a connection that changed hands --------------------------------------- */

/* The naive form is socket/stream, whose server asked when it was made. */
static bool
has_roots_connection(bool naive)
{
    bool *fell = shared(sizeof *fell);
    struct host server;
    struct client c;
    pid_t pid;

    serve(&server, naive ? "socket/stream" : "socket/seqpacket");
    MUST(host_client(&server, &c) == 0);
    pid = fork();
    if (pid == 0) {
        become_user(ALICE);
        *fell = whoami(&c) == 0;
        _exit(EXIT_SUCCESS);
    }
    MUST(waitpid(pid, NULL, 0) == pid);
    client_close(&c);
    host_stop(&server);
    return *fell;
}

/* -- 52: a helper that connects for him ------------------------------------------ */

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

/* -- 53: before the server asks ---------------------------------------------------- */

static void
bob_is_early(void *arg)
{
    int fd = connect_to(arg, SOCK_DGRAM);

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
    fd = make_bound(path, SOCK_DGRAM);
    as_user(BOB, bob_is_early, path);
    MUST(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    MUST(ancillary_receive(fd, &m, &beside) == 1 && beside.stamped);
    close(fd);
    peer = local_peer(&beside.who, IPC_STAMPED);
    if (naive)
        peer.uid = beside.who.uid;
    return peer.uid != (uid_t)-1;
}

/* -- 54: her pid is root's now ------------------------------------------------------ */

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
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), listener, taken;
    int64_t uid;
    pid_t pid;

    snprintf(path, sizeof path, "%s/server", stage_dir);
    listener = make_bound(path, SOCK_STREAM);
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
        wait_for_welcome(fd);
        take_pid(pid);
        uid = whoami_over(fd);
    }
    MUST(kill(pid, SIGKILL) == 0);
    host_stop(&server);
    return uid == 0;
}

/* -- 62: an answer to a name --------------------------------------------------------- */

static void
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    MUST(fd != -1);
    MUST(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* Namespaces of one's own, with the rights of root in them. */
static void
become_root_of(int spaces)
{
    char map[64];

    snprintf(map, sizeof map, "0 %u 1", geteuid());
    MUST(unshare(CLONE_NEWUSER | spaces) == 0);
    write_text("/proc/self/uid_map", map);
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/gid_map", map);
}

/* In his own mount namespace the victim's path is his. */
static void
bob_writes_in_her_name(void *arg)
{
    struct post *p = arg;
    struct sockaddr_un victim;
    socklen_t len = local_path(&victim, p->victim);
    uint8_t datagram[8 + WIRE_HEADER] = {0};
    int fd = connect_to(p->server, SOCK_DGRAM);

    become_root_of(CLONE_NEWNS);
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    MUST(mount("own", stage_dir, "tmpfs", 0, NULL) == 0);
    MUST(bind(fd, (struct sockaddr *)&victim, len) == 0);
    make_frame(datagram + 8, API_whoami);
    MUST(send(fd, datagram, sizeof datagram, 0) == sizeof datagram);
    close(fd);
}

static bool
writes_in_anothers_name(bool naive)
{
    struct post *p = shared(sizeof *p);
    struct sockaddr_un from;
    socklen_t len = sizeof from;
    struct host server;
    char byte;
    int victim, textbook;

    snprintf(p->victim, sizeof p->victim, "%.90s/victim", stage_dir);
    victim = make_bound(p->victim, SOCK_DGRAM);
    serve(&server, "socket/dgram");
    strcpy(p->server, server.where);
    if (naive) {
        snprintf(p->server, sizeof p->server, "%.90s/textbook", stage_dir);
        textbook = make_bound(p->server, SOCK_DGRAM);
        as_user(BOB, bob_writes_in_her_name, p);
        MUST(recvfrom(textbook, &byte, 1, 0, (struct sockaddr *)&from, &len) ==
             1);
        MUST(sendto(textbook, "!", 1, 0, (struct sockaddr *)&from, len) == 1);
    } else {
        as_user(BOB, bob_writes_in_her_name, p);
        be_served(&server);
    }
    host_stop(&server);
    return recv(victim, &byte, 1, MSG_DONTWAIT) == 1;
}

/* Who is not root may have namespaces only if he may have one of users. */
static const char *
need_user_spaces(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        become_user(BOB);
        _exit(unshare(CLONE_NEWUSER) == -1);
    }
    if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
        return "an ordinary user can have no user namespace here";
    return NULL;
}

/* -- 63, 107: a false server ----------------------------------------------------------- */

struct squatter {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    bool fell;
};

static void
bob_listens(struct actor *self, void *arg)
{
    struct squatter *s = arg;
    struct sockaddr_un address;
    socklen_t len = strcmp(s->m->name, "socket/abstract") == 0
                        ? local_abstract(&address, s->where)
                        : local_path(&address, s->where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), taken;
    char bytes[4096];

    MUST(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 1) == 0);
    chmod(s->where, 0666);
    actor_step(self);
    taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    send(taken, "+", 1, MSG_NOSIGNAL); /* be welcome */
    s->fell = recv(taken, bytes, sizeof bytes, 0) > 0;
}

static void
alice_asks(void *arg)
{
    const struct api_value secret = {.at = SECRET, .len = strlen(SECRET)};
    struct squatter *s = arg;
    struct client c;

    if (client_open(&c, s->m, s->where) != 0)
        return;
    client_send(&c, api_by_name("hello"), &secret, NULL, PATIENCE);
    client_close(&c);
}

static bool
is_there_before(const char *mechanism)
{
    struct squatter *s = shared(sizeof *s);
    struct actor bob;

    s->m = ipc_find(mechanism);
    MUST(endpoint_name(s->m, run_dir, s->where) == 0);
    /* As if it had been carelessly made; for a moment. */
    MUST(chmod(run_dir, 0777) == 0);
    actor_start(&bob, BOB, bob_listens, s);
    actor_wait(&bob);
    MUST(chmod(run_dir, 0755) == 0);
    actor_go(&bob);
    as_user(ALICE, alice_asks, s);
    actor_end(&bob);
    return s->fell;
}

static bool
has_the_path_before(bool naive)
{
    (void)naive;
    return is_there_before("socket/stream");
}

static bool
has_the_name_before(bool naive)
{
    (void)naive;
    return is_there_before("socket/abstract");
}

/* -- 86: root, in a namespace of his own --------------------------------------------------- */

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

/* -- 108: a name that writes on the screen ----------------------------------------------- */

static bool
has_a_name_of_control_characters(bool naive)
{
    static const char name[] = "\0a\033[2J\nroot logged in";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[ADDRESS_SIZE] = "";
    socklen_t len = (socklen_t)(sizeof address.sun_family + sizeof name - 1);
    bool fell = false;

    memcpy(address.sun_path, name, sizeof name);
    if (naive)
        memcpy(text, address.sun_path + 1, sizeof name - 1);
    else
        local_text(&address, len, text);
    MUST(strlen(text) > 10);
    for (const char *p = text; *p != '\0'; p++)
        fell = fell || *p < ' ';
    return fell;
}

/* -- the table --------------------------------------------------------------- */

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
     .how = "SO_PEERCRED, not /proc", .missing = space_missing,
     .run = has_roots_pid},
    {62, "socket/dgram", "has A's path in his own mounts",
     .how = "answers go into a channel", .missing = need_user_spaces,
     .run = writes_in_anothers_name},
    {63, "socket/stream", "listens at the path before the server",
     .without = "server", .how = "whose run directory it is",
     .run = has_the_path_before},
    {86, "socket/stream", "is root in a user namespace of his own",
     .without = "owner", .how = "the kernel translates",
     .missing = need_user_spaces, .run = is_root_at_home},
    {107, "socket/abstract", "has the name before the server",
     .without = "server", .how = "whose run directory it is",
     .run = has_the_name_before},
    {108, "socket/abstract", "has ESC and newline in his own name",
     .how = "only what can be printed", .alone = true,
     .run = has_a_name_of_control_characters},
    {0},
};

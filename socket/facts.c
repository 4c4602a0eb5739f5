/*
 * facts.c - what is said about sockets, tried (test/fact.h).
 */
#define _GNU_SOURCE /* accept4, struct ucred */
#include "test/fact.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* -- local --------------------------------------------------------------- */

static struct sockaddr_un
address(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    ck_assert_int_lt(
        snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", run_dir, name),
        (int)sizeof a.sun_path);
    return a;
}

static int
local(int type)
{
    return must(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

static int
bind_to(int fd, const char *name)
{
    const struct sockaddr_un a = address(name);

    return bind(fd, (const struct sockaddr *)&a, sizeof a);
}

static int
connect_to(int fd, const char *name)
{
    const struct sockaddr_un a = address(name);

    return connect(fd, (const struct sockaddr *)&a, sizeof a);
}

static void
remove_name(const char *name)
{
    unlink(address(name).sun_path);
}

/* A server that listens on NAME, and does not wait. */
static int
listen_on(const char *name, int backlog)
{
    const int fd = local(SOCK_STREAM | SOCK_NONBLOCK);

    must(bind_to(fd, name));
    must(listen(fd, backlog));
    return fd;
}

static int
connected(const char *name, int flags)
{
    const int fd = local(SOCK_STREAM | flags);

    must(connect_to(fd, name));
    return fd;
}

static void
pair(int ends[2], int type)
{
    must(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
}

static void
close_both(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static const char *
after_abc_and_de(int type)
{
    const char *first;
    int ends[2];

    pair(ends, type);
    put_text(ends[0], "abc");
    put_text(ends[0], "de");
    first = got(ends[1], 100);
    close_both(ends);
    return first;
}

FACT(K01,
     "A stream joins what was written apart; datagrams and records stay as "
     "they were.",
     "abc, de: stream 'abcde', datagram 'abc', record 'abc'")
{
    saw("abc, de: stream %s, ", after_abc_and_de(SOCK_STREAM));
    saw("datagram %s, ", after_abc_and_de(SOCK_DGRAM));
    saw("record %s", after_abc_and_de(SOCK_SEQPACKET));
}

FACT(K02,
     "A datagram that is too long for the buffer loses its tail, and says so.",
     "3 of abcde: 'abc', MSG_TRUNC; then EAGAIN")
{
    char text[4] = "";
    struct iovec part = {text, 3};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    int ends[2];

    pair(ends, SOCK_DGRAM | SOCK_NONBLOCK);
    put_text(ends[0], "abcde");
    must(recvmsg(ends[1], &m, 0));
    saw("3 of abcde: '%s', %s; ", text,
        m.msg_flags & MSG_TRUNC ? "MSG_TRUNC" : "nothing said");
    saw("then %s", got(ends[1], 3));
    close_both(ends);
}

FACT(K03,
     "Local datagrams are not lost: when max_dgram_qlen and one wait to be "
     "read, their sender has to.",
     "max_dgram_qlen + 1 sent, then EAGAIN")
{
    const long most = setting("/proc/sys/net/unix/max_dgram_qlen");
    const int server = local(SOCK_DGRAM);
    const int client = local(SOCK_DGRAM | SOCK_NONBLOCK);
    long n = 0;

    must(bind_to(server, "s"));
    must(connect_to(client, "s"));
    while (write(client, "x", 1) == 1)
        n++;
    saw("%s sent, then %s", n == most + 1 ? "max_dgram_qlen + 1" : "others",
        outcome(-1));
    note("%ld", n);
    close(server);
    close(client);
    remove_name("s");
}

FACT(K04,
     "A closed peer is an end of file, or an error if it left something "
     "unread; writing to it is a broken pipe.",
     "all read: end of file, write EPIPE; something unread: ECONNRESET")
{
    int ends[2];

    pair(ends, SOCK_STREAM);
    close(ends[1]);
    saw("all read: %s, ", got(ends[0], 1));
    saw("write %s; ", outcome(write(ends[0], "x", 1)));
    close(ends[0]);
    pair(ends, SOCK_STREAM);
    put_text(ends[0], "unread");
    close(ends[1]);
    saw("something unread: %s", got(ends[0], 1));
    close(ends[0]);
}

/* -- TCP on the loopback ------------------------------------------------- */

static struct sockaddr_in
loopback(in_port_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = port};
}

static int
tcp_socket(int flags)
{
    return must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

static int
tcp_bind(int fd, in_port_t port)
{
    const struct sockaddr_in a = loopback(port);

    return bind(fd, (const struct sockaddr *)&a, sizeof a);
}

static int
tcp_connect(int fd, in_port_t port)
{
    const struct sockaddr_in a = loopback(port);

    return connect(fd, (const struct sockaddr *)&a, sizeof a);
}

/* The port, in network order. */
static in_port_t
port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;

    must(getsockname(fd, (struct sockaddr *)&a, &len));
    return a.sin_port;
}

static int
tcp_listen(int backlog)
{
    const int fd = tcp_socket(0);

    must(tcp_bind(fd, 0));
    must(listen(fd, backlog));
    return fd;
}

/* A connection: [0] the client's end, [1] the server's. */
static void
tcp_pair(int ends[2])
{
    const int listener = tcp_listen(1);

    ends[0] = tcp_socket(0);
    must(tcp_connect(ends[0], port_of(listener)));
    ends[1] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    close(listener);
}

static void
until(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    ck_assert_int_eq(poll(&p, 1, 30000), 1);
}

FACT(K05,
     "TCP: the first write to a peer that has closed succeeds; its answer "
     "makes the second one fail.",
     "first: ok; second: EPIPE")
{
    int ends[2];

    tcp_pair(ends);
    close(ends[1]);
    until(ends[0], POLLRDHUP);
    saw("first: %s; ", outcome(write(ends[0], "x", 1)));
    until(ends[0], POLLHUP); /* the reset has come */
    saw("second: %s", outcome(write(ends[0], "x", 1)));
    close(ends[0]);
}

/* -- who is there -------------------------------------------------------- */

static struct ucred
peer_of(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
    return cred;
}

FACT_IF(need_root, K06,
        "SO_PEERCRED says who connected; the client need not help and cannot "
        "lie (root: two users).",
        "Alice connects: pid hers, uid hers")
{
    const int server = listen_on("s", 1);
    struct ucred cred;
    pid_t pid;
    int fd;

    must(chmod(address("s").sun_path, 0777));
    pid = fork_child();
    if (pid == 0) {
        be_nobody_special();
        connected("s", 0);
        _exit(0);
    }
    until(server, POLLIN);
    fd = must(accept4(server, NULL, NULL, SOCK_CLOEXEC));
    cred = peer_of(fd);
    saw("Alice connects: pid %s, uid %s", cred.pid == pid ? "hers" : "another",
        cred.uid == ALICE ? "hers" : "another");
    end_of(pid);
    close(fd);
    close(server);
    remove_name("s");
}

/* A message with one thing besides it. */
static int
send_with(int fd, int what, const void *data, size_t size)
{
    union {
        char room[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control = {.room = {0}};
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(size)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    if (c == NULL) /* no room: not so here */
        return -1;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = what;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    return (int)sendmsg(fd, &m, 0);
}

/* The descriptor that came with a message, or -1. */
static int
received_fd(int fd)
{
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *c;
    int passed = -1;

    must(recvmsg(fd, &m, MSG_CMSG_CLOEXEC));
    c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS)
        memcpy(&passed, CMSG_DATA(c), sizeof passed);
    return passed;
}

FACT(K07,
     "A client may state its own credentials with a message; others' are "
     "refused.",
     "its own: exit 0; pid 1's: EPERM")
{
    int ends[2];
    pid_t pid;

    pair(ends, SOCK_DGRAM);
    pid = fork_child();
    if (pid == 0) {
        struct ucred own = {.pid = getpid()}, forged = {.pid = 1};

        be_nobody_special();
        own.uid = forged.uid = geteuid();
        own.gid = forged.gid = getegid();
        if (send_with(ends[0], SCM_CREDENTIALS, &own, sizeof own) == -1)
            _exit(EXIT_FAILURE);
        _exit(send_with(ends[0], SCM_CREDENTIALS, &forged, sizeof forged) == -1
                  ? 100 + errno
                  : 0);
    }
    errno = atoi(end_of(pid) + strlen("exit ")) - 100;
    saw("its own: %s; pid 1's: %s", errno > 0 ? "exit 0" : "refused",
        outcome(-1));
    close_both(ends);
}

FACT(K08,
     "A descriptor that was passed lives on after its sender's close, unlink "
     "and exit; the offset is common.",
     "the sender has read hel; the receiver reads 'lo'")
{
    int ends[2], fd;
    char text[4] = "";
    pid_t pid;

    pair(ends, SOCK_STREAM);
    pid = fork_child();
    if (pid == 0) {
        fd = must(open(in_run_dir("file"), O_RDWR | O_CREAT, 0600));
        put_text(fd, "hello");
        unlink(in_run_dir("file"));
        must(lseek(fd, 0, SEEK_SET));
        must(read(fd, text, 3));
        must(send_with(ends[0], SCM_RIGHTS, &fd, sizeof fd));
        _exit(strcmp(text, "hel"));
    }
    saw("the sender has read %s; ",
        strcmp(end_of(pid), "exit 0") == 0 ? "hel" : "other");
    fd = received_fd(ends[1]);
    saw("the receiver reads %s", got(fd, 100));
    close(fd);
    close_both(ends);
}

FACT(K09,
     "The name of a living server is in use; that of a dead one refuses, and "
     "still is in use until it is unlinked.",
     "alive: EADDRINUSE; dead: ECONNREFUSED, EADDRINUSE; unlinked: ok")
{
    const int server = listen_on("s", 1), another = local(SOCK_STREAM);

    saw("alive: %s; ", outcome(bind_to(another, "s")));
    close(server);
    saw("dead: %s, ", outcome(connect_to(another, "s")));
    saw("%s; ", outcome(bind_to(another, "s")));
    remove_name("s");
    saw("unlinked: %s", outcome(bind_to(another, "s")));
    close(another);
    remove_name("s");
}

static int
abstract(int fd, int (*f)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int n = snprintf(a.sun_path + 1, 60, "ipclab-fact-%d", (int)getpid());

    return f(
        fd, (struct sockaddr *)&a,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
}

FACT(K10,
     "An abstract name is in no file system, and goes with the last close.",
     "taken: EADDRINUSE; closed: ok")
{
    const int server = local(SOCK_DGRAM), another = local(SOCK_DGRAM);

    must(abstract(server, bind));
    saw("taken: %s; ", outcome(abstract(another, bind)));
    close(server);
    saw("closed: %s", outcome(abstract(another, bind)));
    close(another);
}

FACT_IF(need_root, K11,
        "A path's mode says who may connect; an abstract name has none (root: "
        "two users).",
        "Alice: path of mode 0600 EACCES, abstract name ok")
{
    const int by_path = listen_on("s", 1), by_name = local(SOCK_STREAM);
    pid_t pid;

    must(abstract(by_name, bind));
    must(listen(by_name, 1));
    must(chmod(address("s").sun_path, 0600));
    for (int i = 0; i < 2; i++) {
        pid = fork_child();
        if (pid == 0) {
            struct sockaddr_un a;
            socklen_t len = sizeof a;
            const int fd = local(SOCK_STREAM);

            getsockname(by_name, (struct sockaddr *)&a, &len);
            be_nobody_special();
            if (i == 0)
                _exit(connect_to(fd, "s") == -1 ? errno : 0);
            _exit(connect(fd, (struct sockaddr *)&a, len) == -1 ? errno : 0);
        }
        errno = atoi(end_of(pid) + strlen("exit "));
        saw("%s %s", i == 0 ? "Alice: path of mode 0600" : ", abstract name",
            errno == 0 ? "ok" : outcome(-1));
    }
    close(by_path);
    close(by_name);
    remove_name("s");
}

FACT(K12,
     "connect() succeeds before anybody accepts; a backlog of 1 holds 2, and "
     "the third is to try again.",
     "connected: 2, then EAGAIN")
{
    const int server = listen_on("s", 1);
    int fd[4], n = 0;

    for (;;) {
        fd[n] = local(SOCK_STREAM | SOCK_NONBLOCK);
        if (n == 3 || connect_to(fd[n], "s") == -1)
            break;
        n++;
    }
    saw("connected: %d, then %s", n, outcome(-1));
    for (int i = 0; i <= n; i++)
        close(fd[i]);
    close(server);
    remove_name("s");
}

FACT(K13,
     "With O_NONBLOCK accept() and recv() say EAGAIN; the accepted socket does "
     "not inherit the flag.",
     "accept: EAGAIN; recv: EAGAIN; the accepted one: waits")
{
    const int server = listen_on("s", 1);
    int client, fd;

    saw("accept: %s; ", outcome(accept(server, NULL, NULL)));
    client = connected("s", SOCK_NONBLOCK);
    fd = must(accept4(server, NULL, NULL, SOCK_CLOEXEC));
    saw("recv: %s; ", got(client, 1));
    saw("the accepted one: %s",
        fcntl(fd, F_GETFL) & O_NONBLOCK ? "does not wait" : "waits");
    close(fd);
    close(client);
    close(server);
    remove_name("s");
}

static int
error_of(int fd)
{
    socklen_t len = sizeof(int);
    int err;

    must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
    return err;
}

FACT(
    K14,
    "A TCP connect() that may not wait goes on by itself: POLLOUT says that it "
    "is done, SO_ERROR how.",
    "to a listener: EINPROGRESS, then 0; to nobody: ECONNREFUSED")
{
    const int listener = tcp_listen(1), nobody = tcp_socket(0);
    int fd = tcp_socket(SOCK_NONBLOCK);

    saw("to a listener: %s, ", outcome(tcp_connect(fd, port_of(listener))));
    until(fd, POLLOUT);
    saw("then %d; ", error_of(fd));
    close(fd);
    must(tcp_bind(nobody, 0)); /* a port of ours that does not listen */
    fd = tcp_socket(SOCK_NONBLOCK);
    if (tcp_connect(fd, port_of(nobody)) == -1 && errno == EINPROGRESS) {
        until(fd, POLLOUT);
        errno = error_of(fd);
    }
    saw("to nobody: %s", outcome(-1));
    close(fd);
    close(nobody);
    close(listener);
}

FACT(K15,
     "accept() tells the peer's address: a local client has one only if it "
     "bound itself to it.",
     "unbound: no path; bound: its path")
{
    const int server = listen_on("s", 2), bound = local(SOCK_STREAM);
    struct sockaddr_un a;
    socklen_t len = sizeof a;
    int unbound, one, other;

    unbound = connected("s", 0);
    one = must(accept(server, (struct sockaddr *)&a, &len));
    saw("unbound: %s; ",
        len == offsetof(struct sockaddr_un, sun_path) ? "no path" : "a path");
    must(bind_to(bound, "c"));
    must(connect_to(bound, "s"));
    len = sizeof a;
    other = must(accept(server, (struct sockaddr *)&a, &len));
    saw("bound: %s", strcmp(a.sun_path, address("c").sun_path) == 0
                         ? "its path"
                         : "another");
    close(one);
    close(other);
    close(unbound);
    close(bound);
    close(server);
    remove_name("s");
    remove_name("c");
}

FACT(K16, "shutdown() closes one direction; the answer still comes.",
     "the server: 'question', end of file; the client: 'answer'")
{
    int ends[2];

    pair(ends, SOCK_STREAM);
    put_text(ends[0], "question");
    must(shutdown(ends[0], SHUT_WR));
    saw("the server: %s, ", got(ends[1], 100));
    saw("%s; ", got(ends[1], 100));
    put_text(ends[1], "answer");
    saw("the client: %s", got(ends[0], 100));
    close_both(ends);
}

FACT(K17,
     "Several processes may wait in accept() of one socket: each connection "
     "goes to one of them.",
     "40 connections, 4 processes: 40 answers")
{
    enum { PROCESSES = 4, CONNECTIONS = 40 };
    const int server = listen_on("s", CONNECTIONS);
    int answers = 0, by[PROCESSES] = {0};
    pid_t pid[PROCESSES];
    char who;

    must(fcntl(server, F_SETFL, 0));
    for (int i = 0; i < PROCESSES; i++) {
        pid[i] = fork_child();
        while (pid[i] == 0) {
            const int fd = must(accept(server, NULL, NULL));

            who = (char)i;
            must(write(fd, &who, 1));
            close(fd);
        }
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        const int fd = connected("s", 0);

        while (read(fd, &who, 1) == 1) {
            answers++;
            by[(int)who]++;
        }
        close(fd);
    }
    saw("40 connections, 4 processes: %d answers", answers);
    note("%d %d %d %d", by[0], by[1], by[2], by[3]);
    for (int i = 0; i < PROCESSES; i++)
        left_asleep(pid[i]);
    close(server);
    remove_name("s");
}

FACT(K18,
     "The kernel doubles SO_SNDBUF, for its own use. A receive with "
     "SO_RCVTIMEO ends with EAGAIN.",
     "asked for 10000: 20000; timed out: EAGAIN")
{
    const struct timeval soon = {.tv_usec = 1000};
    int ends[2], size = 10000;
    socklen_t len = sizeof size;

    pair(ends, SOCK_STREAM);
    must(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, len));
    must(getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, &len));
    saw("asked for 10000: %d; ", size);
    must(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    saw("timed out: %s", got(ends[0], 1));
    close_both(ends);
}

FACT(K19, "A local address has room for 108 bytes; one more is refused.",
     "sun_path: 108; an address of 109: EINVAL")
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = local(SOCK_STREAM);

    saw("sun_path: %zu; ", sizeof a.sun_path);
    saw("an address of 109: %s",
        outcome(bind(fd, (struct sockaddr *)&a,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                 sizeof a.sun_path + 1))));
    close(fd);
}

/* Where does the next datagram come from? */
static const char *
sender(int server)
{
    struct sockaddr_un a = {.sun_family = AF_UNSPEC};
    socklen_t len = sizeof a;
    char byte;

    must(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&a, &len));
    return len <= offsetof(struct sockaddr_un, sun_path) ? "nowhere"
           : a.sun_path[0] == '\0'                       ? "an abstract name"
                                                         : "a path";
}

FACT(K20,
     "Who sends datagrams without a name cannot be answered; bind() without "
     "one (autobind) gives an abstract name.",
     "unbound: from nowhere; autobound: from an abstract name")
{
    const struct sockaddr_un none = {.sun_family = AF_UNIX};
    const int server = local(SOCK_DGRAM), client = local(SOCK_DGRAM);

    must(bind_to(server, "s"));
    must(connect_to(client, "s"));
    put_text(client, "x");
    saw("unbound: from %s; ", sender(server));
    must(bind(client, (const struct sockaddr *)&none, sizeof none.sun_family));
    put_text(client, "x");
    saw("autobound: from %s", sender(server));
    close(client);
    close(server);
    remove_name("s");
}

FACT(K21,
     "epoll says each time that there is something to read; edge-triggered it "
     "says so once, until more comes.",
     "level: 1 1; edge: 1 0, more written: 1")
{
    struct epoll_event e = {.events = EPOLLIN}, out;
    const int level = must(epoll_create1(EPOLL_CLOEXEC));
    const int edge = must(epoll_create1(EPOLL_CLOEXEC));
    int ends[2];

    pair(ends, SOCK_STREAM);
    must(epoll_ctl(level, EPOLL_CTL_ADD, ends[1], &e));
    e.events = EPOLLIN | EPOLLET;
    must(epoll_ctl(edge, EPOLL_CTL_ADD, ends[1], &e));
    put_text(ends[0], "x");
    saw("level: %d ", epoll_wait(level, &out, 1, 0));
    saw("%d; ", epoll_wait(level, &out, 1, 0));
    saw("edge: %d ", epoll_wait(edge, &out, 1, 0));
    saw("%d, ", epoll_wait(edge, &out, 1, 0));
    put_text(ends[0], "y");
    saw("more written: %d", epoll_wait(edge, &out, 1, 0));
    close_both(ends);
    close(level);
    close(edge);
}

FACT(K22,
     "A datagram client of a server that was started again must connect() "
     "again.",
     "ECONNREFUSED, then ENOTCONN; connected again: ok")
{
    const int client = local(SOCK_DGRAM);
    int server = local(SOCK_DGRAM);

    must(bind_to(server, "s"));
    must(connect_to(client, "s"));
    close(server);
    remove_name("s");
    server = local(SOCK_DGRAM);
    must(bind_to(server, "s"));
    saw("%s, ", outcome(write(client, "x", 1)));
    saw("then %s; ", outcome(write(client, "x", 1)));
    must(connect_to(client, "s"));
    saw("connected again: %s", outcome(write(client, "x", 1)));
    close(client);
    close(server);
    remove_name("s");
}

FACT(K23,
     "A write to a stream that may not wait writes what there is room for.",
     "16 MiB: less, then EAGAIN")
{
    const size_t size = 16 << 20;
    char *bytes = calloc(1, size);
    ssize_t n;
    int ends[2];

    pair(ends, SOCK_STREAM | SOCK_NONBLOCK);
    n = write(ends[0], bytes, size);
    saw("16 MiB: %s, ", n > 0 && n < (ssize_t)size ? "less"
                        : n > 0                    ? "all"
                                                   : outcome(-1));
    saw("then %s", outcome(write(ends[0], bytes, size)));
    note("%zd bytes", n);
    free(bytes);
    close_both(ends);
}

/* The outcome of bind() after a server closed a connection first: did it have
 * SO_REUSEADDR; has its successor? */
static const char *
bound_after(int before, int now)
{
    const int listener = tcp_socket(0), client = tcp_socket(0);
    const int again = tcp_socket(0);
    const char *result;
    in_port_t port;

    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &before, sizeof(int)));
    must(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &now, sizeof(int)));
    must(tcp_bind(listener, 0));
    must(listen(listener, 1));
    port = port_of(listener);
    must(tcp_connect(client, port));
    close(must(accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
    close(listener);
    until(client, POLLRDHUP);
    close(client);
    result = outcome(tcp_bind(again, port));
    close(again);
    return result;
}

FACT(K24,
     "After a server has closed a connection itself its port is in use for a "
     "minute (TIME_WAIT), but not if both it and its successor have "
     "SO_REUSEADDR.",
     "neither: EADDRINUSE; the successor: EADDRINUSE; both: ok")
{
    saw("neither: %s; ", bound_after(0, 0));
    saw("the successor: %s; ", bound_after(0, 1));
    saw("both: %s", bound_after(1, 1));
}

struct caller {
    int listener;
    in_port_t port;
    atomic_int done;
};

static void *
accept_one(void *arg)
{
    struct caller *c = arg;

    close(must(accept(c->listener, NULL, NULL)));
    atomic_store(&c->done, 1);
    return NULL;
}

static void *
connect_one(void *arg)
{
    struct caller *c = arg;
    const int fd = tcp_socket(0);

    must(tcp_connect(fd, c->port));
    atomic_store(&c->done, 1);
    close(fd);
    return NULL;
}

FACT(K25,
     "accept() and connect() in threads of their own wait there, and the rest "
     "of the program goes on.",
     "accept waits: not done; then connect, elsewhere: done, done")
{
    struct caller server = {.listener = tcp_listen(1)}, client = {.done = 0};
    pthread_t accepting, connecting;

    client.port = port_of(server.listener);
    ck_assert(pthread_create(&accepting, NULL, accept_one, &server) == 0);
    saw("accept waits: %s; ", server.done ? "done" : "not done");
    ck_assert(pthread_create(&connecting, NULL, connect_one, &client) == 0);
    pthread_join(accepting, NULL);
    pthread_join(connecting, NULL);
    saw("then connect, elsewhere: %s, ", client.done ? "done" : "not done");
    saw("%s", server.done ? "done" : "not done");
    close(server.listener);
}

FACT(K26,
     "An empty record looks like the end, and has a sender; the end has none.",
     "an empty datagram: 0 bytes, from a path; the stream's end: end of file")
{
    struct sockaddr_un a = {.sun_family = AF_UNSPEC};
    const int server = local(SOCK_DGRAM), client = local(SOCK_DGRAM);
    socklen_t len = sizeof a;
    int ends[2];
    char byte;

    must(bind_to(server, "s"));
    must(bind_to(client, "c"));
    must(connect_to(client, "s"));
    must(send(client, "", 0, 0));
    saw("an empty datagram: %zd bytes, ",
        recvfrom(server, &byte, 1, 0, (struct sockaddr *)&a, &len));
    saw("from %s; ", a.sun_path[0] == '/' ? "a path" : "nowhere");
    pair(ends, SOCK_STREAM);
    close(ends[0]);
    saw("the stream's end: %s", got(ends[1], 1));
    close(ends[1]);
    close(client);
    close(server);
    remove_name("s");
    remove_name("c");
}

FACT(K27, "SO_PEERCRED of a TCP socket succeeds, and knows nobody.",
     "pid 0, uid -1")
{
    struct ucred cred;
    int ends[2];

    tcp_pair(ends);
    cred = peer_of(ends[1]);
    saw("pid %d, uid %d", cred.pid, (int)cred.uid);
    close_both(ends);
}

FACT(K28,
     "UDP does not know whether anybody is there: connect() and the first send "
     "succeed, and an error comes with a later call, if at all.",
     "connect: ok; first send: ok; second: ECONNREFUSED")
{
    const int nobody = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int client = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    in_port_t port;

    must(tcp_bind(nobody, 0)); /* addresses are the same for both */
    port = port_of(nobody);
    close(nobody);
    saw("connect: %s; ", outcome(tcp_connect(client, port)));
    saw("first send: %s; ", outcome(send(client, "x", 1, 0)));
    until(client, POLLIN); /* the refusal has come */
    saw("second: %s", outcome(send(client, "x", 1, 0)));
    close(client);
}

const struct fact *const socket_facts[] = {
    &K01, &K02, &K03, &K04, &K05, &K06, &K07, &K08, &K09, &K10,
    &K11, &K12, &K13, &K14, &K15, &K16, &K17, &K18, &K19, &K20,
    &K21, &K22, &K23, &K24, &K25, &K26, &K27, &K28, NULL};

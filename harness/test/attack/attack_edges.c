/* attack_edges.c - corners of the kernel's interfaces: names that can be
 * guessed, limits that shrink, answers that cannot be given. */
#define _GNU_SOURCE /* vmsplice, SOCK_CLOEXEC */
#include "test/attack/edge.h"
#include "test/attack/hand.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 219: a queue that holds nothing any more ---------------------------- */

static void
leave_no_room(int queue)
{
    struct msqid_ds ds;

    MUST(msgctl(queue, IPC_STAT, &ds) == 0);
    ds.msg_qbytes = 0;
    MUST(msgctl(queue, IPC_SET, &ds) == 0);
}

static void
send_and_wait(void *queue)
{
    const struct {
        long type;
        char text[8];
    } m = {.type = 1};

    (void)!msgsnd(*(int *)queue, &m, sizeof m.text, 0);
}

static void
bob_leaves_no_room(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_replies(h);
    say_join(h);
    actor_step(self);
    MUST(take_nonce(h));
    leave_no_room(h->replies);
    say_whoami(h);
    actor_step(self);
}

static bool
leaves_no_room_for_replies(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;
    struct hand *h;
    int queue;

    if (naive) {
        queue = msgget(IPC_PRIVATE, 0600);
        MUST(queue != -1);
        leave_no_room(queue);
        return textbook_hangs(send_and_wait, &queue, SYS_msgsnd);
    }
    serve(&server, this_attack->mechanism);
    h = make_hand(this_attack->mechanism, BOB);
    actor_start(&bob, BOB, bob_leaves_no_room, h);
    actor_wait(&bob);
    be_served(&server);
    actor_go(&bob);
    actor_wait(&bob);
    as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

/* -- 221: hangs up before he is taken ------------------------------------ */

static void
bob_resets(void *arg)
{
    const struct linger now = {.l_onoff = 1};
    const struct sockaddr_in *at = arg;

    for (int i = 0; i < 20; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        MUST(connect(fd, (const struct sockaddr *)at, sizeof *at) == 0);
        MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
        close(fd);
    }
}

/* "Whoever has connected has an address." */
static void
ask_for_his_address(void *listener)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int fd = accept(*(int *)listener, NULL, NULL);

    if (fd == -1 || getpeername(fd, (struct sockaddr *)&at, &len) == -1)
        _exit(EXIT_FAILURE);
}

static bool
resets_before_accept(bool naive)
{
    struct sockaddr_in *at = shared(sizeof *at), any = loopback();
    struct host server;
    struct edge *e = make_edge(&server);
    int listener;

    if (naive) {
        listener = make_bound(SOCK_STREAM, 0, &any);
        MUST(listener >= 0 && listen(listener, 32) == 0);
        *at = address_of(listener);
        as_user(BOB, bob_resets, at);
        return textbook_ends(ask_for_his_address, &listener);
    }
    serve(&server, this_attack->mechanism);
    *at = address_in(server.where);
    pause_server(&server);
    as_user(BOB, bob_resets, at);
    resume_server(&server);
    as_user(ALICE, alice_is_served, e);
    host_stop(&server);
    return e->fell;
}

/* -- 222: who does not read ---------------------------------------------- */

static void
bob_shuts_down(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    int fd = connect_and_enter(e->server->where, SOCK_STREAM);
    uint8_t frame[WIRE_HEADER];

    make_frame(frame, API_whoami);
    MUST(shutdown(fd, SHUT_RD) == 0);
    MUST(send(fd, frame, sizeof frame, MSG_NOSIGNAL) == sizeof frame);
    actor_step(self);
}

static void
answer_by_write(void *arg)
{
    int pair[2];

    (void)arg;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    MUST(shutdown(pair[1], SHUT_RD) == 0);
    (void)!write(pair[0], "", 1); /* SIGPIPE */
}

static bool
shuts_down_reading(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;

    if (naive)
        return textbook_ends(answer_by_write, NULL);
    serve(&server, this_attack->mechanism);
    actor_start(&bob, BOB, bob_shuts_down, e);
    actor_wait(&bob);
    as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

/* -- 223: names that can be guessed -------------------------------------- */

#define GUESSES 2000

/* Process numbers are given out one after the other: proc(5). */
static void
bob_guesses(void *arg)
{
    const pid_t now = getpid();
    char name[64];

    (void)arg;
    for (int i = 0; i < GUESSES; i++) {
        mqd_t queue;
        int fd;

        snprintf(name, sizeof name, "/ipclab-%d-probe-0", now + i);
        fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        close(fd);
        snprintf(name, sizeof name, "/sem.ipclab-%d-probe-0", now + i);
        fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        close(fd);
        if (i >= 200) /* as many as there may be */
            continue;
        snprintf(name, sizeof name, "/ipclab-%d-probe-0", now + i);
        queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600,
                        &(struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = 1});
        if (queue != -1)
            mq_close(queue);
    }
}

static bool
guesses_the_names(bool naive)
{
    struct host_options options = {.keep_root = true, .cpu = -1, .quiet = 1};
    const struct ipc_mechanism *m = ipc_find(this_attack->mechanism);
    struct host server;
    bool started;

    (void)naive;
    as_user(BOB, bob_guesses, NULL);
    started = host_start(&server, m, run_dir, &options) == 0;
    if (started)
        host_stop(&server);
    return !started;
}

/* -- 225: a record that is longer than all room -------------------------- */

struct record {
    char where[ENDPOINT_SIZE];
    size_t room;
    bool taken;
};

/* *len is 100 more than there is room for.  Cut off, it is a frame as it should
 * be. */
static uint8_t *
make_long(size_t room, size_t *len)
{
    uint8_t *frame = calloc(1, *len = room + 100);

    MUST(frame != NULL);
    make_frame(frame, API_echo);
    put32(frame + 8, (uint32_t)(room - WIRE_HEADER));
    put32(frame + WIRE_HEADER, (uint32_t)(room - WIRE_HEADER - 4));
    return frame;
}

static void
bob_sends_a_long_one(void *arg)
{
    struct record *r = arg;
    int fd = connect_and_enter(r->where, SOCK_SEQPACKET), size = 1 << 20;
    size_t len;
    uint8_t *frame = make_long(r->room, &len), byte;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    MUST(send(fd, frame, len, MSG_NOSIGNAL) == (ssize_t)len);
    r->taken = recv(fd, &byte, 1, 0) == 1;
    close(fd);
    free(frame);
}

static bool
sends_more_than_fits(bool naive)
{
    struct record *r = shared(sizeof *r);
    struct ipc_limits limits;
    struct host server;
    uint8_t *frame;
    int pair[2];
    size_t len;
    bool fell;

    MUST(ipc_find(this_attack->mechanism)->limits(&limits) == 0);
    r->room = limits.max_msg;
    if (naive) { /* recv(2) as of a stream */
        frame = make_long(4096, &len);
        MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
        MUST(send(pair[0], frame, len, 0) == (ssize_t)len);
        fell = recv(pair[1], frame, 4096, 0) == 4096 &&
               get32(frame + 8) == 4096 - WIRE_HEADER;
        free(frame);
        return fell;
    }
    serve(&server, this_attack->mechanism);
    strcpy(r->where, server.where);
    as_user(BOB, bob_sends_a_long_one, r);
    be_served(&server);
    host_stop(&server);
    return r->taken;
}

/* -- 226: who comes? ----------------------------------------------------- */

static void
bob_watches(void *arg)
{
    struct edge *e = arg;
    int in = inotify_init1(IN_CLOEXEC);

    MUST(in != -1);
    e->fell = inotify_add_watch(in, e->dir, IN_CREATE) != -1;
    MUST(e->fell || errno == EACCES);
}

/* The names say who asks, and when. */
static bool
watches_who_joins(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);

    if (naive) { /* as /tmp is */
        strcpy(e->dir, make_careless_dir(stage_dir));
        MUST(chmod(e->dir, 01777) == 0);
        as_user(BOB, bob_watches, e);
        return e->fell;
    }
    serve(&server, this_attack->mechanism);
    snprintf(e->dir, sizeof e->dir, "%.200s.d", server.where);
    as_user(BOB, bob_watches, e);
    host_stop(&server);
    return e->fell;
}

/* -- 227: a FIFO full of next to nothing --------------------------------- */

/* vmsplice(2) gives it pages, each of which takes one of its sixteen places, be
 * it of one byte. */
static void
fill_by_bytes(int fifo)
{
    static char byte;
    const struct iovec one = {.iov_base = &byte, .iov_len = 1};
    int n = 0;

    while (vmsplice(fifo, &one, 1, SPLICE_F_NONBLOCK) == 1)
        n++;
    MUST(errno == EAGAIN && n <= 16);
}

static void
bob_fills_by_bytes(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    int fifo = open(e->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(fifo != -1);
    fill_by_bytes(fifo);
    actor_step(self);
}

static void
alice_comes(struct actor *self, void *arg)
{
    struct edge *e = arg;

    actor_step(self);
    e->fell = !is_served(e->server);
    actor_step(self);
}

static bool
fills_it_with_bytes(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob, alice;
    int ends[2];

    if (naive) { /* "there is room for 64 KiB" */
        MUST(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
        fill_by_bytes(ends[1]);
        return write(ends[1], "request", 7) == -1;
    }
    serve(&server, this_attack->mechanism);
    strcpy(e->path, server.where);
    actor_start(&alice, ALICE, alice_comes, e);
    actor_wait(&alice);
    pause_server(&server);
    actor_start(&bob, BOB, bob_fills_by_bytes, e);
    actor_wait(&bob);
    actor_go(&alice);
    while (!is_in_call(alice.pid, SYS_ppoll) && !actor_is_there(&alice))
        sched_yield();
    resume_server(&server);
    actor_wait(&alice);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return e->fell;
}

/* -- 228: a page for a FIFO ---------------------------------------------- */

static void
bob_shrinks_the_fifo(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    int fifo = open(e->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(fifo != -1 && fcntl(fifo, F_SETPIPE_SZ, 4096) != -1);
    MUST(write(fifo, "x", 1) == 1);
    actor_step(self);
}

static void
alice_sends_long_ones(void *arg)
{
    static char text[3000];
    const struct api_value value = {.at = text, .len = sizeof text};
    struct edge *e = arg;
    struct client c;
    struct reply r;

    MUST(host_client(e->server, &c) == 0);
    for (int i = 0; i < 32; i++)
        e->fell = client_call(&c, api_by_name("echo"), &value, &r,
                              ATTACK_TIMEOUT) != 0 ||
                  r.status != WIRE_OK || e->fell;
    client_close(&c);
}

static bool
shrinks_the_fifo(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    static char record[PIPE_BUF];
    struct actor bob;
    int ends[2];

    if (naive) { /* "there is room for 64 KiB" */
        MUST(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
        MUST(fcntl(ends[1], F_SETPIPE_SZ, 4096) != -1);
        return write(ends[1], "x", 1) == 1 &&
               write(ends[1], record, sizeof record) == -1;
    }
    serve(&server, this_attack->mechanism);
    strcpy(e->path, server.where);
    actor_start(&bob, BOB, bob_shrinks_the_fifo, e);
    actor_wait(&bob);
    as_user(ALICE, alice_sends_long_ones, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

/* -- the table ----------------------------------------------------------- */

const struct attack edge_attacks[] = {
    {219, "msgq/sysv-private", "lets his queue hold no byte; A asks",
     .how = "IPC_NOWAIT: EAGAIN", .run = leaves_no_room_for_replies},
    {221, "socket/tcp", "hangs up before he is taken, 20 times",
     .how = "only he is gone", .run = resets_before_accept},
    {222, "socket/stream", "asks, and has shut down reading",
     .how = "MSG_NOSIGNAL: EPIPE", .run = shuts_down_reading},
    {223, "shm/futex", "has made what he guesses the name of",
     .without = "fresh", .how = "random names", .run = guesses_the_names},
    {223, "msgq/posix", "has made what he guesses the name of",
     .without = "fresh", .how = "random names", .run = guesses_the_names},
    {223, "sem/mailbox", "has made what he guesses the name of",
     .without = "fresh", .how = "random names", .run = guesses_the_names},
    {225, "socket/seqpacket", "sends more than the server has room for",
     .how = "MSG_TRUNC", .run = sends_more_than_fits},
    {226, "fifo/perclient", "watches who joins (inotify)",
     .how = "mode 1733: EACCES", .run = watches_who_joins},
    {226, "mmap/lockfile", "watches who joins (inotify)",
     .how = "mode 1733: EACCES", .run = watches_who_joins},
    {227, "fifo/perclient", "fills the FIFO by 16 bytes",
     .how = "waits for room", .run = fills_it_with_bytes},
    {228, "fifo/perclient", "makes the FIFO as small as a page",
     .how = "waits for room", .run = shrinks_the_fifo},
    {0},
};

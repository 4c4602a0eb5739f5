/* attack_edges.c - corners of the kernel's interfaces: names that can be guessed,
 * links to descriptors, limits that shrink, answers that cannot be given. */
#define _GNU_SOURCE /* vmsplice, SOCK_CLOEXEC */
#include "test/attack/attack.h"
#include "test/attack/hand.h"
#include "test/attack/silent.h"

#include "core/clock.h"
#include "core/rendezvous.h"
#include "core/set_sessions.h"
#include "server/ask.h"
#include "server/confine.h"
#include "server/ipcd.h"
#include "server/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* A textbook's server, in a process of its own: does it end, or is it stuck in
 * this call? */
static bool
textbook_ends(void (*f)(void *), void *arg)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        f(arg);
        _exit(EXIT_SUCCESS);
    }
    MUST(pid != -1 && waitpid(pid, &status, 0) == pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
}

static bool
textbook_hangs(void (*f)(void *), void *arg, long call)
{
    pid_t pid;
    bool stuck = false;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        f(arg);
        _exit(EXIT_SUCCESS);
    }
    MUST(pid != -1);
    while (!stuck && waitpid(pid, NULL, WNOHANG) == 0)
        stuck = is_stuck(pid, call);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return stuck;
}

/* A server, which bob is at, and whether somebody else is served. */
struct edge {
    struct host *server;
    char path[PATH_MAX], dir[PATH_MAX];
    int id;
    bool fell;
};

static struct edge *
make_edge(struct host *server)
{
    struct edge *e = shared(sizeof *e);

    e->server = server;
    return e;
}

static void
alice_is_served(void *arg)
{
    struct edge *e = arg;

    e->fell = !is_served(e->server);
}

/* A server with these rules, which is therefore audited. */
static void
serve_with_rules(struct host *server, const char *mechanism, const char *rule)
{
    char program[PATH_MAX], text[3 * PATH_MAX], rules[PATH_MAX];

    strcpy(rules, make_file("rules", rule, 0600));
    MUST(program_path("ipcd", program, sizeof program) == 0);
    snprintf(text, sizeof text, "#!/bin/sh\nexec %s --policy %s \"$@\"\n",
             program, rules);
    serve_by(server, mechanism, make_file("with-rules", text, 0700));
}

/* -- 216: the broker, and his link ------------------------------------------ */

static void
bob_makes_a_link(void *arg)
{
    const struct edge *e = arg;

    MUST(symlink(stage_dir, e->path) == 0);
}

/* In the endpoint's place: as root, whose objects no worker has to become. */
static bool
the_broker_opens(const char *path)
{
    const struct ipc_peer root = {
        .pid = 1, .uid = 0, .gid = 0, .evidence = IPC_CLAIMED};
    struct broker_request r;
    struct broker_answer a;
    struct broker_call c;
    char text[64] = "";
    bool read_it;

    MUST(broker_request(&r, BROKER_OBJECT, &root, path, strlen(path)) == 0);
    r.space = OBJECT_AT;
    r.number = O_RDONLY;
    read_it = broker_do(&c, &r, &a) == 0 && read(a.fd, text, 63) > 0 &&
              strcmp(text, SECRET) == 0;
    broker_end(&c);
    return read_it;
}

static bool
has_his_link_followed(bool naive)
{
    const struct confinement c = {.user = {4711, 4711},
                                  .kind = CONFINED_BROKER,
                                  .kept =
                                      rights_of_broker(1u << BROKER_OBJECT)};
    struct broker_peer peer = {
        .may = 1u << BROKER_OBJECT, .evidence = IPC_OWNER, .dir = run_dir};
    struct edge *e = make_edge(NULL);
    char why[CONFINE_WHY] = "", names[PATH_MAX], path[PATH_MAX + 32];
    int channel[2];
    bool fell;
    pid_t pid;

    (void)naive;
    snprintf(e->dir, sizeof e->dir, "%s/vault", stage_dir);
    MUST(mkdir(e->dir, 0700) == 0);
    MUST(rename(make_file("secret", SECRET, 0600),
                strcat(strcpy(path, e->dir), "/secret")) == 0);
    snprintf(names, sizeof names, "%s/fifo-perclient.d", run_dir);
    MUST(mkdir(names, 0) == 0 && chmod(names, 01733) == 0);
    snprintf(e->path, sizeof e->path, "%.200s/link", names);
    as_user(BOB, bob_makes_a_link, e);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) == 0);
    peer.channel = channel[1];
    pid = fork();
    if (pid == 0) {
        if (confine(&c, why) != 0)
            broken(__FILE__, __LINE__, why);
        broker_run(&peer, 1);
        _exit(EXIT_SUCCESS);
    }
    ask_by(channel[0]);
    snprintf(path, sizeof path, "%.250s/vault/secret", e->path);
    fell = the_broker_opens(path);
    kill(pid, SIGTERM);
    MUST(waitpid(pid, NULL, 0) == pid);
    ask_by(0);
    return fell;
}

/* -- 217: what the server leaves behind ------------------------------------- */

/* SETALL forgets all wills that are in a set: semctl(2). */
static void
bob_erases_the_will(void *arg)
{
    unsigned short none[SERVER_SEMS] = {0};
    const int *set = arg;

    MUST(semctl(*set, 0, SETALL, (union semun){.array = none}) == 0);
}

/* The textbook's: one set for all, which says that the server is dead. */
static bool
the_textbooks_dies_unheard(int *set)
{
    int ready[2], status;
    pid_t pid;
    char byte;

    *set = semget(IPC_PRIVATE, SERVER_SEMS, 0666);
    MUST(*set != -1 && pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        MUST(will_make(*set, SET_DEAD) == 0 && write(ready[1], "", 1) == 1);
        pause();
    }
    MUST(read(ready[0], &byte, 1) == 1);
    as_user(BOB, bob_erases_the_will, set);
    kill(pid, SIGKILL);
    MUST(waitpid(pid, &status, 0) == pid);
    return semctl(*set, SET_DEAD, GETVAL) == 0;
}

static void
alice_waits(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct client c;
    struct reply r;

    MUST(host_client(e->server, &c) == 0 && whoami(&c) != -2);
    actor_step(self);
    e->fell = client_call(&c, api_by_name("whoami"), NULL, &r, PATIENCE) ==
              -ETIMEDOUT;
}

static bool
erases_the_will(bool naive)
{
    int *set = shared(sizeof *set);
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor alice;
    struct set found;

    if (naive)
        return the_textbooks_dies_unheard(set);
    serve(&server, this_attack->mechanism);
    actor_start(&alice, ALICE, alice_waits, e);
    actor_wait(&alice);
    MUST(set_server_find(server.where, &found) == 0);
    *set = found.id;
    pause_server(&server);
    as_user(BOB, bob_erases_the_will, set);
    actor_go(&alice);
    while (!is_stuck(alice.pid, SET_WAITS))
        sched_yield();
    kill_server(&server);
    actor_end(&alice);
    host_stop(&server);
    return e->fell;
}

/* -- 218: the worker's own descriptors --------------------------------------- */

/* The rule lets A read in a directory to which nobody else finds a way; and so
 * the server has it open, also where it opens for B. */
static void
bob_goes_through_descriptors(void *arg)
{
    struct edge *e = arg;
    struct client c;
    struct reply r;

    MUST(host_client(e->server, &c) == 0);
    for (int fd = 0; fd < 40; fd++) {
        struct api_value args[] = {{.at = e->path}, {.u64 = 0}, {.u32 = 100}};

        snprintf(e->path, sizeof e->path, "/proc/self/fd/%d/note", fd);
        args[0].len = strlen(e->path);
        MUST(client_call(&c, api_by_name("read_file"), args, &r, PATIENCE) ==
             0);
        e->fell = e->fell ||
                  (r.status == WIRE_OK && r.results[0].len == strlen(SECRET) &&
                   memcmp(r.results[0].at, SECRET, strlen(SECRET)) == 0);
    }
    client_close(&c);
}

static bool
goes_through_descriptors(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    char text[2 * PATH_MAX], path[PATH_MAX + 8];

    (void)naive;
    snprintf(path, sizeof path, "%s/vault", stage_dir);
    snprintf(e->dir, sizeof e->dir, "%s/vault/notes", stage_dir);
    MUST(mkdir(path, 0700) == 0 && mkdir(e->dir, 0755) == 0);
    snprintf(path, sizeof path, "%.200s/note", e->dir);
    MUST(rename(make_file("note", SECRET, 0644), path) == 0);
    snprintf(text, sizeof text, "allow read_file uid=%d path=%s\n", ALICE,
             e->dir);
    serve_with_rules(&server, "socket/stream", text);
    as_user(BOB, bob_goes_through_descriptors, e);
    host_stop(&server);
    return e->fell;
}

/* -- 219: a queue that holds nothing any more -------------------------------- */

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

/* -- 220: the system log ------------------------------------------------------ */

static void
bob_fills_the_log(void *arg)
{
    int fd = connect_local("/dev/log", SOCK_DGRAM);

    (void)arg;
    while (send(fd, "x", 1, MSG_DONTWAIT) == 1)
        continue;
    MUST(errno == EAGAIN);
    close(fd);
}

static void
alice_asks_twice(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct client c;

    MUST(host_client(e->server, &c) == 0);
    for (int i = 0; i < 2; i++) {
        MUST(whoami(&c) == (int64_t)geteuid());
        actor_step(self);
    }
}

/* With the first request it may find that out. */
static bool
keeps_the_log_full(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor alice;
    bool stuck = false;
    int log;

    (void)naive;
    MUST(mount("dev", "/dev", "tmpfs", 0, "mode=755") == 0);
    MUST(mknod("/dev/null", S_IFCHR, makedev(1, 3)) == 0 &&
         chmod("/dev/null", 0666) == 0);
    log = bind_local("/dev/log", SOCK_DGRAM); /* and nobody reads */
    serve_with_rules(&server, this_attack->mechanism, "deny sink uid=1234\n");
    as_user(BOB, bob_fills_the_log, NULL);
    actor_start(&alice, ALICE, alice_asks_twice, e);
    actor_wait(&alice);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        stuck = is_stuck(server.server, SYS_sendto);
    actor_kill(&alice);
    host_stop(&server);
    close(log);
    return stuck;
}

static const char *
need_devices(void)
{
    return silent_missing() != NULL ? "need root that may make devices" : NULL;
}

/* -- 221: hangs up before he is taken ----------------------------------------- */

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

/* -- 222: who does not read ---------------------------------------------------- */

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

/* -- 223: names that can be guessed -------------------------------------------- */

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

/* -- 224: what is beside a dead one's set --------------------------------------- */

#define KEY 0x1bc04710 /* as of a client's first set: core/sets.c */

static void
alice_has_a_segment(struct actor *self, void *arg)
{
    struct edge *e = arg;

    e->id = shmget(KEY | 1, 4096, IPC_CREAT | IPC_EXCL | 0600);
    MUST(e->id != -1);
    actor_step(self);
}

static void
bob_leaves_a_set(void *arg)
{
    int set = semget(KEY, CLIENT_SEMS, IPC_CREAT | IPC_EXCL | 0600);

    (void)arg;
    MUST(set != -1 && will_make(set, SET_DEAD) == 0);
}

static bool
has_hers_swept(bool naive)
{
    struct edge *e = make_edge(NULL);
    struct shmid_ds ds;
    struct actor alice;

    actor_start(&alice, ALICE, alice_has_a_segment, e);
    actor_wait(&alice);
    as_user(BOB, bob_leaves_a_set, NULL);
    if (naive) /* "that is his as well" */
        shmctl(shmget(KEY | 1, 0, 0), IPC_RMID, NULL);
    else
        MUST(sets_reap() == 1);
    actor_kill(&alice);
    return shmctl(e->id, IPC_STAT, &ds) == -1;
}

/* -- 225: a record that is longer than all room ----------------------------------- */

struct record {
    char where[ENDPOINT_SIZE];
    size_t room;
    bool taken;
};

/* Cut off, it is a frame as it should be. */
static size_t
make_long(uint8_t *frame, size_t room)
{
    memset(frame, 0, room + 100);
    make_frame(frame, API_echo);
    put32(frame + 8, (uint32_t)(room - WIRE_HEADER));
    put32(frame + WIRE_HEADER, (uint32_t)(room - WIRE_HEADER - 4));
    return room + 100;
}

static void
bob_sends_a_long_one(void *arg)
{
    struct record *r = arg;
    int fd = connect_and_enter(r->where, SOCK_SEQPACKET), size = 1 << 20;
    uint8_t *frame = malloc(r->room + 100);
    size_t len = make_long(frame, r->room);
    uint8_t byte;

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
    ssize_t n;

    MUST(ipc_find(this_attack->mechanism)->limits(&limits) == 0);
    r->room = limits.max_msg;
    if (naive) { /* recv(2) as of a stream */
        frame = malloc(4096 + 100);
        MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
        n = (ssize_t)make_long(frame, 4096);
        MUST(send(pair[0], frame, (size_t)n, 0) == n);
        n = recv(pair[1], frame, 4096, 0);
        return n == 4096 && get32(frame + 8) == (uint32_t)n - WIRE_HEADER;
    }
    serve(&server, this_attack->mechanism);
    strcpy(r->where, server.where);
    as_user(BOB, bob_sends_a_long_one, r);
    be_served(&server);
    host_stop(&server);
    return r->taken;
}

/* -- 226: who comes? ---------------------------------------------------------------- */

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

/* -- 227: a FIFO full of next to nothing ---------------------------------------------- */

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
    while (!is_stuck(alice.pid, SYS_ppoll) && !actor_is_there(&alice))
        sched_yield();
    resume_server(&server);
    actor_wait(&alice);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return e->fell;
}

/* -- 228: a page for a FIFO ---------------------------------------------------- */

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
        e->fell =
            client_call(&c, api_by_name("echo"), &value, &r, PATIENCE) != 0 ||
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

/* -- 229: a signal by the kernel's hand ------------------------------------------- */

/* What is ready on this descriptor is to be told to that process, by this signal:
 * F_SETOWN, F_SETSIG. */
static void
bob_has_it_signalled(void *arg)
{
    const struct edge *e = arg;
    int ends[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    MUST(fcntl(ends[0], F_SETOWN, e->id) == 0);
    MUST(fcntl(ends[0], F_SETSIG, SIGTERM) == 0);
    MUST(fcntl(ends[0], F_SETFL, O_ASYNC) == 0);
    MUST(write(ends[1], "x", 1) == 1);
}

/* The textbook's server: who is served, it is. */
static void
serve_him(struct actor *self, void *arg)
{
    (void)arg;
    actor_step(self);
}

static bool
has_it_signalled(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor his;
    int status;

    if (!naive) {
        serve(&server, this_attack->mechanism);
        e->id = server.server;
        as_user(BOB, bob_has_it_signalled, e);
        e->fell = !is_served(&server) || kill(e->id, 0) == -1;
        host_stop(&server);
        return e->fell;
    }
    actor_start(&his, BOB, serve_him, NULL);
    actor_wait(&his);
    e->id = his.pid;
    as_user(BOB, bob_has_it_signalled, e);
    MUST(waitpid(his.pid, &status, 0) == his.pid);
    return WIFSIGNALED(status);
}

/* -- 230: a bell that cannot ring any more ------------------------------------------- */

#define SEMVMX 32767 /* semop(2): what a semaphore holds */

static void
bob_rings_it_full(void *set)
{
    MUST(semctl(*(int *)set, DOORBELL, SETVAL, (union semun){.val = SEMVMX}) ==
         0);
}

static void
alice_rings_and_waits(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct client c;

    MUST(host_client(e->server, &c) == 0);
    actor_step(self);
    MUST(whoami(&c) == (int64_t)geteuid());
    e->fell = false;
    client_close(&c);
}

static bool
rings_it_full(bool naive)
{
    int *set = shared(sizeof *set);
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor alice;
    struct set found;

    if (naive) { /* err(1, "semop") */
        *set = semget(IPC_PRIVATE, SERVER_SEMS, 0666);
        MUST(*set != -1);
        as_user(BOB, bob_rings_it_full, set);
        return set_post(*set, DOORBELL) != 0;
    }
    serve(&server, this_attack->mechanism);
    e->fell = true;
    actor_start(&alice, ALICE, alice_rings_and_waits, e);
    actor_wait(&alice);
    MUST(set_server_find(server.where, &found) == 0);
    *set = found.id;
    pause_server(&server);
    as_user(BOB, bob_rings_it_full, set);
    actor_go(&alice);
    while (!is_stuck(alice.pid, SET_WAITS))
        sched_yield();
    resume_server(&server);
    actor_end(&alice);
    host_stop(&server);
    return e->fell;
}

/* -- the table ------------------------------------------------------------ */

const struct attack edge_attacks[] = {
    {216, "ipcd --user", "(has got in) has his link followed",
     .without = "links", .how = "RESOLVE_NO_SYMLINKS",
     .run = has_his_link_followed},
    {217, "sem/values", "erases the server's will, and it dies",
     .how = "one in each client's set", .run = erases_the_will},
    {217, "shm/sysv", "erases the server's will, and it dies",
     .how = "one in each client's set", .run = erases_the_will},
    {218, "read_file", "goes through the worker's descriptors",
     .without = "magiclinks", .how = "RESOLVE_NO_MAGICLINKS",
     .run = goes_through_descriptors},
    {219, "msgq/sysv-private", "lets his queue hold no byte; A asks",
     .how = "IPC_NOWAIT: EAGAIN", .run = leaves_no_room_for_replies},
    {220, "socket/stream", "keeps the system log full; A asks",
     .without = "logfull", .how = "waited for once", .missing = need_devices,
     .run = keeps_the_log_full},
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
    {224, "sem/values", "dies, with A's segment beside his set",
     .how = "who has made it?", .run = has_hers_swept},
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
    {229, "socket/stream", "has the kernel signal it (F_SETOWN)",
     .how = "not his process", .run = has_it_signalled},
    {230, "sem/values", "rings 32767 times; A's ring fails",
     .how = "it rings all the same", .run = rings_it_full},
    {230, "shm/sysv", "rings 32767 times; A's ring fails",
     .how = "it rings all the same", .run = rings_it_full},
    {0},
};

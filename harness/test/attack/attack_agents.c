/* attack_agents.c - who acts for the server, or in its place: the broker,
 * its workers, the system log, the kernel. */
#define _GNU_SOURCE /* SOCK_CLOEXEC, F_SETSIG */
#include "test/attack/edge.h"
#include "test/both/silent.h"
#include "test/rule_path.h"

#include "core/object.h"
#include "server/ask.h"
#include "server/confine.h"
#include "server/ipcd.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 216: the broker, and his link --------------------------------------- */

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

/* -- 282: the broker, and a sibling's files -------------------------------- */

static bool
opens_a_siblings_file(bool naive)
{
    const struct confinement c = {.user = {4711, 4711},
                                  .kind = CONFINED_BROKER,
                                  .kept =
                                      rights_of_broker(1u << BROKER_OBJECT)};
    struct broker_peer peer = {.may = 1u << BROKER_OBJECT,
                               .evidence = IPC_OWNER};
    char why[CONFINE_WHY] = "", where[ENDPOINT_SIZE], names[ENDPOINT_SIZE],
         path[PATH_MAX];
    int channel[2];
    bool fell;
    pid_t pid;

    (void)naive;
    MUST(endpoint_name(ipc_find("msgq/posix"), run_dir, where) == 0);
    broker_names(where, names);
    peer.dir = names;
    snprintf(path, sizeof path, "%s/append.log", run_dir);
    MUST(rename(make_file("secret", SECRET, 0600), path) == 0);
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
    fell = the_broker_opens(path);
    kill(pid, SIGTERM);
    MUST(waitpid(pid, NULL, 0) == pid);
    ask_by(0);
    return fell;
}

/* -- 218: the worker's own descriptors ----------------------------------- */

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
        MUST(client_call(&c, api_by_name("read_file"), args, &r,
                         ATTACK_TIMEOUT) == 0);
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
             rule_path(e->dir).text);
    serve_with_rules(&server, "socket/stream", text);
    as_user(BOB, bob_goes_through_descriptors, e);
    host_stop(&server);
    return e->fell;
}

/* -- 220: the system log ------------------------------------------------- */

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
        stuck = is_in_call(server.server, SYS_sendto);
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

/* -- 229: a signal by the kernel's hand ---------------------------------- */

/* What is ready on this descriptor is to be told to that process, by this
 * signal: F_SETOWN, F_SETSIG. */
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

/* -- the table ----------------------------------------------------------- */

const struct attack agent_attacks[] = {
    {216, "ipcd --user", "(has got in) has his link followed",
     .without = "links,subdirs", .how = "RESOLVE_NO_SYMLINKS",
     .run = has_his_link_followed},
    {282, "ipcd --user", "(has got in) opens a sibling's file",
     .without = "ownnames", .how = "beneath its own NAME.d",
     .run = opens_a_siblings_file},
    {218, "read_file", "goes through the worker's descriptors",
     .without = "magiclinks", .how = "RESOLVE_NO_MAGICLINKS",
     .run = goes_through_descriptors},
    {220, "socket/stream", "keeps the system log full; A asks",
     .without = "logfull", .how = "waited for once", .missing = need_devices,
     .run = keeps_the_log_full},
    {229, "socket/stream", "has the kernel signal it (F_SETOWN)",
     .how = "not his process", .run = has_it_signalled},
    {0},
};

/* attack_memory.c - shared memory: what the other side can still change. */
#define _GNU_SOURCE /* memfd_create, F_OFD_SETLK */
#include "test/attack/stage.h"

#include "core/clock.h"
#include "core/futex.h"
#include "core/rings.h"

#include "../../../shm/monitor.h"
#include "../../../signals/link.h"
#include "../../../signals/page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 37: memory that goes away -------------------------------------------- */

static void
bob_cuts_it_off(struct actor *self, void *arg)
{
    struct host *server = arg;
    const struct rings_client *rings;
    struct client c;

    MUST(client_open(&c, server->m, server->where) == 0);
    MUST(whoami(&c) == (int64_t)geteuid());
    rings = c.state;
    actor_step(self); /* the server is stopped */
    MUST(client_send(&c, api_by_name("whoami"), NULL, NULL, ATTACK_TIMEOUT) ==
         0);
    MUST(ftruncate(rings->segment_fd, 0) == 0);
    actor_step(self);
}

static bool
takes_his_memory_away(bool naive)
{
    struct host server;
    struct actor bob;
    bool served;

    (void)naive;
    serve(&server, this_attack->mechanism);
    actor_start(&bob, BOB, bob_cuts_it_off, &server);
    actor_wait(&bob);
    pause_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    resume_server(&server);
    /* By the very same process: one that died is started again. */
    served = is_served(&server);
    actor_kill(&bob);
    host_stop(&server);
    return !served;
}

/* -- 38, 39: memory that may shrink --------------------------------------- */

struct shrinking {
    struct host *server;
    bool fell;
};

/* As signals/doorbell's client does it, but for the seals. */
static void
alice_seals_nothing(void *arg)
{
    int memfd = memfd_create("messages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct shrinking *s = arg;
    struct link l = {.code = ANYBODY};
    siginfo_t end = {.si_pid = 0};

    sigemptyset(&l.set);
    MUST(memfd != -1 && ftruncate(memfd, sizeof(struct page)) == 0);
    MUST(link_open(&l, s->server->where, "signals/doorbell", memfd) == 0);
    if (link_wait(&l, NULL, NO_DEADLINE) < 0) { /* it has ended: refused */
        link_close(&l);
        return;
    }
    MUST(ftruncate(memfd, 0) == 0);
    MUST(link_send(&l, LINK_TO_SERVER, NULL) == 0);
    MUST(waitid(P_PID, (id_t)l.pid, &end, WEXITED | WNOWAIT) == 0);
    s->fell = end.si_code != CLD_EXITED && end.si_status == SIGBUS;
    link_close(&l);
}

static bool
has_memory_without_seals(bool naive)
{
    struct shrinking *s = shared(sizeof *s);
    struct host server;

    (void)naive;
    serve_set_user_id(&server, "signals/doorbell");
    s->server = &server;
    as_user(ALICE, alice_seals_nothing, s);
    host_stop(&server);
    return s->fell;
}

/* Once it is sealed not even its maker can do it. */
static bool
shrinks_sealed_memory(bool naive)
{
    struct page *page;
    int fd;

    if (!naive)
        fd = page_make(&page);
    else
        fd = memfd_create("messages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    MUST(fd != -1);
    MUST(!naive || ftruncate(fd, sizeof *page) == 0);
    return ftruncate(fd, 0) == 0;
}

/* -- 41: no memory left --------------------------------------------------- */

static void
alice_joins(void *arg)
{
    struct host *server = arg;
    struct client c;

    MUST(client_open(&c, server->m, server->where) == -ENOSPC);
}

/* Room for the server's two pages (its lock has one) and for no other.  A file
 * of holes can be made there, and mapped: the SIGBUS comes later. */
static bool
leaves_no_memory(bool naive)
{
    struct host server;
    struct actor alice;
    int status;

    (void)naive;
    MUST(mount("small", run_dir, "tmpfs", 0, "size=8k,mode=755") == 0);
    serve(&server, this_attack->mechanism);
    fflush(NULL);
    alice.pid = fork();
    if (alice.pid == 0) {
        become_user(ALICE);
        alice_joins(&server);
        _exit(EXIT_SUCCESS);
    }
    MUST(waitpid(alice.pid, &status, 0) == alice.pid);
    host_stop(&server);
    /* Of SIGBUS; a sanitizer makes a status of it. */
    MUST(!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_BROKEN);
    return status != 0;
}

/* -- 47: a mutex in his hands --------------------------------------------- */

static void
bob_scribbles(struct actor *self, void *arg)
{
    struct host *server = arg;
    struct client c;
    struct monitor *p;
    int fd, err = client_open(&c, server->m, server->where);

    MUST(err == 0 || err == -EACCES);
    fd = shared_page_open(server->where, O_RDWR, sizeof *p);
    MUST((fd >= 0) == (err == 0));
    if (fd >= 0) {
        p = memory_map(fd, sizeof *p, PROT_READ | PROT_WRITE);
        MUST(p != NULL && whoami(&c) >= 0);
        memset(p, 0xa5, sizeof *p);
    }
    actor_step(self);
}

static bool
writes_over_the_mutex(bool naive)
{
    struct host server;
    struct actor bob;
    bool served;

    (void)naive;
    serve(&server, "shm/mutex");
    actor_start(&bob, BOB, bob_scribbles, &server);
    actor_wait(&bob);
    /* By the very same process: one that died is started again. */
    served = is_served(&server);
    actor_kill(&bob);
    kill_server(&server);
    host_stop(&server);
    return !served;
}

/* -- 112, 113: whose memory it is ----------------------------------------- */

struct claim {
    struct host *server;
    bool fell;
};

/* Bob's own memory, and in it stands that it is Alice's. */
static void
bob_claims(void *arg)
{
    struct claim *claim = arg;
    struct rings_client rings = {.waiting = &futex_waiting};
    struct client c = {.m = claim->server->m, .state = &rings};
    struct rings_segment *p;
    int err = rings_join(&rings, claim->server->where, &rings_shm, ALICE);

    MUST(err == 0 || err == -ETIMEDOUT);
    if (err != 0)
        return; /* not a word */
    client_take_over(&c);
    MUST(c.m->limits(&c.limits) == 0);
    c.buf = ipc_buffer(c.limits.max_msg);
    c.out = ipc_buffer(IPC_SEND_AT + c.limits.max_msg);
    client_take_over(&c);
    p = rings.segment;
    rings.out.ring = &p->requests;
    rings.in.ring = &p->replies;
    MUST(whoami(&c) == ALICE);
    claim->fell = true;
}

static bool
claims_to_be_alice(bool naive)
{
    struct claim *claim = shared(sizeof *claim);
    struct host server;

    (void)naive;
    serve(&server, "shm/futex");
    claim->server = &server;
    as_user(BOB, bob_claims, claim);
    host_stop(&server);
    return claim->fell;
}

struct theft {
    char where[ENDPOINT_SIZE], theirs[PATH_MAX], segment[PATH_MAX];
    struct rings_segment *p;
    bool fell;
};

/* Her memory of another day, still open, with a request in it. */
static void
alices_old_segment(struct actor *self, void *arg)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct theft *t = arg;
    struct ring_writer w;
    uint8_t frame[WIRE_HEADER];
    int fd = open(t->theirs, O_RDWR | O_CREAT | O_EXCL, 0600);

    MUST(fd != -1 && posix_fallocate(fd, 0, sizeof *t->p) == 0);
    MUST(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    t->p = mmap(NULL, sizeof *t->p, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(t->p != MAP_FAILED);
    t->p->head.uid = ALICE;
    atomic_store(&t->p->head.answered, 1);
    w = (struct ring_writer){.ring = &t->p->requests};
    make_frame(frame, API_whoami);
    MUST(ring_put(&w, frame, sizeof frame, memory_order_seq_cst) == 0);
    t->p->head.serial = 1; /* so it was called, that day */
    atomic_store(&t->p->head.ready, RINGS_READY);
    actor_step(self); /* Bob moves it; the server looks at it */
    t->fell = *ring_word(&t->p->replies, 0) != RING_NOTHING;
}

static void
bob_moves_it(void *arg)
{
    struct theft *t = arg;
    const struct registration hers = {.uid = ALICE, .pid = 1, .serial = 1};

    MUST(rename(t->theirs, t->segment) == 0);
    MUST(register_this(t->where, &hers) == 0);
}

static bool
moves_her_old_file(bool naive)
{
    struct theft *t = shared(sizeof *t);
    struct host server;
    struct actor alice;
    struct rings_segment *p;
    int fd;

    (void)naive;
    serve(&server, "mmap/file");
    strcpy(t->where, server.where);
    snprintf(t->theirs, sizeof t->theirs, "%s/old", make_careless_dir(run_dir));
    snprintf(t->segment, sizeof t->segment, "%.100s.d/1.1", server.where);
    actor_start(&alice, ALICE, alices_old_segment, t);
    actor_wait(&alice);
    as_user(BOB, bob_moves_it, t);
    fd = open(t->segment, O_RDONLY | O_CLOEXEC);
    p = mmap(NULL, sizeof *p, PROT_READ, MAP_SHARED, fd, 0);
    MUST(p != MAP_FAILED);
    while (atomic_load(&p->head.verdict) == RINGS_NOT_YET)
        be_served(&server);
    for (int i = 0; i < 10; i++) /* now it knows it, and goes round */
        be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return t->fell;
}

/* -- 155: memory that may grow and shrink --------------------------------- */

/* As a client of the rings does it, but for the seals. */
static int
make_unsealed(const char *where, size_t size, struct registration *r,
              char path[PATH_MAX])
{
    int fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    (void)where;
    path[0] = '\0';
    MUST(fd != -1 && ftruncate(fd, (off_t)size) == 0);
    MUST(fchmod(fd, 0600) == 0);
    r->id[0] = (uint32_t)fd;
    return fd;
}

static void
bob_does_not_seal(void *arg)
{
    struct client_memory unsealed = sealed_memory;
    struct rings_memory memory = rings_shm;
    struct rings_client rings = {.waiting = &futex_waiting};
    struct claim *claim = arg;
    int err;

    unsealed.make = make_unsealed;
    memory.segments = &unsealed;
    err = rings_join(&rings, claim->server->where, &memory, geteuid());
    MUST(err == 0 || err == -ETIMEDOUT);
    claim->fell = err == 0 && ftruncate(rings.segment_fd, 1 << 30) == 0;
}

static bool
brings_memory_that_grows(bool naive)
{
    struct claim *claim = shared(sizeof *claim);
    struct host server;

    (void)naive;
    serve(&server, "shm/futex");
    claim->server = &server;
    as_user(BOB, bob_does_not_seal, claim);
    host_stop(&server);
    return claim->fell;
}

/* -- the table ------------------------------------------------------------ */

const struct attack memory_attacks[] = {
    {37, "mmap/file", "asks, and cuts his memory to nothing",
     .without = "guard", .how = "SIGBUS costs it its slot", .alone = true,
     .run = takes_his_memory_away},
    {38, "signals/doorbell", "gives memory that may still shrink",
     .without = "seal", .how = "F_GET_SEALS", .run = has_memory_without_seals},
    {39, "signals/doorbell", "shrinks memory that is sealed",
     .how = "F_SEAL_SHRINK: EPERM", .alone = true,
     .run = shrinks_sealed_memory},
    {41, "mmap/file", "leaves no room in the file system; A joins",
     .without = "fallocate", .how = "ENOSPC, and no SIGBUS",
     .run = leaves_no_memory},
    {47, "shm/mutex", "writes over the mutex", .without = "own",
     .how = "mode 0600: own user only", .run = writes_over_the_mutex},
    {112, "shm/futex", "says: my memory, and I am A", .without = "owner",
     .how = "who owns the memory", .run = claims_to_be_alice},
    {113, "mmap/file", "moves an old file of A to the others",
     .without = "nonce", .how = "the nonce, which A reads",
     .run = moves_her_old_file},
    {155, "shm/futex", "brings memory that may grow", .without = "seal",
     .how = "F_GET_SEALS", .run = brings_memory_that_grows},
    {0},
};

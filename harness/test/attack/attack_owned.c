/* attack_owned.c - what a client, or who was here before the server, owns: the
 * group of its FIFO, the lock of its file, a name. */
#define _GNU_SOURCE /* fallocate, O_CLOEXEC */
#include "test/attack/hand.h"
#include "test/both/driven.h"

#include "core/clock.h"
#include "core/rendezvous.h"
#include "core/stall.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- 180: the group of a FIFO ---------------------------------------------- */

/* One that a rule might allow something (`gid=4711`), and Bob is not in. */
#define WEB 4711

struct lent {
    struct hand *hand;
    char from[PATH_MAX]; /* where his FIFO gets its group */
    int64_t gid;         /* that the server takes him for in */
};

static int64_t
take_gid(int replies)
{
    struct api_value v[API_MAX_FIELDS];
    uint8_t frame[PIPE_BUF];
    ssize_t n = read(replies, frame, sizeof frame);

    MUST(n > WIRE_HEADER);
    MUST(api_decode(api_by_name("whoami")->results, frame + WIRE_HEADER,
                    (size_t)n - WIRE_HEADER, -1, v) == 0);
    MUST(v[2].i64 == BOB);
    return v[3].i64;
}

static void
bob_brings_a_group(struct actor *self, void *arg)
{
    struct lent *l = arg;
    struct hand *h = l->hand;
    char to[PATH_MAX];
    struct stat st;

    strcpy(to, h->path);
    strcpy(h->path, l->from);
    make_replies(h);
    MUST(stat(l->from, &st) == 0 && st.st_uid == BOB && st.st_gid == WEB);
    MUST(rename(l->from, to) == 0);
    say_join(h);
    actor_step(self); /* the server looks at it */
    MUST(take_nonce(h));
    say_whoami(h);
    actor_step(self);
    l->gid = take_gid(h->replies);
}

/* A directory for a group to work in, as there is one for every web site: what
 * is made there belongs to the group, whoever makes it; and still does when it
 * is somewhere else. */
static bool
borrows_a_group(bool naive)
{
    struct lent *l = shared(sizeof *l);
    char dir[ENDPOINT_SIZE + 16];
    struct host server;
    struct actor bob;

    (void)naive;
    snprintf(dir, sizeof dir, "%s/web", stage_dir);
    MUST(mkdir(dir, 0777) == 0 && chown(dir, 0, WEB) == 0);
    MUST(chmod(dir, 02777) == 0);
    snprintf(l->from, sizeof l->from, "%s/fifo", dir);
    l->hand = make_hand("fifo/perclient", BOB);
    serve(&server, "fifo/perclient");
    actor_start(&bob, BOB, bob_brings_a_group, l);
    for (int i = 0; i < 2; i++) {
        actor_wait(&bob);
        be_served(&server);
        actor_go(&bob);
    }
    actor_end(&bob);
    host_stop(&server);
    return l->gid == WEB;
}

/* -- 181: the lock of his file -------------------------------------------- */

#define OFTEN 5 /* more than a user may be at fault */

struct holder {
    char where[ENDPOINT_SIZE];
    int in; /* so often the server took him in */
};

/* Holes in each file that he has open: as long as that takes nobody can write
 * there, and it takes as long as the file is large. */
static void
punch(void)
{
    struct stat st;

    for (int fd = 3; fd < 16; fd++)
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == BOB)
            MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                           st.st_size) == 0);
}

static void
bob_punches_holes(struct actor *self, void *arg)
{
    struct holder *b = arg;
    struct client c;

    ipc_open_timeout = NS_PER_SEC / 2;
    for (int i = 0; i < OFTEN; i++) {
        if (client_open(&c, ipc_find("mmap/lockfile"), b->where) != 0)
            continue;
        b->in++;
        punch();
        client_close(&c);
    }
    actor_step(self);
}

/* Driven by hand: so that its half second is none, and over at once.  (That the
 * kernel lets him keep the lock that long, test_turnfile.c tries.) */
static bool
keeps_his_file_locked(bool naive)
{
    struct holder *b = shared(sizeof *b);
    struct driven d;
    struct actor bob;

    (void)naive;
    stall_limit = -1;
    MUST(drive_begin(&d, "mmap/lockfile", run_dir) == 0);
    strcpy(b->where, d.where);
    actor_start(&bob, BOB, bob_punches_holes, b);
    while (!actor_is_there(&bob))
        MUST(drive(&d, 10 * NS_PER_MS) == -ETIMEDOUT);
    actor_wait(&bob);
    actor_go(&bob);
    actor_end(&bob);
    drive_end(&d);
    MUST(b->in > 0);
    return b->in == OFTEN;
}

/* -- 183, 184: the names of the last server ------------------------------- */

struct squat {
    char name[ENDPOINT_SIZE];
    bool queue;
};

static int
take_name(const struct squat *s)
{
    return s->queue ? mq_open(s->name, O_RDWR | O_CREAT | O_EXCL, 0666, NULL)
                    : shm_open(s->name, O_RDWR | O_CREAT | O_EXCL, 0666);
}

static void
bob_takes_the_name(void *arg)
{
    MUST(take_name(arg) != -1);
}

/* In a space that all users share; and its server is to come again. */
static bool
takes_the_name_before_it_starts(bool naive)
{
    struct squat *s = shared(sizeof *s);
    struct host server;
    bool served;

    s->queue = strcmp(this_attack->mechanism, "msgq/posix") == 0;
    strcpy(s->name, "/ipclab");
    if (!naive) {
        serve(&server, this_attack->mechanism);
        MUST(endpoint_lookup(server.where, s->queue ? "queue" : "name", s->name,
                             sizeof s->name) == 0);
        MUST(host_stop(&server) == 0);
    }
    as_user(BOB, bob_takes_the_name, s);
    if (naive) /* a textbook's has always the same name */
        return take_name(s) == -1 && errno == EEXIST;
    serve(&server, this_attack->mechanism);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- the table ------------------------------------------------------------ */

const struct attack owned_attacks[] = {
    {180, "fifo/perclient", "has a FIFO of another group's", .without = "group",
     .how = "the group is passwd(5)'s", .run = borrows_a_group},
    {181, "mmap/lockfile", "punches holes while the server writes",
     .without = "stall", .how = "barred, who makes it wait",
     .run = keeps_his_file_locked},
    {183, "shm/futex", "takes the name before it starts",
     .how = "a new one for each start", .run = takes_the_name_before_it_starts},
    {184, "msgq/posix", "takes the name before it starts",
     .how = "a new one for each start", .run = takes_the_name_before_it_starts},
    {0},
};

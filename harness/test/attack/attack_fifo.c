/* attack_fifo.c - FIFOs: what else may stand where a reply FIFO should, and
 * where the request FIFO should. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "test/attack/hand.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- 14, 15: a FIFO of hers, from elsewhere ------------------------------- */

struct move {
    struct hand *hand;
    char to[PATH_MAX];
};

/* dir/file is where Alice makes her replies, and a name among the replies is
 * what Bob speaks of. */
static struct move *
make_move(const char *dir, const char *file)
{
    struct move *m = shared(sizeof *m);

    m->hand = make_hand("fifo/perclient", ALICE);
    strcpy(m->to, m->hand->path);
    snprintf(m->hand->path, sizeof m->hand->path, "%s/%s", dir, file);
    return m;
}

static bool
brings_hers(struct move *m, void (*bob_does_it)(void *))
{
    struct host server;
    struct actor alice;

    serve(&server, "fifo/perclient");
    actor_start(&alice, ALICE, owns_the_replies, m->hand);
    actor_wait(&alice);
    as_user(BOB, bob_does_it, m);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return m->hand->fell;
}

/* A new name is a change of the inode, so it looks as if just made. */
static void
bob_moves_it(void *arg)
{
    struct move *m = arg;

    MUST(rename(m->hand->path, m->to) == 0);
    join_and_ask(m->hand);
}

static bool
moves_an_old_fifo(bool naive)
{
    (void)naive;
    return brings_hers(make_move(make_careless_dir(stage_dir), "hers"),
                       bob_moves_it);
}

static const char *
protected_hardlinks(void)
{
    FILE *in = fopen("/proc/sys/fs/protected_hardlinks", "re");
    int c = in != NULL ? fgetc(in) : '0';

    if (in != NULL)
        fclose(in);
    return c == '0' ? NULL
                    : "fs.protected_hardlinks is 1: the kernel itself refuses "
                      "the link (EPERM)";
}

static void
bob_links_hard(void *arg)
{
    struct move *m = arg;

    MUST(link(m->hand->path, m->to) == 0);
    join_and_ask(m->hand);
}

static bool
links_anothers_fifo(bool naive)
{
    char dir[ENDPOINT_SIZE + 8];

    (void)naive;
    snprintf(dir, sizeof dir, "%s/hers", run_dir);
    MUST(mkdir(dir, 0755) == 0 && chown(dir, ALICE, ALICE) == 0);
    return brings_hers(make_move(dir, "fifo"), bob_links_hard);
}

/* -- 12: a name that leads elsewhere -------------------------------------- */

struct link {
    struct hand *hand;
    const char *to;
};

static void
bob_links(void *arg)
{
    struct link *l = arg;

    MUST(symlink(l->to, l->hand->path) == 0);
    join_and_ask(l->hand);
}

/* What a textbook's server does with the name that a client gave. */
static void
open_and_answer(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    MUST(fd != -1);
    MUST(write(fd, "answer", 6) == 6);
    close(fd);
}

static bool
leads_to_roots_file(bool naive)
{
    struct link *l = shared(sizeof *l);
    struct host server;

    serve(&server, "fifo/perclient");
    l->hand = make_hand("fifo/perclient", 0);
    l->to = make_file("precious", SECRET, 0600);
    if (naive)
        snprintf(l->hand->path, sizeof l->hand->path, "%s/link",
                 make_careless_dir(stage_dir));
    as_user(BOB, bob_links, l);
    if (naive)
        open_and_answer(l->hand->path);
    be_served(&server);
    host_stop(&server);
    return !is_still_secret(l->to);
}

/* -- 16: nobody at the other end ------------------------------------------ */

struct waiting {
    struct hand *hand;
    bool served;
};

static void
bob_does_not_read(void *arg)
{
    struct hand *h = arg;

    h->claim = geteuid();
    MUST(mkfifo(h->path, 0600) == 0);
    join_and_ask(h);
}

/* open(2) for writing waits for a reader: fifo(7). */
static void
naive_server(struct actor *self, void *arg)
{
    struct waiting *w = arg;

    actor_step(self);
    open_and_answer(w->hand->path); /* and then it would serve the next */
    w->served = true;
}

static bool
never_opens_his_fifo(bool naive)
{
    struct waiting *w = shared(sizeof *w);
    struct host server;
    struct actor textbook;

    serve(&server, "fifo/perclient");
    w->hand = make_hand("fifo/perclient", 0);
    as_user(BOB, bob_does_not_read, w->hand);
    if (!naive) {
        w->served = is_served(&server);
        host_stop(&server);
        return !w->served;
    }
    actor_start(&textbook, geteuid(), naive_server, w);
    actor_wait(&textbook);
    actor_go(&textbook);
    while (!is_in_call(textbook.pid, SYS_openat) && !actor_is_there(&textbook))
        continue;
    actor_kill(&textbook);
    host_stop(&server);
    return !w->served;
}

/* -- 19: a request FIFO of his own ---------------------------------------- */

struct squatter {
    char where[ENDPOINT_SIZE];
    bool fell;
};

static void
bob_is_the_server(struct actor *self, void *arg)
{
    struct squatter *s = arg;
    uint8_t record[PIPE_BUF];
    char dir[ENDPOINT_SIZE + 2];
    int fifo;

    MUST(mkfifo(s->where, 0622) == 0 && chmod(s->where, 0622) == 0);
    snprintf(dir, sizeof dir, "%s.d", s->where);
    MUST(mkdir(dir, 0) == 0 && chmod(dir, 01777) == 0);
    fifo = open(s->where, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    actor_step(self);
    s->fell = read(fifo, record, sizeof record) > 0;
    close(fifo);
}

static bool
squats_the_request_fifo(bool naive)
{
    struct squatter *s = shared(sizeof *s);
    struct actor bob;

    (void)naive;
    MUST(endpoint_name(ipc_find("fifo/perclient"), run_dir, s->where) == 0);
    /* As if it had been carelessly made; for a moment. */
    MUST(chmod(run_dir, 0777) == 0);
    actor_start(&bob, BOB, bob_is_the_server, s);
    actor_wait(&bob);
    MUST(chmod(run_dir, 0755) == 0);
    as_user(ALICE, asks_in_vain, s->where); /* as far as the JOIN */
    actor_go(&bob);
    actor_end(&bob);
    return s->fell;
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "fifo/perclient"

const struct attack fifo_attacks[] = {
    {12, M, "his reply FIFO links to root's file", .how = "O_NOFOLLOW: ELOOP",
     .run = leads_to_roots_file},
    /* The nonce would do, too; so the naive form has neither. */
    {14, M, "links A's FIFO among the replies", .without = "proper,nonce",
     .how = "one name only", .missing = protected_hardlinks,
     .run = links_anothers_fifo},
    {15, M, "moves A's old FIFO among the replies", .without = "nonce",
     .how = "the nonce, which A reads", .run = moves_an_old_fifo},
    {16, M, "joins, and does not open his FIFO", .how = "O_NONBLOCK: ENXIO",
     .alone = true, .run = never_opens_his_fifo},
    {19, M, "has a request FIFO before the server", .without = "server",
     .how = "whose run directory it is", .run = squats_the_request_fifo},
    {0},
};

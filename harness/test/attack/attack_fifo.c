/* attack_fifo.c - FIFOs: what anybody may write, and whose a FIFO is. */
#define _GNU_SOURCE /* O_PATH, F_GETPIPE_SZ */
#include "test/attack/attack.h"

#include "core/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- records, written by hand: see the picture in fifo/perclient.c ----------- */

enum { JOIN = 1, MESSAGE = 2, PREFIX = 32 };

/* What one who knows the format needs; shared by those who act. */
struct hand {
    char where[ENDPOINT_SIZE];
    uint32_t pid, serial; /* of the reply FIFO */
    uid_t claim;
    uint8_t nonce[NONCE_SIZE]; /* zeros, as long as he does not know it */
    bool fell;
};

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    *h = (struct hand){.pid = 4711, .serial = 1, .claim = claim};
    strcpy(h->where, server->where);
    return h;
}

static void
reply_path(const struct hand *h, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s.d/%u.%u", h->where, h->pid, h->serial);
}

/* A reply FIFO as any client makes it: a descriptor to read from. */
static int
make_reply_fifo(const char *path)
{
    int fd;

    MUST(mkfifo(path, 0600) == 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    MUST(fd != -1);
    return fd;
}

static void
write_record(const struct hand *h, int fifo, unsigned type, const void *body,
             size_t len)
{
    uint8_t record[PIPE_BUF] = "FIFO";

    put16(record + 4, (uint16_t)(PREFIX + len));
    put16(record + 6, (uint16_t)type);
    put32(record + 8, h->pid);
    put32(record + 12, h->serial);
    memcpy(record + 16, h->nonce, NONCE_SIZE);
    memcpy(record + PREFIX, body, len);
    MUST(write(fifo, record, PREFIX + len) == (ssize_t)(PREFIX + len));
}

static int
open_requests(const struct hand *h)
{
    int fifo = open(h->where, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(fifo != -1);
    return fifo;
}

/* "That reply FIFO is mine." */
static void
say_join(const struct hand *h, int fifo)
{
    uint8_t uid[4];

    put32(uid, h->claim);
    write_record(h, fifo, JOIN, uid, sizeof uid);
}

/* "Who am I?" */
static void
say_whoami(const struct hand *h, int fifo)
{
    uint8_t frame[WIRE_HEADER];

    make_frame(frame, API_whoami);
    write_record(h, fifo, MESSAGE, frame, sizeof frame);
}

static void
join_and_ask(const struct hand *h)
{
    int fifo = open_requests(h);

    say_join(h, fifo);
    say_whoami(h, fifo);
    close(fifo);
}

/* The uid in the answer behind the nonce; -2: there is none. */
static int64_t
answered_uid(int replies)
{
    uint8_t bytes[PIPE_BUF];
    ssize_t n = read(replies, bytes, sizeof bytes);

    close(replies);
    if (n <= NONCE_SIZE)
        return -2;
    return uid_in_frame(bytes + NONCE_SIZE, (size_t)n - NONCE_SIZE);
}

/* -- 11: reflection -------------------------------------------------------- */

static void
alice_has_a_fifo(struct actor *self, void *arg)
{
    struct hand *h = arg;
    char path[PATH_MAX];
    int replies;

    reply_path(h, path);
    replies = make_reply_fifo(path);
    actor_step(self); /* Bob does it */
    h->fell = answered_uid(replies) == ALICE;
}

static void
bob_names_it(void *arg)
{
    join_and_ask(arg);
}

static bool
names_anothers_fifo(bool naive)
{
    struct host server;
    struct actor alice;
    struct hand *h;

    (void)naive;
    serve(&server, "fifo/perclient");
    h = make_hand(&server, ALICE);
    actor_start(&alice, ALICE, alice_has_a_fifo, h);
    actor_wait(&alice);
    as_user(BOB, bob_names_it, h);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return h->fell;
}

/* -- 15: an old FIFO of hers ------------------------------------------------- */

struct move {
    struct hand *hand;
    char from[PATH_MAX], to[PATH_MAX];
};

static void
alice_uses_another(struct actor *self, void *arg)
{
    struct move *m = arg;
    int replies = make_reply_fifo(m->from);

    actor_step(self);
    m->hand->fell = answered_uid(replies) == ALICE;
}

/* A new name is a change of the inode, so it looks as if just made. */
static void
bob_moves_it(void *arg)
{
    struct move *m = arg;

    MUST(rename(m->from, m->to) == 0);
    join_and_ask(m->hand);
}

static bool
moves_an_old_fifo(bool naive)
{
    struct move *m = shared(sizeof *m);
    struct host server;
    struct actor alice;

    (void)naive;
    serve(&server, "fifo/perclient");
    m->hand = make_hand(&server, ALICE);
    /* Where he may rename what is not his: no sticky bit. */
    MUST(mkdir(strcat(strcpy(m->from, stage_dir), "/open"), 0) == 0);
    MUST(chmod(m->from, 0777) == 0);
    strcat(m->from, "/hers");
    reply_path(m->hand, m->to);
    actor_start(&alice, ALICE, alice_uses_another, m);
    actor_wait(&alice);
    as_user(BOB, bob_moves_it, m);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return m->hand->fell;
}

/* -- 101: his own FIFO, and he says that he is root ------------------------- */

static void
bob_claims(struct actor *self, void *arg)
{
    struct hand *h = arg;
    int replies, requests = open_requests(h);
    uint8_t answer[512];
    char path[PATH_MAX];
    ssize_t n;

    reply_path(h, path);
    replies = make_reply_fifo(path);
    say_join(h, requests);
    actor_step(self);
    if (read(replies, h->nonce, NONCE_SIZE) == NONCE_SIZE) {
        say_whoami(h, requests);
        actor_step(self);
        n = read(replies, answer, sizeof answer);
        h->fell = n > 0 && uid_in_frame(answer, (size_t)n) == 0;
    }
    close(requests);
    close(replies);
}

static bool
claims_to_be_root(bool naive)
{
    struct host server;
    struct actor bob;
    struct hand *h;

    (void)naive;
    serve(&server, "fifo/perclient");
    h = make_hand(&server, 0);
    actor_start(&bob, BOB, bob_claims, h);
    while (actor_next(&bob)) {
        be_served(&server); /* what he has written has been read */
        actor_go(&bob);
    }
    actor_end(&bob);
    host_stop(&server);
    return h->fell;
}

/* -- 12, 14: names that lead elsewhere --------------------------------------- */

struct link {
    struct hand *hand;
    const char *to;
    char path[PATH_MAX];
};

static void
bob_links(void *arg)
{
    struct link *l = arg;

    MUST(symlink(l->to, l->path) == 0);
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
    char now[sizeof SECRET] = "";
    int fd;

    serve(&server, "fifo/perclient");
    l->hand = make_hand(&server, 0);
    l->to = make_file("precious", SECRET, 0600);
    reply_path(l->hand, l->path);
    as_user(BOB, bob_links, l);
    if (naive)
        open_and_answer(l->path);
    be_served(&server);
    host_stop(&server);
    fd = open(l->to, O_RDONLY | O_CLOEXEC);
    MUST(read(fd, now, sizeof now - 1) > 0);
    close(fd);
    return strcmp(now, SECRET) != 0;
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

    MUST(link(m->from, m->to) == 0);
    join_and_ask(m->hand);
}

static bool
links_anothers_fifo(bool naive)
{
    struct move *m = shared(sizeof *m);
    struct host server;
    struct actor alice;

    (void)naive;
    serve(&server, "fifo/perclient");
    m->hand = make_hand(&server, ALICE);
    MUST(mkdir(strcat(strcpy(m->from, run_dir), "/hers"), 0755) == 0);
    MUST(chown(m->from, ALICE, ALICE) == 0);
    strcat(m->from, "/fifo");
    reply_path(m->hand, m->to);
    actor_start(&alice, ALICE, alice_uses_another, m);
    actor_wait(&alice);
    as_user(BOB, bob_links_hard, m);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return m->hand->fell;
}

/* -- 16: nobody at the other end -------------------------------------------- */

struct waiting {
    char path[PATH_MAX];
    struct host *server;
    bool served;
};

static void
bob_does_not_read(void *arg)
{
    struct hand *h = arg;
    char path[PATH_MAX];

    h->claim = geteuid();
    reply_path(h, path);
    MUST(mkfifo(path, 0600) == 0);
    join_and_ask(h);
}

/* open(2) for writing waits for a reader: fifo(7). */
static void
naive_server(struct actor *self, void *arg)
{
    struct waiting *w = arg;

    actor_step(self);
    open_and_answer(w->path); /* and then it would serve the next */
    w->served = true;
}

static bool
never_opens_his_fifo(bool naive)
{
    struct waiting *w = shared(sizeof *w);
    struct host server;
    struct actor textbook;
    struct hand *h;

    serve(&server, "fifo/perclient");
    h = make_hand(&server, 0);
    as_user(BOB, bob_does_not_read, h);
    if (!naive) {
        w->served = is_served(&server);
        host_stop(&server);
        return !w->served;
    }
    reply_path(h, w->path);
    actor_start(&textbook, geteuid(), naive_server, w);
    actor_wait(&textbook);
    actor_go(&textbook);
    while (!is_stuck(textbook.pid, SYS_openat) && !actor_is_there(&textbook))
        continue;
    actor_kill(&textbook);
    host_stop(&server);
    return !w->served;
}

/* -- 19: a request FIFO of his own ------------------------------------------ */

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

/* She never gets further than the JOIN; which is far enough. */
static void
alice_asks(void *arg)
{
    struct client c;

    MUST(client_open(&c, ipc_find("fifo/perclient"), arg) != 0);
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
    as_user(ALICE, alice_asks, s->where);
    actor_go(&bob);
    actor_end(&bob);
    return s->fell;
}

/* -- the table --------------------------------------------------------------- */

#define M .mechanism = "fifo/perclient"

const struct attack fifo_attacks[] = {
    {11, M, "says: the reply FIFO of A is mine", .without = "nonce",
     .how = "the nonce, which A reads", .run = names_anothers_fifo},
    {12, M, "his reply FIFO links to root's file", .how = "O_NOFOLLOW: ELOOP",
     .run = leads_to_roots_file},
    {14, M, "links A's FIFO among the replies", .without = "proper",
     .how = "one name only", .missing = protected_hardlinks,
     .run = links_anothers_fifo},
    {15, M, "moves A's old FIFO among the replies", .without = "nonce",
     .how = "the nonce, which A reads", .run = moves_an_old_fifo},
    {16, M, "joins, and does not open his FIFO", .how = "O_NONBLOCK: ENXIO",
     .alone = true, .run = never_opens_his_fifo},
    {19, M, "has a request FIFO before the server", .without = "server",
     .how = "whose run directory it is", .run = squats_the_request_fifo},
    {101, M, "says: my own FIFO, and I am root", .without = "owner",
     .how = "who owns the FIFO", .run = claims_to_be_root},
    {0},
};

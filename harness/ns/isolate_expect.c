/*
 * isolate_expect.c - what ought to happen in each cell, and why.
 *
 *      what each mechanism needs     x     what each namespace takes away
 *      all_needs[]: socket/abstract            rules[]: net takes NET away,
 *               needs NET                           the client hears REFUSED
 *
 * The mechanism is one thing, the variant another: a System V queue has no
 * file, but the variant keeps one in the run directory to know that its server
 * lives.  BESIDE marks that; the bare mechanism would have got through.
 */
#include "ns/isolate.h"

#include <errno.h>
#include <string.h>

/* -- what each mechanism needs --------------------------------------------- */

enum need {
    FILES = 1 << 0,  /* a name in the run directory or in /dev/shm */
    BESIDE = 1 << 1, /* only the variant does: a life line, a port number */
    KEY = 1 << 2,    /* a System V key or a queue's name */
    SETS = 1 << 3,   /* ... of semaphores, behind a file that says who lives */
    NET = 1 << 4,    /* an abstract name or a port */
    SIGNALS = 1 << 5,
    CLAIM = 1 << 6,   /* the client says its uid, and the server compares */
    CHANNEL = 1 << 7, /* inherited: no name at all */
    DEVICE = 1 << 8,  /* a network device besides lo */
    PROC = 1 << 9,    /* the server finds the client's /proc/PID/fd */
};

/* Where the pid that whoami returns comes from. */
enum pid_from {
    NO_PID,
    PID_CLAIMED,     /* the client says it, and nobody can check */
    PID_PARENT,      /* getppid() */
    PID_SEMAPHORE,   /* GETPID: who changed the semaphore last */
    PID_QUEUE,       /* msg_lspid, believed if it is the claimed one */
    PID_CREDENTIALS, /* SO_PEERCRED, SCM_CREDENTIALS */
};

enum uid_from { NO_UID, UID_OBJECT, UID_PROCESS };

static const struct needs {
    const char *name;
    unsigned needs;
    enum pid_from pid;
    enum uid_from uid;
} all_needs[] = {
    {"fifo/perclient", FILES | CLAIM, NO_PID, UID_OBJECT},
    {"fifo/oneway", FILES, NO_PID, NO_UID},
    {"mmap/file", FILES | CLAIM, NO_PID, UID_OBJECT},
    {"mmap/lockfile", FILES | CLAIM, NO_PID, UID_OBJECT},
    {"msgq/sysv-types", BESIDE | KEY, PID_QUEUE, UID_PROCESS},
    {"msgq/sysv-private", BESIDE | KEY | CLAIM, NO_PID, UID_OBJECT},
    {"msgq/posix", BESIDE | KEY | CLAIM, NO_PID, UID_OBJECT},
    {"msgq/mpi", CHANNEL | DEVICE, NO_PID, NO_UID},
    {"pipe/coprocess", CHANNEL, PID_PARENT, UID_PROCESS},
    {"pipe/packet", CHANNEL, PID_PARENT, UID_PROCESS},
    {"sem/values", BESIDE | SETS | CLAIM, PID_SEMAPHORE, UID_OBJECT},
    {"sem/mailbox", FILES | CLAIM, PID_CLAIMED, UID_OBJECT},
    {"shm/futex", FILES | CLAIM | PROC, NO_PID, UID_OBJECT},
    {"shm/spin", FILES | CLAIM | PROC, NO_PID, UID_OBJECT},
    {"shm/mutex", FILES, NO_PID, UID_OBJECT},
    {"shm/sysv", BESIDE | SETS | CLAIM, PID_SEMAPHORE, UID_OBJECT},
    {"shm/reclock", FILES | CLAIM | PROC, NO_PID, UID_OBJECT},
    {"signals/rt", SIGNALS, PID_PARENT, UID_PROCESS},
    {"signals/bits", SIGNALS, PID_PARENT, UID_PROCESS},
    {"signals/doorbell", SIGNALS, PID_PARENT, UID_PROCESS},
    {"socket/pair", CHANNEL, PID_PARENT, UID_PROCESS},
    {"socket/stream", FILES, PID_CREDENTIALS, UID_PROCESS},
    {"socket/threads", FILES, PID_CREDENTIALS, UID_PROCESS},
    {"socket/seqpacket", FILES, PID_CREDENTIALS, UID_PROCESS},
    {"socket/dgram", FILES, PID_CREDENTIALS, UID_PROCESS},
    {"socket/abstract", NET, PID_CREDENTIALS, UID_PROCESS},
    {"socket/tcp", BESIDE | NET, NO_PID, UID_PROCESS},
    {"socket/udp", BESIDE | NET, NO_PID, NO_UID},
};

/* -- what each namespace takes away ---------------------------------------- */

#define BOTH (-1)

static const struct rule {
    int form, side;
    unsigned needs; /* any of these; 0: all mechanisms */
    int err;        /* 0: gets through */
    const char *why;
} rules[] = {
    {FORM_IPC, BOTH, KEY, -ENOENT,
     "keys and queue names are looked up in the caller's IPC namespace: there "
     "is no such queue in it"},
    {FORM_IPC, BOTH, SETS, -ECONNREFUSED,
     "the file in the run directory is there, the semaphores it names are in "
     "another IPC namespace"},
    {FORM_IPC, BOTH, FILES, 0,
     "files, sockets and POSIX shared memory are in the file system, which an "
     "IPC namespace does not touch"},
    {FORM_NET, BOTH, NET, -ECONNREFUSED,
     "ports and abstract names belong to a network namespace: nobody listens "
     "in this one"},
    {FORM_NET, SERVER_INSIDE, DEVICE, -EPIPE,
     "Open MPI joins the server that it spawned by TCP, and never over lo: a "
     "new network namespace has nothing else"},
    {FORM_NET, BOTH, FILES, 0,
     "a path is looked up in the mounts, not in the network: even sockets are "
     "found across network namespaces"},
    {FORM_MNT_FS, BOTH, FILES, -ENOENT,
     "the name is in a directory that another file system covers on one side: "
     "there, no such name"},
    {FORM_MNT_FS, BOTH, BESIDE, -ENOENT,
     "the mechanism needs no file, but this variant keeps one beside it (who "
     "lives, at which port), and that is covered"},
    {FORM_MNT, BOTH, FILES | BESIDE, 0,
     "a new mount namespace begins as a copy: the same file systems in the "
     "same places"},
    {FORM_PID, CLIENT_INSIDE, SIGNALS, -EINVAL,
     "a process can signal only its own PID namespace and those below: from "
     "inside, the other side's pidfd is of no use"},
    {FORM_PID, SERVER_INSIDE, SIGNALS, -ECONNREFUSED,
     "the server cannot signal a client outside its PID namespace (EINVAL), "
     "and ends"},
    {FORM_PID, CLIENT_INSIDE, PROC, -ETIMEDOUT,
     "the client's memory has no name but /proc/PID/fd, and the pid that the "
     "client has inside is nobody's, or another's, in the server's /proc"},
    {FORM_USER, SERVER_INSIDE, PROC, -ETIMEDOUT,
     "whoever opens /proc/PID/fd is asked what ptrace(2) asks, and a process "
     "in a user namespace has no right over one outside"},
    {FORM_USER_NEW, BOTH, CLAIM, -ETIMEDOUT,
     "the client says the uid it has inside, its object has another outside: "
     "not believed, and not answered"},
    {BOTH, BOTH, CHANNEL | SIGNALS, 0,
     "an inherited descriptor needs no name, so no namespace can hide it"},
    {BOTH, BOTH, 0, 0, "nothing that this mechanism uses is isolated by it"},
};

/* -- who the server takes the client for ----------------------------------- */

static const char pid_translated[] =
    "the kernel translates: the server hears the number that the client has "
    "in the server's namespace, or 0 if it has none";
static const char pid_lost[] =
    "the client has no pid in the server's PID namespace (the kernel says 0), "
    "and an identity without one is not believed";
static const char uid_translated[] =
    "the kernel translates: the server hears the uid that this user has in "
    "the server's user namespace";

/* The pid, over the boundary of a PID namespace. */
static enum isolate_seen
pid_across(enum pid_from from, enum isolate_side side)
{
    switch (from) {
    case NO_PID:
        return SEEN_UNKNOWN;
    case PID_CLAIMED:
        return SEEN_OWN;
    case PID_PARENT:
        return SEEN_TRANSLATED;
    case PID_QUEUE:
        return SEEN_LOST;
    case PID_SEMAPHORE:
    case PID_CREDENTIALS:
        break;
    }
    return side == CLIENT_INSIDE ? SEEN_TRANSLATED : SEEN_LOST;
}

static void
expect_identity(struct isolate_cell *c, const struct needs *n)
{
    struct isolate_outcome *o = &c->expected;

    o->pid = n->pid == NO_PID ? SEEN_UNKNOWN : SEEN_OWN;
    o->uid = n->uid == NO_UID ? SEEN_UNKNOWN : SEEN_OWN;
    if (c->form == FORM_PID) {
        o->pid = pid_across(n->pid, c->side);
        /* Where pid and uid come in one piece, both are lost. */
        if (o->pid == SEEN_LOST && n->uid == UID_PROCESS)
            o->uid = SEEN_LOST;
    }
    if (c->form == FORM_USER_NEW && n->uid == UID_PROCESS)
        o->uid = SEEN_TRANSLATED;
    if (o->pid == SEEN_LOST)
        c->why = pid_lost;
    else if (o->pid == SEEN_TRANSLATED)
        c->why = pid_translated;
    else if (o->uid == SEEN_TRANSLATED)
        c->why = uid_translated;
}

static bool
applies(const struct rule *r, const struct isolate_cell *c, unsigned needs)
{
    return (r->form == BOTH || r->form == c->form) &&
           (r->side == BOTH || r->side == (int)c->side) &&
           (r->needs == 0 || (r->needs & needs) != 0);
}

bool
isolate_expect(struct isolate_cell *c)
{
    const size_t count = sizeof all_needs / sizeof *all_needs;
    const struct needs *n = all_needs;
    const struct rule *r = rules;

    while (n < all_needs + count && strcmp(n->name, c->m->name) != 0)
        n++;
    if (n == all_needs + count)
        return false;
    while (!applies(r, c, n->needs)) /* the last one always does */
        r++;
    c->why = r->why;
    c->expected = (struct isolate_outcome){.result = ISOLATE_CONNECTS};
    if (r->err != 0)
        c->expected =
            (struct isolate_outcome){.result = ISOLATE_REFUSED, .err = r->err};
    else
        expect_identity(c, n);
    return true;
}

bool
isolate_same(const struct isolate_outcome *a, const struct isolate_outcome *b)
{
    return a->result == b->result && a->err == b->err && a->pid == b->pid &&
           a->uid == b->uid;
}

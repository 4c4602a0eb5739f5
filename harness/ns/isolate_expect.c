/*
 * isolate_expect.c - what ought to happen in each cell, and why.
 *
 *      what a variant uses           x     what each namespace takes away
 *      its table: socket/abstract              rules[]: net takes NET away,
 *               uses NET                            the client hears REFUSED
 *
 * The mechanism is one thing, the variant another: a System V queue has no
 * file, but the variant keeps one in the run directory to know that its server
 * lives.  BESIDE marks that; the bare mechanism would have got through.
 */
#include "ns/isolate.h"

#include <errno.h>

/* -- what each namespace takes away ---------------------------------------- */

#define BOTH (-1)

#define NAMES_A_FILE (IPC_USES_PATH | IPC_USES_SHM)

static const struct rule {
    int form, side;
    unsigned uses; /* any of these; 0: all mechanisms */
    int err;       /* 0: gets through */
    const char *why;
} rules[] = {
    {FORM_IPC, BOTH, IPC_USES_SYSV | IPC_USES_QUEUE, -ENOENT,
     "keys and queue names are looked up in the caller's IPC namespace: there "
     "is no such queue in it"},
    {FORM_IPC, BOTH, IPC_USES_SETS, -ECONNREFUSED,
     "the file in the run directory is there, the semaphores it names are in "
     "another IPC namespace"},
    {FORM_IPC, BOTH, NAMES_A_FILE, 0,
     "files, sockets and POSIX shared memory are in the file system, which an "
     "IPC namespace does not touch"},
    {FORM_NET, BOTH, IPC_USES_NET, -ECONNREFUSED,
     "ports and abstract names belong to a network namespace: nobody listens "
     "in this one"},
    {FORM_NET, SERVER_INSIDE, IPC_USES_DEVICE, -EPIPE,
     "Open MPI joins the server that it spawned by TCP, and never over lo: a "
     "new network namespace has nothing else"},
    {FORM_NET, BOTH, NAMES_A_FILE, 0,
     "a path is looked up in the mounts, not in the network: even sockets are "
     "found across network namespaces"},
    {FORM_MNT_FS, BOTH, NAMES_A_FILE, -ENOENT,
     "the name is in a directory that another file system covers on one side: "
     "there, no such name"},
    {FORM_MNT_FS, BOTH, IPC_USES_BESIDE, -ENOENT,
     "the mechanism needs no file, but this variant keeps one beside it (who "
     "lives, at which port), and that is covered"},
    {FORM_MNT, BOTH, NAMES_A_FILE | IPC_USES_BESIDE, 0,
     "a new mount namespace begins as a copy: the same file systems in the "
     "same places"},
    {FORM_PID, CLIENT_INSIDE, IPC_USES_SIGNALS, -EINVAL,
     "a process can signal only its own PID namespace and those below: from "
     "inside, the other side's pidfd is of no use"},
    {FORM_PID, SERVER_INSIDE, IPC_USES_SIGNALS, -ECONNREFUSED,
     "the server cannot signal a client outside its PID namespace (EINVAL), "
     "and ends"},
    {FORM_PID, CLIENT_INSIDE, IPC_USES_PROC, -ETIMEDOUT,
     "the client's memory has no name but /proc/PID/fd, and the pid that the "
     "client has inside is nobody's, or another's, in the server's /proc"},
    {FORM_USER, SERVER_INSIDE, IPC_USES_PROC, -ETIMEDOUT,
     "whoever opens /proc/PID/fd is asked what ptrace(2) asks, and a process "
     "in a user namespace has no right over one outside"},
    {FORM_USER_NEW, BOTH, IPC_USES_CLAIM, -ETIMEDOUT,
     "the client says the uid it has inside, its object has another outside: "
     "not believed, and not answered"},
    {BOTH, BOTH, IPC_USES_CHANNEL | IPC_USES_SIGNALS, 0,
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
pid_across(enum ipc_pid_from from, enum isolate_side side)
{
    switch (from) {
    case IPC_NO_PID:
        return SEEN_UNKNOWN;
    case IPC_PID_CLAIMED:
        return SEEN_OWN;
    case IPC_PID_PARENT:
        return SEEN_TRANSLATED;
    case IPC_PID_QUEUE:
        return SEEN_LOST;
    case IPC_PID_SEMAPHORE:
    case IPC_PID_CREDENTIALS:
        break;
    }
    return side == CLIENT_INSIDE ? SEEN_TRANSLATED : SEEN_LOST;
}

static void
expect_identity(struct isolate_cell *c)
{
    struct isolate_outcome *o = &c->expected;
    const enum ipc_uid_from uid = c->m->uid_from;

    o->pid = c->m->pid_from == IPC_NO_PID ? SEEN_UNKNOWN : SEEN_OWN;
    o->uid = uid == IPC_NO_UID ? SEEN_UNKNOWN : SEEN_OWN;
    if (c->form == FORM_PID) {
        o->pid = pid_across(c->m->pid_from, c->side);
        /* Where pid and uid come in one piece, both are lost. */
        if (o->pid == SEEN_LOST && uid == IPC_UID_PROCESS)
            o->uid = SEEN_LOST;
    }
    if (c->form == FORM_USER_NEW && uid != IPC_NO_UID)
        o->uid = SEEN_TRANSLATED;
    if (o->pid == SEEN_LOST)
        c->why = pid_lost;
    else if (o->pid == SEEN_TRANSLATED)
        c->why = pid_translated;
    else if (o->uid == SEEN_TRANSLATED)
        c->why = uid_translated;
}

static bool
applies(const struct rule *r, const struct isolate_cell *c)
{
    return (r->form == BOTH || r->form == c->form) &&
           (r->side == BOTH || r->side == (int)c->side) &&
           (r->uses == 0 || (r->uses & c->m->uses) != 0);
}

/* An ordinary user gets into the others by way of a user namespace, and so
 * loses what that takes away, whatever the other one leaves. */
static const struct rule *
rule_of_the_way_in(const struct isolate_cell *c)
{
    const struct isolate_form *f = &isolate_forms[c->form];
    const int added = isolate_flags(f) & ~f->flags;

    for (const struct rule *r = rules; added != 0 && r->uses != 0; r++)
        if (r->form == FORM_USER && r->err != 0 &&
            (r->side == BOTH || r->side == (int)c->side) &&
            (r->uses & c->m->uses) != 0)
            return r;
    return NULL;
}

bool
isolate_expect(struct isolate_cell *c)
{
    const struct rule *r = rules, *way_in;

    if (c->m->uses == 0)
        return false;
    while (!applies(r, c)) /* the last one always does */
        r++;
    way_in = r->err == 0 ? rule_of_the_way_in(c) : NULL;
    if (way_in != NULL)
        r = way_in;
    c->why = r->why;
    c->expected = (struct isolate_outcome){.result = ISOLATE_CONNECTS};
    if (r->err != 0)
        c->expected =
            (struct isolate_outcome){.result = ISOLATE_REFUSED, .err = r->err};
    else
        expect_identity(c);
    return true;
}

bool
isolate_same(const struct isolate_outcome *a, const struct isolate_outcome *b)
{
    return a->result == b->result && a->err == b->err && a->pid == b->pid &&
           a->uid == b->uid;
}

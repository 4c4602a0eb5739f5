/* by_hand.c - messages of all three variants, written by hand. */
#define _GNU_SOURCE /* PIPE_BUF, in rendezvous.h */
#include "by_hand.h"

#include "core/rendezvous.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct message message;

const char *const all[] = {"msgq/sysv-types", "msgq/sysv-private",
                           "msgq/posix"};

const char *
need_sysv(void)
{
    return need_mechanism(ipc_find("msgq/sysv-private"));
}

const char *
need_posix(void)
{
    return need_mechanism(ipc_find("msgq/posix"));
}

const char *
need_sysv_root(void)
{
    return need_sysv() != NULL ? need_sysv() : need_root();
}

/* -- System V queues ------------------------------------------------------ */

int
make_queue(void)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    ck_assert_int_ne(queue, -1);
    return queue;
}

void
remove_queue(int queue)
{
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}

int
put(int queue, long type, const void *text, size_t len)
{
    message.type = type;
    memcpy(message.text, text, len);
    return msgsnd(queue, &message, len, IPC_NOWAIT) == -1 ? errno : 0;
}

ssize_t
get(int queue, size_t size, long type, int flags)
{
    ssize_t n = msgrcv(queue, &message, size, type, IPC_NOWAIT | flags);

    return n == -1 ? -errno : n;
}

struct msqid_ds
look_at(int queue)
{
    struct msqid_ds ds;

    ck_assert_int_eq(msgctl(queue, IPC_STAT, &ds), 0);
    return ds;
}

/* -- the server, and what is sent to it ----------------------------------- */

struct hand *
make_hand(const struct ipc_mechanism *m, const char *where)
{
    struct hand *h = shared(sizeof *h);

    h->m = m;
    strcpy(h->where, where);
    if (m == ipc_find("msgq/posix"))
        return h;
    h->queue = listed_id(where, 0);
    ck_assert_int_ne(h->queue, -1);
    return h;
}

int
place(const char *name)
{
    int i = 0;

    while (ipc_registry[i] != ipc_find(name))
        i++;
    return i;
}

void
fill(void *arg)
{
    const struct hand *h = arg;

    for (size_t len = 1024; len > 0; len /= 2)
        while (put(h->queue, 77, message.text, len) == 0)
            continue;
}

void
take_all(void *arg)
{
    const struct hand *h = arg;

    while (get(h->queue, sizeof message.text, 0, MSG_NOERROR) >= 0)
        continue;
}

void
make_reply(void *arg)
{
    struct hand *h = arg;

    h->reply = make_queue();
}

const char *
queue_name(const char *where)
{
    static char name[ENDPOINT_SIZE];

    ck_assert_int_eq(endpoint_lookup(where, "queue", name, sizeof name), 0);
    return name;
}

bool
is_asleep(pid_t pid)
{
    char path[64], state = '?';
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    in = fopen(path, "re");
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
    fclose(in);
    return state == 'S';
}

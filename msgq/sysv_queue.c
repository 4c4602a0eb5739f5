/* sysv_queue.c - which System V queue is it, and whose? */
#define _GNU_SOURCE /* MSG_STAT_ANY, getrandom */
#include "sysv_queue.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <unistd.h>

/* -- either ---------------------------------------------------------------- */

static int
make_marked(uint32_t mark)
{
    uint16_t low;
    int id;

    do {
        if (getrandom(&low, sizeof low, 0) != sizeof low)
            return -errno;
        /* Somebody may have that key, but not all 65,536: kernel.msgmni. */
        id = msgget((key_t)(mark | low), IPC_CREAT | IPC_EXCL | 0600);
    } while (id == -1 && errno == EEXIST);
    return id == -1 ? -errno : id;
}

/* The kernel notes who was the last to send and to receive, so we are that: now
 * it is known whose life this queue is for. */
static int
sign(int id)
{
    struct {
        long type;
        char text[1];
    } m = {.type = 1};

    return msgsnd(id, &m, 0, 0) == -1 ||
                   msgrcv(id, &m, sizeof m.text, 0, 0) == -1
               ? -errno
               : 0;
}

/* IPC_SET: its maker has all rights still, and cuid says who that was. */
static int
give(int id, uid_t server, int mode)
{
    struct msqid_ds ds;

    if (server == geteuid() && mode == 0600)
        return 0;
    if (msgctl(id, IPC_STAT, &ds) == -1)
        return -errno;
    ds.msg_perm.uid = server;
    ds.msg_perm.mode = (unsigned short)mode;
    return msgctl(id, IPC_SET, &ds) == -1 ? -errno : 0;
}

/* Found by sweep(), should we be killed before anybody knows of it. */
static int
make_signed(uint32_t mark)
{
    int id = make_marked(mark), err = id < 0 ? id : sign(id);

    if (id >= 0 && err != 0)
        msgctl(id, IPC_RMID, NULL);
    return err != 0 ? err : id;
}

/* -- the server's ---------------------------------------------------------- */

#define LINE 64 /* bytes: three numbers of 10, 20 and 10 digits */

static int
write_file(const char *name, const char *line, struct queue_file *file)
{
    int err;

    if (file->held >= 0)
        return endpoint_rewrite(file->held, "queue", line);
    err = endpoint_publish(name, "queue", line, &file->id);
    if (err != 0)
        return err;
    file->held = endpoint_hold(name);
    if (file->held >= 0)
        return 0;
    endpoint_unlink(name, "", &file->id);
    return file->held;
}

int
queue_make_requests(const char *name, int mode, struct object_sysv *queue,
                    struct queue_file *file)
{
    char line[LINE];
    uid_t user;
    int err, id = make_signed(REQUESTS_MARK);

    if (id < 0)
        return id;
    /* Whoever the server will be when it has given root up must receive from it
     * and remove it.  First, because this changes the time. */
    err = endpoint_server(name, &user);
    if (err == 0)
        err = give(id, user, mode);
    if (err == 0)
        err = object_sysv_look(OBJECT_QUEUE, id, queue, NULL);
    if (err == 0) {
        snprintf(line, sizeof line, "%-10d %-20" PRId64 " %-10ju", id,
                 queue->created, (uintmax_t)queue->creator);
        err = write_file(name, line, file);
    }
    if (err != 0)
        msgctl(id, IPC_RMID, NULL);
    return err;
}

/* An id is a number: removed, and many queues later, it is a stranger's. */
void
queue_remove(const struct object_sysv *queue)
{
    if (object_sysv_same(OBJECT_QUEUE, queue) == 0)
        msgctl(queue->id, IPC_RMID, NULL);
}

static int
look_up(const char *name, struct object_sysv *queue)
{
    char line[LINE];
    uintmax_t creator;
    int err = endpoint_lookup(name, "queue", line, sizeof line);

    if (err != 0)
        return err;
    *queue = (struct object_sysv){.id = -1};
    if (sscanf(line, "%d %" SCNd64 " %ju", &queue->id, &queue->created,
               &creator) != 3)
        return -ENOENT;
    queue->creator = (uid_t)creator;
    return 0;
}

/* IPC_STAT needs the right to read, and this queue is for writing only.  What
 * ipcs(1) uses needs no right, but goes by the kernel's table, not by id. */
static int
who_made(int queue, uid_t *creator)
{
    struct msginfo info;
    struct msqid_ds ds;
    int last = msgctl(0, MSG_INFO, (void *)&info);

    for (int i = last; i >= 0; i--) /* the newest are at the end */
        if (msgctl(i, MSG_STAT_ANY, &ds) == queue) {
            *creator = ds.msg_perm.cuid;
            return 0;
        }
    return -ENOENT;
}

int
queue_find(const char *name)
{
    struct object_sysv queue;
    uid_t creator;
    int err = look_up(name, &queue);

    if (err == 0)
        err = who_made(queue.id, &creator);
    if (err == 0)
        err = endpoint_trusted(name, creator);
    return err != 0 ? err : queue.id;
}

/* -- a client's ------------------------------------------------------------ */

int
queue_make_replies(uid_t server)
{
    int err, id = make_signed(QUEUE_MARK);

    if (id < 0)
        return id;
    err = give(id, server, 0600);
    if (err == 0)
        return id;
    msgctl(id, IPC_RMID, NULL);
    return err;
}

/* -- sweep ----------------------------------------------------------------- */

#define UNSIGNED_LASTS 10 /* s: nobody takes that long to sign */

/* A queue of ours, and nobody there whose it was?  Pid 0: it is in a pid
 * namespace where we cannot look.  One that others may write to is a server's:
 * if others have, it was published, and is found by that. */
static bool
is_dead(const struct msqid_ds *ds)
{
    const struct ipc_perm *p = &ds->msg_perm;
    const uint32_t mark = (uint32_t)p->__key & 0xffff0000u;

    if ((mark != QUEUE_MARK && mark != REQUESTS_MARK) ||
        (p->uid != geteuid() && p->cuid != geteuid()) ||
        ((p->mode & 0777) != 0600 && ds->msg_lspid != ds->msg_lrpid))
        return false;
    if (ds->msg_rtime == 0)
        return time(NULL) - ds->msg_ctime > UNSIGNED_LASTS;
    return ds->msg_lrpid > 0 && kill(ds->msg_lrpid, 0) == -1 && errno == ESRCH;
}

int
queue_sweep_dead(void)
{
    struct msginfo info;
    struct msqid_ds ds;
    int removed = 0, last = msgctl(0, MSG_INFO, (void *)&info);

    for (int i = 0; i <= last; i++) {
        int id = msgctl(i, MSG_STAT_ANY, &ds);

        if (id != -1 && is_dead(&ds) && msgctl(id, IPC_RMID, NULL) == 0)
            removed = 1;
    }
    return removed;
}

int
queue_sweep(const char *name)
{
    struct object_sysv queue;
    int err = look_up(name, &queue), removed = queue_sweep_dead();

    if (err == -EPERM) /* somebody else's is no reason to remove a queue */
        return err;
    if (err == 0)
        queue_remove(&queue);
    return swept_both(endpoint_sweep(name), removed);
}

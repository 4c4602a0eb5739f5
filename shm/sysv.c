/*
 * sysv.c - a System V segment for each client, and semaphores for taking
 * turns.
 *
 *      client                  the segment                   server
 *      its memory   ...===+----------------------+===...   its memory
 *                         | mark len nonce  body |
 *                         +----------------------+
 *      writes a request, "your turn" ---->  copies it out
 *      copies the reply  <---- "your turn", writes a reply
 *
 * The one idea: what one writes the other can read, with no system call for
 * the message at all.  What memory cannot do is to say that something is
 * there, so it comes with System V semaphores, as the two are always taught
 * together (APUE 15.8 and 15.9): whose turn it is, the doorbell and the wills,
 * core/set_sessions.h.
 *
 * A segment has a size for life, unlike a file: a peer cannot shrink it under
 * our feet.  But it can write into it at any time, also between two looks of
 * ours; so the server copies first and looks at the copy.
 *
 * Who asks?  shmctl(IPC_STAT) says who made the segment, and mode 0600 keeps
 * everybody else out - but not root.  A root server attaches whatever id it is
 * told, also another user's; so it looks before it attaches, and, since ids
 * are used again, once more at what it holds.  (What is attached stays the same
 * object: afterwards nothing depends on the id.)  A server that is not root is
 * given the segment by its maker, by IPC_SET; who made it remains known.
 */
#define _GNU_SOURCE /* SHM_DEST, shmctl */
#include "core/set_sessions.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

/* -- wire: the slot ------------------------------------------------------- */

/* Bytes of a message: 64 KiB and what frames it. */
#define BODY_MAX (65536 + 64)

struct page {
    struct slot_head head; /* 24 bytes, in the machine's own order */
    uint8_t body[BODY_MAX];
};

static int
sysv_put(const struct slot *l, const struct slot_head *head, const void *body)
{
    struct page *page = l->at;

    if (head->len > 0)
        memcpy(page->body, body, head->len);
    page->head = *head;
    /* No barrier: the semop(2) that hands it over is one, on both sides. */
    return 0;
}

/* volatile: a compiler may read memory twice that is not said to change, and
 * check one value and use another. */
static int
sysv_get(const struct slot *l, struct slot_head *head, void *body)
{
    const volatile struct page *page = l->at;

    *head = page->head;
    if (head->len > l->max)
        return -EBADMSG;
    if (body != NULL)
        memcpy(body, ((const struct page *)l->at)->body, head->len);
    return 0;
}

/* -- server --------------------------------------------------------------- */

/* Is this a slot, of the one who is claimed to be its owner? */
static int
check(int id, uid_t claimed, struct ipc_peer *peer)
{
    struct shmid_ds ds;

    if (shmctl(id, IPC_STAT, &ds) == -1)
        return -errno;
    if (ds.shm_segsz != sizeof(struct page))
        return -EPERM;
    return owner_check_perm(&ds.shm_perm, ds.shm_ctime, claimed, peer);
}

static int
sysv_take(struct slot *l, uid_t claimed, struct ipc_peer *peer)
{
    int err = check(l->id, claimed, peer);

    l->max = BODY_MAX;
    if (err != 0)
        return err;
    l->at = shmat(l->id, NULL, 0);
    if ((intptr_t)l->at == -1)
        return -errno;
    /* As long as we hold it the id is not given to another. */
    err = check(l->id, claimed, peer);
    if (err != 0)
        shmdt(l->at);
    return err;
}

static void
sysv_drop(struct slot *l)
{
    shmdt(l->at);
}

/* -- client --------------------------------------------------------------- */

/* From the client to the server's user: the creator stays the same. */
static int
give(int id, uid_t server)
{
    struct shmid_ds ds;

    if (shmctl(id, IPC_STAT, &ds) == -1)
        return -errno;
    ds.shm_perm.uid = server;
    return shmctl(id, IPC_SET, &ds) == -1 ? -errno : 0;
}

/* Removed as soon as it is attached: it goes with the last one who has it
 * attached (shmctl(2), IPC_RMID), so no crash can leave it from then on;
 * before, it is found by its key.  That it can still be attached when it has
 * been removed is Linux's own; elsewhere the client would remove it after the
 * server has it. */
static int
sysv_make(struct slot *l, const struct set *client, uid_t server)
{
    int err = 0;

    l->max = BODY_MAX;
    l->id = shmget(client != NULL ? set_key_beside(client) : IPC_PRIVATE,
                   sizeof(struct page), IPC_CREAT | IPC_EXCL | 0600);
    if (l->id == -1)
        return -errno;
    l->at = shmat(l->id, NULL, 0);
    if ((intptr_t)l->at == -1)
        err = -errno;
    /* A server that cannot use it will not answer. */
    if (server != geteuid())
        give(l->id, server);
    shmctl(l->id, IPC_RMID, NULL);
    return err;
}

/* -- the slot, limits, table ---------------------------------------------- */

static const struct slot_kind segment = {
    .make = sysv_make,
    .take = sysv_take,
    .put = sysv_put,
    .get = sysv_get,
    .drop = sysv_drop,
};

static int
sysv_create(void *srv, const char *name)
{
    return set_server_create(srv, name, &segment);
}

static int
sysv_open(void *cli, const char *where)
{
    return set_client_open(cli, where, &segment);
}

static const char *
sysv_unavailable(void)
{
    struct slot probe;
    int err = sysv_make(&probe, NULL, geteuid());

    if (err == -ENOSYS)
        return "this kernel has no System V shared memory (ENOSYS)";
    if (err != 0)
        return "cannot make or attach a System V segment of 65624 bytes: see "
               "`ipcs -m -l`";
    sysv_drop(&probe);
    return sets_unavailable(CLIENT_SEMS);
}

static int
sysv_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = BODY_MAX, .max_inflight = 1, .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism shm_sysv = {
    .name = "shm/sysv",
    .summary = "System V segment per client, System V semaphores",
    .proof = "creator of the segment, and the nonce only its owner can read",
    .wire = SET_SESSIONS_WIRE("shm-sysv") //
    "The slot is a segment of 65624 bytes, mode 0600; it may be removed\n"
    "(IPC_RMID) as soon as you have it attached. Its numbers are in the\n"
    "machine's own order:\n"
    "\n"
    "| offset | size | |\n"
    "|---|---|---|\n"
    "| 0 | 4 | mark: JOIN 0x4a01, REQUEST 0x4a02, REPLY 0x4a03, FULL 0x4a04 |\n"
    "| 4 | 4 | length of the frame |\n"
    "| 8 | 16 | the nonce |\n"
    "| 24 | | a frame |",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_BESIDE | IPC_USES_SETS | IPC_USES_CLAIM,
    .pid_from = IPC_PID_SEMAPHORE,
    .uid_from = IPC_UID_OBJECT,
    .samples = IPC_SAMPLE_SLOW,
    .server_size = sizeof(struct set_server),
    .client_size = sizeof(struct set_client),
    .unavailable = sysv_unavailable,
    .limits = sysv_limits,
    .create = sysv_create,
    .next = set_server_next,
    .reply = set_server_reply,
    .destroy = set_server_destroy,
    .open = sysv_open,
    .send = set_client_send,
    .recv = set_client_recv,
    .close = set_client_close,
    .forget = set_client_forget,
    .sweep = set_server_sweep,
};

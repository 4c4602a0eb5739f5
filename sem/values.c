/*
 * values.c - the message travels in the values of a System V semaphore set.
 *
 *      the letter, a set of the client's, mode 0600
 *      +------+-----+----------+------------------------------+
 *      | mark | len | nonce 16 |  I   P   C   1   1   0 ...   |   1106 values
 *      +------+-----+----------+------------------------------+
 *        0      1     2          18
 *
 *      client  --- SETALL --->  the kernel keeps it  --- GETALL --->  server
 *
 * The one idea: a semaphore is a number that the kernel keeps and that other
 * processes can read.  So is a message.  One semctl(2) writes a whole set of
 * them, another reads it, and both are copies: nobody sees half a message, and
 * nobody can change it while it is looked at.  A value is at most 32767
 * (SEMVMX); one byte in each is plain enough.
 *
 * Nobody would do it for speed.  What it shows is that SETALL and semop(2) do
 * not mix: SETALL forgets every SEM_UNDO adjustment of the set, in all
 * processes (semctl(2)).  So the semaphores that one waits on, the door, are a
 * set of their own.  Doors, the bell and the wills: hall.h.
 */
#define _GNU_SOURCE /* semctl IPC_INFO */
#include "hall.h"

#include <errno.h>
#include <string.h>

/* -- wire: the letter ----------------------------------------------------- */

#define HEAD (2 + NONCE_SIZE) /* values */

/* Bytes of a message: 1 KiB and what frames it.  Every semaphore takes a cache
 * line of the kernel's, and SETALL and GETALL visit them all. */
#define BODY_MAX 1088

/* Error replies must fit (ipc.h). */
#define BODY_MIN 512

/* What the running kernel allows: kernel.sem, its first number, SEMMSL. */
static size_t
values_max(void)
{
    struct seminfo info;

    if (semctl(0, 0, IPC_INFO, (union semun){.info = &info}) == -1 ||
        info.semmsl < HEAD + BODY_MIN)
        return BODY_MIN;
    return info.semmsl < HEAD + BODY_MAX ? (size_t)info.semmsl - HEAD
                                         : BODY_MAX;
}

/* SETALL writes the whole set, so what the message does not fill is zeros, and
 * not what this array held before: somebody else's reply. */
static int
values_put(const struct letter *l, const struct letter_head *head,
           const void *body)
{
    unsigned short values[HEAD + BODY_MAX] = {(unsigned short)head->mark,
                                              (unsigned short)head->len};

    for (size_t i = 0; i < NONCE_SIZE; i++)
        values[2 + i] = head->nonce[i];
    for (size_t i = 0; i < head->len; i++)
        values[HEAD + i] = ((const uint8_t *)body)[i];
    if (semctl(l->id, 0, SETALL, (union semun){.array = values}) == -1)
        return errno == EINVAL || errno == EIDRM ? -EPIPE : -errno;
    return 0;
}

static int
values_get(const struct letter *l, struct letter_head *head, void *body)
{
    unsigned short values[HEAD + BODY_MAX] = {0};

    if (semctl(l->id, 0, GETALL, (union semun){.array = values}) == -1)
        return errno == EINVAL || errno == EIDRM ? -EPIPE : -errno;
    head->mark = values[0];
    head->len = values[1];
    for (size_t i = 0; i < NONCE_SIZE; i++)
        head->nonce[i] = (uint8_t)values[2 + i];
    if (head->len > l->max)
        return -EBADMSG;
    for (size_t i = 0; body != NULL && i < head->len; i++)
        ((uint8_t *)body)[i] = (uint8_t)values[HEAD + i];
    return 0;
}

/* -- server --------------------------------------------------------------- */

static int
values_take(struct letter *l, uid_t claimed, struct ipc_peer *peer)
{
    struct semid_ds ds;

    if (semctl(l->id, 0, IPC_STAT, (union semun){.buf = &ds}) == -1)
        return -errno;
    /* GETALL writes as many values as the set has, not as our array. */
    l->max = values_max();
    if (ds.sem_nsems != HEAD + l->max)
        return -EPERM;
    return owner_check_perm(&ds.sem_perm, ds.sem_ctime, claimed, peer);
}

static void
values_drop(struct letter *l)
{
    (void)l; /* nothing is attached */
}

static int
values_remove(int id, uid_t owner)
{
    return set_remove(id, owner, (unsigned)(HEAD + values_max()));
}

/* -- client --------------------------------------------------------------- */

static int
values_make(struct letter *l)
{
    l->max = values_max();
    l->id = semget(IPC_PRIVATE, (int)(HEAD + l->max), 0600);
    return l->id == -1 ? -errno : 0;
}

/* -- the letter, limits, table -------------------------------------------- */

static const struct letter_kind values = {
    .make = values_make,
    .take = values_take,
    .put = values_put,
    .get = values_get,
    .drop = values_drop,
    .remove = values_remove,
};

static int
values_create(void *srv, const char *name)
{
    return hall_create(srv, name, &values);
}

static int
values_open(void *cli, const char *where)
{
    return hall_open(cli, where, &values);
}

static int
values_sweep(const char *name)
{
    return hall_sweep(name, &values);
}

static const char *
values_unavailable(void)
{
    return sets_unavailable(HEAD + BODY_MIN);
}

static int
values_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = values_max(),
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism sem_values = {
    .name = "sem/values",
    .summary = "the message travels in the values of a System V semaphore set",
    .proof = "creator of the sets, and the nonce only their owner can read",
    .wire = HALL_WIRE("sem-values") //
    "The letter is a set, mode 0600, of 18 values and one for each byte of\n"
    "the longest message: 1088, or SEMMSL - 18 if that is less. It is written\n"
    "by SETALL and read by GETALL.\n"
    "\n"
    "| value | |\n"
    "|---|---|\n"
    "| 0 | mark: JOIN 0x4a01, REQUEST 0x4a02, REPLY 0x4a03, FULL 0x4a04 |\n"
    "| 1 | length of the frame |\n"
    "| 2 to 17 | the nonce, a byte each |\n"
    "| 18 ... | a frame, a byte each; then zeros |",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct hall_server),
    .client_size = sizeof(struct hall_client),
    .unavailable = values_unavailable,
    .limits = values_limits,
    .create = values_create,
    .next = hall_next,
    .reply = hall_reply,
    .destroy = hall_destroy,
    .open = values_open,
    .send = hall_send,
    .recv = hall_recv,
    .close = hall_close,
    .forget = hall_forget,
    .sweep = values_sweep,
};

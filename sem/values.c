/*
 * values.c - the message travels in the values of a System V semaphore set.
 *
 *      the slot, a set of the client's, mode 0600
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
 * processes (semctl(2)).  So the semaphores that one waits on are a set of
 * their own: core/set_sessions.h has it, and the doorbell, and the wills.
 *
 * And that GETALL has no size.  It writes as many values as the set has that
 * has this id at that moment, into an array that the caller hopes is long
 * enough; SETALL reads as many.  Whoever removes a set and has its id come back
 * for a larger one, makes the kernel write over the caller's memory.  So the
 * array is as long as any set can be, and it is looked at before each call
 * whether it still is that set.
 */
#define _GNU_SOURCE /* semctl IPC_INFO */
#include "core/set_sessions.h"

#include "core/defence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- wire: the slot ------------------------------------------------------- */

#define HEAD (2 + NONCE_SIZE) /* values */

/* Bytes of a message: 1 KiB and what frames it.  Every semaphore takes a cache
 * line of the kernel's, and SETALL and GETALL visit them all. */
#define BODY_MAX 1088

/* Error replies must fit (ipc.h). */
#define BODY_MIN 512

/* Semaphores of the largest set that the running kernel allows: kernel.sem, its
 * first number, SEMMSL.  Or -errno. */
static int
semmsl(void)
{
    struct seminfo info;

    if (semctl(0, 0, IPC_INFO, (union semun){.info = &info}) == -1)
        return -errno;
    return info.semmsl;
}

static size_t
body_max(int most)
{
    if (most < HEAD + BODY_MIN)
        return BODY_MIN;
    return most < HEAD + BODY_MAX ? (size_t)most - HEAD : BODY_MAX;
}

/* Room for any set there can be, of zeros: what is behind our own values stays
 * so.  (SEMMSL is asked again each time a client joins.) */
static int
make_room(struct slot *l)
{
    int most = semmsl();
    size_t room;

    if (most < 0)
        return most;
    l->max = body_max(most);
    room = HEAD + l->max;
    if ((size_t)most > room)
        room = DEFENCE("maximum", (size_t)most, room);
    l->at = calloc(room, sizeof(unsigned short));
    return l->at != NULL ? 0 : -ENOMEM;
}

static void
values_drop(struct slot *l)
{
    free(l->at);
    l->at = NULL;
}

static int
gone(void)
{
    return errno == EINVAL || errno == EIDRM ? -EPIPE : -errno;
}

/* SETALL writes the whole set, so what the message does not fill is zeros, and
 * not what the array held before.  This set may be smaller than the limits of
 * its server: SEMMSL may have changed since they were asked. */
static int
values_put(const struct slot *l, const struct slot_head *head, const void *body)
{
    unsigned short *values = l->at;

    if (head->len > l->max)
        return -EMSGSIZE;
    values[0] = (unsigned short)head->mark;
    values[1] = (unsigned short)head->len;
    for (size_t i = 0; i < NONCE_SIZE; i++)
        values[2 + i] = head->nonce[i];
    for (size_t i = 0; i < head->len; i++)
        values[HEAD + i] = ((const uint8_t *)body)[i];
    memset(values + HEAD + head->len, 0, (l->max - head->len) * sizeof *values);
    if (set_same(&l->set) != 0)
        return -EIDRM;
    if (semctl(l->id, 0, SETALL, (union semun){.array = values}) == -1)
        return gone();
    return 0;
}

static int
values_get(const struct slot *l, struct slot_head *head, void *body)
{
    unsigned short *values = l->at;

    if (set_same(&l->set) != 0)
        return -EIDRM;
    if (semctl(l->id, 0, GETALL, (union semun){.array = values}) == -1)
        return gone();
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
values_take(struct slot *l, uid_t claimed, struct ipc_peer *peer)
{
    int err = make_room(l);

    if (err == 0)
        err =
            set_prove(&l->set, l->id, (unsigned)(HEAD + l->max), claimed, peer);
    if (err != 0)
        values_drop(l);
    return err;
}

/* -- client --------------------------------------------------------------- */

static int
values_make(struct slot *l, const struct set *client, uid_t server)
{
    int err = make_room(l);

    if (err == 0)
        err = set_make_beside(&l->set, client, (unsigned)(HEAD + l->max));
    if (err != 0) {
        values_drop(l);
        return err;
    }
    l->id = l->set.id;
    /* A server that cannot use it will not answer. */
    set_give(&l->set, server, SET_MODE_KEPT);
    return 0;
}

/* -- the slot, limits, table ---------------------------------------------- */

static const struct slot_kind values = {
    .make = values_make,
    .take = values_take,
    .put = values_put,
    .get = values_get,
    .drop = values_drop,
};

static int
values_create(void *srv, const char *name)
{
    return set_server_create(srv, name, &values);
}

static int
values_open(void *cli, const char *where)
{
    return set_client_open(cli, where, &values);
}

static const char *
values_unavailable(void)
{
    return sets_unavailable(HEAD + BODY_MIN);
}

static int
values_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = body_max(semmsl()),
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism sem_values = {
    .name = "sem/values",
    .summary = "the message travels in the values of a System V semaphore set",
    .proof = "creator of the sets, and the nonce only their owner can read",
    .wire = SET_SESSIONS_WIRE("sem-values") //
    "The slot is a set, mode 0600, whose key is the next after that of your "
    "other set, of\n18 values and one for each byte of the longest message: "
    "1088, or SEMMSL - 18 if\nthat is less. It is written by SETALL and read "
    "by GETALL.\n"
    "\n"
    "| value | |\n"
    "|---|---|\n"
    "| 0 | mark: JOIN 0x4a01, REQUEST 0x4a02, REPLY 0x4a03, FULL 0x4a04 |\n"
    "| 1 | length of the frame |\n"
    "| 2 to 17 | the nonce, a byte each |\n"
    "| 18 ... | a frame, a byte each; then zeros |",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_BESIDE | IPC_USES_SETS | IPC_USES_CLAIM,
    .pid_from = IPC_PID_SEMAPHORE,
    .uid_from = IPC_UID_OBJECT,
    .samples = IPC_SAMPLE_BESIEGED | IPC_SAMPLE_ISOLATED,
    .server_size = sizeof(struct set_server),
    .client_size = sizeof(struct set_client),
    .unavailable = values_unavailable,
    .limits = values_limits,
    .create = values_create,
    .next = set_server_next,
    .reply = set_server_reply,
    .destroy = set_server_destroy,
    .open = values_open,
    .send = set_client_send,
    .recv = set_client_recv,
    .close = set_client_close,
    .forget = set_client_forget,
    .sweep = set_server_sweep,
};

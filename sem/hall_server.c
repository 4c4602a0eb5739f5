/*
 * hall_server.c - the server of a hall: who comes, who goes, and whose letter
 * is next (hall.h).
 *
 *      client                                  server
 *      put the letter
 *      door: REQUEST +1
 *      hall: BELL +1         ------------->    hall: BELL -1
 *                                              each door: REQUEST -1, or not
 *                                              get the letter ... put the reply
 *      door: BACK -1         <-------------    door: BACK +1
 *      get the letter
 *
 * One process cannot wait for many sets, so all clients ring one bell, and the
 * server looks behind every door.  Anybody may ring it, or silence it: a set
 * that strangers may post on, strangers may set to 0.  So nothing but sleep
 * depends on the hall: what is behind a door nobody else can touch, and every
 * TICK the server looks without having been called.
 */
#include "hall.h"

#include "core/clock.h"
#include "core/share.h"
#include "core/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How late a request can be, in ns, if a stranger silences the bell; and how
 * long a knock may have to wait while there are always requests. */
#define TICK (100 * NS_PER_MS)

/* -- who is in ------------------------------------------------------------ */

/* Its owner is gone, so nobody else will remove the objects. */
static void
forget(struct hall_server *s, struct session *i)
{
    s->kind->drop(&i->letter);
    set_remove(i->door, i->peer.uid, DOOR_SEMS);
    if (s->kind->remove != NULL)
        s->kind->remove(i->letter.id, i->peer.uid);
    hall_note(s->file, (size_t)(i - s->sessions) + 1, -1, -1, 0);
    *i = (struct session){.generation = i->generation + 1};
}

/* He is told that we are dead, to him, and may still take what he has been
 * sent.  The objects are his to remove. */
static void
cut(struct session *i)
{
    set_post(i->door, SERVER_DEAD);
    i->cut = true;
}

/* Who has died (his will) or left (no door: -1)? */
static void
reap(struct hall_server *s)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->used && semctl(i->door, CLIENT_DEAD, GETVAL) != 0)
            forget(s, i);
}

/* NULL: none.  Door -1 finds a free place. */
static struct session *
find(struct hall_server *s, int door)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->used ? i->door == door : door == -1)
            return i;
    return NULL;
}

static bool
has_his_share(const struct hall_server *s, uid_t uid)
{
    size_t has = 0;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        has += s->sessions[i].used && s->sessions[i].peer.uid == uid;
    return share_spent(uid, has, IPC_MAX_CLIENTS);
}

/* Is this a door, and its owner the one who is claimed to be? */
static int
check_door(int door, uid_t claimed, struct ipc_peer *peer)
{
    struct semid_ds ds;
    int pid, err;

    if (semctl(door, 0, IPC_STAT, (union semun){.buf = &ds}) == -1)
        return -errno;
    if (ds.sem_nsems != DOOR_SEMS)
        return -EPERM;
    err = owner_check_perm(&ds.sem_perm, ds.sem_ctime, claimed, peer);
    if (err != 0)
        return err;
    /* Who changed this one last: the client, making its will. */
    pid = semctl(door, CLIENT_DEAD, GETPID);
    peer->pid = pid > 0 ? pid : -1;
    return 0;
}

static int
answer_join(struct hall_server *s, struct session *new, struct session *room)
{
    struct letter_head head = {.mark = LETTER_FULL};
    int err = 0;

    if (room != NULL) {
        head.mark = LETTER_REPLY;
        memcpy(head.nonce, new->nonce, NONCE_SIZE);
        err = will_make(new->door, SERVER_DEAD);
        if (err == 0)
            err = hall_note(s->file, (size_t)(room - s->sessions) + 1,
                            new->door, new->letter.id, new->peer.uid);
    }
    if (err == 0)
        err = s->kind->put(&new->letter, &head, NULL);
    if (err == 0)
        err = set_post(new->door, BACK);
    return err;
}

/*
 * Somebody says that these are his door and his letter.  Anybody can say so,
 * of anybody's objects; so nothing is changed in them before it is clear that
 * they are of the right kind, belong to one who is who he says he is, and wait
 * to join.
 */
static void
join(struct hall_server *s, const struct knock *k)
{
    struct session new = {
        .used = true, .door = k->door, .letter = {.id = k->letter}};
    struct session *room;
    struct letter_head head;
    struct ipc_peer letter_peer;

    reap(s);
    room = find(s, -1);
    if (k->door < 0 || find(s, k->door) != NULL ||
        check_door(k->door, k->uid, &new.peer) != 0 ||
        s->kind->take(&new.letter, k->uid, &letter_peer) != 0)
        return;
    if (has_his_share(s, new.peer.uid))
        room = NULL;
    if (s->kind->get(&new.letter, &head, NULL) == 0 &&
        head.mark == LETTER_JOIN && nonce_make(new.nonce) == 0 &&
        answer_join(s, &new, room) == 0 && room != NULL) {
        new.generation = room->generation;
        *room = new;
    } else {
        s->kind->drop(&new.letter);
    }
}

/* -- server: create next reply destroy ------------------------------------ */

int
hall_create(struct hall_server *s, const char *name,
            const struct letter_kind *kind)
{
    int err = hall_sweep(name, kind);

    if (err < 0)
        return err;
    s->kind = kind;
    strcpy(s->name, name);
    s->hall = hall_make(name, &s->file);
    return s->hall < 0 ? s->hall : 0;
}

/* The letter behind this door, if it is for us. */
static int
take_letter(struct hall_server *s, struct session *i, struct ipc_request *req)
{
    struct sembuf take = {REQUEST, -1, IPC_NOWAIT};
    struct letter_head head;

    if (semop(i->door, &take, 1) == -1)
        return 0; /* nothing; or no door: reap() sees to it */
    if (s->kind->get(&i->letter, &head, req->msg.buf) != 0 ||
        head.mark != LETTER_REQUEST || !nonce_equal(head.nonce, i->nonce)) {
        cut(i);
        return 0;
    }
    req->msg.len = head.len;
    req->peer = i->peer;
    req->reply_to = (uint64_t)i->generation << 32 | (uint64_t)(i - s->sessions);
    /* The letter of a notice goes back at once. */
    if (!wire_wants_reply(&req->msg))
        set_post(i->door, BACK);
    return 1;
}

/* Looks behind all doors, first the one after the last it took one from. */
static int
take_request(struct hall_server *s, struct ipc_request *req)
{
    for (size_t n = 1; n <= IPC_MAX_CLIENTS; n++) {
        size_t at = (s->last + n) % IPC_MAX_CLIENTS;
        struct session *i = &s->sessions[at];

        if (i->used && !i->cut && take_letter(s, i, req) == 1) {
            s->last = at;
            return 1;
        }
    }
    return 0;
}

int
hall_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct hall_server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    struct knock k;

    for (;;) {
        struct sembuf bell = {BELL, -1, 0};
        int64_t now = now_ns();
        int64_t tick = now + TICK;
        int err =
            set_wait(s->hall, &bell, 1, tick < deadline ? tick : deadline);

        if (err != 0 && err != -ETIMEDOUT)
            return err;
        /* A request first: to ask for a knock is a system call, and most rings
         * are none. */
        if (now < s->next_knock && take_request(s, req) == 1)
            return 0;
        s->next_knock = now + TICK;
        if (hall_hear(s->hall, &k))
            join(s, &k);
        if (take_request(s, req) == 1)
            return 0;
        /* There are as many rings as requests, so this one was a knock or a
         * death; or nobody has rung. */
        reap(s);
        if (err != 0 && time_left(deadline) == 0)
            return err;
    }
}

int
hall_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    struct hall_server *s = srv;
    struct session *to = &s->sessions[(uint32_t)req->reply_to];
    struct letter_head head = {.mark = LETTER_REPLY};
    int err;

    if (!to->used || to->cut || to->generation != req->reply_to >> 32)
        return -EPIPE;
    if (msg == NULL) {
        cut(to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    head.len = (uint32_t)msg->len;
    err = s->kind->put(&to->letter, &head, msg->buf);
    if (err == 0)
        err = set_post(to->door, BACK);
    return err == 0 ? 0 : -EPIPE;
}

void
hall_destroy(void *srv)
{
    struct hall_server *s = srv;

    reap(s);
    /* Clients may still take their last replies, and remove what is theirs. */
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->used) {
            cut(i);
            s->kind->drop(&i->letter);
        }
    semctl(s->hall, 0, IPC_RMID);
    close(s->file);
    unlink(s->name);
}

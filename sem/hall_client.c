/*
 * hall_client.c - the client of a hall: makes a door and a letter, joins, and
 * hands the letter over (hall.h; the picture is in hall_server.c).
 */
#include "hall.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Waits until the letter is back.  Even when the server is dead it may be: his
 * last. */
static int
take_back(struct hall_client *c, int64_t deadline)
{
    struct sembuf ops[] = {{SERVER_DEAD, 0, IPC_NOWAIT}, {BACK, -1, 0}};
    struct sembuf last = {BACK, -1, IPC_NOWAIT};
    int err = set_wait(c->door, ops, 2, deadline);

    if (err == -EPIPE && semop(c->door, &last, 1) == 0)
        err = 0;
    if (err == 0)
        c->turn = MINE;
    return err;
}

/* Joins, with door and letter made. */
static int
announce(struct hall_client *c)
{
    const struct knock k = {c->door, c->letter.id, geteuid()};
    struct letter_head head = {.mark = LETTER_JOIN};
    int64_t deadline = deadline_in(ipc_open_timeout);
    int err = c->kind->put(&c->letter, &head, NULL);

    if (err == 0)
        err = will_make(c->door, CLIENT_DEAD);
    if (err == 0)
        err = hall_knock(c->hall, &k, deadline);
    if (err != 0)
        return err;
    do
        err = take_back(c, deadline);
    while (err == -EINTR);
    hall_leave_board(c->hall);
    if (err == 0)
        err = c->kind->get(&c->letter, &head, NULL);
    if (err != 0)
        return err;
    if (head.mark != LETTER_REPLY)
        return head.mark == LETTER_FULL ? -EAGAIN : -EPIPE;
    memcpy(c->nonce, head.nonce, NONCE_SIZE);
    /* From now on our death rings the bell. */
    return will_make(c->hall, BELL);
}

static void
remove_objects(struct hall_client *c)
{
    c->kind->drop(&c->letter);
    if (c->kind->remove != NULL)
        c->kind->remove(c->letter.id, geteuid());
    semctl(c->door, 0, IPC_RMID);
}

int
hall_open(struct hall_client *c, const char *where,
          const struct letter_kind *kind)
{
    int err;

    c->kind = kind;
    c->hall = hall_find(where);
    if (c->hall < 0)
        return c->hall;
    /* On Linux all values are 0: semget(2), NOTES. */
    c->door = semget(IPC_PRIVATE, DOOR_SEMS, DEFENCE("door", 0600, 0666));
    if (c->door == -1)
        return -errno;
    err = kind->make(&c->letter);
    if (err != 0) {
        semctl(c->door, 0, IPC_RMID);
        return err;
    }
    err = announce(c);
    if (err != 0)
        remove_objects(c);
    return err;
}

int
hall_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct hall_client *c = cli;
    struct sembuf over[] = {{SERVER_DEAD, 0, IPC_NOWAIT}, {REQUEST, +1, 0}};
    struct letter_head head = {.mark = LETTER_REQUEST,
                               .len = (uint32_t)msg->len};
    int64_t deadline = deadline_in(timeout_ns);
    int err;

    if (msg->len > c->letter.max)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->turn == REPLY_DUE)
        return -EBUSY;
    while (c->turn != MINE) {
        err = take_back(c, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    memcpy(head.nonce, c->nonce, NONCE_SIZE);
    err = c->kind->put(&c->letter, &head, msg->buf);
    if (err == 0)
        err = set_wait(c->door, over, 2, NO_DEADLINE);
    if (err != 0)
        return err;
    c->turn = wire_wants_reply(msg) ? REPLY_DUE : NOTICE_OUT;
    /* Should it fail (ERANGE: somebody has rung 32767 times), TICK helps. */
    set_post(c->hall, BELL);
    return 0;
}

int
hall_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct hall_client *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    struct letter_head head;
    bool due;
    int err;

    msg->fd = -1;
    do { /* a notice's letter is no reply */
        due = c->turn == REPLY_DUE || c->turn == GIVEN_UP;
        err = take_back(c, deadline);
        if (err != 0 && err != -EINTR && due)
            c->turn = GIVEN_UP;
        if (err != 0)
            return err;
    } while (!due);
    err = c->kind->get(&c->letter, &head, msg->buf);
    if (err != 0)
        return err;
    msg->len = head.len;
    return head.mark == LETTER_REPLY ? 0 : -EPIPE;
}

void
hall_forget(void *cli)
{
    struct hall_client *c = cli;

    /* The adjustments of SEM_UNDO are not inherited: semop(2). */
    c->kind->drop(&c->letter);
}

void
hall_close(void *cli)
{
    struct hall_client *c = cli;
    /* Rings, and takes back the will that would have rung. */
    struct sembuf leave = {BELL, +1, SEM_UNDO | IPC_NOWAIT};

    remove_objects(c);
    semop(c->hall, &leave, 1);
}

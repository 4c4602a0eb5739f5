/*
 * rings_client.c - the client's side of the protocol over two rings (rings.h).
 */
#define _GNU_SOURCE /* sched_getcpu */
#include "rings.h"

#include "clock.h"
#include "cpu_hint.h"
#include "wire.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* -- what one can see without a system call ------------------------------- */

bool
rings_client_ready(struct rings_client *c, size_t room)
{
    /* Whatever comes while we wait for room may be the good-bye. */
    return room == 0 ? ring_peek(&c->in) : ring_room(&c->out, room) != -EAGAIN;
}

bool
rings_server_elsewhere(const struct rings_client *c)
{
    return cpu_elsewhere(&c->server_page->cpu);
}

/* -- open, send, recv, close ---------------------------------------------- */

static void
wake_server(struct rings_client *c, bool no_reply)
{
    if (c->waiting->wake_server != NULL)
        c->waiting->wake_server(c, no_reply);
}

int
rings_open(void *cli, const char *where, const struct rings_memory *memory,
           const struct rings_waiting *waiting)
{
    struct rings_client *c = cli;
    int err;

    c->waiting = waiting;
    c->said = NULL;
    err = rings_join(c, where, memory, geteuid());
    if (err != 0)
        return err;
    c->out = (struct ring_writer){.ring = &c->segment->requests};
    c->in = (struct ring_reader){.ring = &c->segment->replies};
    return 0;
}

/* Waits for a reply, or for room; notices a server that has died. */
static int
wait_for_server(struct rings_client *c, size_t room, int64_t deadline)
{
    int err = c->waiting->client(c, room, deadline);

    /* -EINTR too: signals may come so often that no wait ever gets to the end
     * of its slice. */
    if (err != -EAGAIN && err != -EINTR)
        return err;
    if (registration_alive(&c->server) != 0)
        return rings_client_ready(c, room) ? 0 : -EPIPE;
    if (err == -EAGAIN) {
        c->rung = 0; /* whomever we woke last time, it did not help */
        wake_server(c, false);
        err = 0;
    }
    return err;
}

void *
rings_send_space(void *cli, size_t len)
{
    struct rings_client *c = cli;

    return len < RINGS_IN_PLACE || len > RING_MAX_MESSAGE
               ? NULL
               : ring_place(&c->out, len);
}

int
rings_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct rings_client *c = cli;
    int64_t deadline = NO_DEADLINE;
    int err;

    c->said = ring_word(c->out.ring, c->out.at);
    cpu_publish(&c->segment->cpu);
    while ((err = ring_put(&c->out, msg->buf, msg->len, c->waiting->publish)) ==
           -EAGAIN) {
        if (deadline == NO_DEADLINE)
            deadline = deadline_in(timeout_ns);
        err = wait_for_server(c, msg->len, deadline);
        if (err != 0 && err != -EINTR)
            return err;
    }
    if (err != 0)
        return -EPIPE; /* the server has lost its mind */
    wake_server(c, !wire_wants_reply(msg));
    return 0;
}

int
rings_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct rings_client *c = cli;
    int64_t deadline = NO_DEADLINE;
    int err;

    msg->fd = -1;
    while ((err = ring_take(&c->in, msg->buf, msg->cap, &msg->len)) ==
           -EAGAIN) {
        if (deadline == NO_DEADLINE)
            deadline = deadline_in(timeout_ns);
        err = wait_for_server(c, 0, deadline);
        if (err != 0)
            return err;
    }
    if (err != 0)
        return -EPIPE;
    /* Nobody sleeps for this room: rings_reply(). */
    ring_release(&c->in, memory_order_release);
    return 0;
}

void
rings_forget(void *cli)
{
    struct rings_client *c = cli;

    munmap(c->segment, sizeof *c->segment);
    close(c->segment_fd);
    munmap((void *)(uintptr_t)c->server_page, sizeof *c->server_page);
    registry_close(&c->server);
}

void
rings_close(void *cli)
{
    struct rings_client *c = cli;

    c->said = ring_word(c->out.ring, c->out.at);
    ring_end(&c->out);
    wake_server(c, true);
    rings_forget(c);
}

/* client.c - the client's side of the protocol over any mechanism. */
#define _GNU_SOURCE /* getrandom */
#include "client.h"

#include "clock.h"
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* How long to wait for the reply on a lossy mechanism before asking again. */
#define RETRY_AFTER (50 * NS_PER_MS)

int
client_open(struct client *c, const struct ipc_mechanism *m, const char *where)
{
    int err;

    *c = (struct client){.m = m, .process = process_number()};
    err = m->limits(&c->limits);
    if (err != 0)
        return err;
    /* Ids must not repeat, not even after a restart of the client: the server
     * remembers recent ones to carry out a repeated request only once. */
    if (getrandom(&c->next_id, sizeof c->next_id, 0) != sizeof c->next_id)
        return -errno;
    c->state = calloc(1, m->client_size);
    c->buf = ipc_buffer(c->limits.max_msg);
    c->out = ipc_buffer(IPC_SEND_AT + c->limits.max_msg);
    err = -ENOMEM;
    if (c->state == NULL || c->buf == NULL || c->out == NULL)
        goto free_memory;
    err = m->open(c->state, where);
    if (err != 0)
        goto free_memory;
    return 0;

free_memory:
    free(c->out);
    free(c->buf);
    free(c->state);
    return err;
}

/* A fork(2) since open() has made two of it: then ids would repeat, and either
 * would take the other's replies. */
static bool
is_ours(const struct client *c)
{
    return c->process == process_number();
}

void
client_close(struct client *c)
{
    if (!is_ours(c) && c->m->forget != NULL)
        c->m->forget(c->state);
    else
        c->m->close(c->state);
    free(c->out);
    free(c->buf);
    free(c->state);
}

void
client_take_over(struct client *c)
{
    c->process = process_number();
}

/* Where the message is made: where the mechanism will have it, if it has such a
 * place; or in our own buffer, from which it is copied there.  (Who watches is
 * shown what we have sent, and not what the peer may have made of it since.) */
static void
choose_place(struct client *c, const struct api_method *method,
             const struct api_value *args, struct ipc_message *msg)
{
    const size_t len = WIRE_HEADER + api_size(method->args, args);
    void *place = c->watch == NULL ? c->m->send_space(c->state, len) : NULL;

    if (place == NULL)
        return;
    msg->buf = place;
    msg->cap = len;
}

static int
send_as(struct client *c, const struct api_method *method,
        const struct api_value *args, uint64_t id, int64_t timeout_ns)
{
    struct ipc_message msg = {
        .buf = c->out + IPC_SEND_AT, .cap = c->limits.max_msg, .fd = -1};
    uint8_t *buf;
    ssize_t n;
    int err;
    struct wire_header h = {
        .kind = c->m->caps & IPC_ONEWAY ? WIRE_NOTICE : method->kind,
        .method = method->number,
        .id = id,
    };

    if (c->m->send_space != NULL)
        choose_place(c, method, args, &msg);
    buf = msg.buf;
    n = api_encode(method->args, args, buf + WIRE_HEADER,
                   msg.cap - WIRE_HEADER);
    if (n < 0)
        return (int)n;
    h.length = (uint32_t)n;
    wire_encode(&h, buf);
    msg.len = WIRE_HEADER + (size_t)n;
    err = ipc_send(c->m, &c->limits, c->state, &msg, timeout_ns);
    if (err == 0 && c->watch != NULL)
        c->watch(&msg, true, NULL);
    return err;
}

int
client_send(struct client *c, const struct api_method *method,
            const struct api_value *args, uint64_t *id, int64_t timeout_ns)
{
    if (!is_ours(c))
        return -ESTALE;
    if (id != NULL)
        *id = c->next_id;
    return send_as(c, method, args, c->next_id++, timeout_ns);
}

/* Turns a received message into a reply: NULL, or what is wrong with it. */
static const char *
parse(const struct ipc_message *msg, struct reply *r)
{
    const uint8_t *payload = (const uint8_t *)msg->buf + WIRE_HEADER;
    const struct api_method *method;
    struct api_value error[2];
    struct wire_header h;

    if (wire_decode(msg->buf, msg->len, msg->fd != -1, &h) != 0)
        return wire_explain(msg->buf, msg->len, msg->fd != -1);
    if (h.kind != WIRE_REPLY)
        return "it is no reply, but a request or a notice";
    r->id = h.id;
    r->method = h.method;
    r->status = h.status;
    if (r->status != WIRE_OK) {
        if (api_decode(api_error_fields, payload, h.length, -1, error) != 0)
            return "an error whose errno and message do not decode";
        r->os_error = error[0].i32;
        r->message = error[1];
        return NULL;
    }
    method = api_by_number(h.method);
    if (method == NULL)
        return "a reply to a method that is not known here";
    if (api_decode(method->results, payload, h.length, msg->fd, r->results) !=
        0)
        return "its results are not those of its method";
    return NULL;
}

/* All of it but the results: those that there are, api_decode() sets. */
static void
begin_reply(struct reply *r, int fd)
{
    r->id = 0;
    r->method = 0;
    r->status = WIRE_OK;
    r->os_error = 0;
    r->message = (struct api_value){.at = NULL, .len = 0};
    r->fd = fd;
}

/* A message, or the header of what cannot be one. */
static int
receive(struct client *c, const struct ipc_message *msg, bool whole,
        struct reply *r)
{
    struct wire_header h;

    begin_reply(r, msg->fd);
    if (whole)
        c->why = parse(msg, r);
    else if (wire_decode_header(msg->buf, &h) == 0)
        c->why = "longer than a message can be here";
    else
        c->why = wire_explain(msg->buf, msg->len, false);
    if (c->watch != NULL)
        c->watch(msg, false, c->why);
    if (c->why == NULL)
        return 0;
    if (msg->fd != -1)
        close(msg->fd);
    r->fd = -1;
    return -EPROTO;
}

static int
recv_until(struct client *c, struct reply *r, int64_t deadline)
{
    struct ipc_message msg = {
        .buf = c->buf, .cap = c->limits.max_msg, .fd = -1};
    int err;

    if (c->turn != NULL)
        c->turn(c->server);
    do
        err = c->m->recv(c->state, &msg, time_left(deadline));
    while (err == -EINTR && (c->stop == NULL || !*c->stop));
    if (err != 0 && err != -EBADMSG)
        return err;
    return receive(c, &msg, err == 0, r);
}

int
client_recv(struct client *c, struct reply *r, int64_t timeout_ns)
{
    return is_ours(c) ? recv_until(c, r, deadline_in(timeout_ns)) : -ESTALE;
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int
client_call(struct client *c, const struct api_method *method,
            const struct api_value *args, struct reply *r, int64_t timeout_ns)
{
    const bool lossy = (c->m->caps & IPC_LOSSY) != 0;
    int64_t deadline = deadline_in(timeout_ns), attempt = deadline;
    uint64_t id = c->next_id++;
    int err;

    r->fd = -1;
    if (!is_ours(c))
        return -ESTALE;
again:
    err = send_as(c, method, args, id, time_left(deadline));
    if (err != 0)
        return err;
    if (method->kind == WIRE_NOTICE || (c->m->caps & IPC_ONEWAY) != 0) {
        if (c->turn != NULL)
            c->turn(c->server);
        *r = (struct reply){.fd = -1};
        return 0;
    }
    if (lossy)
        attempt = earlier(deadline, now_ns() + RETRY_AFTER);
    /* Replies with another id are answers to calls that timed out. */
    do {
        if (r->fd != -1)
            close(r->fd);
        r->fd = -1;
        err = recv_until(c, r, attempt);
    } while (err == 0 && r->id != id);
    if (err == -ETIMEDOUT && lossy && time_left(deadline) != 0)
        goto again;
    return err;
}

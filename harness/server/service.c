/* service.c - the one dispatcher. */
#include "server/service.h"

#include "core/clock.h"
#include "lab/witness.h"
#include "server/slow.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
service_init(struct service *s, const struct ipc_mechanism *m, void *srv,
             atomic_int *stop)
{
    int err;

    *s = (struct service){.m = m, .srv = srv, .stop = stop};
    err = m->limits(&s->limits);
    if (err != 0)
        return err;
    s->in = ipc_buffer(s->limits.max_msg);
    s->out = ipc_buffer(IPC_SEND_AT + s->limits.max_msg);
    s->slow = calloc(SLOW_SLOTS, sizeof *s->slow);
    if (s->in == NULL || s->out == NULL || s->slow == NULL) {
        service_free(s);
        return -ENOMEM;
    }
    return 0;
}

void
service_free(struct service *s)
{
    if (s->slow != NULL)
        slow_abandon(s);
    free(s->slow);
    free(s->in);
    free(s->out);
    s->slow = NULL;
    s->in = s->out = NULL;
}

uint32_t
call_fail(struct call *c, uint32_t status, int os_error, const char *format,
          ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->service->message, sizeof c->service->message, format, args);
    va_end(args);
    c->os_error = os_error;
    return status;
}

/* A student's form is looked at, the others are not. */
static void
tell(const char *call, int result, const struct ipc_message *msg)
{
    if (witness != NULL)
        witness(call, result, msg);
}

/* Where the reply is made: in the mechanism's own memory, if it has a place for
 * it; or in ours, from which it is copied there. */
static uint8_t *
place_of(const struct call *c, const struct ipc_request *req)
{
    struct service *s = c->service;
    void *place = NULL;

    if (s->m->reply_space != NULL)
        place = s->m->reply_space(s->srv, req,
                                  WIRE_HEADER +
                                      api_size(c->method->results, c->results));
    return place != NULL ? place : s->out + IPC_SEND_AT;
}

/* Sends what the call came to.  A result that does not fit this mechanism
 * becomes an error that says so; that one always fits. */
static int
send_answer(struct call *c, const struct ipc_request *req, uint32_t status)
{
    struct service *s = c->service;
    size_t room = s->limits.max_msg - WIRE_HEADER;
    struct wire_header h = {
        .kind = WIRE_REPLY, .method = c->method->number, .id = c->id};
    uint8_t *out = status == WIRE_OK ? place_of(c, req) : s->out + IPC_SEND_AT;
    ssize_t n = -EMSGSIZE;
    struct ipc_message msg;

    if (status == WIRE_OK) {
        n = api_encode(c->method->results, c->results, out + WIRE_HEADER, room);
        if (n < 0)
            status = call_fail(c, WIRE_TOO_LARGE, EMSGSIZE,
                               "the result does not fit: %s carries at most "
                               "%zu bytes a message",
                               s->m->name, s->limits.max_msg);
    }
    if (status != WIRE_OK) {
        struct api_value error[] = {
            {.i32 = c->os_error},
            {.at = s->message, .len = strlen(s->message)},
        };

        if (error[1].len > room - 6) /* 6: the two lengths before it */
            error[1].len = room - 6;
        out = s->out + IPC_SEND_AT;
        n = api_encode(api_error_fields, error, out + WIRE_HEADER, room);
        s->refused++;
    } else if (c->fd != -1) {
        h.nfds = 1;
    }
    h.status = status;
    h.length = (uint32_t)n;
    wire_encode(&h, out);
    msg = (struct ipc_message){.buf = out,
                               .len = WIRE_HEADER + (size_t)n,
                               .fd = h.nfds != 0 ? c->fd : -1};
    return ipc_reply(s->m, &s->limits, s->srv, req, &msg);
}

static int
answer(struct call *c, const struct ipc_request *req, uint32_t status)
{
    int err = send_answer(c, req, status);

    if (err != -EAGAIN || c->fd == -1)
        return err;
    return send_answer(
        c, req,
        call_fail(c, WIRE_BUSY, EAGAIN,
                  "too many descriptors of yours have not been received yet"));
}

/* What writes must be in the audit before it is done: afterwards it would be
 * too late to refuse.  What is slow must have a slot to wait in. */
static uint32_t
perform(struct call *c)
{
    uint32_t status = WIRE_OK;
    int err = 0;

    if (c->audited && (c->method->marks & API_WRITES)) {
        err = audit_write(&c->record, "begun");
        c->record.begun = err == 0;
    }
    if (err == -EDQUOT || err == -EAGAIN)
        return call_fail(c, WIRE_BUSY, EAGAIN,
                         "%s is not carried out: your part of the audit is "
                         "spent for the moment",
                         c->method->name);
    if (err != 0)
        return call_fail(c, WIRE_OS_ERROR, -err,
                         "%s is not carried out because it cannot be audited",
                         c->method->name);
    if (c->method->marks & API_SLOW)
        status = slow_admit(c);
    return status != WIRE_OK ? status : method_find(c->method->number)(c);
}

/* What the audit will say of a call is put together only if it says anything:
 * who measures does not pay for it. */
static void
begin_record(struct call *c, bool allowed, const struct api_value *args)
{
    c->record =
        (struct audit_record){.m = c->service->m,
                              .peer = &c->peer,
                              .number = c->method->number,
                              .method = api_by_number(c->method->number),
                              .args = args,
                              .allowed = allowed,
                              .rule = c->rule};
    audit_begin(&c->record);
    c->audited = true;
}

/* Rights before arguments: who may not call a method does not get to know what
 * it thinks of the arguments.  They are decoded first all the same, so that the
 * audit can say what was asked for. */
static uint32_t
carry_out(struct call *c, const uint8_t *payload, size_t len)
{
    const struct api_method *method = c->method;
    struct service *s = c->service;
    bool decoded = api_decode(method->args, payload, len, -1, c->args) == 0;
    bool allowed =
        policy_decide(c->policy, s->m, &c->peer, method, &c->rule, s->message);

    if (audit_is_on && !(allowed && (method->marks & API_MEASURING)))
        begin_record(c, allowed, decoded ? c->args : NULL);
    if (!allowed)
        return WIRE_DENIED; /* and the message says why */
    if (!decoded)
        return call_fail(c, WIRE_BAD_ARGS, 0,
                         "the arguments of %s do not decode", method->name);
    return perform(c);
}

void
call_end(struct call *c, const struct ipc_request *req, uint32_t status)
{
    struct service *s = c->service;
    int err = 0;

    if (c->audited) {
        c->record.rule = c->rule; /* a file may have been granted */
        audit_write(&c->record, api_status_word(status));
    }
    if (c->kind == WIRE_NOTICE) {
        s->notices++;
        s->refused += status != WIRE_OK;
    } else {
        s->requests++;
        err = answer(c, req, status);
        if (err != 0)
            tell("reply", err, NULL);
    }
    if (c->fd != -1)
        close(c->fd);
    if (c->broker.fd != 0)
        broker_end(&c->broker);
    slow_release(c);
    policy_release(
        c->policy); /* after the answer: whoami names one of its rules */
    /* A client that is gone is no news to the server, and one that cannot be
     * answered is not to wait. */
    if (err != 0 && err != -EPIPE)
        s->m->reply(s->srv, req, NULL);
}

/* Field by field, and of the results those that the method has: args are
 * decoded into, the record is for the audit to fill in, and to clear all of it
 * would cost as much as the rest of a call through no mechanism at all
 * (null/call). */
static void
call_begin(struct call *c, struct service *s, const struct ipc_request *req,
           const struct wire_header *h, const struct api_method *method)
{
    c->service = s;
    c->policy = policy_hold();
    c->peer = req->peer;
    c->id = h->id;
    c->kind = h->kind;
    c->method = method;
    c->rule = NULL;
    for (size_t i = 0; method->results[i].type != API_END; i++)
        c->results[i] = (struct api_value){.at = NULL, .len = 0};
    c->fd = -1;
    /* where the first BYTES of a reply end up: api_encode() */
    c->scratch = s->out + IPC_SEND_AT + WIRE_HEADER + 4;
    c->room = s->limits.max_msg - WIRE_HEADER - 4;
    c->os_error = 0;
    c->resume = NULL;
    c->due = 0;
    c->broker = (struct broker_call){.fd = 0};
    c->tries = 0;
    c->second = c->audited = c->admitted = false;
}

static void
refuse_unknown(struct service *s, const struct ipc_request *req,
               const struct wire_header *h)
{
    static const struct api_field none = {.type = API_END};
    const struct api_method unknown = {
        .number = h->method, .args = &none, .results = &none};
    struct call c;

    call_begin(&c, s, req, h, &unknown);
    c.rule = "default: there is no such method";
    if (audit_is_on)
        begin_record(&c, false, NULL);
    call_end(
        &c, req,
        call_fail(&c, WIRE_NO_METHOD, 0, "there is no method %u", h->method));
}

static void
dispatch(struct service *s, const struct ipc_request *req,
         const struct wire_header *h)
{
    const struct api_method *method = api_by_number(h->method);
    const uint8_t *payload = (uint8_t *)req->msg.buf + WIRE_HEADER;
    struct call c;
    uint32_t status;

    if (method == NULL) {
        refuse_unknown(s, req, h);
        return;
    }
    call_begin(&c, s, req, h, method);
    status = carry_out(&c, payload, h->length);
    if (status == CALL_LATER)
        slow_keep(&c, req->reply_to, payload, h->length);
    else
        call_end(&c, req, status);
}

/* An unknown version gets one error that names ours; then, like everything
 * malformed, it costs its sender the connection. */
static void
refuse(struct service *s, const struct ipc_request *req,
       const struct wire_header *h, int why)
{
    static const struct api_field none = {.type = API_END};
    struct api_method any = {.results = &none};
    struct call c = {.service = s, .id = h->id, .method = &any, .fd = -1};

    s->malformed++;
    if (why == -EPROTONOSUPPORT && h->kind == WIRE_REQUEST)
        answer(&c, req,
               call_fail(&c, WIRE_BAD_VERSION, 0,
                         "this server speaks version %d", WIRE_VERSION));
    s->m->reply(s->srv, req, NULL);
}

/* A message has come. */
static void
take(struct service *s, const struct ipc_request *req)
{
    struct wire_header h = {.id = 0};
    int err = wire_decode(req->msg.buf, req->msg.len, req->msg.fd != -1, &h);

    if (err == 0 && (h.kind == WIRE_REPLY || req->msg.fd != -1))
        err = -EBADMSG; /* our own reply come back, or an unwanted descriptor */
    if (req->msg.fd != -1)
        close(req->msg.fd);
    if (err != 0)
        tell("next", err, &req->msg);
    if (err != 0)
        refuse(s, req, &h, err);
    else if (s->slow_used == 0 || !slow_has(s, req->reply_to, &h))
        dispatch(s, req, &h);
}

int
service_step(struct service *s, int64_t timeout_ns)
{
    struct ipc_request req = {
        .msg = {.buf = s->in, .cap = s->limits.max_msg, .fd = -1},
        .peer = IPC_PEER_UNKNOWN,
    };
    int64_t wait = timeout_ns;
    int err;

    if (s->slow_used > 0) {
        slow_look(s);
        wait = slow_wait(s, timeout_ns);
    }
    err = s->m->next(s->srv, &req, wait);
    if (err == 0)
        take(s, &req);
    else if (err != -ETIMEDOUT && err != -EINTR && err != -EPIPE)
        tell("next", err, NULL);
    /* It is only time to look at those under way. */
    return err == -ETIMEDOUT && wait != timeout_ns ? 0 : err;
}

/* The kernel may be out of memory or descriptors, or a device out of order, for
 * the moment.  That is no reason to leave everybody else without a server; only
 * when nothing else happens for a while is it for good. */
#define FAILURES 100
#define PAUSE    (10 * NS_PER_MS) /* after each, so as not to spin */

static int
go_on_after(int err, unsigned *failures)
{
    const struct timespec pause = ns_to_timespec(PAUSE);

    if (++*failures == FAILURES)
        return err;
    nanosleep(&pause, NULL);
    return 0;
}

int
service_run(struct service *s)
{
    unsigned failures = 0;
    int err = slow_begin(s);

    while (!*s->stop && err == 0) {
        if (s->between != NULL)
            s->between();
        err = service_step(s, -1);
        if (err == 0)
            failures = 0;
        else if (err == -EINTR)
            err = 0;
        else if (s->m->caps & IPC_SPAWNED) /* nobody else is there */
            return err == -EPIPE ? 0 : err;
        else
            err = go_on_after(err, &failures);
    }
    slow_stop(s);
    return err;
}

/*
 * service.h - the one dispatcher: takes requests from any mechanism, has them
 * decided (policy.h), audited (audit.h) and carried out (methods.c), and
 * replies.  No mechanism knows the methods, no method knows the mechanism.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "core/api.h"
#include "core/ipc.h"
#include "core/wire.h"
#include "server/audit.h"
#include "server/broker.h"
#include "server/policy.h"

#include <stdatomic.h>

struct slow; /* slow.h */

/* One endpoint: a mechanism's server and what the service needs beside it.
 * One thread runs it. */
struct service {
    const struct ipc_mechanism *m;
    void *srv; /* the mechanism's server, created by the caller */
    struct ipc_limits limits;
    uint8_t *in, *out; /* limits.max_msg bytes each; out IPC_SEND_AT more */
    atomic_int *stop;  /* set by whoever ends the program, and by shutdown */
    void (*between)(void); /* called before each step; or NULL */
    uint64_t requests, notices, refused, malformed; /* stats */
    char message[POLICY_SENTENCE]; /* why the call at hand failed, if it did */
    struct slow *slow;             /* SLOW_SLOTS of them */
    unsigned slow_used, under_way; /* slots taken; not yet answered */
    int64_t look;                  /* when slow_look() has to, at the latest */
};

/* 0 or -ENOMEM.  m's server is made by the caller, before or after. */
int service_init(struct service *s, const struct ipc_mechanism *m, void *srv,
                 atomic_int *stop);
void service_free(struct service *s);

/* One next(), the work, one reply(); or the replies that have become due
 * meanwhile.  0, or what next() returned. */
int service_step(struct service *s, int64_t timeout_ns);

/* Steps until *stop is set: 0.  A spawned server whose client is gone: 0.
 * Anything else that ends it: -errno.  Handles SIGUSR1: slow.h. */
int service_run(struct service *s);

/* -- for methods.c ------------------------------------------------------- */

/* A call being carried out.  The method fills in results (STRING and BYTES may
 * point to anything that lives until the reply is sent, or to scratch) or
 * fails with one of the functions below. */
struct call {
    struct service *service;
    struct ipc_peer peer;
    uint64_t id;
    enum wire_kind kind; /* a notice gets no reply */
    const struct api_method *method;
    struct policy *policy; /* in force for this call; or NULL */
    const char *rule;      /* which says that it may be carried out */
    struct api_value args[API_MAX_FIELDS];
    struct api_value results[API_MAX_FIELDS];
    int fd;           /* to travel with the reply; closed after; -1 */
    uint8_t *scratch; /* room for bytes in the reply's own buffer, so that */
    size_t room;      /* large results are not copied: room bytes */
    int os_error;     /* when it failed; the message is the service's */

    /* Of a method that is marked SLOW and has returned CALL_LATER. */
    uint32_t (*resume)(struct call *c); /* goes on: a status, or CALL_LATER */
    int64_t due;               /* when, CLOCK_MONOTONIC; or sooner, when */
    struct broker_call broker; /* this has an answer; all zero: none */
    bool second;               /* asked once more, with the server's rights */
    unsigned tries;            /* of this one, to get a worker */

    struct audit_record record; /* for the audit, if audited */
    bool audited;
    bool admitted; /* counts as a slow one: slow.h */
};

/* A method returns a wire_status, or CALL_LATER: then it has set resume and
 * due, and is called again there.  What args point to is good until the end,
 * scratch is not kept in between. */
#define CALL_LATER UINT32_MAX
typedef uint32_t (*method_function)(struct call *c);

/* Fails: status, errno (0 = none) and a message for the user. */
uint32_t call_fail(struct call *c, uint32_t status, int os_error,
                   const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The function for a method: one do_NAME per line of api.def. */
method_function method_find(uint16_t number);

/* -- for slow.c ---------------------------------------------------------- */

/* A call is over: this goes into the audit, to the client of req (its
 * reply_to), unless it sent a notice, and what the call held is given back. */
void call_end(struct call *c, const struct ipc_request *req, uint32_t status);

#endif

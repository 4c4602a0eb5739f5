/*
 * subject.h - the mechanism that a conformance test is about, its server and
 * one well-behaved client.  For the suites that try the same tests on every
 * mechanism (conformance*.c, test_crash.c, test_fault.c ...): there a test
 * finds in _i the place of its mechanism in ipc_registry, and begins with
 *
 *      begin(_i);          server and client are there
 *      ...
 *      end();              both end in peace
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include "test/test.h"

#include "server/service.h"

extern const struct ipc_mechanism *subject;
extern struct host server;
extern struct client client;

void begin(int i);

/* The same where clients will be killed, and nothing of theirs may be left. */
void begin_among_mortals(int i);
void begin_alone(int i); /* a server, but no client */
void end(void);

/* Does it declare all of these capabilities? */
bool has(unsigned caps);

/* Adds a test for the mechanism at i if it has all of these capabilities and
 * none of those; or says why it cannot run here. */
void add(TCase *tc, int i, const TTest *test, unsigned all_of,
         unsigned none_of);

/* The same, unless there is a reason against it; for one that needs other
 * users. */
void add_if(TCase *tc, int i, const char *reason, const TTest *test,
            unsigned all_of, unsigned none_of);
void add_as_root(TCase *tc, int i, const TTest *test, unsigned none_of);

/* Nobody there to be waited for, to be killed or to be another user. */
#define ALONE (IPC_INPROCESS | IPC_ONEWAY)
/* One client per server. */
#define PRIVATE (ALONE | IPC_SPAWNED)

/*
 * Nor a peer that is dishonest, dies, is another user or one too many: of those
 * a textbook form (IPC_TEXTBOOK) claims nothing.  A test that needs one says
 * IPC_TEXTBOOK in its none_of; and a suite of nothing but such tests is left
 * out for it as a whole: add_loop_test_if() in cases.c knows the others.
 *
 *      IPCLAB_BEYOND=1 CK_RUN_CASE=fifo/textbook build/release/check
 *
 * tries them all the same: what fails is what the form lacks.  Of all these
 * IPCLAB_TEST=NAME picks one.
 */

/* -- what tests do to it --------------------------------------------------- */

/* One request, and later its reply, both of which must succeed. */
uint64_t send_request(struct client *c, const char *method,
                      struct api_value arg);
void expect_reply(struct client *c, uint64_t id);

/* Sends a signal to the server, if it is a process of its own. */
void signal_server(int number);

/* SIGSTOP, when it has no lock. */
void stop_server(void);

/* SIGKILL.  A daemon is reaped at once, a spawned server by close(). */
void kill_server(void);

/* Removes what a killed server left, and its lock. */
void sweep_up(void);

/* A SIGALRM every interval of ns, which interrupts what can be interrupted,
 * counts itself, sets a flag and, if there is a victim, kills it. */
void begin_signals(int64_t interval, pid_t victim);
void end_signals(void);
extern volatile sig_atomic_t signals_seen;

/* A daemon variant's server in this process, to be driven step by step. */
struct local {
    char name[ENDPOINT_SIZE];
    int lock;
    void *srv;
    struct service service;
    atomic_int stop;
};

void local_begin(struct local *l, int i);
void local_end(struct local *l);

#endif

/*
 * test.h - what every test uses.  The test program is one srunner (Check)
 * that holds every suite; each test runs in a process of its own, and finds
 *
 *      run_dir            an empty run directory of its own
 *      a namespace        as root: an IPC and a mount namespace of its own,
 *                         so no System V id, POSIX queue or /dev/shm name of
 *                         anybody else is there
 *
 * and when it returns, fails if it left a descriptor, a process, a System V
 * object, a POSIX queue, a name in /dev/shm or a file in run_dir.  A test
 * that crashed is cleaned up behind.
 *
 *      START_TEST(a_property_said_as_a_sentence)
 *      {
 *          struct host server;
 *          struct client c;
 *
 *          server_start(&server, ipc_find("fifo/perclient"));
 *          client_start(&server, &c);
 *          expect_echo(&c, 100);
 *          client_close(&c);
 *          server_stop(&server);
 *      }
 *      END_TEST
 *
 *      Suite *
 *      test_fifo(void)
 *      {
 *          Suite *s = suite_create("fifo");
 *          TCase *tc = test_case(s, "fifo/perclient");
 *
 *          tcase_add_test(tc, a_property_said_as_a_sentence);
 *          add_test_if(tc, need_root(), another_that_needs_two_users);
 *          return s;
 *      }
 *
 * There is no sleeping: processes wait for each other by actor_step().  And
 * no threshold on a time, but the lower bound of a timeout.
 */
#ifndef TEST_H
#define TEST_H

#include "core/api.h"
#include "core/client.h"
#include "core/host.h"
#include "core/ipc.h"
#include "core/wire.h"
#include "test/both/actor.h"
#include "test/both/processes.h"

#include <check.h>

/* How long anything may take before it counts as hanging, in ns.  Long, since
 * the machine may be busy and a sanitizer slow: nobody waits for it but where
 * something hangs.  Check ends the whole test after TEST_TIMEOUT seconds. */
extern int64_t call_timeout; /* asked.h */
#define CALL_TIMEOUT call_timeout
#define TEST_TIMEOUT 120

/* -- making suites --------------------------------------------------------- */

/* Every suite, ended by NULL; written by make from the module.mk files. */
extern Suite *(*const suites[])(void);
extern const char *const suite_files[]; /* "test_pipe" */

/* Check keeps the name to itself; CK_RUN_SUITE picks by it. */
Suite *named_suite(const char *name);
#define suite_create(name) named_suite(name)

/* A case of s with the fixture described above.  Named after the mechanism it
 * tests, if it tests one: CK_RUN_CASE picks by that name. */
TCase *test_case(Suite *s, const char *name);

/* Adds test when reason is NULL; otherwise counts it as not run.  The reason
 * continues "7 checks ...": "need root (a second uid)". */
void add_test_if(TCase *tc, const char *reason, const TTest *test);

/* The same for one round of a loop test, which finds i in its _i. */
void add_loop_test_if(TCase *tc, const char *reason, const TTest *test, int i);

/* Nor does a test that names no reason run everywhere: see cases.c. */
#undef tcase_add_test
#undef tcase_add_loop_test
#define tcase_add_test(tc, test) add_test_if(tc, NULL, test)
#define tcase_add_loop_test(tc, test, begin, end) \
    do \
        for (int i_ = (begin); i_ < (int)(end); i_++) \
            add_loop_test_if(tc, NULL, test, i_); \
    while (0)

/* Reasons, or NULL. */
const char *need_right(int right); /* CAP_...; root that has it */
const char *need_strangers(const struct ipc_mechanism *m); /* to serve them */
const char *
need_rules(void); /* to serve by whatever rules, where we are root */
const char *need_mounts(void);          /* to mount, and nobody else sees it */
const char *need_root(void);            /* a second uid */
const char *need_set_user_id(void);     /* ... and programs that change to it */
const char *need_programs(void);        /* a place for copied programs to run */
const char *need_shared_programs(void); /* this build's, for a second user */
const char *need_proc(void);
const char *need_calls(void); /* to see what our servers sleep in */
const char *need_dev_shm(void);
const char *need_own_sysv(void); /* to see all System V objects that are made */
const char *need_terminal(void);
const char *need_gnuplot(void);
const char *need_source(void); /* the checkout, readable */
const char *need_mechanism(const struct ipc_mechanism *m);

/* Is what a textbook form does not claim to be tried with it all the same?
 * IPCLAB_BEYOND=1; see test/subject.h. */
bool beyond_the_textbook(void);

/* The top of the checkout, or NULL. */
const char *source_dir(void);

/* -- what is there --------------------------------------------------------- */

extern char run_dir[ENDPOINT_SIZE];
extern char check_dir[]; /* for all tests of a lane; run_dir is in it */

/* The kernel's objects and files that have come since the test began, one a
 * line; "" for none.  Lock files (rundir.h) are not counted: they remain
 * after a kill, and the next server takes them over.  The text is good until
 * the next call. */
const char *objects_left(void);

/* -- other processes ------------------------------------------------------- */

/* Our group as passwd(5) has it, by which a server knows us that was told our
 * uid only; -1: we are not in there. */
int64_t known_gid(void);

/* Waits until no child is left, not even an orphan of one that was killed (the
 * test's process adopts them). */
void children_end(void);

/* A program of this build, run to its end: run_program(&o, "ipcctl", "-m",
 * "fifo/perclient", "hello", "World", NULL), with $IPCLAB_DIR = run_dir. */
struct output {
    int status;        /* exit status, or 128 + signal */
    char out[1 << 16]; /* standard output, NUL-terminated */
    char err[1 << 14];
};

void run_program(struct output *o, const char *program, ...);

/* -- servers --------------------------------------------------------------- */

/* A server of m in run_dir, ready (host.h). */
void server_start(struct host *h, const struct ipc_mechanism *m);

/* One that clients under this uid can use.  For a spawned variant that is a
 * set-user-ID copy, outside the checkout, which that user's group may run. */
void server_start_for(struct host *h, const struct ipc_mechanism *m, uid_t uid);

/* One that is another program of this build: "ipcd-naive" (core/defence.h). */
void server_start_by(struct host *h, const struct ipc_mechanism *m,
                     const char *program);
void server_stop(struct host *h); /* fails unless it ends in peace */
void server_kill(struct host *h); /* SIGKILL, reaped; daemons only */

/* Stops server_pid() (it has stopped when this returns), and lets it go on. */
void server_pause(const struct host *h);
void server_resume(const struct host *h);

/* Returns when all that was sent before has been dealt with: somebody joins,
 * and is served after it. */
void server_catch_up(struct host *h);

/* A server of m without clients sleeps until somebody comes, with no timer. */
void expect_no_timer(const struct ipc_mechanism *m);

/* Its process: the daemon, or the one that this process's open() spawned. */
pid_t server_pid(const struct host *h);

/* -- clients --------------------------------------------------------------- */

/* host_client(), with CALL_TIMEOUT: the usual two seconds are few on a busy
 * machine. client_try() returns its error. */
int client_try(struct host *h, struct client *c);
void client_start(struct host *h, struct client *c);

/* A call that must come back with this status. */
void expect_call(struct client *c, const char *method,
                 const struct api_value *args, uint32_t status,
                 struct reply *r);

/* The server is well: it returns size bytes as they were. */
void expect_echo(struct client *c, size_t size);

/* Nothing may be said to this client any more: it is cut off. */
void expect_cut_off(struct client *c);

/* The most bytes that echo can carry. */
size_t echo_room(const struct client *c);

struct api_value string_value(const char *s);
struct api_value bytes_value(const void *p, size_t n);
int value_is(const struct api_value *v, const char *s);

/* Below the client: a frame as bytes, and bytes as a message.  raw_frame()
 * returns the length of what it put into buf (WIRE_HEADER + size). */
size_t raw_frame(uint8_t *buf, uint16_t method, uint64_t id,
                 const void *payload, size_t size);
int raw_send(struct client *c, const void *bytes, size_t len, int fd);

/* -- the rest of the test program ------------------------------------------ */

/* leftovers.c: remembers what is there. */
void leftovers_begin(void);

/* What has come since, one a line, lock files and descriptors too. */
const char *leftovers_end(void);

/* fixture.c: what is done before and after each test of the case. */
void fixture_add(TCase *tc);

/* Has each test a process of its own?  Not so under a debugger (CK_FORK=no). */
bool is_forked(void);

/* main.c calls these around the run. */
void fixture_begin(void);
void fixture_end(void);
int print_not_run(void); /* how many there are */

/* conformance_waiting.c: `check --stdio -m NAME` */
int polled_stdio_server(const char *mechanism);

#endif

/*
 * test_confine_rules.c - a confined daemon under rules: a privileged method
 * takes its rule, and then the right that goes with it and no other; and who
 * may read the rules and the audit at a SIGHUP is its supervisor.
 */
#define _GNU_SOURCE /* gethostname, kill */
#include "test/confined.h"
#include "test/ruled.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *test_confine_rules(void);

/* -- what is privileged ---------------------------------------------------- */

#define PORT 614 /* nobody's: services(5) */
#define NICE (-7)

static const char *const privileged[] = {"set_hostname", "set_priority",
                                         "bind_port"};
enum { PRIVILEGED = sizeof privileged / sizeof *privileged };

/* Alice may call those whose bit is set. */
struct demand {
    struct ruled server;
    unsigned allowed;
};

static void
expect_port(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    ck_assert(at.sin_family == AF_INET && ntohs(at.sin_port) == PORT);
    close(fd);
}

static void
call_privileged(void *arg)
{
    struct demand *d = arg;
    const struct api_value args[] = {
        string_value("confined"), {.i32 = NICE}, {.u32 = PORT}};
    struct client c;
    struct reply r;

    client_start(&d->server.host, &c);
    for (unsigned i = 0; i < PRIVILEGED; i++) {
        bool allowed = d->allowed >> i & 1 && geteuid() == ALICE;

        expect_call(&c, privileged[i], &args[i],
                    allowed ? WIRE_OK : WIRE_DENIED, &r);
        if (allowed && args[i].u32 == PORT)
            expect_port(r.fd);
    }
    if (geteuid() == ALICE) {
        expect_call(&c, "get_hostname", NULL, WIRE_OK, &r);
        ck_assert_int_eq(value_is(&r.results[0], "confined"), d->allowed & 1);
        ck_assert_int_eq(getpriority(PRIO_PROCESS, 0) == NICE,
                         d->allowed >> 1 & 1);
    }
    client_close(&c);
}

/* The endpoint's are the same whatever is allowed; the broker has for each
 * method its own. */
static void
expect_rights_for(const struct demand *d)
{
    rights all = documented("broker");

    for (unsigned i = 0; i < PRIVILEGED; i++)
        if (d->allowed >> i & 1)
            all |= documented(privileged[i]);
    ck_assert(expect_status(d->server.host.server, documented("endpoint")));
    ck_assert(expect_status(confined_broker(&d->server.host), all));
}

/* All combinations: a right that is there has a rule that asks for it. */
START_TEST(what_is_privileged_takes_its_rule_and_then_its_right)
{
    struct demand d = {.server = {.more = "--user " SERVICE_TEXT},
                       .allowed = (unsigned)_i};
    char before[HOST_NAME_MAX + 1], after[HOST_NAME_MAX + 1];
    char policy[256] = "";

    for (unsigned i = 0; i < PRIVILEGED; i++)
        if (d.allowed >> i & 1)
            snprintf(policy + strlen(policy), sizeof policy - strlen(policy),
                     "allow %s uid=%d\n", privileged[i], ALICE);
    ck_assert_int_eq(gethostname(before, sizeof before), 0);
    ruled_start(&d.server, ipc_find("socket/stream"), ALICE, policy);
    expect_rights_for(&d);
    as_user(ALICE, call_privileged, &d);
    as_user(BOB, call_privileged, &d);
    expect_rights_for(&d);
    ruled_stop(&d.server);
    ck_assert_int_eq(gethostname(after, sizeof after), 0);
    ck_assert_str_eq(before, after); /* the machine's */
}
END_TEST

/* -- SIGHUP ---------------------------------------------------------------- */

static struct ruled reloaded;
static uint32_t expected; /* what "hello" comes to */

static void
say_hello(void *arg)
{
    const struct api_value name = string_value("World");
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&reloaded.host, &c);
    expect_call(&c, "hello", &name, expected, &r);
    client_close(&c);
}

/* The service user may neither read the rules nor make a file beside them. */
START_TEST(its_supervisor_opens_for_it_what_it_may_not)
{
    char old[ENDPOINT_SIZE + 8];

    reloaded = (struct ruled){.more = "--user " SERVICE_TEXT};
    ruled_start(&reloaded, ipc_find("socket/stream"), ALICE,
                "deny hello any\n");
    expected = WIRE_DENIED;
    as_user(ALICE, say_hello, NULL);

    ruled_replace(&reloaded, "# now open\n", 0600); /* for root's eyes only */
    ck_assert_int_eq(kill(reloaded.host.server, SIGHUP), 0);
    ruled_until(&reloaded, "Permission denied"); /* by itself it cannot */
    as_user(ALICE, say_hello, NULL);

    snprintf(old, sizeof old, "%s.old", reloaded.audit);
    ck_assert_int_eq(rename(reloaded.audit, old), 0);
    ck_assert_int_eq(kill(reloaded.host.pid, SIGHUP), 0);
    ruled_until(&reloaded, "event=policy-reloaded"); /* in the new file */
    expected = WIRE_OK;
    as_user(ALICE, say_hello, NULL);

    ck_assert_int_eq(unlink(reloaded.policy), 0);
    ck_assert_int_eq(kill(reloaded.host.pid, SIGHUP), 0);
    ruled_until(&reloaded, "No such file");
    as_user(ALICE, say_hello, NULL); /* the old rules remain */
    ruled_stop(&reloaded);
    ck_assert_int_eq(unlink(old), 0);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_confine_rules(void)
{
    Suite *s = suite_create("confine_rules");
    TCase *tc = test_case(s, "confine/rules");
    const char *reason =
        need_namespaces() != NULL ? need_namespaces() : need_source();

    for (int allowed = 0; allowed < 1 << PRIVILEGED; allowed++)
        add_loop_test_if(tc, reason,
                         what_is_privileged_takes_its_rule_and_then_its_right,
                         allowed);
    add_test_if(tc, need_one_thread(),
                its_supervisor_opens_for_it_what_it_may_not);
    return s;
}

/*
 * test_methods.c - every method, over every mechanism, by a caller whom the
 * rules entitle and by one whom they do not.
 *
 *                       entitled                 another
 *      open             ok                       ok
 *      privileged       ok                       "no rule allows it to uid N"
 *      read_file        what a rule grants       EACCES
 *      less evidence than the method needs: both are told so
 *
 * As root the entitled one is Alice and the other one Bob.  Otherwise, and for
 * the baselines, there is only one user: then the rules are for this one, or
 * for somebody else.
 *
 * What the methods that have rights to give away must not be talked into is in
 * test_grants.c (files) and test_effects.c (the rest).
 */
#define _GNU_SOURCE /* unshare, memmem */
#include "test/ruled.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *test_methods(void);

static struct ruled server;
static const struct ipc_mechanism *m;
static uid_t server_uid, asks; /* who the server is, and who asks it */
static bool entitled;
static struct vault vault;

#define NEW_NAME "renamed-by-a-test"
#define NEW_NICE 7
#define PORT     1017 /* nobody's in services(5) */

static void
expect_said(const struct reply *r, const char *text)
{
    ck_assert_msg(text != NULL && memmem(r->message.at, r->message.len, text,
                                         strlen(text)) != NULL,
                  "%s: not '%s' but: %.*s", m->name, text, (int)r->message.len,
                  r->message.at);
}

/* -- what is expected ------------------------------------------------------ */

/* What a refusal must name; NULL: it is not to be refused. */
static const char *
refusal(const struct api_method *method)
{
    static char text[128];
    bool owner = asks == server_uid || (m->caps & IPC_SPAWNED);

    if (m->evidence < method->evidence)
        snprintf(text, sizeof text, "%s needs evidence %s, %s gives %s",
                 method->name, ipc_evidence_name(method->evidence), m->name,
                 ipc_evidence_name(m->evidence));
    else if (method->evidence > IPC_CLAIMED && (m->caps & IPC_TRUSTING) &&
             asks != server_uid)
        snprintf(text, sizeof text, "%s trusts its peers", m->name);
    else if (!entitled && ((method->marks & API_PRIVILEGED) ||
                           ((method->marks & API_OWNERS) && !owner)))
        snprintf(text, sizeof text, "no rule allows it to uid %u",
                 (unsigned)asks);
    else
        return NULL;
    return text;
}

/* It succeeds, or the kernel says no with this errno. */
static bool
call_or(struct client *c, const char *method, const struct api_value *args,
        int os_error, struct reply *r)
{
    if (os_error == 0) {
        expect_call(c, method, args, WIRE_OK, r);
        return true;
    }
    ck_assert_int_eq(client_call(c, api_by_name(method), args, r, CALL_TIMEOUT),
                     0);
    ck_assert_uint_ne(r->status, WIRE_OK);
    ck_assert_msg(r->os_error == os_error, "%s: %s: %s, not %s", m->name,
                  method, strerror(r->os_error), strerror(os_error));
    return false;
}

static void
ask_read_file(struct client *c)
{
    const struct api_value args[] = {
        string_value(vault.secret), {.u64 = 3}, {.u32 = 9}};
    int err = entitled || asks == server_uid ? 0 : EACCES;
    struct reply r;

    if (call_or(c, "read_file", args, err, &r))
        ck_assert(value_is(&r.results[0], "ret"));
}

static void
ask_open_file(struct client *c)
{
    const struct api_value arg = string_value(vault.secret);
    int err = !(m->caps & IPC_PASSES_FD)       ? EOPNOTSUPP
              : entitled || asks == server_uid ? 0
                                               : EACCES;
    char text[8] = "";
    struct reply r;

    if (!call_or(c, "open_file", &arg, err, &r))
        return;
    ck_assert_int_eq(read(r.fd, text, sizeof text), 6);
    ck_assert_str_eq(text, "secret");
    ck_assert_int_eq(fcntl(r.fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDONLY);
    ck_assert_int_eq(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
    close(r.fd);
}

static void
ask_set_hostname(struct client *c)
{
    const struct api_value arg = string_value(NEW_NAME);
    struct reply r;

    if (call_or(c, "set_hostname", &arg, server_uid == 0 ? 0 : EPERM, &r)) {
        expect_call(c, "get_hostname", NULL, WIRE_OK, &r);
        ck_assert(value_is(&r.results[0], NEW_NAME));
    }
}

static void
ask_set_priority(struct client *c)
{
    const int before = getpriority(PRIO_PROCESS, 0);
    /* Under nice(1) less would be more than an ordinary user may have. */
    const int nice = before > NEW_NICE ? before : NEW_NICE;
    const struct api_value arg = {.i32 = nice};
    struct reply r;

    expect_call(c, "set_priority", &arg, WIRE_OK, &r);
    ck_assert_int_eq(r.results[0].i32, before);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice);
}

static void
ask_bind_port(struct client *c)
{
    const struct api_value arg = {.u32 = PORT};
    int err = !(m->caps & IPC_PASSES_FD) ? EOPNOTSUPP
              : server_uid != 0          ? EACCES
                                         : 0;
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int on, to;
    struct reply r;

    if (!call_or(c, "bind_port", &arg, err, &r))
        return;
    ck_assert_int_eq(getsockname(r.fd, (struct sockaddr *)&at, &len), 0);
    ck_assert(at.sin_family == AF_INET && ntohs(at.sin_port) == PORT &&
              at.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    len = sizeof on;
    ck_assert_int_eq(getsockopt(r.fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len), 0);
    ck_assert_int_eq(on, 1);
    /* What could not be bound can be served now. */
    to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(to, (struct sockaddr *)&at, sizeof at), 0);
    close(to);
    close(r.fd);
}

/* Carries out a method that is not to be refused. */
static void
ask(struct client *c, const struct api_method *method)
{
    struct api_value number = {.u32 = 1}, text = string_value("text");
    struct api_value add[] = {string_value("key"), {.i64 = 2}};
    struct reply r;

    switch (method->number) {
    case API_hello:
    case API_echo:
    case API_append_log:
    case API_sink:
    case API_print:
        expect_call(c, method->name, &text, WIRE_OK, &r);
        break;
    case API_whoami:
    case API_stats:
    case API_get_hostname:
    case API_limits:
        expect_call(c, method->name, NULL, WIRE_OK, &r);
        break;
    case API_source:
    case API_describe:
    case API_sleep:
    case API_quota:
    case API_usage:
        expect_call(c, method->name, &number, WIRE_OK, &r);
        break;
    case API_counter_add:
        expect_call(c, method->name, add, WIRE_OK, &r);
        break;
    case API_read_file:
        ask_read_file(c);
        break;
    case API_open_file:
        ask_open_file(c);
        break;
    case API_set_hostname:
        ask_set_hostname(c);
        break;
    case API_set_priority:
        ask_set_priority(c);
        break;
    case API_bind_port:
        ask_bind_port(c);
        break;
    default:
        ck_abort_msg("nobody has said what is to be expected of %s",
                     method->name);
    }
}

static const struct api_value nothing[API_MAX_FIELDS] = {{.at = "", .len = 0}};

static void
ask_all(void *arg)
{
    const struct api_method *last = api_by_name("shutdown");
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server.host, &c);
    for (const struct api_method *method = api_methods; method->name != NULL;
         method++) {
        if (method == last)
            continue;
        if (refusal(method) == NULL) {
            ask(&c, method);
        } else {
            expect_call(&c, method->name, nothing, WIRE_DENIED, &r);
            expect_said(&r, refusal(method));
        }
    }
    if (refusal(last) != NULL) {
        expect_call(&c, "shutdown", NULL, WIRE_DENIED, &r);
        expect_said(&r, refusal(last));
        expect_echo(&c, 10);
    } else if (!(m->caps & IPC_INPROCESS)) {
        expect_call(&c, "shutdown", NULL, WIRE_OK, &r);
    }
    client_close(&c);
}

/* -- over every mechanism -------------------------------------------------- */

static void
start_for(uid_t caller, uid_t named)
{
    server_uid = geteuid();
    asks = caller;
    entitled = caller == named;
    vault_make(&vault);
    ruled_start(&server, m, caller, vault_rules(&vault, named));
}

static void
stop(void)
{
    ruled_stop(&server);
    vault_remove(&vault);
}

static void
ask_as(uid_t caller, uid_t named)
{
    start_for(caller, named);
    if (m->caps & IPC_INPROCESS)
        ask_all(NULL);
    else
        as_user(caller, ask_all, NULL);
    /* What a refused caller asked for is in the audit as well.  (Not where the
     * server is a program of its own, which hears of no rules; it knows nobody
     * and gives nothing away.) */
    if (!(m->caps & IPC_SPAWNED) || m->evidence >= IPC_OWNER)
        ck_assert_uint_gt(times_in(ruled_audit(&server), "method=set_hostname"),
                          0);
    stop();
}

/* Root has two users for all but the spawned variants that need a set-user-ID
 * server, for whose files something must be mounted. */
static bool
has_two_users(void)
{
    return need_strangers(m) == NULL && !(m->caps & IPC_INPROCESS) &&
           (!(m->caps & IPC_SPAWNED) ||
            (m->evidence >= IPC_PEER && need_mounts() == NULL));
}

static uid_t
a_caller(void)
{
    return has_two_users() ? ALICE : geteuid();
}

/* A namespace that may be renamed; its end gives the old name back.  Who may
 * not have one may not rename this one either. */
static void
own_hostname(void)
{
    (void)unshare(CLONE_NEWUTS);
}

START_TEST(the_entitled_may_what_the_evidence_allows)
{
    m = ipc_registry[_i];
    own_hostname();
    ask_as(a_caller(), a_caller());
}
END_TEST

START_TEST(another_is_told_what_is_missing)
{
    char before[HOST_NAME_MAX + 1], after[HOST_NAME_MAX + 1];

    m = ipc_registry[_i];
    own_hostname();
    ck_assert_int_eq(gethostname(before, sizeof before), 0);
    ask_as(has_two_users() ? BOB : geteuid(), ALICE - 1);
    ck_assert_int_eq(gethostname(after, sizeof after), 0);
    ck_assert_str_eq(after, before);
}
END_TEST

/* No reply says so; the audit does. */
START_TEST(a_way_without_an_answer_does_nothing_privileged)
{
    const struct api_value name = string_value(NEW_NAME);
    char now[HOST_NAME_MAX + 1];
    struct client c;
    struct reply r;

    m = ipc_registry[_i];
    own_hostname();
    start_for(geteuid(), geteuid());
    client_start(&server.host, &c);
    ck_assert_int_eq(
        client_call(&c, api_by_name("set_hostname"), &name, &r, CALL_TIMEOUT),
        0);
    ruled_until(&server, "method=set_hostname(name=\"" NEW_NAME
                         "\") decision=deny rule=\"default: least evidence\"");
    ck_assert_int_eq(gethostname(now, sizeof now), 0);
    ck_assert_str_ne(now, NEW_NAME);
    client_close(&c);
    stop();
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

static void
add_methods(TCase *tc, int i)
{
    const struct ipc_mechanism *of = ipc_registry[i];
    const char *reason;

    if (of->caps & IPC_ONEWAY) {
        add_loop_test_if(tc, need_mechanism(of),
                         a_way_without_an_answer_does_nothing_privileged, i);
        return;
    }
    /* Root may name a machine of its own, others none. */
    add_loop_test_if(tc,
                     need_mechanism(of) != NULL || geteuid() != 0
                         ? need_mechanism(of)
                         : need_right(CAP_SYS_ADMIN),
                     the_entitled_may_what_the_evidence_allows, i);
    if (of->caps & IPC_TEXTBOOK) /* serves its own user */
        return;
    /* Root is nobody to whom something is missing. */
    reason = need_mechanism(of);
    if (reason == NULL && need_root() == NULL &&
        !(of->caps & (IPC_INPROCESS | IPC_SPAWNED)))
        reason = need_strangers(of);
    if (reason == NULL)
        reason = need_rules();
    add_loop_test_if(tc, reason, another_is_told_what_is_missing, i);
}

Suite *
test_methods(void)
{
    Suite *s = suite_create("methods");

    for (int i = 0; ipc_registry[i] != NULL; i++)
        add_methods(test_case(s, ipc_registry[i]->name), i);
    return s;
}

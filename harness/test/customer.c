/* customer.c - who is served while system calls fail (customer.h). */
#define _GNU_SOURCE /* geteuid, unlink */
#include "test/customer.h"

#include "test/files.h"

#include "core/clock.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char ours[ENDPOINT_SIZE], secret[ENDPOINT_SIZE];

void
customers_begin(void)
{
    snprintf(ours, sizeof ours, "%.80s/ours", run_dir);
    snprintf(secret, sizeof secret, "%.80s/secret", run_dir);
    write_file(ours, "text", 0644);
    write_file(secret, "text", 0000);
}

void
customers_end(void)
{
    unlink(ours);
    unlink(secret);
}

/* Whoever is traced must be ours, or we need the right to trace strangers. */
const char *
need_customers(const struct ipc_mechanism *m)
{
    const char *reason = need_inject();

    if (reason != NULL || need_root() != NULL)
        return reason;
    reason = need_strangers(m);
    return reason != NULL ? reason : need_right(CAP_SYS_PTRACE);
}

uid_t
customer_uid(void)
{
    const bool known = !has(IPC_SPAWNED) || subject->evidence >= IPC_PEER;

    return need_root() == NULL && known ? ALICE : geteuid();
}

/* Whatever goes wrong on the way, it never becomes somebody else's right. */
static void
check_identity(const struct reply *r)
{
    const int64_t uid = r->results[2].i64, gid = r->results[3].i64;

    if (r->status != WIRE_OK)
        return;
    ck_assert_msg(uid == geteuid() || uid == -1, "%s: taken for uid %lld",
                  subject->name, (long long)uid);
    ck_assert_msg(gid == getegid() || gid == -1, "%s: taken for gid %lld",
                  subject->name, (long long)gid);
}

static int
call_whoami(struct client *c, int64_t timeout)
{
    struct reply r;
    int err = client_call(c, api_by_name("whoami"), NULL, &r, timeout);

    if (err == 0)
        check_identity(&r);
    return err;
}

static int
call_echo(struct client *c, int64_t timeout)
{
    const char *text = "all the same";
    struct api_value arg = string_value(text);
    struct reply r;
    int err = client_call(c, api_by_name("echo"), &arg, &r, timeout);

    if (err == 0 && r.status == WIRE_OK)
        ck_assert_msg(value_is(&r.results[0], text), "%s: another echo",
                      subject->name);
    return err;
}

static int
call_read_file(struct client *c, const char *path, int64_t timeout)
{
    struct api_value args[] = {string_value(path), {.u64 = 0}, {.u32 = 10}};
    struct reply r;
    int err = client_call(c, api_by_name("read_file"), args, &r, timeout);

    if (err != 0 || r.status != WIRE_OK)
        return err;
    ck_assert_msg(path != secret || geteuid() == 0, /* who may read it all */
                  "%s: reads what it may not", subject->name);
    ck_assert_msg(value_is(&r.results[0], "text"), "%s: reads something else",
                  subject->name);
    return 0;
}

static int
ask_all(struct client *c, int64_t timeout)
{
    int err = call_echo(c, timeout);

    if (c->limits.max_msg < 1000) /* and says it bit by bit */
        return err;
    if (err == 0)
        err = call_whoami(c, timeout);
    if (err == 0)
        err = call_read_file(c, ours, timeout);
    if (err == 0)
        err = call_read_file(c, secret, timeout);
    return err;
}

static void
be_served(struct actor *self, void *arg)
{
    const struct customer *us = arg;
    struct client c;
    int err;

    if (us->steps)
        actor_step(self);
    ipc_open_timeout = us->timeout; /* traced, beside others: two s are few */
    err = host_client(&server, &c);
    if (err == 0) {
        err = ask_all(&c, us->timeout);
        client_close(&c);
    }
    if (err != 0)
        _exit(GAVE_UP);
}

int
serve_customer(struct injection *i, struct customer *us, pid_t *gone)
{
    struct actor c;
    int status;

    actor_start(&c, customer_uid(), be_served, us);
    if (us->steps) {
        actor_wait(&c);
        inject_seize(c.pid);
        *(i->kill ? &i->only : &i->except) = c.pid;
        actor_go(&c);
    }
    status = inject_watch(i, c.pid, gone, now_ns() + CALL_TIMEOUT);
    close(c.in);
    close(c.out);
    return status;
}

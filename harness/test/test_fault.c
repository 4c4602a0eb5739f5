/*
 * test_fault.c - the system calls of a server fail, one after the other: case
 * 81 of the attack matrix, over every mechanism.
 *
 *      the Nth call of      fails, N = 1, 2 ...     and then
 *      a daemon             while a client joins,   the client has the right
 *                           is served and leaves    answers, or an error; the
 *                                                   next one is served; no
 *                                                   descriptor, no object is
 *                                                   left
 *      a spawned server     from its exec on        the same, by its successor
 *
 * One server goes through all of it.  By default each call fails in one way;
 * IPCLAB_FAULTS=all tries every error with every call.
 */
#define _GNU_SOURCE /* dup, SYS_dup */
#include "test/asked.h"
#include "test/customer.h"
#include "test/files.h"

#include "core/clock.h"
#include "core/sanitized.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_fault(void);

/* A fault may cost the reply; nobody waits long for it then, ns. */
#define SHORT (100 * NS_PER_MS)

/* -- a server whose calls fail --------------------------------------------- */

/* One customer from beginning to end; its exit status. */
static int
one_customer(struct injection *i, struct customer *us, pid_t *daemon)
{
    const int status = serve_customer(i, us, daemon);

    if (daemon != NULL && status != -1)
        inject_settle(i, daemon, now_ns() + CALL_TIMEOUT);
    ck_assert_msg(daemon == NULL || *daemon != 0,
                  "%s: the server ended (status %#x): %s", subject->name,
                  (unsigned)status, inject_name(i));
    ck_assert_msg(status != -1, "%s: hangs: %s", subject->name, inject_name(i));
    ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
                                        WEXITSTATUS(status) == GAVE_UP),
                  "%s: the client ended with %#x: %s", subject->name,
                  (unsigned)status, inject_name(i));
    return WEXITSTATUS(status);
}

/* Somebody who must be served, and as if nothing had been.  What is left of the
 * one before goes at the latest when others come. */
static void
the_next_is_served(const struct injection *before, int most,
                   const char *objects)
{
    struct injection none = {.nth = 0};
    struct customer next = {.timeout = CALL_TIMEOUT};
    const int64_t deadline = now_ns() + CALL_TIMEOUT;
    bool left;

    do {
        doing("a server that goes on",
              "one system call of the server's had failed: %s",
              inject_name(before));
        if (one_customer(&none, &next, &server.server) != 0)
            is_unexpected("the next client is not served");
        left = open_descriptors(server.server) > most ||
               times_in(objects_left(), "\n") > times_in(objects, "\n");
    } while (left && now_ns() < deadline);
    doing("nothing left of that client",
          "one system call of the server's had failed: %s",
          inject_name(before));
    if (left)
        is_unexpected("%d descriptors, not %d; and of\n%sonly\n%s",
                      open_descriptors(server.server), most, objects_left(),
                      objects);
}

static void
go_through(int most, const char *objects)
{
    const bool spawned = has(IPC_SPAWNED);
    const unsigned kinds = inject_all() ? INJECT_KINDS : 1;
    struct customer us = {.timeout = spawned ? NS_PER_SEC : SHORT,
                          .steps = spawned};
    struct injection i = {.nth = 0};
    unsigned tried = 0;

    for (unsigned n = 1; i.nth == 0 || i.number != -1;
         n = inject_next(n, spawned))
        for (unsigned k = 0; k < kinds; k++) {
            i = (struct injection){.nth = n, .kind = n + k};
            mark_point();
            one_customer(&i, &us, spawned ? NULL : &server.server);
            if (i.number == -1)
                break;
            tried++;
            if (!spawned) /* who comes next has a server of its own */
                the_next_is_served(&i, most, objects);
        }
    ck_assert_uint_gt(tried, 0);
}

START_TEST(any_call_of_a_daemon_may_fail)
{
    struct injection none = {.nth = 0};
    struct customer first = {.timeout = CALL_TIMEOUT};
    char objects[4096];
    int most;

    begin_alone(_i);
    customers_begin();
    begin_signals(100 * NS_PER_MS, 0); /* inject_watch() looks at the time */
    inject_seize(server.server);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(one_customer(&none, &first, &server.server), 0);
    most = open_descriptors(server.server);
    snprintf(objects, sizeof objects, "%s", objects_left());
    go_through(most, objects);
    /* Whoever gave up may have left it in the middle of something. */
    ck_assert_int_eq(one_customer(&none, &first, &server.server), 0);
    end_signals();
    inject_leave(server.server);
    customers_end();
    server_stop(&server);
}
END_TEST

START_TEST(any_call_of_a_spawned_server_may_fail)
{
    subject = ipc_registry[_i];
    customers_begin();
    server_start_for(&server, subject, customer_uid());
    begin_signals(100 * NS_PER_MS, 0);
    go_through(0, "");
    end_signals();
    customers_end();
    server_stop(&server);
}
END_TEST

/* -- the tool -------------------------------------------------------------- */

static void
duplicate_and_close(struct actor *self, void *arg)
{
    char byte;
    int fd;

    (void)arg;
    ck_assert_int_eq(write(self->out, "", 1), 1);
    while (read(self->in, &byte, 1) != 1) /* this one may fail, too */
        continue;
    fd = dup(0);
    if (fd == -1)
        _exit(errno);
    _exit(close(fd) == -1 && fcntl(fd, F_GETFD) == -1 ? errno + 100 : 0);
}

/* What inject_watch() says has failed did fail so; but close(2) was done. */
START_TEST(the_call_fails_as_announced)
{
    bool dup_failed = false, close_failed = false;
    struct injection i;

    /* Whether it is already reading when it is seized differs, and with that
     * the numbers. */
    for (unsigned n = 1; !dup_failed || !close_failed; n = n % 8 + 1) {
        struct actor c;
        int status;

        i = (struct injection){.nth = n, .kind = n};
        actor_start(&c, geteuid(), duplicate_and_close, NULL);
        actor_wait(&c);
        inject_seize(c.pid);
        actor_go(&c);
        status = inject_watch(&i, c.pid, NULL, now_ns() + CALL_TIMEOUT);
        close(c.in);
        close(c.out);
        if (i.number == SYS_dup) {
            ck_assert_int_eq(WEXITSTATUS(status), i.error);
            dup_failed = true;
        } else if (i.number == SYS_close) {
            ck_assert_int_eq(WEXITSTATUS(status), EBADF + 100);
            close_failed = true;
        } else if (i.number == -1) {
            ck_assert_int_eq(status, 0);
        }
    }
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

static const char *
need_faults(const struct ipc_mechanism *m)
{
    if (SANITIZED && (m->caps & IPC_THREADS))
        return "need a release build (a sanitizer's calls in a new thread may "
               "not fail)";
    /* Its calls are thousands, and hardly one of them ours. */
    if (m->uses & IPC_USES_LIBRARY)
        return "need a library that does not hang when its own calls fail "
               "(Open "
               "MPI 4.1 does: mprotect and ENOMEM, for one)";
    return need_customers(m);
}

Suite *
test_fault(void)
{
    Suite *s = suite_create("fault");

    add_test_if(test_case(s, "injection"), need_inject(),
                the_call_fails_as_announced);
    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        tcase_set_timeout(tc, inject_timeout());
        add_if(tc, i, need_faults(ipc_registry[i]),
               any_call_of_a_daemon_may_fail, 0, PRIVATE);
        add_if(tc, i, need_faults(ipc_registry[i]),
               any_call_of_a_spawned_server_may_fail, IPC_SPAWNED, 0);
    }
    return s;
}

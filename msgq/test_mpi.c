/*
 * test_mpi.c - what MPI leaves behind, and what is left of the others when one
 * of its processes dies.
 *
 *      client --- relay --- orted, the daemon --- server     who starts whom
 */
#define _GNU_SOURCE /* kill */
#include "mpi_session.h"

#include "test/here.h"
#include "test/test.h"

#include "core/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_mpi(void);

static struct host server;
static struct client client;

static void
begin(void)
{
    server_start(&server, ipc_find("msgq/mpi"));
    client_start(&server, &client);
    expect_echo(&client, 100); /* all of them are there */
}

static bool
has_session(pid_t relay)
{
    char path[MPI_SESSION_SIZE];

    mpi_session(relay, path);
    return access(path, F_OK) == 0;
}

static pid_t
parent_of(const char *pid)
{
    char path[64], text[512] = "";
    const char *after;
    int parent = -1;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    in = fopen(path, "re");
    if (in == NULL)
        return -1;
    after = fgets(text, sizeof text, in) != NULL ? strrchr(text, ')') : NULL;
    fclose(in);
    if (after == NULL || sscanf(after, ") %*c %d", &parent) != 1)
        return -1;
    return parent;
}

static pid_t
child_of(pid_t parent)
{
    struct dirent *e;
    pid_t pid = -1;
    DIR *dir = opendir("/proc");

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL)
        if (atoi(e->d_name) > 0 && parent_of(e->d_name) == parent)
            pid = atoi(e->d_name);
    closedir(dir);
    ck_assert_int_gt(pid, 0);
    return pid;
}

START_TEST(when_the_client_leaves_all_of_mpi_ends_and_its_files_are_gone)
{
    pid_t relay;

    begin();
    relay = server_pid(&server);
    ck_assert(has_session(relay));
    client_close(&client); /* the fixture looks for processes */
    ck_assert(!has_session(relay));
}
END_TEST

START_TEST(a_killed_mpi_server_is_a_broken_pipe_for_the_client)
{
    struct reply r;
    pid_t relay;

    begin();
    relay = server_pid(&server);
    ck_assert_int_eq(kill(child_of(child_of(relay)), SIGKILL), 0);
    ck_assert_int_eq(client_recv(&client, &r, CALL_TIMEOUT), -EPIPE);
    client_close(&client);
    ck_assert(!has_session(relay));
    children_end();
}
END_TEST

START_TEST(what_a_killed_relay_leaves_its_client_removes)
{
    struct reply r;
    pid_t relay;

    begin();
    relay = server_pid(&server);
    ck_assert_int_eq(kill(relay, SIGKILL), 0);
    ck_assert_int_eq(client_recv(&client, &r, CALL_TIMEOUT), -EPIPE);
    ck_assert(has_session(relay));
    client_close(&client);
    ck_assert(!has_session(relay));
    children_end();
}
END_TEST

/* MPI_Init can be called once in a process; this one calls it never. */
START_TEST(a_process_may_have_several_clients_one_after_the_other_and_at_once)
{
    struct client second;

    begin();
    client_start(&server, &second);
    expect_echo(&second, 100);
    client_close(&client);
    expect_echo(&second, 100);
    client_start(&server, &client);
    expect_echo(&client, 100);
    client_close(&client);
    client_close(&second);
}
END_TEST

START_TEST(the_mpi_program_does_not_run_by_itself)
{
    static struct output o;

    run_program(&o, "ipcd-mpi", NULL);
    ck_assert_int_eq(o.status, EXIT_FAILURE);
    ck_assert_ptr_nonnull(strstr(o.err, "started by its client"));
}
END_TEST

/* What a program does that stands in its place; "": there is none. */
static const char *
reason_for(const char *script)
{
    char path[PATH_MAX], before[PATH_MAX];
    const char *reason;
    FILE *out;

    snprintf(path, sizeof path, "%s/ipcd-mpi", programs_dir());
    if (*script != '\0') {
        out = fopen(path, "we");
        ck_assert_ptr_nonnull(out);
        fprintf(out, "#!/bin/sh\n%s\n", script);
        ck_assert_int_eq(fclose(out), 0);
        ck_assert_int_eq(chmod(path, 0700), 0);
    }
    ck_assert_int_eq(program_path("", before, sizeof before), 0);
    ck_assert_int_eq(setenv("IPCLAB_BIN", programs_dir(), 1), 0);
    reason = ipc_unavailable(ipc_find("msgq/mpi"));
    setenv("IPCLAB_BIN", before, 1);
    unlink(path);
    return reason;
}

START_TEST(what_was_built_before_mpi_was_removed_cannot_run)
{
    ck_assert_ptr_nonnull(strstr(reason_for(""), "built without MPI"));
    ck_assert_ptr_nonnull(strstr(reason_for("exit 127"), "libraries"));
    ck_assert_ptr_nonnull(strstr(reason_for("exit 1"), "orted"));
    ck_assert_ptr_null(reason_for("test \"$1\" = --probe"));
}
END_TEST

/* The daemon does not find what it would start others with, and ends. */
START_TEST(what_an_mpi_that_does_not_start_leaves_its_client_removes)
{
    struct client c;
    struct reply r;
    pid_t relay;

    ck_assert_int_eq(setenv("OMPI_MCA_plm_rsh_agent", "/nonexistent", 1), 0);
    server_start(&server, ipc_find("msgq/mpi"));
    client_start(&server, &c);
    relay = server_pid(&server);
    ck_assert_int_eq(client_recv(&c, &r, CALL_TIMEOUT), -EPIPE);
    ck_assert(has_session(relay));
    client_close(&c);
    ck_assert(!has_session(relay));
    children_end();
}
END_TEST

Suite *
test_mpi(void)
{
    Suite *s = suite_create("mpi");
    TCase *tc = test_case(s, "msgq/mpi");
    const char *reason = need_mechanism(ipc_find("msgq/mpi"));

    add_test_if(tc, reason,
                when_the_client_leaves_all_of_mpi_ends_and_its_files_are_gone);
    add_test_if(tc, reason,
                a_killed_mpi_server_is_a_broken_pipe_for_the_client);
    add_test_if(tc, reason, what_a_killed_relay_leaves_its_client_removes);
    add_test_if(
        tc, reason,
        a_process_may_have_several_clients_one_after_the_other_and_at_once);
    add_test_if(tc, reason, the_mpi_program_does_not_run_by_itself);
    add_test_if(tc, reason,
                what_an_mpi_that_does_not_start_leaves_its_client_removes);
    add_test_if(tc, need_programs(),
                what_was_built_before_mpi_was_removed_cannot_run);
    return s;
}

/*
 * test_mpi.c - what MPI leaves behind, and what is left of the others when one
 * of its processes dies.
 *
 *      client --- relay --- orted, the daemon --- server     who starts whom
 */
#define _GNU_SOURCE /* kill */
#include "mpi_session.h"

#include "test/test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    ck_assert_int_eq(client_recv(&client, &r, PATIENCE), -EPIPE);
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
    ck_assert_int_eq(client_recv(&client, &r, PATIENCE), -EPIPE);
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
    return s;
}

/*
 * test_hosts.c - two hosts in one machine: two network namespaces and a cable.
 *
 *      10.77.0.1                                     10.77.0.2
 *      ipcd --listen 10.77.0.1   veth ===== veth     ipcctl --at 10.77.0.1:PORT
 *
 * Each has its own addresses, routes and sockets, and so nothing that one
 * kernel could look up about the other's processes: beyond one host nobody
 * vouches for who asks, and whoami says K0, uid -1.
 *
 * The namespaces have no name.  They end with the processes that live in them,
 * and with either one the cable.
 */
#define _GNU_SOURCE /* unshare */
#include "test/test.h"

#include "core/rundir.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_hosts(void);

/* A command that must succeed. */
static void __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
    char command[200];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    ck_assert_int_lt(n, (int)sizeof command);
    ck_assert_msg(system(command) == 0, "failed: %s", command);
}

/* Moves into a network of one's own, with nothing but a loopback. */
static void
become_host(void)
{
    ck_assert_msg(unshare(CLONE_NEWNET) == 0, "unshare: %s", strerror(errno));
    run("ip link set lo up");
}

/* -- the host with the server --------------------------------------------- */

static void
serving_host(struct actor *self, void *arg)
{
    const struct ipc_mechanism *m = arg;
    struct host daemon;

    become_host();
    actor_step(self); /* the other one plugs the cable in */
    run("ip address add 10.77.0.1/24 dev veth0");
    run("ip link set veth0 up");
    ck_assert_int_eq(setenv(LISTEN_VARIABLE, "10.77.0.1", 1), 0);
    server_start(&daemon, m);
    actor_step(self); /* the other one asks */
    server_stop(&daemon);
}

/* -- the host with the client --------------------------------------------- */

/* What the server published, "10.77.0.1:PORT", handed over by the file that
 * two hosts would not share. */
static void
read_address(const struct ipc_mechanism *m, char *address, int size)
{
    char name[ENDPOINT_SIZE];
    FILE *in;

    ck_assert_int_eq(endpoint_name(m, run_dir, name), 0);
    in = fopen(name, "re");
    ck_assert_ptr_nonnull(in);
    ck_assert_ptr_nonnull(fgets(address, size, in));
    fclose(in);
    address[strcspn(address, "\n")] = '\0';
    ck_assert_str_ne(address, "");
}

static void
ask(const char *mechanism, const char *address)
{
    static struct output o;

    run_program(&o, "ipcctl", "-m", mechanism, "--at", address, "hello",
                "World", NULL);
    ck_assert_msg(o.status == 0, "%s: %s", mechanism, o.err);
    ck_assert_str_eq(o.out, "Hello World\n");
    run_program(&o, "ipcctl", "-m", mechanism, "--at", address, "whoami", NULL);
    ck_assert_msg(o.status == 0, "%s: %s", mechanism, o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "\nuid=-1\n"));
    ck_assert_ptr_nonnull(strstr(o.out, "\nevidence=K0\n"));
    ck_assert_ptr_nonnull(strstr(o.out, "\naddress=10.77.0.2:"));
}

/* This process is the second host; the first is its child. */
static void
two_hosts(void *arg)
{
    const char *name = arg;
    const struct ipc_mechanism *m = ipc_find(name);
    char address[64];
    struct actor other;

    become_host();
    actor_start(&other, geteuid(), serving_host, (void *)(uintptr_t)m);
    actor_wait(&other);
    run("ip link add veth1 type veth peer name veth0 netns %d", (int)other.pid);
    run("ip address add 10.77.0.2/24 dev veth1");
    run("ip link set veth1 up");
    actor_go(&other);
    actor_wait(&other);
    read_address(m, address, sizeof address);
    ck_assert_int_eq(strncmp(address, "10.77.0.1:", 10), 0);
    ask(name, address);
    actor_go(&other);
    actor_end(&other);
}

START_TEST(tcp_reaches_another_host_and_knows_nobody_there)
{
    char name[] = "socket/tcp";

    as_user(geteuid(), two_hosts, name);
}
END_TEST

START_TEST(udp_reaches_another_host_and_knows_nobody_there)
{
    char name[] = "socket/udp";

    as_user(geteuid(), two_hosts, name);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

/* Tries, in a child, to make such a network with a cable in it. */
static const char *
need_networks(void)
{
    int status = -1;
    pid_t pid;

    if (need_root() != NULL)
        return need_root();
    if (system("command -v ip >/dev/null") != 0)
        return "need ip(8) (Debian: apt install iproute2)";
    pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWNET) == -1 ||
              system("ip link add veth1 type veth peer name veth0 "
                     "2>/dev/null") != 0);
    if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
        return "need network namespaces and veth (not allowed here)";
    return NULL;
}

Suite *
test_hosts(void)
{
    Suite *s = suite_create("hosts");
    TCase *tc = test_case(s, "hosts");
    const char *reason = need_networks();

    add_test_if(tc, reason, tcp_reaches_another_host_and_knows_nobody_there);
    add_test_if(tc, reason, udp_reaches_another_host_and_knows_nobody_there);
    return s;
}

/*
 * test_socket_page.c - README.md says what is: the transcript is compared with
 * what strace(1) shows in a clean shell, and the commands of the first exercise
 * are run.  (The others change the code.)
 */
#define _GNU_SOURCE /* close_range */
#include "by_hand.h"

#include "core/rundir.h"
#include "core/sanitized.h"
#include "test/here.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_socket_page(void);

/* -- the life of one request ---------------------------------------------- */

/* In a shell that has nothing open but 0, 1 and 2.  A file for each process, so
 * that no call is torn by another one's. */
static pid_t
run_traced(const char *trace, const char *program, const char *arguments)
{
    char line[3 * PATH_MAX], path[PATH_MAX];
    pid_t pid;

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        snprintf(line, sizeof line, "exec strace -ff -o '%s' '%s' %s", trace,
                 path, arguments);
        close_range(3, ~0u, 0);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* What the page calls L, E and A: the numbers of descriptors. */
static int known['Z' + 1];

/* The part of a line of the page with which strace's has to begin: up to what
 * is shortened, or differs from run to run; with numbers for letters. */
static void
expand(const char *call, char *out, size_t size)
{
    size_t n = strcspn(call, "\"{[."), used = 0;

    if (n > strcspn(call, ")"))
        n = strcspn(call, ")") + 1;
    for (size_t i = 0; i < n && used + 12 < size; i++) {
        const bool alone = i > 0 && strchr("( ", call[i - 1]) != NULL &&
                           strchr(",)", call[i + 1]) != NULL;

        if (alone && call[i] >= 'A' && call[i] <= 'Z')
            used += (size_t)sprintf(out + used, "%d", known[(int)call[i]]);
        else
            out[used++] = call[i];
    }
    out[used] = '\0';
}

/* Is the result the one of the page?  A letter takes it. */
static bool
result_fits(const char *call, const char *line)
{
    const char *ours = strstr(call, ") = "), *end = strchr(call, '\n');
    const char *theirs = strstr(line, " = ");

    if (ours == NULL || ours > end)
        return true;
    ours += 4;
    if (theirs == NULL || theirs > strchrnul(line, '\n'))
        return false;
    if (*ours >= 'A' && *ours <= 'Z') {
        known[(int)*ours] = atoi(theirs + 3);
        return known[(int)*ours] >= 0;
    }
    return atoi(theirs + 3) == atoi(ours);
}

/* A call of the page, in the trace, behind those before it: where; or NULL. */
static const char *
find_call(const char *trace, const char *call)
{
    char begins[256];

    expand(call, begins, sizeof begins);
    for (const char *line = trace; *line != '\0';
         line = strchrnul(line, '\n'), line += *line == '\n')
        if (strncmp(line, begins, strlen(begins)) == 0 &&
            result_fits(call, line))
            return strchrnul(line, '\n');
    return NULL;
}

/* The lines of the block that are this side's, 'S' or 'C', in what is left of a
 * trace.  NULL; or the one that is not there. */
static const char *
missing_line(const char *page, char side, const char *trace)
{
    const char *line = strstr(page, "\nS socket(");

    ck_assert_ptr_nonnull(line);
    for (line++; strncmp(line, "```", 3) != 0; line = strchr(line, '\n') + 1) {
        if (*line == side)
            trace = find_call(trace, line + 2);
        if (trace == NULL)
            return line;
    }
    return NULL;
}

/* From whichever line on: others make sockets, too. */
static void
compare(const char *page, char side, const char *trace)
{
    const char *missing;

    do {
        missing = missing_line(page, side, trace);
        trace = strchrnul(trace, '\n');
        trace += *trace == '\n';
    } while (missing != NULL && *trace != '\0');
    ck_assert_msg(missing == NULL, "strace does not show: %.*s",
                  (int)strcspn(missing, "\n"), missing);
}

static char *
output_of(const char *command)
{
    FILE *in = popen(command, "re");
    char *text = NULL;
    size_t size = 0;

    ck_assert_ptr_nonnull(in);
    ck_assert_int_gt(getdelim(&text, &size, '\0', in), 0);
    ck_assert_int_eq(pclose(in), 0);
    return text;
}

/* What was traced, each process and thread behind the one it was made by: the
 * numbers go up, from that of strace, and begin anew behind the last. */
static char *
trace_of(const char *name, pid_t first)
{
    char command[3 * PATH_MAX];

    snprintf(command, sizeof command,
             "cd '%s' && cat $(ls %s.* | awk -F. '{ print $2 < %d, $2, $0 }' | "
             "sort -k1n -k2n | cut -d' ' -f3) && rm %s.*",
             run_dir, name, (int)first, name);
    return output_of(command);
}

START_TEST(the_life_of_a_request_is_what_strace_shows)
{
    char trace[ENDPOINT_SIZE + 8], command[2 * PATH_MAX];
    char ipcctl[PATH_MAX];
    struct host named;
    char *page, *text;
    pid_t server, client;

    ck_assert_int_eq(
        endpoint_name(ipc_find("socket/stream"), run_dir, named.where), 0);
    snprintf(trace, sizeof trace, "%s/S", run_dir);
    snprintf(command, sizeof command, "--run-dir '%s' -m socket/stream",
             run_dir);
    ck_assert_int_eq(program_path("ipcctl", ipcctl, sizeof ipcctl), 0);
    server = run_traced(trace, "ipcd", command);
    while (access(named.where, W_OK) == -1)
        ck_assert_int_eq(waitpid(server, NULL, WNOHANG), 0);
    snprintf(trace, sizeof trace, "%s/C", run_dir);
    snprintf(command, sizeof command,
             "--run-dir '%s' -m socket/stream hello World", run_dir);
    client = run_traced(trace, "ipcctl", command);
    ck_assert_int_eq(waitpid(client, NULL, 0), client);
    snprintf(command, sizeof command,
             "'%s' --run-dir '%s' -m socket/stream shutdown", ipcctl, run_dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(waitpid(server, NULL, 0), server);
    snprintf(command, sizeof command, "cat '%s/socket/README.md'",
             source_dir());
    page = output_of(command);
    text = trace_of("C", client);
    compare(page, 'C', text);
    free(text);
    text = trace_of("S", server);
    compare(page, 'S', text);
    free(text);
    free(page);
}
END_TEST

/* -- the first exercise ---------------------------------------------------- */

START_TEST(rubbish_is_answered_by_a_plus_and_then_cut_off)
{
    char command[512], out[16];
    struct sockaddr_in at;
    struct host server;
    FILE *shell;

    server_start(&server, ipc_find("socket/tcp"));
    at = server_address(server.where);
    snprintf(command, sizeof command,
             "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; printf rubbish >&3; "
             "cat <&3'",
             ntohs(at.sin_port));
    shell = popen(command, "re");
    ck_assert_ptr_nonnull(shell);
    ck_assert_uint_eq(fread(out, 1, sizeof out, shell), 1);
    ck_assert_int_eq(out[0], '+');
    ck_assert_int_eq(pclose(shell), 0);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_socket_page(void)
{
    Suite *s = suite_create("socket_page");
    TCase *tc = test_case(s, "socket");
    const char *reason = need_source();

    if (reason == NULL)
        reason = need_programs();
    if (reason == NULL && system("strace -V >/dev/null 2>&1") != 0)
        reason = "need strace";
    if (reason == NULL && SANITIZED)
        reason = "need a release build (a sanitizer opens files of its own)";
    add_test_if(tc, reason, the_life_of_a_request_is_what_strace_shows);
    add_test_if(tc, inet_unavailable(),
                rubbish_is_answered_by_a_plus_and_then_cut_off);
    return s;
}

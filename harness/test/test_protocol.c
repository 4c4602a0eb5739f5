/*
 * test_protocol.c - PROTOCOL.md is enough to write a client in another
 * language: protocol.py is one, and imports nothing of ours.
 */
#define _GNU_SOURCE /* setenv */
#include "test/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

Suite *test_protocol(void);

static const char *const spoken[] = {"socket/stream", "fifo/perclient"};

START_TEST(a_client_written_from_the_page_is_served)
{
    char command[PATH_MAX + 128];
    struct host server;

    server_start(&server, ipc_find(spoken[_i]));
    ck_assert_int_eq(setenv("IPCLAB_DIR", run_dir, 1), 0);
    snprintf(command, sizeof command,
             "python3 -B '%s/harness/test/protocol.py' %s 1>&2", source_dir(),
             spoken[_i]);
    ck_assert_msg(system(command) == 0, "%s", command);
    server_stop(&server);
}
END_TEST

static const char *
need_python(void)
{
    return system("python3 -c 'import sys; sys.exit(sys.version_info < (3, 6))'"
                  " 2>/dev/null") == 0
               ? NULL
               : "need python3";
}

Suite *
test_protocol(void)
{
    Suite *s = suite_create("protocol");

    for (int i = 0; i < (int)(sizeof spoken / sizeof *spoken); i++) {
        const char *reason = need_source();

        if (reason == NULL)
            reason = need_python();
        if (reason == NULL)
            reason = need_mechanism(ipc_find(spoken[i]));
        add_loop_test_if(test_case(s, spoken[i]), reason,
                         a_client_written_from_the_page_is_served, i);
    }
    return s;
}

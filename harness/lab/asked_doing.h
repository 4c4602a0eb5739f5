/*
 * asked_doing.h - what the test program tries just now, in memory that it
 * shares with the grader (test/asked.h, lab/trial.h).
 */
#ifndef ASKED_DOING_H
#define ASKED_DOING_H

struct asked_doing {
    char test[128];     /* "crash/a_killed_server_is_a_broken_pipe" */
    char did[256];      /* "recv(), after the server had been killed" */
    char expected[256]; /* "-EPIPE (Broken pipe)" */
    int test_pid;       /* its process, which leads a group */
};

#endif

/*
 * session.h - a console block (readme.h) is a session of bash, in a directory
 * that has nothing but the programs that it calls:
 *
 *      $ build/release/ipcd -m fifo/perclient &      until it serves
 *      ipcd: serving fifo/perclient at ...           compared, line by line
 *      $ build/release/ipcctl -m socket/tcp whoami   must end with 0, unless
 *      ipcctl: no server ...                         it shows a message
 *      # ...                                         only where we are root
 *
 * Where no output is shown none is compared.  What goes into /tmp there goes
 * into that directory here.  A session cleans up behind itself, or the fixture
 * finds what it has left.
 */
#ifndef TEST_SESSION_H
#define TEST_SESSION_H

#include "test/readme.h"

/* Runs it in dir, whose build/release is in its PATH, and compares. */
void session_run(const struct readme_block *b, const char *dir);

/* Makes path a program that is ipcd, with these options, and says when it is
 * ready to who reads the FIFO $READY: so a session knows. */
void session_server(const char *path, const char *ipcd, const char *options);

#endif

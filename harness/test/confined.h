/*
 * confined.h - what the suites about confinement (server/confine.h) share: a
 * service user, what the page says he keeps, and what the kernel says.
 */
#ifndef CONFINED_H
#define CONFINED_H

#include "test/test.h"

#include "server/confine.h"

#include <limits.h>

/* The service user; needs no line in passwd(5) either. */
#define SERVICE      10090
#define SERVICE_TEXT "10090"

/* Reasons, or NULL.  confine() wants a process of one thread, and root; the
 * rest of what a confined server gives up, namespaces. */
const char *need_no_tsan(void);
const char *need_one_thread(void);
const char *need_namespaces(void);

/* The broker beside a server; any child of that name, or -1. */
pid_t confined_broker(const struct host *h);
pid_t child_called(pid_t parent, const char *name);

/* What a process or a method keeps, as the table in harness/server/README.md
 * has it. */
rights documented(const char *name);

/* This thread is the service user, and has these capabilities and not more;
 * false: it has ended meanwhile. */
bool expect_status(pid_t tid, rights kept);

/* A file with "secret" in it, in check_dir, that only he can read. */
void make_file_of(uid_t uid, char path[PATH_MAX]);

/* Waits for a child; its status, as wait(2) has it. */
int reap(pid_t pid);

#endif

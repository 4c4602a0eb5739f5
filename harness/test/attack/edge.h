/*
 * edge.h - an attacker at a server, somebody else who wants to be served, and
 * what a textbook's server would do in its place.
 */
#ifndef EDGE_H
#define EDGE_H

#include "test/attack/attack.h"

#include <limits.h>

struct edge {
    struct host *server;
    char path[PATH_MAX], dir[PATH_MAX];
    int id;
    bool fell;
};

/* All processes of this run share it. */
struct edge *make_edge(struct host *server);

/* For as_user(): fell, if it is not served. */
void alice_is_served(void *edge);

/* A textbook's server, f(arg) in a process of its own: does it end otherwise
 * than by returning?  Does it hang in this system call? */
bool textbook_ends(void (*f)(void *), void *arg);
bool textbook_hangs(void (*f)(void *), void *arg, long call);

/* A server with these rules, which is therefore audited. */
void serve_with_rules(struct host *server, const char *mechanism,
                      const char *rules);

#endif

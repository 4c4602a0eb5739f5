/*
 * nslab.h - the parts of nslab: a child in new namespaces, and what it sees.
 *
 *      parent                         child
 *      view_take(&before)
 *      make_child() - clone() ------> settle in
 *                                     view_take(&inside)
 *      waitpid() <------------------- end
 *      view_take(&after)
 *      before | inside, side by side; is after as before?
 */
#ifndef NSLAB_H
#define NSLAB_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* -- what a process sees (marks.c, views.c) -------------------------------- */

/* What the parent makes for the child to look for. */
struct marks {
    char name[32]; /* of a POSIX queue and of shared memory: "/nslab-1234" */
    int key;       /* of a System V queue */
    int sysv, mq, shm, tcp, abstract; /* ids and descriptors; -1: none */
    uint16_t port;
    int64_t skew; /* monotonic clock minus time of day, ns */
};

/* Each that can be made here; those that cannot are told on standard error,
 * with the reason. */
void marks_make(struct marks *m);
void marks_remove(struct marks *m);

/* What a row says of one that could not be made. */
#define NOT_MADE "not made"

/* In words: is the parent's port free here, does its abstract socket answer? */
const char *marks_try_port(const struct marks *m);
const char *marks_try_abstract(const struct marks *m);

/* How far the monotonic clock is from the time of day, which no namespace
 * changes, ns. */
int64_t marks_skew(void);

#define VIEW_ROWS 40

struct view {
    int n;
    struct view_row {
        const char *title;
        const char *space;   /* the namespace that it is about */
        bool drifts;         /* differs from moment to moment by itself */
        char text[PATH_MAX]; /* a control group may be as long */
    } row[VIEW_ROWS];
};

void view_take(struct view *v, const struct marks *m);

/* -- a child in new namespaces (enter.c) ----------------------------------- */

#define MOST_COMPLAINTS 16

/* Shared by parent and child. */
struct lab {
    int flags; /* CLONE_NEW... */
    bool by_clone;
    char **command; /* to be run by the child; NULL: look around */
    uid_t uid;      /* who we are outside */
    gid_t gid;
    struct marks marks;
    struct view before, inside, after;
    const char *loopback; /* as the child found it; NULL: not looked at */
    int complaints;
    struct complaint {
        const char *what;
        int err; /* -errno */
    } complaint[MOST_COMPLAINTS];
};

/* Notes that something could not be done; err 0 is no complaint. */
void complain(struct lab *lab, const char *what, int err);

/* What to do about it: a sentence. */
const char *advice(const struct lab *lab, const struct complaint *c);

/* Runs f(lab) in a child in new namespaces; its pid, to be waited for, or
 * -errno.  By clone(), or by unshare() and fork() in a go-between. */
pid_t make_child(struct lab *lab, int (*f)(struct lab *));

/* -- the end (stop.c) ------------------------------------------------------ */

/* SIGINT, SIGTERM and SIGHUP are to end the child first; from then on, in whom
 * it makes as well. */
void stop_catch(void);

/* As it was before, for a program that is about to be run. */
void stop_release(void);

/* Which one has come; 0: none. */
int stop_number(void);

/* Waits for a child, and returns its status.  If one has come the child gets
 * it, and is killed if it does not end within a second. */
int wait_for_child(const struct lab *lab, pid_t pid);

#endif

/*
 * actor.h - somebody else: a process that acts as one user, in lock step with
 * us.
 *
 *      actor_start(&a, ALICE, f, arg)    f(self, arg) begins
 *      actor_wait(&a)    <-----------    actor_step(self): "here I am", waits
 *      ... looks, kills a server ...
 *      actor_go(&a)      ----------->    goes on
 *      actor_end(&a)                     f returns
 *
 * It runs as that user and that group, without other groups (geteuid(): as it
 * is), and has none of the descriptors that its parent has opened.  What does
 * not hold in it does not hold in the parent (must.h).
 */
#ifndef ACTOR_H
#define ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Two strangers; they need no line in passwd(5). */
#define ALICE 10001
#define BOB   10002

struct actor {
    pid_t pid;
    int in, out;
};

typedef void actor_function(struct actor *self, void *arg);

void actor_start(struct actor *a, uid_t uid, actor_function *f, void *arg);
void actor_step(struct actor *self);
void actor_wait(struct actor *a);
void actor_go(struct actor *a);
void actor_end(struct actor *a);

/* SIGKILL, reaped.  false: it had ended by itself. */
bool actor_kill(struct actor *a);

/* Has it come to its next step, or to its end? */
bool actor_is_there(const struct actor *a);

/* As actor_wait(), if it comes to another step; false: it has ended. */
bool actor_next(struct actor *a);

/* f(arg) as that user, to the end. */
void as_user(uid_t uid, void (*f)(void *arg), void *arg);

/* Becomes that user, for good. */
void become_user(uid_t uid);

/* Set: there is nobody else here, and everybody is us. */
extern bool actors_are_us;

/* Memory of zeros, which all processes of this test or attack share. */
void *shared(size_t size);

/* Of each program its own: closes what was opened since the test or the attack
 * began, but not the actor's own pipes. */
void close_descriptors(const struct actor *keep);

#endif

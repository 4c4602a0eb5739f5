/*
 * test_parent.c - a child that is not to survive its parent (core/parent.h), also
 * where the parent has ended before the child could say so.
 *
 *      this test -- fork() --> parent -- fork() --> child
 *
 * Whoever is an orphan becomes a child of this test (fixture.c), which sees its
 * end.
 */
#define _GNU_SOURCE /* unshare, pipe2 */
#include "test/test.h"

#include "test/here.h"

#include "core/parent.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_parent(void);

/* A namespace of its own: the child's parent is outside of it, and is 0 there. */
enum how { BY_PID, BY_PIDFD, BY_PIDFD_INSIDE, WAYS };

static int gate[2], word[2];

static bool
may_be_inside(void)
{
    return unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
}

static _Noreturn void
child(enum how how, pid_t parent, int pidfd, bool is_late)
{
    char byte = 0;

    if (is_late && read(gate[0], &byte, 1) != 0) /* until the gate is closed */
        _exit(2);
    if (how == BY_PID)
        end_with_parent(parent, SIGKILL);
    else
        end_with_pidfd(pidfd, SIGKILL);
    if (write(word[1], &byte, 1) != 1)
        _exit(3);
    if (is_late)
        _exit(0);
    for (;;)
        pause();
}

static _Noreturn void
parent(enum how how, bool is_late)
{
    const pid_t us = getpid();
    const int pidfd = parent_pidfd();
    char byte;
    pid_t pid;

    close(gate[1]);
    if (pidfd == -1 || (how == BY_PIDFD_INSIDE && !may_be_inside()))
        _exit(1);
    pid = fork();
    if (pid == 0)
        child(how, us, pidfd, is_late);
    if (pid == -1 || (!is_late && read(word[0], &byte, 1) != 1))
        _exit(1);
    _exit(0);
}

/* The end of the parent, and then of the child: its status. */
static int
end_of_both(enum how how, bool is_late)
{
    int status;
    pid_t pid;

    ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(word, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0)
        parent(how, is_late);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(gate[1]);
    close(word[1]);
    ck_assert_int_gt(waitpid(-1, &status, 0), 0);
    close(gate[0]);
    close(word[0]);
    return status;
}

START_TEST(a_child_ends_with_its_parent)
{
    int status = end_of_both((enum how)_i, false);

    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

START_TEST(a_child_ends_whose_parent_has_ended_before_it_could_say_so)
{
    int status = end_of_both((enum how)_i, true);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
}
END_TEST

Suite *
test_parent(void)
{
    Suite *s = suite_create("parent");
    TCase *tc = test_case(s, "parent");

    for (int how = 0; how < WAYS; how++) {
        const char *reason = how == BY_PIDFD_INSIDE && !here_try(may_be_inside)
                                 ? "need user namespaces"
                                 : NULL;

        add_loop_test_if(tc, reason, a_child_ends_with_its_parent, how);
        add_loop_test_if(
            tc, reason,
            a_child_ends_whose_parent_has_ended_before_it_could_say_so, how);
    }
    return s;
}

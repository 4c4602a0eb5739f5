/* inside.c - a test's child in new namespaces (inside.h). */
#define _GNU_SOURCE /* unshare, CLONE_NEW..., strerrorname_np */
#include "test/inside.h"

#include "ns/spaces.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

const char *
need_spaces(void)
{
    static char reason[80];
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(spaces_parse("all")) == -1 ? errno : 0);
    if (pid == -1 || waitpid(pid, &status, 0) == -1)
        return "need fork()";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    snprintf(reason, sizeof reason, "need new namespaces: unshare() says %s",
             strerrorname_np(WEXITSTATUS(status)));
    return reason;
}

void
add_both(TCase *tc, const char *reason, const TTest *test)
{
    add_loop_test_if(tc, reason, test, 0);
    add_loop_test_if(tc, reason, test, 1);
}

/* An ordinary user needs a user namespace for the others. */
static int
with_user(int flags)
{
    return geteuid() != 0 ? flags | CLONE_NEWUSER : flags;
}

static struct lab *lab; /* shared with the child */
static pid_t child_pid;

void
begin_inside(int flags, int by_clone, int (*f)(struct lab *))
{
    lab = mmap(NULL, sizeof *lab, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(lab, MAP_FAILED);
    lab->flags = with_user(flags);
    lab->by_clone = by_clone;
    lab->uid = geteuid();
    lab->gid = getegid();
    child_pid = make_child(lab, f);
    ck_assert_int_gt(child_pid, 0);
}

void
end_inside(void)
{
    int status;

    ck_assert_int_eq(waitpid(child_pid, &status, 0), child_pid);
    ck_assert(WIFEXITED(status));
    for (int i = 0; i < lab->complaints; i++)
        ck_abort_msg("%s: %s", lab->complaint[i].what,
                     strerror(-lab->complaint[i].err));
    ck_assert_msg(WEXITSTATUS(status) == 0, "inside, check %d failed",
                  WEXITSTATUS(status));
    munmap(lab, sizeof *lab);
}

void
run_inside(int flags, int by_clone, int (*f)(struct lab *))
{
    begin_inside(flags, by_clone, f);
    end_inside();
}

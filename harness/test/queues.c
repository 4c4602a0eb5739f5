/*
 * queues.c - the room for POSIX queues (here.h).  Their bytes are counted for
 * a user (RLIMIT_MSGQUEUE), in all namespaces together; so what another program
 * of this user holds is not there for the tests, and msgq/posix plans by what
 * is there for everybody.  Root raises the limit and has all the room he wants.
 * For others
 *
 *      one test program at a time runs the cases that make queues, and
 *      runs others until it has its turn,
 *      such a case waits until the room is there,
 *      and if it does not come, its tests are not run.
 */
#define _GNU_SOURCE /* RLIMIT_MSGQUEUE */
#include "test/here.h"

#include "test/test.h"

#include "core/clock.h"

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define TURN_TIMEOUT  INT64_C(900000000000)
#define QUEUE_TIMEOUT INT64_C(60000000000)
#define MOST          64 /* queues that one process may open, by far */

static bool wanted, used_up; /* by the case that runs */
static bool has_turn;
static int lock = -1;
static int *left_out; /* shared with the tests */

/* Bytes; RLIM_INFINITY: nobody counts. */
static rlim_t
limit(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_MSGQUEUE, &r) == -1 ? 0 : r.rlim_cur;
}

void
queues_raise_limit(void)
{
    struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

    if (setrlimit(RLIMIT_MSGQUEUE, &r) == 0 ||
        getrlimit(RLIMIT_MSGQUEUE, &r) == -1)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_MSGQUEUE, &r);
}

/* Opens queues for nearly all the bytes; they go with this process, which has
 * taken their names away.  What the kernel adds for a message is less than the
 * eighth that is not tried. */
static bool
room_is_there(void)
{
    struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = 4096};
    const rlim_t bytes = (rlim_t)(attr.mq_maxmsg * attr.mq_msgsize);
    rlim_t room = limit() / 8 * 7;
    char name[64];

    snprintf(name, sizeof name, "/ipclab-room-%d", (int)getpid());
    for (int i = 0; i < MOST && room >= bytes; i++, room -= bytes) {
        if (mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr) == -1)
            return false;
        mq_unlink(name);
    }
    return true;
}

/* By a lock on the directory that every run's own one is in; what a test runs
 * has that test's turn (fixture.c says so in the environment). */
bool
take_turn(int64_t deadline)
{
    has_turn = has_turn || getenv("IPCLAB_TURN") != NULL;
    if (!has_turn && lock == -1)
        lock = open(dir_of_runs(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (!has_turn) {
        has_turn = lock == -1 || flock(lock, LOCK_EX | LOCK_NB) == 0;
        if (time_left(deadline) <= 0)
            break;
        if (!has_turn)
            poll(NULL, 0, 5);
    }
    return has_turn;
}

void
end_turn(void)
{
    if (lock != -1)
        close(lock);
    lock = -1;
    has_turn = false;
}

/* Nobody tells when other programs give room back, so it is tried again and
 * again, but not by a loop that takes their time. */
static void
wait_for_room(int64_t deadline)
{
    while (!here_try(room_is_there) && time_left(deadline) > 0)
        poll(NULL, 0, 20);
}

bool
queues_take_turn(bool wait)
{
    static int64_t timeout = TURN_TIMEOUT; /* for all cases together */
    const int64_t deadline = deadline_in(wait ? timeout : 0);
    const bool taken = take_turn(deadline);

    if (wait)
        timeout = time_left(deadline);
    return taken;
}

static void
take_queues(void)
{
    static int64_t timeout = QUEUE_TIMEOUT; /* for all cases together */
    const int64_t deadline = deadline_in(timeout);

    wanted = true;
    used_up = !has_turn;
    if (used_up)
        return;
    wait_for_room(deadline);
    used_up = !here_try(room_is_there);
    timeout = time_left(deadline);
}

static void
give_queues(void)
{
    wanted = used_up = false;
}

/* Those of a variant that uses queues, and others that use one. */
static bool
needs_room(const char *name)
{
    static const char *const cases[] = {
        "activation", "attack",     "ipcbench",    "isolate",
        "msgq",       "namespaces", "nslab",       "object",
        "output",     "readme",     "report/page", "why"};
    const struct ipc_mechanism *m = ipc_find(name);

    if (m != NULL)
        return (m->uses & IPC_USES_QUEUE) != 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i], name) == 0)
            return true;
    return false;
}

bool
queues_are_short(const char *name)
{
    return limit() != RLIM_INFINITY && needs_room(name) &&
           ipc_unavailable(ipc_find("msgq/posix")) == NULL;
}

void
queues_add(TCase *tc, const char *name)
{
    if (!queues_are_short(name))
        return;
    if (left_out == NULL)
        left_out = mmap(NULL, sizeof *left_out, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcase_add_unchecked_fixture(tc, take_queues, give_queues);
}

/* What a test before this one left in its namespace, the kernel takes away
 * later, by a process of its own. */
void
queues_check(void)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);

    if (wanted && !used_up) {
        wait_for_room(deadline);
        used_up = time_left(deadline) == 0;
    }
    if (!used_up || left_out == MAP_FAILED)
        return;
    ++*left_out;
    _exit(EXIT_SUCCESS);
}

int
queues_left_out(void)
{
    return left_out == NULL || left_out == MAP_FAILED ? 0 : *left_out;
}

/*
 * attack.h - `make attack`: what other users do to our servers and clients, as
 * programs; and what the naive form of the same code does with it.
 *
 *      static bool                      // did the attack succeed?
 *      steals_a_reply(bool naive)
 *      {
 *          struct host server;
 *
 *          serve(&server, "msgq/posix");
 *          as_user(BOB, bob_opens_her_queue, ...);
 *          ...
 *      }
 *
 *      const struct attack msgq_attacks[] = {
 *          {30, "msgq/posix", "what he does", .without = "owner",
 *           .how = "who owns the queue", .run = steals_a_reply},
 *
 * Each attack is run twice: defended, where it must be refused, and naive,
 * where it must succeed; otherwise the refusal would prove nothing.  A run has
 * a process of its own, and namespaces of its own: a run directory and a
 * /dev/shm that are empty, its own System V objects, POSIX queues, ports and
 * process ids.  Whatever it leaves goes with them.
 *
 * The naive form is either the same program without one defence (.without;
 * core/defence.h), or, where that would be other code altogether, what a
 * textbook does: a few lines in the attack itself, `if (naive)`.
 *
 * There is no sleeping.  Processes wait for each other by actor_step(); and
 * "it hangs" is not a matter of time, but of where it hangs: is_in_call().
 */
#ifndef ATTACK_H
#define ATTACK_H

#include "core/api.h"
#include "core/client.h"
#include "core/host.h"
#include "test/both/actor.h"
#include "test/both/calls.h"
#include "test/both/must.h"
#include "test/both/processes.h"
#include "test/both/requests.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>

/* -- the table of attacks ------------------------------------------------- */

struct attack {
    int number; /* in SECURITY.md's matrix; from 101 on: added since */
    const char *mechanism;
    const char *what;    /* the attacker does: at most 38 characters */
    const char *without; /* the defence that the naive form lacks */
    const char *how;     /* it is refused: at most 25 characters */

    /* It is not prevented here, in most cases cannot be, because...  A
     * sentence.  Then the defended form must fall too, and .how says what is
     * left. */
    const char *cannot;

    /* NULL, or a function that says why it cannot run here, or NULL. */
    const char *(*missing)(void);
    bool alone; /* needs no second user: if there is none, ALICE, BOB and the
                 * server are all the same one */

    bool (*run)(bool naive); /* has it succeeded? */
};

/* Each file's, ended by one whose .run is NULL. */
extern const struct attack *const attack_tables[]; /* ended by NULL */
extern const struct attack spawned_attacks[], pipe_attacks[], fifo_attacks[],
    fifo_room_attacks[], sysv_attacks[], mqueue_attacks[], reply_attacks[],
    memory_attacks[], second_look_attacks[], lock_attacks[], local_attacks[],
    names_attacks[], passed_attacks[], manners_attacks[], tcp_attacks[],
    held_attacks[], edge_attacks[], agent_attacks[], set_attacks[],
    udp_attacks[], quota_attacks[], signal_attacks[], rights_attacks[],
    server_attacks[], owned_attacks[], locked_attacks[], odd_attacks[],
    socket_attacks[], inherited_attacks[], id_attacks[], why_attacks[],
    join_attacks[], inside_attacks[], left_attacks[];

/* -- what becomes of them (report.c) -------------------------------------- */

enum verdict { FELL, REFUSED, NOT_RUN, BROKEN };

struct result {
    const struct attack *attack;
    size_t index; /* among all */
    enum verdict naive, defended;
    const char *reason; /* NOT_RUN */
};

bool as_expected(const struct result *r);

/* Prints the matrix, and writes it into a new directory.  0 or -errno. */
int report(const struct result *results, size_t n, const char *parent);

/* -- sockets by hand (byhand.c) ------------------------------------------- */

/* AF_UNIX: bound to this path, which all may connect to. */
int bind_local(const char *path, int type);

/* Connected; and taken by the server, its byte '+'. */
int connect_local(const char *path, int type);
void connect_at(int fd, const char *path);
void wait_for_handshake(int fd);
int connect_and_enter(const char *path, int type); /* both */

/* AF_INET: 127.0.0.1, and no port, which means any; the address in a server's
 * file, "127.0.0.1:41234". */
struct sockaddr_in loopback(void);
struct sockaddr_in address_in(const char *where);

/* Bound there, with SO_REUSEADDR or without; or -errno.  Where that is. */
int make_bound(int type, int reuse, const struct sockaddr_in *at);
struct sockaddr_in address_of(int fd);

/* A false server's part: it takes one client, and does that say anything?
 * And the client's, who says the SECRET if he trusts it. */
bool is_told_something(int listener);
void tell_a_secret(void *where);

/* Namespaces of one's own, among them one of users, with the rights of root in
 * them; and why an ordinary user can have none, or NULL. */
void become_root_of(int spaces);
const char *user_spaces_missing(void);

/* -- the stage: one run (stage.c) ----------------------------------------- */

/* How long anything may take before it counts as broken, ns. */
#define ATTACK_TIMEOUT (10 * INT64_C(1000000000))

/* What this run is about. */
extern const struct attack *this_attack;

/* Where this run's files go; run_dir is in it. */
extern char stage_dir[ENDPOINT_SIZE], run_dir[ENDPOINT_SIZE];

/* A file in stage_dir with this text and mode, ours. */
const char *make_file(const char *name, const char *text, mode_t mode);
#define SECRET "the secret of root"

/* Is that still all that is in it? */
bool is_still_secret(const char *path);

/* A directory where anybody may rename what is not his, and where nothing keeps
 * root from following his links: without the sticky bit.  In that one. */
const char *make_careless_dir(const char *parent);

/* A process with this very pid, which does nothing; the last one that had it
 * must be dead and reaped. */
pid_t take_pid(pid_t pid);

/* -- servers and clients (servers.c) -------------------------------------- */

/* A server of this program; NULL: as the next one. */
void serve_by(struct host *h, const char *mechanism, const char *program);

/* A server of this build (in a naive run: of the naive one) in run_dir. */
void serve(struct host *h, const char *mechanism);

/* The server of a mechanism whose clients start it: a set-user-ID copy, which
 * ALICE may run. */
void serve_set_user_id(struct host *h, const char *mechanism);

/* A daemon's SIGKILL, as its end; host_stop() reaps.  And does the process that
 * serves end by itself, soon? */
void kill_server(const struct host *h);
bool server_ends(const struct host *h);

/* Stops a daemon (it has stopped when this returns), and lets it go on. */
void pause_server(const struct host *h);
void resume_server(const struct host *h);

/* Opens, calls echo, closes: whatever came before has been dealt with, where
 * requests are served in the order of arrival.  false: it was not served. */
bool is_served(struct host *h);
void be_served(struct host *h); /* MUST(is_served(h)) */

/* A client that this attack's mechanism must not let in there. */
void asks_in_vain(void *where);

/* Whom the server takes this client for: -1, nobody. */
int64_t whoami(struct client *c);

#endif

/* attack_server.c - what every server does, whatever the mechanism: lengths,
 * rules, the audit, places, and what it leaves behind. */
#define _GNU_SOURCE /* popen, O_CLOEXEC */
#include "test/attack/stage.h"

#include "core/frames.h"
#include "server/audit.h"
#include "server/lines.h"
#include "server/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 79: lengths ---------------------------------------------------------- */

/* How much room is made for a frame that says it is so long? */
static size_t
room_for(uint32_t length)
{
    uint8_t header[WIRE_HEADER];
    struct frames in;
    size_t room, made;
    void *to;

    frames_init(&in);
    to = frames_space(&in, &room);
    MUST(to != NULL && room >= WIRE_HEADER);
    make_frame(header, API_echo);
    put32(header + 8, length);
    memcpy(to, header, WIRE_HEADER);
    frames_add(&in, WIRE_HEADER);
    frames_space(&in, &room); /* for what is to come */
    made = in.cap;
    frames_free(&in);
    return made;
}

static bool
announces_too_much(bool naive)
{
    static const uint32_t lengths[] = {1,
                                       IPC_MAX_MSG - WIRE_HEADER,
                                       IPC_MAX_MSG - WIRE_HEADER + 1,
                                       0x40000000,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff};
    bool fell = false;

    (void)naive;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        bool fits = lengths[i] <= IPC_MAX_MSG - WIRE_HEADER;
        bool made = room_for(lengths[i]) >= lengths[i];

        MUST(made || !fits);
        fell = fell || (made && !fits);
    }
    return fell;
}

/* -- 82: a line of his own in the audit ----------------------------------- */

static bool
writes_a_line_of_his_own(bool naive)
{
    static const char name[] =
        "x\" decision=deny\nseq=1 uid=0 method=shutdown() "
        "decision=allow\033[2K\r";
    const struct api_value arg = {.at = name, .len = sizeof name - 1};
    struct ipc_peer peer = {
        .pid = 1, .uid = BOB, .gid = BOB, .evidence = IPC_STAMPED};
    struct audit_record r = {.m = ipc_find("socket/seqpacket"),
                             .peer = &peer,
                             .method = api_by_name("hello"),
                             .args = &arg,
                             .allowed = true,
                             .rule = "default: open to everybody"};
    char path[PATH_MAX], line[8192];
    int lines = 0;
    bool escapes = false;
    FILE *in;

    (void)naive;
    snprintf(path, sizeof path, "%s/audit", stage_dir);
    MUST(audit_to_file(path) == 0);
    audit_begin(&r);
    MUST(audit_write(&r, "ok") == 0);
    audit_off();
    in = fopen(path, "re");
    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL) {
        lines++;
        escapes = escapes || strchr(line, '\033') != NULL;
    }
    fclose(in);
    MUST(lines > 0);
    return lines > 1 || escapes;
}

/* -- 83: rules of his own ------------------------------------------------- */

struct rules {
    char path[PATH_MAX];
};

static void
bob_adds_a_rule(void *arg)
{
    int fd = open(((struct rules *)arg)->path, O_WRONLY | O_APPEND | O_CLOEXEC);

    MUST(fd != -1);
    MUST(write(fd, "allow * uid=10002\n", 18) == 18);
    close(fd);
}

/* An administrator's mistake: mode 0666. */
static bool
writes_a_rule_of_his_own(bool naive)
{
    struct rules *rules = shared(sizeof *rules);
    struct ipc_peer peer = {
        .pid = 1, .uid = BOB, .gid = BOB, .evidence = IPC_STAMPED};
    char why[POLICY_WHY], sentence[POLICY_SENTENCE];
    struct policy *p;
    const char *rule;
    bool allowed;

    (void)naive;
    strcpy(rules->path, make_file("policy.conf", "deny * any\n", 0666));
    /* Without the deny: he can do that too. */
    MUST(truncate(rules->path, 0) == 0);
    as_user(BOB, bob_adds_a_rule, rules);
    if (policy_read(rules->path, 0, &p, why) != 0)
        return false;
    allowed = policy_decide(p, ipc_find("socket/seqpacket"), &peer,
                            api_by_name("set_hostname"), &rule, sentence);
    policy_free(p);
    return allowed;
}

/* A link to rules that are root's, but not these; and rubbish. */
static bool
puts_rubbish_into_the_rules(bool naive)
{
    static const char *const rubbish[] = {
        "allow set_hostname uid=-1\n", "allow * uid=4294967295\n",
        "allow set_hostname\n",        "alow * any\n",
        "allow * uid=0x0\n",           "allow * any min=K0\n"};
    char why[POLICY_WHY], name[32];
    struct policy *p;
    bool taken = false;
    uint32_t id = 0;

    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        const char *path;

        snprintf(name, sizeof name, "rules.%zu", i);
        path = make_file(name, rubbish[i], 0644);
        if (policy_read(path, 0, &p, why) == 0)
            taken = true;
    }
    /* The textbook's reader of numbers: what is none is 0, which is root; and
     * -1 is "do not change" for setresuid(2). */
    if (naive)
        taken = sscanf("-1", "%u", &id) == 1 && id == (uint32_t)-1 &&
                atoi("nobody") == 0;
    return taken;
}

/* -- 126: a run directory of his ------------------------------------------ */

static void
bob_makes_a_directory(void *arg)
{
    MUST(mkdir(arg, 0777) == 0 && chmod(arg, 0777) == 0);
}

/* As in /tmp, where anybody may be first. */
static bool
has_the_run_directory(bool naive)
{
    struct host_options options = {.cpu = -1, .quiet = 1};
    char dir[PATH_MAX], *path = shared(PATH_MAX);
    struct host server;
    bool started;

    (void)naive;
    snprintf(dir, sizeof dir, "%s/tmp", stage_dir);
    MUST(mkdir(dir, 01777) == 0 && chmod(dir, 01777) == 0);
    snprintf(path, PATH_MAX, "%.200s/ipclab", dir);
    as_user(BOB, bob_makes_a_directory, path);
    started =
        host_start(&server, ipc_find("socket/stream"), path, &options) == 0;
    if (started)
        host_stop(&server);
    return started;
}

/* -- 73: the same request twice ------------------------------------------- */

/* A datagram that came twice, or an answer that was lost: the client asks
 * again, under the same id. */
static bool
asks_twice(bool naive)
{
    const struct api_method *m = api_by_name("counter_add");
    const struct api_value args[] = {{.at = "key", .len = 3}, {.i64 = 1}};
    struct host server;
    struct client c;
    struct reply r;
    int64_t value = 0;

    (void)naive;
    serve(&server, "socket/dgram");
    MUST(host_client(&server, &c) == 0);
    for (int i = 0; i < 2; i++) {
        c.next_id = 4711;
        MUST(client_call(&c, m, args, &r, ATTACK_TIMEOUT) == 0);
        MUST(r.status == WIRE_OK);
        value = r.results[0].i64;
    }
    client_close(&c);
    host_stop(&server);
    return value != 1;
}

/* -- 85: what a killed server leaves -------------------------------------- */

/* Files in run_dir and /dev/shm, System V objects. */
static int
left_over(void)
{
    static const char *const kinds[] = {"msg", "sem", "shm"};
    char command[2 * ENDPOINT_SIZE + 200], line[512], path[64];
    int n = 0;
    FILE *in;

    snprintf(command, sizeof command,
             "find '%s' /dev/shm -mindepth 1 ! -name '*.lock'", run_dir);
    in = popen(command, "r");
    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL)
        n++;
    pclose(in);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/proc/sysvipc/%s", kinds[i]);
        in = fopen(path, "re");
        while (in != NULL && fgets(line, sizeof line, in) != NULL)
            n++;
        n--; /* the heading */
        if (in != NULL)
            fclose(in);
    }
    return n;
}

/* Each daemon in turn, killed with a client in it; naive: and that was it. */
static bool
is_killed_again_and_again(bool naive)
{
    MUST(left_over() == 0);
    for (size_t i = 0; ipc_registry[i] != NULL; i++) {
        const struct ipc_mechanism *m = ipc_registry[i];
        struct host server;
        struct client c;

        if ((m->caps & (IPC_SPAWNED | IPC_INPROCESS | IPC_ONEWAY)) != 0 ||
            ipc_unavailable(m) != NULL)
            continue;
        for (int round = 0; round < 4; round++) {
            serve(&server, m->name);
            MUST(host_client(&server, &c) == 0);
            kill_server(&server);
            host_stop(&server);
            client_close(&c);
        }
        if (!naive && m->sweep != NULL)
            m->sweep(server.where);
    }
    return left_over() > 0;
}

/* -- 131 to 138: every slot ----------------------------------------------- */

struct crowd {
    struct host *server;
    bool served;
};

static void
bob_comes_often(struct actor *self, void *arg)
{
    const struct crowd *crowd = arg;
    struct client c;

    /* Until it is refused; a busy machine's delay is no refusal. */
    for (int in = 0, late = 0; in < IPC_MAX_CLIENTS && late < 2;) {
        const int err = client_open(&c, crowd->server->m, crowd->server->where);

        if (err != 0 && err != -ETIMEDOUT)
            break;
        in += err == 0;
        late += err != 0;
    }
    actor_step(self); /* with all of them open */
}

static void
alice_comes(void *arg)
{
    struct crowd *crowd = arg;

    crowd->served = is_served(crowd->server);
}

/* One for each way of letting a client in. */
static bool
takes_every_slot(bool naive)
{
    struct crowd *crowd = shared(sizeof *crowd);
    struct host server;
    struct actor bob;

    (void)naive;
    serve(&server, this_attack->mechanism);
    crowd->server = &server;
    actor_start(&bob, BOB, bob_comes_often, crowd);
    actor_wait(&bob);
    /* Where nobody but the server's own user may come, that one does. */
    as_user(server.m->caps & IPC_TRUSTING ? geteuid() : ALICE, alice_comes,
            crowd);
    actor_kill(&bob);
    host_stop(&server);
    return !crowd->served;
}

/* -- the table ------------------------------------------------------------ */

static const char every_slot[] = "takes every slot; A comes";
#define HALF .without = "slotquota", .how = "half of them for a user"

const struct attack server_attacks[] = {
    {73, "counter_add", "(the same request comes twice)", .without = "once",
     .how = "ids are remembered", .alone = true, .run = asks_twice},
    {79, "frames", "announces 2 GiB and sends 32 bytes", .without = "length",
     .how = "EBADMSG, no room made", .alone = true, .run = announces_too_much},
    {82, "audit", "has a newline and ESC in his name", .without = "quote",
     .how = "quoted: one line", .alone = true, .run = writes_a_line_of_his_own},
    {83, "policy", "adds a rule to a file of mode 0666", .without = "rules",
     .how = "no rules at all", .run = writes_a_rule_of_his_own},
    {85, "every daemon", "(is killed and started, many times)",
     .how = "sweep finds everything", .alone = true,
     .run = is_killed_again_and_again},
    {126, "run directory", "has made the run directory before",
     .without = "rundir", .how = "must be the server's own",
     .run = has_the_run_directory},
    {127, "policy", "(rules with uid=-1, uid=0x0 ...)",
     .how = "one error: no rules", .alone = true,
     .run = puts_rubbish_into_the_rules},
    {131, "fifo/perclient", every_slot, HALF, .run = takes_every_slot},
    {132, "shm/futex", every_slot, HALF, .run = takes_every_slot},
    {133, "msgq/posix", every_slot, HALF, .run = takes_every_slot},
    {134, "msgq/sysv-private", every_slot, HALF, .run = takes_every_slot},
    {135, "sem/values", every_slot, HALF, .run = takes_every_slot},
    {136, "sem/mailbox", every_slot, .without = "own,slotquota",
     .how = "mode 0600: own user only", .run = takes_every_slot},
    {137, "mmap/lockfile", every_slot, HALF, .run = takes_every_slot},
    {138, "msgq/sysv-types", every_slot, .without = "sender,slotquota",
     .how = "half: of who registered", .run = takes_every_slot},
    {0},
};

/* attack_names.c - AF_UNIX sockets: names, whose they are and where they
 * lead. */
#define _GNU_SOURCE /* CLONE_NEWNS */
#include "test/attack/attack.h"

#include "../../../socket/local.h"

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- 62: an answer to a name ---------------------------------------------- */

struct post {
    char server[ENDPOINT_SIZE], victim[ENDPOINT_SIZE];
    bool fell;
};

/* In his own mount namespace the victim's path is his. */
static void
bob_writes_in_her_name(void *arg)
{
    struct post *p = arg;
    struct sockaddr_un victim;
    socklen_t len = local_path(&victim, p->victim);
    uint8_t datagram[8 + WIRE_HEADER] = {0};
    int fd = connect_local(p->server, SOCK_DGRAM);

    become_root_of(CLONE_NEWNS);
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    MUST(mount("own", stage_dir, "tmpfs", 0, NULL) == 0);
    MUST(bind(fd, (struct sockaddr *)&victim, len) == 0);
    make_frame(datagram + 8, API_whoami);
    MUST(send(fd, datagram, sizeof datagram, 0) == sizeof datagram);
    close(fd);
}

static bool
writes_in_anothers_name(bool naive)
{
    struct post *p = shared(sizeof *p);
    struct sockaddr_un from;
    socklen_t len = sizeof from;
    struct host server;
    char byte;
    int victim, textbook;

    snprintf(p->victim, sizeof p->victim, "%.90s/victim", stage_dir);
    victim = bind_local(p->victim, SOCK_DGRAM);
    serve(&server, "socket/dgram");
    strcpy(p->server, server.where);
    if (naive) {
        snprintf(p->server, sizeof p->server, "%.90s/textbook", stage_dir);
        textbook = bind_local(p->server, SOCK_DGRAM);
        as_user(BOB, bob_writes_in_her_name, p);
        MUST(recvfrom(textbook, &byte, 1, 0, (struct sockaddr *)&from, &len) ==
             1);
        MUST(sendto(textbook, "!", 1, 0, (struct sockaddr *)&from, len) == 1);
    } else {
        as_user(BOB, bob_writes_in_her_name, p);
        be_served(&server);
    }
    host_stop(&server);
    return recv(victim, &byte, 1, MSG_DONTWAIT) == 1;
}

/* -- 63, 107: a false server ---------------------------------------------- */

struct squatter {
    char where[ENDPOINT_SIZE];
    bool fell;
};

static void
bob_listens(struct actor *self, void *arg)
{
    struct squatter *s = arg;
    struct sockaddr_un address;
    socklen_t len = strcmp(this_attack->mechanism, "socket/abstract") == 0
                        ? local_abstract(&address, s->where)
                        : local_path(&address, s->where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    MUST(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 1) == 0);
    chmod(s->where, 0666);
    actor_step(self);
    s->fell = is_told_something(fd);
}

static bool
is_there_before(bool naive)
{
    struct squatter *s = shared(sizeof *s);
    struct actor bob;

    (void)naive;
    MUST(endpoint_name(ipc_find(this_attack->mechanism), run_dir, s->where) ==
         0);
    /* As if it had been carelessly made; for a moment. */
    MUST(chmod(run_dir, 0777) == 0);
    actor_start(&bob, BOB, bob_listens, s);
    actor_wait(&bob);
    MUST(chmod(run_dir, 0755) == 0);
    actor_go(&bob);
    as_user(ALICE, tell_a_secret, s->where);
    actor_end(&bob);
    return s->fell;
}

/* -- 108: a name that writes on the screen -------------------------------- */

static bool
has_a_name_of_control_characters(bool naive)
{
    static const char name[] = "\0a\033[2J\nroot logged in";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[ADDRESS_SIZE] = "";
    socklen_t len = (socklen_t)(sizeof address.sun_family + sizeof name - 1);
    bool fell = false;

    memcpy(address.sun_path, name, sizeof name);
    if (naive)
        memcpy(text, address.sun_path + 1, sizeof name - 1);
    else
        local_text(&address, len, text);
    MUST(strlen(text) > 10);
    for (const char *p = text; *p != '\0'; p++)
        fell = fell || *p < ' ';
    return fell;
}

/* -- the table ------------------------------------------------------------ */

const struct attack names_attacks[] = {
    {62, "socket/dgram", "has A's path in his own mounts",
     .how = "answers go into a channel", .missing = user_spaces_missing,
     .run = writes_in_anothers_name},
    {63, "socket/stream", "listens at the path before the server",
     .without = "server", .how = "whose run directory it is",
     .run = is_there_before},
    {107, "socket/abstract", "has the name before the server",
     .without = "server", .how = "whose run directory it is",
     .run = is_there_before},
    {108, "socket/abstract", "has ESC and newline in his own name",
     .how = "only what can be printed", .alone = true,
     .run = has_a_name_of_control_characters},
    {0},
};

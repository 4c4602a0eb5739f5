/* sessions.c - the clients that have joined. */
#include "sessions.h"

#include "core/share.h"

#include <poll.h>
#include <unistd.h>

void
sessions_drop(struct sessions *s, struct session *who)
{
    close(who->fd);
    who->fd = 0;
    s->count--;
}

void
sessions_drop_all(struct sessions *s)
{
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->session[i].fd != 0)
            sessions_drop(s, &s->session[i]);
}

struct session *
sessions_find(struct sessions *s, const struct reply_fifo *id)
{
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
        struct session *who = &s->session[i];

        if (who->fd != 0 && who->id.pid == id->pid &&
            who->id.serial == id->serial)
            return who;
    }
    return NULL;
}

/* Those that have gone are noticed when somebody new comes: a FIFO without a
 * reader is POLLERR for its writer. */
static void
drop_the_gone(struct sessions *s)
{
    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
        struct pollfd p = {.fd = s->session[i].fd};

        if (p.fd != 0 && poll(&p, 1, 0) == 1)
            sessions_drop(s, &s->session[i]);
    }
}

static bool
has_his_share(const struct sessions *s, uid_t uid)
{
    size_t has = 0;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        has += s->session[i].fd != 0 && s->session[i].peer.uid == uid;
    return share_spent(uid, has, IPC_MAX_CLIENTS);
}

void
sessions_join(struct sessions *s, int dir, const struct record *join)
{
    struct session new = {.id = join->id};
    struct session *room = s->session;

    drop_the_gone(s);
    /* One that has joined already is left alone: this may be a third party,
     * and the owner has his nonce. */
    if (s->count == IPC_MAX_CLIENTS || sessions_find(s, &new.id) != NULL)
        return;
    /* Only a claim as yet; but who is counted is proven, and if this one is not
     * he gets nothing either way.  Later would be too late: with the nonce he
     * is in. */
    if (has_his_share(s, record_claim(join)))
        return;
    new.fd = reply_fifo_check(dir, &new.id, record_claim(join), new.nonce,
                              &new.peer);
    if (new.fd < 0)
        return;
    while (room->fd != 0)
        room++;
    *room = new;
    s->count++;
}

struct session *
sessions_author(struct sessions *s, const struct record *r)
{
    struct session *who = NULL;

    if (r->type == RECORD_MESSAGE)
        who = sessions_find(s, &r->id);
    return who != NULL && nonce_equal(r->nonce, who->nonce) ? who : NULL;
}

bool
sessions_swallowed(struct sessions *s, const struct record *r,
                   const uint8_t *end)
{
    size_t have = (size_t)(end - r->at), span = r->len + RECORD_PREFIX - 1;
    struct record inner = *r;

    if (s->count < 2) /* nobody there to be swallowed */
        return false;
    if (span < have) /* as far as the prefix goes of one that begins inside */
        end = r->at + span;
    while (record_find(inner.at + 1, end, &inner)) {
        const struct session *who = sessions_author(s, &inner);

        if (who != NULL && who != sessions_find(s, &r->id))
            return true;
    }
    return false;
}

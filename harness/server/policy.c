/* policy.c - who may do what. */
#define _GNU_SOURCE /* geteuid */
#include "core/defence.h"
#include "server/confine.h"
#include "server/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- deciding ------------------------------------------------------------- */

bool
policy_knows(const struct ipc_peer *peer)
{
    return peer->evidence >= IPC_OWNER && peer->uid != (uid_t)-1 &&
           peer->uid != OVERFLOW_ID;
}

/* "Not known" and "not mapped" are no ids of rules, so they match none. */
static bool
is_about(const struct rule *r, const struct ipc_peer *peer,
         const struct api_method *method)
{
    if (r->method != NULL && r->method != method)
        return false;
    return r->who == ANY || (r->who == UID && r->id == peer->uid) ||
           (r->who == GID && r->id == peer->gid);
}

static bool __attribute__((format(printf, 2, 3)))
deny(char why[POLICY_SENTENCE], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, POLICY_SENTENCE, format, args);
    va_end(args);
    return false;
}

/* A deny first; then an allow; nearly: an allow that wants more evidence. */
static void
look_up(const struct policy *p, const struct ipc_peer *peer,
        const struct api_method *method, const struct rule **denies,
        const struct rule **allows, const struct rule **nearly)
{
    const bool known = policy_knows(peer);

    for (unsigned i = 0; i < p->count && *denies == NULL; i++) {
        const struct rule *r = &p->rules[i];

        if (!is_about(r, peer, method))
            continue;
        if (!r->allow)
            *denies = r;
        else if (r->dir != NULL || !known)
            continue; /* see policy_grant() */
        else if (peer->evidence < r->min)
            *nearly = r;
        else if (*allows == NULL)
            *allows = r;
    }
}

static bool
decide_on_owners(const struct ipc_mechanism *m, const struct ipc_peer *peer,
                 const struct api_method *method, const char **rule, char *why)
{
    *rule = "default: for the client of a spawned server";
    if (m->caps & IPC_SPAWNED)
        return true;
    *rule = "default: for root and the server's user";
    if (peer->uid == 0 || peer->uid == confine_owner())
        return true;
    return deny(why,
                "%s is for root and the server's user (uid %ju), and no "
                "rule allows it to uid %ju",
                method->name, (uintmax_t)confine_owner(), (uintmax_t)peer->uid);
}

/* What the table says when no rule does. */
static bool
decide_by_table(const struct policy *p, const struct ipc_mechanism *m,
                const struct ipc_peer *peer, const struct api_method *method,
                const char **rule, char *why)
{
    if (method->marks & API_OWNERS)
        return decide_on_owners(m, peer, method, rule, why);
    if (!(method->marks & API_PRIVILEGED)) {
        *rule = method->evidence > IPC_CLAIMED
                    ? "default: open to whom the server knows"
                    : "default: open to everybody";
        return true;
    }
    *rule = "default: privileged";
    if (p == NULL)
        return deny(why,
                    "%s is privileged: it needs a rule that allows it, and "
                    "this server has no policy file (ipcd --policy)",
                    method->name);
    return deny(why, "%s is privileged, and no rule allows it to uid %ju",
                method->name, (uintmax_t)peer->uid);
}

bool
policy_decide(const struct policy *p, const struct ipc_mechanism *m,
              const struct ipc_peer *peer, const struct api_method *method,
              const char **rule, char why[POLICY_SENTENCE])
{
    const struct rule *denies = NULL, *allows = NULL, *nearly = NULL;

    if (p != NULL)
        look_up(p, peer, method, &denies, &allows, &nearly);
    *rule = "default: least evidence";
    if (DEFENCE("evidence", peer->evidence < method->evidence, false))
        return deny(why, "%s needs evidence %s, %s gives %s", method->name,
                    ipc_evidence_name(method->evidence), m->name,
                    ipc_evidence_name(peer->evidence));
    *rule = "default: unknown caller";
    if (DEFENCE("evidence",
                method->evidence > IPC_CLAIMED && !policy_knows(peer), false))
        return deny(why,
                    "%s is not for a caller the server does not know (uid "
                    "%jd)",
                    method->name,
                    peer->uid == (uid_t)-1 ? -1 : (intmax_t)peer->uid);
    *rule = "default: trusting mechanism";
    if (DEFENCE("trusting",
                method->evidence > IPC_CLAIMED && (m->caps & IPC_TRUSTING) &&
                    peer->uid != confine_owner(),
                false))
        return deny(why, "%s trusts its peers: %s only for uid %ju there",
                    m->name, method->name, (uintmax_t)confine_owner());
    if (denies != NULL) {
        *rule = denies->words;
        return deny(why, "by %s", denies->words);
    }
    if (allows != NULL) {
        *rule = allows->words;
        return true;
    }
    if (nearly != NULL && (method->marks & (API_PRIVILEGED | API_OWNERS))) {
        *rule = nearly->words;
        return deny(why, "%s needs evidence %s, %s gives %s (by %s)",
                    method->name, ipc_evidence_name(nearly->min), m->name,
                    ipc_evidence_name(peer->evidence), nearly->words);
    }
    return decide_by_table(p, m, peer, method, rule, why);
}

int
policy_grant(const struct policy *p, const struct ipc_peer *peer,
             const struct api_method *method, const char *path,
             const char **rest, const char **rule)
{
    if (p == NULL || !policy_knows(peer))
        return -ENOENT;
    for (const struct rule *r = p->rules; r < p->rules + p->count; r++) {
        size_t len = r->dir != NULL ? strlen(r->dir) : 0;

        if (r->dir == NULL || !is_about(r, peer, method) ||
            peer->evidence < r->min || strncmp(path, r->dir, len) != 0 ||
            path[len] != '/')
            continue;
        *rest = path + len + strspn(path + len, "/");
        *rule = r->words;
        return r->dirfd;
    }
    return -ENOENT;
}

bool
policy_offers(const struct policy *p, const struct api_method *method)
{
    for (unsigned i = 0; p != NULL && i < p->count; i++)
        if (p->rules[i].allow &&
            (p->rules[i].method == NULL || p->rules[i].method == method))
            return true;
    return !(method->marks & API_PRIVILEGED);
}

bool
policy_names(const struct policy *p, bool group, uint32_t id)
{
    for (unsigned i = 0; p != NULL && i < p->count; i++)
        if (p->rules[i].allow && p->rules[i].who == (group ? GID : UID) &&
            p->rules[i].id == id)
            return true;
    return false;
}

bool
policy_has_paths(const struct policy *p)
{
    for (unsigned i = 0; p != NULL && i < p->count; i++)
        if (p->rules[i].dir != NULL)
            return true;
    return false;
}

/* -- the one in force ----------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct policy *_Atomic current;

int
policy_load(const char *path, char why[POLICY_WHY])
{
    static uid_t owner = (uid_t)-1;
    struct policy *new, *old;
    int err;

    if (owner == (uid_t)-1)
        owner = geteuid();
    err = policy_read(path, owner, &new, why);
    if (err != 0)
        return err;
    new->holders = 1; /* being current counts */
    pthread_mutex_lock(&lock);
    old = current;
    current = new;
    pthread_mutex_unlock(&lock);
    policy_release(old);
    return 0;
}

void
policy_unload(void)
{
    struct policy *old;

    pthread_mutex_lock(&lock);
    old = current;
    current = NULL;
    pthread_mutex_unlock(&lock);
    policy_release(old);
}

struct policy *
policy_hold(void)
{
    struct policy *p;

    if (current == NULL) /* most of the time; costs one load */
        return NULL;
    pthread_mutex_lock(&lock);
    p = current;
    if (p != NULL)
        p->holders++;
    pthread_mutex_unlock(&lock);
    return p;
}

void
policy_release(struct policy *p)
{
    bool last;

    if (p == NULL)
        return;
    pthread_mutex_lock(&lock);
    last = --p->holders == 0;
    pthread_mutex_unlock(&lock);
    if (last)
        policy_free(p);
}

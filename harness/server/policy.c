/* policy.c - who may do what. */
#define _GNU_SOURCE /* O_PATH, O_NOFOLLOW, O_CLOEXEC */
#include "server/policy.h"

#include "core/defence.h"
#include "server/confine.h"
#include "server/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum who { ANY, UID, GID };

struct rule {
    bool allow;
    const struct api_method *method; /* NULL: all of them */
    enum who who;
    uint32_t id;
    enum ipc_evidence min;
    char *dir;   /* of path=, without a / at the end; or NULL */
    int dirfd;   /* the same, open; or -1 */
    char *words; /* "policy.conf:7 allow set_hostname uid=10001" */
};

struct policy {
    unsigned count, holders;
    struct rule rules[POLICY_RULES];
};

/* -- reading -------------------------------------------------------------------
 *
 * A reader that knows where it is and says what is wrong.  All functions
 * return false when they have said it. */

struct reader {
    const char *path, *name; /* the last part of it */
    unsigned line;
    uid_t owner;
    char *why;
};

static bool __attribute__((format(printf, 2, 3)))
wrong(const struct reader *r, const char *format, ...)
{
    va_list args;
    int n;

    if (r->line > 0)
        n = snprintf(r->why, POLICY_WHY, "%s:%u: ", r->path, r->line);
    else
        n = snprintf(r->why, POLICY_WHY, "%s: ", r->path);
    if (n < 0 || n >= POLICY_WHY)
        return false;
    va_start(args, format);
    vsnprintf(r->why + n, POLICY_WHY - (size_t)n, format, args);
    va_end(args);
    return false;
}

/* A number as ids are written: no sign, no 0x, no leading zero that somebody
 * might take for octal. */
static bool
read_id(const struct reader *r, const char *word, const char *text,
        uint32_t *id)
{
    uint64_t n = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || text[digits] != '\0' || digits > 10 ||
        (digits > 1 && text[0] == '0'))
        return wrong(r, "%s: an id is a decimal number, 0 to 4294967294", word);
    n = strtoull(text, NULL, 10);
    if (n >= UINT32_MAX)
        return wrong(r,
                     "%s: ids end at 4294967294; 4294967295 (-1) means "
                     "\"not known\"",
                     word);
    *id = (uint32_t)n;
    return true;
}

static bool
read_user(const struct reader *r, const char *word, const char *name,
          uint32_t *id)
{
    const struct passwd *user = getpwnam(name);

    if (user == NULL)
        return wrong(r, "%s: there is no such user", word);
    *id = user->pw_uid;
    return true;
}

static bool
read_group(const struct reader *r, const char *word, const char *name,
           uint32_t *id)
{
    const struct group *group = getgrnam(name);

    if (group == NULL)
        return wrong(r, "%s: there is no such group", word);
    *id = group->gr_gid;
    return true;
}

/* Behind the equals sign, if the word begins with key. */
static const char *
value_of(const char *word, const char *key)
{
    size_t n = strlen(key);

    return strncmp(word, key, n) == 0 ? word + n : NULL;
}

static bool
read_who(const struct reader *r, const char *word, struct rule *rule)
{
    const char *v;
    bool ok;

    if (strcmp(word, "any") == 0) {
        rule->who = ANY;
        return true;
    }
    rule->who = *word == 'u' ? UID : GID;
    if ((v = value_of(word, "uid=")) != NULL ||
        (v = value_of(word, "gid=")) != NULL)
        ok = read_id(r, word, v, &rule->id);
    else if ((v = value_of(word, "user=")) != NULL)
        ok = read_user(r, word, v, &rule->id);
    else if ((v = value_of(word, "group=")) != NULL)
        ok = read_group(r, word, v, &rule->id);
    else
        return wrong(r,
                     "'%s': say who, uid=N, user=NAME, gid=N, group=NAME or "
                     "any",
                     word);
    /* A name may lead there as well. */
    if (ok && (rule->id == OVERFLOW_ID || rule->id == UINT32_MAX))
        return wrong(r,
                     "%s: id %" PRIu32 " stands for those who have none; "
                     "nobody can be told by it",
                     word, rule->id);
    return ok;
}

static bool
read_min(const struct reader *r, const char *word, const char *value,
         struct rule *rule)
{
    if (!rule->allow)
        return wrong(r,
                     "%s: min= goes with allow; a deny holds whatever the "
                     "evidence",
                     word);
    for (enum ipc_evidence e = IPC_OWNER; e <= IPC_STAMPED; e++)
        if (strcmp(value, ipc_evidence_name(e)) == 0) {
            rule->min = e;
            return true;
        }
    return wrong(r, "%s: min= is K2, K3 or K4; less proves nothing", word);
}

/* Opened now and kept: what happens to the name later does not matter. */
static bool
read_path(const struct reader *r, const char *word, const char *dir,
          struct rule *rule)
{
    size_t len = strlen(dir);
    struct stat st;

    if (!rule->allow)
        return wrong(r,
                     "%s: path= goes with allow; a deny by path is walked "
                     "around by a link",
                     word);
    if (rule->method == NULL || (rule->method->number != API_read_file &&
                                 rule->method->number != API_open_file))
        return wrong(r, "%s: path= goes with read_file and open_file", word);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (*dir != '/' || len < 2)
        return wrong(r, "%s: path= is an absolute directory, not /", word);
    rule->dir = strndup(dir, len);
    if (rule->dir == NULL)
        return wrong(r, "%s", strerror(ENOMEM));
    rule->dirfd =
        open(rule->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (rule->dirfd == -1 || fstat(rule->dirfd, &st) == -1)
        return wrong(r, "%s: %s", word, strerror(errno));
    /* Else whoever can write there can have any file of ours: by a hard link,
     * by moving it there, or in time by what becomes of a directory. */
    if ((st.st_uid != 0 && st.st_uid != r->owner) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return wrong(r,
                     "%s: must belong to root or uid %ju, and nobody else "
                     "may write there",
                     word, (uintmax_t)r->owner);
    return true;
}

#define MAX_WORDS 6

static bool
read_rule(const struct reader *r, char *const word[], int words,
          struct rule *rule)
{
    bool min = false;
    const char *v;

    if (strcmp(word[0], "allow") != 0 && strcmp(word[0], "deny") != 0)
        return wrong(r, "'%s': a rule begins with allow or deny", word[0]);
    rule->allow = word[0][0] == 'a';
    if (words < 3)
        return wrong(r, "a rule is %s METHOD WHO; %s is missing", word[0],
                     words < 2 ? "METHOD" : "WHO");
    rule->method = api_by_name(word[1]);
    if (rule->method == NULL && strcmp(word[1], "*") != 0)
        return wrong(r, "there is no method '%s'; `ipcctl describe` lists them",
                     word[1]);
    if (!read_who(r, word[2], rule))
        return false;
    for (int i = 3; i < words; i++) {
        if (!min && (v = value_of(word[i], "min=")) != NULL) {
            if (!read_min(r, word[i], v, rule))
                return false;
            min = true;
        } else if (rule->dir == NULL &&
                   (v = value_of(word[i], "path=")) != NULL) {
            if (!read_path(r, word[i], v, rule))
                return false;
        } else {
            return wrong(r,
                         "'%s' is not understood; after WHO come min= and "
                         "path=, once each",
                         word[i]);
        }
    }
    return true;
}

/* The rule as it stands in the file, with one blank between the words. */
static bool
name_rule(const struct reader *r, char *const word[], int words,
          struct rule *rule)
{
    size_t size;
    FILE *out = open_memstream(&rule->words, &size);

    if (out == NULL)
        return wrong(r, "%s", strerror(ENOMEM));
    fprintf(out, "%s:%u", r->name, r->line);
    for (int i = 0; i < words; i++)
        fprintf(out, " %s", word[i]);
    return fclose(out) == 0 || wrong(r, "%s", strerror(ENOMEM));
}

static bool
read_line(struct reader *r, char *line, struct policy *p)
{
    char *word[MAX_WORDS], *save = NULL;
    int words = 0;

    for (const char *c = line; *c != '\0'; c++)
        if ((*c < 0x20 && *c != '\t') ||
            *c == 0x7f) /* also what is not ASCII */
            return wrong(r, "byte 0x%02x: rules are printable ASCII",
                         (unsigned char)*c);
    for (char *w = strtok_r(line, " \t", &save); w != NULL && *w != '#';
         w = strtok_r(NULL, " \t", &save)) {
        if (words == MAX_WORDS)
            return wrong(r, "'%s' is too much", w);
        word[words++] = w;
    }
    if (words == 0)
        return true;
    if (p->count == POLICY_RULES)
        return wrong(r, "more than %d rules", POLICY_RULES);
    /* Counted first, so that policy_free() finds what it has. */
    p->rules[p->count++] = (struct rule){.dirfd = -1, .min = IPC_OWNER};
    return read_rule(r, word, words, &p->rules[p->count - 1]) &&
           name_rule(r, word, words, &p->rules[p->count - 1]);
}

static bool
read_lines(struct reader *r, FILE *in, struct policy *p)
{
    char *line = NULL;
    size_t size = 0;
    bool ok = true;
    ssize_t n;

    while (ok && (n = getline(&line, &size, in)) != -1) {
        r->line++;
        if (line[n - 1] == '\n')
            line[--n] = '\0';
        if (n > POLICY_LINE || memchr(line, '\0', (size_t)n) != NULL)
            ok = wrong(r, "a NUL byte, or more than %d bytes", POLICY_LINE);
        else
            ok = read_line(r, line, p);
    }
    free(line);
    return ok && (!ferror(in) || wrong(r, "%s", strerror(errno)));
}

/* Everything is looked at through the descriptor: between a look at the name
 * and the opening somebody could have put another file there. */
static FILE *
open_rules(struct reader *r)
{
    /* O_NONBLOCK: a FIFO must not make us wait. */
    int fd = open(r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *in = fd != -1 ? fdopen(fd, "r") : NULL;
    struct stat st;

    if (fd == -1 && errno == ELOOP)
        wrong(r, "a symbolic link; name the file itself");
    else if (in == NULL || fstat(fd, &st) == -1)
        wrong(r, "%s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        wrong(r, "not a regular file");
    else if (st.st_uid != 0 && st.st_uid != r->owner)
        wrong(r, "belongs to uid %ju; must be root's or uid %ju's",
              (uintmax_t)st.st_uid, (uintmax_t)r->owner);
    else if (DEFENCE("rules", (st.st_mode & (S_IWGRP | S_IWOTH)) != 0, false))
        wrong(r, "mode %04o: others may write it; chmod go-w",
              (unsigned)st.st_mode & 07777);
    else
        return in;
    if (in != NULL)
        fclose(in);
    else if (fd != -1)
        close(fd);
    return NULL;
}

int
policy_read(const char *path, uid_t owner, struct policy **policy,
            char why[POLICY_WHY]) /* NOLINT(readability-non-const-parameter) */
{
    const char *slash = strrchr(path, '/');
    struct reader r = {.path = path,
                       .name = slash != NULL ? slash + 1 : path,
                       .owner = owner,
                       .why = why};
    struct policy *p = calloc(1, sizeof *p);
    FILE *in = p != NULL ? open_rules(&r) : NULL;
    bool ok = false;

    if (p == NULL)
        wrong(&r, "%s", strerror(ENOMEM));
    if (in != NULL) {
        ok = read_lines(&r, in, p);
        fclose(in);
    }
    if (!ok) {
        policy_free(p);
        return -EINVAL;
    }
    *policy = p;
    return 0;
}

void
policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        free(p->rules[i].words);
        free(p->rules[i].dir);
        if (p->rules[i].dirfd != -1)
            close(p->rules[i].dirfd);
    }
    free(p);
}

unsigned
policy_rules(const struct policy *p)
{
    return p->count;
}

/* -- deciding -------------------------------------------------------------------- */

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

    *denies = *allows = *nearly = NULL;
    for (unsigned i = 0; p != NULL && i < p->count && *denies == NULL; i++) {
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
    const struct rule *denies, *allows, *nearly;

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

/* -- the one in force -------------------------------------------------------- */

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

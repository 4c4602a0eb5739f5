/*
 * policy_read.c - the rules of a file.
 *
 * A reader that knows where it is and says what is wrong; its functions return
 * false when they have said it.
 */
#define _GNU_SOURCE /* O_PATH, O_NOFOLLOW, O_CLOEXEC, getline */
#include "core/defence.h"
#include "server/handover.h"
#include "server/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* As in fstab(5), since a word ends at a blank: \040 is one, \134 a backslash.
 * In place; false: not three octal digits, or the byte that ends a name. */
static bool
unescape(char *text)
{
    char *to = text;

    for (; *text != '\0'; to++)
        if (*text != '\\') {
            *to = *text++;
        } else if (strspn(text + 1, "01234567") >= 3 && text[1] <= '3') {
            *to = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
                         (text[3] - '0'));
            if (*to == '\0')
                return false;
            text += 4;
        } else {
            return false;
        }
    *to = '\0';
    return true;
}

/* Opened now and kept: what happens to the name later does not matter. */
static bool
read_path(const struct reader *r, const char *word, const char *dir,
          struct rule *rule)
{
    struct stat st;
    size_t len;

    if (!rule->allow)
        return wrong(r,
                     "%s: path= goes with allow; a deny by path is walked "
                     "around by a link",
                     word);
    if (rule->method == NULL || (rule->method->number != API_read_file &&
                                 rule->method->number != API_open_file))
        return wrong(r, "%s: path= goes with read_file and open_file", word);
    rule->dir = strdup(dir);
    if (rule->dir == NULL)
        return wrong(r, "%s", strerror(ENOMEM));
    if (!unescape(rule->dir))
        return wrong(
            r,
            "%s: \\ and three octal digits are a byte, as in fstab(5): "
            "\\040 a blank, \\134 a backslash",
            word);
    len = strlen(rule->dir);
    while (len > 1 && rule->dir[len - 1] == '/')
        rule->dir[--len] = '\0';
    if (*rule->dir != '/' || len < 2)
        return wrong(r, "%s: path= is an absolute directory, not /", word);
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

    for (const char *c = line; *c != '\0'; c++) {
        const unsigned char byte =
            (unsigned char)*c; /* char has a sign or not */

        if ((byte < 0x20 && byte != '\t') || byte >= 0x7f)
            return wrong(r, "byte 0x%02x: rules are printable ASCII", byte);
    }
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
    int fd = handover_open(HANDOVER_POLICY, r->path);
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

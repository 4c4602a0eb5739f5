/*
 * readme.h - the README.md and LAB.md files, as a test reads them: what stands
 * in a block, and what stands in a sentence.
 *
 *      ```console              a session: `$ ` a command, `# ` one of root's,
 *      $ echo a                `> ` the rest of a command; other lines are what
 *      a                       it says, `...` among them is anything
 *      ```
 *      ``` or indented         a picture, a trace, a file: nothing to run
 *      `...`                   a command, a file, a test: see test_claims.c
 *      <!-- not run: WHY -->   before a console block: it is not
 */
#ifndef TEST_README_H
#define TEST_README_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct readme_block {
    const char *file; /* from the top of the checkout */
    int line;         /* where it begins */
    bool session;     /* ```console */
    char *text;       /* its lines, without the fence's indentation */
    char *why_not;    /* it is not run; or NULL */
};

struct readme {
    char *file;
    struct readme_block *blocks;
    size_t block_count;
    char **spans; /* what stands between ` in the other lines, as one line */
    size_t span_count;
    bool odd; /* one ` has no other */
};

/* All of the checkout: found once, and kept.  0 if there is no checkout. */
size_t readme_all(const struct readme **all);

/* Is it a LAB.md?  Its sessions have a student's programs. */
bool is_assignment(const struct readme *r);

/* May a program have said this line, where a README shows that one?  A number
 * is as good as any other, `...` is anything. */
bool readme_line_fits(const char *shown, const char *said);

/* A line of text, without its end; *text goes on to the next.  NULL: none
 * left. */
char *readme_line(char **text);

static inline bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

#define MUST(condition, ...) ck_assert_msg(condition, __VA_ARGS__)

#endif

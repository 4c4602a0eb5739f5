/*
 * rule_path.h - the name of a directory as a rule of a policy has it
 * (path=DIR): TMPDIR may have a blank in it, and a word ends there.
 */
#ifndef RULE_PATH_H
#define RULE_PATH_H

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct rule_path {
    char text[PATH_MAX];
};

static inline struct rule_path
rule_path(const char *dir)
{
    struct rule_path p;
    size_t n = 0;

    for (; *dir != '\0' && n + 5 < sizeof p.text; dir++)
        if (strchr(" \t\\", *dir) != NULL)
            n += (size_t)sprintf(p.text + n, "\\%03o", (unsigned)*dir);
        else
            p.text[n++] = *dir;
    p.text[n] = '\0';
    return p;
}

#endif

/*
 * test_claims.c - what the READMEs say in their sentences.  A command is asked
 * whether there is such an option, mechanism, suite, case, or target
 * of make; nothing is run.  Each file and each test that is named must be
 * there.  A command in a block must be in one that is run (test_readme.c), or
 * have a note why not.  And which words they use.
 */
#define _GNU_SOURCE /* popen, strcasestr */
#include "test/readme.h"

#include "test/fact.h"
#include "test/files.h"
#include "test/test.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_claims(void);

/* -- commands in a sentence ------------------------------------------------ */

static const struct readme *readme;

static const char *const programs[] = {"ipcd",  "ipcctl", "ipcbench",
                                       "nslab", "ipclab", "ipcattack"};

/* The program's name, if it is one of ours: build/release/ipcd, ipcd; or
 * NULL. */
static const char *
program_in(const char *word)
{
    const char *slash = strrchr(word, '/');

    if (slash != NULL && !begins(word, "build/release/"))
        return NULL;
    word = slash != NULL ? slash + 1 : word;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strcmp(word, programs[i]) == 0)
            return word;
    return NULL;
}

/* A mechanism, a directory of them, or LAB/work, a student's. */
static bool
is_mechanism(const char *name)
{
    const char *work = strstr(name, "/work");
    size_t len = work != NULL ? (size_t)(work - name) : strlen(name);

    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (strncmp(ipc_registry[i]->name, name, len) == 0 &&
            strchr("/", ipc_registry[i]->name[len]) != NULL)
            return true;
    return false;
}

static bool
is_placeholder(const char *word)
{
    return isupper((unsigned char)word[0]) || strcmp(word, "...") == 0;
}

/* Does the program know these options?  --help ends it before it does anything.
 * What follows ipcctl's options is a method and its arguments. */
static void
try_options(const char *span, const char *program, char **words)
{
    static struct output o;
    const char *argv[8] = {NULL};
    size_t n = 0;

    for (; n < 6 && words[n] != NULL; n++) {
        bool value = n > 0 && words[n - 1][0] == '-' &&
                     strchr(words[n - 1], '=') == NULL;

        if (strcmp(words[n], "--") == 0 ||
            (strcmp(program, "ipcctl") == 0 && words[n][0] != '-' && !value))
            break;
        if (strcmp(program, "ipcattack") == 0 && is_placeholder(words[n]))
            break;
        if (value && strcmp(words[n - 1], "-m") == 0)
            MUST(is_placeholder(words[n]) || is_mechanism(words[n]),
                 "%s: `%s`: there is no %s", readme->file, span, words[n]);
        if (value && (is_placeholder(words[n]) || strstr(words[n], "/work"))) {
            n--; /* and so for its option; a student's is in no program here */
            break;
        }
        argv[n] = words[n];
    }
    argv[n] = "--help";
    run_program(&o, program, argv[0], argv[1], argv[2], argv[3], argv[4],
                argv[5], argv[6], argv[7]);
    MUST(o.status == 0, "%s: `%s`: %s", readme->file, span, o.err);
}

/* What a command of the shell prints at the top of the checkout. */
static char *
printed(const char *command)
{
    char line[2 * PATH_MAX], buffer[1 << 16], *text;
    size_t n, size;
    FILE *in, *out = open_memstream(&text, &size);

    snprintf(line, sizeof line, "cd '%s' && %s", source_dir(), command);
    in = popen(line, "re");
    ck_assert(in != NULL && out != NULL);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0)
        fwrite(buffer, 1, n, out);
    fclose(out);
    MUST(pclose(in) == 0, "%s", line);
    return text;
}

/* Is this between two others, in a text? */
static bool
is_in(const char *text, const char *before, const char *what, const char *after)
{
    char whole[256];

    snprintf(whole, sizeof whole, "%s%s%s", before, what, after);
    return strstr(text, whole) != NULL;
}

/* A goal of make's: `make help` lists them. */
static void
try_goal(const char *span, const char *goal)
{
    static char *help; /* for this test's process */

    if (strchr(goal, '=') != NULL)
        return;
    if (help == NULL)
        help = printed("make help");
    MUST(is_in(help, "make ", goal, " "),
         "%s: `%s`: make help says nothing of %s", readme->file, span, goal);
}

/* All there is in C. */
static const char *
sources(void)
{
    static char *text;

    if (text == NULL)
        text = printed("cat */*.c harness/*/*.c harness/test/*/*.c");
    return text;
}

static void
try_choice(const char *span, const char *word)
{
    const char *name = strchr(word, '=') + 1;

    if (begins(word, "CK_RUN_SUITE="))
        MUST(is_in(sources(), "suite_create(\"", name, "\")"),
             "%s: `%s`: there is no suite %s", readme->file, span, name);
    if (begins(word, "CK_RUN_CASE="))
        MUST(is_in(sources(), "test_case(s, \"", name, "\")") ||
                 ipc_find(name) != NULL || begins(name, "carrier/"),
             "%s: `%s`: there is no case %s", readme->file, span, name);
}

static void
try_command(const char *span)
{
    char text[1024], *words[64] = {NULL}, *save = NULL;
    const char *program;
    size_t n = 0;

    snprintf(text, sizeof text, "%s", span);
    for (char *w = strtok_r(text, " ;&|()", &save); w != NULL && n < 63;
         w = strtok_r(NULL, " ;&|()", &save))
        words[n++] = w;
    for (size_t i = 0; i < n; i++) {
        program = program_in(words[i]);
        if (program != NULL && (i == 0 || begins(words[i], "build/")))
            try_options(span, program, words + i + 1);
        else if (begins(words[i], "CK_RUN_"))
            try_choice(span, words[i]);
        else if (strcmp(words[i], "make") == 0 && words[i + 1] != NULL &&
                 !begins(words[i + 1], "CK_RUN_"))
            try_goal(span, words[i + 1]);
    }
}

START_TEST(a_command_in_a_sentence_exists)
{
    const struct readme *all;

    ck_assert_uint_gt(readme_all(&all), (size_t)_i);
    readme = &all[_i];
    for (size_t i = 0; i < readme->span_count; i++)
        try_command(readme->spans[i]);
}
END_TEST

/* -- what is named --------------------------------------------------------- */

/* Tests are sentences: words_with_underscores. */
static bool
is_sentence(const char *span)
{
    return strspn(span, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
               strlen(span) &&
           times_in(span, "_") >= 3;
}

/* F04, NS01: an experiment in a facts.c. */
static bool
is_fact(const char *span)
{
    const size_t letters = strspn(span, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return letters > 0 && letters < 3 && strlen(span) == letters + 2 &&
           strspn(span + letters, "0123456789") == 2;
}

static bool
is_file_name(const char *span)
{
    static const char *const ends[] = {".c", ".h", ".sh", ".def", ".md"};
    size_t len = strlen(span);

    if (strpbrk(span, " *<>()") != NULL)
        return false;
    if (strstr(span, "NAME") != NULL || begins(span, "carrier/"))
        return false; /* stands for another */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (len > strlen(ends[i]) &&
            strcmp(span + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* Beside the README, or where names of the harness are short for. */
static bool
is_there(const char *name)
{
    static const char *const under[] = {"", "harness/", "harness/core/",
                                        "harness/server/", "harness/test/"};
    char path[2 * PATH_MAX];
    const char *slash = strrchr(readme->file, '/');
    int here = slash == NULL ? 0 : (int)(slash + 1 - readme->file);

    if (strstr(name, "/work/") != NULL) /* a student's, who makes it first */
        return true;
    snprintf(path, sizeof path, "%s/%.*s%s", source_dir(), here, readme->file,
             name);
    if (access(path, F_OK) == 0)
        return true;
    for (size_t i = 0; i < sizeof under / sizeof *under; i++) {
        snprintf(path, sizeof path, "%s/%s%s", source_dir(), under[i], name);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

START_TEST(what_a_readme_names_is_there)
{
    const struct readme *all;

    ck_assert_uint_gt(readme_all(&all), (size_t)_i);
    readme = &all[_i];
    MUST(!readme->odd, "%s: one ` has no other", readme->file);
    for (size_t i = 0; i < readme->span_count; i++) {
        const char *span = readme->spans[i];

        if (is_sentence(span))
            MUST(is_in(sources(), "START_TEST(", span, ")"),
                 "%s: there is no test %s", readme->file, span);
        else if (is_fact(span))
            MUST(fact_find(span) != NULL, "%s: there is no fact %s",
                 readme->file, span);
        else if (is_file_name(span))
            MUST(is_there(span), "%s: there is no %s", readme->file, span);
    }
}
END_TEST

/* -- what is claimed ------------------------------------------------------ */

/* A test, a fact, an attack, a cell of isolate, or what is measured. */
static bool
is_proof(const char *span)
{
    return is_sentence(span) || is_fact(span) || begins(span, "ipcattack") ||
           begins(span, "isolate") || strstr(span, "ipcbench ") != NULL;
}

static bool
names_a_proof(const char *text)
{
    const char *open = text, *close;
    char span[256];

    while ((open = strchr(open, '`')) != NULL &&
           (close = strchr(open + 1, '`')) != NULL) {
        snprintf(span, sizeof span, "%.*s", (int)(close - open - 1), open + 1);
        if (is_proof(span))
            return true;
        open = close + 1;
    }
    return false;
}

/* A paragraph, an item, a row of a table; begun anew.  What only leads to the
 * next one, or says that there is no test, claims nothing that has a proof. */
static void
expect_proof(char *text)
{
    static const char *const others[] = {
        "#", "|-", "| |", "| the server has |", "`make prove", "In `test_"};
    const size_t len = strlen(text);
    bool claims = len > 2 && text[len - 2] != ':' &&
                  strstr(text, "No test:") == NULL &&
                  strstr(text, "names its test):") == NULL;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        claims = claims && !begins(text, others[i]);
    MUST(!claims || names_a_proof(text), "%s: no proof is named for: %s",
         readme->file, text);
    *text = '\0';
}

static bool
is_about_the_kernel(const char *heading)
{
    return begins(heading, "## Surprises") || begins(heading, "## Limits") ||
           begins(heading, "## Who is asking") ||
           begins(heading, "## What a crash leaves");
}

START_TEST(what_a_readme_says_of_the_kernel_names_its_proof)
{
    static char text[1 << 14];
    const struct readme *all;
    bool inside = false, block = false;
    char path[2 * PATH_MAX], *all_of_it, *rest, *line;

    ck_assert_uint_gt(readme_all(&all), (size_t)_i);
    readme = &all[_i];
    if (begins(readme->file, "harness/") &&
        !begins(readme->file, "harness/ns/"))
        return; /* about our own programs */
    snprintf(path, sizeof path, "%s/%s", source_dir(), readme->file);
    rest = all_of_it = strdup(file_text(path));
    ck_assert_ptr_nonnull(rest);
    *text = '\0';
    while ((line = readme_line(&rest)) != NULL) {
        const bool heading = begins(line, "## ");

        if (begins(line, "```"))
            block = !block;
        else if (!block && inside &&
                 (*line == '\0' || heading || begins(line, "- ") ||
                  begins(line, "|")))
            expect_proof(text);
        if (heading && !block)
            inside = is_about_the_kernel(line);
        else if (inside && !block && !begins(line, "```") && *line != '\0')
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ",
                     line);
    }
    free(all_of_it);
}
END_TEST

/* A line that looks like a command stands in a console block, or somebody has
 * said why not. */
START_TEST(a_command_in_a_block_is_run)
{
    static const char *const looks[] = {"$ ",      "build/",  "make ",
                                        "# ipc",   "cd ",     "systemd-",
                                        "IPCLAB_", "CK_RUN_", "strace "};
    const struct readme *all;

    ck_assert_uint_gt(readme_all(&all), (size_t)_i);
    readme = &all[_i];
    for (size_t i = 0; i < readme->block_count; i++) {
        const struct readme_block *b = &readme->blocks[i];
        char *text = strdup(b->text), *rest = text, *line;

        while (!b->session && b->why_not == NULL &&
               (line = readme_line(&rest)) != NULL)
            for (size_t k = 0; k < sizeof looks / sizeof *looks; k++)
                MUST(!begins(line, looks[k]),
                     "%s:%d: not in a console block: %s", readme->file, b->line,
                     line);
        free(text);
    }
}
END_TEST

/* -- words ----------------------------------------------------------------- */

/* What once had names of our own has the field's: harness/GLOSSARY.md.  This
 * file is left out, since it names the old ones.  (A letter, a box, a place and
 * a share may be of the alphabet, of a chart, or plain English.) */
START_TEST(a_retired_word_is_not_used)
{
    char *found = printed(
        "{ grep -rniE --include='*.[ch]' --include='*.def' --include='*.md' "
        "--include='*.sh' --exclude=test_claims.c --exclude-dir=.git "
        "--exclude-dir=build --exclude-dir=results '(^|[^a-z])(hall|door|"
        "board|bell|knock|guest|seat|bedtime|patrol|farewell|baton|"
        "patience|welcome|gift|doze|be_quiet|park)s?([^a-z]|$)' . || true; }");

    MUST(*found == '\0', "not a word of harness/GLOSSARY.md:\n%s", found);
    free(found);
}
END_TEST

/* One line of the glossary: its words are used, its files are there. */
static void
try_entry(char *line)
{
    static char *all;
    char *words = strtok(line, "|"), *from, *file, *save = NULL;

    if (all == NULL)
        all = printed("cat *.md [!h]*/*.[ch] [!h]*/*.md harness/*.c "
                      "harness/*/*.[ch] harness/*/*.md harness/test/*/*.[ch]");
    strtok(NULL, "|");
    from = strtok(NULL, "|");
    MUST(from != NULL, "GLOSSARY.md: three columns: %s", line);
    for (char *w = strtok_r(words, ",", &save); w != NULL;
         w = strtok_r(NULL, ",", &save)) {
        w += strspn(w, " ");
        w[strcspn(w, "|")] = '\0';
        while (*w != '\0' && w[strlen(w) - 1] == ' ')
            w[strlen(w) - 1] = '\0';
        MUST(strcasestr(all, w) != NULL, "GLOSSARY.md: nobody says \"%s\"", w);
    }
    strtok_r(from, "`", &save);
    while ((file = strtok_r(NULL, "`", &save)) != NULL) {
        MUST(is_there(file), "GLOSSARY.md: there is no %s", file);
        strtok_r(NULL, "`", &save);
    }
}

START_TEST(a_word_of_the_glossary_is_used)
{
    static char top[] = "README.md"; /* beside it, or under harness/ */
    static const struct readme glossary = {.file = top};
    char path[PATH_MAX + 32], *rest, *line;
    unsigned entries = 0;

    readme = &glossary;
    snprintf(path, sizeof path, "%s/harness/GLOSSARY.md", source_dir());
    rest = strdup(file_text(path));
    while ((line = readme_line(&rest)) != NULL)
        if (begins(line, "| ") && !begins(line, "| word ")) {
            try_entry(line);
            entries++;
        }
    ck_assert_uint_gt(entries, 0);
}
END_TEST

Suite *
test_claims(void)
{
    Suite *s = suite_create("claims");
    TCase *tc = test_case(s, "claims");
    const struct readme *all;
    size_t count = readme_all(&all);

    add_test_if(tc, need_source(), a_retired_word_is_not_used);
    add_test_if(tc, need_source(), a_word_of_the_glossary_is_used);
    for (size_t i = 0; i < count; i++) {
        add_loop_test_if(tc, NULL, a_command_in_a_sentence_exists, (int)i);
        add_loop_test_if(tc, NULL, what_a_readme_names_is_there, (int)i);
        add_loop_test_if(
            tc, NULL, what_a_readme_says_of_the_kernel_names_its_proof, (int)i);
        add_loop_test_if(tc, NULL, a_command_in_a_block_is_run, (int)i);
    }
    return s;
}

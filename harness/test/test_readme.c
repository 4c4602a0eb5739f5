/*
 * test_readme.c - the READMEs hold.  Each console block is a session of bash, in
 * an empty directory where build/release has the programs of this build:
 *
 *      $ build/release/ipcd -m fifo/perclient &      until it serves
 *      ipcd: serving fifo/perclient at ...           compared, line by line
 *      $ build/release/ipcctl -m socket/tcp whoami   must end with 0, unless
 *      ipcctl: no server ...                         it shows a message
 *      # ...                                         only where we are root
 *
 * Where no output is shown none is compared.  What goes into /tmp there goes into
 * that directory here.  A session cleans up behind itself, or the fixture finds
 * what it has left.
 *
 * What is in the sentences: test_claims.c.
 */
#define _GNU_SOURCE /* popen */
#include "test/readme.h"

#include "test/files.h"
#include "test/here.h"
#include "test/inside.h"
#include "test/test.h"

#include "core/rundir.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_readme(void);

static const char *const programs[] = {
    "ipcd", "ipcctl", "ipcbench", "nslab", "ipclab", "ipcattack", "check"};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* -- a place for sessions -------------------------------------------------- */

static char scratch[PATH_MAX - 64];

/* build/release/PROGRAM is the program, except for ipcd: that says when it is
 * ready to who reads the FIFO $READY. */
static void
make_scratch(void)
{
    static const char wrapper[] =
        "#!/bin/sh\n[ -n \"$READY\" ] || exec '%s' \"$@\"\n"
        "exec 9>\"$READY\"\nexec '%s' --ready-fd 9 \"$@\"\n";
    char to[PATH_MAX], from[PATH_MAX], text[3 * PATH_MAX];

    snprintf(scratch, sizeof scratch, "%s/r", programs_dir());
    if (access(scratch, F_OK) == 0)
        remove_tree(scratch); /* a test's that failed */
    snprintf(to, sizeof to, "mkdir -p '%s/build/release'", scratch);
    ck_assert_int_eq(system(to), 0);
    for (size_t i = 0; i < PROGRAMS; i++) {
        ck_assert_int_eq(program_path(programs[i], from, sizeof from), 0);
        snprintf(to, sizeof to, "%s/build/release/%s", scratch, programs[i]);
        if (i > 0) {
            ck_assert_int_eq(symlink(from, to), 0);
            continue;
        }
        snprintf(text, sizeof text, wrapper, from, from);
        write_file(to, text, 0755);
    }
}

/* -- a session: its script ------------------------------------------------- */

#define MARK '\1'

/* As it stands, but for /tmp. */
static void
put_text(FILE *f, const char *line, size_t len)
{
    const char *end = line + len, *tmp;

    for (; (tmp = memmem(line, (size_t)(end - line), "/tmp/", 5)) != NULL;
         line = tmp + 4)
        fprintf(f, "%.*s%s", (int)(tmp - line), line, scratch);
    fwrite(line, 1, (size_t)(end - line), f);
}

static bool
is_command(const char *line)
{
    return begins(line, "$ ") || begins(line, "# ");
}

/* What is shown between one command and the next. */
static char *
take_shown(char **text)
{
    char *shown;
    size_t size;
    FILE *f = open_memstream(&shown, &size);

    ck_assert_ptr_nonnull(f);
    while (**text != '\0' && !is_command(*text)) {
        const char *line = readme_line(text);

        put_text(f, line, strlen(line));
        putc('\n', f);
    }
    fclose(f);
    return shown;
}

/* A command, without its prompts: also those lines that begin with "> ". */
static char *
take_command(char **text)
{
    char *command, *line;
    size_t size;
    FILE *f = open_memstream(&command, &size);
    bool more;

    ck_assert_ptr_nonnull(f);
    do {
        line = readme_line(text);
        put_text(f, line + 2, strlen(line) - 2);
        more = begins(*text, "> ");
        if (more)
            putc('\n', f);
    } while (more);
    fclose(f);
    return command;
}

/* Is it a server, in the background? */
static bool
starts_a_server(const char *command)
{
    const char *end = strstr(command, "  #");

    if (end == NULL)
        end = command + strlen(command);
    while (end > command && end[-1] == ' ')
        end--;
    return end > command && end[-1] == '&' &&
           memmem(command, (size_t)(end - command), "ipcd ", 5) != NULL;
}

/* After each command a line with MARK and its status. */
static void
write_script(const struct readme_block *b, const char *path)
{
    char *text = strdup(b->text), *rest = text, *command;
    FILE *f = fopen(path, "we");

    ck_assert(f != NULL && text != NULL);
    free(take_shown(&rest));
    while (*rest != '\0') {
        command = take_command(&rest);
        if (starts_a_server(command))
            fprintf(f,
                    "mkfifo READY; export READY=$PWD/READY\n%s\n"
                    "cat $READY >/dev/null; rm $READY; unset READY\n",
                    command);
        else
            fprintf(f, "%s\n", command);
        fprintf(f, "printf '\\n%c%%d\\n' $?\n", MARK);
        free(command);
        free(take_shown(&rest));
    }
    fputs("wait\n", f);
    ck_assert_int_eq(fclose(f), 0);
    free(text);
}

static int
run_script(const char *script, const char *transcript)
{
    char path[2 * PATH_MAX];
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        snprintf(path, sizeof path, "%s/build/release:%s", scratch,
                 getenv("PATH"));
        setenv("PATH", path, 1);
        setenv("IPCLAB_DIR", run_dir, 1);
        signal(SIGPIPE, SIG_DFL);
        if (chdir(scratch) == 0 && freopen("/dev/null", "r", stdin) != NULL &&
            freopen(transcript, "a", stdout) != NULL &&
            dup2(STDOUT_FILENO, STDERR_FILENO) != -1)
            execlp("bash", "bash", script, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    return status;
}

/* -- a session: what it said ----------------------------------------------- */

static const struct readme_block *block;

/* What a server says that it goes without where we are (a chroot, a container)
 * is not shown. */
static char *
line_said(char **said)
{
    char *line;

    do
        line = readme_line(said);
    while (line != NULL && begins(line, "ipcd: ") &&
           strstr(line, " without ") != NULL);
    return line;
}

/* Shown lines against said ones; "..." is any number of them. */
static void
compare(const char *command, char *shown, char *said)
{
    char *want, *line;
    bool any = false;

    while ((want = readme_line(&shown)) != NULL) {
        if (strcmp(want, "...") == 0) {
            any = true;
            continue;
        }
        do
            line = line_said(&said);
        while (line != NULL && (*line == '\0' || any) &&
               !readme_line_fits(want, line));
        ck_assert_msg(line != NULL && readme_line_fits(want, line),
                      "%s:%d: $ %s\nshown: %s\nsaid:  %s", block->file,
                      block->line, command, want, line == NULL ? "" : line);
        any = false;
    }
    while (!any && (line = line_said(&said)) != NULL)
        ck_assert_msg(*line == '\0', "%s:%d: $ %s\nsaid, and not shown: %s",
                      block->file, block->line, command, line);
}

/* What a command has said, up to the mark, and its status. */
static char *
take_said(char **transcript, const char *command, int *status)
{
    char *said = *transcript, *mark = strchr(said, MARK);

    ck_assert_msg(mark != NULL, "%s:%d: the shell ended in: %s\nsaid: %s",
                  block->file, block->line, command, said);
    *status = atoi(mark + 1);
    *transcript = strchrnul(mark, '\n');
    *mark = '\0';
    return said;
}

/* Is this a message of a program's that has failed? */
static bool
is_message(const char *line)
{
    for (size_t i = 1; i < PROGRAMS; i++)
        if (begins(line, programs[i]) && line[strlen(programs[i])] == ':')
            return true;
    return false;
}

static void
check_command(const char *command, char *shown, char **transcript)
{
    const char *last = shown;
    int status;
    char *said = take_said(transcript, command, &status);

    for (const char *p = shown; (p = strchr(p, '\n')) != NULL && p[1] != '\0';)
        last = ++p;
    ck_assert_msg((status != 0) == is_message(last),
                  "%s:%d: $ %s\nexit status %d: %s", block->file, block->line,
                  command, status, said);
    if (shown[0] != '\0')
        compare(command, shown, said);
}

/* The block again, command by command. */
static void
check_transcript(char *transcript)
{
    char *text = strdup(block->text), *rest = text, *command, *shown;

    ck_assert_ptr_nonnull(text);
    free(take_shown(&rest));
    MUST(*rest != '\0', "%s:%d: no command", block->file, block->line);
    while (*rest != '\0') {
        command = take_command(&rest);
        shown = take_shown(&rest);
        check_command(command, shown, &transcript);
        free(command);
        free(shown);
    }
    free(text);
}

static const struct readme_block *sessions[64];
static size_t session_count;

START_TEST(a_session_goes_as_it_is_shown)
{
    char script[PATH_MAX], transcript[PATH_MAX], *said;

    block = sessions[_i];
    make_scratch();
    snprintf(script, sizeof script, "%s/script", scratch);
    snprintf(transcript, sizeof transcript, "%s/transcript", scratch);
    write_script(block, script);
    run_script(script, transcript);
    said = strdup(file_text(transcript));
    check_transcript(said);
    free(said);
    remove_tree(scratch);
}
END_TEST

START_TEST(numbers_and_dots_fit_and_nothing_else)
{
    ck_assert(readme_line_fits("uid=1000", "uid=0"));
    ck_assert(readme_line_fits("at .../x (pid 812)", "at /tmp/a/x (pid 7)"));
    ck_assert(readme_line_fits("...", ""));
    ck_assert(!readme_line_fits("evidence=K2", "evidence=K3"));
    ck_assert(!readme_line_fits("Hello World", "Hello World!"));
    ck_assert(!readme_line_fits("Hello World!", "Hello World"));
    ck_assert(readme_line_fits("gid=1000", "gid=-1"));
    ck_assert(!readme_line_fits("pid=1", "pid="));
}
END_TEST

/* -- what a session needs -------------------------------------------------- */

/* bash, ps */
static const char *
need_command(const char *name)
{
    static char reasons[2][16];
    char *reason = reasons[name[0] == 'p'], command[64];

    snprintf(command, sizeof command, "command -v %s >/dev/null", name);
    snprintf(reason, sizeof reasons[0], "need %s", name);
    return system(command) == 0 ? NULL : reason;
}

static const char *
needs(const struct readme_block *b)
{
    const char *reason = need_source();

    if (reason == NULL)
        reason = need_programs();
    if (reason == NULL)
        reason = need_command("bash");
    if (reason == NULL && (begins(b->text, "# ") || strstr(b->text, "\n# ")))
        reason = need_root();
    if (reason == NULL && strstr(b->text, "nslab") != NULL)
        reason = need_spaces();
    if (reason == NULL && strstr(b->text, "ps ") != NULL)
        reason = need_command("ps");
    for (size_t i = 0; reason == NULL && ipc_registry[i] != NULL; i++)
        if (strstr(b->text, ipc_registry[i]->name) != NULL)
            reason = need_mechanism(ipc_registry[i]);
    return reason;
}

static void
add_sessions(TCase *tc, const struct readme *r)
{
    for (size_t i = 0; i < r->block_count; i++) {
        const struct readme_block *b = &r->blocks[i];

        if (!b->session || b->why_not != NULL)
            continue;
        if (session_count == sizeof sessions / sizeof *sessions)
            abort(); /* make it larger */
        sessions[session_count] = b;
        add_loop_test_if(tc, needs(b), a_session_goes_as_it_is_shown,
                         (int)session_count++);
    }
}

Suite *
test_readme(void)
{
    Suite *s = suite_create("readme");
    TCase *tc = test_case(s, "readme");
    const struct readme *all;
    size_t count = readme_all(&all);

    add_test_if(tc, need_source(), numbers_and_dots_fit_and_nothing_else);
    for (size_t i = 0; i < count; i++)
        add_sessions(tc, &all[i]);
    return s;
}

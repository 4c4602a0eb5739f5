/* session.c - a console block is run, and compared (session.h). */
#define _GNU_SOURCE /* memmem, strchrnul */
#include "test/session.h"

#include "test/files.h"
#include "test/test.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct readme_block *block;
static const char *place;

void
session_server(const char *path, const char *ipcd, const char *options)
{
    char text[3 * PATH_MAX];

    snprintf(text, sizeof text,
             "#!/bin/sh\n[ -n \"$READY\" ] || exec '%s' \"$@\"\n"
             "exec 9>\"$READY\"\nexec '%s' --ready-fd 9 %s \"$@\"\n",
             ipcd, ipcd, options);
    write_file(path, text, 0755);
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
        fprintf(f, "%.*s%s", (int)(tmp - line), line, place);
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
        snprintf(path, sizeof path, "%s/build/release:%s", place,
                 getenv("PATH"));
        setenv("PATH", path, 1);
        setenv("IPCLAB_DIR", run_dir, 1);
        signal(SIGPIPE, SIG_DFL);
        if (chdir(place) == 0 && freopen("/dev/null", "r", stdin) != NULL &&
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

/* What a server says that it goes without where we are (a chroot, a container),
 * or because we are root, is not shown. */
static char *
line_said(char **said)
{
    char *line;

    do
        line = readme_line(said);
    while (line != NULL && begins(line, "ipcd: ") &&
           (strstr(line, " without ") != NULL ||
            begins(line, "ipcd: serves as root")));
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
    static const char *const programs[] = {"ipcctl", "ipcbench",  "nslab",
                                           "ipclab", "ipcattack", "check"};

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
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

void
session_run(const struct readme_block *b, const char *dir)
{
    char script[PATH_MAX], transcript[PATH_MAX], *said;

    block = b;
    place = dir;
    snprintf(script, sizeof script, "%s/script", place);
    snprintf(transcript, sizeof transcript, "%s/transcript", place);
    write_script(b, script);
    unlink(transcript); /* of the session before */
    run_script(script, transcript);
    said = strdup(file_text(transcript));
    ck_assert_ptr_nonnull(said);
    check_transcript(said);
    free(said);
}

/* shell.c - commands of the shell, and what they said (shell.h). */
#define _GNU_SOURCE /* popen */
#include "test/shell.h"

#include <check.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char said[1 << 20];

int
shell_in(const char *dir, const char *format, ...)
{
    char command[4 * PATH_MAX];
    va_list args;
    size_t n;
    int status;
    FILE *f;

    ck_assert_int_eq(chdir(dir), 0);
    n = (size_t)snprintf(command, sizeof command,
                         "exec 2>&1; exec env -i PATH=\"$PATH\" "
                         "${TMPDIR:+TMPDIR=\"$TMPDIR\"} "
                         "${IPCLAB_TURN:+IPCLAB_TURN=$IPCLAB_TURN} ");
    va_start(args, format);
    vsnprintf(command + n, sizeof command - n, format, args);
    va_end(args);
    f = popen(command, "re");
    ck_assert_ptr_nonnull(f);
    n = fread(said, 1, sizeof said - 1, f);
    said[n] = '\0';
    status = pclose(f);
    ck_assert_msg(WIFEXITED(status), "%s", command);
    return WEXITSTATUS(status);
}

void
expect_said(const char *what)
{
    ck_assert_msg(strstr(said, what) != NULL, "\"%s\" is not in: %.2000s", what,
                  said);
}

void
expect_unsaid(const char *what)
{
    ck_assert_msg(strstr(said, what) == NULL, "\"%s\" is in: %.2000s", what,
                  said);
}

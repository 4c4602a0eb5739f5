/* wrap.c - text in lines. */
#include "core/wrap.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEAST 40

int
wrap_columns(void)
{
    const char *told = getenv("COLUMNS");
    int columns = told != NULL ? atoi(told) : 0;
    struct winsize w;

    if (columns <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0)
        columns = w.ws_col;
    if (columns <= 0 || columns > WRAP_MOST)
        return WRAP_MOST;
    return columns < LEAST ? LEAST : columns;
}

void
wrap(FILE *f, const char *text, int indent, int width)
{
    int column = indent;

    for (const char *word = text; *word != '\0'; word += strspn(word, " ")) {
        int len = (int)strcspn(word, " ");

        if (word != text && column + 1 + len > width) {
            fprintf(f, "\n%*s", indent, "");
            column = indent;
        } else if (word != text) {
            fputc(' ', f);
            column++;
        }
        fprintf(f, "%.*s", len, word);
        column += len;
        word += len;
    }
    fputc('\n', f);
}

void
wrap_say(FILE *f, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wrap(f, text, 0, wrap_columns());
}

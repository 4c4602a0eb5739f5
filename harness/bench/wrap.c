/* wrap.c - text in lines. */
#include "bench/wrap.h"

#include <string.h>

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

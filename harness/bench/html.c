/* html.c - text within HTML. */
#include "bench/html.h"

void
html_text(FILE *f, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\'':
            fputs("&#39;", f);
            break;
        default: /* of control characters HTML knows white space only */
            fputc((unsigned char)*text < ' ' || *text == 127 ? ' ' : *text, f);
        }
}

void
html_element(FILE *f, const char *open, const char *close, const char *text)
{
    fprintf(f, "<%s>", open);
    html_text(f, text);
    fprintf(f, "</%s>", close);
}

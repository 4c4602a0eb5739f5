/* html.c - text within HTML. */
#include "bench/html.h"

#include <string.h>

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
html_lines(FILE *f, const char *text)
{
    for (const char *end; (end = strstr(text, "; ")) != NULL; text = end + 2) {
        char line[512];

        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        html_text(f, line);
        fputc('\n', f);
    }
    html_text(f, text);
}

void
html_element(FILE *f, const char *open, const char *close, const char *text)
{
    fprintf(f, "<%s>", open);
    html_text(f, text);
    fprintf(f, "</%s>", close);
}

void
html_table(FILE *f, const char *class, const char *const heads[])
{
    fprintf(f,
            "<div class=\"wide\" tabindex=\"0\"><table class=\"%s\">\n"
            "<thead><tr>",
            class);
    for (size_t i = 0; heads[i] != NULL; i++)
        html_element(f, "th", "th", heads[i]);
    fputs("</tr></thead>\n<tbody>\n", f);
}

void
html_row(FILE *f, const char *name, const char *const cells[], size_t n)
{
    fputs("<tr>", f);
    html_element(f, "th scope=\"row\"", "th", name);
    for (size_t i = 0; i < n; i++)
        html_element(f, "td", "td", cells[i]);
}

void
html_row_end(FILE *f)
{
    fputs("</tr>\n", f);
}

void
html_table_end(FILE *f)
{
    fputs("</tbody></table></div>\n", f);
}

/* utf8.c - is it text? */
#include "utf8.h"

size_t
utf8_decode(const unsigned char *s, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80             ? 1
               : (s[0] & 0xe0) == 0xc0 ? 2
               : (s[0] & 0xf0) == 0xe0 ? 3
               : (s[0] & 0xf8) == 0xf0 ? 4
                                       : 0;

    if (n == 0 || n > len)
        return 0;
    *code = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    return *code < least[n] || *code > 0x10ffff ||
                   (*code >= 0xd800 && *code < 0xe000)
               ? 0
               : n;
}

/* C0, C1 (0x9b begins a command, as ESC [ does), line and paragraph separator,
 * the directions of writing. */
bool
utf8_is_harmless(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code >= 0xa0) && code != 0x061c &&
           code != 0x200e && code != 0x200f &&
           (code < 0x2028 || code > 0x202e) && (code < 0x2066 || code > 0x2069);
}

bool
utf8_valid(const char *at, size_t len)
{
    const unsigned char *s = (const unsigned char *)at;
    uint32_t code;

    for (size_t i = 0, n; i < len; i += n) {
        n = s[i] < 0x80 ? 1 : utf8_decode(s + i, len - i, &code);
        if (n == 0)
            return false;
    }
    return true;
}

size_t
utf8_fit(const char *at, size_t len, size_t most)
{
    if (len <= most)
        return len;
    while (most > 0 && ((unsigned char)at[most] & 0xc0) == 0x80)
        most--;
    return most;
}

#!/bin/sh
# hardened.sh - how distributions harden their programs, and optimize them when
# they are linked, as far as a compiler knows it and the user's own flags do not
# say otherwise.
#
#       CC='ccache gcc' harness/hardened.sh [FLAG...]
#
# prints those of the flags below that compile and link a program, the user's
# FLAGs after them, without a warning: not what another processor
# has, not _FORTIFY_SOURCE where -O0 makes it a warning or where FLAG... has it
# already.  Without a compiler it prints nothing.
set -eu

always="-fstack-protector-strong -fstack-clash-protection \
-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 \
-fPIE -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack"
# An indirect jump ends where one may: Intel's and ARM's.
jumps='-fcf-protection -mbranch-protection=standard'
# What a program is made of is optimized as a whole, when it is linked; or each
# file by itself, as ever: the objects have both.
whole='-flto=auto -ffat-lto-objects'

program=$(mktemp)
trap 'rm -f "$program"' EXIT

# What the compiler says to these FLAGS and the user's; it fails if that is all.
said() {
    flags=$1
    shift
    # shellcheck disable=SC2086 # CC may be several words, FLAGS are
    $CC $flags "$@" -x c -o "$program" - 2>&1 <<'PROGRAM'
#include <stdlib.h>
int main(void) { return EXIT_SUCCESS; }
PROGRAM
}

# All at once, as is mostly possible,
for jump in $jumps; do
    if text=$(said "$always $jump $whole" "$@") && [ -z "$text" ]; then
        echo "$always $jump $whole"
        exit
    fi
done
# or one after the other, and the user's may make a warning by themselves.
usual=$(said '' "$@") || exit 0
taken=
for flag in $always $jumps "$whole"; do
    if text=$(said "$taken $flag" "$@") && [ "$text" = "$usual" ]; then
        taken="$taken $flag"
    fi
done
echo "${taken# }"

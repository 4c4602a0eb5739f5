#!/bin/sh
# What can be run within a minute of cloning: it needs a compiler, and no root, no
# network, no library.  CC is make's; the programs go to build/hour/, or to
# $HOUR_BUILD.
#
#       hour.sh hello [1|2|3]      make hello: with that as a prediction
#       hour.sh demo [waiting]     make demo: that one, or which there are
#       hour.sh predict [2 3 3 10] make predict; CLASS=DIR: everybody's predictions
set -u
cd "$(dirname "$0")/../.." || exit
CC=${CC:-gcc}
build=${HOUR_BUILD:-build/hour}
verb=$1
shift

harness/deps.sh need plain || exit
mkdir -p "$build" || exit

# compiled PROGRAM SOURCE...: makes it, unless it is newer than all of these.
compiled() {
    program=$build/$1
    shift
    [ -n "$(find "$@" harness/hour/*.h -newer "$program" 2>&1)" ] || return 0
    # shellcheck disable=SC2086 # CC may be several words
    $CC -std=c17 -O2 -pthread -o "$program" "$@" -lrt
}

# What the class has predicted to be the fastest, a # for each prediction.
histogram() {
    printf '\nThe class (%s) has predicted:\n' "$CLASS"
    cat "$CLASS"/*.predictions | awk '
    {
        split($1, cpus, "="); split(substr($2, 11), said, ",")
        split(substr($3, 10), found, ",")
        all[cpus[2], said[1]] = all[cpus[2], said[1]] "#"
        right[cpus[2]] += said[1] == found[1]; n[cpus[2]]++
    }
    END {
        for (c = 1; c <= 2; c++) {
            if (!n[c]) continue
            printf "  on %s: %d of %d as measured\n",
                c == 1 ? "one processor" : "two", right[c], n[c]
            for (i = 1; i <= 3; i++) printf "    [%d] %.60s\n", i, all[c, i]
        }
    }'
}

case $verb in
hello)
    compiled hello harness/hour/hello.c harness/hour/eight.c \
        harness/hour/trips.c || exit
    exec "$build/hello" "$@"
    ;;
demo)
    compiled demo harness/hour/demo.c harness/hour/demos_*.c \
        harness/hour/eight.c harness/hour/trips.c || exit
    exec "$build/demo" "$@"
    ;;
predict)
    compiled predict harness/hour/predict.c harness/hour/trips.c || exit
    PREDICTIONS=${CLASS:-$build}/$(id -un).predictions
    export PREDICTIONS
    "$build/predict" "$@" || exit
    [ -z "${CLASS-}" ] || histogram
    ;;
*)
    echo "usage: hour.sh hello [NUMBER] | demo [NAME] | predict [NUMBER...]" >&2
    exit 64
    ;;
esac

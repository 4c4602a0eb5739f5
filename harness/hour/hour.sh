#!/bin/sh
# What can be run within a minute of cloning: it needs a compiler, and no root, no
# network, no library.  CC is make's; the programs go to build/hour/, or to
# $HOUR_BUILD.
#
#       hour.sh hello [1|2|3]      make hello: with that as a prediction
#       hour.sh demo [waiting]     make demo: that one, or which there are
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
*)
    echo "usage: hour.sh hello [PREDICTION] | demo [NAME]" >&2
    exit 64
    ;;
esac

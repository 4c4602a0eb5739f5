#!/bin/sh
# lab.sh - a student's own form of a mechanism, LAB/work/LAB.c, which git does
# not see.  `make` calls it:
#
#       lab.sh start LAB[.BLOCK]    makes it from the textbook form, with all
#                                   blocks blank, or this one
#       lab.sh reset LAB[.BLOCK]    puts it aside, into LAB/work/old-N, and starts
#       lab.sh diff LAB             what the textbook form does otherwise
#       lab.sh work LAB             is there one?
#       lab.sh watch LAB            checks it again whenever it is saved
#       lab.sh blank LAB            says which blocks are not written yet
#
# A lab is a directory whose textbook.c has blocks (skeleton.awk).
set -eu

cd "$(dirname "$0")/../.."
verb=$1
lab=${2%%.*}
block=${2#"$lab"}
block=${block#.}
case $verb$block in # fifo.3, a step: all of it is built
    work[0-9]* | blank[0-9]*) block= ;;
esac

die() {
    echo "make $verb: $*" >&2
    exit 1
}

blocks() {
    sed -n 's|^ */\* block \([a-z]*\):.*|\1|p' "$1"
}

# skeleton BLANK: the file, on standard output.
skeleton() {
    awk -v lab="$lab" -v blank="$1" -f harness/lab/skeleton.awk \
        "$lab/textbook.c"
}

start() {
    mkdir -p "$lab/work"
    skeleton "${block:-all}" > "$lab/work/new" || {
        rm -f "$lab/work/new"
        die "$lab/textbook.c could not be made a skeleton"
    }
    mv "$lab/work/new" "$mine" # so it is there whole, or not at all
    echo "  $mine: to be written:$(blanks)"
    [ ! -e "$lab/LAB.md" ] || echo "  the assignment: $lab/LAB.md"
    echo "  make work L=$lab builds it"
}

# The blocks that are not written yet.
blanks() {
    awk '/^ *\/\* block [a-z]+:/ { block = $3; sub(/:.*/, "", block) }
         /\/\* not written yet \*\// { printf " %s", block }' "$mine"
}

labs=$(for form in */textbook.c; do
    [ -z "$(blocks "$form")" ] || printf ' %s' "${form%/*}"
done)
case $lab in
    '') die "of which lab? L=NAME; there are:$labs" ;;
    *[!a-z]*) die "L=$2 is no lab; there are:$labs" ;;
esac
case " $labs " in
    *" $lab "*) ;;
    *) die "L=$2 is no lab; there are:$labs" ;;
esac
mine=$lab/work/$lab.c
there=$(blocks "$lab/textbook.c" | tr '\n' ' ')
case " $there" in
    *" $block "*) ;;
    *) [ -z "$block" ] || die "$lab has no block '$block'; it has: ${there% }" ;;
esac

# One look a second: what is watched is an editor.
watch() {
    seen=
    while :; do
        now=$(stat -c '%Y %s %i' "$mine" 2>/dev/null || true)
        if [ "$now" != "$seen" ] && [ -n "$now" ]; then
            make -s --no-print-directory check "L=$lab" || :
            echo "-- $(date +%T): waiting for $mine to be saved; ^C ends this"
        fi
        seen=$now
        sleep 1
    done
}

case $verb in
    start)
        [ ! -e "$mine" ] || die "$mine is there already;" \
            "make reset L=$2 puts it aside and begins again"
        start
        ;;
    reset)
        [ -e "$mine" ] || die "there is no $mine; make start L=$2 makes it"
        n=1
        while [ -e "$lab/work/old-$n" ]; do n=$((n + 1)); done
        mkdir "$lab/work/old-$n"
        mv "$mine" "$lab/work/old-$n"
        echo "  what it was: $lab/work/old-$n/$lab.c"
        start
        ;;
    diff)
        [ -e "$mine" ] || die "there is no $mine; make start L=$lab makes it"
        echo "What the textbook form (-) does, which is one solution, and $mine (+):"
        skeleton none | diff -u --label "$lab/textbook.c" --label "$mine" \
            - "$mine" || [ $? = 1 ]
        ;;
    watch)
        [ -e "$mine" ] || die "there is no $mine; make start L=$lab makes it"
        watch
        ;;
    blank)
        [ -z "$(blanks)" ] || echo "  $mine: not written yet:$(blanks)"
        ;;
    work)
        [ -e "$mine" ] || die "there is no $mine; make start L=$lab makes it"
        ;;
esac

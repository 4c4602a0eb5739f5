#!/bin/sh
# selfcheck.sh - does the grader judge what is known as it is known?
#
#       selfcheck.sh hardened [LAB...]  one variant of each directory: 100 points
#       selfcheck.sh textbook [LAB...]  fails in what its lines in textbook.fails
#                                       say, and in nothing else
#       selfcheck.sh skeleton [LAB...]  compiles without a warning, scores 0, and
#                                       is told what is not written
#       selfcheck.sh blocks [LAB...]    each block blank alone: a step fails, and
#                                       its name is in the verdict
#       selfcheck.sh hunt [N...]        each bug of the museum is found by the test
#                                       that it names, and has a Because
#       selfcheck.sh class              submissions that do not compile, fork
#                                       without end, or leave daemons that fill
#                                       /dev/shm: each has its line, nothing of
#                                       them is left
#
# O=build/release is where the programs are.  A line for each; exit 1 if one is
# not as it should be.
set -eu

cd "$(dirname "$0")/../.."
top=$PWD
O=${O:-build/release}
ipclab=$top/$O/ipclab
make=${MAKE:-make}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ipclab-selfcheck-XXXXXX")
chmod 755 "$scratch"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
wrong=0

labs="pipe fifo msgq shm sem socket mmap signals"
hardened="pipe/coprocess fifo/perclient msgq/sysv-private shm/futex sem/mailbox \
socket/stream mmap/file signals/doorbell"

say() { # say WELL WHAT: one line
    if [ "$1" = yes ]; then
        echo "  ok        $2"
    else
        echo "  NOT SO    $2"
        wrong=$((wrong + 1))
    fi
}

# build LAB: the programs with $scratch/LAB/work/LAB.c, to $scratch/build.
build() {
    b=$scratch/build
    "$make" -s --no-print-directory -o "$O/how" O="$O" L="$1" \
        MINE="$scratch/$1/work/$1.c" W="$b" "$b/ipcd" "$b/ipcctl" "$b/check" \
        "$b/fast/check" > "$scratch/make.txt" 2>&1 || {
        cat "$scratch/make.txt"
        return 1
    }
}

# check LAB[.STEP]: its verdict goes to $scratch/verdict, failures to failed.
check() {
    (cd "$scratch" && "$ipclab" check "$1" --programs build --tap tap) \
        > "$scratch/verdict" 2>&1 || true
    failures "$scratch/tap" > "$scratch/failed"
}

failures() {
    sed -n 's/^not ok [0-9]* - [^ ]* //p' "$1" | sort
}

sum() {
    tail -n 1 "$scratch/verdict"
}

hardened() {
    for m in $hardened; do
        case " ${chosen:-$labs} " in
            *" ${m%/*} "*) ;;
            *) continue ;;
        esac
        "$ipclab" check "$m" --tap "$scratch/tap" > "$scratch/verdict" 2>&1 ||
            true
        of=$(sum | sed -n 's/^\([0-9.]*\) of \([0-9.]*\).*/\1 \2/p')
        [ -n "$of" ] && [ "${of% *}" = "${of#* }" ] && all=yes || all=no
        say "$all" "$m: $(sum)"
        [ "$all" = yes ] || failures "$scratch/tap"
    done
}

textbook() {
    for lab in ${chosen:-$labs}; do
        "$ipclab" check "$lab/textbook" --tap "$scratch/tap" \
            > "$scratch/verdict" 2>&1 || true
        failures "$scratch/tap" > "$scratch/failed"
        # What cannot run here is not failed.
        sed -n 's/^ok [0-9]* - [^ ]* \([^ ]*\) # SKIP.*/\1/p' "$scratch/tap" \
            > "$scratch/skipped"
        sed -n "s/^$lab //p" harness/lab/textbook.fails |
            grep -vxF -f "$scratch/skipped" | sort > "$scratch/expected" || true
        if diff "$scratch/expected" "$scratch/failed" > "$scratch/diff"; then
            say yes "$lab/textbook: $(sum)"
        else
            say no "$lab/textbook: < said in textbook.fails, > found:"
            cat "$scratch/diff"
        fi
    done
}

skeleton() {
    for lab in ${chosen:-$labs}; do
        rm -rf "${scratch:?}/$lab" "$scratch/build"
        mkdir -p "$scratch/$lab/work" "$scratch/build"
        awk -v lab="$lab" -v blank=all -f harness/lab/skeleton.awk \
            "$lab/textbook.c" > "$scratch/$lab/work/$lab.c"
        build "$lab" || say no "$lab: does not compile"
        grep -q warning "$scratch/make.txt" && say no "$lab: a warning"
        check "$lab"
        if sum | grep -q '^0 of ' &&
            grep -q 'not written yet' "$scratch/verdict"; then
            say yes "$lab: $(sum)"
        else
            say no "$lab: $(sum)"
        fi
    done
}

blocks() {
    for lab in ${chosen:-$labs}; do
        for block in ${BLOCKS:-$(sed -n 's|^ */\* block \([a-z]*\):.*|\1|p' \
            "$lab/textbook.c")}; do
            rm -rf "${scratch:?}/$lab" "$scratch/build"
            mkdir -p "$scratch/$lab/work" "$scratch/build"
            awk -v lab="$lab" -v blank="$block" -f harness/lab/skeleton.awk \
                "$lab/textbook.c" > "$scratch/$lab/work/$lab.c"
            build "$lab" || say no "$lab.$block: does not compile"
            check "$lab"
            if [ -s "$scratch/failed" ] &&
                grep -q "$block() is not written yet\|not written yet: .*$block()" \
                    "$scratch/verdict"; then
                say yes "$lab.$block: $(sum)"
            else
                say no "$lab.$block: $(sum)"
                cat "$scratch/verdict"
            fi
        done
    done
}

hunt() {
    for file in harness/lab/hunt/*.sed; do
        number=${file##*/}
        number=${number%%-*}
        lab=${file##*-}
        lab=${lab%.sed}
        case " ${chosen:-$number} " in
            *" $number "* | *" ${number#0} "*) ;;
            *) continue ;;
        esac
        caught=$(sed -n '1,3s/^# caught: //p' "$file")
        rm -rf "${scratch:?}/$lab" "$scratch/build"
        mkdir -p "$scratch/$lab/work" "$scratch/build"
        harness/lab/hunt.sh plant "$number" "$scratch/$lab/work/$lab.c" \
            > /dev/null
        build "$lab" || say no "$number $lab: does not compile"
        check "$lab"
        if ! [ -s "$scratch/failed" ]; then
            say no "$number $lab: nothing fails; $caught should"
        elif grep -q '^   Because' "$scratch/verdict"; then
            say yes "$number $lab: $(sum)"
        else
            say no "$number $lab: no Because"
        fi
        sed -n '1,3s/^/            /p' "$file"
        sed -n '/^   You did/,/^   Read/p' "$scratch/verdict"
        grep -qxF "$caught" "$scratch/failed" ||
            echo "            ($caught does not fail, or was not asked)"
    done
}

# submission NAME CODE: the textbook form, whose create() does that first.
submission() {
    mkdir -p "$scratch/class/$1"
    awk -v lab=fifo -v blank=none -f harness/lab/skeleton.awk fifo/textbook.c |
        sed "s|    strcpy(s->name, name);|&\\n$2|
             s|#include <errno.h>|&\\n#include <signal.h>|" \
            > "$scratch/class/$1/fifo.c"
}

# Whoever runs one of the programs that were built for them.
still_there() {
    for exe in /proc/[0-9]*/exe; do
        case $(readlink "$exe" 2> /dev/null) in
            "$scratch"/*) echo "$exe" ;;
        esac
    done
}

# shellcheck disable=SC2016,SC2317 # C; called by name
class() {
    submission blank 'return -ENOSYS;'
    submission broken 'this is not C'
    submission bomb 'for (;;) fork();'
    submission daemon 'signal(SIGTERM, SIG_IGN); if (fork() == 0) { setsid(); \
if (fork() == 0) for (;;) { static char b[1 << 20]; char p[64]; snprintf(p, \
64, "/dev/shm/fill%d", getpid()); FILE *f = fopen(p, "a"); if (f != NULL) { \
fwrite(b, 1, sizeof b, f); fclose(f); } } }'
    dirs=
    for one in ${CLASS:-blank broken bomb daemon}; do
        dirs="$dirs $scratch/class/$one"
    done
    mkdir -p "$scratch/work"
    before=$(ls /dev/shm)
    # shellcheck disable=SC2086 # they are words
    TMPDIR=$scratch/work "$ipclab" grade -o "$scratch/results" --seconds 40 \
        fifo $dirs
    for one in ${CLASS:-blank broken bomb daemon}; do
        if grep -q "^\"$one\",0" "$scratch/results/summary.csv"; then
            say yes "$one: $(grep "^\"$one\"" "$scratch/results/summary.csv")"
        else
            say no "$one: $(cat "$scratch/results/summary.csv")"
        fi
    done
    if [ -z "$(still_there)" ] && [ "$before" = "$(ls /dev/shm)" ] &&
        [ -z "$(ls "$scratch/work")" ]; then
        say yes "nothing of them is left"
    else
        say no "left: $(still_there) $(ls /dev/shm "$scratch/work")"
    fi
}

verb=${1:?hardened, textbook, skeleton, blocks, hunt or class}
shift
chosen=$*
case $verb in
    hardened | textbook | skeleton | blocks | hunt | class) "$verb" ;;
    *)
        echo "selfcheck.sh: hardened, textbook, skeleton, blocks, hunt or class" >&2
        exit 64
        ;;
esac
[ $wrong = 0 ]

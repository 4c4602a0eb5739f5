#!/bin/sh
# hunt.sh - the bug museum: each hunt/N-LAB.sed puts one bug into a copy of
# LAB/textbook.c, and says in its first lines what is wrong, which of our tests
# finds it, why, and what the grader tells of it.  `make hunt` calls it:
#
#       hunt.sh list            which there are, and not what they are
#       hunt.sh hunt N          tries your test, LAB/work/hunt-N.sh, on the form
#                               without the bug, and on the one with it
#       hunt.sh prove [N...]    is each found by the test that its file names?
#       hunt.sh show N          what the bug is
#       hunt.sh plant N FILE    writes the form with it, as the mechanism LAB/work
#
# Addresses of sed(1), not patches: who edits the textbook form elsewhere need
# not come here.  A bug that does not change its form any more is an error.
set -eu

cd "$(dirname "$0")/../.."
museum=harness/lab/hunt
built=build/hunt
make=${MAKE:-make}

die() {
    echo "make hunt: $*" >&2
    exit 1
}

# bug N: sets file, lab.
bug() {
    case $1 in
        '' | *[!0-9]*) die "B=$1 is no number; make hunt lists the bugs" ;;
    esac
    file=$(find $museum -name "$1-*.sed" -o -name "0$1-*.sed")
    [ -n "$file" ] || die "there is no bug $1; make hunt lists them"
    lab=${file##*-}
    lab=${lab%.sed}
}

# Of its first three lines: "wrong", "caught" or "because".
says() {
    sed -n "1,3s/^# $1: //p" "$file"
}

# form FILE [SED-SCRIPT]: the textbook form, with a bug or without.
form() {
    mkdir -p "$(dirname "$1")"
    sed -E -f "${2:-/dev/null}" "$lab/textbook.c" > "$1.new"
    [ -z "${2:-}" ] || ! cmp -s "$1.new" "$lab/textbook.c" ||
        die "$2 changes nothing in $lab/textbook.c"
    awk -v lab="$lab" -v blank=none -f harness/lab/skeleton.awk "$1.new" > "$1"
    rm "$1.new"
}

# build DIRECTORY PROGRAM...: with DIRECTORY/LAB.c.
build() {
    dir=$1
    shift
    programs=
    for program; do programs="$programs $dir/$program"; done
    # shellcheck disable=SC2086 # they are words
    "$make" -s MINE="$dir/$lab.c" W="$dir" L="$lab" $programs >&2
}

# -- our tests -----------------------------------------------------------------

# try DIRECTORY: the test that the bug names, for the form in there.
try() {
    test=$(says caught)
    CK_RUN_SUITE=${test%/*} IPCLAB_TEST=${test#*/} CK_RUN_CASE=$lab/work \
        IPCLAB_BEYOND=1 CK_TIMEOUT_MULTIPLIER=0.5 \
        "$1/fast/check" > "$1/said" 2>&1 < /dev/null
}

# prove N: with the bug it fails, and without it does not.
prove() {
    bug "$1"
    form "$built/$1/$lab.c" "$file"
    form "$built/$lab/$lab.c"
    build "$built/$lab" fast/check
    build "$built/$1" fast/check
    if ! try "$built/$lab"; then
        echo "  $1 $lab: $(says caught) fails without the bug, too: $built/$lab/said"
    elif grep -q '^not run here' "$built/$lab/said"; then
        echo "  $1 $lab: $(says caught): $(grep '^not run' "$built/$lab/said")"
        return 0
    elif try "$built/$1"; then
        echo "  $1 $lab: $(says caught) does not find it"
    elif ! grep -q ":$(says caught | sed 's|.*/||'):" "$built/$1/said"; then
        echo "  $1 $lab: it ends otherwise: $built/$1/said"
    else
        echo "  $1 $lab: found by $(says caught)"
        rm -r "${built:?}/$1"
        return 0
    fi
    return 1
}

prove_all() {
    failed=0
    for n; do
        prove "$n" || failed=$((failed + 1))
    done
    [ $failed = 0 ] || die "$failed of $# were not found as their files say"
    rm -rf "$built"
    echo "  all $# are found"
}

numbers() {
    for f in "$museum"/*.sed; do
        f=${f##*/}
        f=${f%%-*}
        echo "${f#0}"
    done
}

# -- yours ---------------------------------------------------------------------

# yours DIRECTORY: your test, for the form in there.  Not longer than a minute.
yours() {
    BIN=$1 M=$lab/work IPCLAB_DIR=$(mktemp -d /tmp/ipclab-hunt-XXXXXX)
    export BIN M IPCLAB_DIR
    status=0
    timeout -k 5 60 sh -c ". $museum/tools.sh; . $mine" \
        > "$1/said" 2>&1 < /dev/null || status=$?
    sh -c ". $museum/tools.sh; clear_up"
    rm -rf "$IPCLAB_DIR"
    return $status
}

begin() {
    mkdir -p "$lab/work"
    sed "s/%N/$1/g; s/%LAB/$lab/g" $museum/test.sh.in > "$mine"
    echo "  $mine: write there what the bug does not withstand"
    echo "  make hunt B=$1 tries it"
}

hunt() {
    bug "$1"
    mine=$lab/work/hunt-$1.sh
    [ -e "$mine" ] || { begin "$1" && return; }
    form "$built/$1/$lab.c" "$file"
    form "$built/$lab/$lab.c"
    build "$built/$lab" ipcd ipcctl
    build "$built/$1" ipcd ipcctl
    # Three times: what passes now and then finds a bug where there is none.
    for _ in 1 2 3; do
        yours "$built/$lab" || {
            cat "$built/$lab/said"
            die "$mine fails without the bug, too"
        }
    done
    ! yours "$built/$1" || die "$mine passes with the bug, too: it is still there"
    cat "$built/$1/said"
    [ $status != 124 ] || echo "  (it did not end within a minute)"
    echo "  $mine kills bug $1, and passes without it three times"
    show
}

show() {
    echo "  what was wrong: $(says wrong)"
    echo "  $(says because)"
    echo "  ours: $(says caught)"
}

# -- the verbs -----------------------------------------------------------------

verb=$1
shift
case $verb in
    list)
        echo "Bugs, one in each of these copies of a textbook form:"
        for f in "$museum"/*.sed; do
            n=${f##*/}
            printf '%s %s\n' "$(echo "${n%%-*}" | sed 's/^0//')" "${n#*-}"
        done | awk '{ sub(/[.]sed/, "", $2); of[$2] = of[$2] " " $1
                      if (!seen[$2]++) order[++n] = $2 }
                    END { for (i = 1; i <= n; i++)
                              printf "  %-8s%s\n", order[i], of[order[i]] }'
        echo "make hunt B=N begins with one: $museum/README.md"
        ;;
    hunt) hunt "$1" ;;
    prove)
        # shellcheck disable=SC2046 # they are words
        [ $# -gt 0 ] || set -- $(numbers)
        prove_all "$@"
        ;;
    show)
        bug "$1"
        show
        ;;
    plant)
        bug "$1"
        form "$2" "$file"
        ;;
esac

#!/bin/sh
# Every linter over every file: one line each, and any finding fails.
#   lint.sh [-IDIR...]    with the include flags of the compiler (make lint)
set -u
status=0

# Formatters and checkers differ between versions in what they want.  We hold to
# those of Debian 12; with another one a check is not done, and says so.
clang_wanted=14
cppcheck_wanted=2.10
shellcheck_wanted=0.9
gcc_wanted=12

# linter TOOL FILES COMMAND...: runs COMMAND with @ standing for each file, on
# two cores, and says ok or what it found.
linter() {
    tool=$1
    files=$2
    shift 2
    if found=$(echo "$files" | xargs -P2 -I@ "$@" 2>&1); then
        echo "  $tool: ok"
    else
        echo "  $tool:"
        echo "$found" | grep -aEv '^[0-9]+ warnings?( and [0-9]+ errors?)? generated'
        status=1
    fi
}

# wanted TOOL VERSION: sets $command to the TOOL of that version (Debian calls
# it TOOL-VERSION where it is not the usual one).  What is there in another
# version, or not at all, is said.
wanted() {
    have=
    for command in "$1" "$1-$2"; do
        command -v "$command" >/dev/null || continue
        have=$("$command" --version | grep -Eo '[0-9]+[.][0-9.]+' | head -n 1)
        case $have. in "$2".*) return ;; esac
    done
    if [ -n "$have" ]; then
        echo "  $1: not done: here is $have, the code is kept to $2"
    else
        echo "  $1: not installed; run \"make deps FOR=lint\""
        status=1
    fi
    return 1
}

# list PATTERN...: what git tracks or would track, and is there.
list() {
    git ls-files -co --exclude-standard -- "$@" | while read -r file; do
        [ -e "$file" ] && echo "$file"
    done
}

c_files=$(list '*.c')
h_files=$(list '*.h')
sh_files=$(list '*.sh' .ci/run)
[ -n "$c_files" ] || exit 1 # git has said why

# What is built with mpicc can only be read where that is.
mpi=$(mpicc --showme:compile 2>/dev/null)
tidy_files=$c_files
if [ -z "$mpi" ]; then
    tidy_files=$(echo "$c_files" | grep -vE '^msgq/(ipcd-mpi|mpi_(messages|server))\.c$')
    echo "  clang-tidy: without msgq/ipcd-mpi.c and its like: there is no mpicc"
fi

wanted clang-format $clang_wanted && linter clang-format "$c_files
$h_files" "$command" --dry-run -Werror @
# shellcheck disable=SC2086 # $mpi is several words
wanted clang-tidy $clang_wanted && linter clang-tidy "$tidy_files" \
    "$command" --quiet @ -- -std=c17 -pthread $mpi "$@" \
    -idirafter harness/core # as packaging/example.c finds them, installed
# varFuncNullUB: NULL ends an argument list; in every Linux libc it is a pointer.
wanted cppcheck $cppcheck_wanted && linter cppcheck "$c_files" \
    "$command" --quiet --std=c11 --inline-suppr --suppress=varFuncNullUB \
    --enable=warning,performance,portability --error-exitcode=1 "$@" @
wanted shellcheck $shellcheck_wanted &&
    linter shellcheck "$sh_files" "$command" @

# The analyzer is gcc itself, so its objects are kept like any others and only
# what changed is looked at again.  make must not look for the job server of
# the make that called us.
unset MAKEFLAGS MFLAGS
wanted gcc $gcc_wanted && linter 'gcc -fanalyzer' all \
    make -s -k -j2 V=analyze WERROR=1 CC="$command" @
exit $status

#!/bin/sh
# Every linter over every file: one line each, and any finding fails.
#   lint.sh [-IDIR...]    with the include flags of the compiler (make lint)
set -u
status=0

# linter TOOL FILES COMMAND...: runs COMMAND with @ standing for each file, on
# two cores, and says ok or what it found.
linter() {
    tool=$1
    files=$2
    shift 2
    if ! command -v "$1" >/dev/null; then
        echo "  $tool: not installed; run \"make deps FOR=lint\""
        status=1
    elif found=$(echo "$files" | xargs -P2 -I@ "$@" 2>&1); then
        echo "  $tool: ok"
    else
        echo "  $tool:"
        echo "$found" | grep -aEv '^[0-9]+ warnings?( and [0-9]+ errors?)? generated'
        status=1
    fi
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

linter clang-format "$c_files
$h_files" clang-format --dry-run -Werror @
# shellcheck disable=SC2086 # $mpi is several words
linter clang-tidy "$tidy_files" clang-tidy --quiet @ -- -std=c17 -pthread $mpi "$@"
# varFuncNullUB: NULL ends an argument list; in every Linux libc it is a pointer.
linter cppcheck "$c_files" cppcheck --quiet --std=c11 --inline-suppr \
    --suppress=varFuncNullUB \
    --enable=warning,performance,portability --error-exitcode=1 "$@" @
linter shellcheck "$sh_files" shellcheck @

# The analyzer is gcc itself, so its objects are kept like any others and only
# what changed is looked at again.  make must not look for the job server of
# the make that called us.
unset MAKEFLAGS MFLAGS
linter 'gcc -fanalyzer' all make -s -j2 V=analyze CC=gcc @
exit $status

#!/bin/sh
# make trace M=msgq/posix: one request, "hello World", as a sequence of system
# calls: what the client calls on the left, what the server on the right, in the
# order in which they were begun.
#
#       trace.sh build/release msgq/posix
set -u
cd "$(dirname "$0")/../.." || exit
programs=$1 mechanism=${2-}

if [ -z "$mechanism" ]; then
    echo 'trace: of what? make trace M=msgq/posix (build/release/ipcbench list)' >&2
    exit 64
fi
if ! command -v strace >/dev/null; then
    echo "trace: there is no strace here: make deps installs it" >&2
    exit 3
fi
if ! strace -o /dev/null true 2>/dev/null; then
    echo "trace: nobody may be traced here: ptrace(2)" >&2
    exit 3
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/ipclab-trace-XXXXXX") || exit
server=''
end() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export IPCLAB_DIR="$dir/run"
mkdir "$IPCLAB_DIR" || exit

# A spawned variant's server is its client's child, and is traced with it.
keep='' daemon=''
[ "$(id -u)" != 0 ] || keep=--keep-root
trace() {
    log=$1
    shift
    exec strace -f -ttt -T -yy -s 20 -e signal=none -o "$dir/$log" "$@"
}
if "$programs/ipcbench" list | grep -A4 "^$mechanism\$" | grep -q "can: .*spawned"; then
    :
else
    # shellcheck disable=SC2086 # no option, or one
    (trace server "$programs/ipcd" $keep -m "$mechanism") >"$dir/said" 2>&1 &
    tracer=$! daemon=1
    until grep -q '^ipcd: serving' "$dir/said" 2>/dev/null; do
        if ! kill -0 $tracer 2>/dev/null; then
            cat "$dir/said" >&2
            exit 1
        fi
    done
    server=$(sed -n '1s/ .*//p' "$dir/server") # the first; it ends the others
fi
(trace client "$programs/ipcctl" -m "$mechanism" hello World) \
    >"$dir/answer" 2>&1 || { cat "$dir/answer" >&2; exit 1; }
[ -z "$server" ] || kill "$server" 2>/dev/null
wait
server=''

# The picture goes to the programs, or where TRACE_SVG says; if neither can be
# written to there is none.
svg=${TRACE_SVG-$programs/trace-$(echo "$mechanism" | tr / -).svg}
: 2>/dev/null >"$svg" || svg=''

# As wide as the terminal, from 80 columns on.
wide=${COLUMNS:-$(stty size 2>/dev/null <&1 | cut -d' ' -f2)}
case $wide in
[89]?) ;;
???) wide=100 ;;
*) wide=80 ;;
esac

# In the order of time.  A call that was "unfinished" is told where it resumes.
[ -e "$dir/server" ] || : >"$dir/server"
echo "$mechanism: $(cat "$dir/answer")" | fold -s -w 80
echo
{ sed 's/^/c /' "$dir/client"; sed 's/^/s /' "$dir/server"; } | sort -s -k3,3 |
    awk -v run="$IPCLAB_DIR" -v svg="$svg" -v subject="$mechanism" -v wide="$wide" \
        -v daemon="$daemon" -f harness/hour/trace.awk
[ -z "$svg" ] || printf '\nAs a picture: %s\n' "$svg"
